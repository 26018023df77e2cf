import { Emitter, Figures, PatchcordError, lostEnd } from "./patchcord-base.js";
import { Exchange } from "./patchcord-exchange.js";
import { Tracks, hasVideo, transceiver } from "./patchcord-tracks.js";

/**
 * @typedef {"calling" | "ringing" | "early" | "incoming" | "connected" | "held" | "ended"} CallState
 *   `early`: it rings, and the other side sends its own tones; `held`: connected, and this side put the other on hold.
 * @typedef {{cause: string, text: string, detail?: object}} End
 * @typedef {{id: string, name?: string, address?: string, state: "joining" | "joined" | "on-hold" | "leaving", muted: boolean,
 *   talking: boolean, you: boolean}} Member
 * @typedef {{subject?: string, count: number, members: Member[]}} Roster who is in the conference at the other side
 * @typedef {{rttMs?: number, jitterMs?: number, lossPercent?: number, codec?: string, inputLevel: number,
 *   outputLevel: number, packetsIn: number, packetsOut: number, gateway?: object,
 *   video?: {framesIn: number, framesOut: number, width?: number, height?: number}}} Stats
 *   Levels are 0 to 1: `inputLevel` of the microphone, `outputLevel` of what is heard. Loss is over the last 5 seconds.
 * @typedef {{audio?: MediaTrackConstraints, video?: boolean | MediaTrackConstraints, stream?: MediaStream}} MediaOptions
 *   `video`: with the own camera. `stream`: tracks of the page's own instead of the devices.
 */

const NO_VIDEO = "The other side does not take video.";
const STATS_MS = 200;
const DTMF_MS = 160;
const DTMF_GAP_MS = 80;
/** What it means for the call when the gateway refuses its first frame. */
const REFUSALS = { "bad-number": "bad-number", "bad-sdp": "media-incompatible", "too-many-calls": "congestion", congestion: "congestion" };

/**
 * One call.
 *
 * Events: `state` (CallState), `ended` (End; also told to a listener that comes late), `remotehold` (boolean),
 * `remotemute` (boolean), `digit` (string), `notice` (string), `stats` (Stats, five a second while somebody listens),
 * `transferring` ({state, cause, text}: `trying`, `ringing`, `done`, `failed`), `connected` (`peer` is another), `recorded` (boolean), `roster` (Roster), `track` (MediaStreamTrack), `video` (`localVideo` or `remoteVideo` is another), `path` (MediaPath), `error`
 * (PatchcordError), `blocked` (the browser wants a click before it plays sound).
 */
export class Call extends Emitter {
  /** @type {"outgoing" | "incoming"} */
  direction;
  /** The number or address at the other side, and the name that goes with it. */
  peer;
  display;
  /**
   * Whether the caller's number is proven to be the caller's own: `undefined` where nobody looked.
   * @type {"TN-Validation-Passed" | "TN-Validation-Failed" | "No-TN-Validation" | undefined}
   */
  verstat;
  /** @type {"A" | "B" | "C" | undefined} how much the caller's network answers for, if the number is proven */
  attestation;
  muted = false;
  held = false;
  /** The other side put this one on hold, or muted itself. */
  remoteHeld = false;
  remoteMuted = false;
  /** Whether the talk is recorded; `null` where it cannot be. */
  recorded = null;
  /** @type {Roster | null} who is in the conference, where the other side is one and tells */
  roster = null;
  /** The name that the gateway and the systems behind it know the call by, for whoever looks into a fault. */
  sessionId = "";
  /** When the call was picked up, in milliseconds of `Date.now()`. */
  since = 0;
  /** @type {"" | "relayed" | "direct"} which way the media go, once it is known; `direct`: encrypted end to end */
  path = "";
  /** @type {End | null} */
  end = null;
  #phone;
  #phase;
  #tracks;
  #exchange;
  #offered = "";
  #gatewayStats = [];
  #statsTimer = 0;
  #figures = new Figures();
  #told = "";

  constructor(phone, entry, options) {
    super();
    this.name = entry.call;
    this.direction = entry.from === undefined ? "outgoing" : "incoming";
    // What follows a comma is keyed in once the call is answered: a PIN, which is not shown.
    this.peer = entry.from ?? entry.to.replace(/(.),.*$/, "$1");
    this.dialled = entry.to;
    this.display = entry.display ?? "";
    this.verstat = entry.verstat;
    this.attestation = entry.attestation;
    /** Whom the call was meant for before others sent it on; empty if nobody did. */
    this.meantFor = entry.meant_for ?? "";
    this.held = entry.held ?? false;
    this.remoteHeld = entry.on_hold ?? false;
    this.recorded = entry.recorded ?? null;
    this.path = entry.media ?? "";
    this.roster = entry.roster ?? null;
    this.sessionId = entry.session_id ?? "";
    this.#phone = phone;
    this.#phase = entry.state;
    this.#offered = entry.sdp ?? "";
    this.#told = this.state;
    if (entry.state === "connected") this.since = Date.now() - (entry.since_ms ?? 0);
    this.#tracks = new Tracks(options, this.name);
    this.#exchange = new Exchange(this, phone, this.#tracks);
    /** Plays the other side. */
    this.audio = this.#tracks.audio;
    if (phone.speaker) this.audio.setSinkId?.(phone.speaker).catch(() => {});
  }

  /** @returns {CallState} */
  get state() {
    return this.#phase === "connected" && this.held ? "held" : this.#phase;
  }

  /** @returns {MediaStream | null} what the other side says */
  get stream() {
    return this.#tracks.sound;
  }

  /** @returns {MediaStream | null} what the own camera shows */
  get localVideo() {
    return this.#tracks.camera;
  }

  /** @returns {MediaStream | null} what the other side shows */
  get remoteVideo() {
    return this.#tracks.pictures;
  }

  /** Whether the other side of an incoming call offers to show itself. */
  get offersVideo() {
    return hasVideo(this.#offered);
  }

  on(event, listener) {
    const off = super.on(event, listener);
    if (event === "ended" && this.end) queueMicrotask(() => listener(this.end));
    if (event === "stats") this.#statsTimer ||= setInterval(() => this.#tellStats(), STATS_MS);
    return off;
  }

  /**
   * Picks up. Pictures of the other side are taken in any case, `video` says whether the own camera is shown.
   * @param {MediaOptions} [options] @throws {PatchcordError} `no-microphone`, `no-camera`: it goes on ringing
   */
  async answer(options = {}) {
    if (this.#phase !== "incoming") throw new PatchcordError("wrong-state", "There is nothing to answer.");
    this.#tracks.options = options;
    await this._openMicrophone();
    if (options.video && this.offersVideo) await this._openCamera();
    if (this.#phase !== "incoming") throw new PatchcordError("wrong-state", "The caller hung up.");
    try {
      await this.#exchange.answer(this.#offered);
    } catch (error) {
      this._end({ cause: "media-incompatible", text: `The call cannot be set up: ${error.message}` }, "hangup");
      throw new PatchcordError("bad-sdp", error.message);
    }
    this._connected();
  }

  /** Refuses an incoming call. */
  decline() {
    this.hangup("declined");
  }

  /** Ends the call, whatever its state. @param {string} [cause] `declined`, `busy` or `unwanted` */
  hangup(cause) {
    const causes = { connected: "normal", incoming: "declined" };
    this._end({ cause: cause ?? causes[this.#phase] ?? "cancelled", text: "You hung up." }, "hangup", cause);
  }

  /** Puts the other side on hold, or takes it off. */
  hold(on = true) {
    if (this.#phase !== "connected" || this.held === on) return;
    this.held = on;
    this.#applyMute();
    this._send("hold", { on });
    this.#tell();
  }

  /** Asks that the talk is recorded, or not any more; `recorded` tells what came of it. */
  record(on = true) {
    if (this.#phase === "connected") this._send("record", { on });
  }

  /**
   * Connects the other side with somebody else; the event `transferring` tells how that goes. Once it is done the call ends.
   * @param {string} to a number or address @param {{with?: Call}} [options] `with`: the own call with whoever that is
   * @throws {PatchcordError} `wrong-state`
   */
  transfer(to, { with: beside } = {}) {
    if (this.#phase !== "connected") throw new PatchcordError("wrong-state", "Only a call that is answered can be transferred.");
    this._send("transfer", { to, ...(beside ? { with: beside.name } : {}) });
  }

  /** Closes the microphone, or opens it. */
  mute(on = true) {
    if (this.end || this.muted === on) return;
    this.muted = on;
    this.#applyMute();
    this._send("mute", { on });
  }

  /**
   * Shows the own camera to the other side, or stops. Whether the other side takes it shows `localVideo`, and a
   * `notice` if not.
   * @param {MediaTrackConstraints} [constraints] @throws {PatchcordError} `no-camera`, `wrong-state`
   */
  async showCamera(on = true, constraints) {
    if (this.#phase !== "connected") throw new PatchcordError("wrong-state", "Video begins when the call is answered.");
    if (on === Boolean(this.localVideo)) return;
    if (on) await this._openCamera(constraints);
    else this.#closeCamera();
    await this.#exchange.offerNext();
  }

  /** Presses keys. @param {string} digits `0-9*#A-D` @throws {PatchcordError} `bad-digits`, `no-keys` */
  dtmf(digits) {
    digits = digits.toUpperCase();
    if (!/^[0-9*#A-D]+$/.test(digits)) throw new PatchcordError("bad-digits", "Only 0-9, *, # and A-D can be sent.");
    const { connection } = this.#exchange;
    const sender = transceiver(connection, "audio")?.sender.dtmf;
    if (sender?.canInsertDTMF && connection.connectionState === "connected") {
      sender.insertDTMF(sender.toneBuffer + digits, DTMF_MS, DTMF_GAP_MS);
    } else if (this.path === "direct" && this.#phase === "connected") {
      throw new PatchcordError("no-keys", "The other side takes no keys.");
    } else {
      for (const some of digits.match(/.{1,32}/g)) this._send("dtmf", { digits: some });
    }
  }

  /** Speaks into another microphone. @throws {PatchcordError} `no-microphone` */
  async setMicrophone(deviceId) {
    const audio = { ...this.#phone.audioConstraints, ...(deviceId ? { deviceId: { exact: deviceId } } : {}) };
    const old = await this.#tracks.changeMicrophone(audio);
    await this._openMicrophone();
    old?.getAudioTracks().forEach(track => track.stop());
  }

  /** Finds a new way for the media, as after a change of network. */
  restartIce() {
    return this.#exchange.restart();
  }

  /** @param {{gateway?: boolean}} [options] `gateway`: also the figures of both sides as the gateway sees them */
  async stats({ gateway = false } = {}) {
    const asked = gateway ? new Promise((resolve, reject) => this.#gatewayStats.push({ resolve, reject })) : undefined;
    if (gateway) this._send("stats");
    const { connection } = this.#exchange;
    const figures = this.#figures.read(connection ? await connection.getStats() : new Map(), this);
    return gateway ? { ...figures, gateway: await asked } : figures;
  }

  // What follows is between the classes of this module.

  _start(type) {
    return this.#exchange.start(type);
  }

  _rebuild() {
    return this.#exchange.rebuild();
  }

  _networkChanged() {
    this.#exchange.networkChanged();
  }

  /** Opens the microphone, unless that was done, and speaks into the call. */
  async _openMicrophone() {
    await this.#tracks.openMicrophone(this.#phone.audioConstraints);
    if (this.end) return this.#tracks.stop();
    this.#applyMute();
    const to = transceiver(this.#exchange.connection, "audio");
    const track = this.#tracks.microphone.getAudioTracks()[0];
    if (to && to.sender.track !== track) await to.sender.replaceTrack(track);
  }

  async _openCamera(constraints) {
    await this.#tracks.openCamera(constraints);
    if (this.end) return this.#tracks.stop();
    this.#applyMute();
    this.#tellVideo();
  }

  #closeCamera() {
    this.#tracks.closeCamera();
    this.#tracks.detachCamera(this.#exchange.connection);
    this.#tellVideo();
  }

  #tellVideo() {
    if (this.#tracks.changed) this.emit("video");
  }

  _withoutMicrophone(error, type) {
    this.emit("error", error);
    if (type === "call") this._end({ cause: "cancelled", text: error.message }, "hangup");
    else this.emit("notice", error.message);
  }

  /** The socket is back. */
  _resume(entry) {
    this.#exchange.forgetCandidates();
    this.remoteHeld = entry.on_hold ?? this.remoteHeld;
    if ((entry.recorded ?? null) !== this.recorded) this.emit("recorded", (this.recorded = entry.recorded ?? null));
    this.#takeRoster(entry.roster ?? null);
    this.#takePath(entry.media ?? this.path);
    if (entry.state === "incoming" && this.#phase === "connected") this.#exchange.repeatAnswer();
    if (entry.state === "incoming") return;
    if (entry.state === "connected") this._connected(Date.now() - (entry.since_ms ?? 0));
    this.#exchange.resume();
  }

  _hear(frame) {
    const hearers = {
      progress: () => this.#progress(frame),
      answer: () => this.#exchange.heardAnswer(frame),
      accepted: () => this.#exchange.heardAccepted(frame),
      offer: () => this.#exchange.heardOffer(frame),
      candidates: () => this.#exchange.heardCandidates(frame),
      hold: () => this.emit("remotehold", (this.remoteHeld = frame.on)),
      mute: () => this.emit("remotemute", (this.remoteMuted = frame.on)),
      record: () => this.emit("recorded", (this.recorded = frame.on)),
      roster: () => this.#takeRoster(frame.members.length ? frame : null),
      dtmf: () => this.emit("digit", frame.digit),
      transferring: () => this.emit("transferring", { state: frame.state, cause: frame.cause, text: frame.text }),
      connected: () => this.#isWith(frame),
      media: () => this.#takePath(frame.path),
      named: () => (this.sessionId = frame.session_id),
      notice: () => this.emit("notice", frame.text),
      stats: () => this.#gatewayStats.shift()?.resolve(frame.legs),
      ended: () => this._end({ cause: frame.cause, text: frame.text, detail: frame.detail }),
      error: () => this.#heardError(frame),
    };
    hearers[frame.type]?.()?.catch?.(error => this.#failed(error));
  }

  _end(end, type, cause) {
    if (this.end) return;
    if (type) this._send(type, cause ? { cause } : {});
    this.end = end;
    this.#phase = "ended";
    this.#phone._forget(this);
    clearInterval(this.#statsTimer);
    this.#tracks.stop();
    this.#exchange.close();
    this.#tellVideo();
    this.#tell();
    this.emit("ended", end);
  }

  _send(type, fields = {}) {
    this.#phone._send({ type, call: this.name, ...fields });
  }

  #tell() {
    if (this.state === this.#told) return;
    this.#told = this.state;
    this.emit("state", this.state);
  }

  #progress({ stage, early_media }) {
    if (!["calling", "ringing"].includes(this.#phase)) return;
    if (early_media) this.#phase = "early";
    else if (stage === "ringing") this.#phase = "ringing";
    this.#tell();
  }

  _connected(since = Date.now()) {
    if (this.#phase === "connected" || this.end) return;
    this.since = since;
    this.#phase = "connected";
    this.#tell();
  }

  /** The other end is somebody else. */
  #isWith({ with: peer, display = "" }) {
    this.peer = peer;
    this.display = display;
    this.emit("connected");
  }

  #takeRoster(roster) {
    if (!roster && !this.roster) return;
    this.roster = roster && { subject: roster.subject, count: roster.count, members: roster.members };
    this.emit("roster", this.roster);
  }

  #takePath(path) {
    if (path === this.path) return;
    this.path = path;
    this.emit("path", path);
  }

  /** After offer and answer. `taken`: somebody takes what the own camera shows, if it shows something */
  _settled(taken) {
    if (taken) this.#tellVideo();
    else this.#withoutVideo();
  }

  /** Nobody takes what the own camera shows. */
  #withoutVideo() {
    this.#closeCamera();
    this.emit("notice", NO_VIDEO);
  }

  #heardError({ code, text, about, cause }) {
    const error = new PatchcordError(code, text);
    if (about === "call") {
      this._end({ cause: REFUSALS[code] ?? "server-error", text });
      return;
    }
    if (code === "no-such-call") return this._end(lostEnd());
    if (about === "answer" && this.#phase === "connected") return;
    if (about === "stats") this.#gatewayStats.shift()?.reject(error);
    if (about === "offer") this.#exchange.heardRefusal(cause);
    if (cause !== "glare") this.emit("error", error);
  }

  /** A description that the browser does not take: there is no media to be had. */
  #failed(error) {
    this.emit("error", new PatchcordError("bad-sdp", error.message));
    if (!this.#exchange.isAgreed) {
      this._end({ cause: "media-incompatible", text: "The browser and the gateway found no common way to talk." }, "hangup");
    }
  }

  _play(track) {
    if (track.kind === "audio") this.#tracks.play(track).catch(error => this.#blocked(error));
    this.emit("track", track);
  }

  #blocked(error) {
    if (error.name !== "NotAllowedError") return;
    this.emit("blocked");
    addEventListener("pointerdown", () => this.audio.play().catch(() => {}), { once: true });
  }

  #applyMute() {
    this.#tracks.apply(this);
  }

  async #tellStats() {
    if (this.hasListener("stats") && this.#exchange.connection?.currentRemoteDescription) this.emit("stats", await this.stats());
  }
}
