/** Two baresips on one gateway, each with a tone of its own, that talk and are judged by what each has heard. */
import { desksOf, hearsTone } from "../lib/desk.mjs";
import { check } from "../lib/tests.mjs";

export const CALLER_HZ = 700;
export const CALLEE_HZ = 1000;
/** So long each hears the other. */
export const HEARD_S = 2;

/** The tones are of 8000 Hz, mono; baresip brings them to what its codec takes. */
const SOURCE = ["ausrc_srate 8000", "ausrc_channels 1"];

/** What each codec is called by baresip and by the record, and the module that has it. */
export const CODECS = {
  Opus: { account: "opus/48000/2", record: "opus/48000", module: "opus" },
  "G.722": { account: "G722/16000/1", record: "G722/8000", module: "g722" },
  PCMU: { account: "PCMU/8000/1", record: "PCMU/8000", module: "g711" },
  PCMA: { account: "PCMA/8000/1", record: "PCMA/8000", module: "g711" },
};

/** How a phone speaks: `codec` of `CODECS`, with more `modules`, `options` of its account and lines of `config`. */
export const speaking = (codec, { modules = [], options = "", config = [] } = {}) => ({
  codec: CODECS[codec].account,
  modules: [CODECS[codec].module, ...modules],
  options,
  config: [...SOURCE, ...config],
});

export const AUTO = ";answermode=auto";

/**
 * Gives what lets `alice` call `phone`: each as `speaking` says. Both hear each other; gives the
 * `record` and the `caller`. `ready`: what the caller waits for before they talk.
 */
export function callsOf(gateway) {
  const [callers, callees] = [desksOf(gateway, CALLER_HZ), desksOf(gateway, CALLEE_HZ)];
  return async (t, from, to, ready = async () => {}) => {
    const record = gateway.nextRecord();
    const [caller, callee] = await Promise.all([
      callers(t, { ...from, user: "alice" }),
      callees(t, { ...to, options: to.options + AUTO }),
    ]);
    await caller.command("dial", "sip:phone@127.0.0.1");
    await Promise.all([caller.event("CALL_ESTABLISHED"), callee.event("CALL_ESTABLISHED")]);
    await ready(caller);
    await Promise.all([hearsTone(caller, CALLEE_HZ, HEARD_S), hearsTone(callee, CALLER_HZ, HEARD_S)]);
    await caller.command("hangup");
    await callee.event("CALL_CLOSED");
    return { record: await record(), caller };
  };
}

/** That the record says how a leg is sealed. */
export function sealed(record, side, seal) {
  const said = record.media.find(m => m.side === side).seal;
  check(said === seal, `the record says of the ${side} ${said}, not ${seal}`);
}

export { hearsTone };
