/** The softphone page as a person uses it: by what its controls are called. */
import { Listener } from "./listener.mjs";
import { loadWhole } from "./load.mjs";
import { PATIENCE_MS, check, pause, until } from "./tests.mjs";

/** How long a key may take that is pressed before it is heard, and is pressed again. */
const KEY_MS = 2_500;
/** How far a line of a ring-back stands over the rest, and how often it is looked for. */
const LINE_DB = 15;
const LOOK_MS = 80;
const MOST_LOOKS = 30;

export class Softphone extends Listener {
  /** The keys whose tones it was to hear. */
  #pressed = "";

  constructor(page) {
    super(page);
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
    const asksOrIsReady = () => document.getElementById("sign-in")?.hidden === false || document.getElementById("status")?.textContent === "Ready";
    // A page that loads itself again just then has no answer.
    await until("a page that is ready or asks who is there", () => this.page.evaluate(asksOrIsReady).catch(() => false));
    if (!(await name.isVisible())) await this.button("Sign in").click();
    await this.page.getByLabel("Name", { exact: true }).fill(user);
    await this.page.getByLabel("Password", { exact: true }).fill(password);
    await this.button("Sign in").click();
  }

  /** Waits until the status line says exactly this. */
  async shows(words, ms = PATIENCE_MS) {
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

  async callWithVideo(to) {
    await this.number.fill(to);
    await this.button("Call with video").click();
  }

  async answerWithVideo() {
    await this.button("Answer with video").click();
    await this.shows("Connected");
  }

  /** Shows the own camera, or stops. */
  async camera() {
    await this.button("Camera").click();
  }

  /** Waits until it says which way the media go, in these words. */
  async goes(words) {
    let seen = "";
    const is = async () => (seen = await this.page.locator("#path").textContent()).includes(words);
    await until("the way of the media", is).catch(() => {
      throw new Error(`the page says "${seen}" of the way of the media, not "${words}"`);
    });
  }

  /** Writes a message, and does not wait for its fate. */
  async write(to, body) {
    await this.page.getByLabel("Write to", { exact: true }).fill(to);
    await this.page.getByLabel("Message", { exact: true }).fill(body);
    await this.button("Send").click();
  }

  /** The messages that the page shows, each with who and what became of it. */
  async messages() {
    return this.page.getByRole("log", { name: "Messages" }).getByRole("listitem").allTextContents();
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

  /** Waits until a message stands among the messages, with what became of it. */
  async reads(body, fate = "") {
    const line = this.page.getByRole("log", { name: "Messages" }).getByRole("listitem").filter({ hasText: body });
    await until(`the message "${body}"`, async () => (await line.count()) > 0);
    await until(`"${body}" is ${fate}`, async () => (await line.last().locator("small").textContent()) === fate).catch(async error => {
      throw new Error(`${error.message}; it is "${await line.last().textContent()}"`);
    });
  }

  /** Connects the other side with somebody, or without a name with whoever waits, which the page must know by then. */
  async transfer(to = "") {
    if (!to) await this.page.locator("#switch").waitFor();
    await this.page.getByLabel("Transfer to", { exact: true }).fill(to);
    await this.button("Transfer").click();
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

  /** From now on writes down the keys that it hears. */
  async noteKeys() {
    await this.page.evaluate(() => window.ear.noteKeys());
  }

  /**
   * Has a key pressed until its tones are heard here, and none but those of keys that were pressed: a page that stands still
   * while they sound, for a fifth of a second, does not hear them, or twice.
   * @param {string} key @param {() => Promise<void>} press
   */
  async hearsKey(key, press) {
    this.#pressed += key;
    await this.noteKeys();
    let heard = "";
    const isHeard = async () => (heard = await this.page.evaluate(() => window.ear.keys())).includes(key);
    const pressed = async () => {
      await press();
      return until("it is heard", isHeard, { ms: KEY_MS }).catch(() => false);
    };
    await until(`the key ${key}`, pressed).catch(() => {
      throw new Error(`the page hears the keys "${heard}", not "${key}"`);
    });
    check([...heard].every(one => this.#pressed.includes(one)), `the keys that are heard: ${heard}`);
  }

  /**
   * Calls a number whose ring-back is its own, until that is heard while it still rings: it is answered after three seconds,
   * in which a page may stand still.
   */
  async hearsRingBack(to, frequencies) {
    const look = f => ({ status: document.getElementById("status").textContent, lines: window.ear.lines(f) });
    const seen = [];
    const heard = async () => {
      await this.call(to);
      await until("it rings", async () => ["Ringing", "Connected"].includes(await this.status.textContent()));
      for (;;) {
        const { status, lines } = await this.page.evaluate(look, frequencies);
        seen.push(`${status}: ${lines.map(Math.round)} dB`);
        if (status !== "Ringing") break;
        if (lines.every(line => line >= LINE_DB)) return true;
        await pause(LOOK_MS);
      }
      await this.hangUp();
      return false;
    };
    await until("a ring-back", heard).catch(error => {
      throw new Error(`${error.message}; the page heard of ${frequencies} Hz:\n${seen.slice(-MOST_LOOKS).join("\n")}`);
    });
  }

  /** What the page lived through and shows, to be printed if a test fails. */
  story() {
    return this.page.story();
  }

  /** What went over its WebSocket since `reset`. */
  get frames() {
    return this.page.frames_;
  }

  resetFrames() {
    Object.assign(this.frames, { frames: 0, bytes: 0, log: [] });
  }

  async reload() {
    await loadWhole(this.page, () => this.page.reload());
  }

  async close() {
    const { problems } = this.page;
    await this.page.context().close();
    check(!problems.length, `the page had errors: ${problems.join("; ")}`);
  }
}
