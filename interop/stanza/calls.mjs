/** The softphone page and an IM client of stanza: sound and pictures from one to the other. */
import { launchBrowser } from "../lib/browser.mjs";
import { desksOf, hearsTone } from "../lib/desk.mjs";
import { startStanza } from "../lib/stanza.mjs";
import { afterAll, check, run, until } from "../lib/tests.mjs";
import { ROMEO_RELAYED, startWorld, wentDirectly, wentThroughTheRelay } from "../lib/world.mjs";

const PAGE_HZ = 600;
const CLIENT_HZ = 1700;
const DESK_HZ = 1000;
/** How long the desk phone hears a tone at least. */
const HEARD_S = 2;
const FRAMES = 15;
/** Half a second of speech. */
const PACKETS = 25;
/** The number of the demonstration that says back what it hears. */
const ECHO = "+15550105";

const world = await startWorld();
const { scene } = world;
const near = await launchBrowser({ hz: PAGE_HZ });
afterAll(() => near.close());
const far = await launchBrowser({ hz: CLIENT_HZ });
afterAll(() => far.close());

const desk = desksOf(world.gateway, DESK_HZ);

async function client(t, options) {
  const one = await startStanza(far, world.prosody, "romeo", options);
  t.onFailure(() => one.log());
  t.after(() => one.close());
  return one;
}

/** Alice's page and romeo's client. */
const both = (t, options) => Promise.all([world.softphone(t, near), client(t, options)]);

const hearEachOther = (page, im) => Promise.all([page.hears(CLIENT_HZ), im.hears(PAGE_HZ)]);

/** Waits until the page decodes pictures, and goes on doing so. */
async function pageSees(phone) {
  const shown = () => phone.page.evaluate(() => document.querySelector("#remote-video").getVideoPlaybackQuality().totalVideoFrames);
  const before = await shown();
  await until("the page sees the far side", async () => (await shown()) >= before + FRAMES);
}

/** The page calls the client by its full JID, for it knows no proposals. */
async function pageCalls(page, im, { video = false } = {}) {
  await page.number.fill(im.jid);
  await page.button(video ? "Call with video" : "Call").click();
  const call = await im.rings();
  await call.ring();
  await page.shows("Ringing");
  await call.accept({ video });
  await page.shows("Connected");
  return call;
}

scene("a page calls the client directly: both hear each other, and no packet comes to the gateway", async t => {
  const [page, im] = await both(t);
  const [packets, ended] = [await world.countMedia(t), world.nextRecord()];
  const call = await pageCalls(page, im);
  await hearEachOther(page, im);
  await page.hangUp();
  await call.ended();
  await wentDirectly(await ended(), packets);
});

scene("the client calls a page directly: both hear each other, and no packet comes to the gateway", async t => {
  const [page, im] = await both(t);
  const [packets, ended] = [await world.countMedia(t), world.nextRecord()];
  const call = await im.call(`${world.at("alice")}/patchcord`);
  await call.event("ringing");
  await page.answer();
  await call.event("accepted");
  await hearEachOther(page, im);
  await call.hangUp();
  await page.shows("Ended: normal");
  await wentDirectly(await ended(), packets);
});

scene("a page calls the client with video: both see and hear each other, over one transport", async t => {
  const [page, im] = await both(t);
  const [packets, ended] = [await world.countMedia(t), world.nextRecord()];
  const call = await pageCalls(page, im, { video: true });
  await Promise.all([hearEachOther(page, im), call.sees({ frames: FRAMES }), pageSees(page)]);
  check((await call.do("figures")).transports === 1, "sound and pictures are bundled");
  await call.hangUp();
  await page.shows("Ended: normal");
  await wentDirectly(await ended(), packets);
});

scene("the client calls a page with video: both see and hear each other, over one transport", async t => {
  const [page, im] = await both(t);
  const [packets, ended] = [await world.countMedia(t), world.nextRecord()];
  const call = await im.call(`${world.at("alice")}/patchcord`, { video: true });
  await page.shows("Incoming call");
  await page.button("Answer with video").click();
  await page.shows("Connected");
  await Promise.all([hearEachOther(page, im), call.sees({ frames: FRAMES }), pageSees(page)]);
  check((await call.do("figures")).transports === 1, "sound and pictures are bundled");
  await page.hangUp();
  await call.ended();
  await wentDirectly(await ended(), packets);
});

scene("a page answers a call with video by sound alone, and both hear each other", async t => {
  const [page, im] = await both(t);
  await im.call(`${world.at("alice")}/patchcord`, { video: true });
  await page.answer();
  await hearEachOther(page, im);
  await page.hangUp();
});

/** Bob's page, which says the tone of alice's: who hears it when alice's call is over hears bob. */
const another = t => world.softphone(t, near, { user: "bob" });

scene("a page that calls the client directly transfers it to another page, and those two hear each other", async t => {
  const [[page, im], bob] = [await both(t), await another(t)];
  const ended = world.nextRecord();
  const call = await pageCalls(page, im);
  await hearEachOther(page, im);
  await page.transfer("bob");
  await bob.answer();
  const second = await im.rings(2);
  check(second.peer.startsWith("bob@"), `it is called by ${second.peer}`);
  await second.accept();
  await Promise.all([call.ended({ reason: "success" }), page.shows("Ended: normal")]);
  await hearEachOther(bob, im);
  await second.hangUp();
  await bob.shows("Ended: normal");
  const { path, transferred_to } = await ended();
  check(path === "relayed" && transferred_to === "user:bob", `the record says ${path}, ${transferred_to}`);
});

scene("a page that calls the client directly transfers it to a desk phone, and those two hear each other", async t => {
  const [[page, im], phone] = [await both(t), await desk(t)];
  const ended = world.nextRecord();
  const call = await pageCalls(page, im);
  await hearEachOther(page, im);
  await page.transfer("phone");
  await phone.event("CALL_INCOMING");
  await phone.command("accept");
  const second = await im.rings(2);
  await second.accept();
  await Promise.all([call.ended({ reason: "success" }), page.shows("Ended: normal")]);
  await Promise.all([im.hears(DESK_HZ), hearsTone(phone, CLIENT_HZ, HEARD_S)]);
  await second.hangUp();
  await phone.event("CALL_CLOSED");
  const { path, transferred_to } = await ended();
  check(path === "relayed" && transferred_to === "user:phone", `the record says ${path}, ${transferred_to}`);
});

scene("the client calls a page directly, which transfers it to a number that says back what it hears", async t => {
  const [page, im] = await both(t);
  const call = await im.call(`${world.at("alice")}/patchcord`);
  await page.answer();
  await hearEachOther(page, im);
  await page.transfer(ECHO);
  const second = await im.rings();
  await second.accept();
  await Promise.all([call.ended({ reason: "success" }), page.shows("Ended: normal")]);
  await im.hears(CLIENT_HZ);
  await second.hangUp();
});

scene("a client that declines to be transferred talks on directly, as before", async t => {
  const [[page, im], bob] = [await both(t), await another(t)];
  const ended = world.nextRecord();
  const call = await pageCalls(page, im);
  await page.transfer("bob");
  await bob.answer();
  await (await im.rings(2)).reject("decline");
  await until("a sentence", async () => (await page.sentence.textContent()).startsWith("The transfer failed."));
  await bob.shows("Ended: cancelled");
  // The ear of the client is at the second call, in which nobody spoke.
  const heard = async () => (await call.do("figures")).audio;
  const before = await heard();
  await Promise.all([page.hears(CLIENT_HZ), until("the client is sent sound", async () => (await heard()) > before + PACKETS)]);
  await page.hangUp();
  await call.ended();
  const { path } = await ended();
  check(path === "direct", `the record says ${path}`);
});

scene("a client that shows what it can is called by its bare JID, without a proposal", async t => {
  const [page, im] = await both(t, { caps: true });
  await im.showsItselfTo(world.at("alice"));
  await page.call("romeo@localhost");
  const call = await im.rings();
  await call.accept();
  await page.shows("Connected");
  await hearEachOther(page, im);
  await call.hangUp();
  await page.shows("Ended: normal");
});

scene("through the relay both hear each other", async t => {
  const [page, im] = await both(t);
  const [packets, ended] = [await world.countMedia(t), world.nextRecord()];
  await im.showsItselfTo(world.at("alice"));
  await page.call(ROMEO_RELAYED);
  const call = await im.rings();
  await call.accept();
  await page.shows("Connected");
  await hearEachOther(page, im);
  await page.hangUp();
  await call.ended();
  await wentThroughTheRelay(await ended(), packets);
});

scene("through the relay both see and hear each other, over one transport", async t => {
  const [page, im] = await both(t);
  const ended = world.nextRecord();
  await im.showsItselfTo(world.at("alice"));
  await page.callWithVideo(ROMEO_RELAYED);
  const call = await im.rings();
  await call.accept({ video: true });
  await page.shows("Connected");
  await Promise.all([hearEachOther(page, im), call.sees({ frames: FRAMES }), pageSees(page)]);
  check((await call.do("figures")).transports === 1, "sound and pictures are bundled");
  await page.hangUp();
  await call.ended();
  const { path, video } = await ended();
  check(path === "relayed" && video === "VP8", `the record says ${path}, ${video}`);
});

scene("the client declines, gives up and is declined, and each side is told", async t => {
  const [page, im] = await both(t);
  await page.call(im.jid);
  await (await im.rings()).reject("decline");
  await page.shows("Ended: declined");
  const given = await im.call(`${world.at("alice")}/patchcord`);
  await page.shows("Incoming call");
  await given.reject("cancel");
  await page.shows("Ended: cancelled");
  const declined = await im.call(`${world.at("alice")}/patchcord`);
  await page.shows("Incoming call");
  await page.decline();
  await declined.ended({ reason: "decline" });
});

scene("the client holds and comes back, and the page is told and hears it again", async t => {
  const [page, im] = await both(t);
  const call = await pageCalls(page, im);
  await hearEachOther(page, im);
  await call.do("hold");
  await page.shows("On hold");
  await call.do("resume");
  await page.shows("Connected");
  await hearEachOther(page, im);
  await page.hold();
  await call.event("hold");
  await page.hold();
  await call.event("resumed");
  await hearEachOther(page, im);
  await call.do("mute", "initiator");
  await until("the page says so", async () => (await page.sentence.textContent()).includes("muted"));
  await page.hangUp();
});

await run();
