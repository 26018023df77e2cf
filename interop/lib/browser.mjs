/** Chromium with a tone for a microphone. Each one is a process of its own, since a process has one microphone. */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { chromium } from "playwright-core";
import { ear, rawMicrophone } from "./ear.mjs";
import { loadWhole } from "./load.mjs";
import { Softphone } from "./softphone.mjs";
import { storyOf } from "./story.mjs";
import { writeTone } from "./tones.mjs";

/** How long a browser may take to start, and a page to be loaded. */
export const START_MS = 120_000;
const LOAD_MS = 60_000;
const EXECUTABLE = process.env.CHROMIUM ?? "/usr/bin/chromium";
const ARGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-background-timer-throttling",
  "--disable-renderer-backgrounding",
  "--disable-backgrounding-occluded-windows",
  "--autoplay-policy=no-user-gesture-required",
  "--use-fake-device-for-media-stream",
  "--use-fake-ui-for-media-stream",
];

/** @param {{hz?: number, rhythm?: [number, number], args?: string[]}} [options] what its microphone hears: see `writeTone` */
export async function launchBrowser({ hz = 600, rhythm, args = [] } = {}) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "chromium-"));
  const wav = writeTone(path.join(directory, "microphone.wav"), hz, { rhythm });
  const all = [...ARGS, `--use-file-for-fake-audio-capture=${wav}`, ...args];
  const browser = await chromium.launch({ executablePath: EXECUTABLE, headless: true, args: all, timeout: START_MS });
  return new Browser(browser, directory, hz);
}

/** A browser that was started, Chromium or another. */
export class Browser {
  #browser;
  #directory;
  #permissions;

  /** @param directory is removed at the end @param hz what its microphone hears @param permissions of each page */
  constructor(browser, directory, hz, permissions = ["microphone", "camera"]) {
    this.#browser = browser;
    this.#directory = directory;
    this.#permissions = permissions;
    this.hz = hz;
  }

  /**
   * A page of its own, as in a window of somebody else.
   * @param {string} url @param {{prepare?: (context) => Promise<void>}} [options] `prepare`: what is done before it is
   *   loaded; and those of a context
   */
  async page(url, { permissions = this.#permissions, prepare, ...options } = {}) {
    const context = await this.#browser.newContext({ permissions, ...options });
    context.setDefaultNavigationTimeout(LOAD_MS);
    await prepare?.(context);
    await context.addInitScript(ear);
    await context.addInitScript(rawMicrophone);
    const page = await context.newPage();
    page.problems = [];
    page.on("pageerror", error => page.problems.push(error.message));
    page.frames_ = countFrames(page);
    page.story = storyOf(page);
    await loadWhole(page, () => page.goto(url));
    return page;
  }

  /**
   * The softphone, ready to call.
   * @param {string} url @param {{user?: string, password?: string}} [options] without a user: as the guest
   */
  async softphone(url, { user, password, ...options } = {}) {
    const phone = new Softphone(await this.page(url, options));
    try {
      if (user) await phone.signIn(user, password);
      await phone.shows("Ready");
    } catch (error) {
      throw new Error(`${error.message}\nthe page:\n${await phone.story()}`);
    }
    return phone;
  }

  async close() {
    await this.#browser.close();
    fs.rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** Counts what goes over the WebSockets of a page. */
function countFrames(page) {
  const counted = { frames: 0, bytes: 0, log: [] };
  page.on("websocket", socket => {
    for (const [event, arrow] of [["framesent", "→"], ["framereceived", "←"]]) {
      socket.on(event, ({ payload }) => {
        counted.frames += 1;
        counted.bytes += Buffer.byteLength(payload);
        counted.log.push(`${arrow} ${String(payload).slice(0, 160)}`);
      });
    }
  });
  return counted;
}
