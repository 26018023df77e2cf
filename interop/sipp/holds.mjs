/** Hold in all its forms, between two telephones that SIPp plays: what is answered, and what who is held hears. */
import path from "node:path";
import { asks, awaits, called, calls, hears, notes, says } from "../lib/ladder.mjs";
import { NUMBER, startPair, WEST_HZ } from "../lib/pair.mjs";
import { check, run } from "../lib/tests.mjs";
import { writeTone } from "../lib/tones.mjs";

const MUSIC_HZ = 520;
const OK = { sdp: {} };

const { scene, ear, east, west, talk } = await startPair({
  directory: "holds-",
  options: { media: 'hold_music = "music"' },
  toml: directory => `[[sound]]\nname = "music"\nfile = "${writeTone(path.join(directory, "music.wav"), MUSIC_HZ, { seconds: 3 })}"\n`,
});

/** The form, the description that holds, what is to stand in the answer, and whether the holder's own music is heard. */
const FORMS = [
  ["a=sendonly", { way: "sendonly" }, "a=recvonly", true],
  ["a=inactive", { way: "inactive" }, "a=inactive", false],
  ["a connection address of zero", { at: "0.0.0.0", way: "" }, "m=audio [1-9]", false],
  ["a connection address of zero and a=sendonly", { at: "0.0.0.0", way: "sendonly" }, "m=audio [1-9]", false],
  ["a connection address of zero and a=inactive", { at: "0.0.0.0", way: "inactive" }, "a=inactive", false],
  ["port 0", { port: "0", way: "" }, "m=audio 0 ", false],
];

for (const [form, sdp, answer, isOwn] of FORMS) {
  scene(`a telephone that holds by ${form} is answered so, music is heard, and the talk goes on after`, async t => {
    const [near, far] = [await ear(t), await ear(t)];
    const holder = west(
      t,
      called(
        hears("INVITE"),
        says(200, OK),
        hears("ACK"),
        awaits("hold"),
        asks("INVITE", { sdp }),
        hears(200, { body: answer }),
        asks("ACK"),
        awaits("resume"),
        asks("INVITE", OK),
        hears(200, { body: "m=audio [1-9]" }),
        asks("ACK"),
        awaits("end"),
        asks("BYE"),
        hears(200),
      ),
      { rtp: far },
    );
    await holder.listens();
    const held = east(
      t,
      calls(
        asks("INVITE", OK),
        hears(200),
        asks("ACK"),
        hears("INVITE", { body: "a=sendonly" }),
        says(200, { sdp: { way: "recvonly" } }),
        hears("ACK"),
        notes("held"),
        hears("INVITE", { body: "a=sendrecv|m=audio [1-9]" }),
        says(200, OK),
        hears("ACK"),
        notes("resumed"),
        hears("BYE"),
        says(200),
      ),
      { rtp: near, to: NUMBER },
    );
    await talk(near, held, far, holder);
    await holder.go("hold");
    await held.comesTo("held");
    await near.hearsNow(isOwn ? WEST_HZ : MUSIC_HZ);
    if (!isOwn) await far.isSentNothing();
    await holder.go("resume");
    await held.comesTo("resumed");
    await near.hearsNow(WEST_HZ);
    await holder.go("end");
    await Promise.all([held.finished(), holder.finished()]);
    check(near.faults().length === 0, `who is held got: ${near.faults().slice(0, 5).join("; ")}`);
  });
}

scene("a holder that sends no music is helped out with ours", async t => {
  const [near, far] = [await ear(t), await ear(t)];
  const holder = west(
    t,
    called(
      hears("INVITE"),
      says(200, OK),
      hears("ACK"),
      awaits("hold"),
      asks("INVITE", { sdp: { way: "sendonly" } }),
      hears(200, { body: "a=recvonly" }),
      asks("ACK"),
      awaits("end"),
      asks("BYE"),
      hears(200),
    ),
    { rtp: far },
  );
  await holder.listens();
  const answersHold = [hears("INVITE", { body: "a=sendonly" }), says(200, { sdp: { way: "recvonly" } }), hears("ACK"), notes("held")];
  const held = east(t, calls(asks("INVITE", OK), hears(200), asks("ACK"), ...answersHold, hears("BYE"), says(200)), { rtp: near, to: NUMBER });
  await talk(near, held, far, holder);
  await holder.go("hold");
  await held.comesTo("held");
  await near.hearsNow(WEST_HZ);
  far.hush();
  await near.hearsNow(MUSIC_HZ);
  await holder.go("end");
  await Promise.all([held.finished(), holder.finished()]);
});

await run();
