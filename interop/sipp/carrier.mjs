/** SIPp plays a carrier that the page calls, and callers who ring the page. Its media socket is an RtpPeer. */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { launchBrowser } from "../lib/browser.mjs";
import { startGateway } from "../lib/gateway.mjs";
import { freePort } from "../lib/net.mjs";
import { RtpPeer } from "../lib/rtp.mjs";
import { Sipp } from "../lib/sipp.mjs";
import { afterAll, check, run, scenesOf, until } from "../lib/tests.mjs";

const SCENARIOS = path.join(path.dirname(fileURLToPath(import.meta.url)), "scenarios");
const PAGE_HZ = 600;
const OTHER_PAGE_HZ = 1700;
const EARLY_HZ = 1300;
const CARRIER_HZ = 1000;
const NUMBER = "+15550200";

const directory = fs.mkdtempSync(path.join(os.tmpdir(), "sipp-"));
afterAll(() => fs.rmSync(directory, { recursive: true, force: true }));
const port = await freePort();
const elsewhere = await freePort();
const gateway = await startGateway({
  toml: `
[[trunk]]
name = "carrier"
free = true
address = "127.0.0.1:${port}"
user = "trunkuser"
password = "trunkpass"
[[rule]]
when = { entry = "user", to = "+155502*" }
dial = "trunk:carrier"
`,
});
afterAll(() => gateway.stop());
const browser = await launchBrowser({ hz: PAGE_HZ });
afterAll(() => browser.close());
const other = await launchBrowser({ hz: OTHER_PAGE_HZ });
afterAll(() => other.close());

const scene = scenesOf(gateway);

async function softphone(t, where = browser, options = {}) {
  const phone = await where.softphone(gateway.url, options);
  t.onFailure(() => phone.story());
  t.after(() => phone.page.context().close());
  return phone;
}

async function ear(t) {
  const rtp = await new RtpPeer().open();
  t.after(() => rtp.close());
  return rtp;
}

/** A SIPp at the trunk's address: it waits for a call, or with `to` makes one. */
function sipp(t, name, { rtp, to, keys, at = port } = {}) {
  const args = to ? ["-s", to] : [];
  const remote = to ? gateway.sip : undefined;
  const one = new Sipp(path.join(SCENARIOS, `${name}.xml`), { directory, port: at, remote, rtp, keys, args });
  t.onFailure(() => `SIPp: ${one.errors()}`);
  t.after(() => one.stop());
  return one;
}

/** Waits until the tone is clear in what the telephone hears. */
async function hears(rtp, hz) {
  await until(`the telephone hears ${hz} Hz`, () => rtp.hears(hz, 0.5) > 0.7);
}

scene("a carrier that challenges and announces is called from the page, with tones both ways", async t => {
  const [phone, rtp] = [await softphone(t), await ear(t)];
  const ended = gateway.nextRecord();
  const carrier = sipp(t, "carrier", { rtp });
  await carrier.listens();
  await phone.call(NUMBER);
  rtp.play(EARLY_HZ, await carrier.remotePort());
  await phone.hears(EARLY_HZ);
  check((await phone.status.textContent()) !== "Connected", "the announcement is heard before the answer");
  await carrier.go("answer");
  await phone.shows("Connected");
  rtp.play(CARRIER_HZ);
  await phone.hears(CARRIER_HZ);
  await hears(rtp, PAGE_HZ);
  await phone.hangUp();
  await carrier.finished();
  check(rtp.faults().length === 0, `the carrier got: ${rtp.faults().slice(0, 5).join("; ")}`);
  const credentials = carrier.messages().match(/Proxy-Authorization: Digest [^\r\n]*/)?.[0] ?? "";
  check(!credentials.includes("trunkpass"), "the password stays here");
  const record = await ended();
  check(record.cause === "normal" && record.codec === "PCMU/8000", `the record says ${JSON.stringify(record)}`);
  check(record.media.every(m => m.packets_in > 25), "the record counts what both sides sent");
});

scene("keys pressed on the page reach the carrier once each, and the carrier's reach the page", async t => {
  const [phone, rtp] = [await softphone(t), await ear(t)];
  const carrier = sipp(t, "answers", { rtp });
  await carrier.listens();
  await phone.callAndTalk(NUMBER);
  const remote = await carrier.remotePort();
  rtp.play(CARRIER_HZ, remote);
  await phone.hears(CARRIER_HZ);
  await phone.keys("19*#");
  await until("the carrier reads the keys", () => rtp.digits.join("") === "19*#").catch(() => {
    throw new Error(`the carrier read "${rtp.digits.join("")}"`);
  });
  await rtp.press("7", remote);
  await until("the page is told of the key", () => phone.frames.log.some(l => l.includes('"dtmf"') && l.includes('"7"')));
  check(rtp.faults().length === 0, `the carrier got: ${rtp.faults().slice(0, 5).join("; ")}`);
  await phone.hangUp();
  await carrier.finished();
});

for (const [status, end, sentence] of [
  [486, "Ended: busy", "busy"],
  [603, "Ended: declined", "declined"],
  [404, "Ended: not-found", "not there"],
  [480, "Ended: no-answer", "not answering, as its Reason says"],
]) {
  scene(`a carrier that says ${status} is shown as ${sentence}`, async t => {
    const phone = await softphone(t);
    const ended = gateway.nextRecord();
    const carrier = sipp(t, `refuses_${status}`);
    await carrier.listens();
    await phone.call(NUMBER);
    await phone.shows(end);
    await carrier.finished();
    const record = await ended();
    check(record.why?.includes(String(status)), `the record says why: ${record.why}`);
  });
}

scene("a call given up before the answer is cancelled at the carrier", async t => {
  const phone = await softphone(t);
  const carrier = sipp(t, "rings");
  await carrier.listens();
  await phone.call(NUMBER);
  await phone.shows("Ringing");
  await phone.hangUp("Ended: cancelled");
  await carrier.finished();
});

scene("a carrier that sends the call on is followed to where it says", async t => {
  const [phone, rtp] = [await softphone(t), await ear(t)];
  const first = sipp(t, "redirects", { keys: { elsewhere: `127.0.0.1:${elsewhere}` } });
  const second = sipp(t, "answers", { rtp, at: elsewhere });
  await Promise.all([first.listens(), second.listens()]);
  await phone.callAndTalk(NUMBER);
  rtp.play(CARRIER_HZ, await second.remotePort());
  await phone.hears(CARRIER_HZ);
  await phone.hangUp();
  await first.finished();
  await second.finished();
});

scene("a carrier that holds is said to, its music is heard, and the talk goes on after", async t => {
  const [phone, rtp] = [await softphone(t), await ear(t)];
  const carrier = sipp(t, "holds", { rtp });
  await carrier.listens();
  await phone.callAndTalk(NUMBER);
  rtp.play(CARRIER_HZ, await carrier.remotePort());
  await hears(rtp, PAGE_HZ);
  await carrier.go("hold");
  await until("the page is told of the hold", () => phone.frames.log.some(l => l.includes('"hold"') && l.includes("true")));
  await rtp.isSentNothing();
  await phone.hears(CARRIER_HZ);
  await carrier.go("resume");
  await until("the page is told of its end", () => phone.frames.log.some(l => l.includes('"hold"') && l.includes("false")));
  await rtp.hearsNow(PAGE_HZ);
  check(rtp.faults().length === 0, `the carrier got: ${rtp.faults().slice(0, 5).join("; ")}`);
  await carrier.go("end");
  await phone.shows("Ended: normal");
  await carrier.finished();
});

scene("a phone's call rings the page and both hear each other until the phone hangs up", async t => {
  const [phone, rtp] = [await softphone(t), await ear(t)];
  const caller = sipp(t, "calls", { rtp, to: "web" });
  await phone.button("Answer").waitFor();
  await phone.answer();
  rtp.play(CARRIER_HZ, await caller.remotePort());
  await phone.hears(CARRIER_HZ);
  await hears(rtp, PAGE_HZ);
  await caller.go("end");
  await phone.shows("Ended: normal");
  await caller.finished();
  check(rtp.faults().length === 0, `the phone got: ${rtp.faults().slice(0, 5).join("; ")}`);
});

scene("the page hangs up on a phone that called it", async t => {
  const [phone, rtp] = [await softphone(t), await ear(t)];
  const caller = sipp(t, "is_hung_up", { rtp, to: "web" });
  await phone.answer();
  rtp.play(CARRIER_HZ, await caller.remotePort());
  await phone.hears(CARRIER_HZ);
  await phone.hangUp();
  await caller.finished();
});

scene("a phone that offers nothing is offered, and its answer is in the ACK", async t => {
  const [phone, rtp] = [await softphone(t), await ear(t)];
  const caller = sipp(t, "calls_late_offer", { rtp, to: "web" });
  await phone.answer();
  rtp.play(CARRIER_HZ, await caller.remotePort());
  await phone.hears(CARRIER_HZ);
  await hears(rtp, PAGE_HZ);
  await caller.go("end");
  await caller.finished();
});

scene("a page that declines is a 603 to the phone", async t => {
  const phone = await softphone(t);
  const caller = sipp(t, "expects_603", { to: "web" });
  await phone.decline();
  await caller.finished();
});

scene("a phone that gives up stops the page from ringing", async t => {
  const phone = await softphone(t);
  const caller = sipp(t, "gives_up", { to: "web" });
  await phone.button("Answer").waitFor();
  await caller.go("cancel");
  await phone.shows("Ended: cancelled");
  await caller.finished();
});

scene("two pages of one user ring, and the other is told that it was answered elsewhere", async t => {
  const [one, two, rtp] = [await softphone(t), await softphone(t, other), await ear(t)];
  const caller = sipp(t, "is_hung_up", { rtp, to: "web" });
  await one.button("Answer").waitFor();
  await two.answer();
  await one.shows("Ended: answered-elsewhere");
  rtp.play(CARRIER_HZ, await caller.remotePort());
  await two.hears(CARRIER_HZ);
  await hears(rtp, OTHER_PAGE_HZ);
  await two.hangUp();
  await caller.finished();
});

scene("nobody there is a 480, a name nobody has a 404, a loop a 483", async t => {
  for (const [status, to] of [[480, "alice"], [404, "nobody"], [483, "web"]]) {
    await sipp(t, `expects_${status}`, { to }).finished();
  }
});

scene("the gateway says what it can when asked", async t => {
  const asker = sipp(t, "asks", { to: "web" });
  await asker.finished();
  check(/Allow:.*INVITE/.test(asker.messages()), "Allow is in the answer");
});

scene("a page reloaded in mid-call goes on with its call, and the carrier hears one unbroken stream", async t => {
  const [phone, rtp] = [await softphone(t), await ear(t)];
  const carrier = sipp(t, "answers", { rtp });
  await carrier.listens();
  await phone.callAndTalk(NUMBER);
  rtp.play(CARRIER_HZ, await carrier.remotePort());
  await hears(rtp, PAGE_HZ);
  await phone.reload();
  await phone.shows("Connected");
  await phone.hears(CARRIER_HZ);
  await rtp.hearsNow(PAGE_HZ);
  check(rtp.faults().length === 0, `the carrier got: ${rtp.faults().slice(0, 5).join("; ")}`);
  await phone.hangUp();
  await carrier.finished();
});

await run();
