/** The focus of a conference (RFC 4579): SIP over UDP, a mixer of G.711, a PIN, and the package of RFC 4575. */
import dgram from "node:dgram";
import { RtpPeer, toMulaw } from "../lib/rtp.mjs";
import { HOST, header, response } from "../lib/sip.mjs";

const FRAME = 160;
/** More than this waits for the mixer only if somebody sends too fast. */
const MOST_WAITING = 4 * FRAME;
const LOUD = 1_000;
/** What somebody hears who keyed in another PIN. */
export const REFUSED_HZ = 425;

export class Focus {
  /** Who has called, by `Call-ID`. */
  legs = new Map();
  /** Who wants to be told, by `Call-ID`. */
  subscriptions = new Map();
  /** Subscriptions that their subscriber has ended. */
  ended = 0;
  #socket = dgram.createSocket("udp4");

  constructor(pin) {
    this.pin = pin;
  }

  async open(port) {
    this.port = port;
    this.#socket.on("message", (bytes, from) => this.#take(bytes.toString(), from));
    await new Promise(resolve => this.#socket.bind(port, HOST, resolve));
    this.timer = setInterval(() => this.#tick(), 20);
    return this;
  }

  close() {
    clearInterval(this.timer);
    for (const leg of this.legs.values()) leg.rtp.close();
    this.#socket.close();
  }

  leg(name) {
    return [...this.legs.values()].find(leg => leg.name === name);
  }

  /** Closes somebody's microphone, or opens it. */
  mute(name, on = true) {
    this.leg(name).muted = on;
  }

  async #take(text, from) {
    const method = text.slice(0, text.indexOf(" "));
    const id = header(text, "call-id");
    const say = (status, reason, sdp, ...more) => {
      const plain = response(text, this.port, status, reason, "focus", sdp);
      const lines = plain.replace(/^Contact: .*$/m, line => [`${line};isfocus`, ...more].join("\r\n"));
      this.#socket.send(lines, from.port, from.address);
    };
    if (method === "INVITE") {
      if (!this.legs.has(id)) await this.#admit(text, id);
      say(200, "OK", this.legs.get(id).sdp);
    } else if (method === "BYE") {
      this.legs.get(id)?.rtp.close();
      this.legs.delete(id);
      say(200, "OK");
    } else if (method === "SUBSCRIBE") {
      const expires = Number(header(text, "expires"));
      say(200, "OK", "", `Expires: ${expires}`);
      this.#subscribe(text, id, from, expires);
    } else if (method === "OPTIONS") say(200, "OK");
  }

  async #admit(invite, id) {
    const rtp = await new RtpPeer().open();
    const name = header(invite, "from").match(/sip:([^@;>]+)/)?.[1] ?? "nobody";
    const sdp = [
      "v=0",
      `o=- 1 1 IN IP4 ${HOST}`,
      "s=-",
      `c=IN IP4 ${HOST}`,
      "t=0 0",
      `m=audio ${rtp.port} RTP/AVP 0 101`,
      "a=rtpmap:0 PCMU/8000",
      "a=rtpmap:101 telephone-event/8000",
      "",
    ].join("\r\n");
    const to = Number(invite.match(/^m=audio (\d+)/m)?.[1]);
    this.legs.set(id, { id, name, rtp, sdp, to, taken: 0, muted: false, refused: false, in: false, talks: false, phase: 0 });
  }

  /** Twenty milliseconds of everybody: all hear all others who are in. */
  #tick() {
    const legs = [...this.legs.values()];
    for (const leg of legs) {
      this.#judge(leg);
      const { samples } = leg.rtp;
      if (samples.length - leg.taken > MOST_WAITING) leg.taken = samples.length - FRAME;
      const frame = leg.taken + FRAME <= samples.length ? samples.slice(leg.taken, (leg.taken += FRAME)) : null;
      leg.frame = leg.in && !leg.muted ? frame : null;
      if (frame || leg.muted) leg.talks = Boolean(leg.frame) && Math.max(...leg.frame) > LOUD;
    }
    for (const leg of legs) this.#send(leg, legs.filter(other => other !== leg && other.frame));
    for (const subscription of this.subscriptions.values()) this.#tell(subscription);
  }

  #judge(leg) {
    const keys = leg.rtp.digits.join("");
    if (leg.in || leg.refused || !keys.endsWith("#")) return;
    leg.in = keys === `${this.pin}#`;
    leg.refused = !leg.in;
  }

  #send(leg, others) {
    const { rtp } = leg;
    const packet = Buffer.alloc(12 + FRAME);
    packet[0] = 0x80;
    packet.writeUInt16BE(rtp.sequence++ & 0xffff, 2);
    packet.writeUInt32BE(rtp.timestamp >>> 0, 4);
    packet.writeUInt32BE(rtp.ssrc, 8);
    rtp.timestamp += FRAME;
    for (let i = 0; i < FRAME; i++) {
      const tone = leg.refused ? 8_000 * Math.sin((2 * Math.PI * REFUSED_HZ * leg.phase++) / 8000) : 0;
      const mixed = leg.in ? others.reduce((sum, other) => sum + other.frame[i] / 2, 0) : tone;
      packet[12 + i] = toMulaw(Math.round(Math.max(-32_000, Math.min(32_000, mixed))));
    }
    rtp.socket.send(packet, leg.to, HOST);
  }

  #subscribe(text, id, from, expires) {
    const known = this.subscriptions.get(id);
    const to = header(text, "to");
    const subscription = known ?? {
      id,
      port: from.port,
      target: header(text, "contact").match(/<([^>]+)>/)?.[1],
      ours: /;tag=/.test(to) ? to : `${to};tag=focus`,
      theirs: header(text, "from"),
      cseq: 0,
      version: 0,
      told: new Map(),
    };
    this.subscriptions.set(id, subscription);
    subscription.whole = true;
    if (expires > 0) return;
    this.subscriptions.delete(id);
    this.ended += 1;
    this.#notify(subscription, "terminated;reason=timeout", "");
  }

  /** Tells a subscriber what is new to it. Nobody who waits for a PIN is told who is there. */
  #tell(subscription) {
    const who = subscription.theirs.match(/sip:([^@;>]+)/)?.[1];
    const present = this.leg(who)?.in ? [...this.legs.values()].filter(leg => leg.in) : [];
    const fresh = new Map(present.map(leg => [leg.name, user(leg)]));
    const { told, whole } = subscription;
    const gone = [...told.keys()].filter(name => !fresh.has(name));
    const changed = [...fresh].filter(([name, xml]) => whole || told.get(name) !== xml);
    if (!present.length || (!whole && !gone.length && !changed.length)) return;
    const deleted = gone.map(name => `<user entity="sip:${name}@${HOST}" state="deleted"/>`);
    const state = whole ? "full" : "partial";
    const body = [
      '<?xml version="1.0" encoding="UTF-8"?>',
      `<conference-info xmlns="urn:ietf:params:xml:ns:conference-info" entity="sip:600@${HOST}" state="${state}" version="${subscription.version++}">`,
      "<conference-description><subject>The room of tests</subject></conference-description>",
      `<users state="${state}">${[...changed.map(([, xml]) => xml), ...(whole ? [] : deleted)].join("")}</users>`,
      "</conference-info>",
    ].join("");
    Object.assign(subscription, { told: fresh, whole: false });
    this.#notify(subscription, "active;expires=3600", body);
  }

  #notify(subscription, state, body) {
    subscription.cseq += 1;
    const lines = [
      `NOTIFY ${subscription.target} SIP/2.0`,
      `Via: SIP/2.0/UDP ${HOST}:${this.port};branch=z9hG4bK${Math.random().toString(36).slice(2)}`,
      "Max-Forwards: 70",
      `From: ${subscription.ours}`,
      `To: ${subscription.theirs}`,
      `Call-ID: ${subscription.id}`,
      `CSeq: ${subscription.cseq} NOTIFY`,
      `Contact: <sip:600@${HOST}:${this.port}>;isfocus`,
      "Event: conference",
      `Subscription-State: ${state}`,
      ...(body ? ["Content-Type: application/conference-info+xml"] : []),
      `Content-Length: ${Buffer.byteLength(body)}`,
      "",
      body,
    ];
    this.#socket.send(lines.join("\r\n"), subscription.port, HOST);
  }
}

function user({ name, id, muted, talks }) {
  return [
    `<user entity="sip:${name}@${HOST}" state="full"><display-text>${name}</display-text>`,
    `<endpoint entity="sip:${name}@${HOST}"><status>connected</status>`,
    `<media id="1"><type>audio</type><status>${muted ? "recvonly" : "sendrecv"}</status>`,
    `<talking xmlns="urn:example:focus">${talks}</talking></media>`,
    `<call-info><sip><call-id>${id}</call-id></sip></call-info></endpoint></user>`,
  ].join("");
}

/** A telephone that calls the focus by itself, with a tone of its own. */
export class Member {
  #socket = dgram.createSocket("udp4");

  constructor(name, hz) {
    Object.assign(this, { name, hz, id: `${name}-${Math.random().toString(36).slice(2)}` });
  }

  /** Calls, and keys in the PIN. */
  async join(port, pin) {
    this.rtp = await new RtpPeer().open();
    await new Promise(resolve => this.#socket.bind(0, HOST, resolve));
    const sdp = `v=0\r\no=- 1 1 IN IP4 ${HOST}\r\ns=-\r\nc=IN IP4 ${HOST}\r\nt=0 0\r\nm=audio ${this.rtp.port} RTP/AVP 0 101\r\n`;
    const answered = new Promise(resolve => this.#socket.once("message", bytes => resolve(bytes.toString())));
    this.#say(port, "INVITE", 1, sdp);
    const to = Number((await answered).match(/^m=audio (\d+)/m)[1]);
    this.#say(port, "ACK", 1);
    for (const key of `${pin}#`) {
      await this.rtp.press(key, to);
      this.rtp.timestamp += 2 * FRAME * 8;
    }
    this.rtp.play(this.hz, to);
    this.port = port;
  }

  leave() {
    if (!this.rtp) return;
    this.rtp.close();
    this.rtp = undefined;
    this.#say(this.port, "BYE", 2, "", () => this.#socket.close());
  }

  #say(port, method, cseq, sdp = "", done = () => {}) {
    const { port: own } = this.#socket.address();
    const lines = [
      `${method} sip:600@${HOST}:${port} SIP/2.0`,
      `Via: SIP/2.0/UDP ${HOST}:${own};branch=z9hG4bK${this.id}${method}`,
      "Max-Forwards: 70",
      `From: <sip:${this.name}@${HOST}>;tag=m`,
      `To: <sip:600@${HOST}>${method === "INVITE" ? "" : ";tag=focus"}`,
      `Call-ID: ${this.id}`,
      `CSeq: ${cseq} ${method}`,
      `Contact: <sip:${this.name}@${HOST}:${own}>`,
      ...(sdp ? ["Content-Type: application/sdp"] : []),
      `Content-Length: ${sdp.length}`,
      "",
      sdp,
    ];
    this.#socket.send(lines.join("\r\n"), port, HOST, done);
  }
}
