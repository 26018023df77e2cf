import { Candidates, Emitter, Figures, PatchcordError, lostEnd } from "./patchcord-base.js";
import { Tracks, fingerprints, hasVideo, noVideo, transceiver } from "./patchcord-tracks.js";

/**
 * @typedef {"calling" | "ringing" | "early" | "incoming" | "connected" | "held" | "ended"} CallState
 *   `early`: it rings, and the other side sends its own tones; `held`: connected, and this side put the other on hold.
 * @typedef {{cause: string, text: string, detail?: object}} End
 * @typedef {{rttMs?: number, jitterMs?: number, lossPercent?: number, codec?: string, inputLevel: number,
 *   outputLevel: number, packetsIn: number, packetsOut: number, gateway?: object,
 *   video?: {framesIn: number, framesOut: number, width?: number, height?: number}}} Stats
 *   Levels are 0 to 1: `inputLevel` of the microphone, `outputLevel` of what is heard. Loss is over the last 5 seconds.
 * @typedef {{audio?: MediaTrackConstraints, video?: boolean | MediaTrackConstraints, stream?: MediaStream}} MediaOptions
 *   `video`: with the own camera. `stream`: tracks of the page's own instead of the devices.
 */

const DISCONNECTED_MS = 2_000;
const RESTART_MS = [0, 1_000, 2_000, 4_000, 8_000];
/** When both offered at once, as RFC 3261 §14.1 says. */
const GLARE_MS = { least: 300, spread: 1_800 };
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
 * `track` (MediaStreamTrack), `video` (`localVideo` or `remoteVideo` is another), `path` (MediaPath), `error`
 * (PatchcordError), `blocked` (the browser wants a click before it plays sound).
 */
export class Call extends Emitter {
  /** @type {"outgoing" | "incoming"} */
  direction;
  /** The number or address at the other side, and the name that goes with it. */
  peer;
  display;
  muted = false;
  held = false;
  /** The other side put this one on hold, or muted itself. */
  remoteHeld = false;
  remoteMuted = false;
  /** When the call was picked up, in milliseconds of `Date.now()`. */
  since = 0;
  /** @type {"" | "relayed" | "direct"} which way the media go, once it is known; `direct`: encrypted end to end */
  path = "";
  /** @type {End | null} */
  end = null;
  #phone;
  #phase;
  #pc = null;
  #tracks;
  #offered = "";
  #answered = "";
  /** The provisional answer that a browser without such things took for a final one. */
  #standsIn = "";
  #chain = Promise.resolve();
  #over = deferred();
  #candidates;
  #restart = { timer: 0, attempt: 0 };
  #again = false;
  /** An offer that waits for the one under way to be answered. */
  #owed = false;
  #gatewayStats = [];
  #statsTimer = 0;
  #figures = new Figures();
  #told = "";

  constructor(phone, entry, options) {
    super();
    this.name = entry.call;
    this.direction = entry.from === undefined ? "outgoing" : "incoming";
    this.peer = entry.from ?? entry.to;
    this.display = entry.display ?? "";
    this.held = entry.held ?? false;
    this.remoteHeld = entry.on_hold ?? false;
    this.path = entry.media ?? "";
    this.#phone = phone;
    this.#phase = entry.state;
    this.#offered = entry.sdp ?? "";
    this.#told = this.state;
    if (entry.state === "connected") this.since = Date.now() - (entry.since_ms ?? 0);
    this.#tracks = new Tracks(options, this.name);
    this.#candidates = new Candidates(frame => this.#phone._canNegotiate && this.#send("candidates", frame));
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
      await this.#queue(() => this.#answerOffer(this.#offered, this.#newConnection()));
    } catch (error) {
      this._end({ cause: "media-incompatible", text: `The call cannot be set up: ${error.message}` }, "hangup");
      throw new PatchcordError("bad-sdp", error.message);
    }
    this.#connected();
  }

  /** Refuses an incoming call. */
  decline() {
    this.hangup("declined");
  }

  /** Ends the call, whatever its state. @param {string} [cause] `declined` or `busy` */
  hangup(cause) {
    const causes = { connected: "normal", incoming: "declined" };
    this._end({ cause: cause ?? causes[this.#phase] ?? "cancelled", text: "You hung up." }, "hangup", cause);
  }

  /** Puts the other side on hold, or takes it off. */
  hold(on = true) {
    if (this.#phase !== "connected" || this.held === on) return;
    this.held = on;
    this.#applyMute();
    this.#send("hold", { on });
    this.#tell();
  }

  /** Closes the microphone, or opens it. */
  mute(on = true) {
    if (this.end || this.muted === on) return;
    this.muted = on;
    this.#applyMute();
    this.#send("mute", { on });
  }

  /**
   * Shows the own camera to the other side, or stops. Only in a direct call; whether the other side takes it shows
   * `localVideo`, and a `notice` if not.
   * @param {MediaTrackConstraints} [constraints] @throws {PatchcordError} `no-video`, `no-camera`, `wrong-state`
   */
  async showCamera(on = true, constraints) {
    if (this.#phase !== "connected") throw new PatchcordError("wrong-state", "Video begins when the call is answered.");
    if (on === Boolean(this.localVideo)) return;
    if (on && this.path !== "direct") throw noVideo(this.path);
    if (on) await this._openCamera(constraints);
    else this.#closeCamera();
    this.#owed = this.#pc.signalingState !== "stable";
    if (!this.#owed) await this._start("offer");
  }

  /** Presses keys. @param {string} digits `0-9*#A-D` @throws {PatchcordError} `bad-digits`, `no-keys` */
  dtmf(digits) {
    digits = digits.toUpperCase();
    if (!/^[0-9*#A-D]+$/.test(digits)) throw new PatchcordError("bad-digits", "Only 0-9, *, # and A-D can be sent.");
    const sender = transceiver(this.#pc, "audio")?.sender.dtmf;
    if (sender?.canInsertDTMF && this.#pc.connectionState === "connected") {
      sender.insertDTMF(sender.toneBuffer + digits, DTMF_MS, DTMF_GAP_MS);
    } else if (this.path === "direct" && this.#phase === "connected") {
      throw new PatchcordError("no-keys", "The other side takes no keys.");
    } else {
      for (const some of digits.match(/.{1,32}/g)) this.#send("dtmf", { digits: some });
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
    this.#restart.attempt = 0;
    return this._start("offer", true);
  }

  /** @param {{gateway?: boolean}} [options] `gateway`: also the figures of both sides as the gateway sees them */
  async stats({ gateway = false } = {}) {
    const asked = gateway ? new Promise((resolve, reject) => this.#gatewayStats.push({ resolve, reject })) : undefined;
    if (gateway) this.#send("stats");
    const figures = this.#figures.read(this.#pc ? await this.#pc.getStats() : new Map(), this);
    return gateway ? { ...figures, gateway: await asked } : figures;
  }

  // What follows is between the classes of this module.

  /** The offer leaves as soon as there is one: the gateway waits for no candidate, and this side for no gathering. */
  _start(type, iceRestart = false) {
    return this.#queue(async () => {
      if (type === "call" && !this.#phone._canNegotiate) throw new PatchcordError("not-connected", "The gateway is not connected just now.");
      const pc = this.#pc ?? this.#newConnection();
      if (type === "offer" && (pc.signalingState !== "stable" || this.#standsIn)) return;
      this.#tracks.addTo(pc);
      if (type === "offer") await this.#tracks.attach(pc);
      const offer = await pc.createOffer({ iceRestart });
      const set = pc.setLocalDescription(offer);
      if (type === "call") this.#send("call", { to: this.peer, sdp: offer.sdp });
      else if (this.#phone._canNegotiate) this.#send("offer", { sdp: offer.sdp });
      await set;
      this._openMicrophone().catch(error => this.#withoutMicrophone(error, type));
    });
  }

  /** Opens the microphone, unless that was done, and speaks into the call. */
  async _openMicrophone() {
    await this.#tracks.openMicrophone(this.#phone.audioConstraints);
    if (this.end) return this.#tracks.stop();
    this.#applyMute();
    const to = transceiver(this.#pc, "audio");
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
    this.#tracks.detachCamera(this.#pc);
    this.#tellVideo();
  }

  #tellVideo() {
    if (this.#tracks.changed) this.emit("video");
  }

  #withoutMicrophone(error, type) {
    this.emit("error", error);
    if (type === "call") this._end({ cause: "cancelled", text: error.message }, "hangup");
    else this.emit("notice", error.message);
  }

  /** The socket is back. */
  _resume(entry) {
    this.#candidates.drop();
    this.remoteHeld = entry.on_hold ?? this.remoteHeld;
    this.#takePath(entry.media ?? this.path);
    // The gateway may have missed the answer.
    if (entry.state === "incoming" && this.#phase === "connected") this.#send("answer", { sdp: this.#pc.localDescription.sdp });
    if (entry.state === "incoming") return;
    if (entry.state === "connected") this.#connected(Date.now() - (entry.since_ms ?? 0));
    const usable = this.#pc?.currentRemoteDescription && !this.#standsIn && this.#pc.connectionState !== "closed";
    if (!usable) this._rebuild();
    else if (this.#pc.signalingState !== "stable" || this.#pc.connectionState !== "connected") this.#retry();
  }

  /** A new transport for a call that lives on at the gateway. */
  async _rebuild() {
    this.#pc?.close();
    this.#pc = null;
    this.#standsIn = "";
    await this._start("offer").catch(error => this.emit("error", error));
  }

  async #retry() {
    await this.#queue(() => this.#rollBack()).catch(() => {});
    await this._start("offer", true).catch(() => {});
  }

  _networkChanged() {
    if (this.#pc?.currentRemoteDescription) this.#later(DISCONNECTED_MS);
  }

  _hear(frame) {
    const hearers = {
      progress: () => this.#progress(frame),
      answer: () => this.#queue(() => this.#takeAnswer(frame)),
      accepted: () => this.#queue(() => this.#accepted(frame)),
      offer: () => this.#queue(() => this.#takeOffer(frame)),
      candidates: () => this.#queue(() => this.#candidates.heard(this.#pc, frame)),
      hold: () => this.emit("remotehold", (this.remoteHeld = frame.on)),
      mute: () => this.emit("remotemute", (this.remoteMuted = frame.on)),
      dtmf: () => this.emit("digit", frame.digit),
      media: () => this.#takePath(frame.path),
      notice: () => this.emit("notice", frame.text),
      stats: () => this.#gatewayStats.shift()?.resolve(frame.legs),
      ended: () => this._end({ cause: frame.cause, text: frame.text, detail: frame.detail }),
      error: () => this.#heardError(frame),
    };
    hearers[frame.type]?.()?.catch?.(error => this.#failed(error));
  }

  _end(end, type, cause) {
    if (this.end) return;
    if (type) this.#send(type, cause ? { cause } : {});
    this.end = end;
    this.#phase = "ended";
    this.#over.resolve();
    this.#phone._forget(this);
    clearInterval(this.#statsTimer);
    this.#candidates.drop();
    clearTimeout(this.#restart.timer);
    this.#tracks.stop();
    this.#pc?.close();
    this.#tellVideo();
    this.#tell();
    this.emit("ended", end);
  }

  /** One description at a time: the browser refuses a second one while it works on the first. */
  #queue(work) {
    const unlessEnded = async () => (this.end ? undefined : work());
    // A connection that is closed under the work fails it, or never lets it finish.
    const done = this.#chain.then(() => Promise.race([this.#over.promise, unlessEnded()])).catch(error => {
      if (!this.end) throw error;
    });
    this.#chain = done.catch(() => {});
    return done;
  }

  #send(type, fields = {}) {
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

  #connected(since = Date.now()) {
    if (this.#phase === "connected" || this.end) return;
    this.since = since;
    this.#phase = "connected";
    this.#tell();
  }

  #takePath(path) {
    if (path === this.path) return;
    this.path = path;
    this.emit("path", path);
    if (path !== "direct" && this.localVideo) this.#withoutVideo();
  }

  /** Nobody takes what the own camera shows. */
  #withoutVideo() {
    this.#closeCamera();
    this.emit("notice", noVideo(this.path).message);
  }

  async #accepted({ sdp }) {
    const last = sdp ?? this.#answered;
    if (last && this.#awaitsAnswer) await this.#applyAnswer(true, last);
    this.#connected();
  }

  async #takeAnswer({ sdp, final }) {
    if (!this.#awaitsAnswer) return;
    this.#answered = sdp;
    await this.#applyAnswer(final, sdp);
  }

  get #awaitsAnswer() {
    return this.#standsIn !== "" || ["have-local-offer", "have-remote-pranswer"].includes(this.#pc?.signalingState);
  }

  /**
   * Firefox knows no provisional answers: there the first one stands as final, so that the transport comes up, and any
   * other answers the same offer made again, which the gateway need not see.
   */
  async #applyAnswer(final, sdp) {
    if (this.#standsIn) {
      if (sdp !== this.#standsIn) {
        await this.#pc.setLocalDescription();
        await this.#apply("answer", sdp);
      }
      this.#standsIn = final ? "" : sdp;
    } else if (final) {
      await this.#apply("answer", sdp);
    } else {
      await this.#apply("pranswer", sdp).catch(error => this.#withoutProvisional(error, sdp));
    }
  }

  async #withoutProvisional(error, sdp) {
    // Whatever else is wrong with it, the final answer may be better.
    if (error.name !== "NotSupportedError") return;
    await this.#apply("answer", sdp);
    this.#standsIn = sdp;
  }

  async #apply(type, sdp) {
    await this.#pc.setRemoteDescription({ type, sdp });
    await this.#candidates.addKept(this.#pc);
    if (type === "answer") this.#settle();
  }

  /** After offer and answer: what there is to see, and, if the offer was this side's, whether its pictures are taken. */
  #settle({ own = true } = {}) {
    const taken = this.#tracks.settle(this.#pc) || !own;
    if (taken) this.#tellVideo();
    else this.#withoutVideo();
    if (this.#owed) this._start("offer").catch(() => {});
    this.#owed = false;
  }

  /** The other side has another certificate than before, as a page that was reloaded does. */
  #isAnother(sdp) {
    const known = fingerprints(this.#pc.currentRemoteDescription?.sdp ?? "");
    return this.path === "direct" && known.size > 0 && [...fingerprints(sdp)].every(one => !known.has(one));
  }

  async #takeOffer({ sdp }) {
    try {
      if (await this.#rollBack()) this.#again = true;
      const isAnother = this.#isAnother(sdp);
      if (isAnother) {
        // What was agreed with the old one binds nobody; its streams need not be in the offer.
        this.#pc.close();
        this.#newConnection();
      }
      await this.#answerOffer(sdp, this.#pc);
      if (isAnother && this.localVideo && !transceiver(this.#pc, "video")) this.#withoutVideo();
    } catch {
      this.#send("refuse");
    }
    if (this.#again) this._start("offer", true).catch(() => {});
    this.#again = false;
  }

  async #answerOffer(sdp, pc) {
    await this.#apply("offer", sdp);
    this.#tracks.answer(pc);
    await this._openMicrophone();
    await this.#tracks.attach(pc);
    const answer = await pc.createAnswer();
    const set = pc.setLocalDescription(answer);
    this.#send("answer", { sdp: answer.sdp });
    await set;
    this.#settle({ own: false });
  }

  /** Takes an unanswered offer of this side back. @returns {Promise<boolean>} whether there was one */
  async #rollBack() {
    if (this.#pc?.signalingState !== "have-local-offer" || !this.#pc.currentRemoteDescription) return false;
    await this.#pc.setLocalDescription({ type: "rollback" });
    this.#tracks.rolledBack(this.#pc);
    return true;
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
    if (about === "offer") this.#queue(() => this.#offerRefused(cause)).catch(() => {});
    if (cause !== "glare") this.emit("error", error);
  }

  async #offerRefused(cause) {
    if (cause === "glare") {
      await this.#rollBack();
      const wait = GLARE_MS.least + Math.random() * GLARE_MS.spread;
      setTimeout(() => this._start("offer").catch(() => {}), wait);
      return;
    }
    const { connectionState, currentRemoteDescription } = this.#pc ?? {};
    if (!currentRemoteDescription && this.#phase === "connected") {
      const text = "The other side cannot take the call back after the page was reloaded.";
      return this._end({ cause: "network", text }, "hangup");
    }
    if (this.path === "direct" && connectionState === "failed") {
      return this._end({ cause: "network", text: "The direct way to the other side was lost." }, "hangup");
    }
    if (await this.#rollBack()) this.#settle();
  }

  /** A description that the browser does not take: there is no media to be had. */
  #failed(error) {
    this.emit("error", new PatchcordError("bad-sdp", error.message));
    if (this.#standsIn || !this.#pc?.currentRemoteDescription) {
      this._end({ cause: "media-incompatible", text: "The browser and the gateway found no common way to talk." }, "hangup");
    }
  }

  #newConnection() {
    // An IM client may know no BUNDLE, and then has a transport for sound and another for pictures.
    const pc = new RTCPeerConnection({ iceServers: this.#phone.iceServers, bundlePolicy: "balanced" });
    pc.onicecandidate = ({ candidate }) => pc === this.#pc && !this.end && this.#candidates.gathered(candidate);
    pc.onconnectionstatechange = () => this.#transportChanged(pc);
    pc.ontrack = ({ track }) => {
      if (track.kind === "audio") this.#tracks.play(track).catch(error => this.#blocked(error));
      this.emit("track", track);
    };
    this.#pc = pc;
    return pc;
  }

  #blocked(error) {
    if (error.name !== "NotAllowedError") return;
    this.emit("blocked");
    addEventListener("pointerdown", () => this.audio.play().catch(() => {}), { once: true });
  }

  #transportChanged(pc) {
    if (pc !== this.#pc || this.end) return;
    if (pc.connectionState === "connected") this.#restart.attempt = 0;
    if (pc.connectionState === "disconnected") this.#later(DISCONNECTED_MS);
    if (pc.connectionState === "failed") this.#later(0);
  }

  /** Tries another way for the media, unless the old one has come back by then. */
  #later(ms) {
    const wait = Math.max(ms, RESTART_MS[Math.min(this.#restart.attempt, RESTART_MS.length - 1)]);
    clearTimeout(this.#restart.timer);
    this.#restart.timer = setTimeout(() => {
      if (this.end || !this.#phone._canNegotiate || this.#pc?.connectionState === "connected") return;
      this.#restart.attempt += 1;
      this.#retry();
      this.#later(DISCONNECTED_MS);
    }, wait);
  }

  #applyMute() {
    this.#tracks.apply(this);
  }

  async #tellStats() {
    if (this.hasListener("stats") && this.#pc?.currentRemoteDescription) this.emit("stats", await this.stats());
  }
}

function deferred() {
  const made = {};
  made.promise = new Promise(resolve => (made.resolve = resolve));
  return made;
}
