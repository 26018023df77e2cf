/**
 * What a page hears. Runs inside the page, on the sound of its `<audio>` elements, before the loudspeaker.
 * It is put there as text, so it uses nothing from outside itself.
 */
export function ear() {
  const FFT = 8_192;
  const KEY_FFT = 2_048;
  const DEAF_MS = 800;
  const LONGEST_DEAF_MS = 3_200;
  const rows = [697, 770, 852, 941];
  const columns = [1209, 1336, 1477, 1633];
  const now = { stream: null, context: null, analysers: [], heardAt: 0, patienceMs: DEAF_MS };

  // A source that was made before the first packet may stay silent for good, hence another one after a while. On a busy
  // machine one takes its time before anything comes out of it, so each is given twice as long as the one before.
  function listen() {
    const playing = [...document.querySelectorAll("audio")].filter(a => a.srcObject && !a.paused);
    const stream = playing.at(-1)?.srcObject ?? null;
    const isDeaf = performance.now() - now.heardAt > now.patienceMs;
    if (!stream || (stream === now.stream && !isDeaf)) return Boolean(stream);
    now.patienceMs = stream === now.stream ? Math.min(2 * now.patienceMs, LONGEST_DEAF_MS) : DEAF_MS;
    now.context ??= new AudioContext();
    now.source?.disconnect();
    now.stream = stream;
    now.heardAt = performance.now();
    now.source = now.context.createMediaStreamSource(stream);
    now.analysers = [FFT, KEY_FFT].map(fftSize => {
      const analyser = new AnalyserNode(now.context, { fftSize, smoothingTimeConstant: 0 });
      now.source.connect(analyser);
      return analyser;
    });
    return true;
  }

  function hears() {
    now.heardAt = performance.now();
    now.patienceMs = DEAF_MS;
  }

  function decibels(analyser) {
    const bins = new Float32Array(analyser.frequencyBinCount);
    analyser.getFloatFrequencyData(bins);
    return { bins, hzPerBin: now.context.sampleRate / analyser.fftSize };
  }

  /** The strongest line: its frequency, its level, and how far it stands over the mean of the rest. */
  function spectrum() {
    if (!listen()) return { hz: 0, db: -200, snr: 0 };
    const { bins, hzPerBin } = decibels(now.analysers[0]);
    let peak = 3;
    for (let i = 3; i < bins.length - 1; i++) if (bins[i] > bins[peak]) peak = i;
    if (!Number.isFinite(bins[peak])) return { hz: 0, db: -200, snr: 0 };
    if (bins[peak] > -70) hears();
    const [left, middle, right] = [bins[peak - 1], bins[peak], bins[peak + 1]];
    const shift = (left - right) / (2 * (left - 2 * middle + right) || 1);
    let rest = 0;
    let count = 0;
    for (let i = 3; i < bins.length; i++) {
      if (Math.abs(i - peak) > 12) {
        rest += 10 ** (bins[i] / 10);
        count += 1;
      }
    }
    return { hz: (peak + shift) * hzPerBin, db: middle, snr: middle - 10 * Math.log10(rest / count) };
  }

  /** How far each frequency stands over the mean of the rest, in dB. */
  function lines(frequencies) {
    if (!listen()) return frequencies.map(() => -200);
    const { bins, hzPerBin } = decibels(now.analysers[0]);
    const top = hz => Math.max(...[-1, 0, 1].map(d => bins[Math.round(hz / hzPerBin) + d]));
    const near = i => frequencies.some(hz => Math.abs(i - hz / hzPerBin) <= 12);
    const rest = [...bins].filter((_, i) => i > 2 && !near(i)).map(db => 10 ** (db / 10));
    const floor = 10 * Math.log10(rest.reduce((a, b) => a + b, 0) / rest.length);
    const levels = frequencies.map(top);
    if (levels.some(db => db > -70)) hears();
    return levels.map(db => (Number.isFinite(db) && db > -75 ? db - Math.max(floor, -120) : -200));
  }

  const pressed = { keys: "", timer: 0, last: "", times: 0 };

  /** Writes down, from now on, the keys whose tones are heard. */
  function noteKeys() {
    pressed.keys = "";
    clearInterval(pressed.timer);
    pressed.timer = setInterval(() => {
      if (!listen()) return;
      const { bins, hzPerBin } = decibels(now.analysers[1]);
      const level = hz => Math.max(bins[Math.floor(hz / hzPerBin)], bins[Math.ceil(hz / hzPerBin)]);
      const best = of => of.map(level).reduce((top, db, i, all) => (db > all[top] ? i : top), 0);
      const [row, column] = [best(rows), best(columns)];
      const clear = (of, top) => of.every((hz, i) => i === top || level(of[top]) - level(hz) > 8);
      const loud = Math.min(level(rows[row]), level(columns[column]));
      const strongest = Math.max(...bins.subarray(3));
      const isKey = loud > -50 && strongest - loud < 8 && clear(rows, row) && clear(columns, column);
      if (loud > -60) hears();
      const key = isKey ? "123A456B789C*0#D"[4 * row + column] : "";
      pressed.times = key && key === pressed.last ? pressed.times + 1 : 1;
      if (key && pressed.times === 3) pressed.keys += key;
      pressed.last = key;
    }, 20);
  }

  window.ear = { spectrum, lines, noteKeys, keys: () => pressed.keys };
}

/** Browsers clean what the microphone hears, and take a steady tone for noise; tests switch that off. */
export function rawMicrophone() {
  const devices = navigator.mediaDevices;
  if (!devices) return;
  const open = devices.getUserMedia.bind(devices);
  devices.getUserMedia = constraints => {
    if (!constraints.audio) return open(constraints);
    const audio = typeof constraints.audio === "object" ? constraints.audio : {};
    return open({ ...constraints, audio: { ...audio, echoCancellation: false, noiseSuppression: false, autoGainControl: false } });
  };
}
