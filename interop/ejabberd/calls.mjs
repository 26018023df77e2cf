/** Accounts of an ejabberd call phones through the gateway, are called by them, and write. */
import { desksOf, hearsTone } from "../lib/desk.mjs";
import { startEjabberd } from "../lib/ejabberd.mjs";
import { PATIENCE_MS, check, run, until } from "../lib/tests.mjs";
import { DESK, ROMEO_RELAYED, startWorld } from "../lib/world.mjs";
import { passwordOf } from "../lib/xmpp.mjs";

const BOT_HZ = 880;
const DESK_HZ = 1000;
const HEARD_S = 1.5;
/** The account that the gateway logs in to; who calls it rings the desk phone. */
const RECEPTION = "reception";

const world = await startWorld({
  server: ({ accounts }) => startEjabberd({ accounts: [...accounts, RECEPTION] }),
  rules: server => `
[[xmpp]]
name = "account"
login = "${RECEPTION}@${server.domain}"
password = "${passwordOf(RECEPTION)}"
server = "127.0.0.1:${server.ports.c2s}"
ca = "${process.env.LAB}/tls/ca.crt"
inbound = "phone"
`,
});
const { scene } = world;
const desk = desksOf(world.gateway, DESK_HZ);

scene("an account calls a number that rings a desk phone, and both hear each other", async t => {
  const [bot, phone] = [await world.jbot(t, "romeo", { hz: BOT_HZ }), await desk(t)];
  const call = bot.call(world.at(DESK));
  await phone.event("CALL_INCOMING");
  await call.event("jingle", { action: "session-info", words: ["ringing"] });
  await phone.command("accept");
  await call.up();
  await Promise.all([call.hears(DESK_HZ), hearsTone(phone, BOT_HZ, HEARD_S)]);
  call.hangUp();
  await phone.event("CALL_CLOSED");
});

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

scene("an account calls the account of the gateway, which rings a desk phone, and both hear each other", async t => {
  const [bot, phone] = [await world.jbot(t, "romeo", { hz: BOT_HZ }), await desk(t, { options: ";answermode=auto" })];
  const call = bot.call(`${RECEPTION}@${world.prosody.domain}`);
  await call.up();
  await Promise.all([call.hears(DESK_HZ), hearsTone(phone, BOT_HZ, HEARD_S)]);
  await phone.command("hangup");
  await call.ended({ by: "peer", how: "terminate", reason: "success" });
});

scene("an account and a telephone write to each other", async t => {
  const bot = await world.jbot(t, "romeo");
  const phone = await desk(t, { contacts: '"Romeo" <sip:romeo%40localhost@127.0.0.1>' });
  bot.write(world.at("phone"), "Grüße vom Konto");
  await phone.says(/^sip:romeo@.*"Grüße vom Konto"/m);
  await phone.command("message", "Zurück vom Telefon");
  const { from, body } = await bot.event("message");
  check(body === "Zurück vom Telefon" && from.startsWith(world.at("phone")), `${from} wrote ${body}`);
});

scene("an account is told that what it wrote was not delivered", async t => {
  const bot = await world.jbot(t, "romeo");
  const id = bot.write(world.at("bob"), "Are you there?");
  const { condition } = await bot.event("message-error", { id });
  check(condition, "the error has a condition");
});

scene("a number shows itself to who subscribes, and again after the server was away", async t => {
  const bot = await world.jbot(t, "romeo");
  const number = world.at(DESK);
  const is = e => e.event === "presence" && e.type === null && e.from.startsWith(`${number}/`);
  const shown = from => until(`${number} shows itself`, () => bot.events().slice(from).find(is));
  bot.presence({ to: number, type: "subscribe" });
  await shown(0);
  const mark = bot.mark();
  await world.prosody.restart();
  await bot.event("online", {}, PATIENCE_MS, mark);
  await shown(mark);
});

await run();
