/** baresip told of keys by SIP INFO. Version 1.0 reads them and says its own as events alone. */
import { launchBrowser } from "../lib/browser.mjs";
import { desksOf } from "../lib/desk.mjs";
import { startGateway } from "../lib/gateway.mjs";
import { afterAll, check, pause, run, scenesOf, until } from "../lib/tests.mjs";

const PHONE_HZ = 1000;

const gateway = await startGateway({ sip: 'dtmf = "info"' });
afterAll(() => gateway.stop());
const browser = await launchBrowser({ hz: 600 });
afterAll(() => browser.close());
const scene = scenesOf(gateway);
const desk = desksOf(gateway, PHONE_HZ);

scene("keys go by INFO to a phone that the configuration says so of, and it reads each once", async t => {
  const phone = await desk(t, { options: ";answermode=auto" });
  const page = await browser.softphone(gateway.url);
  t.onFailure(() => page.story());
  t.after(() => page.page.context().close());
  await page.callAndTalk("phone");
  await page.hears(PHONE_HZ);
  await page.keys("42*");
  const keys = () => phone.events.filter(e => e.type === "CALL_DTMF_START").map(e => e.param).join("");
  await until("the phone reads the keys", () => keys() === "42*").catch(() => {
    throw new Error(`the phone read "${keys()}"`);
  });
  await pause(1_000);
  check(keys() === "42*", `the phone read "${keys()}"`);
  await page.hangUp();
});

await run();
