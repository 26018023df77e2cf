/** Two pages talk directly, and one of them connects the other with a telephone: one on a desk, one in a browser. */
import { heardTone } from "../lib/desk.mjs";
import { USERS } from "../lib/gateway.mjs";
import { pause } from "../lib/tests.mjs";

/** Who calls `direct-bob` calls bob, and the media do not touch the gateway. */
export const DIRECT_RULE = `
[[rule]]
name = "bob, directly"
when = { entry = "user", to = "direct-bob" }
dial = "user:bob"
media = "direct"
`;

const TALK_MS = 2_500;
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
    await bob.hears(tones.desk);
    await pause(TALK_MS);
    await bob.hangUp();
    await phone.event("CALL_CLOSED");
    await heardTone(phone, tones.near, HEARD_S);
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
