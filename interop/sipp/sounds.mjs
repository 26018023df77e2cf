/** What callers hear of the gateway itself: announcements, ring-back, music on hold. SIPp plays the telephones. */
import { execFileSync } from "node:child_process";
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
import { writeTone } from "../lib/tones.mjs";

const SCENARIOS = path.join(path.dirname(fileURLToPath(import.meta.url)), "scenarios");
const PAGE_HZ = 600;
const CARRIER_HZ = 1000;
const BELLS_HZ = 440;
const MUSIC_HZ = 520;
const WELCOME_HZ = 750;
const CLOSED_HZ = 880;
const CARRIER = "+15550200";
const PAGE = "+15550300";

const directory = fs.mkdtempSync(path.join(os.tmpdir(), "sounds-"));
afterAll(() => fs.rmSync(directory, { recursive: true, force: true }));
const file = name => path.join(directory, name);
writeTone(file("bells.wav"), BELLS_HZ, { seconds: 3, rate: 44_100 });
writeTone(file("music.wav"), MUSIC_HZ, { seconds: 3, rate: 48_000 });
writeTone(file("welcome.wav"), WELCOME_HZ, { seconds: 3, rate: 8_000 });
writeTone(file("closed.wav"), CLOSED_HZ, { seconds: 4, rate: 48_000 });
execFileSync("opusenc", ["--quiet", file("closed.wav"), file("closed.opus")]);

const port = await freePort();
const rule = (when, then) => `[[rule]]\nwhen = { entry = "user|trunk", to = "${when}" }\n${then}\n`;
const gateway = await startGateway({
  media: 'hold_music = "music"',
  toml: [
    ...["bells.wav", "music.wav", "welcome.wav", "closed.opus"].map(
      name => `[[sound]]\nname = "${path.parse(name).name}"\nfile = "${file(name)}"\n`,
    ),
    `[[trunk]]\nname = "carrier"\nfree = true\naddress = "127.0.0.1:${port}"\n`,
    rule(CARRIER, 'dial = "trunk:carrier"\nring_back = "bells"'),
    rule(PAGE, 'dial = "user:web"\nannounce = "welcome"\nring_back = "bells"'),
    rule("700", 'play = "closed"'),
    rule("701", 'play = "closed"\nreject = "not-found"'),
  ].join("\n"),
});
afterAll(() => gateway.stop());
const browser = await launchBrowser({ hz: PAGE_HZ });
afterAll(() => browser.close());

const scene = scenesOf(gateway);

async function softphone(t) {
  const phone = await browser.softphone(gateway.url);
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
function sipp(t, scenario, { rtp, to } = {}) {
  const remote = to ? gateway.sip : undefined;
  const one = new Sipp(scenario, { directory, port, remote, rtp, args: to ? ["-s", to] : [] });
  t.onFailure(() => `SIPp: ${one.errors()}`);
  t.after(() => one.stop());
  return one;
}

const named = name => path.join(SCENARIOS, `${name}.xml`);

async function hears(rtp, hz) {
  await until(`the telephone hears ${hz} Hz`, () => rtp.hears(hz, 0.5) > 0.7);
}

const unbroken = rtp => check(rtp.faults().length === 0, `the telephone got: ${rtp.faults().slice(0, 5).join("; ")}`);

scene("the page hears the bells of the dialplan while a carrier rings", async t => {
  const phone = await softphone(t);
  const carrier = sipp(t, named("rings"));
  await carrier.listens();
  await phone.call(CARRIER);
  await phone.hears(BELLS_HZ);
  check((await phone.status.textContent()) !== "Connected", "they are heard before the answer");
  await phone.hangUp("Ended: cancelled");
  await carrier.finished();
});

scene("a telephone hears the announcement, then the bells, then the page, in one unbroken stream", async t => {
  const [phone, rtp] = [await softphone(t), await ear(t)];
  const caller = sipp(t, named("hears_early"), { rtp, to: PAGE });
  await hears(rtp, WELCOME_HZ);
  check((await phone.button("Answer").count()) === 0, "nobody rings yet");
  await hears(rtp, BELLS_HZ);
  await phone.answer();
  rtp.play(CARRIER_HZ, await caller.remotePort());
  await phone.hears(CARRIER_HZ);
  await hears(rtp, PAGE_HZ);
  unbroken(rtp);
  await phone.hangUp();
  await caller.finished();
});

scene("a telephone that the page puts on hold hears music until the talk goes on", async t => {
  const [phone, rtp] = [await softphone(t), await ear(t)];
  const carrier = sipp(t, named("is_held"), { rtp });
  await carrier.listens();
  await phone.callAndTalk(CARRIER);
  rtp.play(CARRIER_HZ, await carrier.remotePort());
  await hears(rtp, PAGE_HZ);
  await phone.hold();
  await phone.shows("On hold");
  await hears(rtp, MUSIC_HZ);
  await phone.hearsNothing();
  await phone.hold();
  await phone.shows("Connected");
  await rtp.hearsNow(PAGE_HZ);
  await phone.hears(CARRIER_HZ);
  unbroken(rtp);
  await phone.hangUp();
  await carrier.finished();
});

scene("the page hears ours on hold by a carrier that sends no music, and the carrier afterwards", async t => {
  const [phone, rtp] = [await softphone(t), await ear(t)];
  const carrier = sipp(t, named("holds"), { rtp });
  await carrier.listens();
  await phone.callAndTalk(CARRIER);
  rtp.play(CARRIER_HZ, await carrier.remotePort());
  await phone.hears(CARRIER_HZ);
  await carrier.go("hold");
  const isTold = on => phone.frames.log.some(l => l.includes('"hold"') && l.includes(`${on}`));
  await until("the page is told of the hold", () => isTold(true));
  rtp.hush();
  await phone.hears(MUSIC_HZ);
  await carrier.go("resume");
  await until("the page is told of its end", () => isTold(false));
  rtp.play(CARRIER_HZ, await carrier.remotePort());
  await phone.hears(CARRIER_HZ);
  await carrier.go("end");
  await phone.shows("Ended: normal");
  await carrier.finished();
});

scene("a sound in place of a callee is heard by the page, which is then hung up", async t => {
  const phone = await softphone(t);
  await phone.callAndTalk("700");
  await phone.hears(CLOSED_HZ);
  await phone.shows("Ended: normal");
});

scene("and by a telephone, from an Opus file", async t => {
  const rtp = await ear(t);
  const caller = sipp(t, named("is_hung_up"), { rtp, to: "700" });
  await hears(rtp, CLOSED_HZ);
  await caller.finished();
  const seconds = () => rtp.packets.length / 50;
  // What was sent before the BYE may be read after it.
  await until("all of it was sent", () => seconds() > 3.8);
  check(seconds() < 4.3, `it was sent ${seconds()} s of a sound of 4 s`);
  unbroken(rtp);
});

scene("a sound with a cause is heard without an answer, by a telephone and by the page", async t => {
  const [phone, rtp] = [await softphone(t), await ear(t)];
  const caller = sipp(t, named("hears_404"), { rtp, to: "701" });
  await hears(rtp, CLOSED_HZ);
  await caller.finished();
  await phone.call("701");
  await phone.hears(CLOSED_HZ);
  check((await phone.status.textContent()) !== "Connected", "it is not answered");
  await phone.shows("Ended: not-found");
});

await run();
