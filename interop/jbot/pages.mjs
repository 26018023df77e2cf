/** IM accounts and the softphone page in Chromium: media from one to the other, and through the relay. */
import { launchBrowser } from "../lib/browser.mjs";
import { PATIENCE_MS, afterAll, check, pause, run, until } from "../lib/tests.mjs";
import { ALICE_RELAYED, JULIET_BRIEFLY, ROMEO_DIRECTLY, ROMEO_RELAYED, startWorld, wentDirectly, wentThroughTheRelay } from "../lib/world.mjs";

const BOT_HZ = 880;
const PAGE_HZ = 600;
const TALK_MS = 1_500;
const ROMEO = "romeo@localhost";

const world = await startWorld();
const { scene } = world;
const browser = await launchBrowser({ hz: PAGE_HZ });
afterAll(() => browser.close());

/** Alice's page and romeo's client. */
async function both(t, options = {}) {
  return Promise.all([world.softphone(t, browser), world.jbot(t, "romeo", { hz: BOT_HZ, ...options })]);
}

const hearEachOther = (page, call) => Promise.all([page.hears(BOT_HZ), call.hears(PAGE_HZ)]);

/** A call of the page that the client has picked up. */
async function pageCalls(page, bot, to = ROMEO) {
  const mark = bot.mark();
  await page.call(to);
  const call = await bot.rings({}, { from: mark });
  call.ring();
  await page.shows("Ringing");
  call.accept();
  await page.shows("Connected");
  await call.up();
  return call;
}

/** A call of the client that the page has picked up. */
async function botCalls(page, bot, user = "alice") {
  const call = bot.call(world.at(user));
  await page.shows("Incoming call");
  await page.answer();
  await call.up();
  return call;
}

scene("a page calls an account directly: both hear each other, and no packet comes to the gateway", async t => {
  const [page, bot] = await both(t);
  const [packets, ended] = [await world.countMedia(t), world.nextRecord()];
  const call = await pageCalls(page, bot);
  await hearEachOther(page, call);
  await page.goes("directly");
  await pause(TALK_MS);
  call.hangUp();
  await page.shows("Ended: normal");
  await wentDirectly(await ended(), packets);
});

scene("an account calls a page directly: both hear each other, and no packet comes to the gateway", async t => {
  const [page, bot] = await both(t);
  const [packets, ended] = [await world.countMedia(t), world.nextRecord()];
  const call = await botCalls(page, bot);
  await hearEachOther(page, call);
  await page.goes("directly");
  await pause(TALK_MS);
  await page.hangUp();
  await call.ended({ by: "peer", how: "terminate", reason: "success" });
  await wentDirectly(await ended(), packets);
});

scene("a page calls an account through the relay, and both hear each other", async t => {
  const [page, bot] = await both(t);
  const [packets, ended] = [await world.countMedia(t), world.nextRecord()];
  const call = await pageCalls(page, bot, ROMEO_RELAYED);
  await hearEachOther(page, call);
  await page.goes("through the gateway");
  await page.hangUp();
  await call.ended({ by: "peer" });
  await wentThroughTheRelay(await ended(), packets);
});

scene("an account calls a page through the relay, and both hear each other", async t => {
  const [page, bot] = await both(t);
  const [packets, ended] = [await world.countMedia(t), world.nextRecord()];
  const call = await botCalls(page, bot, ALICE_RELAYED);
  await hearEachOther(page, call);
  call.hangUp();
  await page.shows("Ended: normal");
  await wentThroughTheRelay(await ended(), packets);
});

scene("a client that trickles and one without message initiation are called and call directly", async t => {
  const page = await world.softphone(t, browser);
  const trickler = await world.jbot(t, "romeo", { hz: BOT_HZ, args: ["--trickle", "--no-jmi"] });
  const packets = await world.countMedia(t);
  await page.call(ROMEO_DIRECTLY);
  const called = await trickler.isInitiated();
  called.ring();
  await page.shows("Ringing");
  called.accept();
  await page.shows("Connected");
  await hearEachOther(page, called);
  await page.hangUp();
  await called.ended({ by: "peer" });
  const calls = trickler.call(`${world.at("alice")}/patchcord`, { direct: true });
  await page.answer();
  await hearEachOther(page, calls);
  calls.hangUp();
  await page.shows("Ended: normal");
  const { count, last } = await packets();
  check(count === 0, `${count} packets came to the gateway:${last}`);
});

for (const [reason, end] of [["decline", "Ended: declined"], ["busy", "Ended: busy"]]) {
  scene(`an account that answers a proposal with ${reason} is shown so`, async t => {
    const [page, bot] = await both(t);
    await page.call(ROMEO);
    (await bot.rings()).reject(reason);
    await page.shows(end);
    check((await page.sentence.textContent()).length > 5, "a sentence says why");
  });
}

scene("an account that ends the session with busy before it picks up is shown so", async t => {
  const [page, bot] = await both(t);
  await page.call(ROMEO);
  (await bot.rings()).accept("busy");
  await page.shows("Ended: busy");
});

scene("a page that declines tells the account so", async t => {
  const [page, bot] = await both(t);
  const call = bot.call(world.at("alice"));
  await page.shows("Incoming call");
  await page.decline();
  const end = await call.ended({ by: "peer" });
  check(end.reason === "decline", `it ends with ${end.how} ${end.reason}`);
});

scene("a page that gives up takes the proposal back, and the account stops ringing", async t => {
  const [page, bot] = await both(t);
  await page.call(ROMEO);
  const call = await bot.rings();
  call.ring();
  await page.shows("Ringing");
  await page.hangUp("Ended: cancelled");
  await call.ended({ by: "peer", how: "retract" });
});

scene("an account that gives up stops the page from ringing", async t => {
  const [page, bot] = await both(t);
  const call = bot.call(world.at("alice"));
  await page.shows("Incoming call");
  call.hangUp("cancel");
  await page.shows("Ended: cancelled");
});

scene("an account where nobody comes is given up after its time", async t => {
  const page = await world.softphone(t, browser);
  const bot = await world.jbot(t, "juliet");
  await page.call(JULIET_BRIEFLY);
  const call = await bot.rings();
  call.ring();
  await page.shows("Ended: no-answer");
  await call.ended({ by: "peer", how: "retract" });
});

scene("a call to an account that is offline ends with words", async t => {
  const page = await world.softphone(t, browser);
  await page.call(JULIET_BRIEFLY);
  await until("its end", async () => /^Ended: (no-answer|unavailable)$/.test(await page.status.textContent()));
  check((await page.sentence.textContent()).length > 5, "a sentence says why");
});

scene("a call to an account that does not exist ends with words", async t => {
  const page = await world.softphone(t, browser);
  await page.call("nobody@localhost");
  await until("its end", async () => /^Ended: (not-found|unavailable)$/.test(await page.status.textContent()));
  check((await page.sentence.textContent()).length > 5, "a sentence says why");
});

scene("a proposal that was delayed on the way rings for nobody", async t => {
  const [page, bot] = await both(t);
  bot.call(world.at("alice"), { delay: "2020-01-01T00:00:00Z" });
  // What comes after it on the same way rings, and that is all that does.
  const call = bot.call(world.at("alice"));
  await page.shows("Incoming call");
  const rung = page.frames.log.filter(line => line.includes('"incoming"'));
  check(rung.length === 1, `it rings ${rung.length} times`);
  call.hangUp("cancel");
  await page.shows("Ended: cancelled");
});

scene("several clients of an account ring, and the first to answer has the call", async t => {
  const [page, bot] = await both(t);
  const other = await world.jbot(t, "romeo", { hz: 1_300, resource: "other" });
  await page.call(ROMEO);
  const [first, second] = await Promise.all([bot.rings(), other.rings()]);
  second.accept();
  await page.shows("Connected");
  await page.hears(1_300);
  check(!bot.events().some(e => e.event === "up"), "the other has no session");
  await page.hangUp();
  await second.ended({ by: "peer" });
  check(first.sid === second.sid, "it was one proposal");
});

scene("an account that holds and mutes is shown so, and heard again after", async t => {
  const [page, bot] = await both(t);
  const call = await pageCalls(page, bot);
  await hearEachOther(page, call);
  call.hold();
  await page.shows("On hold");
  await page.hearsNothing();
  call.hold(false);
  await page.shows("Connected");
  await page.hears(BOT_HZ);
  call.mute();
  await until("the page says so", async () => (await page.sentence.textContent()).includes("muted"));
  call.mute(false);
  await until("and says no more", async () => !(await page.sentence.textContent()).includes("muted"));
  call.hangUp();
});

scene("a page that holds and mutes tells the account so, which hears it again after", async t => {
  const [page, bot] = await both(t);
  const call = await botCalls(page, bot);
  await hearEachOther(page, call);
  await page.hold();
  await call.event("jingle", { words: ["hold"] });
  await call.hearsNothing();
  await page.hold();
  await call.event("jingle", { words: ["active"] });
  await hearEachOther(page, call);
  await page.mute();
  await call.event("jingle", { words: ["mute"] });
  await call.hearsNothing();
  await page.mute();
  await call.event("jingle", { words: ["unmute"] });
  await hearEachOther(page, call);
  await page.hangUp();
});

scene("a direct call goes on while the XMPP server is away, and hanging up works when it is back", async t => {
  const [page, bot] = await both(t);
  const ended = world.nextRecord();
  const call = await pageCalls(page, bot);
  await hearEachOther(page, call);
  const mark = bot.mark();
  await world.prosody.restart({ awayMs: 1_500 });
  await hearEachOther(page, call);
  await bot.event("online", {}, PATIENCE_MS, mark);
  await world.isJoined();
  await page.hangUp();
  await call.ended({ by: "peer", how: "terminate" });
  check((await ended()).cause === "normal", "the record says that somebody hung up");
});

await run();
