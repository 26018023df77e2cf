/**
 * The smallest test runner: one test after the other, one line each, and each once.
 *
 *     test("a page hears the far side", async t => { … });
 *     await run();
 *
 * Words on the command line choose the tests whose name holds one of them; options (`--nightly`) are for the tests.
 */
const TEST_MS = 180_000;
/**
 * How long a test waits for what must come: longer than a busy machine takes, for a wait that ends early costs nothing.
 * Only a wait that may well be in vain is given a time of its own.
 */
export const PATIENCE_MS = 30_000;
/** What a look that begins late is given. */
const LAST_LOOK_MS = 1_000;

const tests = [];
const atEnd = [];

/** @param {string} name the sentence that the test proves @param {(t: Test) => Promise<void>} body */
export function test(name, body, { ms = TEST_MS } = {}) {
  tests.push({ name, body, ms });
}

/** Runs when all tests are done, the last one first. */
export function afterAll(cleanUp) {
  atEnd.push(cleanUp);
}

/** What a test can ask for: `t.after(fn)` runs when it is done, `t.onFailure(fn)` gives lines to print if it fails. */
class Test {
  cleanUps = [];
  reports = [];

  after(cleanUp) {
    this.cleanUps.push(cleanUp);
  }

  onFailure(report) {
    this.reports.push(report);
  }
}

function attempt({ body, ms }, t) {
  return within(ms, body(t), new Error(`not done after ${ms / 1000} s`));
}

async function quietly(work) {
  try {
    return await work();
  } catch (error) {
    return String(error?.message ?? error);
  }
}

/** Runs the chosen tests and leaves the process: 0 if all passed and there was one at least. */
export async function run() {
  const words = process.argv.slice(2).filter(word => !word.startsWith("--"));
  const chosen = tests.filter(t => !words.length || words.some(word => t.name.includes(word)));
  let failed = 0;
  for (const one of chosen) {
    const t = new Test();
    const began = Date.now();
    const error = await attempt(one, t).then(() => null, e => e);
    const reports = error ? await Promise.all(t.reports.map(quietly)) : [];
    for (const cleanUp of t.cleanUps.reverse()) await quietly(cleanUp);
    const seconds = ((Date.now() - began) / 1000).toFixed(1);
    console.log(`${error ? "FAILED" : "ok    "}  ${one.name}  (${seconds} s)`);
    if (!error) continue;
    failed += 1;
    const lines = [error.stack ?? String(error), ...reports.filter(Boolean)].join("\n").split("\n");
    console.log(lines.map(line => `        ${line}`).join("\n"));
  }
  for (const cleanUp of atEnd.reverse()) await quietly(cleanUp);
  console.log(`${chosen.length - failed} passed, ${failed} failed`);
  process.exit(failed || !chosen.length ? 1 : 0);
}

/** Tests of a gateway: one that fails shows what the gateway said meanwhile. */
export const scenesOf = gateway => (name, body, options) =>
  test(name, async t => {
    const mark = gateway.mark();
    t.onFailure(() => `the gateway said:\n${gateway.logSince(mark)}`);
    await body(t);
  }, options);

/** Fails with a sentence unless it holds. */
export function check(holds, sentence) {
  if (!holds) throw new Error(sentence);
}

/** What `work` gives, or the error if it takes longer. */
async function within(ms, work, error) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(error), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Waits until `probe` gives something true, and gives it. @param {string} what for the error */
export async function until(what, probe, { ms = PATIENCE_MS, everyMs = 50 } = {}) {
  const late = new Error(`${what}: not within ${ms / 1000} s`);
  const deadline = Date.now() + ms;
  for (;;) {
    // A probe that never ends, such as a question to a page that hangs, is late too.
    const last = await within(Math.max(deadline - Date.now(), LAST_LOOK_MS), probe(), late);
    if (last) return last;
    if (Date.now() > deadline) throw late;
    await pause(everyMs);
  }
}

export const pause = ms => new Promise(resolve => setTimeout(resolve, ms));
