/** Keys of a keypad between the page and telephones that know one way of saying them each. */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { launchBrowser } from "../lib/browser.mjs";
import { startGateway } from "../lib/gateway.mjs";
import { freePort } from "../lib/net.mjs";
import { RtpPeer } from "../lib/rtp.mjs";
import { Sipp } from "../lib/sipp.mjs";
import { afterAll, check, pause, run, scenesOf, until } from "../lib/tests.mjs";
import { keysIn } from "../lib/tones.mjs";

const SCENARIOS = path.join(path.dirname(fileURLToPath(import.meta.url)), "scenarios");
/** What Debian's SIPp brings: one capture a key, as some gateway sent it, in the order of the sending. */
const CAPTURES = "/usr/share/sip-tester";
const CAPTURED = [..."123456789"].map(key => [key, key]).concat([["*", "star"], ["#", "pound"], ["0", "0"]]);
const PHONE_HZ = 1000;
const NUMBER = "+15550200";

const directory = fs.mkdtempSync(path.join(os.tmpdir(), "sipp-"));
afterAll(() => fs.rmSync(directory, { recursive: true, force: true }));
const port = await freePort();
const gateway = await startGateway({
  toml: `
[[trunk]]
name = "carrier"
free = true
address = "127.0.0.1:${port}"
[[rule]]
when = { entry = "user", to = "+155502*" }
dial = "trunk:carrier"
`,
});
afterAll(() => gateway.stop());
const browser = await launchBrowser({ hz: 600 });
afterAll(() => browser.close());
const scene = scenesOf(gateway);

async function softphone(t) {
  const phone = await browser.softphone(gateway.url);
  t.onFailure(() => phone.story());
  t.after(() => phone.page.context().close());
  return phone;
}

function sipp(t, name, { rtp, to } = {}) {
  const remote = to ? gateway.sip : undefined;
  const args = to ? ["-s", to] : [];
  const one = new Sipp(path.join(SCENARIOS, `${name}.xml`), { directory, port, remote, rtp, args });
  t.onFailure(() => `SIPp: ${one.errors()}\n${one.messages().slice(-3000)}`);
  t.after(() => one.stop());
  return one;
}

async function ear(t) {
  const rtp = await new RtpPeer().open();
  t.after(() => rtp.close());
  return rtp;
}

/** The page calls, and hears the telephone. */
async function talk(t, name) {
  const [phone, rtp] = [await softphone(t), await ear(t)];
  const carrier = sipp(t, name, { rtp });
  await carrier.listens();
  await phone.callAndTalk(NUMBER);
  const remote = await carrier.remotePort();
  rtp.play(PHONE_HZ, remote);
  await phone.hears(PHONE_HZ);
  return { phone, rtp, carrier, remote };
}

/** The keys that the page was told of. */
const told = phone =>
  phone.frames.log.map(line => line.match(/"type":"dtmf".*"digit":"(.)"|"digit":"(.)".*"type":"dtmf"/)).filter(Boolean).map(m => m[1] ?? m[2]).join("");

/** That the page is told of just these keys; a moment is left for one too many. */
async function isTold(phone, keys) {
  await until(`the page is told of ${keys}`, () => told(phone) === keys).catch(() => {
    throw new Error(`the page was told of "${told(phone)}", not "${keys}"`);
  });
  await pause(1_000);
  check(told(phone) === keys, `the page was told of "${told(phone)}", not "${keys}"`);
}

scene("keys captured from a gateway of another maker are told to the page once each", async t => {
  const [phone, rtp] = [await softphone(t), await ear(t)];
  const caller = sipp(t, "is_hung_up", { rtp, to: "web" });
  await phone.answer();
  const remote = await caller.remotePort();
  for (const [, name] of CAPTURED) {
    await rtp.replay(path.join(CAPTURES, `dtmf_2833_${name}.pcap`), remote);
    await pause(100);
  }
  await isTold(phone, CAPTURED.map(([key]) => key).join(""));
  await phone.hangUp();
  await caller.finished();
});

scene("a telephone without telephone-event that allows INFO is told by INFO, and its INFOs are told to the page", async t => {
  const { phone, rtp, carrier } = await talk(t, "answers_info");
  await phone.keys("4#");
  await isTold(phone, "7*");
  check(keysIn(rtp.samples, 8000) === "", "no tone goes out beside the INFO");
  await carrier.comesTo("refused");
  await phone.hangUp();
  await carrier.finished();
});

scene("a telephone that says a key by event and by INFO presses it once", async t => {
  const { phone, rtp, carrier, remote } = await talk(t, "answers_both");
  // The INFO comes while the key is down, however long that takes.
  await rtp.press("8", remote, { while: carrier.go("info").then(() => carrier.comesTo("said")) });
  await isTold(phone, "8");
  await phone.hangUp();
  await carrier.finished();
});

scene("a telephone that knows speech alone hears keys as tones, and its tones are told to the page in place of being heard", async t => {
  const { phone, rtp, carrier } = await talk(t, "answers_speech");
  await phone.keys("159#");
  await until("the telephone hears the tones", () => keysIn(rtp.samples, 8000) === "159#").catch(() => {
    throw new Error(`the telephone heard "${keysIn(rtp.samples, 8000)}"`);
  });
  check(rtp.faults().length === 0, `the telephone got: ${rtp.faults().slice(0, 5).join("; ")}`);
  rtp.hz = null;
  await pause(500);
  await phone.noteKeys();
  await rtp.dial("0246813579*#ABCD");
  await isTold(phone, "0246813579*#ABCD");
  const heard = await phone.page.evaluate(() => window.ear.keys());
  // Up to 20 ms of the beginning of a tone pass. A player that then waits for packets stretches them to what an ear may
  // make out as a key, even twice. Tones that are not cut would be heard sixteen times.
  check(heard.length <= 4, `the page heard the tones of "${heard}"`);
  rtp.hz = PHONE_HZ;
  await phone.hears(PHONE_HZ);
  await phone.hangUp();
  await carrier.finished();
});

await run();
