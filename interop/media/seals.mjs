/** How media is reached and protected: baresip with ICE, plain and sealed, beside a phone with neither. */
import { startGateway } from "../lib/gateway.mjs";
import { afterAll, check, run, scenesOf } from "../lib/tests.mjs";
import { callsOf, sealed, speaking } from "./phones.mjs";

const ICE = ";medianat=ice";
/** The gateway does ICE only with RTP and RTCP on one port. */
const MUX = ["rtcp_mux yes"];
const PLAIN = speaking("PCMU");

const gateway = await startGateway({ sip: "srtp_over_plain = true" });
afterAll(() => gateway.stop());
const scene = scenesOf(gateway);
const talk = callsOf(gateway);

for (const [words, modules, mediaenc, seal] of [
  ["ICE alone", [], "", "plain"],
  ["ICE and SDES", ["srtp"], "srtp-mand", "SDES AES_CM_128_HMAC_SHA1_80"],
  ["ICE and DTLS-SRTP", ["dtls_srtp"], "dtls_srtp", "DTLS AES_CM_128_HMAC_SHA1_80"],
]) {
  const options = ICE + (mediaenc && `;mediaenc=${mediaenc}`);
  scene(`a phone with ${words} calls a plain one, and both hear each other`, async t => {
    const { record, caller } = await talk(t, speaking("PCMU", { modules: ["ice", ...modules], options, config: MUX }), PLAIN);
    check(!/ICE not supported by peer/.test(caller.log()), "the phone found no ICE in the answer");
    sealed(record, "caller", seal);
    sealed(record, "callee", "plain");
  });
}

await run();
