/**
 * An XMPP server, and the gateway as the component beside it, with rules by which accounts, pages and phones call each
 * other. Runs inside `lib/namespace`.
 */
import path from "node:path";
import { fileURLToPath } from "node:url";
import { startGateway, USERS } from "./gateway.mjs";
import { startJbot } from "./jbot.mjs";
import { freePort, ownAddress } from "./net.mjs";
import { start } from "./processes.mjs";
import { startProsody } from "./prosody.mjs";
import { PATIENCE_MS, afterAll, check, test, until } from "./tests.mjs";

const PYTHON = process.env.PYTHON ?? "/usr/bin/python3";
const COUNTER = path.join(path.dirname(fileURLToPath(import.meta.url)), "packets.py");
/** The gateway's UDP ports for browsers and IM clients: one for each of its threads. */
const ICE_PORTS = { from: 31_000, to: 31_063 };
/** How long no packet comes when no call is up. */
const QUIET_MS = 1_000;
/** How long the gateway waits at most before it tries a server again that was away for a while, and some more. */
const JOIN_MS = 90_000;
const ANSWER_MS = 3_000;
const DISCO = "http://jabber.org/protocol/disco#info";

/** Rings the desk phone of the user `phone`. */
export const DESK = "+15550200";
/** Goes to the trunk `carrier`. */
export const CARRIER = "+15550250";
/** Ring the page of alice, and the accounts romeo and juliet, through the relay. */
export const ALICE_RELAYED = "+15550301";
export const ROMEO_RELAYED = "+15550302";
/** Rings the account of juliet for a moment only. */
export const JULIET_BRIEFLY = "+15550303";
/** Rings romeo's client by its full JID. */
export const ROMEO_DIRECTLY = "+15550304";
/** Rings the account of tybalt. */
export const TYBALT = "+15550305";
/** Accounts that are users of the gateway, and one that is not. */
const OURS = ["romeo", "juliet", "tybalt"];
const STRANGERS = ["mercutio", "probe"];

/**
 * @param {{rules?: string | Function, xmpp?: string, server?: Function, options?: object}} [options] `rules`: TOML, or what makes it of the
 *   server; `xmpp`: more keys of the connection; `server`: starts another server than Prosody that takes its place;
 *   `options`: more of the gateway's
 */
export async function startWorld({ rules = "", xmpp = "", server = startProsody, options = {} } = {}) {
  const prosody = await server({ accounts: [...OURS, ...STRANGERS] });
  afterAll(() => prosody.stop());
  const carrierPort = await freePort();
  const toml = [
    prosody.connection({ more: xmpp }),
    ...OURS.map(name => `[[user]]\nname = "${name}"\npassword = "${name}-secret-of-tests"\njid = "${name}@${prosody.domain}"`),
    `[[trunk]]\nname = "carrier"\nfree = true\naddress = "127.0.0.1:${carrierPort}"`,
    rule({ entry: "user|account:*@localhost", to: DESK }, "user:phone"),
    rule({ entry: "user|account:*@localhost", to: CARRIER }, "trunk:carrier"),
    rule({ entry: "user|account:*@localhost", to: ALICE_RELAYED }, "user:alice", 'media = "relay"'),
    rule({ entry: "user|trunk", to: ROMEO_RELAYED }, "xmpp:romeo@localhost", 'media = "relay"'),
    rule({ entry: "user", to: JULIET_BRIEFLY }, "xmpp:juliet@localhost", 'ring = "3s"'),
    rule({ entry: "user", to: ROMEO_DIRECTLY }, "xmpp:romeo@localhost/jbot"),
    rule({ entry: "user", to: TYBALT }, "xmpp:tybalt@localhost"),
    rule({ entry: "account:*@localhost", user: "*" }, "user:{user}"),
    typeof rules === "function" ? rules(prosody) : rules,
  ].join("\n");
  const gateway = await startGateway({ ...options, toml, media: `address = "${ownAddress()}"\nice_port = ${ICE_PORTS.from}` });
  afterAll(() => gateway.stop());
  const world = new World(prosody, gateway, carrierPort);
  await world.isJoined();
  return world;
}

function rule(when, dial, more = "") {
  const conditions = Object.entries(when).map(([key, value]) => `${key} = "${value}"`);
  return `[[rule]]\nwhen = { ${conditions.join(", ")} }\ndial = "${dial}"\n${more}`;
}

class World {
  #probe;

  constructor(prosody, gateway, carrierPort) {
    Object.assign(this, { prosody, gateway, carrierPort });
  }

  /** The JID of a number or a user of the gateway. */
  at(user) {
    return `${user}@${this.prosody.component}`;
  }

  /** Waits until the gateway answers as the component. */
  async isJoined() {
    if (!this.#probe) {
      this.#probe = await startJbot(this.prosody.account("probe"), { args: ["--invisible"] });
      afterAll(() => this.#probe.stop());
    }
    // What is asked while the server goes or the probe's own stream is down is never answered.
    const asked = () => this.#probe.ask(this.prosody.component, `<query xmlns="${DISCO}"/>`, "get", ANSWER_MS);
    const answers = () => asked().then(answer => answer.type === "result", () => false);
    await until("the gateway is the component", answers, { ms: JOIN_MS, everyMs: 200 });
  }

  /** A scripted client that is online for the test. */
  async jbot(t, name = "romeo", options = {}) {
    const bot = await startJbot(this.prosody.account(name), options);
    t.onFailure(() => `${name}:\n${bot.log()}`);
    t.after(() => bot.stop());
    return bot;
  }

  /** The softphone page of a user (alice), or of the guest with `user: null`. */
  async softphone(t, browser, { user = "alice", ...options } = {}) {
    const credentials = user ? { user, password: USERS[user] } : {};
    const phone = await browser.softphone(this.gateway.url, { ...credentials, ...options });
    t.onFailure(() => phone.story());
    t.after(() => phone.page.context().close());
    return phone;
  }

  /** A test in this world: one that fails shows what the gateway and the XMPP server saw meanwhile. */
  scene = (name, body, options) =>
    test(name, async t => {
      const marks = [this.gateway.mark(), this.prosody.mark()];
      t.onFailure(() => `the gateway said:\n${this.gateway.logSince(marks[0])}`);
      t.onFailure(() => `stanzas:\n${this.prosody.stanzasSince(marks[1])}`);
      await body(t);
    }, options);

  /** The record of the call that begins next: see the gateway's. */
  nextRecord() {
    return this.gateway.nextRecord();
  }

  /**
   * Counts the packets from and to the gateway's media ports from now on, once those of earlier calls have died away.
   * @returns gives the count so far, and the last of them in words
   */
  async countMedia(t) {
    const ranges = [ICE_PORTS, this.gateway.mediaPorts].flatMap(({ from, to }) => [String(from), String(to)]);
    const program = await start(PYTHON, [COUNTER, ...ranges], { input: true, ready: /^ready$/m });
    t.after(() => program.stop());
    const sofar = async () => {
      const mark = program.output.length;
      program.write("\n");
      const [, count, last] = await program.says(/^(\d+)(.*)$/m, PATIENCE_MS, mark);
      return { count: Number(count), last };
    };
    let base = -1;
    const isQuiet = async () => {
      const before = base;
      base = (await sofar()).count;
      return base === before;
    };
    await until("the calls before have died away", isQuiet, { everyMs: QUIET_MS });
    return async () => {
      const { count, last } = await sofar();
      return { count: count - base, last };
    };
  }
}

/** Checks that a call went from endpoint to endpoint, and that the gateway saw nothing of it. */
export async function wentDirectly(record, packets) {
  check(record.path === "direct", `the record says ${record.path}: ${record.relayed_because}`);
  const { count, last } = await packets();
  check(count === 0, `${count} packets came to or from the gateway's media ports, the last:${last}`);
}

/** Checks that a call went through the relay: what the counter of packets is good for. */
export async function wentThroughTheRelay(record, packets) {
  check(record.path === "relayed" && record.relayed_because, `the record says ${JSON.stringify(record)}`);
  const { count } = await packets();
  check(count > 100, `${count} packets came to or from the gateway's media ports`);
}
