/** Transfers, and who is at the other end after them, between telephones that SIPp plays. */
import { asks, awaits, called, calls, hears, notes, rests, says } from "../lib/ladder.mjs";
import { EAST_HZ, EARLY_HZ, NUMBER, SOUTH, startPair } from "../lib/pair.mjs";
import { check, run } from "../lib/tests.mjs";

const OK = { sdp: {} };
/** Waits until both have heard each other. */
const TALK = awaits("talk");
const { scene, gateway, ear, east, west, south, talk, talkOn } = await startPair({ directory: "transfer-", trunk: "refer = true" });

const rings = (headers = []) => [asks("INVITE", { ...OK, headers }), hears(180, { optional: true }), hears(200), asks("ACK")];
const answers = [hears("INVITE"), says(180), says(200, OK), hears("ACK")];
const isHungUp = [hears("BYE"), says(200)];
const hangsUp = [asks("BYE"), hears(200)];
const referTo = (number, ...headers) => asks("REFER", { headers: [`Refer-To: <sip:${number}@${gateway.sip}>`, ...headers] });
const isTold = (status, state) =>
  [hears("NOTIFY", { header: { Event: "refer", "Subscription-State": state }, body: `SIP/2.0 ${status}` }), says(200)];

/** The east talks to the west; `third` waits in the south. Then it goes as the ladders say. */
async function transfer(t, { caller, callee, third }) {
  const [near, far, new_] = [await ear(t), await ear(t), await ear(t)];
  const souths = third && south(t, called(...third), { rtp: new_ });
  const wests = west(t, called(...callee), { rtp: far });
  await Promise.all([wests, souths].map(line => line?.listens()));
  const easts = east(t, calls(...caller), { rtp: near, to: NUMBER });
  await talk(near, easts, far, wests);
  const who = callee.includes(TALK) ? wests : easts;
  await who.go("talk");
  return { near, far, new_, easts, wests, souths };
}

/** Who stays and who was called hear each other. */
async function theOthersTalk({ near, new_, souths }) {
  new_.play(EARLY_HZ, await souths.remotePort());
  await near.hearsNow(EARLY_HZ);
  await new_.hearsNow(EAST_HZ);
  check(near.faults().length === 0, `who stays got: ${near.faults().slice(0, 5).join("; ")}`);
}

/** Who referred has been hung up; who stays hangs up. */
async function end({ easts, wests, souths }) {
  await wests.finished();
  await easts.go("end");
  await Promise.all([easts, souths].map(line => line.finished()));
}

scene("a telephone that refers its party is told how it goes and hung up, and the others hear each other", async t => {
  const ended = gateway.nextRecord();
  const parties = await transfer(t, {
    caller: [...rings(), awaits("end"), ...hangsUp],
    callee: [
      ...answers,
      TALK,
      referTo(SOUTH),
      hears(202),
      ...isTold(100, "active"),
      ...isTold(180, "active"),
      ...isTold(200, "terminated"),
      ...isHungUp,
    ],
    third: [hears("INVITE"), says(180), rests(500), says(200, OK), hears("ACK"), ...isHungUp],
  });
  await theOthersTalk(parties);
  await end(parties);
  const record = await ended();
  check(record.transferred_to === "trunk:south", `the record says ${JSON.stringify(record)}`);
});

scene("a REFER without a subscription is taken so, and the telephone is hung up without a NOTIFY", async t => {
  const parties = await transfer(t, {
    caller: [...rings(), awaits("end"), ...hangsUp],
    callee: [
      ...answers,
      TALK,
      referTo(SOUTH, "Refer-Sub: false", "Require: norefersub"),
      hears(202, { header: { "Refer-Sub": "false" } }),
      ...isHungUp,
    ],
    third: [...answers, ...isHungUp],
  });
  await theOthersTalk(parties);
  await end(parties);
});

scene("a target that is busy is told by its status, and the talk goes on as it was", async t => {
  const parties = await transfer(t, {
    caller: [...rings(), awaits("end"), ...hangsUp],
    callee: [...answers, TALK, referTo(SOUTH), hears(202), ...isTold(100, "active"), ...isTold(486, "terminated"), notes("told"), ...isHungUp],
    third: [hears("INVITE"), says(486), hears("ACK")],
  });
  await parties.souths.finished();
  await parties.wests.comesTo("told");
  await talkOn(parties.near, parties.far);
  await parties.easts.go("end");
  await Promise.all([parties.easts, parties.wests].map(p => p.finished()));
});

scene("a trunk that knows REFER is asked to take its party there, tells how it goes, and all are hung up", async t => {
  const ended = gateway.nextRecord();
  const tells = (status, state) => [
    asks("NOTIFY", {
      headers: ["Event: refer", `Subscription-State: ${state}`],
      type: "message/sipfrag;version=2.0",
      body: `SIP/2.0 ${status}\n`,
    }),
    hears(200),
  ];
  const parties = await transfer(t, {
    caller: [
      ...rings(),
      TALK,
      referTo("+15550201"),
      hears(202),
      ...isTold(100, "active"),
      ...isTold(180, "active"),
      ...isTold(200, "terminated"),
      ...isHungUp,
    ],
    callee: [
      ...answers,
      hears("REFER", { header: { "Refer-To": "15550201", "Referred-By": "15559876", Supported: "norefersub" } }),
      says(202),
      ...tells("100 Trying", "active;expires=60"),
      ...tells("180 Ringing", "active;expires=60"),
      ...tells("200 OK", "terminated;reason=noresource"),
      ...isHungUp,
    ],
  });
  await Promise.all([parties.easts, parties.wests].map(p => p.finished()));
  const record = await ended();
  check(record.transferred_to === "trunk:west", `the record says ${JSON.stringify(record)}`);
});

scene("a trunk that takes a REFER and will tell nothing is believed, and all are hung up", async t => {
  const parties = await transfer(t, {
    caller: [...rings(), TALK, referTo("+15550201"), hears(202), ...isTold(100, "active"), ...isTold(200, "terminated"), ...isHungUp],
    callee: [...answers, hears("REFER"), says(202, { headers: ["Refer-Sub: false"] }), ...isHungUp],
  });
  await Promise.all([parties.easts, parties.wests].map(p => p.finished()));
});

for (const [words, allow, method, answer] of [
  ["an UPDATE", "INVITE, ACK, BYE, CANCEL, UPDATE", "UPDATE", [says(200)]],
  ["a re-INVITE, for it takes no UPDATE,", "INVITE, ACK, BYE, CANCEL", "INVITE", [says(200, { sdp: { same: true } }), hears("ACK")]],
]) {
  scene(`who stays is told by ${words} whom it talks to after a transfer, in From`, async t => {
    const parties = await transfer(t, {
      caller: [
        ...rings(["Supported: from-change", `Allow: ${allow}`]),
        hears(method, { header: { From: SOUTH.slice(1) } }),
        ...answer,
        awaits("end"),
        ...hangsUp,
      ],
      callee: [
        ...answers,
        TALK,
        referTo(SOUTH, "Refer-Sub: false"),
        hears(202),
        ...isHungUp,
      ],
      third: [...answers, ...isHungUp],
    });
    await theOthersTalk(parties);
    await end(parties);
  });
}

scene("a carrier that says in an UPDATE that somebody else is there is believed, and the other side is told", async t => {
  const other = '"Carol" <sip:+15550777@[local_ip]>;tag=[pid]c[call_number]';
  const parties = await transfer(t, {
    caller: [
      ...rings(["Supported: from-change", "Allow: INVITE, ACK, BYE, CANCEL, UPDATE"]),
      hears("UPDATE", { header: { From: "Carol.*15550777" } }),
      says(200),
      awaits("end"),
      ...hangsUp,
    ],
    callee: [...answers, TALK, asks("UPDATE", { from: other }), hears(200), notes("believed"), ...isHungUp],
  });
  await parties.wests.comesTo("believed");
  await parties.easts.go("end");
  await Promise.all([parties.easts, parties.wests].map(p => p.finished()));
});

await run();
