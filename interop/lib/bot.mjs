/** A program at the end of a fork: a WebSocket server (RFC 6455) for one call, as small as it can be. */
import crypto from "node:crypto";
import http from "node:http";
import { shareAt } from "./tones.mjs";

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const [TEXT, BINARY, CLOSE, PING, PONG] = [1, 2, 8, 9, 10];

/** Listens, and gives a bot with a `url`, what was `said` to it as JSON, and the `samples` of each channel. */
export async function startBot() {
  const bot = new Bot();
  const server = http.createServer();
  server.on("upgrade", (request, socket) => bot.accept(request, socket));
  await new Promise(done => server.listen(0, "127.0.0.1", done));
  bot.url = `ws://127.0.0.1:${server.address().port}/listen`;
  bot.stop = () => {
    bot.socket?.destroy();
    server.close();
  };
  return bot;
}

class Bot {
  said = [];
  samples = [[], []];
  closed = false;
  #rest = Buffer.alloc(0);

  accept(request, socket) {
    const proof = crypto.createHash("sha1").update(request.headers["sec-websocket-key"] + GUID).digest("base64");
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${proof}\r\n\r\n`);
    this.socket = socket;
    socket.on("data", data => this.#read(data));
    socket.on("close", () => (this.closed = true));
    socket.on("error", () => {});
  }

  #read(data) {
    this.#rest = Buffer.concat([this.#rest, data]);
    for (let frame; (frame = unframe(this.#rest)); ) {
      this.#rest = this.#rest.subarray(frame.length);
      if (frame.opcode === TEXT) this.said.push(JSON.parse(frame.body.toString()));
      if (frame.opcode === BINARY) {
        for (let at = 0; at + 1 < frame.body.length; at += 2) this.samples[(at / 2) % 2].push(frame.body.readInt16LE(at));
      }
      if (frame.opcode === PING) this.#send(PONG, frame.body);
      if (frame.opcode === CLOSE) this.socket.end();
    }
  }

  /** Whether the last half second of a channel is this tone. */
  hears(channel, hz) {
    return shareAt(this.samples[channel].slice(-8_000), 16_000, hz) > 0.5;
  }

  /** Says a tone for so many seconds. */
  say(hz, seconds) {
    const speech = Buffer.alloc(2 * 16_000 * seconds);
    for (let i = 0; i < speech.length / 2; i++) speech.writeInt16LE(Math.round(9_000 * Math.sin((2 * Math.PI * hz * i) / 16_000)), 2 * i);
    for (let at = 0; at < speech.length; at += 3_200) this.#send(BINARY, speech.subarray(at, at + 3_200));
  }

  tell(words) {
    this.#send(TEXT, Buffer.from(JSON.stringify(words)));
  }

  #send(opcode, body) {
    const head = body.length < 126 ? Buffer.from([0x80 | opcode, body.length]) : Buffer.from([0x80 | opcode, 126, body.length >> 8, body.length & 255]);
    this.socket.write(Buffer.concat([head, body]));
  }
}

/** The first frame of what has come, if it is whole; a client masks what it says (§5.3). */
function unframe(data) {
  if (data.length < 2) return null;
  const short = data[1] & 127;
  const from = short === 126 ? 4 : short === 127 ? 10 : 2;
  if (data.length < from + 4) return null;
  const size = short === 126 ? data.readUInt16BE(2) : short === 127 ? Number(data.readBigUInt64BE(2)) : short;
  const length = from + 4 + size;
  if (data.length < length) return null;
  const mask = data.subarray(from, from + 4);
  const body = Buffer.from(data.subarray(from + 4, length).map((octet, i) => octet ^ mask[i & 3]));
  return { opcode: data[0] & 15, body, length };
}
