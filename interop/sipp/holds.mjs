/** Hold in all its forms, between two telephones that SIPp plays: what is answered, and what who is held hears. */
import path from "node:path";
import { asks, called, calls, hears, rests, says } from "../lib/ladder.mjs";
import { NUMBER, startPair, WEST_HZ } from "../lib/pair.mjs";
import { check, pause, run, until } from "../lib/tests.mjs";
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
        rests(2_500),
        asks("INVITE", { sdp }),
        hears(200, { body: answer }),
        asks("ACK"),
        rests(4_000),
        asks("INVITE", OK),
        hears(200, { body: "m=audio [1-9]" }),
        asks("ACK"),
        rests(3_000),
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
        hears("INVITE", { body: "a=sendrecv|m=audio [1-9]" }),
        says(200, OK),
        hears("ACK"),
        hears("BYE"),
        says(200),
      ),
      { rtp: near, to: NUMBER },
    );
    await talk(near, held, far, holder);
    const hears_ = hz => until(`who is held hears ${hz} Hz`, () => near.hears(hz, 0.4) > 0.7);
    if (!isOwn) await hears_(MUSIC_HZ);
    const count = far.packets.length;
    await pause(500);
    if (!isOwn) check(far.packets.length - count < 5, `the holder is sent ${far.packets.length - count} packets`);
    await hears_(WEST_HZ);
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
      rests(2_500),
      asks("INVITE", { sdp: { way: "sendonly" } }),
      hears(200, { body: "a=recvonly" }),
      asks("ACK"),
      rests(7_000),
      asks("BYE"),
      hears(200),
    ),
    { rtp: far },
  );
  await holder.listens();
  const answersHold = [hears("INVITE", { body: "a=sendonly" }), says(200, { sdp: { way: "recvonly" } }), hears("ACK")];
  const held = east(t, calls(asks("INVITE", OK), hears(200), asks("ACK"), ...answersHold, hears("BYE"), says(200)), { rtp: near, to: NUMBER });
  await talk(near, held, far, holder);
  await pause(1_500);
  far.hush();
  await until("our music", () => near.hears(MUSIC_HZ, 0.4) > 0.7);
  await Promise.all([held.finished(), holder.finished()]);
});

await run();
