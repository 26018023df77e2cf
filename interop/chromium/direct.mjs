/** Two pages whose media go directly from one to the other, with pictures; and the messages that pages write. */
import { filmScenes } from "../lib/film.mjs";
import { moves, watchConnections } from "../lib/pictures.mjs";
import { check, until } from "../lib/tests.mjs";

const NEAR_HZ = 600;
const FAR_HZ = 1700;
const DIRECTLY = "directly to the other side, encrypted end to end";

/** Registers the scenes. @param {{scene: Function, gateway: object, twoPeople: Function}} rig */
export function directScenes({ scene, gateway, twoPeople }) {
  /** Alice and Bob in a direct call. */
  async function talkDirectly(t, { video = false } = {}) {
    const [a, b] = await twoPeople(t);
    await Promise.all([a.page.evaluate(watchConnections), b.page.evaluate(watchConnections)]);
    if (video) await a.callWithVideo("direct-bob");
    else await a.call("direct-bob");
    await b.shows("Incoming call");
    if (video) await b.answerWithVideo();
    else await b.answer();
    await a.shows("Connected");
    return [a, b];
  }

  async function hearEachOther(a, b) {
    await Promise.all([a.hears(FAR_HZ), b.hears(NEAR_HZ)]);
  }

  /** Sound and pictures of a page are counted, and it shows how loud the other side is and in which format. */
  async function measured(phone) {
    const counted = () => phone.page.evaluate(countFrames);
    const { audio, video } = await until("sound and pictures", async () => {
      const now = await counted();
      return now.audio > 50 && now.video > 5 && now;
    });
    console.log(`        ${audio} packets of sound, ${video} pictures`);
    const levels = () => phone.page.getByRole("meter", { name: "Their level" }).getAttribute("aria-valuenow");
    await until("a level of what is heard", async () => Number(await levels()) > 20);
    await until("a codec", async () => (await phone.page.locator("#quality").textContent()).includes("Opus"));
  }

  scene("two pages talk directly, and the relay has nothing of it", async t => {
    const ended = gateway.nextRecord();
    const [a, b] = await talkDirectly(t);
    await hearEachOther(a, b);
    for (const phone of [a, b]) {
      await phone.goes(DIRECTLY);
      await until("packets", async () => (await phone.page.evaluate(countFrames)).audio > 50);
    }
    await a.hangUp();
    await b.shows("Ended: normal");
    const record = await ended();
    const direct = record.path === "direct" && !record.media.length;
    check(direct, `the relay has nothing of it: ${JSON.stringify(record)}`);
  });

  scene("a call between pages goes through the gateway unless a rule says otherwise, with its pictures", async t => {
    const [a, b] = await twoPeople(t);
    await a.callWithVideo("bob");
    await b.shows("Incoming call");
    await b.answerWithVideo();
    await a.shows("Connected");
    await hearEachOther(a, b);
    await Promise.all([moves(a), moves(b)]);
    for (const phone of [a, b]) await phone.goes("through the gateway");
    await a.hangUp();
  });

  filmScenes({
    scene,
    way: "directly",
    talk: talkDirectly,
    hear: hearEachOther,
    sees: moves,
    meanwhile: (...pages) => Promise.all(pages.map(measured)),
  });

  scene("a caller with video is seen by one who answers without", async t => {
    const [a, b] = await twoPeople(t);
    await a.callWithVideo("direct-bob");
    await b.shows("Incoming call");
    await b.answer();
    await moves(b);
    await hearEachOther(a, b);
    check(await b.page.locator("#local-video").isHidden(), "who answers without video shows none");
    check(await a.page.locator("#remote-video").isHidden(), "and is not seen");
    await a.hangUp();
  });

  scene("a side without BUNDLE and names of sources, as IM clients are, is seen and heard", async t => {
    const [a, b] = await twoPeople(t);
    await b.page.evaluate(speakLikeAnImClient);
    await Promise.all([a.page.evaluate(watchConnections), b.page.evaluate(watchConnections)]);
    await a.callWithVideo("direct-bob");
    await b.shows("Incoming call");
    await b.answerWithVideo();
    await Promise.all([moves(a), moves(b)]);
    await hearEachOther(a, b);
    const transports = await a.page.evaluate(() => new Set(window.connections[0].getSenders().map(s => s.transport)).size);
    check(transports === 2, `${transports} transports`);
    await a.hangUp();
    await b.shows("Ended: normal");
    await b.callWithVideo("direct-alice");
    await a.shows("Incoming call");
    await a.answerWithVideo();
    await Promise.all([moves(a), moves(b)]);
    await hearEachOther(a, b);
    await b.hangUp();
  });

  scene("a side that takes no video says so, and the sound goes on", async t => {
    const [a, b] = await talkDirectly(t);
    await b.page.evaluate(refuseOffers);
    await a.camera();
    await until("a sentence", async () => (await a.sentence.textContent()) === "The other side does not take video.");
    await until("nothing is shown", () => a.page.locator("#stage").isHidden());
    await hearEachOther(a, b);
    await a.hangUp();
  });

  scene("a page that is reloaded in a direct call says so if the other side cannot take it back", async t => {
    const [a, b] = await talkDirectly(t);
    await hearEachOther(a, b);
    await b.page.evaluate(refuseOffers);
    await a.reload();
    await a.shows("Ended: network");
    check((await a.sentence.textContent()).includes("after the page was reloaded"), await a.sentence.textContent());
    await b.shows("Ended: normal");
  });

  scene("a page holds in a direct call by itself, and takes back", async t => {
    const [a, b] = await talkDirectly(t, { video: true });
    await hearEachOther(a, b);
    await a.hold();
    await b.shows("On hold");
    await Promise.all([a.hearsNothing(), b.hearsNothing()]);
    check(await a.page.locator("#remote-video").isHidden(), "who holds sees nothing either");
    await a.hold();
    await b.shows("Connected");
    await hearEachOther(a, b);
    await moves(a);
    await a.hangUp();
  });

  scene("keys in a direct call are heard at the other side", async t => {
    const [a, b] = await talkDirectly(t);
    await hearEachOther(a, b);
    // The key alone is to be heard; in the silence before it the ear is listening anew from time to time.
    await a.mute();
    await b.hearsNothing();
    await b.hearsKey("5", () => a.keys("5"));
    await a.hangUp();
  });

  scene("a page that is reloaded in a direct call has it back, with sound both ways", async t => {
    const [a, b] = await talkDirectly(t, { video: true });
    await hearEachOther(a, b);
    await a.reload();
    await a.shows("Connected");
    await hearEachOther(a, b);
    await b.camera();
    await moves(a);
    await a.hangUp();
  });

  scene("a message reaches the page it is for, and the answer comes back", async t => {
    const [a, b] = await twoPeople(t);
    await a.write("bob", "Good evening, Bob");
    await until("the message", async () => (await b.messages()).some(m => m.includes("alice") && m.includes("Good evening, Bob")));
    await until("its fate", async () => (await a.messages()).some(m => m.includes("Delivered")));
    await b.page.getByLabel("Message", { exact: true }).fill("Good evening, Alice");
    await b.page.keyboard.press("Enter");
    await until("the answer", async () => (await a.messages()).some(m => m.includes("bob") && m.includes("Good evening, Alice")));
  });

  scene("a message to nobody and one to somebody who is away say so", async t => {
    const [a] = await twoPeople(t);
    for (const nobody of ["nobody-at-all", "phone"]) {
      await a.write(nobody, `To ${nobody}`);
      const failed = async () => (await a.messages()).some(m => m.includes(`To ${nobody}`) && m.includes("Not delivered: "));
      await until(`the failure of ${nobody}`, failed);
    }
  });
}

/** Runs in the page: leaves out of its descriptions what IM clients leave out of theirs. */
function speakLikeAnImClient() {
  const left = /a=(group:BUNDLE|msid|ssrc|ssrc-group|extmap|extmap-allow-mixed)\b.*?\r\n/g;
  const set = RTCPeerConnection.prototype.setRemoteDescription;
  RTCPeerConnection.prototype.setRemoteDescription = function ({ type, sdp }) {
    return set.call(this, { type, sdp: sdp.replace(left, "") });
  };
  const send = WebSocket.prototype.send;
  WebSocket.prototype.send = function (text) {
    const frame = JSON.parse(text);
    if (frame.sdp) frame.sdp = frame.sdp.replace(left, "");
    send.call(this, JSON.stringify(frame));
  };
}

/** Runs in the page: takes no offer any more. */
function refuseOffers() {
  RTCPeerConnection.prototype.setRemoteDescription = () => Promise.reject(new Error("no"));
}

/** Runs in the page: packets of sound and pictures that came in, by `getStats` of the last connection. */
async function countFrames() {
  const report = [...(await window.connections.at(-1).getStats()).values()];
  const inbound = kind => report.find(s => s.type === "inbound-rtp" && s.kind === kind);
  return { audio: inbound("audio")?.packetsReceived ?? 0, video: inbound("video")?.framesDecoded ?? 0 };
}
