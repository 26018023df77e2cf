/** An IM client made of stanza (npm), in a page of Chromium. */
import http from "node:http";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { Listener } from "./listener.mjs";
import { PATIENCE_MS, until } from "./tests.mjs";

const CLIENT = path.join(path.dirname(fileURLToPath(import.meta.url)), "../stanza/client.js");
let server;

/** Bundles the client, and serves its page. */
async function pageUrl() {
  if (!server) {
    const options = { entryPoints: [CLIENT], bundle: true, write: false, platform: "browser", define: { global: "globalThis" } };
    const { outputFiles } = await build(options);
    const html = "<!doctype html><title>IM client</title><body><script src=client.js></script>";
    server = http.createServer((request, response) => {
      const isScript = request.url.endsWith(".js");
      response.setHeader("content-type", isScript ? "text/javascript" : "text/html");
      response.end(isScript ? outputFiles[0].text : html);
    });
    await new Promise(resolve => server.listen(0, "127.0.0.1", resolve));
    server.unref();
  }
  return `http://127.0.0.1:${server.address().port}/`;
}

/**
 * Logs in.
 * @param browser see `launchBrowser`; what its microphone hears is what this client says
 * @param prosody see `startProsody` @param {string} name of the account
 * @param {{resource?: string, caps?: boolean}} [options] `caps`: show what it can in its presence (XEP-0115)
 */
export async function startStanza(browser, prosody, name, { resource = "stanza", caps = false } = {}) {
  const page = await browser.page(await pageUrl(), { permissions: ["microphone", "camera"] });
  const client = new StanzaClient(page);
  const { jid, password } = prosody.account(name);
  client.jid = await client.do("login", { jid, password, resource, caps, websocket: prosody.websocket });
  return client;
}

export class StanzaClient extends Listener {
  /** Calls a function of the page's `window.im`. */
  do(what, ...args) {
    return this.page.evaluate(([what, args]) => window.im[what](...args), [what, args]);
  }

  events() {
    return this.do("events");
  }

  async log() {
    return (await this.events()).map(e => JSON.stringify(e)).join("\n");
  }

  async event(name, fields = {}, ms = PATIENCE_MS) {
    const fits = e => e.event === name && Object.entries(fields).every(([key, value]) => e[key] === value);
    return until(`${this.jid}: ${name} ${JSON.stringify(fields)}`, async () => (await this.events()).find(fits), { ms });
  }

  /** Shows itself to somebody of the gateway, and waits until the gateway knows what it can. */
  async showsItselfTo(jid) {
    await this.do("presence", { to: jid });
    await this.event("asked");
    // A question that leaves after the answer is answered after that was taken.
    await this.do("ask", jid);
  }

  /** Calls a full JID. */
  async call(to, media = {}) {
    return new StanzaCall(this, await this.do("call", to, media));
  }

  /** Waits until it is called, `nth` for the how-manieth time. */
  async rings(nth = 1) {
    const calls = async () => (await this.events()).filter(e => e.event === "incoming")[nth - 1];
    const { sid, from } = await until(`${this.jid} is called`, calls);
    return Object.assign(new StanzaCall(this, sid), { peer: from });
  }

  async close() {
    await this.page.context().close();
  }
}

class StanzaCall {
  constructor(client, sid) {
    this.client = client;
    this.sid = sid;
  }

  event(name, fields = {}, ms = undefined) {
    return this.client.event(name, { ...fields, sid: this.sid }, ms);
  }

  do(what, ...args) {
    return this.client.do(what, this.sid, ...args);
  }

  ring() {
    return this.do("ring");
  }

  accept(media = {}) {
    return this.do("accept", media);
  }

  reject(reason) {
    return this.do("reject", reason);
  }

  hangUp() {
    return this.do("hangUp");
  }

  ended(fields = {}) {
    return this.event("terminated", fields);
  }

  /** Waits until pictures are decoded, and go on being. */
  async sees({ frames = 15, ms = PATIENCE_MS } = {}) {
    const before = (await this.do("figures")).frames;
    await until(`${this.client.jid} sees the far side`, async () => (await this.do("figures")).frames >= before + frames, { ms });
  }
}
