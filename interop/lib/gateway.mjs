/** Patchcord itself, started for a test on ports of its own. */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "./net.mjs";
import { start } from "./processes.mjs";
import { until } from "./tests.mjs";

const ROOT = path.join(path.dirname(fileURLToPath(import.meta.url)), "../..");
const BINARY = path.resolve(ROOT, process.env.PATCHCORD ?? "target/release/patchcord");
const MEDIA_PORTS = 400;

/** Users that every test gateway has; the guest of the page is `web`. */
export const USERS = {
  web: "web-secret-of-tests",
  alice: "alice-secret-of-tests",
  bob: "bob-secret-of-tests",
  phone: "phone-secret-of-tests",
};

/**
 * Starts a gateway with the demo trunk.
 * @param {{guest?: string | null, users?: Record<string, string>, origins?: string[], toml?: string, top?: string,
 *   web?: string, sip?: string, media?: string, mediaPorts?: number, sockets?: ("tls" | "ws" | "wss")[]}} [options]
 *   `toml`: more sections of the configuration; `top`: more keys before all sections; `web`, `sip`, `media`: more keys of
 *   these sections; `sockets`: SIP also by TLS, on the port after that of UDP and TCP, and by WebSocket, with a
 *   certificate of its own making
 */
export async function startGateway(options = {}) {
  const { guest = "web", users = USERS, origins = [], toml = "", top = "", web = "", sip = "", media = "" } = options;
  const { mediaPorts: mediaPortCount = MEDIA_PORTS, sockets = [] } = options;
  if (!fs.existsSync(BINARY)) throw new Error(`${BINARY} is not there: cargo build --release, or set PATCHCORD`);
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "patchcord-"));
  const [httpPort, sipPort, wsPort] = [await freePort(), await freePort(), await freePort()];
  const listens = { udp: sipPort, tcp: sipPort, tls: sipPort + 1, ws: wsPort, wss: wsPort + 1 };
  const listen = ["udp", "tcp", ...sockets].map(word => `${word}:127.0.0.1:${listens[word]}`);
  const ports = 20_000 + MEDIA_PORTS * Math.floor(Math.random() * 20);
  const config = path.join(directory, "patchcord.toml");
  const records = path.join(directory, "calls.jsonl");
  const lines = [
    "demo = true",
    `state_directory = "${directory}"`,
    top,
    "[web]",
    `listen = "127.0.0.1:${httpPort}"`,
    ...(guest ? [`guest = "${guest}"`] : []),
    `origins = ${JSON.stringify(origins)}`,
    web,
    "[sip]",
    `listen = ${JSON.stringify(listen)}`,
    sip,
    "[media]",
    `ports = "${ports}-${ports + mediaPortCount - 1}"`,
    media,
    "[records]",
    `file = "${records}"`,
    "[log]",
    `level = "${process.env.PATCHCORD_LOG ?? "info,patchcord=debug"}"`,
    ...Object.entries(users).flatMap(([name, password]) => ["[[user]]", `name = "${name}"`, `password = "${password}"`]),
    toml,
  ];
  fs.writeFileSync(config, lines.join("\n") + "\n");
  const program = await start(BINARY, ["--config", config], { ready: /^Ready\b/m });
  const mediaPorts = { from: ports, to: ports + mediaPortCount - 1 };
  return new Gateway({ program, config, binary: BINARY, directory, httpPort, sipPort, wsPort, records, users, mediaPorts });
}

class Gateway {
  constructor(parts) {
    Object.assign(this, parts);
    this.url = `http://127.0.0.1:${this.httpPort}/`;
    this.sip = `127.0.0.1:${this.sipPort}`;
    this.sips = `127.0.0.1:${this.sipPort + 1}`;
    this.ws = `ws://127.0.0.1:${this.wsPort}/`;
    this.wss = `wss://127.0.0.1:${this.wsPort + 1}/`;
  }

  get pid() {
    return this.program.pid;
  }

  /** The records of the calls that have ended, in order. */
  callRecords() {
    if (!fs.existsSync(this.records)) return [];
    // What comes after the last end of a line is a record that is still being written.
    return fs.readFileSync(this.records, "utf8").split("\n").slice(0, -1).map(line => JSON.parse(line));
  }

  /**
   * Gives what waits for the record of the call that begins next. Calls are told apart by when they began, by the clock that
   * the gateway has, too: the record of an earlier one may be written at any time from now on.
   */
  nextRecord() {
    const since = Date.now();
    return () => until("a record of the call", () => this.callRecords().find(record => record.started_ms >= since));
  }

  /** Where the log is now; `logSince` gives what came after. */
  mark() {
    return this.program.output.length;
  }

  logSince(mark, lines = 60) {
    return this.program.output.slice(mark).trimEnd().split("\n").slice(-lines).join("\n");
  }

  async stop() {
    await this.program.stop("SIGKILL");
    fs.rmSync(this.directory, { recursive: true, force: true });
  }
}
