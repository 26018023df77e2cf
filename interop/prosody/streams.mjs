/** Streams to Prosody: logins, outages, and what strangers send. */
import net from "node:net";
import { startGateway } from "../lib/gateway.mjs";
import { cuttableRelay } from "../lib/net.mjs";
import { startProsody } from "../lib/prosody.mjs";
import { afterAll, check, run, test, until } from "../lib/tests.mjs";
import { passwordOf } from "../lib/xmpp.mjs";

const NUMBER = "+15550100";
/** The gateway waits ever longer for a server that is away. */
const UP_MS = 60_000;

const prosody = await startProsody();
afterAll(() => prosody.stop());
const ports = prosody.ports;

/** An account as a connection of the gateway. */
function login({ name = "desk", account = "alice", password = passwordOf(account), server, more = "" }) {
  return `
[[xmpp]]
name = "${name}"
login = "${account}@${prosody.domain}"
password = "${password}"
inbound = "alice"
${server ? `server = "127.0.0.1:${server}"` : ""}
${more}`;
}

async function gatewayWith(t, toml) {
  const gateway = await startGateway({ toml });
  t.onFailure(() => gateway.logSince(0));
  t.after(() => gateway.stop());
  const state = async () => (await (await fetch(`${gateway.url}health`)).json()).xmpp;
  const is = (name, word) => until(`${name} is ${word}`, async () => (await state())[name] === word, { ms: UP_MS });
  const says = (text, from = 0) => until(`it says ${text}`, () => gateway.program.output.slice(from).includes(text));
  return { gateway, state, is, says };
}

/** A way to the server that can be cut for a moment. */
async function cuttable(t, port) {
  const way = await cuttableRelay(() => port);
  t.after(() => way.close());
  return {
    port: way.port,
    cut() {
      way.cut();
      way.mend();
    },
  };
}

/** A client that sends what it is told, as it is. */
class Raw {
  text = "";

  static async open(t, name) {
    const raw = new Raw();
    raw.socket = net.connect(ports.c2s, "127.0.0.1");
    raw.socket.on("data", data => (raw.text += data));
    raw.socket.on("error", () => {});
    t.after(() => raw.socket.destroy());
    t.onFailure(() => `the raw client heard ${raw.text.slice(-2000)}`);
    const header = `<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='${prosody.domain}' version='1.0'>`;
    const plain = Buffer.from(`\0${name}\0${passwordOf(name)}`).toString("base64");
    await raw.exchange(header, "</stream:features>");
    await raw.exchange(`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>${plain}</auth>`, "<success");
    await raw.exchange(header, "</stream:features>");
    await raw.exchange("<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>", "</iq>");
    return raw;
  }

  async exchange(xml, answer) {
    this.text = "";
    this.socket.write(xml);
    await until(`${answer} after ${xml.slice(0, 60)}`, () => this.text.includes(answer));
  }
}

test("a component and an account are up, with STARTTLS and with TLS from the first byte", async t => {
  const { is } = await gatewayWith(t, [
    prosody.connection({ name: "office" }),
    login({ name: "starttls", account: "alice", server: ports.c2s }),
    login({ name: "direct", account: "bob", server: ports.tls, more: 'tls = "direct"' }),
    // No SRV record: the domain itself, at the usual port.
    login({ name: "found", account: "carol" }),
    login({ name: "rooted", account: "dave", server: ports.c2s, more: `ca = "${process.env.LAB}/tls/ca.crt"` }),
  ].join("\n"));
  for (const name of ["office", "starttls", "direct", "found", "rooted"]) await is(name, "up");
});

test("a wrong secret or password is said, and not tried again at once", async t => {
  const { gateway, says, state } = await gatewayWith(t, [
    prosody.connection({ name: "office" }).replace(prosody.secret, "a-secret-that-is-wrong"),
    login({ name: "desk", server: ports.c2s, password: "a-password-that-is-wrong" }),
  ].join("\n"));
  for (const name of ["office", "desk"]) {
    const refusal = new RegExp(`the server refuses the login: not-authorized.* 60\\.0 s.*${name}`);
    await until(`${name} is refused`, () => refusal.test(gateway.program.output));
  }
  await says("Ready");
  const { office, desk } = await state();
  check(office === "down" && desk === "down", `they are ${office} and ${desk}`);
  for (const secret of ["a-secret-that-is-wrong", "a-password-that-is-wrong"]) {
    check(!gateway.program.output.includes(secret), "the log keeps the secret");
  }
});

test("an account never logs in to a server whose certificate is of another domain", async t => {
  const { says, state } = await gatewayWith(t, login({ server: ports.c2s }).replaceAll(`@${prosody.domain}`, "@montague.example"));
  await says("XMPP is down");
  check((await state()).desk === "down", "it is up");
});

test("both are up again after the server was away", async t => {
  const { is } = await gatewayWith(t, [prosody.connection({ name: "office" }), login({ server: ports.c2s })].join("\n"));
  await is("office", "up");
  await is("desk", "up");
  await prosody.restart({ awayMs: 1_500 });
  await is("office", "up");
  await is("desk", "up");
});

test("an account's stream whose connection breaks goes on where it was", async t => {
  const way = await cuttable(t, ports.c2s);
  const { gateway, is, says } = await gatewayWith(t, login({ server: way.port }));
  await is("desk", "up");
  for (let i = 0; i < 3; i += 1) {
    const mark = gateway.mark();
    way.cut();
    await says("XMPP is up again, and nothing was lost", mark);
  }
});

test("a component whose connection breaks comes back", async t => {
  const way = await cuttable(t, ports.component);
  const { gateway, is, says } = await gatewayWith(t, prosody.connection({ name: "office" }).replace(/127\.0\.0\.1:\d+/, `127.0.0.1:${way.port}`));
  await is("office", "up");
  const mark = gateway.mark();
  way.cut();
  await says("XMPP is down", mark);
  await says("XMPP is up", mark);
  await is("office", "up");
});

test("nothing that a stranger sends ends the stream", async t => {
  const { gateway, is } = await gatewayWith(t, prosody.connection({ name: "office" }));
  await is("office", "up");
  const raw = await Raw.open(t, "dave");
  const to = `to='${NUMBER}@${prosody.component}'`;
  const stanzas = [
    `<message ${to} type='bogus'/>`,
    `<presence ${to}><show>bogus</show></presence>`,
    `<presence ${to} type='bogus'/>`,
    `<message ${to} x='${"y".repeat(100_000)}'/>`,
    `<message ${to}>${"<a>".repeat(30_000)}${"</a>".repeat(30_000)}</message>`,
    `<message ${to}>${"<a/>".repeat(50_000)}</message>`,
    `<message ${to}><body>${"x".repeat(200_000)}</body></message>`,
    `<message ${to}><propose xmlns='urn:xmpp:jingle-message:0'/></message>`,
    `<iq ${to} type='set' id='j'><jingle xmlns='urn:xmpp:jingle:1' action='bogus'/></iq>`,
    `<message ${to}><p:a xmlns:p='urn:example'><p:b xmlns='' p:c=''/></p:a></message>`,
  ];
  for (const [number, stanza] of stanzas.entries()) {
    const mark = gateway.mark();
    await raw.exchange(`${stanza}<iq ${to} type='get' id='asked-${number}'><ping xmlns='urn:xmpp:ping'/></iq>`, `asked-${number}`);
    check(!gateway.logSince(mark, Infinity).includes("XMPP is down"), `${stanza.slice(0, 80)} ends the stream`);
  }
});

test("whoever has a number as a contact sees the gateway go", async t => {
  const { gateway, is } = await gatewayWith(t, prosody.connection({ name: "office" }));
  await is("office", "up");
  const raw = await Raw.open(t, "dave");
  const jid = `${NUMBER}@${prosody.component}`;
  await raw.exchange(`<presence/><presence to='${jid}' type='subscribe'/>`, `from='${jid}/patchcord'`);
  raw.text = "";
  process.kill(gateway.pid, "SIGTERM");
  const goes = new RegExp(`<presence[^>]*(from='${jid.replace("+", "\\+")}/patchcord'[^>]*type='unavailable'|type='unavailable'[^>]*from='${jid.replace("+", "\\+")}/patchcord')`);
  await until("it goes", () => goes.test(raw.text));
});

await run();
