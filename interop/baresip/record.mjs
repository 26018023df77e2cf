/** Calls between the page and a desk phone that are recorded, or that a program listens to. */
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { startBot } from "../lib/bot.mjs";
import { launchBrowser } from "../lib/browser.mjs";
import { desksOf, hearsTone } from "../lib/desk.mjs";
import { startGateway } from "../lib/gateway.mjs";
import { afterAll, check, pause, run, scenesOf, until } from "../lib/tests.mjs";
import { toneSeconds, writeTone } from "../lib/tones.mjs";

const PAGE_HZ = 600;
const PHONE_HZ = 1000;
const NOTICE_HZ = 1800;
/** Long enough to be heard by an ear that begins to listen late. */
const NOTICE_S = 6;
const BOT_HZ = 1500;
const BOT_S = 5;
const ASIDE_HZ = 2200;
const ASIDE_S = 5;
/** How long what is recorded goes on, and how much of it is there in spite of a machine that stands still meanwhile. */
const TALK_MS = 3_000;
const RECORDED_S = 1.5;

const directory = fs.mkdtempSync(path.join(os.tmpdir(), "record-"));
afterAll(() => fs.rmSync(directory, { recursive: true, force: true }));
const notice = writeTone(path.join(directory, "notice.wav"), NOTICE_HZ, { seconds: NOTICE_S, rate: 16_000 });
const bot = await startBot();
afterAll(() => bot.stop());

const rule = (to, more) => `[[rule]]\nname = "${to}"\nwhen = { entry = "user", to = "${to}" }\ndial = ["user:phone"]\n${more}\n`;
const toml = [
  `[[sound]]\nname = "notice"\nfile = "${notice}"\n`,
  rule("in-wav", 'record = "wav"\nrecord_notice = "notice"'),
  rule("in-opus", 'record = "on-demand"\nrecord_notice = false'),
  rule("listened", `fork = "${bot.url}"`),
].join("\n");
const gateway = await startGateway({ toml });
afterAll(() => gateway.stop());
const browser = await launchBrowser({ hz: PAGE_HZ });
afterAll(() => browser.close());

const scene = scenesOf(gateway);
const desk = desksOf(gateway, PHONE_HZ);

async function parties(t) {
  const page = await browser.softphone(gateway.url);
  t.onFailure(() => page.story());
  t.after(() => page.page.context().close());
  return [page, await desk(t, { options: ";answermode=auto" })];
}

/** The recording of a call, as WAV, and where it is. */
async function recordingOf(record) {
  const [recording] = record.recordings ?? [];
  check(recording, `the record names no recording: ${JSON.stringify(record)}`);
  const file = path.join(gateway.directory, "recordings", recording);
  await until("the file is there", () => fs.existsSync(file));
  check((fs.statSync(file).mode & 0o777) === 0o600, "others may read the recording");
  if (file.endsWith(".wav")) return file;
  const decoded = path.join(directory, `${recording}.wav`);
  execFileSync("opusdec", ["--quiet", "--rate", "16000", file, decoded]);
  return decoded;
}

/** The two channels of a recording, as files of one. */
function channelsOf(file) {
  const bytes = fs.readFileSync(file);
  const at = bytes.indexOf("data") + 8;
  return [0, 1].map(channel => {
    const samples = Buffer.alloc((bytes.length - at) >> 1);
    for (let i = 0; 4 * i + 3 < bytes.length - at; i++) bytes.copy(samples, 2 * i, at + 4 * i + 2 * channel, at + 4 * i + 2 * channel + 2);
    const head = Buffer.from(bytes.subarray(0, at));
    head.writeUInt16LE(1, 22);
    const one = `${file}.${channel}`;
    fs.writeFileSync(one, Buffer.concat([head, samples]));
    return one;
  });
}

function hasPageLeftAndPhoneRight(file, seconds) {
  const [left, right] = channelsOf(file);
  const heard = [toneSeconds(left, PAGE_HZ), toneSeconds(right, PHONE_HZ), toneSeconds(left, PHONE_HZ), toneSeconds(right, PAGE_HZ)];
  fs.rmSync(left);
  fs.rmSync(right);
  check(heard[0] >= seconds && heard[1] >= seconds, `page left ${heard[0]} s, phone right ${heard[1]} s, not ${seconds} s`);
  check(heard[2] === 0 && heard[3] === 0, `phone left ${heard[2]} s, page right ${heard[3]} s`);
}

scene("a recorded call begins with the notice for both, and its file has the page left and the phone right", async t => {
  const ended = gateway.nextRecord();
  const [page, phone] = await parties(t);
  await Promise.all([page.callAndTalk("in-wav"), page.hears(NOTICE_HZ)]);
  check((await page.sentence.textContent()) === "This call is recorded.", "the page does not say that it is recorded");
  await page.hears(PHONE_HZ);
  await hearsTone(phone, NOTICE_HZ, NOTICE_S * 0.4);
  await hearsTone(phone, PAGE_HZ, RECORDED_S);
  await pause(TALK_MS);
  await page.hangUp();
  await phone.event("CALL_CLOSED");
  hasPageLeftAndPhoneRight(await recordingOf(await ended()), RECORDED_S);
});

scene("the page begins a recording in Opus by a button and ends it again", async t => {
  const ended = gateway.nextRecord();
  const [page] = await parties(t);
  await page.callAndTalk("in-opus");
  await page.hears(PHONE_HZ);
  const button = page.button("Record");
  const isPressed = on => until(`recording ${on}`, async () => (await button.getAttribute("aria-pressed")) === String(on));
  await button.click();
  await isPressed(true);
  await pause(TALK_MS);
  await button.click();
  await isPressed(false);
  await page.hears(PHONE_HZ);
  await page.hangUp();
  hasPageLeftAndPhoneRight(await recordingOf(await ended()), RECORDED_S);
});

scene("a program hears both, and is heard beside the other by whom it speaks to", async t => {
  const [page, phone] = await parties(t);
  await page.callAndTalk("listened");
  await page.hears(PHONE_HZ);
  await until("the program hears both", () => bot.hears(0, PAGE_HZ) && bot.hears(1, PHONE_HZ));
  check(bot.said[0]?.type === "start" && bot.said[0].rate === 16_000, JSON.stringify(bot.said));
  bot.tell({ type: "to", parties: ["caller"] });
  bot.say(ASIDE_HZ, ASIDE_S);
  await page.hearsTogether([ASIDE_HZ, PHONE_HZ]);
  bot.tell({ type: "to", parties: ["caller", "callee"] });
  bot.say(BOT_HZ, BOT_S);
  await page.hearsTogether([BOT_HZ, PHONE_HZ]);
  await hearsTone(phone, BOT_HZ, 2);
  await hearsTone(phone, PAGE_HZ, 4);
  check(!bot.closed, "the program was let go before the end");
  await page.hangUp();
  await until("the program is let go", () => bot.closed);
  await phone.stop();
  const aside = Math.max(...phone.recordings().map(file => toneSeconds(file, ASIDE_HZ)));
  check(aside === 0, `the phone heard for ${aside} s what was said to the page alone`);
});

await run();
