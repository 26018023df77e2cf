/** Two pages talk directly, and one of them connects the other with somebody else: whoever is left is brought to the relay. */
import { moves } from "../lib/pictures.mjs";
import { check, until } from "../lib/tests.mjs";

const NEAR_HZ = 600;
const FAR_HZ = 1700;
const DIRECTLY = "directly";
const RELAYED = "through the gateway";

/** Registers the scenes. @param {{scene: Function, gateway: object, twoPeople: Function, third: Function, numbers: object}} rig */
export function transferScenes({ scene, gateway, twoPeople, third, numbers }) {
  async function talkDirectly(t) {
    const [a, b] = await twoPeople(t);
    await a.call("direct-bob");
    await b.shows("Incoming call");
    await b.answer();
    await a.shows("Connected");
    await hearEachOther(a, b);
    return [a, b];
  }

  const hearEachOther = (a, b) => Promise.all([a.hears(FAR_HZ), b.hears(NEAR_HZ)]);

  scene("a page of a direct call transfers the other to a number, which hears it and is heard", async t => {
    const ended = gateway.nextRecord();
    const [a, b] = await talkDirectly(t);
    await a.transfer(numbers.echo);
    await a.shows("Ended: normal");
    await b.hears(FAR_HZ);
    await b.goes(RELAYED);
    await b.hangUp();
    const record = await ended();
    const { transferred_to, path, relayed_because } = record;
    check(transferred_to === "trunk:demo" && path === "relayed" && relayed_because, `the record says ${JSON.stringify(record)}`);
  });

  scene("a direct call stays as it was if whoever it is transferred to is busy", async t => {
    const [a, b] = await talkDirectly(t);
    await b.transfer(numbers.busy);
    await until("a sentence", async () => (await b.sentence.textContent()).startsWith("The transfer failed."));
    await hearEachOther(a, b);
    await Promise.all([a.goes(DIRECTLY), b.goes(DIRECTLY)]);
    await a.hangUp();
    await b.shows("Ended: normal");
  });

  scene("a page joins the other side of a direct call and the page that calls it, with one button", async t => {
    const [[a, b], c] = [await talkDirectly(t), await third(t)];
    await c.call("alice");
    await a.answer();
    await c.shows("Connected");
    await a.transfer();
    await a.shows("Ended: normal");
    await Promise.all([b.hears(NEAR_HZ), c.hears(FAR_HZ)]);
    await b.shows("Connected");
    await c.hangUp();
    await b.shows("Ended: normal");
  });

  scene("a page joins two calls with pictures through the gateway, and those two see and hear each other", async t => {
    const [[a, b], c] = [await twoPeople(t), await third(t)];
    await a.callWithVideo("bob");
    await b.shows("Incoming call");
    await b.answerWithVideo();
    await a.shows("Connected");
    await c.callWithVideo("alice");
    await a.answerWithVideo();
    await c.shows("Connected");
    await a.transfer();
    await a.shows("Ended: normal");
    await Promise.all([moves(b), moves(c)]);
    await Promise.all([b.hears(NEAR_HZ), c.hears(FAR_HZ)]);
    await c.hangUp();
    await b.shows("Ended: normal");
  });
}
