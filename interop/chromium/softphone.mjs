/** The softphone page in Chromium, against the gateway and its demo trunk. */
import path from "node:path";
import { fileURLToPath } from "node:url";
import { launchBrowser } from "../lib/browser.mjs";
import { DIRECT_RULES } from "../lib/direct.mjs";
import { startGateway, USERS } from "../lib/gateway.mjs";
import { cuttableRelay, foreignPage } from "../lib/net.mjs";
import { afterAll, check, run, scenesOf, until } from "../lib/tests.mjs";
import { directScenes } from "./direct.mjs";
import { transferScenes } from "./transfers.mjs";

const NEAR_HZ = 600;
const FAR_HZ = 1700;
const STEADY_HZ = 1000;
const RING_BACK_HZ = [440, 480];
const MAX_FRAMES = 20;
const MAX_BYTES = 10_000;
/** How often a page is loaded that never comes whole. */
const LOADS = 5;

const GREETING = "+15550100";
const BUSY = "+15550101";
const NO_ANSWER = "+15550102";
const DECLINES = "+15550103";
const UNKNOWN = "+15550104";
const ECHO = "+15550105";
const STEADY = "+15550106";
const BRIEF = "+15550107";

let gateway;
const relay = await cuttableRelay(() => gateway.httpPort);
const relayUrl = `http://127.0.0.1:${relay.port}/`;
const listed = await foreignPage("<title>Somebody's shop</title>");
const stranger = await foreignPage("<title>A stranger</title>");
gateway = await startGateway({ origins: [relayUrl.slice(0, -1), listed.origin], toml: DIRECT_RULES });
afterAll(() => gateway.stop());
const near = await launchBrowser({ hz: NEAR_HZ });
afterAll(() => near.close());
const far = await launchBrowser({ hz: FAR_HZ });
afterAll(() => far.close());

const scene = scenesOf(gateway);

/** A page one of whose files never comes; it tries a few times, and longer each time, while other tests run. */
async function pageThatIsNeverWhole() {
  let loads = 0;
  const prepare = async context => {
    await context.route("**/chat.js", route => route.abort());
    context.on("request", request => (loads += Number(request.isNavigationRequest())));
  };
  const page = await near.page(gateway.url, { prepare });
  return { page, loads: () => loads };
}
const neverWhole = pageThatIsNeverWhole();

async function softphone(t, options = {}) {
  const { browser = near, url = gateway.url, ...rest } = options;
  const phone = await browser.softphone(url, rest);
  t.onFailure(async () => `${rest.user ?? "guest"}:\n${await phone.story()}`);
  t.onFailure(() => screenshot(phone, rest.user ?? "guest"));
  t.after(() => phone.page.context().close());
  return phone;
}

async function screenshot(phone, name) {
  if (!process.env.SCREENSHOTS) return "";
  const file = path.join(process.env.SCREENSHOTS, `${name}-${Date.now()}.png`);
  await phone.page.screenshot({ path: file });
  return file;
}

const alice = { user: "alice", password: USERS.alice };
const bob = { user: "bob", password: USERS.bob };

/** Alice and Bob, each in a browser of its own. */
async function twoPeople(t) {
  return Promise.all([softphone(t, alice), softphone(t, { ...bob, browser: far })]);
}

scene("a page calls a number and hears it", async t => {
  const phone = await softphone(t);
  await phone.callAndTalk(STEADY);
  await phone.hears(STEADY_HZ);
  check(/^\d+:\d\d$/.test(await phone.timer.textContent()), "the timer runs");
  await phone.hangUp();
  await phone.close();
});

scene("a number hears the page: its echo comes back", async t => {
  const phone = await softphone(t);
  await phone.callAndTalk(ECHO);
  await phone.hears(NEAR_HZ);
  await phone.hangUp();
});

scene("the echo service gives the page its own voice", async t => {
  const phone = await softphone(t);
  await phone.callAndTalk("echo");
  await phone.hears(NEAR_HZ);
  await phone.hangUp();
});

scene("ring-back of the far side is heard before the answer, and the greeting after", async t => {
  const phone = await softphone(t);
  await phone.hearsRingBack(GREETING, RING_BACK_HZ);
  await phone.shows("Connected");
  const greeting = async () => {
    const { hz, db } = await phone.page.evaluate(() => window.ear.spectrum());
    return db > -55 && RING_BACK_HZ.every(ring => Math.abs(hz - ring) > 12);
  };
  await until("a greeting that is no ring-back", greeting);
  await phone.hangUp();
});

scene("keys pressed in a call are read back as tones", async t => {
  const phone = await softphone(t);
  await phone.callAndTalk(GREETING);
  await phone.hearsKey("5", () => phone.keys("5"));
  for (const key of "8*") await phone.hearsKey(key, () => phone.page.keyboard.press(key));
  check(!phone.frames.log.some(line => line.includes('"dtmf"')), "the keys go as RFC 4733, not over the socket");
  await phone.hangUp();
});

for (const [name, number, end] of [
  ["a busy number ends as busy", BUSY, "Ended: busy"],
  ["a number that declines ends as declined", DECLINES, "Ended: declined"],
  ["a number that does not exist ends as not-found", UNKNOWN, "Ended: not-found"],
  ["a number that nobody may call ends as forbidden", "+19005550100", "Ended: forbidden"],
  ["a user that is nowhere ends as unavailable", "phone", "Ended: unavailable"],
]) {
  scene(name, async t => {
    const phone = await softphone(t);
    await phone.call(number);
    await phone.shows(end);
    check((await phone.sentence.textContent()).length > 5, "a sentence says why");
    await phone.call(STEADY);
    await phone.shows("Connected");
    await phone.hangUp();
  });
}

scene("a caller gives up before the answer", async t => {
  const phone = await softphone(t);
  const ended = gateway.nextRecord();
  await phone.call(NO_ANSWER);
  await phone.shows("Ringing");
  await phone.hangUp("Ended: cancelled");
  const { cause } = await ended();
  check(cause === "cancelled", `the record says ${cause}`);
});

scene("a call that the far side ends is over on the page", async t => {
  const phone = await softphone(t);
  await phone.call(BRIEF);
  await phone.shows("Ended: normal");
  check(phone.frames.log.some(line => line.includes('"accepted"')), "it was answered");
});

scene("a page mutes itself, and the far side hears nothing until it speaks again", async t => {
  const phone = await softphone(t);
  await phone.callAndTalk(ECHO);
  await phone.hears(NEAR_HZ);
  await phone.mute();
  check((await phone.button("Mute").getAttribute("aria-pressed")) === "true", "Mute is pressed");
  await phone.hearsNothing();
  await phone.mute();
  await phone.hears(NEAR_HZ);
  await phone.hangUp();
});

scene("a page puts a number on hold and takes it back, and both hear each other again", async t => {
  const phone = await softphone(t);
  await phone.callAndTalk(ECHO);
  await phone.hears(NEAR_HZ);
  await phone.hold();
  await phone.shows("On hold");
  await phone.hearsNothing();
  await phone.hold();
  await phone.shows("Connected");
  await phone.hears(NEAR_HZ);
  await phone.hangUp();
});

scene("two pages call each other and hear each other", async t => {
  const [a, b] = await twoPeople(t);
  await a.call("bob");
  await b.shows("Incoming call");
  check((await b.page.title()).includes("alice"), "the title says who calls");
  await a.shows("Ringing");
  await b.answer();
  await a.shows("Connected");
  await Promise.all([a.hears(FAR_HZ), b.hears(NEAR_HZ)]);
  await b.hangUp();
  await a.shows("Ended: normal");
});

scene("a page on hold learns of it and is taken back", async t => {
  const [a, b] = await twoPeople(t);
  await a.call("bob");
  await b.answer();
  await a.hears(FAR_HZ);
  await b.hold();
  await a.shows("On hold");
  await a.hearsNothing();
  await b.hold();
  await a.shows("Connected");
  await Promise.all([a.hears(FAR_HZ), b.hears(NEAR_HZ)]);
  await a.hangUp();
  await b.shows("Ended: normal");
});

scene("a page declines a call, and the caller is told so", async t => {
  const [a, b] = await twoPeople(t);
  await a.call("bob");
  await b.shows("Incoming call");
  await b.decline();
  await a.shows("Ended: declined");
  await b.shows("Ended: declined");
});

scene("a page stops ringing when the caller gives up", async t => {
  const [a, b] = await twoPeople(t);
  await a.call("bob");
  await b.shows("Incoming call");
  await a.hangUp("Ended: cancelled");
  await b.shows("Ended: cancelled");
  check(await b.button("Answer").isHidden(), "the panel is gone");
});

scene("two pages of one person ring, and the one that is too late says answered-elsewhere", async t => {
  const [a, b] = await twoPeople(t);
  const other = await softphone(t, { ...bob, browser: far });
  await a.call("bob");
  await Promise.all([b.shows("Incoming call"), other.shows("Incoming call")]);
  await other.answer();
  await b.shows("Ended: answered-elsewhere");
  await Promise.all([a.hears(FAR_HZ), other.hears(NEAR_HZ)]);
  await a.hangUp();
});

scene("a page that is reloaded in the middle of a call has it back, with sound both ways", async t => {
  const phone = await softphone(t);
  await phone.callAndTalk(ECHO);
  await phone.hears(NEAR_HZ);
  await phone.reload();
  await phone.shows("Connected");
  await phone.hears(NEAR_HZ);
  await phone.hangUp();
});

scene("a page that is reloaded while it rings can still answer", async t => {
  const [a, b] = await twoPeople(t);
  await a.call("bob");
  await b.shows("Incoming call");
  await b.reload();
  await b.shows("Incoming call");
  await b.answer();
  await Promise.all([a.hears(FAR_HZ), b.hears(NEAR_HZ)]);
  await a.hangUp();
});

scene("a lost socket comes back, the call goes on meanwhile", async t => {
  const phone = await softphone(t, { url: relayUrl });
  t.after(() => relay.mend());
  const ended = gateway.nextRecord();
  await phone.callAndTalk(ECHO);
  await phone.hears(NEAR_HZ);
  relay.cut();
  await until("a banner", () => phone.page.getByText("Your call is kept").isVisible());
  relay.mend();
  await until("no banner", () => phone.page.getByText("Your call is kept").isHidden());
  await phone.hears(NEAR_HZ);
  await phone.hangUp();
  await ended();
});

scene("a call that ended while the socket was lost is over when it comes back", async t => {
  const [phone, b] = await Promise.all([softphone(t, { ...alice, url: relayUrl }), softphone(t, { ...bob, browser: far })]);
  t.after(() => relay.mend());
  await phone.call("bob");
  await b.answer();
  await phone.shows("Connected");
  relay.cut();
  await until("a banner", () => phone.page.getByText("Your call is kept").isVisible());
  await b.hangUp();
  relay.mend();
  await phone.shows("Ended: normal");
});

scene("another way for the media is found by an ICE restart", async t => {
  const page = await near.page(gateway.url);
  t.after(() => page.context().close());
  await page.evaluate(async number => {
    const { connect } = await import("/patchcord.js");
    window.test = await (await connect()).call(number);
    await new Promise(resolve => window.test.on("state", s => s === "connected" && resolve()));
    await window.test.restartIce();
  }, STEADY);
  const tone = () => page.evaluate(() => window.ear.spectrum());
  await until("the tone", async () => Math.abs((await tone()).hz - STEADY_HZ) < 12);
  const flows = async () => {
    const { you, them } = (await page.evaluate(() => window.test.stats({ gateway: true }))).gateway;
    return you?.packets_in > 0 && them?.packets_in > 0;
  };
  await until("packets flow both ways", flows);
  await page.evaluate(() => window.test.hangup());
});

scene(`a whole call takes at most ${MAX_FRAMES} frames and ${MAX_BYTES} bytes on the socket`, async t => {
  const phone = await softphone(t);
  await phone.callAndTalk(GREETING);
  await phone.hangUp();
  await until("the last word", () => phone.frames.log.some(line => line.includes('"ended"')));
  const { bytes, log } = phone.frames;
  // What the lines are worth is asked every few seconds, however long the call is.
  const frames = log.filter(line => !line.includes('"stats"')).length;
  check(frames <= MAX_FRAMES && bytes <= MAX_BYTES, `${frames} frames, ${bytes} bytes`);
  console.log(`        ${frames} frames, ${bytes} bytes`);
});

scene("a page of five lines calls", async t => {
  const page = await near.page(new URL("dial-hints", gateway.url).href, { bypassCSP: true });
  t.after(() => page.context().close());
  const said = new Promise(resolve => page.on("console", message => message.type() === "log" && resolve(message.text())));
  await page.addScriptTag({ type: "module", path: path.join(path.dirname(fileURLToPath(import.meta.url)), "five-lines.js") });
  check((await said).startsWith("normal "), `the page says how the call ended: ${await said}`);
});

scene("a page of a listed origin calls with the module, and a stranger's does not", async t => {
  const call = ([gateway, to]) =>
    import(`${gateway}patchcord.js`).then(async ({ connect }) => {
      const call = await (await connect()).call(to);
      return new Promise(resolve => call.on("ended", end => resolve(end.cause)));
    });
  for (const [site, expected] of [[listed, "normal"], [stranger, ""]]) {
    const page = await near.page(site.origin);
    t.after(() => page.context().close());
    const cause = await page.evaluate(call, [gateway.url, BRIEF]).catch(() => "");
    check(cause === expected, `${site.origin}: ${cause}`);
  }
});

scene("the page tells a screen reader what it is and passes without a mouse", async t => {
  const phone = await softphone(t);
  const { page } = phone;
  const labelled = await page.evaluate(() => [...document.querySelectorAll("button, input, select")].filter(e => e.checkVisibility() && !(e.labels?.length || e.ariaLabel || e.textContent.trim())).map(e => e.outerHTML));
  check(!labelled.length, `controls without a name: ${labelled.join(" ")}`);
  await page.keyboard.type(STEADY);
  check((await phone.number.inputValue()) === STEADY, "typing begins in the field");
  await page.keyboard.press("Enter");
  await phone.shows("Connected");
  await page.keyboard.press("Escape");
  await phone.shows("Ended: normal");
});

scene("a page that is loaded without one of its files loads itself again, and says what to do when that is in vain", async t => {
  let asked = 0;
  const once = context => context.route("**/tones.js", route => ((asked += 1) === 1 ? route.abort() : route.continue()));
  const phone = await softphone(t, { prepare: once });
  check(asked > 1, `the file was asked for ${asked} times`);
  check((await phone.page.locator("#not-whole").count()) === 0, "all is well, and nothing is said");
  const { page, loads } = await neverWhole;
  t.after(() => page.context().close());
  const sentence = page.locator("#not-whole");
  await until("it says what to do", async () => (await sentence.textContent()).includes("See that this device is connected"));
  check(await sentence.isVisible(), "the sentence is seen");
  // More often only where the browser has dropped the page itself.
  check(loads() >= LOADS, `the page was loaded ${loads()} times`);
  const again = await page.evaluate(() => sessionStorage.getItem("patchcord-loaded-again"));
  check(again === String(LOADS - 1), `it has loaded itself again ${again} times`);
});

directScenes({ scene, gateway, twoPeople });
transferScenes({ scene, gateway, twoPeople, third: softphone, numbers: { echo: ECHO, busy: BUSY } });

await run();
