/** A baresip that has registered at the gateway as the desk phone of a user. */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { Baresip } from "./baresip.mjs";
import { USERS } from "./gateway.mjs";
import { freePort } from "./net.mjs";
import { afterAll, check, until } from "./tests.mjs";
import { toneSeconds, writeTone } from "./tones.mjs";

const RTP_PORTS = 40;

/**
 * Gives a maker of desk phones, all of which hear the same tone in their microphone.
 * @param gateway see `startGateway` @param {number} hz of the tone @param {[number, number]} [rhythm] see `writeTone`
 */
export function desksOf(gateway, hz, rhythm) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "desk-"));
  afterAll(() => fs.rmSync(directory, { recursive: true, force: true }));
  const wav = writeTone(path.join(directory, "phone.wav"), hz, { seconds: 90, rate: 8_000, rhythm });

  /** @param t the test, at whose end the phone goes @param options `options`: more of the account, from `;` on */
  return async (t, { user = "phone", codec = "PCMU/8000/1", options = "", modules = ["g711"], transport = "udp", contacts, config } = {}) => {
    const rtp = await freePort(RTP_PORTS + 2);
    const account =
      `<sip:${user}@127.0.0.1>;outbound="sip:${transport === "tls" ? gateway.sips : gateway.sip};transport=${transport}";auth_user=${user};` +
      `auth_pass=${USERS[user]};regint=120;audio_codecs=${codec}${options}`;
    const [port, control, console] = [await freePort(), await freePort(), await freePort()];
    const phone = new Baresip({ directory, port, control, account, wav, modules, contacts, console, config, rtp: `${rtp}-${rtp + RTP_PORTS}` });
    t.after(() => phone.stop());
    t.onFailure(() => `baresip: ${phone.types().join(" ")}\n${phone.log().slice(-1500)}`);
    await phone.start();
    await phone.says(/200 OK .*1 binding/);
    return phone;
  };
}

/** For how long the phone has heard a tone, in one of its calls. */
const toneHeard = (phone, hz) => Math.max(0, ...phone.recordings().map(file => toneSeconds(file, hz)));

/** Waits until the phone has heard the tone for so long in one of its calls, the one that is up among them. */
export async function hearsTone(phone, hz, seconds) {
  await until("a tone", () => toneHeard(phone, hz) >= seconds, { everyMs: 100 }).catch(() => {
    throw new Error(`the phone has heard ${hz} Hz for ${toneHeard(phone, hz)} s, not ${seconds} s`);
  });
}

/** Stops the phone, for its recordings are whole only then, and checks that it heard the tone for so long. */
export async function heardTone(phone, hz, seconds) {
  await phone.stop();
  const heard = toneHeard(phone, hz);
  check(heard >= seconds, `the phone heard ${hz} Hz for ${heard} s, not ${seconds} s`);
}
