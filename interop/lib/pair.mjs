/** A gateway between trunks that SIPp plays: telephones in the east call those in the west, and both hear each other. */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { startGateway } from "./gateway.mjs";
import { players } from "./ladder.mjs";
import { freePort } from "./net.mjs";
import { RtpPeer } from "./rtp.mjs";
import { afterAll, check, scenesOf, until } from "./tests.mjs";
import { shareAt } from "./tones.mjs";

export const EAST_HZ = 600;
export const WEST_HZ = 1000;
export const EARLY_HZ = 1300;
export const OTHER_HZ = 1700;
/** Rings in the west. */
export const NUMBER = "+15550200";
/** Rings in the south, where parties are transferred to. */
export const SOUTH = "+15550300";
const WINDOW = 4_000;

/** The seconds in which a telephone heard a tone. */
export function heard(rtp, hz) {
  const windows = Array.from({ length: Math.floor(rtp.samples.length / WINDOW) }, (_, i) => rtp.samples.slice(i * WINDOW, (i + 1) * WINDOW));
  return windows.filter(samples => shareAt(samples, 8_000, hz) > 0.7).length / 2;
}

/**
 * @param {{directory: string, toml?: string | Function, trunk?: string, options?: object}} wishes `toml`: more of the
 *   configuration, or what makes it of the folder; `trunk`: more keys of the west; `options`: more of the gateway's
 */
export async function startPair({ directory: name, toml = "", trunk = "", options = {} }) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), name));
  afterAll(() => fs.rmSync(directory, { recursive: true, force: true }));
  const [eastPort, westPort, southPort] = [await freePort(), await freePort(), await freePort()];
  const gateway = await startGateway({
    ...options,
    toml: `
[[trunk]]
name = "east"
free = true
address = "127.0.0.1:${eastPort}"
[[trunk]]
name = "west"
free = true
address = "127.0.0.1:${westPort}"
${trunk}
[[trunk]]
name = "south"
free = true
address = "127.0.0.1:${southPort}"
[[rule]]
when = { entry = "trunk", to = "+155503*" }
dial = "trunk:south"
[[rule]]
when = { entry = "trunk:east", to = "+155502*" }
dial = "trunk:west"
${typeof toml === "function" ? toml(directory) : toml}
`,
  });
  afterAll(() => gateway.stop());
  const play = players({ directory, gateway });

  const ear = async t => {
    const rtp = await new RtpPeer().open();
    t.after(() => rtp.close());
    return rtp;
  };

  /** Both speak as soon as they know where to; each is heard by the other, and who is `judged` in one unbroken stream. */
  const talk = async (near, easts, far, wests, judged = [near, far]) => {
    far.play(WEST_HZ, await wests.remotePort());
    near.play(EAST_HZ, await easts.remotePort());
    await until("the east hears the west", () => near.hears(WEST_HZ, 0.4) > 0.7);
    await until("the west hears the east", () => far.hears(EAST_HZ, 0.4) > 0.7);
    for (const rtp of judged) check(rtp.faults().length === 0, `a telephone got: ${rtp.faults().slice(0, 5).join("; ")}`);
  };

  /** Both hear each other in what comes from now on. */
  const talkOn = (near, far) => Promise.all([near.hearsNow(WEST_HZ), far.hearsNow(EAST_HZ)]);

  const at = port => (t, scenario, rest) => play(t, scenario, { ...rest, port });
  return { scene: scenesOf(gateway), gateway, ear, talk, talkOn, heard, east: at(eastPort), west: at(westPort), south: at(southPort) };
}
