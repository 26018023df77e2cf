/** An IM account with a camera, the softphone page and a video telephone see each other through the relay. */
import { launchBrowser } from "../lib/browser.mjs";
import { desksOf } from "../lib/desk.mjs";
import { areBars, areBarsOfClient, filmed, isCamera, phoneSees, sees, VIDEO_PHONE } from "../lib/pictures.mjs";
import { afterAll, run } from "../lib/tests.mjs";
import { ALICE_RELAYED, ROMEO_RELAYED, startWorld } from "../lib/world.mjs";

const BOT_HZ = 880;
const PAGE_HZ = 600;
const DESK_HZ = 1000;
const FILM = { media: ["audio", "video"] };

const world = await startWorld();
const { scene } = world;
const browser = await launchBrowser({ hz: PAGE_HZ });
afterAll(() => browser.close());
const desk = desksOf(world.gateway, DESK_HZ);

const both = t => Promise.all([world.softphone(t, browser), filming(t)]);
const filming = t => world.jbot(t, "romeo", { hz: BOT_HZ, args: ["--video"] });
const filmPhone = (t, auto = "") => desk(t, { ...VIDEO_PHONE, options: `${auto};video_codecs=vp8` });

const pageAndClient = (page, call) =>
  Promise.all([page.hears(BOT_HZ), call.hears(PAGE_HZ), sees(page, areBarsOfClient, "the client's bars"), call.sees(isCamera, "the page's camera")]);

/** A page that shows nothing decodes the telephone's snapshots. */
const phoneAndClient = (phone, eye, call) =>
  Promise.all([call.hears(DESK_HZ), call.sees(areBars, "the phone's bars"), phoneSees(phone, eye, areBarsOfClient, "the client's bars")]);

scene("a page calls an account with its camera: both see and hear each other", async t => {
  const [page, bot] = await both(t);
  const [mark, ended] = [bot.mark(), world.nextRecord()];
  await page.callWithVideo(ROMEO_RELAYED);
  const call = await bot.rings({}, { from: mark });
  call.accept();
  await page.shows("Connected");
  await call.up();
  await pageAndClient(page, call);
  await page.hangUp();
  filmed(await ended(), "VP8");
});

scene("an account calls a page with its camera: both see and hear each other", async t => {
  const [page, bot] = await both(t);
  const ended = world.nextRecord();
  const call = bot.call(world.at(ALICE_RELAYED), FILM);
  await page.answerWithVideo();
  await call.up();
  await pageAndClient(page, call);
  call.hangUp();
  filmed(await ended(), "VP8");
});

scene("an account calls a video telephone: both see each other", async t => {
  const [eye, bot, phone] = [await world.softphone(t, browser), await filming(t), await filmPhone(t, ";answermode=auto")];
  const ended = world.nextRecord();
  const call = bot.call(world.at("phone"), FILM);
  await call.up();
  await phoneAndClient(phone, eye, call);
  call.hangUp();
  filmed(await ended(), "VP8");
});

scene("a video telephone calls an account: both see each other", async t => {
  const [eye, bot, phone] = [await world.softphone(t, browser), await filming(t), await filmPhone(t)];
  const [mark, ended] = [bot.mark(), world.nextRecord()];
  await phone.command("dial", `sip:${ROMEO_RELAYED}@127.0.0.1`);
  const call = await bot.rings({}, { from: mark });
  call.accept();
  await call.up();
  await phoneAndClient(phone, eye, call);
  await phone.command("hangup");
  filmed(await ended(), "VP8");
});

await run();
