/** JsSIP in Chromium and a scripted IM client call each other through the gateway. */
import { launchBrowser } from "../lib/browser.mjs";
import { afterAll, run } from "../lib/tests.mjs";
import { startWebphone, webphonePage } from "../lib/webphone.mjs";
import { ROMEO_RELAYED, startWorld } from "../lib/world.mjs";

const WEB_HZ = 600;
const BOT_HZ = 880;

const { origin } = await webphonePage("jssip");
const world = await startWorld({ options: { sockets: ["ws"], origins: [origin] } });
const { scene } = world;
const browser = await launchBrowser({ hz: WEB_HZ });
afterAll(() => browser.close());

const both = async t => [await world.jbot(t, "romeo", { hz: BOT_HZ }), await startWebphone(t, browser, world.gateway, "jssip", "alice")];

scene("JsSIP calls an account, and both hear each other", async t => {
  const [bot, web] = await both(t);
  await web.call(ROMEO_RELAYED);
  const call = await bot.rings();
  call.ring();
  await web.event("progress");
  call.accept();
  await web.event("accepted");
  await call.up();
  await Promise.all([call.hears(WEB_HZ), web.hears(BOT_HZ)]);
  await web.hangUp();
  await call.ended({ by: "peer", how: "terminate", reason: "success" });
});

scene("an account calls JsSIP, and both hear each other", async t => {
  const [bot, web] = await both(t);
  const call = bot.call(world.at("alice"));
  await web.answer();
  await call.up();
  await Promise.all([call.hears(WEB_HZ), web.hears(BOT_HZ)]);
  call.hangUp();
  await web.event("ended");
});

await run();
