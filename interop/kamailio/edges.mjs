/** Kamailio as the edge before the gateway: a phone registers through two of them, and is called by its flows (RFC 5626). */
import { execFileSync } from "node:child_process";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { Baresip } from "../lib/baresip.mjs";
import { hearsTone } from "../lib/desk.mjs";
import { startKamailio } from "../lib/kamailio.mjs";
import { freePort } from "../lib/net.mjs";
import { afterAll, check, until } from "../lib/tests.mjs";
import { toneSeconds, writeTone } from "../lib/tones.mjs";

const HZ = 1500;
const RTP_PORTS = 20;
/** How often the phone is told to say something on its connections; baresip does so every 20 s, and not more often. */
const FLOW_TIMER_S = 10;
/** What it says then (RFC 5626 §4.4.1). */
const PING_OCTETS = 4;
/** Longer than the tests last, for a registration that is refreshed is more than a keep-alive. */
const REGISTERED_S = 3_600;
const HEARD_S = 1;

const here = path.dirname(fileURLToPath(import.meta.url));

/** A phone that registers through both edges by TCP, a flow each. */
async function startPhone(gateway, directory, edges) {
  const wav = writeTone(path.join(directory, "edges.wav"), HZ, { seconds: 60, rate: 8_000 });
  const [rtp, port, control] = [await freePort(RTP_PORTS + 1), await freePort(), await freePort()];
  const ways = edges.map((edge, at) => `outbound${at + 1}="sip:127.0.0.1:${edge.port};transport=tcp"`);
  const account =
    `<sip:phone@${gateway.sip};transport=tcp>;${ways.join(";")};sipnat=outbound;auth_user=phone;` +
    `auth_pass=${gateway.users.phone};regint=${REGISTERED_S};audio_codecs=PCMU/8000/1;answermode=auto`;
  const phone = new Baresip({ directory, port, control, account, wav, rtp: `${rtp}-${rtp + RTP_PORTS}` });
  afterAll(() => phone.stop());
  await phone.start();
  await phone.says(/200 OK .*2 bindings/);
  return phone;
}

/** How many octets have come to an edge by the connection that the phone has opened, as the system counts them. */
function octetsFrom(edge) {
  const told = execFileSync("ss", ["-tinH", "state", "established", `sport = :${edge.port}`], { encoding: "utf8" });
  return Number(told.match(/bytes_received:(\d+)/)?.[1] ?? 0);
}

/** Two edges before the gateway and a phone behind them, until the end of all tests: its keep-alives take their time. */
export async function startEdges(gateway, directory) {
  const start = () => startKamailio(path.join(here, "edge.cfg"), { gateway: gateway.sip, flowtimer: FLOW_TIMER_S });
  const edges = [await start(), await start()];
  edges.forEach(edge => afterAll(() => edge.stop()));
  const phone = await startPhone(gateway, directory, edges);
  return { edges, phone, registeredBy: edges.map(octetsFrom) };
}

/** Waits until the phone has said a keep-alive to each edge since it registered, and nothing else. */
async function keepsAlive({ edges, registeredBy }) {
  for (const [at, edge] of edges.entries()) {
    const said = await until("the phone keeps its connection alive", () => octetsFrom(edge) - registeredBy[at]);
    check(said > 0 && said % PING_OCTETS === 0, `it says nothing but keep-alives: ${said} octets`);
  }
}

/** @param {{scene, setting, softphone: (t) => Promise<object>, pageHz: number}} stage with what `startEdges` gave */
export function testEdges({ scene, setting, softphone, pageHz }) {
  const { edges, phone } = setting;
  const rings = edge => edge.log().split("rings by the flow").length - 1;

  scene("a phone behind two edges keeps its flows alive, is called by one, and by the other when that edge says 430", async t => {
    edges.forEach(edge => t.onFailure(() => `an edge: ${edge.log().split("\n").slice(-30).join("\n")}`));
    t.onFailure(() => `phone: ${phone.types().join(" ")}\n${phone.log().slice(-1500)}`);
    await keepsAlive(setting);
    const page = await softphone(t);
    await page.callAndTalk("phone");
    await page.hears(HZ);
    await until("an edge has been asked to ring", () => rings(edges[0]) + rings(edges[1]) > 0);
    check(!rings(edges[0]) || !rings(edges[1]), "one edge alone has been asked to ring");
    const [used, other] = rings(edges[0]) ? edges : [edges[1], edges[0]];
    await hearsTone(phone, pageHz, HEARD_S);
    await page.hangUp();
    await phone.event("CALL_CLOSED");
    await until("the BYE goes by the flow, too", () => used.log().includes("routed BYE"));
    await used.restart();
    await page.callAndTalk("phone");
    await page.hears(HZ);
    await until("the edge that has lost the connection says so", () => used.log().includes("the flow has failed"));
    await until("the other edge rings", () => rings(other) > 0);
    const heard = () => phone.recordings().map(file => toneSeconds(file, pageHz));
    await until("the phone hears the page in this call, too", () => heard().filter(seconds => seconds >= HEARD_S).length === 2);
    await page.hangUp();
    await phone.event("CALL_CLOSED", undefined, 2);
  });
}
