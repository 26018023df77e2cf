/** What the module's classes share: errors, events, devices, codecs, candidates and figures. */

const LOSS_WINDOW_MS = 5_000;
const CANDIDATE_BATCH_MS = 100;
const MAX_KEPT_CANDIDATES = 64;
/** What a gateway and its peers can be expected to speak; the rest would only make each offer longer. */
const CODECS = {
  audio: ["audio/opus", "audio/pcmu", "audio/pcma", "audio/g722", "audio/telephone-event"],
  video: ["video/vp8", "video/vp9", "video/h264", "video/rtx"],
};
const PICTURES = { width: { ideal: 640 }, height: { ideal: 480 } };
const PROCESSING = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };

/** Every failure: `code` is a word of the protocol or of the browser, `message` a sentence for a person. */
export class PatchcordError extends Error {
  constructor(code, text) {
    super(text);
    this.name = "PatchcordError";
    this.code = code;
  }
}

/** Events by name. */
export class Emitter {
  #listeners = new Map();

  /** Calls `listener` at each `event`. @returns {() => void} takes the listener away again */
  on(event, listener) {
    if (!this.#listeners.has(event)) this.#listeners.set(event, new Set());
    this.#listeners.get(event).add(listener);
    return () => this.off(event, listener);
  }

  off(event, listener) {
    this.#listeners.get(event)?.delete(listener);
  }

  hasListener(event) {
    return (this.#listeners.get(event)?.size ?? 0) > 0;
  }

  emit(event, value) {
    for (const listener of [...(this.#listeners.get(event) ?? [])]) {
      // A listener that throws must not stop the protocol; it shows up as an uncaught error of the page.
      try { listener(value); } catch (error) { reportError(error); }
    }
  }
}

/** The candidates of one call: those of this side on their way out, those of the other that come too early. */
export class Candidates {
  #say;
  #waiting = [];
  #timer = 0;
  #kept = [];

  /** @param {(frame: object) => void} say sends a `candidates` frame */
  constructor(say) {
    this.#say = say;
  }

  /** This side found one, or, without one, all. They leave by the batch: each frame costs more than it waits. */
  gathered(candidate) {
    // Neither the gateway nor IM clients have TCP candidates, so ours would find no partner.
    if (candidate?.candidate && candidate.protocol !== "tcp") this.#waiting.push(candidate);
    if (!candidate) this.#flush(true);
    else this.#timer ||= setTimeout(() => this.#flush(false), CANDIDATE_BATCH_MS);
  }

  /** The other side has some. */
  async heard(pc, { candidates, mid, ufrag }) {
    const place = mid === undefined ? { sdpMLineIndex: 0 } : { sdpMid: mid };
    for (const candidate of candidates ?? []) {
      const one = { candidate, ...place, usernameFragment: ufrag ?? null };
      if (pc?.remoteDescription) await pc.addIceCandidate(one).catch(() => this.#keep(one));
      else this.#keep(one);
    }
  }

  /** A description came to which those that came too early may belong. */
  async addKept(pc) {
    for (const candidate of this.#kept.splice(0)) await pc.addIceCandidate(candidate).catch(() => {});
  }

  /** What waits to leave is void. */
  drop() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#waiting = [];
  }

  #keep(candidate) {
    if (this.#kept.length < MAX_KEPT_CANDIDATES) this.#kept.push(candidate);
  }

  /** One frame for each transport: without BUNDLE there are several. */
  #flush(done) {
    const waiting = this.#waiting;
    this.drop();
    const frames = new Map();
    for (const { candidate, sdpMid, usernameFragment } of waiting) {
      const key = `${sdpMid} ${usernameFragment}`;
      const frame = { candidates: [], mid: sdpMid ?? "0", ufrag: usernameFragment ?? undefined, done: done || undefined };
      if (!frames.has(key)) frames.set(key, frame);
      frames.get(key).candidates.push(candidate);
    }
    for (const frame of frames.values()) this.#say(frame);
  }
}

/** Reads the browser's statistics of one call. */
export class Figures {
  #window = [];

  /**
   * @param {RTCStatsReport} report
   * @param {{muted: boolean, held: boolean}} call
   * @returns {import("./patchcord-call.js").Stats}
   */
  read(report, { muted, held }) {
    const of = (type, kind = "audio") => [...report.values()].find(s => s.type === type && (s.kind ?? kind) === kind);
    const [inbound, outbound, remote, source] = ["inbound-rtp", "outbound-rtp", "remote-inbound-rtp", "media-source"].map(type => of(type));
    const pair = report.get(of("transport")?.selectedCandidatePairId);
    const ms = seconds => (seconds === undefined ? undefined : Math.round(seconds * 1000));
    return {
      rttMs: ms(remote?.roundTripTime ?? pair?.currentRoundTripTime),
      jitterMs: ms(inbound?.jitter),
      lossPercent: this.#loss(inbound),
      codec: report.get(inbound?.codecId ?? outbound?.codecId)?.mimeType?.split("/")[1],
      inputLevel: muted || held ? 0 : (source?.audioLevel ?? 0),
      outputLevel: held ? 0 : (inbound?.audioLevel ?? 0),
      packetsIn: inbound?.packetsReceived ?? 0,
      packetsOut: outbound?.packetsSent ?? 0,
      video: pictures(of("inbound-rtp", "video"), of("outbound-rtp", "video")),
    };
  }

  #loss(inbound) {
    if (!inbound) return undefined;
    const { timestamp: at, packetsLost: lost, packetsReceived: received } = inbound;
    this.#window = this.#window.filter(sample => at - sample.at < LOSS_WINDOW_MS);
    this.#window.push({ at, lost, received });
    const first = this.#window[0];
    const all = lost - first.lost + received - first.received;
    return all > 0 ? Math.max(0, Math.round((1000 * (lost - first.lost)) / all) / 10) : 0;
  }
}

function pictures(inbound, outbound) {
  if (!inbound && !outbound) return undefined;
  const { framesDecoded: framesIn = 0, frameWidth: width, frameHeight: height } = inbound ?? {};
  return { framesIn, framesOut: outbound?.framesEncoded ?? 0, width, height };
}

/** Offers the codecs of telephony alone. @param {RTCRtpTransceiver} transceiver @param {"audio" | "video"} kind */
export function preferCodecs(transceiver, kind) {
  const known = RTCRtpReceiver.getCapabilities?.(kind)?.codecs ?? [];
  const wanted = CODECS[kind].flatMap(type => known.filter(codec => codec.mimeType.toLowerCase() === type));
  if (wanted.length) transceiver.setCodecPreferences?.(wanted);
}

let microphoneWasGranted = false;

/** Whether the microphone can be had without a question. */
export async function microphoneGranted() {
  if (microphoneWasGranted) return true;
  const status = await navigator.permissions?.query({ name: "microphone" }).catch(() => null);
  return status?.state === "granted";
}

/** @param {MediaTrackConstraints} audio @returns {Promise<MediaStream>} @throws {PatchcordError} `no-microphone` */
export async function openMicrophone(audio) {
  if (!navigator.mediaDevices) throw new PatchcordError("no-microphone", "A browser gives its microphone to pages over HTTPS only.");
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: { ...PROCESSING, ...audio } });
    microphoneWasGranted = true;
    return stream;
  } catch (error) {
    const texts = {
      NotAllowedError: "The browser was not allowed to use the microphone.",
      NotFoundError: "No microphone was found.",
      OverconstrainedError: "The chosen microphone is not there any more.",
      NotReadableError: "The microphone is in use by another program.",
    };
    throw new PatchcordError("no-microphone", texts[error.name] ?? `The microphone cannot be used: ${error.message}`);
  }
}

/** @param {MediaTrackConstraints} video @returns {Promise<MediaStream>} @throws {PatchcordError} `no-camera` */
export async function openCamera(video) {
  if (!navigator.mediaDevices) throw new PatchcordError("no-camera", "A browser gives its camera to pages over HTTPS only.");
  try {
    return await navigator.mediaDevices.getUserMedia({ video: { ...PICTURES, ...video } });
  } catch (error) {
    const texts = {
      NotAllowedError: "The browser was not allowed to use the camera.",
      NotFoundError: "No camera was found.",
      OverconstrainedError: "No camera fits what was asked for.",
      NotReadableError: "The camera is in use by another program.",
    };
    throw new PatchcordError("no-camera", texts[error.name] ?? `The camera cannot be used: ${error.message}`);
  }
}

/** How a call ends that the connection took with it. */
export function lostEnd(text = "The call was lost with the connection.") {
  return { cause: "network", text };
}
