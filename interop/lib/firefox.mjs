/** Firefox, driven by WebDriver BiDi, with a tone for a microphone and a PulseAudio that nobody hears for a loudspeaker. */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { firefox } from "playwright-core";
import { Browser, START_MS } from "./browser.mjs";
import { start } from "./processes.mjs";

const EXECUTABLE = process.env.FIREFOX ?? "/usr/bin/firefox-esr";
const CHANNEL = "moz-firefox";

/** @param {{hz?: number}} [options] `hz`: what its microphone hears */
export async function launchFirefox({ hz = 600 } = {}) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "firefox-"));
  const sound = await startSound(directory);
  const firefoxUserPrefs = {
    "media.autoplay.default": 0,
    "media.navigator.audio.fake_frequency": hz,
    "media.navigator.permission.disabled": true,
    "media.navigator.streams.fake": true,
    "media.peerconnection.ice.obfuscate_host_addresses": false,
  };
  const env = { ...process.env, PULSE_SERVER: `unix:${sound.socket}` };
  const options = { channel: CHANNEL, executablePath: EXECUTABLE, headless: true, firefoxUserPrefs, env, timeout: START_MS };
  const browser = await firefox.launch(options).catch(async error => {
    await sound.stop();
    throw error;
  });
  return new Firefox(browser, directory, hz, sound);
}

/** The microphone is permitted by a preference: BiDi has no word for it. */
class Firefox extends Browser {
  #sound;

  constructor(browser, directory, hz, sound) {
    super(browser, directory, hz, []);
    this.#sound = sound;
  }

  async close() {
    await super.close();
    await this.#sound.stop();
  }
}

/** An AudioContext of Firefox stands still unless there is a loudspeaker. */
async function startSound(directory) {
  const socket = path.join(directory, "loudspeaker");
  const modules = [`module-native-protocol-unix auth-anonymous=1 socket=${socket}`, "module-null-sink"];
  const args = ["-n", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1", "--disable-shm", "--log-target=stderr", "-v"];
  const env = { HOME: directory, XDG_RUNTIME_DIR: directory };
  const program = await start("pulseaudio", [...args, ...modules.flatMap(one => ["-L", one])], { ready: /Daemon startup complete/, env });
  return { socket, stop: () => program.stop("SIGKILL") };
}
