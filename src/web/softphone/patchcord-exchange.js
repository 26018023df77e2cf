/** Offers and answers of one call, and the transport they agree on, which is found anew when it is lost. */
import { Candidates, PatchcordError } from "./patchcord-base.js";
import { fingerprints, transceiver } from "./patchcord-tracks.js";

const DISCONNECTED_MS = 2_000;
const RESTART_MS = [0, 1_000, 2_000, 4_000, 8_000];
/** When both offered at once, as RFC 3261 §14.1 says. */
const GLARE_MS = { least: 300, spread: 1_800 };

export class Exchange {
  #call;
  #phone;
  #tracks;
  #pc = null;
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

  /** @param {import("./patchcord-call.js").Call} call @param {import("./patchcord-tracks.js").Tracks} tracks */
  constructor(call, phone, tracks) {
    this.#call = call;
    this.#phone = phone;
    this.#tracks = tracks;
    this.#candidates = new Candidates(frame => phone._canNegotiate && call._send("candidates", frame));
  }

  /** @returns {RTCPeerConnection | null} */
  get connection() {
    return this.#pc;
  }

  /** Whether the other side's description is known for good. */
  get isAgreed() {
    return Boolean(this.#pc?.currentRemoteDescription) && !this.#standsIn;
  }

  // What this side begins

  /** The offer leaves as soon as there is one: the gateway waits for no candidate, and this side for no gathering. */
  start(type, iceRestart = false) {
    return this.#queue(async () => {
      if (type === "call" && !this.#phone._canNegotiate) throw new PatchcordError("not-connected", "The gateway is not connected just now.");
      const pc = this.#pc ?? this.#newConnection();
      if (type === "offer" && (pc.signalingState !== "stable" || this.#standsIn)) return;
      this.#tracks.addTo(pc);
      if (type === "offer") await this.#tracks.attach(pc);
      const offer = await pc.createOffer({ iceRestart });
      const set = pc.setLocalDescription(offer);
      if (type === "call") this.#call._send("call", { to: this.#call.dialled, sdp: offer.sdp });
      else if (this.#phone._canNegotiate) this.#call._send("offer", { sdp: offer.sdp });
      await set;
      this.#call._openMicrophone().catch(error => this.#call._withoutMicrophone(error, type));
    });
  }

  /** Offers what there is by then, once an offer under way is answered. */
  async offerNext() {
    this.#owed = this.#pc.signalingState !== "stable";
    if (!this.#owed) await this.start("offer");
  }

  /** Finds a new way for the media. */
  restart() {
    this.#restart.attempt = 0;
    return this.start("offer", true);
  }

  /** A new transport for a call that lives on at the gateway. */
  async rebuild() {
    this.#pc?.close();
    this.#pc = null;
    this.#standsIn = "";
    await this.start("offer").catch(error => this.#call.emit("error", error));
  }

  // The socket and the network

  /** The socket is back: candidates that wait to leave are void. */
  forgetCandidates() {
    this.#candidates.drop();
  }

  /** Says the answer again, which the gateway may have missed. */
  repeatAnswer() {
    this.#call._send("answer", { sdp: this.#pc.localDescription.sdp });
  }

  /** Goes on with what the socket took along. */
  resume() {
    const usable = this.isAgreed && this.#pc.connectionState !== "closed";
    if (!usable) this.rebuild();
    else if (this.#pc.signalingState !== "stable" || this.#pc.connectionState !== "connected") this.#retry();
  }

  networkChanged() {
    if (this.#pc?.currentRemoteDescription) this.#later(DISCONNECTED_MS);
  }

  async #retry() {
    await this.#queue(() => this.#rollBack()).catch(() => {});
    await this.start("offer", true).catch(() => {});
  }

  #transportChanged(pc) {
    if (pc !== this.#pc || this.#call.end) return;
    if (pc.connectionState === "connected") this.#restart.attempt = 0;
    if (pc.connectionState === "disconnected") this.#later(DISCONNECTED_MS);
    if (pc.connectionState === "failed") this.#later(0);
  }

  /** Tries another way for the media, unless the old one has come back by then. */
  #later(ms) {
    const wait = Math.max(ms, RESTART_MS[Math.min(this.#restart.attempt, RESTART_MS.length - 1)]);
    clearTimeout(this.#restart.timer);
    this.#restart.timer = setTimeout(() => {
      if (this.#call.end || !this.#phone._canNegotiate || this.#pc?.connectionState === "connected") return;
      this.#restart.attempt += 1;
      this.#retry();
      this.#later(DISCONNECTED_MS);
    }, wait);
  }

  // What the other side says

  heardCandidates(frame) {
    return this.#queue(() => this.#candidates.heard(this.#pc, frame));
  }

  heardAnswer({ sdp, final }) {
    return this.#queue(async () => {
      if (!this.#awaitsAnswer) return;
      this.#answered = sdp;
      await this.#applyAnswer(final, sdp);
    });
  }

  /** Somebody picked up: the last answer is the final one. */
  heardAccepted({ sdp }) {
    return this.#queue(async () => {
      const last = sdp ?? this.#answered;
      if (last && this.#awaitsAnswer) await this.#applyAnswer(true, last);
      this.#call._connected();
    });
  }

  heardOffer({ sdp }) {
    return this.#queue(() => this.#takeOffer(sdp));
  }

  /** An offer of this side was refused. */
  heardRefusal(cause) {
    this.#queue(() => this.#offerRefused(cause)).catch(() => {});
  }

  /** Answers the offer with which the call came in. */
  answer(sdp) {
    return this.#queue(() => this.#answerOffer(sdp, this.#newConnection()));
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
      if (final) this.#settle();
    } else if (final) {
      await this.#apply("answer", sdp);
      this.#settle();
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
  }

  /** After offer and answer: what there is to see, and, if the offer was this side's, whether its pictures are taken. */
  #settle({ own = true } = {}) {
    this.#call._settled(this.#tracks.settle(this.#pc) || !own);
    if (this.#owed) this.start("offer").catch(() => {});
    this.#owed = false;
  }

  /** The other side has another certificate than before, as a page that was reloaded does, or whoever a transfer brings. */
  #isAnother(sdp) {
    const known = fingerprints(this.#pc.currentRemoteDescription?.sdp ?? "");
    return this.#call.path === "direct" && known.size > 0 && [...fingerprints(sdp)].every(one => !known.has(one));
  }

  async #takeOffer(sdp) {
    // What was agreed with another one binds nobody; its streams need not be in the offer.
    let old = null;
    try {
      if (await this.#rollBack()) this.#again = true;
      if (this.#isAnother(sdp)) {
        old = this.#pc;
        this.#newConnection();
      }
      await this.#answerOffer(sdp, this.#pc);
      old?.close();
      if (old && this.#call.localVideo && !transceiver(this.#pc, "video")) this.#call._settled(false);
    } catch {
      if (old) this.#goBackTo(old);
      this.#call._send("refuse");
    }
    if (this.#again) this.start("offer", true).catch(() => {});
    this.#again = false;
  }

  /** The call goes on as it was before an offer that could not be taken. */
  #goBackTo(old) {
    this.#pc.close();
    this.#pc = old;
  }

  async #answerOffer(sdp, pc) {
    await this.#apply("offer", sdp);
    this.#tracks.answer(pc);
    await this.#call._openMicrophone();
    await this.#tracks.attach(pc);
    const answer = await pc.createAnswer();
    const set = pc.setLocalDescription(answer);
    this.#call._send("answer", { sdp: answer.sdp });
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

  async #offerRefused(cause) {
    if (cause === "glare") {
      await this.#rollBack();
      const wait = GLARE_MS.least + Math.random() * GLARE_MS.spread;
      setTimeout(() => this.start("offer").catch(() => {}), wait);
      return;
    }
    const { connectionState, currentRemoteDescription } = this.#pc ?? {};
    if (!currentRemoteDescription && this.#call.since) {
      const text = "The other side cannot take the call back after the page was reloaded.";
      return this.#call._end({ cause: "network", text }, "hangup");
    }
    if (this.#call.path === "direct" && connectionState === "failed") {
      return this.#call._end({ cause: "network", text: "The direct way to the other side was lost." }, "hangup");
    }
    if (await this.#rollBack()) this.#settle();
  }

  // The connection

  #newConnection() {
    // An IM client may know no BUNDLE, and then has a transport for sound and another for pictures.
    const pc = new RTCPeerConnection({ iceServers: this.#phone.iceServers, bundlePolicy: "balanced" });
    pc.onicecandidate = ({ candidate }) => pc === this.#pc && !this.#call.end && this.#candidates.gathered(candidate);
    pc.onconnectionstatechange = () => this.#transportChanged(pc);
    pc.ontrack = ({ track }) => this.#call._play(track);
    this.#pc = pc;
    return pc;
  }

  /** One description at a time: the browser refuses a second one while it works on the first. */
  #queue(work) {
    const unlessEnded = async () => (this.#call.end ? undefined : work());
    // A connection that is closed under the work fails it, or never lets it finish.
    const done = this.#chain.then(() => Promise.race([this.#over.promise, unlessEnded()])).catch(error => {
      if (!this.#call.end) throw error;
    });
    this.#chain = done.catch(() => {});
    return done;
  }

  /** The call has ended. */
  close() {
    this.#over.resolve();
    this.#candidates.drop();
    clearTimeout(this.#restart.timer);
    this.#pc?.close();
  }
}

function deferred() {
  const made = {};
  made.promise = new Promise(resolve => (made.resolve = resolve));
  return made;
}
