/** Two pages that see each other through the relay, and a script that asks one of them for whole pictures by INFO. */
import { launchBrowser } from "../lib/browser.mjs";
import { filmScenes } from "../lib/film.mjs";
import { startGateway, USERS } from "../lib/gateway.mjs";
import { extensionsOf, Network, networkOf } from "../lib/network.mjs";
import { decodes, figuresOf, filmed, isCamera, sees, watchConnections } from "../lib/pictures.mjs";
import { afterAll, check, pause, run, scenesOf, until } from "../lib/tests.mjs";
import { VideoTelephone } from "./telephone.mjs";

const NEAR_HZ = 600;
const FAR_HZ = 1700;
/** What a page is to take a wide network for at least, and send: its camera wants 470 000 where the machine has time. */
const WIDE = 300_000;
const SENDS = 150_000;
const NARROW_KBPS = 250;
/** libwebrtc says no estimate of what it sees before it has seen it for five seconds; wrong ones fall for four more. */
const ESTIMATES_BEGIN_MS = 8_000;
const RATE_MS = 1_000;
const RATES_MS = 60_000;
const RELAYED = `
[[rule]]
when = { entry = "user", to = "relayed-bob" }
dial = "user:bob"
media = "relay"
`;

const script = await new VideoTelephone().open();
afterAll(() => script.close());
const trunk = `[[trunk]]\nname = "film"\naddress = "127.0.0.1:${script.port}"\nvideo = true\n[[rule]]\nwhen = { entry = "user", to = "film" }\ndial = "trunk:film"\n`;
const gateway = await startGateway({ guest: null, toml: RELAYED + trunk });
afterAll(() => gateway.stop());
const near = await launchBrowser({ hz: NEAR_HZ });
afterAll(() => near.close());
const far = await launchBrowser({ hz: FAR_HZ });
afterAll(() => far.close());
const scene = scenesOf(gateway);

async function softphone(t, browser, user) {
  const phone = await browser.softphone(gateway.url, { user, password: USERS[user] });
  await phone.page.evaluate(watchConnections);
  t.onFailure(async () => `${user}:\n${await phone.story()}`);
  t.after(() => phone.page.context().close());
  return phone;
}

/** Waits for the record of the talk that began last. */
let ended;

async function talk(t, { video = false, prepare } = {}) {
  ended = gateway.nextRecord();
  const [a, b] = await Promise.all([softphone(t, near, "alice"), softphone(t, far, "bob")]);
  await prepare?.(a.page);
  await (video ? a.callWithVideo("relayed-bob") : a.call("relayed-bob"));
  await b.shows("Incoming call");
  await (video ? b.answerWithVideo() : b.answer());
  await a.shows("Connected");
  return [a, b];
}

filmScenes({
  scene,
  way: "through the relay",
  talk,
  hear: (a, b) => Promise.all([a.hears(FAR_HZ), b.hears(NEAR_HZ)]),
  sees: phone => sees(phone, isCamera, "the other's camera").then(() => decodes(phone)),
  meanwhile: a => a.goes("through the gateway"),
  after: async () => {
    const record = await ended();
    filmed(record, "VP8");
    for (const { side, video } of record.media) {
      check(video?.packets_in > 20 && video?.packets_out > 20, `the ${side}'s pictures: ${JSON.stringify(video)}`);
    }
  },
});

scene("a page sees itself in a mirror behind a network that loses one packet in ten each way", async t => {
  const page = await softphone(t, near, "alice");
  const record = gateway.nextRecord();
  const rings = script.rings();
  await page.callWithVideo("film");
  const line = await rings;
  t.onFailure(() => line.log.join("\n"));
  await line.answers({ mirrors: true });
  await page.shows("Connected");
  await sees(page, isCamera, "its own camera");
  await until("packets are sent again both ways", () => line.mirror.healed > 15 && line.mirror.again > 15);
  await decodes(page);
  await page.hangUp();
  const { media } = await record();
  const trunk = media.find(leg => leg.side === "callee").video;
  check(trunk.sent_again >= line.mirror.healed, `sent to the mirror again: ${JSON.stringify(trunk)}`);
  check(trunk.asked_again >= line.mirror.again, `asked of the mirror again: ${JSON.stringify(trunk)}`);
  // Without what is sent again each loss would want one; where the machine stands still, packets are lost that nobody dropped.
  const most = Math.max(8, (line.mirror.healed + line.mirror.again) / 3);
  check(trunk.refreshes_asked < most, `whole pictures asked for: ${JSON.stringify(trunk)}`);
});

scene("a camera that is opened while the telephone offers something itself (491) is shown without another press", async t => {
  const page = await softphone(t, near, "alice");
  const rings = script.rings();
  await page.call("film");
  const line = await rings;
  t.onFailure(() => line.log.join("\n"));
  line.meets = 1;
  await line.answers();
  await page.shows("Connected");
  await page.camera();
  await until("pictures come to the script", () => line.pictures > 30);
  check(line.changes === 2, `${line.changes} offers came`);
  await page.hangUp();
});

scene("who asks for a whole picture by INFO gets one from the page", async t => {
  const page = await softphone(t, near, "alice");
  const rings = script.rings();
  await page.callWithVideo("film");
  const line = await rings;
  t.onFailure(() => line.log.join("\n"));
  await line.answers();
  await page.shows("Connected");
  await until("pictures come to the script", () => line.pictures > 30);
  const before = await figuresOf(page);
  const status = await line.asksForWholePicture();
  check(status === 200, `the INFO got ${status}`);
  await until("a key frame goes out", async () => (await figuresOf(page)).keyFramesSent > before.keyFramesSent);
  await until("the page was asked by RTCP", async () => (await figuresOf(page)).wished > before.wished);
  await page.hangUp();
});

/** The bits a second of pictures that a page sends, and what it takes its network for. */
async function rateOf(phone, note) {
  const before = await networkOf(phone);
  await pause(RATE_MS);
  const after = await networkOf(phone);
  const sends = (8000 * (after.octets - before.octets)) / (after.at - before.at);
  note.push(`${phone === note.first ? "near" : "far"}: takes ${Math.round(after.takes)}, sends ${Math.round(sends)}`);
  return { takes: after.takes, sends };
}

scene("two pages find out by transport-cc and by estimates what their networks take: much, and less when one becomes narrow", async t => {
  const network = await new Network().open();
  t.after(() => network.close());
  const [a, b] = await talk(t, { video: true, prepare: page => network.leads(page) });
  await Promise.all([a, b].map(phone => sees(phone, isCamera, "the other's camera")));
  for (const phone of [a, b]) {
    const names = await extensionsOf(phone);
    check(names.some(name => name.includes("transport-wide-cc")) && names.includes("abs-send-time"), `agreed on: ${names}`);
  }
  const seen = Object.assign([], { first: a });
  t.onFailure(() => seen.join("\n"));
  /** Each of them at some time: where the machine stands still, an estimate falls, and rises again by and by. */
  const both = (what, is) =>
    Promise.all([a, b].map(phone => until(what, async () => is(await rateOf(phone, seen)), { ms: RATES_MS, everyMs: 0 })));
  await pause(ESTIMATES_BEGIN_MS);
  await both("it sends as much as the network takes", ({ takes, sends }) => takes > WIDE && sends > SENDS);
  network.narrows(NARROW_KBPS);
  await both("it knows that it is narrow", ({ takes }) => takes < 1300 * NARROW_KBPS);
  await Promise.all([a, b].map(phone => decodes(phone)));
  await a.hangUp();
});

await run();
