/** The softphone page as a person uses it: by what its controls are called. */
import { check, until } from "./tests.mjs";

const TONE_HZ = 12;
const TONE_DB = 20;
const SILENCE_DB = -65;

export class Softphone {
  constructor(page) {
    this.page = page;
    this.number = page.getByRole("textbox", { name: "Number or address", exact: true });
    this.status = page.getByRole("status");
    this.sentence = page.locator("#note");
    this.timer = page.getByRole("timer");
  }

  button(name) {
    return this.page.getByRole("button", { name, exact: true });
  }

  /** Signs in, also where the page came up as a guest. */
  async signIn(user, password) {
    const name = this.page.getByLabel("Name", { exact: true });
    const isAsked = async () => (await name.isVisible()) || (await this.status.textContent()) === "Ready";
    await until("a page that is ready or asks who is there", isAsked);
    if (!(await name.isVisible())) await this.button("Sign in").click();
    await this.page.getByLabel("Name", { exact: true }).fill(user);
    await this.page.getByLabel("Password", { exact: true }).fill(password);
    await this.button("Sign in").click();
  }

  /** Waits until the status line says exactly this. */
  async shows(words, ms = 10_000) {
    let seen = "";
    const is = async () => (seen = await this.status.textContent()) === words;
    await until(words, is, { ms }).catch(async () => {
      throw new Error(`the page says "${seen}" ("${await this.sentence.textContent()}"), not "${words}", after ${ms / 1000} s`);
    });
  }

  /** Calls, and does not wait for anything. */
  async call(to) {
    await this.number.fill(to);
    await this.button("Call").click();
  }

  async callAndTalk(to, ms) {
    await this.call(to);
    await this.shows("Connected", ms);
  }

  async answer() {
    await this.button("Answer").click();
    await this.shows("Connected");
  }

  async decline() {
    await this.button("Decline").click();
  }

  /** Hangs up, and waits for the end. */
  async hangUp(end = "Ended: normal") {
    await this.button("Hang up").click();
    await this.shows(end);
  }

  async hold() {
    await this.button("Hold").click();
  }

  async mute() {
    await this.button("Mute").click();
  }

  async keys(digits) {
    for (const digit of digits) await this.button(digit).click();
  }

  /** Waits until the strongest line of what the page hears is this tone, clearly. */
  async hears(hz, { ms = 10_000 } = {}) {
    let last = {};
    let times = 0;
    const found = async () => {
      last = await this.page.evaluate(() => window.ear.spectrum());
      const is = Math.abs(last.hz - hz) <= TONE_HZ && last.snr >= TONE_DB;
      times = is ? times + 1 : 0;
      return times >= 2;
    };
    await until(`${hz} Hz`, found, { ms, everyMs: 100 }).catch(() => {
      throw new Error(`the page does not hear ${hz} Hz within ${ms / 1000} s, but ${describe(last)}`);
    });
  }

  /** Waits until it hears all these lines at once, such as a ring-back's two. */
  async hearsTogether(frequencies, { ms = 8_000, db = 15 } = {}) {
    let last = [];
    const found = async () => {
      last = await this.page.evaluate(f => window.ear.lines(f), frequencies);
      return last.every(line => line >= db);
    };
    await until("lines", found, { ms, everyMs: 80 }).catch(() => {
      throw new Error(`the page does not hear ${frequencies} Hz together; they stand ${last.map(Math.round)} dB over the rest`);
    });
  }

  /** Waits until it hears nothing, and goes on hearing nothing for `lastsMs`. */
  async hearsNothing({ ms = 6_000, lastsMs = 1_000 } = {}) {
    let since = 0;
    let last = {};
    const quiet = async () => {
      last = await this.page.evaluate(() => window.ear.spectrum());
      if (last.db > SILENCE_DB) since = 0;
      else since ||= Date.now();
      return since && Date.now() - since >= lastsMs;
    };
    await until("silence", quiet, { ms, everyMs: 50 }).catch(() => {
      throw new Error(`the page does not become silent, it hears ${describe(last)}`);
    });
  }

  /** From now on writes down the keys that it hears. */
  async noteKeys() {
    await this.page.evaluate(() => window.ear.noteKeys());
  }

  async hearsKeys(keys, { ms = 8_000 } = {}) {
    let heard = "";
    const is = async () => (heard = await this.page.evaluate(() => window.ear.keys())) === keys;
    await until("keys", is, { ms }).catch(() => {
      throw new Error(`the page hears the keys "${heard}", not "${keys}"`);
    });
  }

  /** What went over its WebSocket since `reset`. */
  get frames() {
    return this.page.frames_;
  }

  resetFrames() {
    Object.assign(this.frames, { frames: 0, bytes: 0, log: [] });
  }

  async reload() {
    await this.page.reload();
  }

  async close() {
    const { problems } = this.page;
    await this.page.context().close();
    check(!problems.length, `the page had errors: ${problems.join("; ")}`);
  }
}

function describe({ hz = 0, db = -200, snr = 0 }) {
  return db < SILENCE_DB ? "nothing" : `${Math.round(hz)} Hz at ${Math.round(db)} dB, ${Math.round(snr)} dB over the rest`;
}

