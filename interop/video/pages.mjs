/** Two pages that see each other through the relay, and a script that asks one of them for whole pictures by INFO. */
import { launchBrowser } from "../lib/browser.mjs";
import { startGateway, USERS } from "../lib/gateway.mjs";
import { decodes, figuresOf, filmed, isCamera, sees, watchConnections } from "../lib/pictures.mjs";
import { afterAll, check, run, scenesOf, until } from "../lib/tests.mjs";
import { VideoTelephone } from "./telephone.mjs";

const NEAR_HZ = 600;
const FAR_HZ = 1700;
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
  t.onFailure(() => `${user}:\n${phone.frames.log.join("\n")}`);
  t.after(() => phone.page.context().close());
  return phone;
}

const both = t => Promise.all([softphone(t, near, "alice"), softphone(t, far, "bob")]);
const hearEachOther = (a, b) => Promise.all([a.hears(FAR_HZ), b.hears(NEAR_HZ)]);
const seeEachOther = (a, b) => Promise.all([a, b].map(phone => sees(phone, isCamera, "a camera").then(() => decodes(phone))));

scene("two pages see and hear each other through the relay", async t => {
  const [a, b] = await both(t);
  await a.callWithVideo("relayed-bob");
  await b.shows("Incoming call");
  await b.answerWithVideo();
  await a.shows("Connected");
  await hearEachOther(a, b);
  await seeEachOther(a, b);
  const way = await a.page.locator("#path").textContent();
  check(way.includes("through the gateway"), `the page says which way: ${way}`);
  await b.hangUp();
  await a.shows("Ended: normal");
  check(await a.page.locator("#stage").isHidden(), "the pictures are gone");
  const record = await until("a record", () => gateway.callRecords().at(-1));
  filmed(record, "VP8");
  for (const { side, video } of record.media) {
    check(video?.packets_in > 20 && video?.packets_out > 20, `the ${side}'s pictures: ${JSON.stringify(video)}`);
  }
});

scene("pictures begin and end in a relayed call, from either side", async t => {
  const [a, b] = await both(t);
  await a.call("relayed-bob");
  await b.shows("Incoming call");
  await b.answer();
  await a.shows("Connected");
  await a.camera();
  await sees(b, isCamera, "the caller's camera");
  await b.camera();
  await sees(a, isCamera, "the callee's camera");
  await a.camera();
  await until("no pictures of the caller", () => b.page.locator("#remote-video").isHidden());
  await a.camera();
  await sees(b, isCamera, "the caller's camera again");
  await hearEachOther(a, b);
  await a.hold();
  await a.hold();
  await hearEachOther(a, b);
  await seeEachOther(a, b);
  await a.hangUp();
});

scene("who asks for a whole picture by INFO gets one from the page", async t => {
  const page = await softphone(t, near, "alice");
  const rings = script.rings();
  await page.callWithVideo("film");
  const line = await rings;
  t.onFailure(() => line.log.join("\n"));
  await line.answers();
  await page.shows("Connected");
  await until("pictures come to the script", () => line.pictures > 30, { ms: 15_000 });
  const before = await figuresOf(page);
  const status = await line.asksForWholePicture();
  check(status === 200, `the INFO got ${status}`);
  await until("a key frame goes out", async () => (await figuresOf(page)).keyFramesSent > before.keyFramesSent, { ms: 5_000 });
  check((await figuresOf(page)).wished > before.wished, "the page was asked by RTCP");
  await page.hangUp();
});

await run();
