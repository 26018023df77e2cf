/** Scenes of two pages that show themselves to each other, which hold whichever way their media go. */
import { check, until } from "./tests.mjs";

/**
 * Registers the scenes.
 * @param {object} rig `scene`; `way`: the words for it; `talk(t, {video})`: gives two pages that talk, the caller first;
 *   `hear(a, b)`: waits until both hear each other; `sees(phone)`: waits until the other side is seen there;
 *   `meanwhile(a, b)` and `after()`: what else is to be looked at while they see each other, and when it is over
 */
export function filmScenes({ scene, way, talk, hear, sees, meanwhile = async () => {}, after = async () => {} }) {
  const seeEachOther = (a, b) => Promise.all([sees(a), sees(b)]);

  scene(`two pages see and hear each other ${way}`, async t => {
    const [a, b] = await talk(t, { video: true });
    await hear(a, b);
    await seeEachOther(a, b);
    await meanwhile(a, b);
    await b.hangUp();
    await a.shows("Ended: normal");
    check(await a.page.locator("#stage").isHidden(), "the pictures are gone");
    await after();
  });

  scene(`video is added and taken away by either side in a call ${way}`, async t => {
    const [a, b] = await talk(t);
    await a.camera();
    await sees(b);
    await b.camera();
    await sees(a);
    await a.camera();
    await until("no pictures of the caller", () => b.page.locator("#remote-video").isHidden());
    await a.camera();
    await sees(b);
    await hear(a, b);
    await a.hold();
    await b.shows("On hold");
    await a.hold();
    await b.shows("Connected");
    await hear(a, b);
    await seeEachOther(a, b);
    await a.hangUp();
  });

  scene(`both sides begin to show themselves at once and see each other ${way}`, async t => {
    const [a, b] = await talk(t);
    await Promise.all([a.camera(), b.camera()]);
    await seeEachOther(a, b);
    await hear(a, b);
    await a.hangUp();
  });
}
