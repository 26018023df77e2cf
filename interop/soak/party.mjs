/** A telephone network on one UDP port: it takes calls and makes them, and each of its calls counts what it hears. */
import crypto from "node:crypto";
import dgram from "node:dgram";
import { Srtp } from "./srtp.mjs";

const HOST = "127.0.0.1";
const FRAME_MS = 20;
/** Who stood still for longer goes on from there: what it did not say meanwhile, all at once, is more than a line takes. */
const STOOD_STILL_MS = 100;
const REPEATED = ["via", "from", "call-id", "cseq", "record-route"];
const SUITE = "AES_CM_128_HMAC_SHA1_80";

/** What a call can speak: its line in SDP, ticks of its clock in a packet, and a payload. */
export const FORMATS = {
  pcmu: { type: 0, name: "PCMU/8000", ticks: 160, payload: Buffer.alloc(160, 0xd5) },
  opus: { type: 111, name: "opus/48000/2", ticks: 960, payload: Buffer.from([0xf8, 0xff, 0xfe]) },
};

const random = () => crypto.randomBytes(6).toString("hex");

function header(text, name) {
  const [head] = text.split("\r\n\r\n", 1);
  return head.split("\r\n").find(line => line.toLowerCase().startsWith(`${name}:`))?.slice(name.length + 1).trim() ?? "";
}

/** One media socket, which may be one of several that a party uses again and again. */
class Media {
  #socket = dgram.createSocket("udp4");
  #timer = null;

  async open() {
    await new Promise(resolve => this.#socket.bind(0, HOST, resolve));
    this.#socket.on("message", packet => this.#hear(packet));
    this.port = this.#socket.address().port;
    this.#forget();
    return this;
  }

  #forget() {
    Object.assign(this, { heard: 0, gaps: 0, false: 0, sent: 0, last: null, source: null, inward: null, outward: null });
  }

  /** Begins to speak. */
  speak(port, { format, outward, inward }) {
    Object.assign(this, { outward: outward && new Srtp(outward), inward: inward && new Srtp(inward) });
    const { type, ticks, payload } = FORMATS[format];
    const packet = Buffer.concat([Buffer.alloc(12), payload]);
    const ssrc = crypto.randomBytes(4).readUInt32BE();
    let began = performance.now();
    this.#timer ??= setInterval(() => {
      const late = performance.now() - began - this.sent * FRAME_MS;
      if (late > STOOD_STILL_MS) began += late;
      while (this.sent * FRAME_MS <= performance.now() - began) {
        packet[0] = 0x80;
        packet[1] = type;
        packet.writeUInt16BE(this.sent & 0xffff, 2);
        packet.writeUInt32BE((this.sent * ticks) >>> 0, 4);
        packet.writeUInt32BE(ssrc, 8);
        this.#socket.send(this.outward ? this.outward.protect(packet) : Buffer.from(packet), port, HOST);
        this.sent++;
      }
    }, FRAME_MS);
  }

  #hear(packet) {
    if (packet.length < 12 || (packet[1] & 0x7f) >= 64 && (packet[1] & 0x7f) <= 95) return;
    if (this.inward && !this.inward.unprotect(packet)) return void this.false++;
    const [sequence, source] = [packet.readUInt16BE(2), packet.readUInt32BE(8)];
    if (this.last !== null) this.gaps += source === this.source ? (sequence - this.last - 1) & 0xffff : 1;
    this.heard++;
    Object.assign(this, { last: sequence, source });
  }

  /** Falls silent; returns what was heard. */
  stop() {
    clearInterval(this.#timer);
    this.#timer = null;
    const { heard, gaps, false: forged, sent } = this;
    return { heard, gaps, forged, sent };
  }

  close() {
    this.stop();
    this.#socket.close();
  }
}

/** One side of a call, on the wire of a party. */
class Side {
  constructor(party, id, format, protectedBy) {
    Object.assign(this, { party, id, format, key: protectedBy, tag: random(), isUp: false, isTalking: false, result: null });
    this.ended = new Promise(resolve => (this.end = resolve));
    this.answered = new Promise((resolve, reject) => Object.assign(this, { resolve, reject }));
    this.answered.catch(() => {});
  }

  sdp(withKey) {
    const { type, name } = FORMATS[this.format];
    return [
      "v=0", `o=- 1 1 IN IP4 ${HOST}`, "s=-", `c=IN IP4 ${HOST}`, "t=0 0",
      `m=audio ${this.media.port} RTP/${withKey ? "SAVP" : "AVP"} ${type}`,
      `a=rtpmap:${type} ${name}`,
      ...(withKey ? [`a=crypto:1 ${SUITE} inline:${this.key.toString("base64")}`] : []), "",
    ].join("\r\n");
  }

  talk(sdp) {
    const port = Number(sdp.match(/^m=audio (\d+)/m)?.[1]);
    const theirs = sdp.match(/^a=crypto:\d+ AES_CM_128_HMAC_SHA1_80 inline:([A-Za-z0-9+/=]+)/m)?.[1];
    const keys = this.key ? { outward: this.key, inward: Buffer.from(theirs, "base64") } : {};
    this.media.speak(port, { format: this.format, ...keys });
    this.isUp = this.isTalking = true;
  }

  /** The call is over on this side. */
  over() {
    this.party.sides.delete(this.id);
    this.result ??= this.media?.stop() ?? { heard: 0, gaps: 0, forged: 0, sent: 0 };
    this.media?.close();
    this.media = null;
    this.end(this.result);
  }
}

export class Party {
  #socket = dgram.createSocket("udp4");
  sides = new Map();

  constructor(port, gatewayPort) {
    Object.assign(this, { port, gatewayPort });
  }

  async open() {
    this.#socket.on("message", bytes => this.#take(bytes.toString()));
    await new Promise(resolve => this.#socket.bind(this.port, HOST, resolve));
    return this;
  }

  close() {
    this.#socket.close();
  }

  /** Calls a number. @param {{format: string, protect?: boolean}} how */
  async call(number, { format, protect = false }) {
    const side = new Side(this, random(), format, protect ? crypto.randomBytes(30) : null);
    this.sides.set(side.id, side);
    side.media = await new Media().open();
    side.branch = `z9hG4bK${random()}`;
    side.uri = `sip:${number}@${HOST}:${this.gatewayPort}`;
    side.to = `<${side.uri}>`;
    side.from = `<sip:caller@${HOST}:${this.port}>;tag=${side.tag}`;
    this.#request(side, "INVITE", 1, { branch: side.branch, body: side.sdp(protect) });
    return side;
  }

  /** Ends a side that is up. */
  bye(side) {
    if (this.sides.get(side.id) === side && side.isUp) this.#request(side, "BYE", side.isCallee ? 1 : 2, {});
    side.over();
  }

  cancel(side) {
    this.#request(side, "CANCEL", 1, { branch: side.branch });
  }

  /** What rings here is given to `ring(side, number)`, which calls `answer` or `refuse`. */
  ring = () => {};

  async answer(side) {
    if (side.result) return;
    side.media = await new Media().open();
    if (side.result) return side.media.close();
    side.contact = header(side.invite, "contact").match(/<([^>]+)>/)?.[1];
    this.#respond(side.invite, 200, "OK", side.tag, side.sdp(false));
    side.isUp = true;
  }

  refuse(side) {
    this.#respond(side.invite, 486, "Busy Here", side.tag);
    side.over();
  }

  #request(side, method, cseq, { branch = `z9hG4bK${random()}`, body = "" }) {
    const uri = method === "INVITE" || method === "CANCEL" ? side.uri : side.contact ?? side.uri;
    this.#send([
      `${method} ${uri} SIP/2.0`, `Via: SIP/2.0/UDP ${HOST}:${this.port};branch=${branch}`, "Max-Forwards: 70",
      `From: ${side.from}`, `To: ${side.to}`, `Call-ID: ${side.id}`, `CSeq: ${cseq} ${method}`,
      `Contact: <sip:${HOST}:${this.port}>`, ...(body ? ["Content-Type: application/sdp"] : []),
      `Content-Length: ${Buffer.byteLength(body)}`, "", body,
    ]);
  }

  #respond(request, status, reason, tag, sdp = "") {
    const [head] = request.split("\r\n\r\n", 1);
    const to = header(request, "to");
    this.#send([
      `SIP/2.0 ${status} ${reason}`,
      ...head.split("\r\n").filter(line => REPEATED.includes(line.split(":", 1)[0].toLowerCase())),
      `To: ${to}${/;tag=/.test(to) ? "" : `;tag=${tag}`}`, `Contact: <sip:${HOST}:${this.port}>`,
      ...(sdp ? ["Content-Type: application/sdp"] : []), `Content-Length: ${Buffer.byteLength(sdp)}`, "", sdp,
    ]);
  }

  #send(lines) {
    this.#socket.send(lines.join("\r\n"), this.gatewayPort, HOST);
  }

  #take(text) {
    const id = header(text, "call-id");
    if (text.startsWith("SIP/2.0")) return this.#hearResponse(text, this.sides.get(id));
    const method = text.slice(0, text.indexOf(" "));
    const side = this.sides.get(id);
    if (method === "INVITE" && !side) this.#takeInvite(text, id);
    else if (method === "OPTIONS") this.#respond(text, 200, "OK", "t");
    else if (method === "ACK") {
      // Speech that overtakes the answer comes from nobody that the gateway knows, and is refused.
      if (side?.isUp && side.media && !side.isTalking) side.talk(side.invite);
    } else if (method === "BYE") {
      this.#respond(text, 200, "OK", "t");
      side?.over();
    } else if (method === "CANCEL") {
      this.#respond(text, 200, "OK", side?.tag ?? "t");
      if (side && !side.isUp) {
        this.#respond(side.invite, 487, "Request Terminated", side.tag);
        side.over();
      }
    }
  }

  #takeInvite(text, id) {
    const side = new Side(this, id, "pcmu", null);
    const [from, to] = [header(text, "from"), header(text, "to")];
    Object.assign(side, { invite: text, isCallee: true, from: `${to};tag=${side.tag}`, to: from });
    this.sides.set(id, side);
    this.#respond(text, 180, "Ringing", side.tag);
    this.ring(side, text.match(/^INVITE sip:([^@]+)@/)?.[1]);
  }

  #hearResponse(text, side) {
    const status = Number(text.slice(8, 11));
    const [cseq, method] = header(text, "cseq").split(" ");
    if (!side || method !== "INVITE" || status < 200 || side.isCallee) return;
    side.to = header(text, "to");
    if (status < 300) side.contact = header(text, "contact").match(/<([^>]+)>/)?.[1];
    this.#request(side, "ACK", cseq, status < 300 ? {} : { branch: side.branch });
    if (side.isUp) return;
    side.status = status;
    if (status >= 300) {
      side.over();
      return side.reject(new Error(`answered with ${text.split("\r\n", 1)[0]}`));
    }
    side.talk(text);
    side.resolve();
  }
}
