/** The gateway as a contact of IM accounts: who it says it is, when it is there, what is written to and from it. */
import { launchBrowser } from "../lib/browser.mjs";
import { desksOf } from "../lib/desk.mjs";
import { PATIENCE_MS, afterAll, check, run, until } from "../lib/tests.mjs";
import { DESK, startWorld } from "../lib/world.mjs";

const JINGLE = ["urn:xmpp:jingle:1", "urn:xmpp:jingle:apps:rtp:1", "urn:xmpp:jingle:apps:rtp:audio", "urn:xmpp:jingle:transports:ice-udp:1", "urn:xmpp:jingle:apps:dtls:0", "urn:xmpp:jingle-message:0"];
const ROMEO = "romeo@localhost";

const world = await startWorld();
const { scene } = world;
const component = world.prosody.component;
const browser = await launchBrowser();
afterAll(() => browser.close());
const desk = desksOf(world.gateway, 1000);

/** Available presence from somebody of ours, after a place in the events. */
const shown = (bot, jid, from = 0) =>
  until(`${jid} shows itself`, () => bot.events().slice(from).find(e => e.event === "presence" && e.type === null && e.from.startsWith(`${jid}/`)));

scene("the gateway's own JID is a gateway to telephones that can prompt", async t => {
  const bot = await world.jbot(t);
  const { identities, features } = await bot.disco(component);
  for (const identity of ["gateway/pstn", "gateway/sip"]) check(identities.includes(identity), `it is ${identities}`);
  check(features.includes("jabber:iq:gateway"), `it can ${features}`);
});

scene("a number and a user can be called, and what their caps say is what they can", async t => {
  const bot = await world.jbot(t);
  const [number, user] = [world.at(DESK), world.at("alice")];
  const seen = [];
  for (const jid of [number, user]) {
    bot.presence({ to: jid, type: "subscribe" });
    seen.push(await shown(bot, jid));
  }
  const [one, two] = seen;
  check(one.ver && one.node, "the presence has caps");
  const { identities, features } = await bot.disco(one.from, `${one.node}#${one.ver}`);
  check(identities.includes("client/phone"), `it is ${identities}`);
  for (const feature of JINGLE) check(features.includes(feature), `it cannot ${feature}`);
  const bare = await bot.disco(two.from);
  for (const feature of JINGLE) check(bare.features.includes(feature), `${two.from} cannot ${feature}`);
});

scene("a subscription is granted, and a number is there again after the server was away", async t => {
  const bot = await world.jbot(t);
  const number = world.at("+15550299");
  bot.presence({ to: number, type: "subscribe" });
  await bot.event("roster", { jid: number, subscription: "to" });
  await shown(bot, number);
  const mark = bot.mark();
  await world.prosody.restart();
  await bot.event("online", {}, PATIENCE_MS, mark);
  await shown(bot, number, mark);
});

scene("a number typed by a person becomes a JID, and nonsense is not acceptable", async t => {
  const bot = await world.jbot(t);
  const ask = text => bot.ask(component, `<query xmlns="jabber:iq:gateway"><prompt>${text}</prompt></query>`, "set");
  const form = await bot.ask(component, '<query xmlns="jabber:iq:gateway"/>');
  check(form.type === "result" && /prompt/.test(form.xml), `the form is ${form.xml}`);
  const good = await ask("+1 555 0200");
  check(good.type === "result" && good.xml.includes(`+15550200@${component}`), `it answers ${good.xml}`);
  const bad = await ask("@@");
  check(bad.type === "error" && bad.condition === "not-acceptable", `it answers ${bad.condition}`);
});

scene("a request that nobody understands is refused, and a session that nobody knows is unknown", async t => {
  const bot = await world.jbot(t);
  const strange = await bot.ask(world.at("alice"), '<query xmlns="urn:example:strange"/>');
  check(strange.type === "error" && strange.condition === "service-unavailable", `it answers ${strange.condition}`);
  const jingle = '<jingle xmlns="urn:xmpp:jingle:1" action="session-info" sid="nobody"/>';
  const unknown = await bot.ask(`${world.at("alice")}/patchcord`, jingle, "set");
  check(unknown.condition === "item-not-found" && unknown.xml.includes("unknown-session"), `it answers ${unknown.condition}`);
});

/** Writes on the page, and gives what the page says became of it. */
async function pageWrites(phone, to, body) {
  const { page } = phone;
  await page.getByLabel("Write to").fill(to);
  await page.getByLabel("Message", { exact: true }).fill(body);
  await page.getByRole("button", { name: "Send", exact: true }).click();
  const row = page.getByRole("log").locator("li", { hasText: body });
  await until("its fate", async () => /^(Delivered|Not delivered)/.test(await row.locator("small").textContent()));
  return row.locator("small").textContent();
}

scene("a page writes to an account, which answers", async t => {
  const [phone, bot] = [await world.softphone(t, browser), await world.jbot(t)];
  check((await pageWrites(phone, ROMEO, "Wherefore art thou?")) === "Delivered", "it is delivered");
  const { from, body } = await bot.event("message");
  check(body === "Wherefore art thou?" && from.startsWith(world.at("alice")), `${from} wrote ${body}`);
  bot.write(world.at("alice"), "Call me but love & <more>");
  await until("the page shows it", () => phone.page.getByRole("log").getByText("Call me but love & <more>").isVisible());
});

scene("a page is told that what it wrote was not delivered", async t => {
  const phone = await world.softphone(t, browser);
  const fate = await pageWrites(phone, "nobody@localhost", "Hello?");
  check(/^Not delivered: .+/.test(fate), `it says ${fate}`);
});

scene("an account is told that what it wrote was not delivered", async t => {
  const bot = await world.jbot(t);
  const id = bot.write(world.at("bob"), "Are you there?");
  const { condition } = await bot.event("message-error", { id });
  check(condition, "the error has a condition");
});

scene("an account and a telephone write to each other", async t => {
  const bot = await world.jbot(t);
  const phone = await desk(t, { contacts: '"Romeo" <sip:romeo%40localhost@127.0.0.1>' });
  bot.write(world.at("phone"), "Grüße vom Konto");
  await phone.says(/^sip:romeo@.*"Grüße vom Konto"/m);
  await phone.command("message", "Zurück vom Telefon");
  const { from, body } = await bot.event("message");
  check(body === "Zurück vom Telefon" && from.startsWith(world.at("phone")), `${from} wrote ${body}`);
  const id = bot.write(world.at("phone"), "x".repeat(2_000));
  const { text } = await bot.event("message-error", { id });
  check(text.startsWith("The message is too long for a telephone"), `it says ${text}`);
});

await run();
