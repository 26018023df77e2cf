/** What every XMPP server of the tests is: one domain with accounts, and a component's place beside it. */
import crypto from "node:crypto";
import fs from "node:fs";

export const DOMAIN = "localhost";
export const COMPONENT = "phone.localhost";

export const passwordOf = name => `${name}-password-of-tests`;

/** Which server it is, its subclass says by `start()`, which sets `program`. */
export class XmppServer {
  domain = DOMAIN;
  component = COMPONENT;
  secret = crypto.randomBytes(16).toString("hex");
  program;

  constructor(directory, ports) {
    this.directory = directory;
    this.ports = ports;
  }

  /** Ends it as at an upgrade, and starts it again: every stream breaks. */
  async restart({ awayMs = 0 } = {}) {
    await this.program.stop();
    await new Promise(resolve => setTimeout(resolve, awayMs));
    await this.start();
  }

  get log() {
    return this.program.output;
  }

  /** The account's JID and login, for a client. */
  account(name) {
    return { jid: `${name}@${DOMAIN}`, password: passwordOf(name), host: "127.0.0.1", port: this.ports.c2s };
  }

  /** The connection as a section of the gateway's configuration. */
  connection({ name = "im", more = "" } = {}) {
    return `
[[xmpp]]
name = "${name}"
component = "${COMPONENT}"
secret = "${this.secret}"
server = "127.0.0.1:${this.ports.component}"
${more}`;
  }

  async stop() {
    await this.program.stop();
    fs.rmSync(this.directory, { recursive: true, force: true });
  }
}
