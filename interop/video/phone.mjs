/** Chromium and baresip see each other through the relay; and telephones without pictures, with which only sound passes. */
import { launchBrowser } from "../lib/browser.mjs";
import { desksOf, hearsTone } from "../lib/desk.mjs";
import { startGateway } from "../lib/gateway.mjs";
import { areBars, decodes, figuresOf, filmed, isCamera, phoneSees, sees, VIDEO_PHONE, watchConnections } from "../lib/pictures.mjs";
import { afterAll, check, pause, run, scenesOf, until } from "../lib/tests.mjs";

const PAGE_HZ = 600;
const PHONE_HZ = 1000;
const HEARD_S = 1.5;
const AUTO = ";answermode=auto";
const NO_VIDEO = "The other side does not take video.";

const gateway = await startGateway({ sip: "srtp_over_plain = true" });
afterAll(() => gateway.stop());
const browser = await launchBrowser({ hz: PAGE_HZ });
afterAll(() => browser.close());
const scene = scenesOf(gateway);
const desk = desksOf(gateway, PHONE_HZ);

async function softphone(t) {
  const phone = await browser.softphone(gateway.url);
  await phone.page.evaluate(watchConnections);
  t.onFailure(() => phone.story());
  t.after(() => phone.page.context().close());
  return phone;
}

async function seeEachOther(page, phone) {
  await Promise.all([sees(page, areBars, "the phone's bars"), phoneSees(phone, page, isCamera, "the page's camera")]);
  await decodes(page);
}

const WAYS = [
  { words: "", format: "VP8", modules: ["vp8"] },
  { words: " with keys in the description (SDES)", format: "VP8", modules: ["vp8", "srtp"], more: ";mediaenc=srtp" },
  { words: "", format: "H264", modules: ["avcodec"] },
];
for (const { words, format, modules, more = "" } of WAYS) {
  const options = (auto = "") => ({
    ...VIDEO_PHONE,
    modules: [...VIDEO_PHONE.modules.filter(m => m !== "vp8"), ...modules],
    options: `${auto};video_codecs=${format.toLowerCase()}${more}`,
  });

  scene(`the page calls a video phone${words}: both see and hear each other, in ${format}`, async t => {
    const record = gateway.nextRecord();
    const [page, phone] = [await softphone(t), await desk(t, options(AUTO))];
    await page.callWithVideo("phone");
    await page.shows("Connected");
    await page.hears(PHONE_HZ);
    await seeEachOther(page, phone);
    const { codec } = await figuresOf(page);
    check(codec === format, `the page speaks ${codec}`);
    await hearsTone(phone, PAGE_HZ, HEARD_S);
    await page.hangUp();
    await phone.event("CALL_CLOSED");
    filmed(await record(), format);
  });

  scene(`a video phone calls the page${words}: both see and hear each other, in ${format}`, async t => {
    const record = gateway.nextRecord();
    const [page, phone] = [await softphone(t), await desk(t, options())];
    await phone.command("dial", "sip:web@127.0.0.1");
    await page.answerWithVideo();
    await phone.event("CALL_ESTABLISHED");
    await page.hears(PHONE_HZ);
    await seeEachOther(page, phone);
    await phone.command("hangup");
    await page.shows("Ended: normal");
    filmed(await record(), format);
  });
}

scene("a video phone with ICE, for which RTP and RTCP are components, calls the page: both see and hear each other", async t => {
  const record = gateway.nextRecord();
  const modules = [...VIDEO_PHONE.modules, "ice"];
  const [page, phone] = [await softphone(t), await desk(t, { ...VIDEO_PHONE, modules, options: ";video_codecs=vp8;medianat=ice" })];
  await phone.command("dial", "sip:web@127.0.0.1");
  await page.answerWithVideo();
  await phone.event("CALL_ESTABLISHED");
  await page.hears(PHONE_HZ);
  await seeEachOther(page, phone);
  check(!/ICE not supported by peer/.test(phone.log()), "the phone found no ICE in the answer");
  await phone.command("hangup");
  await page.shows("Ended: normal");
  filmed(await record(), "VP8");
});

scene("a page that answers without its camera sees the video phone", async t => {
  const [page, phone] = [await softphone(t), await desk(t, { ...VIDEO_PHONE, options: ";video_codecs=vp8" })];
  await phone.command("dial", "sip:web@127.0.0.1");
  await page.answer();
  await sees(page, areBars, "the phone's bars");
  check(await page.page.locator("#local-video").isHidden(), "the page shows nothing of itself");
  await page.hears(PHONE_HZ);
  await page.hangUp();
});

scene("a camera that is opened and closed in the call is seen and gone at the video phone", async t => {
  const [page, phone] = [await softphone(t), await desk(t, { ...VIDEO_PHONE, options: `${AUTO};video_codecs=vp8` })];
  await page.callAndTalk("phone");
  await page.hears(PHONE_HZ);
  await page.camera();
  await seeEachOther(page, phone);
  await page.camera();
  await until("no pictures go out", async () => {
    const before = await figuresOf(page);
    await pause(1_000);
    return (await figuresOf(page)).sent === before.sent;
  });
  await page.hears(PHONE_HZ);
  await page.camera();
  await phoneSees(phone, page, isCamera, "the page's camera once more");
  await page.hears(PHONE_HZ);
  await page.hangUp();
});

scene("a phone without pictures refuses them, and both hear each other", async t => {
  const record = gateway.nextRecord();
  const [page, phone] = [await softphone(t), await desk(t, { options: AUTO })];
  await page.callWithVideo("phone");
  await page.shows("Connected");
  await until("a sentence", async () => (await page.sentence.textContent()) === NO_VIDEO);
  check(await page.page.locator("#stage").isHidden(), "there is nothing to see");
  await page.hears(PHONE_HZ);
  await page.camera();
  await until("a sentence again", async () => (await page.sentence.textContent()) === NO_VIDEO);
  await Promise.all([page.hears(PHONE_HZ), hearsTone(phone, PAGE_HZ, HEARD_S)]);
  await page.hangUp();
  const { video } = await record();
  check(video === undefined, `the record speaks of pictures: ${video}`);
});

scene("the demo network, a trunk, is offered no pictures, and the call goes on by sound", async t => {
  const page = await softphone(t);
  await page.callWithVideo("+15550100");
  await page.shows("Connected");
  await until("a sentence", async () => (await page.sentence.textContent()) === NO_VIDEO);
  await page.hangUp();
});

await run();
