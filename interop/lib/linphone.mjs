/** Linphone without a terminal or a sound card: `linphonec`, which reads its commands, and WAV files for both ends. */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { USERS } from "./gateway.mjs";
import { freePort } from "./net.mjs";
import { start } from "./processes.mjs";
import { afterAll, until } from "./tests.mjs";
import { writeTone } from "./tones.mjs";

/**
 * Gives a maker of Linphones that are desk phones of a user, all of which hear the same tone in their microphone.
 * @param gateway see `startGateway` @param {number} hz of the tone
 */
export function linphonesOf(gateway, hz) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "linphones-"));
  afterAll(() => fs.rmSync(directory, { recursive: true, force: true }));
  const tones = new Map();
  const tone = rate => tones.get(rate) ?? tones.set(rate, writeTone(path.join(directory, `${rate}.wav`), hz, { seconds: 90, rate })).get(rate);

  /**
   * @param t the test, at whose end the phone goes
   * @param options `codec`: the one that it speaks, `[name, rate]`; `picture`: a JPEG file for a camera, with which it
   *   speaks `video`; `encryption`: "none" or "srtp" @param {boolean} options.auto picks up by itself
   */
  return async (t, { user = "phone", codec = ["PCMU", 8_000], video = "VP8", picture, encryption = "none", auto = false } = {}) => {
    const phone = new Linphone(fs.mkdtempSync(path.join(directory, "phone-")));
    const [port, rtp] = [await freePort(), await freePort(4)];
    phone.configure({ gateway, user, port, rtp, encryption, auto });
    t.after(() => phone.stop());
    t.onFailure(() => `linphone:\n${phone.output.slice(-2500)}`);
    await phone.start({ tone: tone(codec[1]), codec, video, picture });
    return phone;
  };
}

class Linphone {
  #program;

  constructor(directory) {
    this.directory = directory;
    this.heard = path.join(directory, "heard.wav");
  }

  get output() {
    return this.#program?.output ?? "";
  }

  configure({ gateway, user, port, rtp, encryption, auto }) {
    const lines = [
      "[sip]",
      `sip_port=${port}`,
      "sip_tcp_port=0",
      "sip_tls_port=0",
      "default_proxy=0",
      "guess_hostname=0",
      "bind_address=127.0.0.1",
      `media_encryption=${encryption}`,
      "[proxy_0]",
      `reg_proxy=<sip:${gateway.sip};transport=udp>`,
      `reg_route=<sip:${gateway.sip};transport=udp;lr>`,
      `reg_identity=sip:${user}@127.0.0.1`,
      "reg_expires=120",
      "reg_sendregister=1",
      "publish=0",
      "[auth_info_0]",
      `username=${user}`,
      `passwd=${USERS[user]}`,
      "[rtp]",
      `audio_rtp_port=${rtp}`,
      `video_rtp_port=${rtp + 2}`,
      "text_rtp_port=0",
      "[video]",
      "size=cif",
      "device=StaticImage: Static picture",
      "automatically_initiate=1",
      "automatically_accept=1",
    ];
    fs.writeFileSync(path.join(this.directory, "rc"), lines.join("\n") + "\n");
    fs.mkdirSync(path.join(this.directory, ".local/share/linphone"), { recursive: true });
    this.args = ["-c", path.join(this.directory, "rc"), "-S", ...(auto ? ["-a"] : [])];
  }

  async start({ tone, codec: [name, rate], video, picture }) {
    const log = process.env.LINPHONE_LOG ? ["-d", "6", "-l", process.env.LINPHONE_LOG] : [];
    const env = { HOME: this.directory, XDG_DATA_HOME: path.join(this.directory, ".local/share"), DISPLAY: undefined };
    const args = [...this.args, ...log, ...(picture ? ["-V"] : [])];
    this.#program = await start("linphonec", args, { cwd: this.directory, env, input: true });
    for (const line of ["soundcard use files", `play ${tone}`, `record ${this.heard}`]) this.says(line);
    if (picture) for (const line of ["webcam use 0", "staticpic fps 15", `staticpic set ${picture}`]) this.says(line);
    await this.#speaks("codec", (mime, clock) => mime === name && clock === rate);
    if (picture) await this.#speaks("vcodec", mime => mime === video);
    await this.is("register", /registered, identity/);
  }

  /** Leaves it the formats of a kind that `is` knows. */
  async #speaks(kind, is) {
    this.says(`${kind} list`);
    const [listed] = await this.#program.says(new RegExp(`> ${kind} list\\n[^]*?\\nlinphonec>`));
    const all = listed.matchAll(/^ *(\d+): (\S+) \((\d+)\) (?:en|dis)abled/gm);
    for (const [, at, mime, clock] of all) this.says(`${kind} ${is(mime, Number(clock)) ? "enable" : "disable"} ${at}`);
  }

  /** Types a line. */
  says(line) {
    this.#program.write(`${line}\n`);
  }

  /** Waits until it prints, from the beginning of its life on, what matches. */
  shows(pattern, ms) {
    return this.#program.says(pattern, ms);
  }

  /** Asks it for its `register` or `hook` state until that matches: it tells nothing of a registration by itself. */
  async is(what, pattern) {
    const mark = this.output.length;
    const asks = () => {
      this.says(`status ${what}`);
      return pattern.test(this.output.slice(mark));
    };
    await until(`linphonec: ${what} ${pattern}`, asks, { everyMs: 200 });
  }

  /** Writes what it sees into a file. */
  async snapshot(file) {
    this.says(`snapshot ${file}`);
  }

  async stop() {
    if (!this.#program || this.#program.ended !== null) return;
    this.says("quit");
    await until("the end of linphonec", () => this.#program.ended !== null, { ms: 3_000 }).catch(() => {});
    await this.#program.stop("SIGKILL");
  }
}
