/**
 * Dino, a graphical IM client, without a screen: an X server in memory, a message bus and a PulseAudio of its own.
 * Where D-Bus has an action it is used; calling and hanging up are mouse clicks, at places that hold because no window
 * manager moves or resizes anything. What Dino knows is read from its database. Runs inside `lib/namespace`.
 */
import { execFile, spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { startCamera, startPipeWire } from "./camera.mjs";
import { start } from "./processes.mjs";
import { shareAt } from "./tones.mjs";
import { PATIENCE_MS, check, until } from "./tests.mjs";

const run = promisify(execFile);

const RESOURCE = "dino.tests";
const SAY_RATE = 48_000;
/** Behind Dino's microphone is a noise suppressor, so what it hears comes and goes, as speech does. */
const BEEP_S = 0.4;
const PAUSE_S = 0.25;
const AMPLITUDE = 12_000;
const START_MS = 90_000;
/** What a click brings about, if it was not too early. */
const CLICK_MS = 8_000;
/** How long it is clicked until that comes about. */
const CLICKS_MS = 60_000;
const RATE = 8_000;
const LISTEN_S = 0.5;
const SHARE = 0.7;
/** The middle of the window of a call, as ImageMagick says it. */
const IN_CALL_WINDOW = "600x420+50+50";
const DARK = 100;
const CALL_WINDOW = "704x528";
/** States of a call in Dino's database: one that is not over says "ended" too. */
const STATES = ["ringing", "establishing", "in-progress", "other-device", "ended", "declined", "missed", "failed"];
/** Where to click, in the main window and in the one of a call, which both begin at the left upper corner. */
const CALL_BUTTON = [978, 28];
const AUDIO_CALL = [960, 86];
const VIDEO_CALL = [960, 120];
/** Where the menu of the call button opens, and how many more dark pixels there are then. */
const MENU = "100x60+910+76";
const MENU_PIXELS = 30;
const HANG_UP = [421, 475];
const MUTE = [281, 475];

/**
 * Starts Dino, logged in.
 * @param prosody see `startProsody` @param {string} name of the account
 * @param {{hz?: number, peers: string[]}} options `hz`: what its microphone hears; `peers`: JIDs to have chats with
 */
export async function startDino(prosody, name, { hz = 500, peers }) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "dino-"));
  for (const folder of ["data/dino", "config", "cache", "run"]) fs.mkdirSync(path.join(directory, folder), { recursive: true, mode: 0o700 });
  const dino = new Dino(prosody, name, directory, hz);
  try {
    await dino.start(peers);
  } catch (error) {
    await dino.stop();
    throw new Error(`${error.message}\n${dino.log()}`);
  }
  return dino;
}

class Dino {
  #prosody;
  #name;
  #directory;
  #hz;
  #env;
  #programs = [];
  #app;
  #pulse;
  #ear;

  constructor(prosody, name, directory, hz) {
    this.#prosody = prosody;
    this.#name = name;
    this.#directory = directory;
    this.#hz = hz;
    this.jid = `${name}@${prosody.domain}`;
    this.fullJid = `${this.jid}/${RESOURCE}`;
    this.#env = {
      ...process.env,
      HOME: directory,
      LANG: "C.UTF-8",
      XDG_DATA_HOME: this.#path("data"),
      XDG_CONFIG_HOME: this.#path("config"),
      XDG_CACHE_HOME: this.#path("cache"),
      XDG_RUNTIME_DIR: this.#path("run"),
      DBUS_SESSION_BUS_ADDRESS: `unix:path=${this.#path("run/bus")}`,
      PULSE_SERVER: `unix:${this.#path("run/sound")}`,
      PULSE_COOKIE: this.#path("cookie"),
      GDK_BACKEND: "x11",
      GSK_RENDERER: "cairo",
      LIBGL_ALWAYS_SOFTWARE: "1",
      GSETTINGS_BACKEND: "memory",
      GTK_A11Y: "none",
    };
  }

  #path(name) {
    return path.join(this.#directory, name);
  }

  get #database() {
    return this.#path("data/dino/dino.db");
  }

  async #program(command, args, options) {
    const program = await start(command, args, { env: this.#env, cwd: this.#directory, ...options });
    this.#programs.push(program);
    return program;
  }

  async start(peers) {
    const xvfb = await this.#program("Xvfb", ["-displayfd", "1", "-screen", "0", "1280x800x24", "-nolisten", "tcp"], { ready: /^\d+$/m });
    this.#env.DISPLAY = `:${xvfb.output.match(/^\d+$/m)[0]}`;
    await this.#program("dbus-daemon", ["--session", "--nofork", "--nopidfile", "--print-address", `--address=unix:path=${this.#path("run/bus")}`], { ready: /unix:path/ });
    await this.#startSound();
    await startPipeWire(this.#env, (command, args) => this.#program(command, args));
    await this.#startApp();
    await until("Dino's database", () => this.#sql("select count(*) from call").then(Boolean, () => false), { ms: START_MS });
    await this.#app.stop();
    await this.#sql(this.#account(peers));
    const mark = this.#prosody.mark();
    await this.#startApp();
    await until("Dino is online", () => this.#prosody.stanzasSince(mark).includes(`C>S ${this.fullJid} <presence`), { ms: START_MS });
    await until("Dino is on its bus", () => this.#ask("List").then(() => true, () => false), { ms: START_MS });
  }

  async #startSound() {
    const modules = [
      `module-native-protocol-unix auth-anonymous=1 socket=${this.#path("run/sound")}`,
      "module-null-sink sink_name=loudspeaker rate=48000",
      "module-null-sink sink_name=room rate=48000",
      "module-remap-source source_name=microphone master=room.monitor",
    ];
    const script = [...modules.map(one => `load-module ${one}`), "set-default-sink loudspeaker", "set-default-source microphone"];
    fs.writeFileSync(this.#path("pulse.pa"), `${script.join("\n")}\n`);
    const args = ["-n", "-F", this.#path("pulse.pa"), "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1", "--disable-shm", "--log-target=stderr", "-v"];
    this.#pulse = await this.#program("pulseaudio", args, { ready: /Daemon startup complete/ });
    fs.writeFileSync(this.#path("beep"), beep(this.#hz));
    const player = `pacat --playback -d room --format=s16le --rate=${SAY_RATE} --channels=1`;
    await this.#program("sh", ["-c", `while cat '${this.#path("beep")}'; do :; done | ${player}`]);
    this.#ear = new Ear(this.#env);
  }

  async #startApp() {
    this.#app = await this.#program("dino-im", []);
  }

  /** What to write into a database that Dino has just made: the account, and a chat with everybody. */
  #account(peers) {
    const now = Math.floor(Date.now() / 1000);
    const { password } = this.#prosody.account(this.#name);
    const lines = [`insert into account(bare_jid, resourcepart, password, alias, enabled) values('${this.jid}', '${RESOURCE}', '${password}', '', 1);`];
    peers.forEach((peer, i) => {
      lines.push(
        `insert or ignore into jid(bare_jid) values('${peer}');`,
        `insert into conversation(account_id, jid_id, active, active_last_changed, last_active, type, encryption, read_up_to_item, notification, send_typing, send_marker)
         select 1, id, 1, ${now}, ${now - i}, 0, 0, -1, 0, 0, 0 from jid where bare_jid = '${peer}';`,
      );
    });
    return lines.join("\n");
  }

  /** Asks the database. @returns {Promise<string>} a line a row, with `|` between the columns */
  async #sql(query) {
    const { stdout } = await run("sqlite3", ["-cmd", ".timeout 20000", this.#database, query]);
    return stdout.trim();
  }

  /** Calls a method of the application's actions. */
  #ask(method, ...args) {
    const to = ["--session", "--dest", "im.dino.Dino", "--object-path", "/im/dino/Dino", "--method", `org.gtk.Actions.${method}`];
    return run("gdbus", ["call", ...to, ...args], { env: this.#env });
  }

  #act(action, parameter) {
    return this.#ask("Activate", action, `[<${parameter}>]`, "{}");
  }

  #mouse(...args) {
    return run("xdotool", args.map(String), { env: this.#env });
  }

  async #conversation(peer) {
    const id = await this.#sql(`select c.id from conversation c join jid j on j.id = c.jid_id where j.bare_jid = '${peer}'`);
    check(id, `Dino has no chat with ${peer}`);
    return id.split("\n")[0];
  }

  /** Opens the chat with somebody. */
  async open(peer) {
    await this.#act("open-conversation", `int32 ${await this.#conversation(peer)}`);
  }

  /** How many dark pixels there are in a part of the screen. */
  async #darkPixels(part) {
    const args = ["-window", "root", "-crop", part, "-colorspace", "gray", "-depth", "8", "gray:-"];
    const { stdout } = await run("import", args, { env: this.#env, encoding: "buffer" });
    return stdout.filter(level => level < DARK).length;
  }

  /** Waits until Dino offers to call the peer whose chat is open. */
  async showsCallButton(ms = PATIENCE_MS) {
    const [x, y] = CALL_BUTTON;
    const symbol = `20x20+${x - 10}+${y - 10}`;
    await until("Dino shows the call button", async () => (await this.#darkPixels(symbol)) > 20, { ms, everyMs: 200 });
  }

  /** Calls somebody, as a person does. @param {{video?: boolean}} [options] `video`: with pictures, though it has no camera */
  async call(peer, { video = false } = {}) {
    const before = await this.#lastCall();
    await this.open(peer);
    await this.showsCallButton();
    const hasBegun = async () => (await this.#lastCall()) > before;
    const soon = (what, probe) => until(what, probe, { ms: CLICK_MS, everyMs: 100 }).catch(() => false);
    const opened = async () => {
      const closed = await this.#darkPixels(MENU);
      await this.#mouse("mousemove", ...CALL_BUTTON, "sleep", 0.2, "click", 1);
      const isOpen = async () => (await this.#darkPixels(MENU)) > closed + MENU_PIXELS;
      if (!(await soon("the menu", isOpen))) return hasBegun();
      await this.#mouse("mousemove", ...(video ? VIDEO_CALL : AUDIO_CALL), "sleep", 0.2, "click", 1);
      return soon("a call", hasBegun);
    };
    await until("Dino calls", opened, { ms: CLICKS_MS });
    return new DinoCall(this, await this.#lastCall());
  }

  async #lastCall() {
    return Number((await this.#sql("select max(id) from call")) || 0);
  }

  /** Where calls are now; `rings` waits for one that comes after. */
  mark() {
    return this.#lastCall();
  }

  /** Waits until it is called. */
  async rings(mark, ms = PATIENCE_MS) {
    const find = () => this.#sql(`select id from call where direction = 0 and id > ${mark} order by id limit 1`);
    const id = Number(await until("Dino is called", find, { ms, everyMs: 100 }));
    await until("Dino rings", () => this.#hasConversation(id), { ms });
    return new DinoCall(this, id);
  }

  #hasConversation(id) {
    return this.#sql(`select c.id from conversation c join call k on c.jid_id = k.counterpart_id where k.id = ${id}`);
  }

  async state(id) {
    return STATES[Number(await this.#sql(`select state from call where id = ${id}`))];
  }

  /** @param {"accept-call" | "reject-call"} action */
  async answer(action, id) {
    await this.#act(action, `(int32 ${await this.#hasConversation(id)}, int32 ${id})`);
  }

  /** Clicks in the window of the call, whose controls hide until the mouse moves. */
  async click(place) {
    await this.#mouse("mousemove", 300, 300, "mousemove", 310, 310, "sleep", 0.5, "mousemove", ...place, "sleep", 0.2, "click", 1);
  }

  /** Plugs a camera in. @returns a program to `stop`, which pulls it out */
  async plugsCamera() {
    return startCamera(this.#env);
  }

  /** Where the microphone is now; `opensMicrophone` looks at what happens after. */
  soundMark() {
    return this.#pulse.output.length;
  }

  /** Whether it opens the microphone in so many milliseconds, which it does as soon as it has a session. */
  opensMicrophone(mark, ms) {
    return this.#pulse.says(/Created output \d+ "Record Stream" on microphone/, ms, mark).then(() => true, () => false);
  }

  /** Waits until what it plays is this tone. */
  async hears(hz, { ms = PATIENCE_MS } = {}) {
    const from = this.#ear.length;
    await until("a tone", () => this.#ear.hears(hz, from), { ms, everyMs: 100 }).catch(() => {
      throw new Error(`Dino does not hear ${hz} Hz within ${ms / 1000} s; ${this.#ear.describe()}`);
    });
  }

  /** Whether a call has a window: from dialling or accepting to its end. */
  async hasCallWindow() {
    const { stdout } = await this.#mouse("search", "--onlyvisible", "--name", "", "getwindowgeometry", "%@").catch(error => error);
    return stdout.includes(`Geometry: ${CALL_WINDOW}`);
  }

  /** @param {string[]} more words of ImageMagick's `import`, such as `-crop` */
  async screenshot(file, more = []) {
    await run("import", ["-window", "root", ...more, file], { env: this.#env });
    return file;
  }

  /** What is inside the window of a call, which lies in the upper left corner where nothing manages windows. */
  async shotOfCall(file) {
    return this.screenshot(file, ["-crop", IN_CALL_WINDOW, "+repage"]);
  }

  async calls() {
    return this.#sql("select k.id, j.bare_jid, k.direction, k.state, k.encryption from call k join jid j on j.id = k.counterpart_id");
  }

  log() {
    return this.#programs.map(p => `${p.command}:\n${p.tail(12)}`).join("\n");
  }

  async stop() {
    this.#ear?.stop();
    for (const program of this.#programs.reverse()) await program.stop();
    fs.rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** A tone and a pause, as 16-bit samples. */
function beep(hz) {
  const sample = i => (i < BEEP_S * SAY_RATE ? Math.sin((2 * Math.PI * hz * i) / SAY_RATE) * AMPLITUDE : 0);
  return Buffer.from(Int16Array.from({ length: (BEEP_S + PAUSE_S) * SAY_RATE }, (_, i) => sample(i)).buffer);
}

/** One call of Dino. */
class DinoCall {
  #dino;

  constructor(dino, id) {
    this.#dino = dino;
    this.id = id;
  }

  accept() {
    return this.#dino.answer("accept-call", this.id);
  }

  reject() {
    return this.#dino.answer("reject-call", this.id);
  }

  /** Waits until the call is up, or rings at the far side: it has a window. */
  async hasWindow(ms = PATIENCE_MS) {
    await until("Dino shows the call", () => this.#dino.hasCallWindow(), { ms, everyMs: 100 });
  }

  /** Waits until the call is over. @param {"ended" | "declined" | "missed" | "failed"} how as Dino's history says */
  async isOver(how = "ended", ms = PATIENCE_MS) {
    let seen;
    const is = async () => (seen = await this.#dino.state(this.id)) === how && !(await this.#dino.hasCallWindow());
    await until(how, is, { ms, everyMs: 100 }).catch(() => {
      throw new Error(`Dino's call is ${seen}, not ${how} and over, after ${ms / 1000} s`);
    });
  }

  /** Clicks until the call has ended. */
  async hangUp() {
    await this.hasWindow();
    const isOver = async () => {
      await this.#dino.click(HANG_UP);
      return !(await this.#dino.hasCallWindow());
    };
    await until("Dino has hung up", isOver, { everyMs: 500 });
  }

  /** Clicks the microphone until somebody is told that it is muted. @param {() => Promise<boolean>} isTold */
  async mute(isTold) {
    const told = async () => {
      await this.#dino.click(MUTE);
      return until("a word of it", isTold, { ms: CLICK_MS }).catch(() => false);
    };
    await until("Dino is muted", told, { ms: CLICKS_MS });
  }
}

/** What goes to Dino's loudspeaker: its last seconds. */
class Ear {
  #child;
  #samples = [];
  /** Samples since the beginning. */
  length = 0;

  constructor(env) {
    const args = ["-d", "loudspeaker.monitor", "--format=s16le", `--rate=${RATE}`, "--channels=1", "--latency-msec=50"];
    this.#child = spawn("parec", args, { env, stdio: ["ignore", "pipe", "ignore"] });
    let odd = Buffer.alloc(0);
    this.#child.stdout.on("data", bytes => {
      const all = Buffer.concat([odd, bytes]);
      const count = all.length >> 1;
      for (let i = 0; i < count; i++) this.#samples.push(all.readInt16LE(2 * i));
      odd = all.subarray(2 * count);
      this.length += count;
      if (this.#samples.length > 10 * RATE) this.#samples.splice(0, this.#samples.length - 2 * RATE);
    });
  }

  #last() {
    return this.#samples.slice(-Math.round(LISTEN_S * RATE));
  }

  /** Whether what came after `from` ends with half a second of the tone. */
  hears(hz, from) {
    const last = this.#last();
    return this.length - from >= last.length && last.length >= LISTEN_S * RATE && shareAt(last, RATE, hz) > SHARE;
  }

  describe() {
    const last = this.#last();
    const power = last.reduce((sum, s) => sum + s * s, 0) / (last.length || 1);
    return `${this.length} samples came, the last at ${Math.round(10 * Math.log10((power || 1e-3) / 2 ** 30))} dB`;
  }

  stop() {
    this.#child.kill("SIGKILL");
  }
}
