/** Prosody: one domain with accounts, and a component's place beside it. Runs inside `lib/namespace`. */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "./net.mjs";
import { start } from "./processes.mjs";
import { COMPONENT, DOMAIN, XmppServer, passwordOf } from "./xmpp.mjs";

const MODULES = path.join(path.dirname(fileURLToPath(import.meta.url)), "../prosody/modules");
/** Where a client looks that finds no SRV record. */
const C2S_PORT = 5222;
const START_MS = 60_000;
const FEATURES = [
  ...["roster", "saslauth", "tls", "disco", "carbons", "pep", "blocklist", "vcard4", "vcard_legacy", "ping", "time"],
  ...["version", "smacks", "csi_simple", "bosh", "websocket", "posix", "mam", "offline", "stanza_log"],
];

/**
 * Starts Prosody on 127.0.0.1.
 * @param {{accounts?: string[], lua?: string}} [options] `accounts`: names of `localhost`; each password is
 *   `passwordOf(name)`. `lua`: more lines of its configuration, before the hosts
 */
export async function startProsody({ accounts = ["alice", "bob", "carol", "dave"], lua = "" } = {}) {
  if (!process.env.LAB) throw new Error("Prosody needs the names and certificates of interop/lib/namespace");
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "prosody-"));
  const ports = { c2s: await freePort(), tls: await freePort(), component: await freePort(), http: await freePort() };
  const prosody = new Prosody(directory, ports, lua);
  for (const name of accounts) prosody.addAccount(name);
  await prosody.start();
  return prosody;
}

class Prosody extends XmppServer {
  constructor(directory, ports, lua) {
    super(directory, ports);
    this.stanzaLog = path.join(directory, "stanzas.log");
    this.websocket = `ws://localhost:${ports.http}/xmpp-websocket`;
    this.bosh = `http://localhost:${ports.http}/http-bind`;
    fs.writeFileSync(path.join(directory, "prosody.cfg.lua"), this.#config(lua));
  }

  #config(lua) {
    const { c2s, tls, component, http } = this.ports;
    const list = names => names.map(name => `"${name}"`).join(", ");
    return `
daemonize = false
run_as_root = true
pidfile = "${this.directory}/pid"
data_path = "${this.directory}/data"
certificates = "${process.env.LAB}/tls"
ssl = { key = "${process.env.LAB}/tls/localhost.key", certificate = "${process.env.LAB}/tls/localhost.crt" }
plugin_paths = { "${MODULES}" }
stanza_log = "${this.stanzaLog}"
log = { info = "*console" }
interfaces = { "127.0.0.1" }
c2s_ports = { ${c2s}, ${C2S_PORT} }
c2s_direct_tls_ports = { ${tls} }
component_ports = { ${component} }
http_ports = { ${http} }
https_ports = { }
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
consider_websocket_secure = true
consider_bosh_secure = true
authentication = "internal_plain"
storage = "internal"
modules_enabled = { ${list(FEATURES)} }
modules_disabled = { "s2s" }
${lua}
VirtualHost "${DOMAIN}"
Component "${COMPONENT}"
  component_secret = "${this.secret}"
`;
  }

  /** Makes an account; a running Prosody knows it at once. */
  addAccount(name) {
    const folder = path.join(this.directory, "data", DOMAIN, "accounts");
    fs.mkdirSync(folder, { recursive: true });
    fs.writeFileSync(path.join(folder, `${encodeName(name)}.dat`), `return { ["password"] = "${passwordOf(name)}" };\n`);
  }

  /** Lets an account see the presence of these JIDs, as if it had asked and they had agreed. */
  addContacts(name, jids) {
    const folder = path.join(this.directory, "data", DOMAIN, "roster");
    fs.mkdirSync(folder, { recursive: true });
    const items = jids.map(jid => `["${jid}"] = { ["subscription"] = "to", ["groups"] = {} };`);
    const text = `return { [false] = { ["version"] = 1 }; ${items.join(" ")} };\n`;
    fs.writeFileSync(path.join(folder, `${encodeName(name)}.dat`), text);
  }

  async start() {
    const config = path.join(this.directory, "prosody.cfg.lua");
    this.program = await start("prosody", ["--config", config, "-F"]);
    for (const what of [/Activated service 'component'/, /Activated service 'c2s'/, /Activated service 'http'/]) {
      await this.program.says(what, START_MS);
    }
  }

  /** Where the stanzas are now; `stanzasSince` gives what clients sent and were sent after. */
  mark() {
    return fs.existsSync(this.stanzaLog) ? fs.statSync(this.stanzaLog).size : 0;
  }

  stanzasSince(mark) {
    if (!fs.existsSync(this.stanzaLog)) return "";
    return fs.readFileSync(this.stanzaLog).subarray(mark).toString().trimEnd();
  }
}

/** As Prosody names its files: letters and digits stay, the rest is percent-encoded. */
function encodeName(name) {
  return [...Buffer.from(name)].map(b => (/[A-Za-z0-9_]/.test(String.fromCharCode(b)) ? String.fromCharCode(b) : `%${b.toString(16)}`)).join("");
}
