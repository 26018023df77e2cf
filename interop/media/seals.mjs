/** How media is reached and protected: baresip with ICE, plain and sealed, beside a phone with neither. */
import { startGateway } from "../lib/gateway.mjs";
import { afterAll, check, run, scenesOf } from "../lib/tests.mjs";
import { callsOf, sealed, speaking } from "./phones.mjs";

const ICE = ";medianat=ice";
/** RTP and RTCP on one port; without it they are two components. */
const MUX = ["rtcp_mux yes"];
/** What a phone says once RTCP has keys of its own. */
const RTCP_KEYED = /DTLS-SRTP complete \(audio\/RTCP\)/;
const PLAIN = speaking("PCMU");

const gateway = await startGateway({ sip: "srtp_over_plain = true" });
afterAll(() => gateway.stop());
const scene = scenesOf(gateway);
const talk = callsOf(gateway);

for (const [words, modules, mediaenc, seal, config] of [
  ["ICE alone", [], "", "plain", MUX],
  ["ICE and SDES", ["srtp"], "srtp-mand", "SDES AES_CM_128_HMAC_SHA1_80", MUX],
  ["ICE and DTLS-SRTP", ["dtls_srtp"], "dtls_srtp", "DTLS AES_CM_128_HMAC_SHA1_80", MUX],
  ["ICE on two ports", [], "", "plain", []],
  ["ICE on two ports and SDES", ["srtp"], "srtp-mand", "SDES AES_CM_128_HMAC_SHA1_80", []],
  ["ICE on two ports and DTLS-SRTP", ["dtls_srtp"], "dtls_srtp", "DTLS AES_CM_128_HMAC_SHA1_80", []],
]) {
  const options = ICE + (mediaenc && `;mediaenc=${mediaenc}`);
  scene(`a phone with ${words} calls a plain one, and both hear each other`, async t => {
    const from = speaking("PCMU", { modules: ["ice", ...modules], options, config });
    const apart = mediaenc === "dtls_srtp" && config !== MUX;
    const ready = apart ? caller => caller.says(RTCP_KEYED) : undefined;
    const { record, caller } = await talk(t, from, PLAIN, ready);
    check(!/ICE not supported by peer/.test(caller.log()), "the phone found no ICE in the answer");
    sealed(record, "caller", seal);
    sealed(record, "callee", "plain");
    check(RTCP_KEYED.test(caller.log()) === apart, apart ? "RTCP has no keys of its own" : "RTCP has keys of its own");
  });
}

await run();
