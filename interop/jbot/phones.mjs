/** IM accounts call phones and the telephone network through the gateway, and are called by them. */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { desksOf, hearsTone } from "../lib/desk.mjs";
import { ownAddress } from "../lib/net.mjs";
import { RtpPeer } from "../lib/rtp.mjs";
import { Sipp } from "../lib/sipp.mjs";
import { PATIENCE_MS, afterAll, check, run, until } from "../lib/tests.mjs";
import { CARRIER, DESK, ROMEO_RELAYED, startWorld } from "../lib/world.mjs";

const SCENARIOS = path.join(path.dirname(fileURLToPath(import.meta.url)), "../sipp/scenarios");
const BOT_HZ = 880;
const DESK_HZ = 1000;
const CARRIER_HZ = 1300;
const HEARD_S = 1.5;
/** Numbers of the demo trunk. */
const BUSY = "+15550101";
const NO_ANSWER = "+15550102";
const DECLINES = "+15550103";
const UNKNOWN = "+15550104";
const ECHO = "+15550105";
const FORBIDDEN = "+19005550100";

const directory = fs.mkdtempSync(path.join(os.tmpdir(), "phones-"));
afterAll(() => fs.rmSync(directory, { recursive: true, force: true }));
const world = await startWorld();
const { scene } = world;
const to = user => world.at(user);
const desk = desksOf(world.gateway, DESK_HZ);

async function carrier(t, name, { to } = {}) {
  const rtp = await new RtpPeer().open();
  t.after(() => rtp.close());
  const remote = to ? world.gateway.sip : undefined;
  const one = new Sipp(path.join(SCENARIOS, `${name}.xml`), { directory, port: world.carrierPort, remote, rtp, args: to ? ["-s", to] : [] });
  t.onFailure(() => `SIPp: ${one.errors()}`);
  t.after(() => one.stop());
  if (!to) await one.listens();
  return { one, rtp };
}

const hears = (rtp, hz) => until(`the carrier hears ${hz} Hz`, () => rtp.hears(hz, 0.5) > 0.7);

for (const [codec, name] of [["PCMU/8000/1", "PCMU"], ["PCMA/8000/1", "PCMA"]]) {
  scene(`an account calls a number that rings a desk phone in ${name}, and both hear each other`, async t => {
    const [bot, phone] = [await world.jbot(t, "romeo", { hz: BOT_HZ }), await desk(t, { codec })];
    const ended = world.nextRecord();
    const call = bot.call(to(DESK));
    await phone.event("CALL_INCOMING");
    await call.event("jingle", { action: "session-info", words: ["ringing"] });
    await phone.command("accept");
    check((await call.up()) === `${name}/8000`, "the session has the phone's codec");
    await Promise.all([call.hears(DESK_HZ), hearsTone(phone, BOT_HZ, HEARD_S)]);
    call.hangUp();
    await phone.event("CALL_CLOSED");
    const record = await ended();
    check(record.cause === "normal" && record.path === "relayed" && record.codec === `${name}/8000`, `the record says ${JSON.stringify(record)}`);
  });
}

scene("a phone calls an account, and both hear each other", async t => {
  const [bot, phone] = [await world.jbot(t, "romeo", { hz: BOT_HZ }), await desk(t)];
  await phone.command("dial", `sip:${ROMEO_RELAYED}@127.0.0.1`);
  const call = await bot.rings({ media: ["audio"] });
  call.ring();
  await phone.event("CALL_RINGING");
  call.accept();
  await phone.event("CALL_ESTABLISHED");
  await call.up();
  await Promise.all([call.hears(DESK_HZ), hearsTone(phone, BOT_HZ, HEARD_S)]);
  await phone.command("hangup");
  await call.ended({ by: "peer", how: "terminate", reason: "success" });
});

scene("an account calls the telephone network, which hears it and hangs up", async t => {
  const bot = await world.jbot(t, "romeo", { hz: BOT_HZ });
  const { one, rtp } = await carrier(t, "answers");
  const call = bot.call(to(CARRIER));
  await call.up();
  rtp.play(CARRIER_HZ, await one.remotePort(), ownAddress());
  await Promise.all([call.hears(CARRIER_HZ), hears(rtp, BOT_HZ)]);
  check(rtp.faults().length === 0, `the carrier got: ${rtp.faults().slice(0, 5).join("; ")}`);
  call.hangUp();
  await one.finished();
});

scene("the telephone network calls a user who is an account, and hangs up", async t => {
  const bot = await world.jbot(t, "romeo", { hz: BOT_HZ });
  const { one, rtp } = await carrier(t, "calls", { to: "romeo" });
  const call = await bot.rings();
  call.accept();
  await call.up();
  rtp.play(CARRIER_HZ, await one.remotePort(), ownAddress());
  await Promise.all([call.hears(CARRIER_HZ), hears(rtp, BOT_HZ)]);
  await one.go("end");
  await call.ended({ by: "peer", how: "terminate", reason: "success" });
  await one.finished();
});

scene("an account that hangs up a call of the telephone network ends it", async t => {
  const bot = await world.jbot(t, "romeo", { hz: BOT_HZ });
  const { one } = await carrier(t, "is_hung_up", { to: "romeo" });
  const call = await bot.rings();
  call.accept();
  await call.up();
  call.hangUp();
  await one.finished();
});

scene("a client without message initiation calls a number by a session at once", async t => {
  const [bot, phone] = [await world.jbot(t, "romeo", { hz: BOT_HZ, args: ["--no-jmi"] }), await desk(t)];
  const { jid } = await presenceOf(bot, to(DESK));
  const call = bot.call(jid, { direct: true });
  await phone.event("CALL_INCOMING");
  await phone.command("accept");
  await call.up();
  await call.hears(DESK_HZ);
  await phone.command("hangup");
  await call.ended({ by: "peer", how: "terminate", reason: "success" });
});

/** The full JID of a number, which its presence tells. */
async function presenceOf(bot, jid) {
  bot.presence({ to: jid, type: "subscribe" });
  const is = e => e.event === "presence" && e.type === null && e.from.startsWith(`${jid}/`);
  const { from } = await until(`${jid} shows itself`, () => bot.events().find(is));
  return { jid: from };
}

scene("a client that trickles its candidates is heard and hears itself", async t => {
  const bot = await world.jbot(t, "romeo", { hz: BOT_HZ, args: ["--trickle"] });
  const call = bot.call(to(ECHO));
  await call.up();
  await call.hears(BOT_HZ);
  call.hangUp();
});

scene("a client that is on hold hears nothing and is heard again after", async t => {
  const bot = await world.jbot(t, "romeo", { hz: BOT_HZ });
  const call = bot.call(to(ECHO));
  await call.up();
  await call.hears(BOT_HZ);
  call.hold();
  await call.hearsNothing();
  call.hold(false);
  await call.hears(BOT_HZ);
  call.hangUp();
});

for (const [name, number, reason] of [
  ["a busy number", BUSY, "busy"],
  ["a number that declines", DECLINES, "decline"],
  ["a number that does not exist", UNKNOWN, "gone"],
  ["a number that nobody may call", FORBIDDEN, "security-error"],
]) {
  scene(`${name} ends the account's call with ${reason}`, async t => {
    const bot = await world.jbot(t, "romeo");
    const end = await bot.call(to(number)).ended({ by: "peer" });
    check(end.reason === reason, `it ends with ${end.how} ${end.reason} (${end.text})`);
  });
}

scene("a caller that gives up takes its proposal back, and the phone stops ringing", async t => {
  const [bot, phone] = [await world.jbot(t, "romeo"), await desk(t)];
  const ended = world.nextRecord();
  const call = bot.call(to(DESK));
  await phone.event("CALL_INCOMING");
  call.hangUp("cancel");
  await phone.event("CALL_CLOSED");
  check((await ended()).cause === "cancelled", "the record says so");
});

scene("a proposal that is taken back at once rings for nobody", async t => {
  const bot = await world.jbot(t, "romeo");
  const ended = world.nextRecord();
  const call = bot.call(to(NO_ANSWER));
  call.retract();
  const record = await ended();
  check(record.cause === "cancelled", `the record says ${record.cause}`);
});

scene("an account that declines is told to the phone as declined, and a busy one as busy", async t => {
  const [bot, phone] = [await world.jbot(t, "romeo"), await desk(t)];
  for (const [nth, reason, status] of [[1, "decline", /603/], [2, "busy", /486/]]) {
    const mark = bot.mark();
    await phone.command("dial", `sip:${ROMEO_RELAYED}@127.0.0.1`);
    (await bot.rings({}, { from: mark })).reject(reason);
    const closed = await phone.event("CALL_CLOSED", undefined, nth);
    check(status.test(closed.param), `the phone is told ${closed.param}`);
  }
});

scene("a stranger's account calls only whom the rules say", async t => {
  const bot = await world.jbot(t, "mercutio", { hz: BOT_HZ });
  const end = await bot.call(to(ECHO)).ended({ by: "peer" });
  check(end.how === "reject", `it ends with ${end.how} ${end.reason}`);
  const phone = await desk(t, { options: ";answermode=auto" });
  const call = bot.call(to(DESK));
  await call.up();
  await call.hears(DESK_HZ);
  call.hangUp();
  await phone.event("CALL_CLOSED");
});

for (const codec of ["PCMU/8000/1", "PCMA/8000/1"]) {
  scene(`an account that has only Opus and a desk phone that has only ${codec} hear each other`, async t => {
    const bot = await world.jbot(t, "romeo", { hz: BOT_HZ, codec: "opus" });
    const phone = await desk(t, { codec });
    const ended = world.nextRecord();
    const call = bot.call(to(DESK));
    await phone.event("CALL_INCOMING");
    await phone.command("accept");
    check(/^opus\/48000/.test(await call.up()), "the session has the account's codec");
    await Promise.all([call.hears(DESK_HZ), hearsTone(phone, BOT_HZ, HEARD_S)]);
    call.hangUp();
    await phone.event("CALL_CLOSED");
    const record = await ended();
    check(record.cause === "normal" && record.path === "relayed", `the record says ${JSON.stringify(record)}`);
  });
}

scene("a call goes on while the XMPP server is away, and hanging up works when it is back", async t => {
  const [bot, phone] = [await world.jbot(t, "romeo", { hz: BOT_HZ }), await desk(t, { options: ";answermode=auto" })];
  const ended = world.nextRecord();
  const call = bot.call(to(DESK));
  await call.up();
  await call.hears(DESK_HZ);
  const mark = bot.mark();
  await world.prosody.restart({ awayMs: 1_500 });
  await call.hears(DESK_HZ);
  await bot.event("online", {}, PATIENCE_MS, mark);
  await world.isJoined();
  await call.hears(DESK_HZ);
  call.hangUp();
  await phone.event("CALL_CLOSED");
  check((await ended()).cause === "normal", "the record says that somebody hung up");
});

await run();
