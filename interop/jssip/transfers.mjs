/** Two pages talk directly, and one of them connects the other with a telephone: one on a desk, one in a browser. */
import { hearsTone } from "../lib/desk.mjs";
import { USERS } from "../lib/gateway.mjs";

const HEARD_S = 1;

/** Registers the scenes. @param {object} rig see `testWebphones` */
export function transferScenes({ scene, gateway, client, desk, softphone, near, tones }) {
  /** The page, and Bob's in the other browser, in a direct call. */
  async function talkDirectly(t) {
    const page = await softphone(t);
    const bob = await near.softphone(gateway.url, { user: "bob", password: USERS.bob });
    t.onFailure(() => bob.story());
    t.after(() => bob.page.context().close());
    await page.call("direct-bob");
    await bob.shows("Incoming call");
    await bob.answer();
    await Promise.all([page.hears(tones.near), bob.hears(tones.far)]);
    return [page, bob];
  }

  scene("a page of a direct call transfers the other to a desk phone, and those two hear each other", async t => {
    const [[page, bob], phone] = [await talkDirectly(t), await desk(t, { options: ";answermode=auto" })];
    await page.transfer("phone");
    await page.shows("Ended: normal");
    await Promise.all([bob.hears(tones.desk), hearsTone(phone, tones.near, HEARD_S)]);
    await bob.hangUp();
    await phone.event("CALL_CLOSED");
  });

  scene("the page that was called transfers the other to it, directly as they talk, and those two hear each other", async t => {
    const [[page, bob], web] = [await talkDirectly(t), await client(t)];
    await bob.transfer("alice");
    await web.answer();
    await bob.shows("Ended: normal");
    await Promise.all([page.hears(tones.near), web.hears(tones.far)]);
    await web.hangUp();
    await page.shows("Ended: normal");
  });
}
