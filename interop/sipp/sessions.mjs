/** Sessions between two telephones that SIPp plays, row by row: what each says on the wire, and what it hears. */
import { acknowledges, asks, awaits, called, calls, hears, notes, rests, says } from "../lib/ladder.mjs";
import { check, pause, run, until } from "../lib/tests.mjs";
import { EARLY_HZ, EAST_HZ, NUMBER, OTHER_HZ, startPair, WEST_HZ } from "../lib/pair.mjs";

const isNightly = process.argv.includes("--nightly");

const { scene, gateway, ear, east, west, talk, talkOn, heard } = await startPair({ directory: "sessions-" });
const OK = { sdp: {} };
const RELIABLE = n => ({ headers: ["Require: 100rel", `RSeq: ${n}`] });
const answers = [hears("INVITE"), says(180), rests(300), says(200, OK), hears("ACK")];
const isHungUp = [hears("BYE"), says(200)];
const hangsUp = [asks("BYE"), hears(200)];
/** Goes on when both hear each other, and when both hear each other still. */
const [TALK, STILL] = [awaits("talk"), awaits("still")];
const rings = [asks("INVITE", OK), hears(180, { optional: true }), hears(183, { optional: true }), hears(200, { body: "m=audio" }), asks("ACK")];

/** For how long that is said which must not be heard. */
const UNHEARD_MS = 2_000;

/** A description of speech that nobody here understands. */
const FOREIGN = ["v=0", "o=peer 1 9 IN IP4 [local_ip]", "s=-", "c=IN IP4 [local_ip]", "t=0 0", "m=audio [media] RTP/AVP 4", "a=rtpmap:4 G723/8000", ""].join("\n");

/** A telephone and its ladder: which words it awaits and notes. */
const player = (line, ladder) => {
  const words = kind => ladder.flat().filter(step => step.kind === kind).map(step => step.word);
  return { line, awaits: words("awaits"), notes: words("notes") };
};

/** What the one awaits and the other notes is passed on, for as long as both play. */
const passed = (one, other) =>
  one.awaits.filter(word => other.notes.includes(word)).map(word => other.line.comesTo(word).then(() => one.line.go(word)));

/**
 * One plays the callee, one the caller; both are heard to speak; both end as their ladders say. `isEarly`: the caller hears
 * the callee before the word "early" is said.
 */
async function session(t, callee, caller, { talks = true, seconds = 60, forks = false, isEarly = false } = {}) {
  const [far, near] = [await ear(t), await ear(t)];
  const [second, third] = [await ear(t), await ear(t)];
  const wests = west(t, called(...callee), { rtp: far, keys: { media2: second.port, media3: third.port } });
  await wests.listens();
  const easts = east(t, calls(...caller), { rtp: near, to: NUMBER });
  const both = [player(wests, callee), player(easts, caller)];
  const say = word => Promise.all(both.filter(one => one.awaits.includes(word)).map(({ line }) => line.go(word)));
  const passing = Promise.all([...passed(...both), ...passed(...[...both].reverse())]);
  passing.catch(() => {});
  if (isEarly) {
    far.play(WEST_HZ, await wests.remotePort());
    await near.hearsNow(WEST_HZ);
    await say("early");
  }
  // The stream goes from branch to branch, and what a branch says before it is latched on to is not passed on.
  if (talks) await talk(near, easts, far, wests, forks ? [] : [near, far]);
  await say("talk");
  const changed = both.filter(one => one.awaits.includes("still"));
  if (changed.length) {
    await Promise.all(changed.map(({ line }) => line.comesTo("awaits still")));
    await talkOn(near, far);
    await say("still");
  }
  await Promise.all([passing, easts.finished(seconds), wests.finished(seconds)]);
  return { near, far, second, easts, wests };
}

scene("a provisional response that must arrive is acknowledged, its early media are heard, and the 200 describes nothing", async t => {
  await session(
    t,
    [
      hears("INVITE", { body: "m=audio" }),
      says(183, { ...OK, ...RELIABLE(7) }),
      hears("PRACK", { header: { RAck: "7 [0-9]+ INVITE" } }),
      says(200),
      awaits("early"),
      says(200, { to: "INVITE" }),
      hears("ACK"),
      ...isHungUp,
    ],
    [...rings, TALK, ...hangsUp],
    { isEarly: true },
  );
});

scene("a caller that insists on reliable responses gets each so, and a 200 without a description if one had it before", async t => {
  await session(
    t,
    [hears("INVITE"), says(180), awaits("first"), says(183, OK), awaits("second"), says(200, OK), hears("ACK"), ...isHungUp],
    [
      asks("INVITE", { ...OK, headers: ["Require: 100rel"] }),
      hears(180, { header: { Require: "100rel" }, save: { rseq: "RSeq" } }),
      asks("PRACK", { headers: ["RAck: [$rseq] 1 INVITE"] }),
      hears(200, { header: { CSeq: "2 PRACK" } }),
      notes("first"),
      hears(183, { header: { Require: "100rel" }, body: "m=audio", save: { rseq: "RSeq" } }),
      asks("PRACK", { headers: ["RAck: [$rseq] 1 INVITE"] }),
      hears(200, { header: { CSeq: "3 PRACK" } }),
      notes("second"),
      hears(200, { header: { CSeq: "1 INVITE" }, lacks: ["Content-Type"] }),
      asks("ACK"),
      TALK,
      ...hangsUp,
    ],
  );
});

scene("an offer in a PRACK is answered in its 200", async t => {
  await session(
    t,
    [hears("INVITE"), says(183, OK), awaits("answered"), says(200, OK), hears("ACK"), ...isHungUp],
    [
      asks("INVITE", { ...OK, headers: ["Require: 100rel"] }),
      hears(183, { body: "m=audio", save: { rseq: "RSeq" } }),
      asks("PRACK", { headers: ["RAck: [$rseq] 1 INVITE"], ...OK }),
      hears(200, { header: { CSeq: "2 PRACK" }, body: "m=audio" }),
      notes("answered"),
      hears(200, { header: { CSeq: "1 INVITE" } }),
      asks("ACK"),
      TALK,
      ...hangsUp,
    ],
  );
});

scene("an offer in an UPDATE before the answer is answered in its 200", async t => {
  await session(
    t,
    [
      hears("INVITE"),
      says(183, { ...OK, ...RELIABLE(1) }),
      hears("PRACK"),
      says(200),
      asks("UPDATE", OK),
      hears(200, { header: { CSeq: "1 UPDATE" }, body: "m=audio" }),
      rests(500),
      says(200, { to: "INVITE" }),
      hears("ACK"),
      ...isHungUp,
    ],
    [...rings, TALK, ...hangsUp],
  );
});

scene("an INVITE without an offer is offered, and its answer is in the ACK", async t => {
  await session(
    t,
    [hears("INVITE", { body: "m=audio" }), says(180), rests(300), says(200, OK), hears("ACK"), ...isHungUp],
    [
      asks("INVITE"),
      hears(180, { optional: true }),
      hears(183, { optional: true }),
      hears(200, { body: "m=audio" }),
      asks("ACK", OK),
      TALK,
      ...hangsUp,
    ],
  );
});

for (const [who, callee, caller] of [
  ["the caller", [...answers, ...isHungUp], more => [...rings, TALK, ...more, STILL, ...hangsUp]],
  ["the callee", more => [...answers, TALK, ...more, STILL, ...hangsUp], [...rings, ...isHungUp]],
]) {
  const of = (ladder, more) => (typeof ladder === "function" ? ladder(more) : ladder);
  const change = more => [of(callee, more), of(caller, more)];

  scene(`a re-INVITE of ${who}'s with an offer is answered in its 200`, async t => {
    await session(t, ...change([asks("INVITE", OK), hears(200, { body: "a=sendrecv|m=audio" }), asks("ACK")]));
  });

  scene(`a re-INVITE of ${who}'s without an offer is offered, and its answer is in the ACK`, async t => {
    await session(t, ...change([asks("INVITE"), hears(200, { body: "m=audio [1-9]" }), asks("ACK", OK)]));
  });

  scene(`an UPDATE of ${who}'s is answered in its 200, with an offer and without`, async t => {
    await session(
      t,
      ...change([asks("UPDATE", OK), hears(200, { body: "m=audio" }), asks("UPDATE"), hears(200, { lacks: ["Content-Type"] })]),
    );
  });

  scene(`a change of ${who}'s to what nobody speaks is refused with 488, and the talk goes on`, async t => {
    const foreign = asks("INVITE", { body: FOREIGN, type: "application/sdp" });
    await session(t, ...change([foreign, hears(488), acknowledges()]));
  });
}

scene("changes of both sides at once meet 491, and ours comes through after its wait", async t => {
  const HOLD = { sdp: { way: "sendonly" } };
  await session(
    t,
    [
      ...answers,
      hears("INVITE"),
      asks("INVITE", OK),
      hears(491),
      acknowledges(),
      says(491, { to: "INVITE" }),
      hears("ACK"),
      hears("INVITE"),
      says(200, { sdp: { way: "recvonly" } }),
      hears("ACK"),
      notes("through"),
      ...isHungUp,
    ],
    [...rings, TALK, asks("INVITE", HOLD), hears(200, { body: "a=recvonly" }), asks("ACK"), awaits("through"), ...hangsUp],
  );
});

scene("of a forked call the media follow the branch that answers, and a late 200 of another is acknowledged and ended", async t => {
  const branch = (tag, port) => ({ tag, sdp: { port } });
  const callee = [
    hears("INVITE"),
    says(183, branch("a", "[media2]")),
    rests(300),
    says(183, branch("b", "[media3]")),
    rests(300),
    says(199, { tag: "b" }),
    rests(300),
    says(200, branch("c", "[media]")),
    hears("ACK", { header: { To: "c[0-9]+c" } }),
    rests(500),
    says(200, branch("a", "[media2]")),
    hears("ACK", { header: { To: "c[0-9]+a" } }),
    hears("BYE", { header: { To: "c[0-9]+a" } }),
    says(200),
    notes("ended"),
    ...isHungUp,
  ];
  await session(t, callee, [...rings, TALK, awaits("ended"), ...hangsUp], { forks: true });
});

scene("the early media of the branch that spoke last are heard, and of the one before when that branch ends", async t => {
  const [near, first, second] = [await ear(t), await ear(t), await ear(t)];
  const carrier = west(
    t,
    called(
      hears("INVITE"),
      says(183, { tag: "a", sdp: {} }),
      awaits("another"),
      says(183, { tag: "b", sdp: { port: "[media2]" } }),
      awaits("its end"),
      says(199, { tag: "b" }),
      awaits("the end"),
      says(486),
      hears("ACK"),
    ),
    { rtp: first, keys: { media2: second.port } },
  );
  await carrier.listens();
  const phone = east(t, calls(asks("INVITE", OK), hears(183, { body: "m=audio" }), hears(486), acknowledges()), { rtp: near, to: NUMBER });
  const port = await carrier.remotePort();
  first.play(EARLY_HZ, port);
  second.play(OTHER_HZ, port);
  near.play(EAST_HZ, await phone.remotePort());
  for (const [hz, next] of [[EARLY_HZ, "another"], [OTHER_HZ, "its end"], [EARLY_HZ, "the end"]]) {
    await until(`${hz} Hz`, () => near.hears(hz, 0.4) > 0.7);
    await carrier.go(next);
  }
  await Promise.all([phone.finished(), carrier.finished()]);
});

scene("a CANCEL that crosses a 200 is followed by its ACK and a BYE", async t => {
  await session(
    t,
    [hears("INVITE"), says(180), hears("CANCEL"), says(200), says(200, { to: "INVITE", sdp: {} }), hears("ACK"), ...isHungUp],
    [asks("INVITE", OK), hears(180), rests(500), asks("CANCEL"), hears(200), hears(487), acknowledges()],
    { talks: false },
  );
});

for (const [word, isHeard] of [["inactive", false], ["recvonly", false], ["sendrecv", true]]) {
  scene(`early media with P-Early-Media: ${word} are ${isHeard ? "" : "not "}heard`, async t => {
    const [near, far] = [await ear(t), await ear(t)];
    const carrier = west(
      t,
      called(hears("INVITE"), says(183, { sdp: {}, headers: [`P-Early-Media: ${word}`] }), awaits("the end"), says(486), hears("ACK")),
      { rtp: far },
    );
    await carrier.listens();
    const optional = { optional: true };
    const phone = east(t, calls(asks("INVITE", OK), hears(180, optional), hears(183, optional), hears(486), acknowledges()), { rtp: near, to: NUMBER });
    far.play(EARLY_HZ, await carrier.remotePort());
    if (isHeard) await until("the caller hears it", () => heard(near, EARLY_HZ) >= 1);
    else await pause(UNHEARD_MS);
    await carrier.go("the end");
    await Promise.all([phone.finished(), carrier.finished()]);
    check(isHeard || heard(near, EARLY_HZ) === 0, `the caller heard ${heard(near, EARLY_HZ)} s of it`);
  });
}

for (const [status, told, headers] of [
  [484, 484, []],
  [488, 488, []],
  // RFC 3261 §16.7: what one carrier cannot do just now is no reason for the caller to leave the gateway alone.
  [503, 502, ["Retry-After: 7"]],
]) {
  scene(`a carrier's ${status} is told to the caller as ${told}`, async t => {
    await session(
      t,
      [hears("INVITE"), says(status, { headers }), hears("ACK")],
      [asks("INVITE", OK), hears(told), acknowledges()],
      { talks: false },
    );
  });
}

scene("a session that is too short is refused with 422 and our minimum, and the longer one is granted", async t => {
  const timer = seconds => ({ ...OK, headers: ["Supported: timer", `Session-Expires: ${seconds}`] });
  await session(
    t,
    [...answers, ...isHungUp],
    [
      asks("INVITE", timer(60)),
      hears(422, { header: { "Min-SE": "90" } }),
      acknowledges(),
      asks("INVITE", { ...timer(90), again: true }),
      hears(180, { optional: true }),
      hears(200, { header: { "Session-Expires": "90" } }),
      asks("ACK"),
      TALK,
      ...hangsUp,
    ],
  );
});

scene("a carrier's 422 is answered by an INVITE with the longer session", async t => {
  await session(
    t,
    [
      hears("INVITE", { header: { "Session-Expires": "1800" } }),
      says(422, { headers: ["Min-SE: 3600"] }),
      hears("ACK"),
      hears("INVITE", { header: { "Session-Expires": "3600", "Min-SE": "3600" }, again: true }),
      says(200, { ...OK, headers: ["Session-Expires: 3600;refresher=uac", "Require: timer"] }),
      hears("ACK"),
      ...isHungUp,
    ],
    [...rings, TALK, ...hangsUp],
  );
});

for (const [allow, method, refreshed] of [
  ["INVITE, ACK, BYE, CANCEL, UPDATE", "UPDATE", [says(200, { headers: ["Session-Expires: 8;refresher=uac", "Require: timer"] })]],
  ["INVITE, ACK, BYE, CANCEL", "INVITE", [says(200, { sdp: { same: true }, headers: ["Session-Expires: 8;refresher=uac", "Require: timer"] }), hears("ACK")]],
]) {
  scene(`a session that is ours to refresh is refreshed by ${method} at half time, twice, and nobody hears of it`, async t => {
    const refresh = [hears(method, { header: { "Session-Expires": "8;refresher=uac" } }), ...refreshed];
    const granted = { sdp: {}, headers: [`Allow: ${allow}`, "Session-Expires: 8;refresher=uac", "Require: timer"] };
    await session(
      t,
      [hears("INVITE"), says(200, granted), hears("ACK"), ...refresh, ...refresh, notes("refreshed"), ...isHungUp],
      [...rings, awaits("refreshed"), ...hangsUp],
    );
  });
}

/** A session that nobody refreshes ends a third before its time, on both sides. */
function expires(seconds, ms) {
  scene(`a session of ${seconds} s that the peer does not refresh ends on both sides before its time`, async t => {
    const granted = { sdp: {}, headers: [`Session-Expires: ${seconds};refresher=uas`, "Require: timer"] };
    const ended = gateway.nextRecord();
    await session(t, [hears("INVITE"), says(200, granted), hears("ACK"), ...isHungUp], [...rings, ...isHungUp], { seconds: 60 + seconds });
    const record = await ended();
    const lasted = (record.ended_ms - record.answered_ms) / 1_000;
    check(lasted >= seconds / 2 && lasted < seconds, `it lasted ${lasted} s`);
  }, { ms });
}
expires(12);
// The shortest session that the standard allows takes a minute.
if (isNightly) expires(90, 240_000);

await run();
