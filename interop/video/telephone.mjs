/** A video telephone that is a script: it takes VP8 without feedback, counts what comes, and asks for pictures by INFO. */
import dgram from "node:dgram";
import { RtpPeer } from "../lib/rtp.mjs";
import { HOST, header, response } from "../lib/sip.mjs";
import { until } from "../lib/tests.mjs";

const CONTROL = [
  '<?xml version="1.0" encoding="utf-8" ?>',
  "<media_control><vc_primitive><to_encoder><picture_fast_update/></to_encoder></vc_primitive></media_control>",
  "",
].join("\r\n");

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
  rings(ms = 8_000) {
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

/** One call. `pictures`: packets of them that came; `asked`: INFOs that came. */
class Line {
  pictures = 0;
  asked = 0;
  log = [];
  #invite;
  #send;
  #tag = Math.random().toString(36).slice(2);
  #cseq = 0;
  #statuses = new Map();

  constructor(invite, port, send) {
    this.#invite = invite;
    this.#send = send;
    this.port = port;
    this.log.push(invite);
  }

  /** Picks up with sound and pictures. */
  async answers() {
    this.rtp = await new RtpPeer().open();
    this.video = await socket(packet => {
      const type = packet[1] & 0x7f;
      if (type < 64 || type > 95) this.pictures += 1;
    });
    const [, payloadType] = this.#invite.match(/^a=rtpmap:(\d+) VP8\/90000/m);
    const sdp = [
      "v=0",
      `o=- 1 1 IN IP4 ${HOST}`,
      "s=-",
      `c=IN IP4 ${HOST}`,
      "t=0 0",
      `m=audio ${this.rtp.port} RTP/AVP 0`,
      "a=rtpmap:0 PCMU/8000",
      `m=video ${this.video.address().port} RTP/AVP ${payloadType}`,
      `a=rtpmap:${payloadType} VP8/90000`,
      "a=recvonly",
      "",
    ].join("\r\n");
    this.#send(response(this.#invite, this.port, 200, "OK", this.#tag, sdp));
    this.rtp.play(1000, Number(this.#invite.match(/^m=audio (\d+)/m)[1]));
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
