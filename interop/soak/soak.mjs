/**
 * Minutes of calls set up and torn down at random: plain, with keys in the description, translated; hung up by either
 * side, given up while it rings, refused. In the end nothing may be left of them, and every one has its record.
 */
import fs from "node:fs";
import { startGateway } from "../lib/gateway.mjs";
import { freePort } from "../lib/net.mjs";
import { afterAll, check, pause, run, test, until } from "../lib/tests.mjs";
import { Party } from "./party.mjs";

const NIGHTLY_MINUTES = 30;
const isNightly = process.argv.includes("--nightly");
const MINUTES = Number(process.env.SOAK_MINUTES ?? (isNightly ? NIGHTLY_MINUTES : 3));
/** New calls a second, and the longest of them. */
const CALLS_A_SECOND = 8;
const LONGEST_MS = 6_000;
/** Two pairs a call, each of which rests for ten seconds after it. */
const MEDIA_PORTS = 2_000;
const SAMPLE_MS = 2_000;
/** How long threads that write files wait for more of it before they end, and some more on a busy machine. */
const IDLE_MS = 60_000;
/** How much more memory than in the second fifth of the time the gateway may hold in the last one. */
const GROWTH_KB = 4_096;
const GROWTH_SHARE = 0.05;
/**
 * On a busy machine a packet may overtake the order that lets it in: this many of a call are a tenth of a second, and only
 * so large a part of all calls may have any. On one that stands still for longer, packets wait too long and are dropped: of
 * these the gateway says how many there were, and they count for nothing, up to so large a part of all.
 */
const MOST_MISSED = 5;
const LOSSY_SHARE = 0.01;
const MOST_DROPPED_SHARE = 0.05;
/** Why a packet is turned away that waited too long, or with too many others. */
const WAITED = ["stale", "budget"];
/** Which kinds there are, and how the caller speaks. The second digit of the number called says the kind. */
const KINDS = {
  plain: { digit: 0, format: "pcmu" },
  sdes: { digit: 1, format: "pcmu", protect: true },
  translated: { digit: 2, format: "opus" },
};
const ENDS = ["caller", "caller", "caller", "callee", "callee", "callee", "cancel", "refuse"];

const pick = list => list[Math.floor(Math.random() * list.length)];
const ports = [await freePort(), await freePort()];
const metricsPort = await freePort();
const gateway = await startGateway({
  mediaPorts: MEDIA_PORTS,
  top: `metrics.listen = "127.0.0.1:${metricsPort}"`,
  sip: "srtp_over_plain = true",
  toml: `
[[trunk]]
name = "left"
free = true
address = "127.0.0.1:${ports[0]}"
srtp_over_plain = true
[[trunk]]
name = "right"
free = true
address = "127.0.0.1:${ports[1]}"
codecs = ["PCMU"]
srtp = "off"
[[rule]]
when = { entry = "trunk:left", to = "+1555*" }
dial = "trunk:right"
`,
});
afterAll(() => gateway.stop());
const [left, right] = [await new Party(ports[0], gateway.sipPort).open(), await new Party(ports[1], gateway.sipPort).open()];
afterAll(() => [left, right].forEach(party => party.close()));

const process_ = what => `/proc/${gateway.pid}/${what}`;
const count = what => fs.readdirSync(process_(what)).length;
const rssKb = () => Number(fs.readFileSync(process_("status"), "utf8").match(/^VmRSS:\s+(\d+)/m)[1]);
const median = list => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];

/** Callees that ring, by the number that was called. */
const expected = new Map();
right.ring = (side, number) => expected.get(number)?.(side);

let made = 0;
const faults = [];
/** What sides have missed, and how many packets all of them have said. */
const gaps = [];
let said = 0;
const tally = {};

/** One call from its beginning to its end. */
async function oneCall(kindName, end) {
  const kind = KINDS[kindName];
  const number = `+1555${kind.digit}${String(made++ % 1_000_000).padStart(6, "0")}`;
  tally[`${kindName} ${end}`] = (tally[`${kindName} ${end}`] ?? 0) + 1;
  const rings = new Promise(resolve => expected.set(number, resolve));
  const caller = await left.call(number, kind);
  const callee = await Promise.race([rings, caller.answered.then(() => null, error => Promise.reject(error))]);
  expected.delete(number);
  await pause(Math.random() * 200);
  if (end === "refuse") {
    right.refuse(callee);
    await caller.ended;
    if (caller.status !== 486) throw new Error(`a refused call got ${caller.status}`);
    return;
  }
  if (end === "cancel") {
    left.cancel(caller);
    await Promise.all([caller.ended, callee.ended]);
    return;
  }
  await right.answer(callee);
  await caller.answered;
  await pause(Math.random() * LONGEST_MS);
  if (end === "caller") left.bye(caller);
  else right.bye(callee);
  judge(kindName, await Promise.all([caller.ended, callee.ended]));
}

/**
 * The last packets of one may come when the other is gone; what comes must have no gap, but where the gateway has dropped
 * what waited too long.
 */
function judge(kindName, [caller, callee]) {
  for (const [side, mine, theirs] of [["caller", caller, callee], ["callee", callee, caller]]) {
    if (mine.forged) faults.push(`${kindName}: of what the ${side} heard ${mine.forged} packets were forged`);
    if (mine.gaps) gaps.push({ packets: mine.gaps, words: `${kindName}: the ${side} missed ${mine.gaps} packets` });
    const unheard = theirs.sent - mine.heard;
    if (theirs.sent > 50 && unheard > theirs.sent * 0.5) {
      gaps.push({ packets: unheard - mine.gaps, words: `${kindName}: the ${side} heard ${mine.heard} packets of ${theirs.sent}` });
    }
    said += theirs.sent;
  }
}

/** Checks that what is missing was dropped because it had waited too long, and that this is little of all. */
function judgeGaps(dropped) {
  const missing = gaps.reduce((sum, gap) => sum + gap.packets, 0);
  const words = gaps.slice(0, 20).map(gap => gap.words).join("\n");
  if (missing) console.log(`${missing} packets of ${said} are missing, ${dropped} were dropped`);
  check(missing <= dropped, `${missing} packets are missing, and only ${dropped} were dropped:\n${words}`);
  check(missing <= said * MOST_DROPPED_SHARE, `${missing} packets of ${said} are missing:\n${words}`);
}

async function guarded(kindName, end) {
  try {
    let timer;
    const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error("it is not over")), LONGEST_MS + 30_000)));
    await Promise.race([oneCall(kindName, end), late]).finally(() => clearTimeout(timer));
  } catch (error) {
    faults.push(`${kindName}, ${end}: ${error.message}`);
  }
}

test(`after ${MINUTES} minutes of calls at random nothing of them is left, and each has its record`, async t => {
  t.onFailure(() => `the gateway said:\n${gateway.program.tail(40)}`);
  await Promise.all(Object.keys(KINDS).flatMap(kind => ENDS.slice(3).map(end => guarded(kind, end))));
  check(!faults.length, `before it began:\n${faults.slice(0, 20).join("\n")}`);
  const before = { fds: await settled("fd"), threads: count("task") };

  const samples = [];
  const calls = new Set();
  const [began, ends] = [Date.now(), Date.now() + MINUTES * 60_000];
  for (let sampled = 0; Date.now() < ends;) {
    const call = guarded(pick(Object.keys(KINDS)), pick(ENDS)).finally(() => calls.delete(call));
    calls.add(call);
    if (Date.now() - sampled >= SAMPLE_MS) {
      samples.push(rssKb());
      sampled = Date.now();
      // The program's whole output is kept by whoever started it; half an hour of it is too much.
      gateway.program.output = gateway.program.output.slice(-100_000);
    }
    await pause((-Math.log(1 - Math.random()) * 1000) / CALLS_A_SECOND);
  }
  await Promise.all(calls);

  const fifth = n => median(samples.slice(Math.floor((samples.length * n) / 5), Math.ceil((samples.length * (n + 1)) / 5)));
  const [early, late] = [fifth(1), fifth(4)];
  const minutes = (Date.now() - began) / 60_000;
  console.log(`${made} calls in ${minutes.toFixed(1)} min; memory ${early} kB in the second fifth, ${late} kB in the last`);
  console.log(Object.entries(tally).map(([what, n]) => `${what}: ${n}`).join(", "));
  check(!faults.length, `${faults.length} faults:\n${faults.slice(0, 20).join("\n")}`);
  judgeGaps((await turnedAway()).waited);
  check(late - early <= Math.max(GROWTH_KB, early * GROWTH_SHARE), `memory grew from ${early} kB to ${late} kB`);

  await until("its sockets to be closed", () => count("fd") <= before.fds, { ms: IDLE_MS });
  await until("its threads to be gone", () => count("task") <= before.threads, { ms: IDLE_MS });
  const records = await until("a record of each call", () => gateway.callRecords().length >= made && gateway.callRecords());
  await judgeRecords(records);
}, { ms: MINUTES * 60_000 + 240_000 });

/** How many there are when it does not change any more. */
async function settled(what) {
  let last = -1;
  return until(`a steady number in ${what}`, async () => {
    const before = last;
    last = count(what);
    await pause(500);
    return before === last && last;
  });
}

async function judgeRecords(records) {
  check(records.length === made, `${made} calls have ${records.length} records`);
  const causes = {};
  for (const record of records) causes[record.cause] = (causes[record.cause] ?? 0) + 1;
  console.log(`causes: ${JSON.stringify(causes)}`);
  const strange = records.filter(r => !["normal", "cancelled", "busy"].includes(r.cause));
  check(!strange.length, `${strange.length} calls ended strangely: ${JSON.stringify(strange[0])}`);
  const missed = record => record.media.reduce((sum, side) => sum + side.lost_in + side.refused, 0);
  const lossy = records.filter(missed);
  const { waited, words } = await turnedAway();
  if (lossy.length) console.log(`${lossy.length} calls lost packets, ${Math.max(...lossy.map(missed))} at most; ${words}`);
  const all = lossy.reduce((sum, record) => sum + missed(record), 0);
  const most = made * LOSSY_SHARE * MOST_MISSED;
  check(all <= waited + most, `calls lost ${all} packets, of which ${waited} had waited too long: ${JSON.stringify(lossy[0]?.media)}`);
  if (waited) return;
  const worst = lossy.find(record => missed(record) > MOST_MISSED);
  check(!worst, `a call lost ${worst && missed(worst)} packets: ${JSON.stringify(worst?.media)}`);
  check(lossy.length <= made * LOSSY_SHARE, `${lossy.length} calls lost packets: ${JSON.stringify(lossy[0]?.media)}`);
}

/** What the gateway counts of the packets that it turned away: those that had waited too long, and all in words. */
async function turnedAway() {
  const page = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
  const counts = [...page.matchAll(/^patchcord_rtp_dropped_packets_total{.*reason="(.*)"} ([1-9]\d*)/gm)].map(([, reason, n]) => [reason, Number(n)]);
  const waited = counts.filter(([reason]) => WAITED.includes(reason)).reduce((sum, [, n]) => sum + n, 0);
  return { waited, words: `turned away: ${counts.map(([reason, n]) => `${n} ${reason}`).join(", ") || "none"}` };
}

await run();
