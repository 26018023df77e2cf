/** A telephone line without SIPp: a UDP socket that notes when an INVITE came, and answers when a test wants it to. */
import dgram from "node:dgram";
import { RtpPeer } from "./rtp.mjs";
import { HOST, header, response } from "./sip.mjs";
import { PATIENCE_MS } from "./tests.mjs";

export class Telephone {
  #socket = dgram.createSocket("udp4");
  #calls = new Map();
  #waiting = null;
  #port = 0;

  async open(port) {
    this.#port = port;
    this.#socket.on("message", (bytes, { port: from }) => this.#take(bytes.toString(), performance.now(), from));
    await new Promise(resolve => this.#socket.bind(port, HOST, resolve));
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

  #take(text, at, from) {
    const method = text.slice(0, text.indexOf(" "));
    const id = header(text, "call-id");
    if (method === "INVITE") {
      if (this.#calls.has(id)) return;
      const line = new Line(text, at, this.#port, reply => this.#socket.send(reply, from, HOST));
      this.#calls.set(id, line);
      this.#waiting?.(line);
    } else if (method === "OPTIONS" || method === "BYE" || method === "CANCEL") {
      this.#socket.send(response(text, this.#port, 200, "OK", "t"), from, HOST);
      if (method === "BYE") this.#calls.get(id)?.rtp?.close();
    }
  }

  close() {
    this.#socket.close();
  }
}

/** One call to the telephone. `at`: when its INVITE came, in milliseconds of `performance.now()`. */
class Line {
  #invite;
  #send;

  constructor(invite, at, port, send) {
    this.#invite = invite;
    this.#send = send;
    this.at = at;
    this.port = port;
    this.tag = Math.random().toString(36).slice(2);
  }

  /** Answers with a status alone. */
  says(status, reason) {
    this.#send(response(this.#invite, this.port, status, reason, this.tag));
  }

  /** Picks up, and sends a tone. @returns when the 200 left */
  async answers(hz) {
    this.rtp = await new RtpPeer().open();
    const remote = Number(this.#invite.match(/^m=audio (\d+)/m)?.[1]);
    const sdp = [
      "v=0",
      `o=- 1 1 IN IP4 ${HOST}`,
      "s=-",
      `c=IN IP4 ${HOST}`,
      "t=0 0",
      `m=audio ${this.rtp.port} RTP/AVP 0`,
      "a=rtpmap:0 PCMU/8000",
      "",
    ].join("\r\n");
    const at = performance.now();
    this.#send(response(this.#invite, this.port, 200, "OK", this.tag, sdp));
    this.rtp.play(hz, remote);
    return at;
  }
}
