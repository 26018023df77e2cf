/** A page with an `ear` (see `ear.mjs`): what it hears of the far side. */
import { PATIENCE_MS, until } from "./tests.mjs";

const TONE_HZ = 12;
const TONE_DB = 20;
const SILENCE_DB = -65;

export class Listener {
  constructor(page) {
    this.page = page;
  }

  /** Waits until the strongest line of what the page hears is this tone, clearly. */
  async hears(hz, { ms = PATIENCE_MS } = {}) {
    let last = {};
    let times = 0;
    const found = async () => {
      last = await this.page.evaluate(() => window.ear.spectrum());
      const is = Math.abs(last.hz - hz) <= TONE_HZ && last.snr >= TONE_DB;
      times = is ? times + 1 : 0;
      return times >= 2;
    };
    await until(`${hz} Hz`, found, { ms, everyMs: 100 }).catch(() => {
      throw new Error(`the page does not hear ${hz} Hz within ${ms / 1000} s, but ${describe(last)}`);
    });
  }

  /** Waits until it hears all these lines at once, such as a ring-back's two. */
  async hearsTogether(frequencies, { ms = PATIENCE_MS, db = 15 } = {}) {
    let last = [];
    const found = async () => {
      last = await this.page.evaluate(f => window.ear.lines(f), frequencies);
      return last.every(line => line >= db);
    };
    await until("lines", found, { ms, everyMs: 80 }).catch(() => {
      throw new Error(`the page does not hear ${frequencies} Hz together; they stand ${last.map(Math.round)} dB over the rest`);
    });
  }

  /** Waits until it hears nothing, and goes on hearing nothing for `lastsMs`. */
  async hearsNothing({ ms = PATIENCE_MS, lastsMs = 1_000 } = {}) {
    let since = 0;
    let last = {};
    const quiet = async () => {
      last = await this.page.evaluate(() => window.ear.spectrum());
      if (last.db > SILENCE_DB) since = 0;
      else since ||= Date.now();
      return since && Date.now() - since >= lastsMs;
    };
    await until("silence", quiet, { ms, everyMs: 50 }).catch(() => {
      throw new Error(`the page does not become silent, it hears ${describe(last)}`);
    });
  }
}

function describe({ hz = 0, db = -200, snr = 0 }) {
  return db < SILENCE_DB ? "nothing" : `${Math.round(hz)} Hz at ${Math.round(db)} dB, ${Math.round(snr)} dB over the rest`;
}

