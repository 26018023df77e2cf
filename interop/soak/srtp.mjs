/** SRTP with AES_CM_128_HMAC_SHA1_80 (RFC 3711) for one source: just enough for a caller of the soak. */
import crypto from "node:crypto";

const TAG = 10;
const HEADER = 12;

function aesCounter(key, iv, data) {
  return crypto.createCipheriv("aes-128-ctr", key, iv).update(data);
}

/** The session keys of RTP (RFC 3711 §4.3), with a key derivation rate of zero. */
function derive(master, salt, label, length) {
  const iv = Buffer.alloc(16);
  salt.copy(iv);
  iv[7] ^= label;
  return aesCounter(master, iv, Buffer.alloc(length));
}

export class Srtp {
  #key;
  #salt;
  #mac;
  #highest = null;

  /** @param {Buffer} keyAndSalt 30 octets */
  constructor(keyAndSalt) {
    const [master, salt] = [keyAndSalt.subarray(0, 16), keyAndSalt.subarray(16)];
    this.#key = derive(master, salt, 0, 16);
    this.#mac = derive(master, salt, 1, 20);
    this.#salt = derive(master, salt, 2, 14);
  }

  protect(packet) {
    const rollover = this.#rollover(packet.readUInt16BE(2));
    const sealed = Buffer.concat([packet.subarray(0, HEADER), this.#crypt(packet, rollover)]);
    return Buffer.concat([sealed, this.#tag(sealed, rollover)]);
  }

  /** @returns the packet, or `null` if it is not authentic */
  unprotect(packet) {
    if (packet.length < HEADER + TAG) return null;
    const sealed = packet.subarray(0, -TAG);
    const rollover = this.#rollover(packet.readUInt16BE(2));
    if (!this.#tag(sealed, rollover).equals(packet.subarray(-TAG))) return null;
    return Buffer.concat([sealed.subarray(0, HEADER), this.#crypt(sealed, rollover)]);
  }

  #crypt(packet, rollover) {
    const iv = Buffer.alloc(16);
    this.#salt.copy(iv);
    const ssrc = packet.readUInt32BE(8);
    iv.writeUInt32BE((iv.readUInt32BE(4) ^ ssrc) >>> 0, 4);
    iv.writeUInt32BE((iv.readUInt32BE(8) ^ rollover) >>> 0, 8);
    iv.writeUInt16BE(iv.readUInt16BE(12) ^ packet.readUInt16BE(2), 12);
    return aesCounter(this.#key, iv, packet.subarray(HEADER));
  }

  #tag(sealed, rollover) {
    const counter = Buffer.alloc(4);
    counter.writeUInt32BE(rollover);
    return crypto.createHmac("sha1", this.#mac).update(sealed).update(counter).digest().subarray(0, TAG);
  }

  /** Packets come in order here: a number that is much smaller has rolled over. */
  #rollover(sequence) {
    const highest = this.#highest ?? sequence;
    const step = ((sequence - highest) << 16) >> 16;
    this.#highest = Math.max(highest, highest + step);
    return Math.floor((highest + step) / 65536) >>> 0;
  }
}
