/** The softphone page as a person uses it: by what its controls are called. */
import { Listener } from "./listener.mjs";
import { loadWhole } from "./load.mjs";
import { PATIENCE_MS, check, until } from "./tests.mjs";

export class Softphone extends Listener {
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
    const asksOrIsReady = () => !document.getElementById("sign-in").hidden || document.getElementById("status").textContent === "Ready";
    await until("a page that is ready or asks who is there", () => this.page.evaluate(asksOrIsReady));
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

  /** Connects the other side with somebody, or without a name with whoever waits. */
  async transfer(to = "") {
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

  async hearsKeys(keys, { ms = PATIENCE_MS } = {}) {
    let heard = "";
    const is = async () => (heard = await this.page.evaluate(() => window.ear.keys())) === keys;
    await until("keys", is, { ms }).catch(() => {
      throw new Error(`the page hears the keys "${heard}", not "${keys}"`);
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
