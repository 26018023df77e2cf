/** ejabberd: one domain with accounts, and a component's place beside it. Runs inside `lib/namespace`. */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { freePort } from "./net.mjs";
import { start } from "./processes.mjs";
import { COMPONENT, DOMAIN, XmppServer, passwordOf } from "./xmpp.mjs";

/** Debian puts ejabberd beside the machine's libraries, in a folder that has the architecture's name. */
const LIBRARIES = fs.readdirSync("/usr/lib").map(name => path.join("/usr/lib", name)).find(holdsEjabberd);
const START_MS = 150_000;
const MODULES = ["roster", "disco", "caps", "carboncopy", "offline", "ping", "blocking", "privacy", "stream_mgmt", "version"];

/** Starts ejabberd on 127.0.0.1. @param {{accounts: string[]}} options `accounts`: names of `localhost` */
export async function startEjabberd({ accounts }) {
  if (!process.env.LAB) throw new Error("ejabberd needs the names and certificates of interop/lib/namespace");
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "ejabberd-"));
  const ejabberd = new Ejabberd(directory, { c2s: await freePort(), component: await freePort() }, accounts);
  await ejabberd.start();
  return ejabberd;
}

class Ejabberd extends XmppServer {
  #accounts;

  constructor(directory, ports, accounts) {
    super(directory, ports);
    this.#accounts = accounts;
    const halves = ["key", "crt"].map(kind => fs.readFileSync(`${process.env.LAB}/tls/localhost.${kind}`));
    fs.writeFileSync(path.join(directory, "both.pem"), Buffer.concat(halves));
    fs.writeFileSync(path.join(directory, "ejabberd.yml"), this.#config());
  }

  #config() {
    return `
hosts: [${DOMAIN}]
loglevel: info
certfiles: [${this.directory}/both.pem]
ca_file: ${process.env.LAB}/tls/ca.crt
auth_password_format: scram
listen:
  - port: ${this.ports.c2s}
    ip: "127.0.0.1"
    module: ejabberd_c2s
    starttls: true
  - port: ${this.ports.component}
    ip: "127.0.0.1"
    module: ejabberd_service
    hosts:
      ${COMPONENT}:
        password: "${this.secret}"
acl:
  local: {user_regexp: ""}
access_rules:
  local: [{allow: local}]
modules:
${MODULES.map(name => `  mod_${name}: {}`).join("\n")}
`;
  }

  /** Without a name in Erlang's network: nothing from outside reaches it, and it starts no `epmd`. */
  async start() {
    const quoted = name => `"${path.join(this.directory, name)}"`;
    const settings = [["-mnesia", "dir", quoted("db")], ["-ejabberd", "config", quoted("ejabberd.yml")], ["-ejabberd", "log_path", quoted("ejabberd.log")]];
    const args = ["-noinput", ...settings.flat(), "-s", "ejabberd", "-eval", this.#registration()];
    this.program = await start("erl", args, { env: { ERL_LIBS: LIBRARIES, HOME: this.directory } });
    await this.program.says(/accounts are there/, START_MS);
  }

  /** Erlang that makes the accounts; one that is there stays as it is. */
  #registration() {
    const all = this.#accounts.map(name => `{<<"${name}">>, <<"${passwordOf(name)}">>}`).join(", ");
    const make = `[ejabberd_auth:try_register(Name, <<"${DOMAIN}">>, Password) || {Name, Password} <- [${all}]]`;
    return `${make}, io:format("accounts are there~n").`;
  }

  /** Where its log is now; it does not show stanzas. */
  mark() {
    return this.program.output.length;
  }

  stanzasSince(mark) {
    return this.program.output.slice(mark).trimEnd();
  }
}

function holdsEjabberd(folder) {
  return fs.statSync(folder, { throwIfNoEntry: false })?.isDirectory() && fs.readdirSync(folder).some(name => name.startsWith("ejabberd-"));
}
