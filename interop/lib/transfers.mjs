/**
 * Transfers among a SIP client in a browser, a desk phone, the page and a client of the other library: whoever asks, the two
 * that are left hear each other.
 */
import { hearsTone } from "./desk.mjs";
import { check, until } from "./tests.mjs";

const HEARD_S = 1;

/** @param {object} parts see `testWebphones`: makers of parties, and the tone that each of them says */
export function testTransfers({ scene, desk, client, peer, softphone, nextRecord, tones }) {
  const auto = { options: ";answermode=auto" };

  /** The last word that a client was told of its transfer. */
  const transferred = (web, status) =>
    until(`the transfer is told as ${status}`, async () => (await web.events()).some(e => e.event === "transfer" && e.status === status));

  scene("it refers a desk phone to somebody, by REFER, and those two hear each other", async t => {
    const [phone, web, theirs] = [await desk(t, auto), await client(t), await peer(t)];
    const ended = nextRecord();
    await web.call("phone");
    await web.event("accepted");
    await web.hears(tones.desk);
    await web.do("refer", "bob");
    await theirs.answer();
    await web.event("ended");
    await Promise.all([theirs.hears(tones.desk), hearsTone(phone, tones.far, HEARD_S)]);
    await theirs.hangUp();
    await phone.event("CALL_CLOSED");
    const record = await ended();
    check(record.transferred_to === "user:bob" && record.cause === "normal", `the record says ${JSON.stringify(record)}`);
  });

  scene("it refers a desk phone to somebody who declines, is told so, and talks on", async t => {
    const [phone, web, theirs] = [await desk(t, auto), await client(t), await peer(t)];
    await web.call("phone");
    await web.event("accepted");
    await web.do("refer", "bob");
    await theirs.event("incoming");
    await theirs.hangUp();
    await until("it is told", async () => (await web.events()).some(e => e.event === "transfer" && (e.status >= 400 || e.cause)));
    await web.hears(tones.desk);
    await web.hangUp();
    await phone.event("CALL_CLOSED");
  });

  scene("it joins the desk phone and the other client that it talks to, by REFER with Replaces", async t => {
    const [phone, web, theirs] = [await desk(t, auto), await client(t), await peer(t)];
    await web.call("phone");
    await web.event("accepted");
    await web.hears(tones.desk);
    await web.call("bob");
    await theirs.answer();
    await web.event("accepted", { nth: 2 });
    await theirs.hears(tones.near);
    await web.do("join");
    await web.event("ended", { nth: 2 });
    await transferred(web, 200);
    await Promise.all([theirs.hears(tones.desk), hearsTone(phone, tones.far, HEARD_S)]);
    await theirs.hangUp();
    await phone.event("CALL_CLOSED");
  });

  scene("a desk phone refers the page to it, and those two hear each other", async t => {
    const [page, phone, web] = [await softphone(t), await desk(t, auto), await client(t)];
    const ended = nextRecord();
    await page.callAndTalk("phone");
    await page.hears(tones.desk);
    await phone.command("transfer", "sip:alice@127.0.0.1");
    await web.answer();
    await Promise.all([page.hears(tones.near), web.hears(tones.far)]);
    await phone.event("CALL_CLOSED");
    await page.shows("Connected");
    await until("the page is told whom it talks to", () => page.frames.log.some(l => l.includes('"connected"') && l.includes("alice")));
    await web.hangUp();
    await page.shows("Ended: normal");
    const record = await ended();
    check(record.transferred_to === "user:alice", `the record says ${JSON.stringify(record)}`);
  });

  scene("the page transfers a desk phone to it, and those two hear each other", async t => {
    const [page, phone, web] = [await softphone(t), await desk(t, auto), await client(t)];
    await page.callAndTalk("phone");
    await page.hears(tones.desk);
    await page.transfer("alice");
    await web.answer();
    await page.shows("Ended: normal");
    await Promise.all([web.hears(tones.desk), hearsTone(phone, tones.near, HEARD_S)]);
    await web.hangUp();
    await phone.event("CALL_CLOSED");
  });

  scene("the page joins the desk phone and the client that it talks to, with one button", async t => {
    const [page, phone, web] = [await softphone(t), await desk(t), await client(t)];
    // baresip stops its recording at the first re-INVITE, so that it is the other one that is put on hold.
    await web.call("web");
    await page.answer();
    await page.hears(tones.near);
    await phone.command("dial", "sip:web@127.0.0.1");
    await page.answer();
    await page.hears(tones.desk);
    await page.transfer();
    await page.shows("Ended: normal");
    await Promise.all([web.hears(tones.desk), hearsTone(phone, tones.near, HEARD_S)]);
    await web.hangUp();
    await phone.event("CALL_CLOSED");
  });
}
