/** The gateway as an agent behind a NAT: it registers through an edge, and is called by the flows that it keeps (RFC 5626). */
import path from "node:path";
import { fileURLToPath } from "node:url";
import { PASSWORD, phonesOf, startKamailio } from "../lib/kamailio.mjs";
import { startNat } from "../lib/nat.mjs";
import { freePort } from "../lib/net.mjs";
import { afterAll, check, until } from "../lib/tests.mjs";

const HZ = 1000;
/** How often the edge wants to hear of a flow. */
const FLOW_TIMER_S = 2;
/** The area of the trunk's number, by transport. */
const AREA = { udp: 80, tcp: 90 };
/** What is seen of each. */
const SENTENCE = {
  udp: "the gateway is called by the flow that it keeps by STUN through a NAT, and registers again when it is seen elsewhere",
  tcp: "the gateway is called by the flow that it keeps by CRLF through a NAT, and registers again when nothing comes back",
};

const here = path.dirname(fileURLToPath(import.meta.url));
const nameOf = transport => `nat-${transport}`;

/** A carrier that stays up, an edge before it, a NAT before the edge, and the trunks that go through both. */
export async function startFlows() {
  const carrier = await startKamailio(path.join(here, "carrier.cfg"), { announces: await freePort() });
  afterAll(() => carrier.stop());
  const edge = await startKamailio(path.join(here, "edge.cfg"), { gateway: `127.0.0.1:${carrier.port}`, flowtimer: FLOW_TIMER_S });
  afterAll(() => edge.stop());
  const nat = await startNat(edge.port);
  afterAll(() => nat.close());
  const trunk = transport => `
[[trunk]]
name = "${nameOf(transport)}"
transport = "${transport}"
address = "127.0.0.1:${carrier.port}"
proxy = "127.0.0.1:${nat.port}"
from_domain = "carrier.test"
user = "gw-${nameOf(transport)}"
password = "${PASSWORD}"
number = "+49${AREA[transport]}0"
register = true
outbound = true
`;
  return { carrier, edge, nat, toml: Object.keys(AREA).map(trunk).join("") };
}

/** @param {{scene, setting, gateway, softphone: (t) => Promise<object>}} stage with what `startFlows` gave */
export function testFlows({ scene, setting, gateway, softphone }) {
  const { carrier, edge, nat } = setting;
  const phone = phonesOf(carrier.port);
  const anna = t => phone(t, { user: "anna", hz: HZ });
  const count = (transport, words) => {
    const line = new RegExp(`${words}.*trunk="?${nameOf(transport)}"?`, "g");
    return gateway.logSince(0, Infinity).match(line)?.length ?? 0;
  };
  const registered = transport => count(transport, "is registered at the trunk");

  /** A phone calls the number of the trunk, and the call comes by the edge and its flow, as does its end. */
  async function isCalled(transport, page, caller) {
    const mark = edge.mark();
    const before = caller.types().filter(type => type === "CALL_ESTABLISHED").length;
    await caller.command("dial", `sip:+49${AREA[transport]}0@carrier.test`);
    await page.answer();
    await caller.event("CALL_ESTABLISHED", undefined, before + 1);
    await page.hears(HZ);
    await caller.command("hangup");
    await page.shows("Ended: normal");
    const said = edge.since(mark);
    check(said.includes("rings by the flow sip:127.0.0.1"), `the call comes by the flow: ${said}`);
    await until("the BYE goes by the flow, too", () => edge.since(mark).includes("routed BYE"));
  }

  const known = t => {
    t.onFailure(() => `the edge: ${edge.log().split("\n").slice(-30).join("\n")}`);
    t.onFailure(() => `answers of STUN: ${nat.answers}`);
  };

  for (const transport of Object.keys(AREA)) {
    scene(SENTENCE[transport], async t => {
      known(t);
      const [page, caller] = [await softphone(t), await anna(t)];
      await until("it is registered", () => registered(transport) > 0);
      await isCalled(transport, page, caller);
      if (transport === "udp") await until("Kamailio tells where it is seen", () => nat.answers > 0);
      check(count(transport, "the flow to the trunk has failed") === 0, "nothing has failed so far");
      const before = registered(transport);
      await (transport === "udp" ? nat.forgetAddresses() : nat.forgetConnections());
      await until("the flow has failed", () => count(transport, "the flow to the trunk has failed") > 0);
      await until("it is registered again", () => registered(transport) > before);
      await isCalled(transport, page, caller);
    });
  }

  scene("an edge that is started anew is kept by UDP, and by TCP registered at again", async t => {
    known(t);
    const [page, caller] = [await softphone(t), await anna(t)];
    const before = Object.keys(AREA).map(registered);
    await edge.restart();
    await until("the connection is made again", () => registered("tcp") > before[1]);
    for (const transport of Object.keys(AREA)) await isCalled(transport, page, caller);
    check(registered("udp") === before[0], "what has no connection has lost none");
  });
}
