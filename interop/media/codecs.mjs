/** Codecs of speech: the page and baresip in one, and two baresips in two, between which the relay translates. */
import { launchBrowser } from "../lib/browser.mjs";
import { desksOf } from "../lib/desk.mjs";
import { startGateway } from "../lib/gateway.mjs";
import { afterAll, check, run, scenesOf } from "../lib/tests.mjs";
import { AUTO, CALLEE_HZ, callsOf, CODECS, HEARD_S, hearsTone, speaking } from "./phones.mjs";

const PAGE_HZ = 600;

const gateway = await startGateway();
afterAll(() => gateway.stop());
const browser = await launchBrowser({ hz: PAGE_HZ });
afterAll(() => browser.close());
const scene = scenesOf(gateway);
const desk = desksOf(gateway, CALLEE_HZ);
const talk = callsOf(gateway);

for (const codec of ["Opus", "G.722"]) {
  scene(`the page calls a phone in ${codec}, and both hear each other`, async t => {
    const record = gateway.nextRecord();
    const phone = await desk(t, speaking(codec, { options: AUTO }));
    const page = await browser.softphone(gateway.url);
    t.onFailure(() => page.story());
    t.after(() => page.page.context().close());
    await page.callAndTalk("phone");
    await page.hears(CALLEE_HZ);
    await hearsTone(phone, PAGE_HZ, HEARD_S);
    await page.hangUp();
    await phone.event("CALL_CLOSED");
    const said = (await record()).codec;
    check(said === CODECS[codec].record, `the record says ${said}`);
  });
}

for (const [from, to] of [["Opus", "PCMA"], ["G.722", "PCMU"], ["Opus", "G.722"]]) {
  scene(`a phone in ${from} calls one in ${to}, and both hear each other`, async t => {
    const { media } = (await talk(t, speaking(from), speaking(to))).record;
    const said = ["caller", "callee"].map(side => media.find(m => m.side === side).codec.toLowerCase());
    const meant = [from, to].map(codec => CODECS[codec].record.split("/")[0].toLowerCase());
    check(said.join() === meant.join(), `the record says ${said}, not ${meant}`);
  });
}

await run();
