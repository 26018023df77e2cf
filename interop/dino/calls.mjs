/** Dino calls a number that rings a desk phone, and the softphone page, and is called by both. */
import path from "node:path";
import { launchBrowser } from "../lib/browser.mjs";
import { isMagenta } from "../lib/camera.mjs";
import { desksOf, hearsTone } from "../lib/desk.mjs";
import { startDino } from "../lib/dino.mjs";
import { areBars, coloursOf, figuresOf, filmed, isCamera, phoneSees, sees, VIDEO_PHONE, watchConnections } from "../lib/pictures.mjs";
import { afterAll, check, run, until } from "../lib/tests.mjs";
import { DESK, startWorld, TYBALT, wentDirectly } from "../lib/world.mjs";

/** Dino's echo canceller mutes its microphone while the other side sounds a tone, so the others pause now and then. */
const RHYTHM = [1, 1];
const DINO_HZ = 500;
const DESK_HZ = 1000;
const PAGE_HZ = 600;
const HEARD_S = 1.5;
const NAME = "tybalt";
const BUSY = "+15550101";
/** Of ten calls Dino has been seen to open no microphone in up to four: eleven such calls in turn are a fault. */
const MOST_CALLS = 11;
/** Of five calls with pictures on a busy machine Dino has been seen to show none in two, one after the other. */
const MOST_DARK_CALLS = 8;
/** How long Dino takes to open its microphone, or to show pictures, if it does; each further call has longer. */
const MICROPHONE_MS = 4_000;
const DARK_MS = 10_000;
const LONGER_MS = 2_000;
/** A scene may have many calls. */
const SCENE_MS = 400_000;

/** Rings Dino, and the media are to touch the gateway. */
const RELAYED = "+15550306";
const RULES = `[[rule]]\nwhen = { entry = "user", to = "${RELAYED}" }\ndial = "xmpp:tybalt@localhost"\nmedia = "relay"`;

const world = await startWorld({ rules: RULES });
const [desk, page] = [desksOf(world.gateway, DESK_HZ, RHYTHM), await launchBrowser({ hz: PAGE_HZ, rhythm: RHYTHM })];
afterAll(() => page.close());
const peers = [DESK, BUSY, "alice", "phone"].map(user => world.at(user));
world.prosody.addContacts(NAME, peers);
const dino = await startDino(world.prosody, NAME, { hz: DINO_HZ, peers });
afterAll(() => dino.stop());

const scene = (name, body) =>
  world.scene(name, async t => {
    t.onFailure(() => dino.calls());
    t.onFailure(() => dino.log());
    t.onFailure(() => process.env.SCREENSHOTS && dino.screenshot(path.join(process.env.SCREENSHOTS, `dino-${Date.now()}.png`)));
    await body(t);
  }, { ms: SCENE_MS });

const softphone = t => world.softphone(t, page);

/**
 * Begins a call of Dino in which its microphone is open. In some calls it opens none, whoever the peer is; then it hangs
 * up and has another.
 * @param {(nth: number) => Promise<object>} begin gives the `call`, and whatever else the test needs of it
 */
async function speaking(begin) {
  for (let nth = 1; ; nth++) {
    const mark = dino.soundMark();
    const begun = await begin(nth);
    if (await dino.opensMicrophone(mark, MICROPHONE_MS + (nth - 1) * LONGER_MS)) return begun;
    check(nth < MOST_CALLS, `Dino opens its microphone in none of ${nth} calls`);
    console.log(`        (call ${nth}: no microphone)`);
    await begun.call.hangUp();
    await begun.isOver();
    await begun.ended?.();
  }
}

/** A call of the page to Dino. */
const pageCalls = (phone, begin = () => phone.call("tybalt@localhost")) =>
  speaking(async () => {
    const mark = await dino.mark();
    const ended = world.nextRecord();
    await begin();
    const call = await dino.rings(mark);
    await call.accept();
    await phone.shows("Connected");
    return { call, ended, isOver: () => phone.shows("Ended: normal") };
  });

/**
 * Begins calls until there is one in which pictures are seen; each call is ended.
 * @param {(nth: number) => Promise<object>} begin gives the `call`, `ended`, and `hangUp`, which ends it at the other side
 * @param {(ms: number) => Promise<void>} see fails if nothing is seen in that time
 * @param {(call: object) => Promise<void>} [seen] looks at a call in which they are
 * @returns the record of that call
 */
async function inSomeCall(begin, see, seen) {
  for (let nth = 1; ; nth++) {
    const { call, ended, hangUp } = await begin(nth);
    const fault = await see(DARK_MS + (nth - 1) * LONGER_MS).then(() => null, error => error);
    if (!fault) await seen?.(call);
    await hangUp();
    await call.isOver("ended");
    const record = await ended();
    if (!fault) return record;
    if (nth === MOST_DARK_CALLS) throw new Error(`in none of ${nth} calls: ${fault.message}`);
    console.log(`        (call ${nth}: ${fault.message})`);
  }
}

/** Begins calls until Dino's window shows what `is` knows, and then lets `seen` look at the call: see `inSomeCall`. */
async function shows(t, is, what, begin, seen) {
  const eye = await page.page("about:blank");
  t.after(() => eye.context().close());
  const file = path.join(process.env.TMPDIR, "call.png");
  let last = null;
  const isShown = async () => is((last = await coloursOf(eye, await dino.shotOfCall(file))));
  const see = ms =>
    until(what, isShown, { ms, everyMs: 500 }).catch(() => {
      throw new Error(`Dino's window does not show ${what}, but ${JSON.stringify(last)}`);
    });
  return inSomeCall(begin, see, seen);
}

scene("Dino calls a number that rings a desk phone, both hear each other, and Dino hangs up", async t => {
  const phone = await desk(t);
  const { call, ended } = await speaking(async nth => {
    const ended = world.nextRecord();
    const call = await dino.call(world.at(DESK));
    await phone.event("CALL_INCOMING", undefined, nth);
    await phone.command("accept");
    return { call, ended, isOver: () => phone.event("CALL_CLOSED", undefined, nth) };
  });
  await Promise.all([dino.hears(DESK_HZ), hearsTone(phone, DINO_HZ, HEARD_S)]);
  await call.hangUp();
  const record = await ended();
  check(record.cause === "normal" && record.path === "relayed", `the record says ${JSON.stringify(record)}`);
});

scene("a desk phone calls Dino, both hear each other, and the phone hangs up", async t => {
  const phone = await desk(t, { codec: "PCMA/8000/1" });
  const { call } = await speaking(async nth => {
    const mark = await dino.mark();
    await phone.command("dial", `sip:${TYBALT}@127.0.0.1`);
    const call = await dino.rings(mark);
    await call.accept();
    await phone.event("CALL_ESTABLISHED", undefined, nth);
    return { call, isOver: () => phone.event("CALL_CLOSED", undefined, nth) };
  });
  await Promise.all([dino.hears(DESK_HZ), hearsTone(phone, DINO_HZ, HEARD_S)]);
  await phone.command("hangup");
  await call.isOver("ended");
});

scene("the page calls Dino directly, both hear each other, and the page hangs up", async t => {
  const phone = await softphone(t);
  const packets = await world.countMedia(t);
  const { call, ended } = await pageCalls(phone);
  await Promise.all([phone.hears(DINO_HZ), dino.hears(PAGE_HZ)]);
  await phone.hangUp();
  await call.isOver("ended");
  await wentDirectly(await ended(), packets);
});

for (const [words, dialled, way] of [["directly", "tybalt@localhost", "direct"], ["through the relay", RELAYED, "relayed"]]) {
  scene(`the page shows itself to Dino ${words}: Dino sees it, and both hear each other`, async t => {
    const phone = await softphone(t);
    await phone.page.evaluate(watchConnections);
    t.onFailure(async () => `the page's pictures: ${JSON.stringify(await figuresOf(phone))}`);
    const begin = async () => ({ ...(await pageCalls(phone, () => phone.callWithVideo(dialled))), hangUp: () => phone.hangUp() });
    const hear = () => Promise.all([phone.hears(DINO_HZ), dino.hears(PAGE_HZ)]);
    const record = await shows(t, isCamera, "the page's camera", begin, hear);
    check(record.path === way, `the pictures went ${words}: ${JSON.stringify(record)}`);
    if (way === "relayed") filmed(record, "VP8");
  });
}

scene("a camera that is opened in a relayed call is seen by Dino, and so is that it is closed", async t => {
  const phone = await softphone(t);
  const begin = async () => {
    const begun = await pageCalls(phone, () => phone.call(RELAYED));
    await phone.camera();
    return { ...begun, hangUp: () => phone.hangUp() };
  };
  filmed(await shows(t, isCamera, "the page's camera", begin, () => dino.hears(PAGE_HZ)), "VP8");
});

const filmPhone = (t, auto = "") => desk(t, { ...VIDEO_PHONE, options: `${auto};video_codecs=vp8` });

scene("a video phone calls Dino, which sees and hears it", async t => {
  const phone = await filmPhone(t);
  const begin = async nth => {
    const ended = world.nextRecord();
    const mark = await dino.mark();
    await phone.command("dial", `sip:${TYBALT}@127.0.0.1`);
    const call = await dino.rings(mark);
    await call.accept();
    await phone.event("CALL_ESTABLISHED", undefined, nth);
    return { call, ended, hangUp: () => phone.command("hangup") };
  };
  filmed(await shows(t, areBars, "the phone's bars", begin, () => dino.hears(DESK_HZ)), "VP8");
});

scene("Dino calls a video phone and sees it", async t => {
  const phone = await filmPhone(t, ";answermode=auto");
  const begin = async nth => {
    const ended = world.nextRecord();
    const call = await dino.call(world.at("phone"), { video: true });
    await phone.event("CALL_ESTABLISHED", undefined, nth);
    return { call, ended, hangUp: () => phone.command("hangup") };
  };
  filmed(await shows(t, areBars, "the phone's bars", begin, () => dino.hears(DESK_HZ)), "VP8");
});

/** Plugs a camera into Dino for as long as the test lasts. */
async function withCamera(t) {
  const camera = await dino.plugsCamera();
  t.after(() => camera.stop());
}

scene("Dino shows itself to a video phone", async t => {
  await withCamera(t);
  const phone = await filmPhone(t, ";answermode=auto");
  const eye = await page.page("about:blank");
  t.after(() => eye.context().close());
  const begin = async nth => {
    const ended = world.nextRecord();
    const call = await dino.call(world.at("phone"), { video: true });
    await phone.event("CALL_ESTABLISHED", undefined, nth);
    return { call, ended, hangUp: () => phone.command("hangup") };
  };
  filmed(await inSomeCall(begin, ms => phoneSees(phone, { page: eye }, isMagenta, "Dino's camera", { ms })), "VP8");
});

for (const [words, dialled, way] of [["directly", "tybalt@localhost", "direct"], ["through the relay", RELAYED, "relayed"]]) {
  scene(`Dino shows itself to the page ${words}`, async t => {
    await withCamera(t);
    const phone = await softphone(t);
    const begin = async () => {
      const [mark, ended] = [await dino.mark(), world.nextRecord()];
      await phone.callWithVideo(dialled);
      const call = await dino.rings(mark);
      await call.accept();
      await phone.shows("Connected");
      return { call, ended, hangUp: () => phone.hangUp() };
    };
    const record = await inSomeCall(begin, ms => sees(phone, isMagenta, "Dino's camera", { ms }));
    check(record.path === way, `the pictures went ${words}: ${JSON.stringify(record)}`);
  });
}

scene("Dino calls the page directly, both hear each other, and Dino hangs up", async t => {
  const phone = await softphone(t);
  const packets = await world.countMedia(t);
  const { call, ended } = await speaking(async () => {
    const ended = world.nextRecord();
    const call = await dino.call(world.at("alice"));
    await phone.answer();
    return { call, ended, isOver: () => phone.shows("Ended: normal") };
  });
  await Promise.all([phone.hears(DINO_HZ), dino.hears(PAGE_HZ)]);
  await call.mute(async () => (await phone.sentence.textContent()).includes("muted"));
  await phone.hearsNothing();
  await call.hangUp();
  await phone.shows("Ended: normal");
  await wentDirectly(await ended(), packets);
});

scene("Dino rejects a call without a reason, which is busy to the page", async t => {
  const [phone, mark] = [await softphone(t), await dino.mark()];
  await phone.call("tybalt@localhost");
  const call = await dino.rings(mark);
  await call.reject();
  await phone.shows("Ended: busy");
  await call.isOver("declined");
});

scene("the page declines a call of Dino, which says so", async t => {
  const phone = await softphone(t);
  const call = await dino.call(world.at("alice"));
  await phone.shows("Incoming call");
  await phone.decline();
  await call.isOver("declined");
});

scene("Dino is told that a number is busy", async () => {
  const call = await dino.call(world.at(BUSY));
  await call.isOver("failed");
});

scene("a page that gives up is a call that Dino has missed", async t => {
  const [phone, mark] = [await softphone(t), await dino.mark()];
  await phone.call("tybalt@localhost");
  const call = await dino.rings(mark);
  await phone.hangUp("Ended: cancelled");
  await call.isOver("missed");
});

scene("a call that Dino gives up stops the phone from ringing", async t => {
  const phone = await desk(t);
  const call = await dino.call(world.at(DESK));
  await phone.event("CALL_INCOMING");
  await call.hangUp();
  await phone.event("CALL_CLOSED");
});

await run();
