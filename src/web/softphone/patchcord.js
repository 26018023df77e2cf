/**
 * Calls from a web page, through a Patchcord gateway.
 *
 *     import { connect } from "/patchcord.js";
 *     const phone = await connect();
 *     phone.on("incoming", call => call.answer());
 *     const call = await phone.call("+15550100");
 *     call.on("ended", end => console.log(end.cause, end.text));
 *     phone.on("text", ({ from, body }) => console.log(from, body));
 *     await phone.text("bob", "Good evening");
 *
 * The module speaks the browser protocol, version 1 (docs/browser-protocol.md), takes a lost socket or a reloaded page
 * back to its calls, and plays what the other side says. It draws nothing and depends on nothing.
 */
import { Call } from "./patchcord-call.js";
import { Emitter, PatchcordError, lostEnd, microphoneGranted } from "./patchcord-base.js";

export { Call, PatchcordError };

const SUBPROTOCOL = "patchcord.1";
const SIGN_IN_MS = 10_000;
const RECONNECT_MS = [50, 250, 500, 1_000, 2_000, 3_000];
const MAX_WAITING_FRAMES = 64;
/** What a gateway takes (RFC 3428 and others take less). */
const LONGEST_TEXT_BYTES = 8_192;
/** Refusals that may be over in a moment. */
const TRY_AGAIN = ["unreachable", "too-many-attempts", "congestion"];

/**
 * Signs in and opens the connection. In a page that was reloaded in the middle of a call it takes the call back: see
 * the event `resumed` and `phone.calls`.
 *
 * @param {object} [options]
 * @param {string} [options.url] the gateway, `https://phone.example/`; by default where this module came from
 * @param {string} [options.user] without it, and without a token, the page signs in as a guest
 * @param {string} [options.password]
 * @param {string | (() => Promise<string>)} [options.token] a token that the page's own server got from `/session`
 * @param {MediaTrackConstraints} [options.audio] for every microphone that is opened
 * @returns {Promise<Phone>}
 * @throws {PatchcordError} `bad-password`, `no-guests`, `bad-token`, `unreachable` …
 */
export async function connect(options = {}) {
  const phone = new Phone(options);
  await phone._connect();
  return phone;
}

/**
 * One signed-in connection.
 *
 * Events: `incoming` (Call), `resumed` (Call: taken back after a reload), `call` (Call: any new one), `text` ({from,
 * display, body}: somebody wrote), `state` (`"ready" | "lost" | "closed"`), `error` (PatchcordError), `devices`
 * (something was plugged in or out).
 */
export class Phone extends Emitter {
  /** @type {"connecting" | "ready" | "lost" | "closed"} */
  state = "connecting";
  /** Who is signed in. */
  user = "";
  display = "";
  /** Whether nobody was asked who is there. */
  guest = true;
  /** The ids of the devices in use; empty for the system's own choice. */
  microphone = "";
  speaker = "";
  #options;
  #base;
  #socket = null;
  #calls = new Map();
  #resume = "";
  #resumeWithinMs = 30_000;
  #waiting = [];
  /** Calls that were hung up while the connection was lost. */
  #hungUp = new Set();
  /** Messages whose fate is not known, by their ids. */
  #texts = new Map();
  #wake = () => {};
  #unhook = [];

  constructor(options) {
    super();
    this.#options = options;
    this.#base = new URL(options.url ?? new URL("/", import.meta.url));
    this.iceServers = [];
    const hook = (target, event, listener) => {
      target?.addEventListener(event, listener);
      this.#unhook.push(() => target?.removeEventListener(event, listener));
    };
    // The token is in the storage only while the page is away, so that a duplicated tab does not find it there.
    hook(window, "pagehide", () => this.#save());
    hook(document, "visibilitychange", () => (document.hidden ? this.#save() : sessionStorage.removeItem(this.#key)));
    hook(window, "online", () => this.#networkChanged());
    hook(navigator.mediaDevices, "devicechange", () => this.emit("devices"));
  }

  /** The calls that are not ended. @returns {Call[]} */
  get calls() {
    return [...this.#calls.values()];
  }

  get audioConstraints() {
    const device = this.microphone ? { deviceId: { exact: this.microphone } } : {};
    return { ...this.#options.audio, ...device };
  }

  /**
   * Calls a number or an address. The promise is kept as soon as the call is on its way.
   * @param {string} to @param {MediaOptions} [options] @returns {Promise<Call>}
   * @throws {PatchcordError} `bad-number`, `not-connected`, `no-microphone`, `no-camera`
   */
  async call(to, options = {}) {
    to = to.trim();
    if (!to) throw new PatchcordError("bad-number", "There is no number to call.");
    if (this.state !== "ready") throw new PatchcordError("not-connected", "The gateway is not connected just now.");
    const call = new Call(this, { call: "c" + randomName(), to, state: "calling" }, options);
    // A question for the microphone is answered before somebody's phone rings; once answered, nothing is waited for.
    const devices = async () => {
      if (options.video) await call._openCamera();
      if (!options.stream && !(await microphoneGranted())) await call._openMicrophone();
    };
    const failed = error => {
      call._end({ cause: "cancelled", text: error.message });
      throw error;
    };
    await devices().catch(failed);
    this.#add(call);
    await call._start("call").catch(failed);
    return call;
  }

  /**
   * Writes to somebody. The promise is kept when the message is delivered.
   * @param {string} to a number or an address @param {string} body
   * @throws {PatchcordError} why it is not delivered: `unavailable`, `not-found`, `not-supported`, `too-fast` …
   */
  async text(to, body) {
    to = to.trim();
    if (!to) throw new PatchcordError("bad-number", "There is nobody to write to.");
    if (!body) throw new PatchcordError("bad-text", "There is nothing to send.");
    if (new TextEncoder().encode(body).length > LONGEST_TEXT_BYTES) throw new PatchcordError("bad-text", "The message is too long.");
    if (this.state !== "ready") throw new PatchcordError("not-connected", "The gateway is not connected just now.");
    const id = "t" + randomName();
    const fate = new Promise((resolve, reject) => this.#texts.set(id, { resolve, reject }));
    this._send({ type: "text", id, to, body });
    return fate;
  }

  /** @returns {Promise<{microphones: MediaDeviceInfo[], speakers: MediaDeviceInfo[]}>} */
  async devices() {
    const all = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
    const real = kind => all.filter(d => d.kind === kind && d.deviceId && !/^(default|communications)$/.test(d.deviceId));
    return { microphones: real("audioinput"), speakers: real("audiooutput") };
  }

  /** Takes another microphone, for the calls there are and for later ones. */
  async setMicrophone(deviceId) {
    this.microphone = deviceId;
    await Promise.all(this.calls.map(call => call.setMicrophone(deviceId)));
  }

  /** Plays on another loudspeaker, where the browser can choose one. */
  async setSpeaker(deviceId) {
    this.speaker = deviceId;
    await Promise.all(this.calls.map(call => call.audio.setSinkId?.(deviceId)));
  }

  /** Hangs up every call and leaves. */
  close() {
    for (const call of this.calls) call.hangup();
    this.#shut();
    this.#socket?.close(1000);
  }

  // What follows is between the classes of this module.

  get #key() {
    return `patchcord ${this.#base.origin}`;
  }

  async _connect() {
    const saved = this.#takeSaved();
    const resumed = saved && (await this.#open({ resume: saved.resume }).catch(error => {
      if (TRY_AGAIN.includes(error.code)) throw error;
    }));
    this.guest = resumed ? saved.guest : !this.#options.user && !this.#options.token;
    this.#welcomed(resumed || (await this.#signIn()), saved);
  }

  async #signIn() {
    const { user, password, token } = this.#options;
    if (token) return this.#open({ token: typeof token === "function" ? await token() : token });
    const body = JSON.stringify(user ? { user, password } : {});
    const request = { method: "POST", headers: { "content-type": "application/json" }, body };
    const reply = await fetch(new URL("session", this.#base), request).catch(unreachable);
    const answer = await reply.json().catch(() => ({}));
    if (!reply.ok) {
      const code = answer.code ?? (reply.status === 401 ? (user ? "bad-password" : "no-guests") : "refused");
      throw new PatchcordError(code, answer.text ?? `The gateway refused the sign-in (${reply.status}).`);
    }
    return this.#open({ token: answer.token });
  }

  /** Opens a socket and says hello. @returns {Promise<object>} the `welcome` */
  #open(credentials) {
    const url = new URL("ws", this.#base);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = new WebSocket(url, SUBPROTOCOL);
    return new Promise((resolve, reject) => {
      let refusal = null;
      const timer = setTimeout(() => socket.close(), SIGN_IN_MS);
      socket.onopen = () => socket.send(JSON.stringify({ type: "hello", version: 1, ...credentials }));
      socket.onmessage = message => {
        const frame = JSON.parse(message.data);
        if (frame.type === "error") refusal = new PatchcordError(frame.code, frame.text);
        if (frame.type !== "welcome") return;
        clearTimeout(timer);
        socket.onmessage = m => this.#hear(JSON.parse(m.data));
        socket.onclose = event => this.#lost(socket, event);
        this.#socket = socket;
        resolve(frame);
      };
      socket.onclose = () => {
        clearTimeout(timer);
        reject(refusal ?? new PatchcordError("unreachable", "The gateway cannot be reached."));
      };
    });
  }

  #welcomed(welcome, saved) {
    this.user = welcome.user;
    this.display = welcome.display ?? welcome.user;
    this.iceServers = welcome.ice_servers ?? [];
    this.#resume = welcome.resume ?? "";
    this.#resumeWithinMs = (welcome.resume_within ?? 30) * 1000;
    this.#setState("ready");
    for (const frame of this.#waiting.splice(0)) this._send(frame);
    for (const entry of welcome.calls ?? []) {
      const known = this.#calls.get(entry.call);
      if (known) known._resume(entry);
      else if (!this.#hungUp.delete(entry.call)) this.#adopt(entry, saved);
    }
    // The `ended` of a call that is over by now comes right after the welcome and says why; this is for one that has none.
    const listed = new Set((welcome.calls ?? []).map(entry => entry.call));
    const gone = this.calls.filter(call => !listed.has(call.name));
    setTimeout(() => gone.forEach(call => call._end(lostEnd())), 1_000);
  }

  /** A call that this page does not know: it was another page's, or this one's before it was reloaded. */
  #adopt(entry, saved) {
    const call = new Call(this, entry, {});
    this.#add(call);
    // After the page had its chance to listen.
    setTimeout(() => {
      if (saved?.muted?.includes(call.name)) call.mute(true);
      this.emit(entry.state === "incoming" ? "incoming" : "resumed", call);
      if (entry.state !== "incoming") call._rebuild();
    });
  }

  #add(call) {
    this.#calls.set(call.name, call);
    this.emit("call", call);
  }

  #hear(frame) {
    if (frame.type === "incoming") {
      if (this.#calls.has(frame.call)) return;
      const call = new Call(this, { ...frame, state: "incoming" }, {});
      this.#add(call);
      if (this.hasListener("incoming")) this._send({ type: "ringing", call: call.name });
      this.emit("incoming", call);
      return;
    }
    if (frame.type === "text") return this.emit("text", { from: frame.from, display: frame.display ?? "", body: frame.body });
    if (this.#texts.has(frame.id)) return this.#hearOfText(frame);
    const call = this.#calls.get(frame.call);
    if (call) call._hear(frame);
    else if (frame.type === "error" && frame.code !== "no-such-call") this.emit("error", new PatchcordError(frame.code, frame.text));
  }

  #hearOfText({ type, id, delivered, cause, code, text }) {
    const { resolve, reject } = this.#texts.get(id);
    this.#texts.delete(id);
    if (type === "text-status" && delivered) resolve();
    else reject(new PatchcordError(cause ?? code, text));
  }

  #forgetTexts() {
    const lost = new PatchcordError("network", "The connection was lost; nobody knows whether the message arrived.");
    for (const { reject } of this.#texts.values()) reject(lost);
    this.#texts.clear();
  }

  /** Sends now, or as soon as the connection is back. */
  _send(frame) {
    if (this.state === "ready" && this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(frame));
    else if (this.state !== "closed" && this.#waiting.length < MAX_WAITING_FRAMES) this.#waiting.push(frame);
  }

  /** Descriptions and candidates of a lost connection are void; the rest is worth saying late. */
  get _canNegotiate() {
    return this.state === "ready";
  }

  _forget(call) {
    this.#calls.delete(call.name);
    if (this.state === "lost") this.#hungUp.add(call.name);
  }

  async #lost(socket, event) {
    if (socket !== this.#socket || this.state === "closed") return;
    if (event.code === 4000) {
      this.#leave(new PatchcordError("taken-elsewhere", "This phone goes on in another window."));
      return;
    }
    this.#setState("lost");
    const deadline = performance.now() + this.#resumeWithinMs + 5_000;
    for (let attempt = 0; this.state === "lost"; attempt++) {
      await this.#pause(RECONNECT_MS[Math.min(attempt, RECONNECT_MS.length - 1)] * (0.75 + Math.random() / 2));
      if (performance.now() > deadline) this.calls.forEach(call => call._end(lostEnd()));
      try {
        this.#welcomed(await this.#comeBack(), null);
      } catch (error) {
        if (TRY_AGAIN.includes(error.code)) continue;
        this.#leave(error);
      }
    }
  }

  async #comeBack() {
    if (this.#resume) {
      try {
        return await this.#open({ resume: this.#resume });
      } catch (error) {
        if (!["cannot-resume", "bad-token"].includes(error.code)) throw error;
        this.#resume = "";
        this.#waiting = [];
        this.#forgetTexts();
        this.calls.forEach(call => call._end(lostEnd()));
      }
    }
    return this.#signIn();
  }

  #pause(ms) {
    return new Promise(resolve => {
      this.#wake = resolve;
      setTimeout(resolve, ms);
    });
  }

  /** A new network: the old socket may hang for minutes, so a new one is opened at once. */
  #networkChanged() {
    this.#wake();
    const socket = this.#socket;
    if (this.state === "ready" && socket) {
      this.#lost(socket, {});
      socket.close();
    }
    for (const call of this.calls) call._networkChanged();
  }

  #leave(error) {
    this.#shut();
    this.calls.forEach(call => call._end(lostEnd(error.message)));
    this.emit("error", error);
  }

  #shut() {
    this.#unhook.splice(0).forEach(unhook => unhook());
    sessionStorage.removeItem(this.#key);
    this.#forgetTexts();
    this.#resume = "";
    this.#setState("closed");
  }

  #setState(state) {
    if (this.state === state) return;
    this.state = state;
    this.emit("state", state);
  }

  #save() {
    if (!this.#resume) return;
    const muted = this.calls.filter(call => call.muted).map(call => call.name);
    const saved = { resume: this.#resume, user: this.user, guest: this.guest, muted, at: Date.now(), withinMs: this.#resumeWithinMs };
    sessionStorage.setItem(this.#key, JSON.stringify(saved));
  }

  #takeSaved() {
    const saved = JSON.parse(sessionStorage.getItem(this.#key) ?? "null");
    sessionStorage.removeItem(this.#key);
    const asked = this.#options.user;
    return saved && Date.now() - saved.at < saved.withinMs && (!asked || asked === saved.user) ? saved : null;
  }
}

function unreachable() {
  throw new PatchcordError("unreachable", "The gateway cannot be reached.");
}

function randomName() {
  return [...crypto.getRandomValues(new Uint8Array(8))].map(byte => (byte % 36).toString(36)).join("");
}
