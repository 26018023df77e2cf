/** A camera that is a program: PipeWire offers it to whoever asks GStreamer for one. */
import fs from "node:fs";
import path from "node:path";
import { start } from "./processes.mjs";
import { until } from "./tests.mjs";

/** What the camera shows: magenta, which no other camera of the tests does. */
const MAGENTA = 0xffff00ff;

/**
 * Starts PipeWire with nothing to offer, in the folder `XDG_RUNTIME_DIR` of this environment.
 * @param {(command: string, args: string[]) => Promise<object>} program starts a program that ends with the others
 */
export async function startPipeWire(env, program) {
  await program("pipewire", []);
  await until("PipeWire's socket", async () => fs.existsSync(path.join(env.XDG_RUNTIME_DIR, "pipewire-0")));
  // Who wants a camera is not led to it without one that decides.
  await program("wireplumber", []);
}

/** Plugs a camera in. @returns the program, to `stop` */
export async function startCamera(env) {
  const properties = "props,media.class=Video/Source,media.role=Camera,node.name=camera,node.description=camera";
  const pictures = ["video/x-raw,format=YUY2,width=640,height=480,framerate=15/1"];
  const test = ["videotestsrc", "is-live=true", "pattern=solid-color", `foreground-color=${MAGENTA}`, "!", ...pictures];
  const sink = ["!", "pipewiresink", "mode=provide", "client-name=camera", `stream-properties=${properties}`];
  return start("gst-launch-1.0", [...test, ...sink], { env, ready: /Setting pipeline to PLAYING|PREROLL/ });
}

/** Whether it is this camera's. */
export function isMagenta(thirds) {
  return Boolean(thirds) && thirds.every(([red, green, blue]) => red > 120 && blue > 120 && green < 90);
}
