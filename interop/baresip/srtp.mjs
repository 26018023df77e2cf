/** baresip with protected media: keys in the description (SDES), and DTLS-SRTP without ICE where it is required. */
import { launchBrowser } from "../lib/browser.mjs";
import { desksOf, hearsTone } from "../lib/desk.mjs";
import { startGateway } from "../lib/gateway.mjs";
import { afterAll, check, run, scenesOf, until } from "../lib/tests.mjs";

const PAGE_HZ = 600;
const PHONE_HZ = 1000;
/** So long the phone hears the page. */
const HEARD_S = 1.5;
const SDES = "SDES AES_CM_128_HMAC_SHA1_80";

const browser = await launchBrowser({ hz: PAGE_HZ });
afterAll(() => browser.close());

/** A gateway with these keys of `[sip]`, and what its scenes need. */
async function house(sip, options = {}) {
  const gateway = await startGateway({ sip, ...options });
  afterAll(() => gateway.stop());
  return { gateway, scene: scenesOf(gateway), desk: desksOf(gateway, PHONE_HZ) };
}

async function softphone(t, gateway) {
  const page = await browser.softphone(gateway.url);
  t.onFailure(() => page.story());
  t.after(() => page.page.context().close());
  return page;
}

const protectedBy = (mediaenc, transport) => ({
  modules: ["g711", "srtp", "dtls_srtp"],
  options: `;mediaenc=${mediaenc};answermode=auto`,
  transport,
});

/** What the record says of the protection of the telephone's leg. */
const sealOf = (record, side) => record.media.find(m => m.side === side).seal;

/** The phone calls the page, or is called by it; both hear each other, and the record says how the phone's leg is sealed. */
async function talk(t, { gateway, desk }, mediaenc, calls, seal, transport = "udp") {
  const ended = gateway.nextRecord();
  const [page, phone] = [await softphone(t, gateway), await desk(t, protectedBy(mediaenc, transport))];
  if (calls) {
    await phone.command("dial", "sip:web@127.0.0.1");
    await page.answer();
    await phone.event("CALL_ESTABLISHED");
  } else {
    await page.callAndTalk("phone");
  }
  await page.hears(PHONE_HZ);
  await hearsTone(phone, PAGE_HZ, HEARD_S);
  await page.hangUp();
  await phone.event("CALL_CLOSED");
  const said = sealOf(await ended(), calls ? "caller" : "callee");
  check(said === seal, `the record says ${said}, not ${seal}`);
}

const trusted = await house("srtp_over_plain = true");
const strict = await house('srtp = "required"\nsrtp_over_plain = true');
for (const mediaenc of ["srtp", "srtp-mand"]) {
  trusted.scene(`a phone with ${mediaenc} calls the page, and both hear each other`, t => talk(t, trusted, mediaenc, true, SDES));
  // A phone that insists takes no offer that leaves the choice.
  const caller = mediaenc === "srtp" ? trusted : strict;
  caller.scene(`the page calls a phone with ${mediaenc}, and both hear each other`, t => talk(t, caller, mediaenc, false, SDES));
}
const sealed = await house('srtp = "required"', { sockets: ["tls"] });
for (const calls of [true, false]) {
  const who = calls ? "a phone by TLS calls the page" : "the page calls a phone by TLS";
  sealed.scene(`${who}, with keys in the description and without further leave, and both hear each other`, t =>
    talk(t, sealed, "srtp-mand", calls, SDES, "tls"));
}
trusted.scene("the page calls a phone without SRTP, which is offered it and does without", async t => {
  const ended = trusted.gateway.nextRecord();
  const [page, phone] = [await softphone(t, trusted.gateway), await trusted.desk(t, { options: ";answermode=auto" })];
  await page.callAndTalk("phone");
  await page.hears(PHONE_HZ);
  await hearsTone(phone, PAGE_HZ, HEARD_S);
  await page.hangUp();
  check(sealOf(await ended(), "callee") === "plain", "the record says plain");
});

trusted.scene("a phone with SRTP holds and resumes, and is heard again", async t => {
  const ended = trusted.gateway.nextRecord();
  const [page, phone] = [await softphone(t, trusted.gateway), await trusted.desk(t, protectedBy("srtp"))];
  await page.callAndTalk("phone");
  await page.hears(PHONE_HZ);
  await phone.command("hold");
  await until("the page is told", () => page.frames.log.some(l => l.includes('"hold"') && l.includes("true")));
  await phone.command("resume");
  await until("and told again", () => page.frames.log.some(l => l.includes('"hold"') && l.includes("false")));
  await page.hears(PHONE_HZ);
  await page.hangUp();
  check(sealOf(await ended(), "callee") === SDES, "the record says SDES");
});

strict.scene("a phone without SRTP is refused where it is required", async t => {
  const phone = await strict.desk(t);
  await phone.command("dial", "sip:web@127.0.0.1");
  const closed = await phone.event("CALL_CLOSED");
  check(/488/.test(closed.param), closed.param);
});

const dtls = await house('srtp = "required"');
dtls.scene("the page calls a phone with DTLS-SRTP and without ICE, and both hear each other", async t =>
  talk(t, dtls, "dtls_srtp", false, "DTLS AEAD_AES_128_GCM"),
);

const usual = await house("");
usual.scene("a phone that insists on keys in the description is refused over UDP, and the log names the key that allows it", async t => {
  const ended = usual.gateway.nextRecord();
  const phone = await usual.desk(t, protectedBy("srtp-mand"));
  await phone.command("dial", "sip:web@127.0.0.1");
  const closed = await phone.event("CALL_CLOSED");
  check(/488/.test(closed.param), closed.param);
  const { why } = await ended();
  check(/srtp_over_plain = true/.test(why), why);
});

await run();
