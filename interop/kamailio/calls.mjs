/** Kamailio as a carrier's proxy between the gateway and phones: three trunks to it, one a transport, and baresip behind it. */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { launchBrowser } from "../lib/browser.mjs";
import { hearsTone } from "../lib/desk.mjs";
import { startGateway } from "../lib/gateway.mjs";
import { PASSWORD, phonesOf, startKamailio } from "../lib/kamailio.mjs";
import { freePort } from "../lib/net.mjs";
import { start } from "../lib/processes.mjs";
import { RtpPeer } from "../lib/rtp.mjs";
import { Sipp } from "../lib/sipp.mjs";
import { afterAll, check, run, scenesOf, until } from "../lib/tests.mjs";
import { startEdges, testEdges } from "./edges.mjs";
import { startFlows, testFlows } from "./flows.mjs";

const PAGE_HZ = 600;
const ANNA_HZ = 1000;
const BEN_HZ = 1700;
const EARLY_HZ = 1300;
/** So long a phone hears the page. */
const HEARD_S = 1.5;
/** A trial takes as long as its longest wait for an answer, and some. */
const TRIAL_MS = 90_000;
const AREA = { udp: 30, tcp: 40, tls: 70 };

const here = path.dirname(fileURLToPath(import.meta.url));
const directory = fs.mkdtempSync(path.join(os.tmpdir(), "sipp-"));
afterAll(() => fs.rmSync(directory, { recursive: true, force: true }));
const announces = await freePort();
const kamailio = await startKamailio(path.join(here, "carrier.cfg"), { announces });
afterAll(() => kamailio.stop());
const flows = await startFlows();
const trunk = transport => `
[[trunk]]
name = "${transport}"
free = true
transport = "${transport}"
address = "127.0.0.1:${transport === "tls" ? kamailio.tls : kamailio.port}"
from_domain = "carrier.test"
user = "gw-${transport}"
password = "${PASSWORD}"
number = "+49${AREA[transport]}0"
register = true
register_expires = 60
${transport === "tls" ? `tls_name = "carrier.test"\nca = "${kamailio.ca}"` : ""}
[[rule]]
when = { entry = "user", to = "+49${AREA[transport]}*" }
dial = "trunk:${transport}"
`;
const gateway = await startGateway({
  sockets: ["tls"],
  toml: `${Object.keys(AREA).map(trunk).join("")}${flows.toml}
[[rule]]
when = { entry = "trunk", to = "+49*0" }
dial = "user:web"
[[rule]]
when = { entry = "user", to = "phone" }
dial = "user:phone"
`,
});
afterAll(() => gateway.stop());
const edges = await startEdges(gateway, directory);
const browser = await launchBrowser({ hz: PAGE_HZ });
afterAll(() => browser.close());
const scene = scenesOf(gateway);
const phone = phonesOf(kamailio.port);

const anna = (t, options) => phone(t, { user: "anna", hz: ANNA_HZ, options });
const ben = (t, options) => phone(t, { user: "ben", hz: BEN_HZ, options });

/** A page, and what Kamailio says from now on. */
async function softphone(t) {
  const page = await browser.softphone(gateway.url);
  const mark = kamailio.mark();
  t.onFailure(() => page.story());
  t.onFailure(() => `Kamailio: ${kamailio.since(mark).split("\n").slice(-40).join("\n")}`);
  t.after(() => page.page.context().close());
  return page;
}

/** The requests of this method that Kamailio has passed on by their Route since then. */
const routed = (mark, method) => kamailio.since(mark).split(`routed ${method} `).length - 1;

const hearsPage = who => hearsTone(who, PAGE_HZ, HEARD_S);

scene("all three trunks register, by UDP, TCP and TLS, with a password that Kamailio asks for", async t => {
  t.onFailure(() => kamailio.log().slice(-3000));
  for (const transport of Object.keys(AREA)) {
    const line = new RegExp(`is registered at the trunk.*trunk="?${transport}"?`);
    await until(`${transport} is registered`, () => line.test(gateway.logSince(0, 500)));
  }
});

for (const transport of Object.keys(AREA)) {
  scene(`the page calls a phone by ${transport} through Kamailio, which stays on the way, and both hear each other`, async t => {
    const [page, callee] = [await softphone(t), await anna(t, ";answermode=auto")];
    const mark = kamailio.mark();
    await page.callAndTalk(`+49${AREA[transport]}1`);
    await page.hears(ANNA_HZ);
    await hearsPage(callee);
    await page.hangUp();
    await callee.event("CALL_CLOSED");
    await until("the ACK and the BYE pass by Kamailio", () => routed(mark, "ACK") > 0 && routed(mark, "BYE") > 0);
    check(kamailio.since(mark).includes("by the route <sip:127.0.0.1:"), "the INVITE takes the Service-Route");
  });

  scene(`a phone calls the number of the trunk by ${transport}, the page rings, and the phone hangs up`, async t => {
    const [page, caller] = [await softphone(t), await anna(t)];
    const mark = kamailio.mark();
    const record = gateway.nextRecord();
    await caller.command("dial", `sip:+49${AREA[transport]}0@carrier.test`);
    await page.answer();
    await caller.event("CALL_ESTABLISHED");
    await page.hears(ANNA_HZ);
    await hearsPage(caller);
    await caller.command("hangup");
    await page.shows("Ended: normal");
    await until("the BYE passes by Kamailio", () => routed(mark, "BYE") > 0);
    const { entry, to } = await record();
    check(entry === `trunk:${transport}` && to === `+49${AREA[transport]}0`, `the record says ${entry} ${to}`);
  });
}

scene("the page hangs up on a phone that called it: the BYE goes back by the Route set, over another transport too", async t => {
  const [page, caller] = [await softphone(t), await anna(t)];
  const mark = kamailio.mark();
  await caller.command("dial", `sip:+49${AREA.tcp}0@carrier.test`);
  await page.answer();
  await caller.event("CALL_ESTABLISHED");
  await page.hears(ANNA_HZ);
  await page.hangUp();
  await caller.event("CALL_CLOSED");
  await until("the BYE passes by Kamailio", () => routed(mark, "BYE") > 0);
});

scene("a phone holds and resumes through Kamailio, and the page does", async t => {
  const [page, callee] = [await softphone(t), await anna(t, ";answermode=auto")];
  const mark = kamailio.mark();
  const told = on => page.frames.log.some(l => l.includes('"hold"') && l.includes(String(on)));
  await page.callAndTalk(`+49${AREA.tcp}1`);
  await page.hears(ANNA_HZ);
  await callee.command("hold");
  await until("the page is told", () => told(true));
  await callee.command("resume");
  await until("and told again", () => told(false));
  await page.hears(ANNA_HZ);
  await until("both changes of the phone pass by Kamailio", () => routed(mark, "INVITE") >= 2);
  const changes = routed(mark, "INVITE");
  await page.hold();
  await until("a change of the page's passes by Kamailio", () => routed(mark, "INVITE") > changes);
  await page.shows("On hold");
  const held = routed(mark, "INVITE");
  await page.hold();
  await until("and another", () => routed(mark, "INVITE") > held);
  await page.hears(ANNA_HZ);
  await page.hangUp();
  await callee.event("CALL_CLOSED");
});

scene("of two phones that ring at once one answers, and the other is cancelled", async t => {
  const [page, first, second] = [await softphone(t), await anna(t), await ben(t)];
  await page.call(`+49${AREA.udp}3`);
  await Promise.all([first.event("CALL_INCOMING"), second.event("CALL_INCOMING")]);
  await second.command("accept");
  await page.shows("Connected");
  await first.event("CALL_CLOSED");
  await page.hears(BEN_HZ);
  await hearsPage(second);
  await page.hangUp();
});

scene("an announcement is heard from one early dialog, and then the phone of another that answers", async t => {
  const [page, answers, rtp] = [await softphone(t), await ben(t), await new RtpPeer().open()];
  t.after(() => rtp.close());
  const announcer = new Sipp(path.join(here, "scenarios/announces.xml"), { directory, port: announces, rtp });
  t.onFailure(() => `SIPp: ${announcer.errors()}`);
  t.after(() => announcer.stop());
  await announcer.listens();
  await page.call(`+49${AREA.udp}5`);
  rtp.play(EARLY_HZ, await announcer.remotePort());
  await answers.event("CALL_INCOMING");
  await page.hears(EARLY_HZ);
  await answers.command("accept");
  await page.shows("Connected");
  await announcer.finished();
  await page.hears(BEN_HZ);
  await hearsPage(answers);
  await page.hangUp();
});

scene("a call that the page gives up stops both phones from ringing", async t => {
  const [page, first, second] = [await softphone(t), await anna(t), await ben(t)];
  await page.call(`+49${AREA.udp}3`);
  await Promise.all([first.event("CALL_INCOMING"), second.event("CALL_INCOMING")]);
  await page.shows("Ringing");
  await page.hangUp("Ended: cancelled");
  await Promise.all([first.event("CALL_CLOSED"), second.event("CALL_CLOSED")]);
});

scene("a phone that declines makes way for the next that Kamailio tries", async t => {
  const [page, first, second] = [await softphone(t), await anna(t), await ben(t, ";answermode=auto")];
  await page.call(`+49${AREA.udp}4`);
  await first.event("CALL_INCOMING");
  await first.command("hangup");
  await page.shows("Connected");
  await page.hears(BEN_HZ);
  await hearsPage(second);
  await page.hangUp();
});

scene("what Kamailio refuses is said to the page", async t => {
  const page = await softphone(t);
  for (const [status, end] of [[404, "not-found"], [486, "busy"], [480, "unavailable"], [603, "declined"], [403, "forbidden"]]) {
    await page.call(`+49${AREA.udp}9${status}`);
    await page.shows(`Ended: ${end}`);
  }
});

scene("Kamailio is started anew in the middle of a call, which goes on and ends by the same way", async t => {
  const [page, callee] = [await softphone(t), await anna(t, ";answermode=auto")];
  await page.callAndTalk(`+49${AREA.udp}1`);
  await page.hears(ANNA_HZ);
  await kamailio.restart();
  const mark = kamailio.mark();
  await page.hears(ANNA_HZ);
  await hearsPage(callee);
  await page.hangUp();
  await callee.event("CALL_CLOSED");
  await until("the BYE passes by Kamailio, which knows nothing of the call", () => routed(mark, "BYE") > 0);
});

/** What `patchcord trunk test` says of a trunk, and whether all is well. */
async function tried(name, { change = text => text, number } = {}) {
  const file = path.join(directory, "trial.toml");
  fs.writeFileSync(file, change(fs.readFileSync(gateway.config, "utf8")));
  const program = await start(gateway.binary, ["--config", file, "trunk", "test", name, ...(number ? ["--call", number] : [])]);
  await until("the trial is over", () => program.ended !== null, { ms: TRIAL_MS });
  return { isWell: program.ended === 0, said: program.output };
}

scene("each trunk is tried beside the gateway that runs, with a call whose sound is heard", async t => {
  await anna(t, ";answermode=auto");
  for (const transport of Object.keys(AREA)) {
    const { isWell, said } = await tried(transport, { number: `+49${AREA[transport]}1` });
    check(isWell && said.includes("something to be heard") && said.includes("for 60 s"), `${transport}: ${said}`);
  }
});

scene("what is wrong with a trunk is told: its password, its name, its port, the number", async t => {
  const wrong = async (name, options, ...parts) => {
    const { isWell, said } = await tried(name, options);
    check(!isWell && parts.every(part => said.includes(part)), `${name}: ${said}`);
  };
  await wrong("udp", { change: text => text.replaceAll(PASSWORD, "another") }, "does not take the password of `gw-udp`");
  const other = text => text.replace('tls_name = "carrier.test"', 'tls_name = "other.test"');
  await wrong("tls", { change: other }, "its certificate is for carrier.test, and not for `other.test`");
  const strange = text => text.replace(`ca = "${kamailio.ca}"`, "");
  await wrong("tls", { change: strange }, "from nobody that is believed here");
  const away = await freePort();
  const elsewhere = text => text.replaceAll(`address = "127.0.0.1:${kamailio.port}"`, `address = "127.0.0.1:${away}"`);
  for (const name of ["udp", "tcp"]) await wrong(name, { change: elsewhere }, `nobody listens at 127.0.0.1:${away} by ${name}`);
  await wrong("udp", { number: `+49${AREA.udp}9488` }, "it takes nothing of what it is offered", "488");
  await wrong("udp", { number: `+49${AREA.udp}1` }, "nobody can be reached at that number now: 480");
});

testEdges({ scene, setting: edges, softphone, pageHz: PAGE_HZ });
testFlows({ scene, setting: flows, gateway, softphone });

await run();
