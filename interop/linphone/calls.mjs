/** Linphone registers as a desk phone, calls the page and is called by it: in sound and in pictures. */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { launchBrowser } from "../lib/browser.mjs";
import { startGateway } from "../lib/gateway.mjs";
import { linphonesOf } from "../lib/linphone.mjs";
import { areBars, decodes, figuresOf, filmed, isCamera, phoneSees, sees, watchConnections, writeBars } from "../lib/pictures.mjs";
import { afterAll, check, pause, run, scenesOf } from "../lib/tests.mjs";
import { toneSeconds } from "../lib/tones.mjs";

const PAGE_HZ = 600;
const PHONE_HZ = 1000;
const TALK_MS = 3_000;
/** So much of the page is heard of it in spite of a machine that stands still meanwhile. */
const HEARD_S = 1;
const SDES = "SDES AES_CM_128_HMAC_SHA1_80";
const OPUS = ["opus", 48_000];
const PCMU = ["PCMU", 8_000];

const gateway = await startGateway({ sip: "srtp_over_plain = true" });
afterAll(() => gateway.stop());
const browser = await launchBrowser({ hz: PAGE_HZ });
afterAll(() => browser.close());
const directory = fs.mkdtempSync(path.join(os.tmpdir(), "bars-"));
afterAll(() => fs.rmSync(directory, { recursive: true, force: true }));
const picture = await writeBars(browser, path.join(directory, "bars.jpg"));

const scene = scenesOf(gateway);
const linphone = linphonesOf(gateway, PHONE_HZ);

/** A page and a Linphone that is set up so, and the record of their call when it is over. */
async function both(t, options) {
  const page = await browser.softphone(gateway.url);
  await page.page.evaluate(watchConnections);
  t.onFailure(() => page.story());
  t.after(() => page.page.context().close());
  return { page, phone: await linphone(t, options), record: gateway.nextRecord() };
}

async function heardPage(phone) {
  await phone.stop();
  const heard = toneSeconds(phone.heard, PAGE_HZ);
  check(heard >= HEARD_S, `the phone heard the page for ${heard} s`);
}

async function seeEachOther(page, phone) {
  await Promise.all([sees(page, areBars, "the phone's bars"), phoneSees(phone, page, isCamera, "the page's camera")]);
  await decodes(page, 2);
}

/** What the record says of a call that was spoken so, and of how the phone's leg was sealed. */
function recorded(said, side, codec, seal) {
  check(said.codec === codec, `the record says ${said.codec}`);
  const leg = said.media.find(m => m.side === side);
  check(leg.seal === seal, `the record says of the phone ${leg.seal}`);
}

for (const [name, codec] of [["opus/48000", OPUS], ["PCMU/8000", PCMU]]) {
  scene(`the page calls Linphone, and both hear each other in ${name}`, async t => {
    const { page, phone, record } = await both(t, { codec, auto: true });
    await page.callAndTalk("phone");
    await page.hears(PHONE_HZ);
    await pause(TALK_MS);
    await page.hangUp();
    await phone.shows(/Call 1 with .* ended/);
    await heardPage(phone);
    recorded(await record(), "callee", name, "plain");
  });
}

for (const [words, seal, options] of [
  ["in Opus", "plain", { codec: OPUS }],
  ["in PCMU with keys in the description (SDES)", SDES, { codec: PCMU, encryption: "srtp" }],
]) {
  scene(`Linphone calls the page, and both hear each other ${words}`, async t => {
    const { page, phone, record } = await both(t, options);
    phone.says("call sip:web@127.0.0.1");
    await page.shows("Incoming call");
    await page.answer();
    await phone.shows(/Media streams established/);
    await page.hears(PHONE_HZ);
    await pause(TALK_MS);
    phone.says("terminate");
    await page.shows("Ended: normal");
    await heardPage(phone);
    recorded(await record(), "caller", options.codec === OPUS ? "opus/48000" : "PCMU/8000", seal);
  });
}

for (const video of ["VP8", "H264"]) {
  scene(`the page calls Linphone with pictures: both see and hear each other, in ${video}`, async t => {
    const { page, phone, record } = await both(t, { picture, video, auto: true });
    await page.callWithVideo("phone");
    await page.shows("Connected");
    await page.hears(PHONE_HZ);
    await seeEachOther(page, phone);
    const { codec } = await figuresOf(page);
    check(codec === video, `the page speaks ${codec}`);
    await page.hangUp();
    filmed(await record(), video);
    await heardPage(phone);
  });

  scene(`Linphone calls the page with pictures: both see and hear each other, in ${video}`, async t => {
    const { page, phone, record } = await both(t, { picture, video });
    phone.says("call sip:web@127.0.0.1");
    await page.shows("Incoming call");
    await page.answerWithVideo();
    await page.hears(PHONE_HZ);
    await seeEachOther(page, phone);
    phone.says("terminate");
    await page.shows("Ended: normal");
    filmed(await record(), video);
    await heardPage(phone);
  });
}

await run();
