/** A video telephone that is a script: it takes VP8 without feedback, counts what comes, and asks for pictures by INFO. */
import dgram from "node:dgram";
import { RtpPeer } from "../lib/rtp.mjs";
import { HOST, header, response } from "../lib/sip.mjs";
import { PATIENCE_MS, until } from "../lib/tests.mjs";

const CONTROL = [
  '<?xml version="1.0" encoding="utf-8" ?>',
  "<media_control><vc_primitive><to_encoder><picture_fast_update/></to_encoder></vc_primitive></media_control>",
  "",
].join("\r\n");

const MIRROR_SSRC = 0x4d495252;

async function socket(take) {
  const one = dgram.createSocket("udp4");
  one.on("message", take);
  await new Promise(resolve => one.bind(0, HOST, resolve));
  return one;
}

export class VideoTelephone {
  #socket;
  #waiting = null;
  #lines = new Map();

  async open() {
    this.#socket = await socket((bytes, { port }) => this.#take(bytes.toString(), port));
    this.port = this.#socket.address().port;
    return this;
  }

  /** Waits for the next call. */
  rings(ms = PATIENCE_MS) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no INVITE within ${ms / 1000} s`)), ms);
      this.#waiting = line => {
        clearTimeout(timer);
        resolve(line);
      };
    });
  }

  #take(text, from) {
    const line = this.#lines.get(header(text, "call-id"));
    const method = text.slice(0, text.indexOf(" "));
    if (method.startsWith("SIP/2.0")) return line?.hears(text);
    if (method === "INVITE" && !line) {
      const fresh = new Line(text, this.port, message => this.#socket.send(message, from, HOST));
      this.#lines.set(header(text, "call-id"), fresh);
      this.#waiting?.(fresh);
    } else if (method === "INVITE" && /;tag=/.test(header(text, "to"))) {
      line.isAskedAgain(text);
    } else if (["OPTIONS", "BYE", "CANCEL", "INFO"].includes(method)) {
      line?.log.push(text);
      if (method === "INFO" && line) line.asked += 1;
      this.#socket.send(response(text, this.port, 200, "OK", "t"), from, HOST);
      if (method === "BYE") line?.close();
    }
  }

  close() {
    for (const line of this.#lines.values()) line.close();
    this.#socket.close();
  }
}

/**
 * Pictures that are shown to whom they came from, over a network that loses one packet in ten each way: what is lost on the
 * way here is asked for (RFC 4585), what is lost on the way back is sent when it was asked for twice.
 */
class LossyMirror {
  healed = 0;
  again = 0;
  #lost = new Set();
  #kept = new Map();
  #send;

  constructor(send) {
    this.#send = send;
    this.#feedback(201, 0, 1, []);
  }

  takes(packet) {
    const type = packet[1];
    if (type >= 192 && type <= 223) return this.#heeds(packet);
    const sequence = packet.readUInt16BE(2);
    this.source = packet.readUInt32BE(8);
    if (this.#lost.delete(sequence)) this.healed += 1;
    else if (sequence % 10 === 0) {
      this.#lost.add(sequence);
      const entry = Buffer.alloc(4);
      entry.writeUInt16BE(sequence);
      return void setTimeout(() => this.#feedback(205, 1, this.source, [entry]), 30);
    }
    const back = Buffer.from(packet);
    back.writeUInt32BE(MIRROR_SSRC, 8);
    if (sequence % 10 === 5) this.#kept.set(sequence, { back, asked: 0 });
    else this.#send(back);
  }

  #heeds(compound) {
    for (let at = 0; at + 12 <= compound.length; at += 4 * (compound.readUInt16BE(at + 2) + 1)) {
      const [kind, type] = [compound[at] & 0x1f, compound[at + 1]];
      if (type === 206 && kind === 1 && this.source) this.#feedback(206, 1, this.source, []);
      if (type !== 205 || kind !== 1) continue;
      const end = at + 4 * (compound.readUInt16BE(at + 2) + 1);
      for (let entry = at + 12; entry + 4 <= end; entry += 4) {
        const [first, mask] = [compound.readUInt16BE(entry), compound.readUInt16BE(entry + 2)];
        for (let bit = -1; bit < 16; bit++) {
          if (bit < 0 || mask & (1 << bit)) this.#isAsked((first + bit + 1) & 0xffff);
        }
      }
    }
  }

  #isAsked(sequence) {
    const kept = this.#kept.get(sequence);
    if (!kept || ++kept.asked !== 2) return;
    this.again += 1;
    this.#send(kept.back);
  }

  #feedback(type, kind, media, entries) {
    const head = Buffer.alloc(type === 201 ? 8 : 12);
    head.writeUInt8(0x80 | kind);
    head.writeUInt8(type, 1);
    head.writeUInt16BE(head.length / 4 - 1 + entries.length, 2);
    head.writeUInt32BE(MIRROR_SSRC, 4);
    if (type !== 201) head.writeUInt32BE(media, 8);
    this.#send(Buffer.concat([head, ...entries]));
  }
}

/** One call. `pictures`: packets of them that came; `asked`: INFOs that came; `changes`: offers of the gateway in the call. */
class Line {
  pictures = 0;
  asked = 0;
  changes = 0;
  /** How many of them meet an offer of its own, which it does not make in the end (491). */
  meets = 0;
  log = [];
  #invite;
  #send;
  #tag = Math.random().toString(36).slice(2);
  #cseq = 0;
  #statuses = new Map();
  #asked = new Set();

  constructor(invite, port, send) {
    this.#invite = invite;
    this.#send = send;
    this.port = port;
    this.log.push(invite);
  }

  /** An offer in the call. */
  isAskedAgain(invite) {
    const isNew = !this.#asked.has(header(invite, "cseq"));
    this.#asked.add(header(invite, "cseq"));
    if (!isNew) return;
    this.changes += 1;
    this.log.push(invite);
    if (this.changes <= this.meets) return this.#send(response(invite, this.port, 491, "Request Pending", this.#tag));
    this.#send(response(invite, this.port, 200, "OK", this.#tag, this.#describe(invite, {})));
  }

  /** Picks up with sound, and pictures if they are offered; `mirrors`: shows the other side its own, see {@link LossyMirror}. */
  async answers({ mirrors = false } = {}) {
    this.rtp = await new RtpPeer().open();
    this.video = await socket(packet => {
      const type = packet[1] & 0x7f;
      this.mirror?.takes(packet);
      if (type < 64 || type > 95) this.pictures += 1;
    });
    if (mirrors) {
      const relay = Number(this.#invite.match(/^m=video (\d+)/m)[1]);
      this.mirror = new LossyMirror(bytes => this.video?.send(bytes, relay, HOST));
    }
    this.#send(response(this.#invite, this.port, 200, "OK", this.#tag, this.#describe(this.#invite, { mirrors })));
    this.rtp.play(1000, Number(this.#invite.match(/^m=audio (\d+)/m)[1]));
  }

  /** Its answer to an offer. */
  #describe(invite, { mirrors = false }) {
    const payloadType = invite.match(/^a=rtpmap:(\d+) VP8\/90000/m)?.[1];
    const pictures = payloadType && [
      `m=video ${this.video.address().port} RTP/AVP ${payloadType}`,
      `a=rtpmap:${payloadType} VP8/90000`,
      ...(mirrors ? ["nack", "nack pli"].map(what => `a=rtcp-fb:${payloadType} ${what}`) : ["a=recvonly"]),
    ];
    return [
      "v=0",
      `o=- 1 1 IN IP4 ${HOST}`,
      "s=-",
      `c=IN IP4 ${HOST}`,
      "t=0 0",
      `m=audio ${this.rtp.port} RTP/AVP 0`,
      "a=rtpmap:0 PCMU/8000",
      ...(pictures ?? []),
      "",
    ].join("\r\n");
  }

  /** Asks for a whole picture (RFC 5168). @returns the status of the answer */
  async asksForWholePicture() {
    const cseq = ++this.#cseq;
    const contact = header(this.#invite, "contact").match(/<([^>]+)>/)[1];
    const lines = [
      `INFO ${contact} SIP/2.0`,
      `Via: SIP/2.0/UDP ${HOST}:${this.port};branch=z9hG4bK${this.#tag}${cseq};rport`,
      "Max-Forwards: 70",
      `From: ${header(this.#invite, "to")};tag=${this.#tag}`,
      `To: ${header(this.#invite, "from")}`,
      `Call-ID: ${header(this.#invite, "call-id")}`,
      `CSeq: ${cseq} INFO`,
      "Content-Type: application/media_control+xml",
      `Content-Length: ${Buffer.byteLength(CONTROL)}`,
      "",
      CONTROL,
    ];
    this.#send(lines.join("\r\n"));
    return until("an answer to the INFO", () => this.#statuses.get(`${cseq} INFO`));
  }

  hears(text) {
    this.log.push(text);
    this.#statuses.set(header(text, "cseq"), Number(text.split(" ", 2)[1]));
  }

  close() {
    this.rtp?.close();
    this.video?.close();
    this.video = null;
  }
}
