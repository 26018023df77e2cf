/** What one call sends and plays: the microphone, the camera, the other side's sound and pictures. */
import { openCamera, openMicrophone, preferCodecs } from "./patchcord-base.js";

export class Tracks {
  /** Sends the own sound, sends the own pictures. */
  microphone = null;
  camera = null;
  /** @type {MediaStream | null} what the other side says and shows */
  sound = null;
  pictures = null;
  #options;
  #opening = null;
  #held = false;
  #told = { local: null, remote: null };
  /** Names the own tracks as one stream, so that the other side plays them in step. */
  #home = new MediaStream();

  /** @param {import("./patchcord-call.js").MediaOptions} options @param {string} name of the call */
  constructor(options, name) {
    this.#options = options;
    this.audio = new Audio();
    this.audio.autoplay = true;
    this.audio.dataset.patchcordCall = name;
    document.body?.append(this.audio);
  }

  set options(options) {
    this.#options = options;
  }

  /** @param {MediaTrackConstraints} constraints unless the options have their own @throws {PatchcordError} `no-microphone` */
  async openMicrophone(constraints) {
    const { stream, audio } = this.#options;
    if (!this.microphone && stream?.getAudioTracks().length) this.microphone = stream;
    if (this.microphone) return;
    this.#opening ??= openMicrophone(audio ?? constraints).finally(() => (this.#opening = null));
    this.microphone = await this.#opening;
  }

  /** Another microphone from now on; the old one is given back if this one cannot be had. */
  async changeMicrophone(constraints) {
    const old = this.microphone;
    this.microphone = null;
    this.#options = { ...this.#options, stream: undefined, audio: constraints };
    await this.openMicrophone(constraints).catch(error => {
      this.microphone = old;
      throw error;
    });
    return old === this.microphone ? null : old;
  }

  /** @throws {PatchcordError} `no-camera` */
  async openCamera(constraints) {
    const { stream, video } = this.#options;
    if (!this.camera && stream?.getVideoTracks().length) this.camera = stream;
    const wish = constraints ?? (typeof video === "object" ? video : {});
    this.camera ??= await openCamera(wish);
  }

  closeCamera() {
    this.#stop(this.camera);
    this.camera = null;
  }

  /** Everything that an offer of this side has. */
  addTo(pc) {
    if (!pc.getTransceivers().length) {
      const way = { direction: "sendrecv", streams: [this.#home] };
      preferCodecs(pc.addTransceiver(this.microphone?.getAudioTracks()[0] ?? "audio", way), "audio");
    }
    const track = this.camera?.getVideoTracks()[0];
    if (!track || transceiver(pc, "video")) return;
    preferCodecs(pc.addTransceiver(track, { direction: "sendrecv", streams: [this.#home] }), "video");
  }

  /** Takes what the other side offers: all its sound, and its pictures whether or not this side has some. */
  answer(pc) {
    for (const one of pc.getTransceivers().filter(t => !t.stopped && kind(t) === "audio")) {
      one.direction = "sendrecv";
      one.sender.setStreams?.(this.#home);
      if (!pc.currentRemoteDescription) preferCodecs(one, "audio");
    }
  }

  /** Speaks and shows into the connection. */
  async attach(pc) {
    for (const [what, stream] of [["audio", this.microphone], ["video", this.camera]]) {
      const to = transceiver(pc, what);
      const track = stream?.getTracks().find(t => t.kind === what);
      if (!to || !track) continue;
      if (to.sender.track !== track) await to.sender.replaceTrack(track);
      if (what === "audio" || to.direction === "sendrecv") continue;
      to.sender.setStreams?.(this.#home);
      to.direction = "sendrecv";
    }
  }

  /** Shows nothing any more, as far as the connection goes; it still takes to be offered. */
  detachCamera(pc) {
    const to = transceiver(pc, "video");
    if (!to) return;
    to.sender.replaceTrack(null).catch(() => {});
    if (to.mid === null) to.stop();
    else to.direction = to.currentDirection?.includes("recv") ? "recvonly" : "inactive";
  }

  /** A stream that was offered for nothing must not come again beside one that the other side offers. */
  rolledBack(pc) {
    for (const one of pc.getTransceivers()) if (one.mid === null && !one.stopped) one.stop();
  }

  /** After offer and answer: what there is to see. @returns {boolean} whether the other side takes what the camera shows */
  settle(pc) {
    const to = transceiver(pc, "video");
    const way = to?.currentDirection ?? "";
    const track = way.includes("recv") ? to.receiver.track : null;
    if (this.pictures?.getTracks()[0] !== (track ?? undefined)) this.pictures = track && new MediaStream([track]);
    return !this.camera || way.includes("send");
  }

  /** Whether what there is to see is other than it was. */
  get changed() {
    const now = { local: this.camera, remote: this.pictures };
    const changed = now.local !== this.#told.local || now.remote !== this.#told.remote;
    this.#told = now;
    return changed;
  }

  /** Nothing is sent and nothing played of what is muted or held. */
  apply({ muted, held }) {
    for (const track of this.microphone?.getAudioTracks() ?? []) track.enabled = !muted && !held;
    for (const track of this.camera?.getVideoTracks() ?? []) track.enabled = !held;
    this.#held = held;
    this.audio.muted = held;
    for (const track of this.sound?.getAudioTracks() ?? []) track.enabled = !held;
  }

  /** Plays what the other side says. @returns {Promise<void>} fails if the browser wants a click first */
  play(track) {
    track.enabled = !this.#held;
    this.sound = new MediaStream([track]);
    this.audio.srcObject = this.sound;
    return this.audio.play();
  }

  stop() {
    this.#stop(this.microphone);
    this.closeCamera();
    this.pictures = null;
    this.audio.srcObject = null;
    this.audio.remove();
  }

  #stop(stream) {
    if (stream !== this.#options.stream) stream?.getTracks().forEach(track => track.stop());
  }
}

/** The first one of that kind that is in use. */
export function transceiver(pc, what) {
  return pc?.getTransceivers().find(t => !t.stopped && t.direction !== "stopped" && kind(t) === what);
}

/** The certificates that a description names. */
export function fingerprints(sdp) {
  return new Set([...sdp.matchAll(/^a=fingerprint:(\S+ \S+)/gm)].map(match => match[1].toUpperCase()));
}

/** Whether a description has pictures to show or to take. */
export function hasVideo(sdp) {
  return /^m=video [1-9]/m.test(sdp);
}

function kind(one) {
  return one.receiver.track.kind;
}
