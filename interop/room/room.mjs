/** A page and two telephones in a conference room: they hear each other, and the page shows who is there. */
import fs from "node:fs";
import { launchBrowser } from "../lib/browser.mjs";
import { startGateway, USERS } from "../lib/gateway.mjs";
import { freePort } from "../lib/net.mjs";
import { afterAll, check, run, scenesOf, until } from "../lib/tests.mjs";
import { Focus, Member, REFUSED_HZ } from "./focus.mjs";

const PAGE_HZ = 600;
const ANN_HZ = 1000;
const BOB_HZ = 1700;
const CAT_HZ = 2300;
/** So long that no number in a log has it by chance. */
const PIN = "7351924683";
const WRONG = "9264185307";

const port = await freePort();
const gateway = await startGateway({
  toml: `
[[trunk]]
name = "rooms"
free = true
address = "127.0.0.1:${port}"
[[rule]]
when = { entry = "user", to = "600" }
dial = "trunk:rooms"
`,
});
afterAll(() => gateway.stop());
const browser = await launchBrowser({ hz: PAGE_HZ });
afterAll(() => browser.close());
const scene = scenesOf(gateway);

/** The room, the page of alice outside of it, and telephones in it. */
async function room(t, members) {
  const focus = await new Focus(PIN).open(port);
  t.after(() => focus.close());
  const page = await browser.softphone(gateway.url, { user: "alice", password: USERS.alice });
  t.onFailure(() => page.story());
  t.after(() => page.page.context().close());
  const join = async (name, hz) => {
    const member = new Member(name, hz);
    t.after(() => member.leave());
    await member.join(port, PIN);
    await until(`${name} is in`, () => focus.leg(name)?.in);
    return member;
  };
  const inside = [];
  for (const [name, hz] of members) inside.push(await join(name, hz));
  return { focus, page, join, inside };
}

/** Waits until the page lists exactly these: a name and what is said of it. */
async function lists(page, expected) {
  let seen = [];
  const is = async () => {
    seen = await page.page.locator("#room").getByRole("listitem").allTextContents();
    return JSON.stringify(seen) === JSON.stringify(expected);
  };
  await until("the list", is).catch(() => {
    throw new Error(`the page lists ${JSON.stringify(seen)}, not ${JSON.stringify(expected)}`);
  });
}

const hears = (member, hz) => until(`${member.name} hears ${hz} Hz`, () => member.rtp.hears(hz) > 0.2);
const hearsNot = (member, hz) => until(`${member.name} does not hear ${hz} Hz`, () => member.rtp.hears(hz) < 0.02);

scene("three in a room hear each other, and the page shows who comes, mutes and leaves", async t => {
  const { focus, page, join, inside } = await room(t, [["ann", ANN_HZ], ["bob", BOB_HZ]]);
  const [ann, bob] = inside;
  await page.callAndTalk(`600,,${PIN}#`);
  await until("the PIN lets the page in", () => focus.leg("alice")?.in);
  await lists(page, ["ann speaking", "bob speaking", "alice you, speaking"]);
  check((await page.page.locator("#room-head").textContent()) === "The room of tests (3)", "the room has its name");
  await page.hearsTogether([ANN_HZ, BOB_HZ]);
  await Promise.all([hears(ann, PAGE_HZ), hears(ann, BOB_HZ), hears(bob, PAGE_HZ), hears(bob, ANN_HZ), hearsNot(bob, BOB_HZ)]);
  focus.mute("bob");
  await lists(page, ["ann speaking", "bob muted", "alice you, speaking"]);
  await page.hears(ANN_HZ);
  await hearsNot(ann, BOB_HZ);
  focus.mute("bob", false);
  ann.leave();
  await lists(page, ["bob speaking", "alice you, speaking"]);
  await page.hears(BOB_HZ);
  await join("cat", CAT_HZ);
  await lists(page, ["bob speaking", "alice you, speaking", "cat speaking"]);
  await page.hearsTogether([BOB_HZ, CAT_HZ]);
  check((await page.page.locator("#peer").textContent()) === "600", "the page does not show the PIN");
  await page.hangUp();
  await until("the subscription ends with the call", () => focus.ended === 1 && !focus.leg("alice"));
  check(!(await page.page.locator("#room").isVisible()), "the list is gone with the call");
});

scene("a page that leaves and comes back is told again who is there", async t => {
  const { page } = await room(t, [["ann", ANN_HZ]]);
  for (let times = 0; times < 2; times++) {
    await page.callAndTalk(`600,${PIN}#`);
    await until("the list", async () => (await page.page.locator("#room").getByRole("listitem").count()) === 2);
    await page.hears(ANN_HZ);
    await page.hangUp();
  }
});

scene("a wrong PIN lets nobody in, and shows nobody", async t => {
  const { focus, page } = await room(t, [["ann", ANN_HZ]]);
  await page.callAndTalk(`600,,${WRONG}#`);
  await until("the PIN is refused", () => focus.leg("alice")?.refused);
  await page.hears(REFUSED_HZ);
  check(!(await page.page.locator("#room").isVisible()), "the page shows who is in the room");
  await page.hangUp();
});

scene("no PIN stands in any log or record of the gateway", async () => {
  const log = gateway.logSince(0, Infinity);
  check(log.includes("presses the keys"), "the log tells of the calls");
  const records = fs.readFileSync(gateway.records, "utf8");
  check(records.includes('"600"'), "the records tell of the calls");
  for (const pin of [PIN, WRONG]) check(!log.includes(pin) && !records.includes(pin), "a PIN was written down");
  // One key in a line of its own would be a PIN as well.
  check(!/digit[=: ]+'?[0-9]/.test(log), "a single key was written down");
});

await run();
