/**
 * The tests of a SIP client in a browser, whichever library it is made of: it calls and is called by a desk phone, the page
 * and a client of the other library, and both hear each other.
 */
import { launchBrowser } from "./browser.mjs";
import { desksOf, hearsTone } from "./desk.mjs";
import { startGateway } from "./gateway.mjs";
import { afterAll, check, run, scenesOf, until } from "./tests.mjs";
import { testTransfers } from "./transfers.mjs";
import { startWebphone, webphonePage } from "./webphone.mjs";

const NEAR_HZ = 600;
const FAR_HZ = 1700;
const DESK_HZ = 1000;
const HEARD_S = 1.5;
/** Numbers of the demo trunk. */
const GREETING = "+15550100";
const BUSY = "+15550101";
const UNKNOWN = "+15550104";

/**
 * @param {"jssip" | "sipjs"} library @param {"jssip" | "sipjs"} other @param {(scenes: object) => void} more tests
 * @param {object} options of the gateway beside its own
 */
export async function testWebphones(library, other, more = () => {}, options = {}) {
  const origins = [(await webphonePage(library)).origin, (await webphonePage(other)).origin];
  const gateway = await startGateway({ sockets: ["tls", "ws", "wss"], origins, ...options });
  afterAll(() => gateway.stop());
  const near = await launchBrowser({ hz: NEAR_HZ, args: ["--ignore-certificate-errors"] });
  afterAll(() => near.close());
  const far = await launchBrowser({ hz: FAR_HZ });
  afterAll(() => far.close());
  const scene = scenesOf(gateway);
  const desk = desksOf(gateway, DESK_HZ);
  const client = (t, options) => startWebphone(t, near, gateway, library, "alice", options);
  const peer = (t, options) => startWebphone(t, far, gateway, other, "bob", options);

  async function softphone(t) {
    const phone = await far.softphone(gateway.url);
    t.onFailure(() => phone.story());
    t.after(() => phone.page.context().close());
    return phone;
  }

  const nextRecord = () => gateway.nextRecord();

  for (const transport of ["udp", "tls"]) {
    scene(`it calls a desk phone by ${transport}, and both hear each other`, async t => {
      const [phone, web] = [await desk(t, { transport, options: ";answermode=auto" }), await client(t)];
      await web.call("phone");
      await web.event("accepted");
      await Promise.all([web.hears(DESK_HZ), hearsTone(phone, NEAR_HZ, HEARD_S)]);
      await web.hangUp();
      await phone.event("CALL_CLOSED");
    });
  }

  scene("a desk phone calls it, and both hear each other", async t => {
    const [phone, web] = [await desk(t), await client(t)];
    const ended = nextRecord();
    await phone.command("dial", `sip:alice@${gateway.sip}`);
    await web.answer();
    await phone.event("CALL_ESTABLISHED");
    await Promise.all([web.hears(DESK_HZ), hearsTone(phone, NEAR_HZ, HEARD_S)]);
    await phone.command("hangup");
    await web.event("ended");
    const { media } = await ended();
    check(media.some(m => /dtls/i.test(m.seal)), `the record says ${JSON.stringify(media.map(m => m.seal))}`);
  });

  scene("it calls the page, and both hear each other", async t => {
    const [page, web] = [await softphone(t), await client(t)];
    await web.call("web");
    await page.answer();
    await web.event("accepted");
    await Promise.all([web.hears(FAR_HZ), page.hears(NEAR_HZ)]);
    await page.hangUp();
    await web.event("ended");
  });

  scene("the page calls it, and both hear each other, also after a hold", async t => {
    const [page, web] = [await softphone(t), await client(t)];
    await page.call("alice");
    await web.answer();
    await page.shows("Connected");
    await Promise.all([web.hears(FAR_HZ), page.hears(NEAR_HZ)]);
    await web.do("hold");
    await page.shows("On hold");
    await web.do("unhold");
    await page.shows("Connected");
    await Promise.all([web.hears(FAR_HZ), page.hears(NEAR_HZ)]);
    await web.hangUp();
    await page.shows("Ended: normal");
  });

  scene("by a secure WebSocket it calls the page, and both hear each other", async t => {
    const [page, web] = [await softphone(t), await client(t, { secure: true })];
    await web.call("web");
    await page.answer();
    await web.event("accepted");
    await Promise.all([web.hears(FAR_HZ), page.hears(NEAR_HZ)]);
    await web.hangUp();
    await page.shows("Ended: normal");
  });

  scene("it calls the page with video, and both see and hear each other", async t => {
    const [page, web] = [await softphone(t), await client(t, { video: true })];
    const ended = nextRecord();
    await web.call("web");
    await page.shows("Incoming call");
    await page.answerWithVideo();
    await web.event("accepted");
    await Promise.all([web.hears(FAR_HZ), page.hears(NEAR_HZ), web.sees()]);
    await page.hangUp();
    await web.event("ended");
    const { video } = await ended();
    check(video === "VP8", `the record says ${video}`);
  });

  scene(`it calls a client of ${other}, and both hear each other`, async t => {
    const [web, theirs] = [await client(t), await peer(t)];
    await web.call("bob");
    await theirs.answer();
    await web.event("accepted");
    await Promise.all([web.hears(FAR_HZ), theirs.hears(NEAR_HZ)]);
    await theirs.hangUp();
    await web.event("ended");
  });

  scene("a number of the telephone network is heard, and hears its keys", async t => {
    const web = await client(t);
    await web.call(GREETING);
    await web.event("accepted");
    const mark = gateway.mark();
    await web.do("press", "7");
    await until("the key arrives", () => /dtmf/i.test(gateway.logSince(mark, Infinity)));
    await web.hangUp();
    await web.event("ended");
  });

  scene("it is told that a number is busy, and that there is none", async t => {
    const web = await client(t);
    await web.call(BUSY);
    check((await web.event("failed")).status === 486, "busy");
    await web.call(UNKNOWN);
    check((await web.event("failed", { nth: 2 })).status === 404, "no such number");
  });

  scene("one that has gone is not rung, and one that comes back is", async t => {
    const [page, first] = [await softphone(t), await client(t)];
    await first.page.context().close();
    await page.call("alice");
    await page.shows("Ended: unavailable");
    const again = await client(t);
    await page.call("alice");
    await again.answer();
    await page.shows("Connected");
    await page.hears(NEAR_HZ);
    await page.hangUp();
  });

  const tones = { near: NEAR_HZ, far: FAR_HZ, desk: DESK_HZ };
  testTransfers({ scene, desk, client, peer, softphone, nextRecord, tones });
  more({ scene, gateway, client, desk, softphone, near, far, tones });
  await run();
}
