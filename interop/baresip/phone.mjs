/** baresip registers as a desk phone, calls the page and is called by it. */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { Baresip } from "../lib/baresip.mjs";
import { launchBrowser } from "../lib/browser.mjs";
import { desksOf, hearsTone } from "../lib/desk.mjs";
import { startGateway } from "../lib/gateway.mjs";
import { freePort } from "../lib/net.mjs";
import { writeTone } from "../lib/tones.mjs";
import { afterAll, check, pause, run, scenesOf, until } from "../lib/tests.mjs";

const PAGE_HZ = 600;
const PHONE_HZ = 1000;
/** So long each hears the other. */
const HEARD_S = 1.5;
/** For how long a phone is sent sound after a hold, and how much of that comes in spite of a machine that stands still. */
const AGAIN_MS = 1_500;
const AGAIN_PACKETS = 20;

const directory = fs.mkdtempSync(path.join(os.tmpdir(), "baresip-"));
afterAll(() => fs.rmSync(directory, { recursive: true, force: true }));
const wav = writeTone(path.join(directory, "phone.wav"), PHONE_HZ, { seconds: 90, rate: 8_000 });
const gateway = await startGateway();
afterAll(() => gateway.stop());
const browser = await launchBrowser({ hz: PAGE_HZ });
afterAll(() => browser.close());

const scene = scenesOf(gateway);
const desk = desksOf(gateway, PHONE_HZ);

async function softphone(t) {
  const phone = await browser.softphone(gateway.url);
  t.onFailure(() => phone.story());
  t.after(() => phone.page.context().close());
  return phone;
}

const hearsPage = phone => hearsTone(phone, PAGE_HZ, HEARD_S);

/**
 * That the phone was sent sound before the hold, in so many milliseconds, and after it: by the record, for baresip stops
 * recording at the first re-INVITE. That a phone hears again after a hold is seen in the sipp stage.
 */
function sentBothTimes(record, ms) {
  const [sent, before] = [record.media.find(m => m.side === "callee").packets_out, Math.ceil(ms / 20)];
  check(sent > before + AGAIN_PACKETS, `the phone was sent ${sent} packets, of which ${before} may have come before the hold`);
}

for (const [codec, name] of [["PCMU/8000/1", "PCMU"], ["PCMA/8000/1", "PCMA"]]) {
  scene(`the page calls a registered phone in ${name}, and both hear each other`, async t => {
    const ended = gateway.nextRecord();
    const [page, phone] = [await softphone(t), await desk(t, { codec, options: ";answermode=auto" })];
    await page.callAndTalk("phone");
    await page.hears(PHONE_HZ);
    await hearsPage(phone);
    await page.hangUp();
    await phone.event("CALL_CLOSED");
    const record = await ended();
    check(record.codec === `${name}/8000`, `the record says ${record.codec}`);
  });
}

scene("a registered phone calls the page, and both hear each other", async t => {
  const [page, phone] = [await softphone(t), await desk(t)];
  await phone.command("dial", `sip:web@127.0.0.1`);
  await page.answer();
  await phone.event("CALL_ESTABLISHED");
  await page.hears(PHONE_HZ);
  await hearsPage(phone);
  await phone.command("hangup");
  await page.shows("Ended: normal");
});

scene("the same over TCP", async t => {
  const [page, phone] = [await softphone(t), await desk(t, { transport: "tcp" })];
  await phone.command("dial", `sip:web@127.0.0.1`);
  await page.answer();
  await phone.event("CALL_ESTABLISHED");
  await page.hears(PHONE_HZ);
  await hearsPage(phone);
  await page.hangUp();
  await phone.event("CALL_CLOSED");
});

scene("a phone that declines is shown as busy or declined, and the call is over", async t => {
  const [page, phone] = [await softphone(t), await desk(t)];
  await page.call("phone");
  await page.shows("Ringing");
  await phone.event("CALL_INCOMING");
  await phone.command("hangup");
  await until("the page says so", async () => /^Ended: (busy|declined)$/.test(await page.status.textContent()));
});

scene("a call that the page gives up stops the phone from ringing", async t => {
  const [page, phone] = [await softphone(t), await desk(t)];
  await page.call("phone");
  await phone.event("CALL_INCOMING");
  await page.hangUp("Ended: cancelled");
  await phone.event("CALL_CLOSED");
});

scene("a phone holds and resumes, and the page is told and hears it again", async t => {
  const ended = gateway.nextRecord();
  const [page, phone] = [await softphone(t), await desk(t, { options: ";answermode=auto" })];
  await page.callAndTalk("phone");
  const began = Date.now();
  await page.hears(PHONE_HZ);
  await hearsPage(phone);
  const talked = Date.now() - began;
  await phone.command("hold");
  await until("the page is told", () => page.frames.log.some(l => l.includes('"hold"') && l.includes("true")));
  await phone.command("resume");
  await until("and told again", () => page.frames.log.some(l => l.includes('"hold"') && l.includes("false")));
  await page.hears(PHONE_HZ);
  await pause(AGAIN_MS);
  await page.hangUp();
  sentBothTimes(await ended(), talked);
});

scene("the page holds and resumes, and neither hears the other meanwhile", async t => {
  const ended = gateway.nextRecord();
  const [page, phone] = [await softphone(t), await desk(t, { options: ";answermode=auto" })];
  await page.callAndTalk("phone");
  const began = Date.now();
  await page.hears(PHONE_HZ);
  await hearsPage(phone);
  const talked = Date.now() - began;
  await page.hold();
  await page.shows("On hold");
  await page.hearsNothing();
  await page.hold();
  await page.shows("Connected");
  await page.hears(PHONE_HZ);
  await pause(AGAIN_MS);
  await page.hangUp();
  sentBothTimes(await ended(), talked);
});

scene("keys pressed on the phone are told to the page, and the page's reach the phone", async t => {
  const [page, phone] = [await softphone(t), await desk(t, { options: ";answermode=auto" })];
  await page.callAndTalk("phone");
  await page.hears(PHONE_HZ);
  for (const key of "15#") {
    await phone.command("sndcode", key);
    await until(`the page is told of ${key}`, () => page.frames.log.some(l => l.includes('"dtmf"') && l.includes(`"${key}"`)));
  }
  await page.keys("42");
  const keys = () => phone.events.filter(e => e.type === "CALL_DTMF_START").map(e => e.param).join("");
  await until("the phone reads the keys", () => keys() === "42").catch(() => {
    throw new Error(`the phone read "${keys()}"`);
  });
  await page.hangUp();
});

scene("a phone with DTLS-SRTP and an RSA certificate hears the page and is heard", async t => {
  const modules = ["g711", "dtls_srtp"];
  const phone = await desk(t, { modules, options: ";mediaenc=dtls_srtp" });
  const page = await softphone(t);
  await phone.command("dial", `sip:web@127.0.0.1`);
  await page.answer();
  await phone.event("CALL_ESTABLISHED");
  await page.hears(PHONE_HZ);
  await hearsPage(phone);
  await page.hangUp();
});

scene("the page and a registered phone write to each other", async t => {
  const [page, phone] = [await softphone(t), await desk(t, { contacts: '"Web" <sip:web@127.0.0.1>' })];
  await page.write("phone", "Grüße aus dem Browser");
  await phone.says(/sip:web@.*"Grüße aus dem Browser"/);
  await page.reads("Grüße aus dem Browser", "Delivered");
  await phone.command("message", "Und zurück vom Telefon");
  await page.reads("Und zurück vom Telefon");
  await page.write("nobody", "Ist da wer?");
  await page.reads("Ist da wer?", "Not delivered: There is nobody at this number or address.");
});

scene("a phone with a wrong password is turned away", async t => {
  const account =
    `<sip:phone@127.0.0.1>;outbound="sip:${gateway.sip};transport=udp";auth_user=phone;` +
    `auth_pass=wrong;regint=120;audio_codecs=PCMU/8000/1`;
  const [port, control, rtp] = [await freePort(), await freePort(), await freePort(21)];
  const phone = new Baresip({ directory, port, control, account, wav, rtp: `${rtp}-${rtp + 20}` });
  t.after(() => phone.stop());
  await phone.start();
  await phone.says(/40[13] /);
  check(!/200 OK/.test(phone.log()), "it is not registered");
});

await run();
