/** The sounds that the page itself makes, all soft: ring-back, ring tone, and the click of a key. */

const RING_BACK = { hz: [440, 480], onMs: 2_000, everyMs: 6_000, gain: 0.03 };
const RING_TONE = { notes: [659.3, 784, 987.8, 784], noteMs: 170, everyMs: 2_600, gain: 0.12 };
const ROWS = { 1: 697, 2: 697, 3: 697, 4: 770, 5: 770, 6: 770, 7: 852, 8: 852, 9: 852, "*": 941, 0: 941, "#": 941 };
const COLUMNS = { 1: 1209, 4: 1209, 7: 1209, "*": 1209, 2: 1336, 5: 1336, 8: 1336, 0: 1336, 3: 1477, 6: 1477, 9: 1477, "#": 1477 };
const KEY = { ms: 90, gain: 0.025 };

let context = null;
let playing = { name: "", timer: 0, bus: null };

function audio() {
  context ??= new AudioContext();
  // The browser keeps it suspended until the person has touched the page.
  if (context.state === "suspended") context.resume().catch(() => {});
  return context;
}

function tone(bus, hz, gain, startMs, ms) {
  const at = bus.context.currentTime + startMs / 1000;
  const end = at + ms / 1000;
  const oscillator = new OscillatorNode(bus.context, { frequency: hz });
  const envelope = new GainNode(bus.context, { gain: 0 });
  envelope.gain.setValueAtTime(0, at);
  envelope.gain.linearRampToValueAtTime(gain, at + 0.012);
  envelope.gain.setValueAtTime(gain, end - 0.03);
  envelope.gain.linearRampToValueAtTime(0, end);
  oscillator.connect(envelope).connect(bus);
  oscillator.start(at);
  oscillator.stop(end);
}

const cadences = {
  "ring-back": bus => {
    for (const hz of RING_BACK.hz) tone(bus, hz, RING_BACK.gain, 0, RING_BACK.onMs);
    return RING_BACK.everyMs;
  },
  "ring-tone": bus => {
    RING_TONE.notes.forEach((hz, i) => tone(bus, hz, RING_TONE.gain, i * RING_TONE.noteMs, RING_TONE.noteMs * 1.6));
    return RING_TONE.everyMs;
  },
};

/** Plays one of them until told otherwise. @param {"" | "ring-back" | "ring-tone"} name */
export function play(name) {
  if (playing.name === name) return;
  clearTimeout(playing.timer);
  playing.bus?.disconnect();
  playing = { name, timer: 0, bus: null };
  if (!name) return;
  const bus = new GainNode(audio());
  bus.connect(bus.context.destination);
  playing.bus = bus;
  const round = () => (playing.timer = setTimeout(round, cadences[name](bus)));
  round();
}

/** The two tones of a key. @param {string} digit */
export function key(digit) {
  const { destination } = audio();
  tone(destination, ROWS[digit], KEY.gain, 0, KEY.ms);
  tone(destination, COLUMNS[digit], KEY.gain, 0, KEY.ms);
}
