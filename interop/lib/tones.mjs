/** Tones: made as WAV files, and found in them. */
import fs from "node:fs";

/** The two frequencies of each key (ITU-T Q.23). */
export const KEYS = Object.fromEntries(
  [..."123A456B789C*0#D"].map((key, i) => [key, [[697, 770, 852, 941][i >> 2], [1209, 1336, 1477, 1633][i & 3]]]),
);

const WINDOW_S = 0.5;
/** Mean square of -64 dBFS; below it a window is silence. */
const SILENCE = 400;

/**
 * Writes a sine at -6 dBFS, 16 bits, mono.
 * @param {{seconds?: number, rate?: number, rhythm?: [number, number]}} [options] `rhythm`: seconds of tone and of
 *   silence, in turns; without it the tone goes on
 */
export function writeTone(file, hz, { seconds = 10, rate = 48_000, rhythm = [seconds, 0] } = {}) {
  const [sound, silence] = rhythm;
  const isOn = i => (i / rate) % (sound + silence) < sound;
  const sample = i => (isOn(i) ? Math.sin((2 * Math.PI * hz * i) / rate) * 16_384 : 0);
  const samples = Int16Array.from({ length: seconds * rate }, (_, i) => sample(i));
  const head = Buffer.alloc(44);
  head.write("RIFF", 0);
  head.writeUInt32LE(36 + samples.byteLength, 4);
  head.write("WAVEfmt ", 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(1, 22);
  head.writeUInt32LE(rate, 24);
  head.writeUInt32LE(rate * 2, 28);
  head.writeUInt16LE(2, 32);
  head.writeUInt16LE(16, 34);
  head.write("data", 36);
  head.writeUInt32LE(samples.byteLength, 40);
  fs.writeFileSync(file, Buffer.concat([head, Buffer.from(samples.buffer)]));
  return file;
}

/** Reads 16-bit PCM, the first channel. Takes a header whose lengths were never written, as of a recording cut short. */
export function readWav(file) {
  const bytes = fs.readFileSync(file);
  let rate = 8_000;
  let channels = 1;
  for (let at = 12; at + 8 <= bytes.length; ) {
    const tag = bytes.toString("latin1", at, at + 4);
    const length = bytes.readUInt32LE(at + 4);
    const body = at + 8;
    // One that is being written may end anywhere.
    if (tag === "fmt " && body + 16 <= bytes.length) {
      channels = bytes.readUInt16LE(body + 2);
      rate = bytes.readUInt32LE(body + 4);
      if (bytes.readUInt16LE(body + 14) !== 16) throw new Error(`${file}: only 16-bit samples are read`);
    }
    if (tag === "data") {
      const end = length && body + length <= bytes.length ? body + length : bytes.length;
      const frames = Math.floor((end - body) / 2 / channels);
      return { rate, samples: Int16Array.from({ length: frames }, (_, i) => bytes.readInt16LE(body + 2 * channels * i)) };
    }
    at = body + length + (length & 1);
  }
  return { rate, samples: new Int16Array(0) };
}

/** The share of the power that is at this frequency, 0 to 1, by Goertzel's algorithm; 0 in silence. */
export function shareAt(samples, rate, hz) {
  const turn = 2 * Math.cos((2 * Math.PI * hz) / rate);
  let last = 0;
  let before = 0;
  let all = 0;
  for (const sample of samples) {
    [last, before] = [sample + turn * last - before, last];
    all += sample * sample;
  }
  if (all / samples.length < SILENCE) return 0;
  return (2 * (last * last + before * before - turn * last * before)) / (all * samples.length);
}

/** In how many of the half seconds of a recording the tone is heard: a share, 0 to 1. */
export function toneShare(file, hz) {
  const windows = halfSeconds(file);
  return windows.length ? windows.filter(w => shareAt(w.samples, w.rate, hz) > 0.1).length / windows.length : 0;
}

/** The seconds of a recording in which the tone is heard. */
export function toneSeconds(file, hz) {
  return toneShare(file, hz) * halfSeconds(file).length * WINDOW_S;
}

function halfSeconds(file) {
  const { rate, samples } = readWav(file);
  const size = Math.floor(rate * WINDOW_S);
  return Array.from({ length: Math.floor(samples.length / size) }, (_, i) => ({ rate, samples: samples.subarray(i * size, (i + 1) * size) }));
}

/** The keys whose tones are in samples, each once, by a look each 20 ms. */
export function keysIn(samples, rate) {
  const size = rate / 50;
  let keys = "";
  let last = "";
  let times = 0;
  for (let at = 0; at + size <= samples.length; at += size) {
    const look = samples.slice(at, at + size);
    const shares = Object.entries(KEYS).map(([key, hz]) => [hz.reduce((sum, one) => sum + shareAt(look, rate, one), 0), key]);
    const [share, key] = shares.reduce((best, one) => (one[0] > best[0] ? one : best));
    const found = share > 0.8 ? key : "";
    times = found === last ? times + 1 : 1;
    last = found;
    if (found && times === 2) keys += found;
  }
  return keys;
}
