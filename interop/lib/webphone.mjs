/** A SIP client in a page of Chromium (JsSIP, SIP.js), which speaks SIP by WebSocket. */
import http from "node:http";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { USERS } from "./gateway.mjs";
import { Listener } from "./listener.mjs";
import { PATIENCE_MS, until } from "./tests.mjs";

const ROOT = path.join(path.dirname(fileURLToPath(import.meta.url)), "..");
const pages = new Map();

/**
 * Bundles the client of a library, and serves its page from an origin of its own.
 * @param {"jssip" | "sipjs"} library the folder with its `client.js`
 */
export async function webphonePage(library) {
  if (pages.has(library)) return pages.get(library);
  const entry = path.join(ROOT, library, "client.js");
  const { outputFiles } = await build({ entryPoints: [entry], bundle: true, write: false, platform: "browser", define: { global: "globalThis" } });
  const html = `<!doctype html><title>${library}</title><body><script src=client.js></script>`;
  const server = http.createServer((request, response) => {
    const isScript = request.url.endsWith(".js");
    response.setHeader("content-type", isScript ? "text/javascript" : "text/html");
    response.end(isScript ? outputFiles[0].text : html);
  });
  await new Promise(resolve => server.listen(0, "127.0.0.1", resolve));
  server.unref();
  const page = { origin: `http://127.0.0.1:${server.address().port}` };
  pages.set(library, page);
  return page;
}

/**
 * Registers a user.
 * @param t the test, at whose end it goes @param browser see `launchBrowser`; its microphone is what this client says
 * @param gateway see `startGateway` @param {"jssip" | "sipjs"} library @param {string} user
 */
export async function startWebphone(t, browser, gateway, library, user, { video = false, secure = false } = {}) {
  const { origin } = await webphonePage(library);
  const phone = new Webphone(await browser.page(`${origin}/`), `${library}: ${user}`);
  t.onFailure(async () => `${phone.name}:\n${await phone.log()}\n${phone.page.problems.join("\n")}`);
  t.after(() => phone.page.context().close());
  const options = { server: secure ? gateway.wss : gateway.ws, user, password: USERS[user] ?? gateway.users[user], domain: "127.0.0.1", video };
  await phone.do("start", options);
  await phone.event("registered");
  return phone;
}

class Webphone extends Listener {
  constructor(page, name) {
    super(page);
    this.name = name;
  }

  /** Calls a function of the page's `window.phone`. */
  do(what, ...args) {
    return this.page.evaluate(([what, args]) => window.phone[what](...args), [what, args]);
  }

  events() {
    return this.do("events");
  }

  async log() {
    const events = (await this.events()).map(e => JSON.stringify(e));
    return [...events, ...this.page.frames_.log].join("\n");
  }

  /** Waits for the `nth` event of that name. */
  async event(name, { ms = PATIENCE_MS, nth = 1 } = {}) {
    const found = async () => (await this.events()).filter(e => e.event === name)[nth - 1];
    return until(`${this.name}: ${name}`, found, { ms });
  }

  call(to) {
    return this.do("call", to);
  }

  async answer() {
    await this.event("incoming");
    await this.do("answer");
  }

  hangUp() {
    return this.do("hangUp");
  }

  /** Waits until pictures are decoded, and go on being. */
  async sees({ frames = 15, ms = PATIENCE_MS } = {}) {
    const shown = () => this.page.evaluate(() => document.querySelector("video")?.getVideoPlaybackQuality().totalVideoFrames ?? 0);
    const before = await shown();
    await until(`${this.name} sees the far side`, async () => (await shown()) >= before + frames, { ms });
  }
}
