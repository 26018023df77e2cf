/** The softphone page in Firefox, against the gateway, its demo trunk and Chromium. */
import { DIRECT_RULES } from "../lib/direct.mjs";
import { moves } from "../lib/pictures.mjs";
import { launchBrowser } from "../lib/browser.mjs";
import { desksOf } from "../lib/desk.mjs";
import { launchFirefox } from "../lib/firefox.mjs";
import { startGateway, USERS } from "../lib/gateway.mjs";
import { cuttableRelay, ownAddress } from "../lib/net.mjs";
import { areBars, coloursOn, isCamera, phoneSees, sees as seesColours, VIDEO_PHONE } from "../lib/pictures.mjs";
import { afterAll, check, run, test, until } from "../lib/tests.mjs";

const FIREFOX_HZ = 600;
const CHROMIUM_HZ = 1700;
const PHONE_HZ = 1000;
const STEADY_HZ = 1000;
const RING_BACK_HZ = [440, 480];

const GREETING = "+15550100";
const ECHO = "+15550105";
const STEADY = "+15550106";

let gateway;
const relay = await cuttableRelay(() => gateway.httpPort);
afterAll(() => relay.close());
const relayUrl = `http://127.0.0.1:${relay.port}/`;
gateway = await startGateway({ origins: [relayUrl.slice(0, -1)], media: `address = "${ownAddress()}"`, toml: DIRECT_RULES });
afterAll(() => gateway.stop());
const firefox = await launchFirefox({ hz: FIREFOX_HZ });
afterAll(() => firefox.close());
const chromium = await launchBrowser({ hz: CHROMIUM_HZ });
afterAll(() => chromium.close());

const desk = desksOf(gateway, PHONE_HZ);
const alice = { user: "alice", password: USERS.alice };
const bob = { user: "bob", password: USERS.bob };

function scene(name, body) {
  test(name, async t => {
    const mark = gateway.mark();
    t.onFailure(() => `the gateway said:\n${gateway.logSince(mark)}`);
    await body(t);
  });
}

async function softphone(t, browser = firefox, { url = gateway.url, ...options } = {}) {
  const phone = await browser.softphone(url, options);
  t.onFailure(() => phone.story());
  t.onFailure(() => phone.page.problems.join("\n"));
  t.after(() => phone.page.context().close());
  return phone;
}

/** The camera of Firefox in one moment: one colour from side to side. */
const isOneColour = thirds => thirds.every(third => third.every((value, at) => Math.abs(value - thirds[0][at]) < 20));

/** Waits until what a page sees has had two colours: the camera of Firefox is one colour that wanders. */
async function changesColour(phone) {
  const seen = new Set();
  await until("a colour that changes", async () => seen.add(JSON.stringify(await coloursOn(phone))).size > 3, { everyMs: 200 });
}

scene("a page in Firefox calls a number and hears it", async t => {
  const phone = await softphone(t);
  await phone.callAndTalk(STEADY);
  await phone.hears(STEADY_HZ);
  await phone.hangUp();
  await phone.close();
});

scene("a number hears Firefox: its echo comes back", async t => {
  const phone = await softphone(t);
  await phone.callAndTalk(ECHO);
  await phone.hears(FIREFOX_HZ);
  await phone.hold();
  await phone.hearsNothing();
  await phone.hold();
  await phone.hears(FIREFOX_HZ);
  await phone.hangUp();
});

scene("ring-back is heard in Firefox before the answer, and keys reach the far side", async t => {
  const phone = await softphone(t);
  await phone.hearsRingBack(GREETING, RING_BACK_HZ);
  await phone.shows("Connected");
  await phone.hearsKey("5", () => phone.keys("5"));
  await phone.hangUp();
});

scene("Firefox calls Chromium, and both hear each other", async t => {
  const [a, b] = [await softphone(t, firefox, alice), await softphone(t, chromium, bob)];
  await a.call("bob");
  await b.answer();
  await a.shows("Connected");
  await Promise.all([a.hears(CHROMIUM_HZ), b.hears(FIREFOX_HZ)]);
  await a.hangUp();
  await b.shows("Ended: normal");
});

scene("Firefox loses its socket while it rings, and both hear each other once the call is picked up", async t => {
  const [a, b] = [await softphone(t, firefox, { ...alice, url: relayUrl }), await softphone(t, chromium, bob)];
  t.after(() => relay.mend());
  await a.call("bob");
  await b.shows("Incoming call");
  await a.shows("Ringing");
  relay.cut();
  await until("a banner", () => a.page.getByText("Your call is kept").isVisible());
  relay.mend();
  await until("no banner", () => a.page.getByText("Your call is kept").isHidden());
  await b.answer();
  await a.shows("Connected");
  await Promise.all([a.hears(CHROMIUM_HZ), b.hears(FIREFOX_HZ)]);
  await b.hangUp();
});

scene("Chromium calls Firefox, and both hear each other, also after a reload of Firefox", async t => {
  const [a, b] = [await softphone(t, firefox, alice), await softphone(t, chromium, bob)];
  await b.call("alice");
  await a.answer();
  await b.shows("Connected");
  await Promise.all([a.hears(CHROMIUM_HZ), b.hears(FIREFOX_HZ)]);
  await a.reload();
  await a.shows("Connected");
  await Promise.all([a.hears(CHROMIUM_HZ), b.hears(FIREFOX_HZ)]);
  await b.hangUp();
  await a.shows("Ended: normal");
});

scene("Firefox and Chromium talk directly, and Firefox sees Chromium, also when video comes later", async t => {
  const [a, b] = [await softphone(t, firefox, alice), await softphone(t, chromium, bob)];
  await b.callWithVideo("direct-alice");
  await a.shows("Incoming call");
  await a.answer();
  await moves(a);
  await Promise.all([a.hears(CHROMIUM_HZ), b.hears(FIREFOX_HZ)]);
  await a.hangUp();
  await b.shows("Ended: normal");
  await a.call("direct-bob");
  await b.answer();
  await a.shows("Connected");
  await Promise.all([a.hears(CHROMIUM_HZ), b.hears(FIREFOX_HZ)]);
  await b.camera();
  await moves(a);
  await b.camera();
  await until("no pictures", () => a.page.locator("#remote-video").isHidden());
  await Promise.all([a.hears(CHROMIUM_HZ), b.hears(FIREFOX_HZ)]);
  await a.hangUp();
});

scene("Firefox and Chromium see and hear each other through the relay", async t => {
  const [a, b] = [await softphone(t, firefox, alice), await softphone(t, chromium, bob)];
  await a.callWithVideo("bob");
  await b.shows("Incoming call");
  await b.answerWithVideo();
  await a.shows("Connected");
  await Promise.all([a.hears(CHROMIUM_HZ), b.hears(FIREFOX_HZ)]);
  await Promise.all([seesColours(a, isCamera, "Chromium's camera"), changesColour(b)]);
  await a.hangUp();
  await b.shows("Ended: normal");
});

scene("a video phone and Firefox see and hear each other through the relay", async t => {
  const [page, phone] = [await softphone(t, firefox, alice), await desk(t, { ...VIDEO_PHONE, options: ";video_codecs=vp8" })];
  await phone.command("dial", "sip:alice@127.0.0.1");
  await page.shows("Incoming call");
  await page.answerWithVideo();
  await page.hears(PHONE_HZ);
  const eye = await chromium.page("about:blank");
  t.after(() => eye.context().close());
  await seesColours(page, areBars, "the phone's bars");
  await phoneSees(phone, { page: eye }, isOneColour, "the camera of Firefox");
  await phone.command("hangup");
  await page.shows("Ended: normal");
});

scene("a direct call between Firefox and Chromium survives a reload of either, and Firefox is transferred to a number", async t => {
  const [a, b] = [await softphone(t, firefox, alice), await softphone(t, chromium, bob)];
  await a.call("direct-bob");
  await b.answer();
  await a.shows("Connected");
  for (const one of [b, a]) {
    await one.reload();
    await one.shows("Connected");
    await Promise.all([a.hears(CHROMIUM_HZ), b.hears(FIREFOX_HZ)]);
  }
  await b.transfer(ECHO);
  await b.shows("Ended: normal");
  await a.hears(FIREFOX_HZ);
  await a.hangUp();
});

await run();
