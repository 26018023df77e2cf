/** The scripted IM client of `interop/jbot/client`, driven by a line of JSON for each command and event. */
import crypto from "node:crypto";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { start } from "./processes.mjs";
import { PATIENCE_MS, check, until } from "./tests.mjs";

/** Debian's Python: it has the modules of Debian's packages. */
const PYTHON = process.env.PYTHON ?? "/usr/bin/python3";
const CLIENT = path.join(path.dirname(fileURLToPath(import.meta.url)), "../jbot/client");
/** Its libraries alone take seconds to be read. */
const START_MS = 90_000;
const TONE_HZ = 12;
const TONE_DB = 20;
const SILENCE_DB = -60;

/**
 * Logs in.
 * @param {{jid: string, password: string, host: string, port: number}} account
 * @param {{hz?: number, codec?: string, resource?: string, args?: string[]}} [options] `args`: see `client --help`
 */
export async function startJbot(account, { hz = 880, codec, resource = "jbot", args = [] } = {}) {
  const { jid, password, host, port } = account;
  const all = ["--jid", jid, "--password", password, "--host", host, "--port", String(port), "--hz", String(hz)];
  if (codec) all.push("--codec", codec);
  const program = await start(PYTHON, [CLIENT, ...all, "--resource", resource, ...args], { input: true });
  const bot = new Jbot(program, jid);
  await bot.event("online", {}, START_MS);
  return bot;
}

export class Jbot {
  #program;

  constructor(program, account) {
    this.#program = program;
    this.account = account;
  }

  /** The full JID. */
  get jid() {
    return this.events().findLast(e => e.event === "online").jid;
  }

  /** Everything it said, oldest first. */
  events() {
    const lines = this.#program.output.split("\n").slice(0, -1);
    return lines.filter(line => line.startsWith("{")).map(line => JSON.parse(line));
  }

  /** What it said, without the sounds, to print if a test fails. */
  log() {
    const lines = this.#program.output.split("\n");
    return lines.filter(line => !/"event": "(heard|seen)"/.test(line)).slice(-60).join("\n");
  }

  /** How many events there are: what is waited for with `from` comes after. */
  mark() {
    return this.events().length;
  }

  tell(command, more = {}) {
    this.#program.write(`${JSON.stringify({ do: command, ...more })}\n`);
  }

  /** Waits for an event of this name whose fields are all as given. */
  async event(name, fields = {}, ms = PATIENCE_MS, from = 0) {
    const fits = e => e.event === name && Object.entries(fields).every(([key, value]) => same(e[key], value));
    const wanted = `${name} ${JSON.stringify(fields)}`;
    const find = () => {
      const found = this.events().slice(from).find(fits);
      if (!found && this.#program.ended !== null) throw new Error(`${this.account} has ended instead of ${wanted}\n${this.log()}`);
      return found;
    };
    return until(`${this.account}: ${wanted}`, find, { ms });
  }

  /** Proposes a call, or with `direct` opens the session at once. */
  call(to, more = {}) {
    const sid = more.sid ?? crypto.randomUUID();
    this.tell("call", { ...more, sid, to });
    return new BotCall(this, sid);
  }

  /** Waits until it is called. */
  async rings(fields = {}, { ms = PATIENCE_MS, from = 0 } = {}) {
    const { sid, from: peer, media } = await this.event("propose", fields, ms, from);
    return Object.assign(new BotCall(this, sid), { peer, media });
  }

  /** Waits until somebody opens a session without a word before. */
  async isInitiated({ ms = PATIENCE_MS, from = 0 } = {}) {
    const { sid } = await this.event("jingle", { action: "session-initiate" }, ms, from);
    return new BotCall(this, sid);
  }

  /** Sends a request, and gives its answer. @param {string} xml one element with its namespace */
  async ask(to, xml, type = "get", ms = PATIENCE_MS) {
    const id = crypto.randomUUID();
    this.tell("iq", { id, to, xml, type });
    return this.event("iq", { id }, ms);
  }

  async disco(to, node) {
    const { type, xml } = await this.ask(to, `<query xmlns="http://jabber.org/protocol/disco#info"${node ? ` node="${node}"` : ""}/>`);
    check(type === "result", `${to} does not say what it can: ${xml}`);
    const all = name => [...xml.matchAll(new RegExp(`<\\w+:${name} ([^>]*?)/?>`, "g"))].map(m => attributes(m[1]));
    return { features: all("feature").map(f => f.var), identities: all("identity").map(i => `${i.category}/${i.type}`) };
  }

  /** Writes to somebody; gives the message's id. */
  write(to, body, more = {}) {
    const id = more.id ?? crypto.randomUUID();
    this.tell("message", { ...more, to, body, id });
    return id;
  }

  presence(more = {}) {
    this.tell("presence", more);
  }

  /** Logs out, once all that was said has been sent. */
  async stop() {
    if (this.#program.ended === null) this.tell("quit");
    await this.#program.end();
    await this.#program.stop();
  }
}

/** One call of the client. */
class BotCall {
  #bot;

  constructor(bot, sid) {
    this.#bot = bot;
    this.sid = sid;
  }

  event(name, fields = {}, ms = undefined) {
    return this.#bot.event(name, { ...fields, sid: this.sid }, ms);
  }

  ring() {
    this.#bot.tell("ring", { sid: this.sid });
  }

  /** @param {string} [refusal] the reason to end the session with when it comes */
  accept(refusal) {
    this.#bot.tell("accept", { sid: this.sid, refusal });
  }

  reject(reason) {
    this.#bot.tell("reject", { sid: this.sid, reason });
  }

  retract() {
    this.#bot.tell("retract", { sid: this.sid });
  }

  hangUp(reason) {
    this.#bot.tell("hangup", { sid: this.sid, reason });
  }

  hold(on = true) {
    this.#bot.tell("hold", { sid: this.sid, on });
  }

  mute(on = true) {
    this.#bot.tell("mute", { sid: this.sid, on });
  }

  /** Waits until media flow, and gives the speech format: `opus/48000`. */
  async up(ms = PATIENCE_MS) {
    await this.event("up", {}, ms);
    return (await this.event("accepted")).codec;
  }

  /** Waits for the end. */
  ended(fields = {}, ms = PATIENCE_MS) {
    return this.event("ended", fields, ms);
  }

  #heard() {
    return this.#bot.events().filter(e => e.event === "heard" && e.sid === this.sid);
  }

  /** Waits until it hears this tone, clearly, twice in a row from now on. */
  async hears(hz, { ms = PATIENCE_MS } = {}) {
    const before = this.#heard().length;
    const is = h => h && Math.abs(h.hz - hz) <= TONE_HZ && h.snr >= TONE_DB;
    const found = () => {
      const all = this.#heard().slice(before);
      return all.some((one, i) => i > 0 && is(one) && is(all[i - 1]));
    };
    await until("a tone", found, { ms }).catch(() => {
      const last = this.#heard().at(-1);
      throw new Error(`${this.#bot.account} does not hear ${hz} Hz within ${ms / 1000} s, but ${last ? JSON.stringify(last) : "nothing at all"}`);
    });
  }

  /** Waits until it sees what `is` knows of the colours of three thirds, in pictures that go on coming. */
  async sees(is, what, { ms = PATIENCE_MS } = {}) {
    const all = () => this.#bot.events().filter(e => e.event === "seen" && e.sid === this.sid);
    const before = all().at(-1)?.frames ?? 0;
    const found = () => {
      const last = all().at(-1);
      return last && last.frames > before + 5 && is(last.thirds);
    };
    await until(what, found, { ms }).catch(() => {
      throw new Error(`${this.#bot.account} does not see ${what} within ${ms / 1000} s, but ${JSON.stringify(all().at(-1) ?? null)}`);
    });
  }

  /** Waits until nothing is heard, or no packet comes, for a second. */
  async hearsNothing({ ms = PATIENCE_MS, lastsMs = 1_000 } = {}) {
    let since = 0;
    let frames = -1;
    const quiet = () => {
      const last = this.#heard().at(-1);
      const isQuiet = !last || last.db < SILENCE_DB || last.frames === frames;
      frames = last?.frames;
      if (!isQuiet) since = 0;
      else since ||= Date.now();
      return since && Date.now() - since >= lastsMs;
    };
    await until(`${this.#bot.account} hears nothing`, quiet, { ms, everyMs: 350 });
  }
}

function attributes(text) {
  return Object.fromEntries([...text.matchAll(/([\w:-]+)="([^"]*)"/g)].map(m => [m[1], m[2]]));
}

/** Equal, or for an array equal in each place. */
function same(is, wanted) {
  return Array.isArray(wanted) ? JSON.stringify(is) === JSON.stringify(wanted) : is === wanted;
}
