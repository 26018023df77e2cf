// A telephone's ear and mouth: plain RTP over UDP, PCMU, one tone out, and what comes in kept for judging.
//
// Signalling is somebody else's (SIPp's); this is the socket that its description names.

import dgram from 'node:dgram';
import fs from 'node:fs';
import { pause, until } from './tests.mjs';
import { KEYS, shareAt } from './tones.mjs';

const FRAME = 160; // samples of 20 ms at 8000 Hz
/** So much of a tone tells that it is heard. */
const JUDGED_S = 0.4;
/** Within this time somebody who is spoken to is sent 25 packets. */
const SILENT_MS = 500;
const FEW = 5;
/** Who stood still for longer goes on from there: what it did not say meanwhile, all at once, is more than a line takes. */
const STOOD_STILL_MS = 100;
/** Packets that may be missing: what waits while the machine stands still for seconds, the relay drops, as it should. */
const MOST_LOST = 150;
const MULAW = mulawTable();

function mulawTable() {
  const table = new Int16Array(256);
  for (let i = 0; i < 256; i++) {
    const u = ~i & 0xff;
    const t = (((u & 0x0f) << 3) + 0x84) << ((u & 0x70) >> 4);
    table[i] = u & 0x80 ? 0x84 - t : t - 0x84;
  }
  return table;
}

/** A 16-bit sample as an octet of PCMU. */
export function toMulaw(sample) {
  const sign = sample < 0 ? 0x80 : 0;
  let magnitude = Math.min(32635, Math.abs(sample)) + 0x84;
  let exponent = 7;
  for (let mask = 0x4000; !(magnitude & mask) && exponent > 0; mask >>= 1) exponent--;
  return ~(sign | (exponent << 4) | ((magnitude >> (exponent + 3)) & 0x0f)) & 0xff;
}

export class RtpPeer {
  /** @param {number} [payloadType] 0 for PCMU, the only one spoken here */
  constructor(payloadType = 0) {
    this.payloadType = payloadType;
    this.packets = []; // {sequence, timestamp, ssrc, type, marker, at}
    this.samples = []; // what was heard, as 16-bit samples
    this.digits = []; // RFC 4733 digits, once each
    this.said = 0; // packets of speech that were sent
    this.sequence = Math.floor(Math.random() * 65536);
    this.timestamp = Math.floor(Math.random() * 2 ** 31);
    this.ssrc = Math.floor(Math.random() * 2 ** 31);
  }

  async open(host = '127.0.0.1') {
    this.socket = dgram.createSocket(host.includes(':') ? 'udp6' : 'udp4');
    this.socket.on('message', (packet) => this.take(packet));
    await new Promise((ok) => this.socket.bind(0, host, ok));
    this.port = this.socket.address().port;
    return this;
  }

  take(packet) {
    if (packet.length < 12 || packet[0] >> 6 !== 2) return;
    const type = packet[1] & 0x7f;
    if (type >= 64 && type <= 95) return; // RTCP
    const header = {
      type,
      marker: packet[1] >> 7 === 1,
      sequence: packet.readUInt16BE(2),
      timestamp: packet.readUInt32BE(4),
      ssrc: packet.readUInt32BE(8),
      at: performance.now(),
    };
    this.packets.push(header);
    const payload = packet.subarray(12 + (packet[0] & 0x0f) * 4);
    if (type === 0) for (const byte of payload) this.samples.push(MULAW[byte]);
    else if (type === 101 && payload.length >= 4 && payload[1] & 0x80) {
      const digit = '0123456789*#ABCD'[payload[0]];
      if (this.lastEvent !== header.timestamp) this.digits.push(digit);
      this.lastEvent = header.timestamp;
    }
  }

  /** Sends a tone, or several at once, to `port` of `host` from now on, in packets of 20 ms; `null` is silence. */
  play(hz, port, host = '127.0.0.1') {
    this.hz = hz;
    if (this.timer) return;
    let began = performance.now();
    let sent = 0;
    let phase = 0;
    this.timer = setInterval(() => {
      const late = performance.now() - began - sent * 20;
      if (late > STOOD_STILL_MS) began += late;
      while (sent * 20 <= performance.now() - began) {
        const packet = Buffer.alloc(12 + FRAME);
        packet[0] = 0x80;
        packet[1] = this.payloadType;
        packet.writeUInt16BE(this.sequence++ & 0xffff, 2);
        packet.writeUInt32BE(this.timestamp >>> 0, 4);
        packet.writeUInt32BE(this.ssrc, 8);
        this.timestamp += FRAME;
        for (let i = 0; i < FRAME; i++) {
          const tones = [this.hz ?? []].flat().filter(Boolean);
          const wave = hz => Math.sin((2 * Math.PI * hz * phase) / 8000);
          packet[12 + i] = toMulaw(Math.round(tones.reduce((sum, hz) => sum + (10000 / tones.length) * wave(hz), 0)));
          phase++;
        }
        this.socket.send(packet, port, host);
        sent++;
        this.said++;
      }
    }, 5);
  }

  /** Sends nothing until `play` is called again. */
  hush() {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  /**
   * Presses keys as tones in the speech that is being played; between them, and after, is silence. Each lasts for so many
   * packets, however late these go out.
   */
  async dial(keys, { packets = 6 } = {}) {
    const says = async (hz) => {
      this.hz = hz;
      const enough = this.said + packets;
      await until('so many packets are sent', () => this.said >= enough, { everyMs: 5 });
    };
    for (const key of keys) {
      await says(KEYS[key]);
      await says(null);
    }
  }

  /** Sends the UDP packets of a capture (libpcap, Ethernet and IPv4) to `port`, as they are and at their pace. */
  async replay(file, port, host = '127.0.0.1') {
    const bytes = fs.readFileSync(file);
    let before;
    for (let at = 24; at + 16 <= bytes.length; ) {
      const time = bytes.readUInt32LE(at) * 1000 + bytes.readUInt32LE(at + 4) / 1000;
      const length = bytes.readUInt32LE(at + 8);
      await new Promise((ok) => setTimeout(ok, before === undefined ? 0 : time - before));
      before = time;
      this.socket.send(bytes.subarray(at + 16 + 42, at + 16 + length), port, host);
      at += 16 + length;
    }
  }

  /** Presses a key by RFC 4733 as payload type 101: for 100 ms, and `while` something else goes on. */
  async press(digit, port, { host = '127.0.0.1', while: meanwhile = Promise.resolve() } = {}) {
    const event = '0123456789*#ABCD'.indexOf(digit);
    const timestamp = this.timestamp >>> 0;
    let isOver = false;
    const over = meanwhile.finally(() => (isOver = true));
    over.catch(() => {});
    for (let i = 1, last = 0; !last || i <= last; i++) {
      if (!last && i >= 5 && isOver) last = i + 3;
      const packet = Buffer.alloc(16);
      packet[0] = 0x80;
      packet[1] = 101 | (i === 1 ? 0x80 : 0);
      packet.writeUInt16BE(this.sequence++ & 0xffff, 2);
      packet.writeUInt32BE(timestamp, 4);
      packet.writeUInt32BE(this.ssrc, 8);
      packet[12] = event;
      packet[13] = 10 | (last && i > last - 3 ? 0x80 : 0);
      packet.writeUInt16BE(Math.min(i, last ? last - 3 : i) * FRAME, 14);
      this.socket.send(packet, port, host);
      await pause(20);
    }
    await over;
  }

  /** Waits until it hears a tone in what comes from now on. */
  async hearsNow(hz) {
    const enough = this.samples.length + JUDGED_S * 8000;
    await until(`it hears ${hz} Hz`, () => this.samples.length >= enough && this.hears(hz, JUDGED_S) > 0.7);
  }

  /** Waits until it is sent nothing for a while: what was sent before may be read late. */
  async isSentNothing() {
    await until('nothing is sent', async () => {
      const before = this.packets.length;
      await pause(SILENT_MS);
      return this.packets.length - before < FEW;
    });
  }

  /** The share of the last `seconds` heard that is the tone; 0 if nothing was. */
  hears(hz, seconds = 1) {
    const wanted = Math.round(seconds * 8000);
    return this.samples.length < wanted ? 0 : shareAt(this.samples.slice(-wanted), 8000, hz);
  }

  /**
   * What is wrong with the RTP that came in, as sentences: it must have one source, no gap in its sequence numbers but
   * where as much is missing by the timestamps, and timestamps that never run back.
   */
  faults() {
    const faults = [];
    let lost = 0;
    const sources = new Set(this.packets.map((p) => p.ssrc));
    if (sources.size > 1) faults.push(`${sources.size} sources`);
    for (let i = 1; i < this.packets.length; i++) {
      const [before, now] = [this.packets[i - 1], this.packets[i]];
      const step = (now.sequence - before.sequence + 65536) % 65536;
      const ticks = (now.timestamp - before.timestamp) >>> 0;
      if (step > 1 && step <= MOST_LOST && ticks === step * FRAME) lost += step - 1;
      else if (step !== 1) faults.push(`sequence ${before.sequence} is followed by ${now.sequence}`);
      if (ticks > 2 ** 31) faults.push(`timestamp runs back at ${now.sequence}`);
    }
    if (lost > MOST_LOST) faults.push(`${lost} packets are missing`);
    return faults;
  }

  close() {
    clearInterval(this.timer);
    this.socket.close();
  }
}
