/**
 * SIPp scenarios written as ladders: what one telephone says and what it waits for, step by step.
 *
 *     const carrier = called(hears("INVITE"), says(180), says(200, { sdp: {} }), hears("ACK"), hears("BYE"), says(200));
 *     const phone = calls(asks("INVITE", { sdp: {} }), hears(200), asks("ACK"), awaits("end"), asks("BYE"), hears(200));
 */
import fs from "node:fs";
import path from "node:path";
import { Sipp } from "./sipp.mjs";

const OWN_TAG = "[pid]c[call_number]";
const CALLER = '"A Phone" <sip:+15559876@[local_ip]:[local_port]>;tag=[pid]p[call_number]';
const CALLED = "<sip:[service]@[remote_ip]:[remote_port]>";
const CONTACT = "Contact: <sip:peer@[local_ip]:[local_port];transport=[transport]>";
const REASONS = {
  180: "Ringing", 183: "Session Progress", 199: "Early Dialog Terminated", 200: "OK", 202: "Accepted", 422: "Session Interval Too Small",
  484: "Address Incomplete", 487: "Request Terminated", 486: "Busy Here", 488: "Not Acceptable Here", 491: "Request Pending", 503: "Service Unavailable",
};

/**
 * Waits for a request or a response. `header`, `body`: patterns (POSIX) that must be found; `lacks`: headers that must not;
 * `save`: headers to be repeated as `[$name]`; `again`: an INVITE that opens the session anew, after a refusal.
 */
export const hears = (what, { header = {}, body, lacks = [], save = {}, optional = false, again = false } = {}) =>
  ({ kind: "hears", what, header, body, lacks, save, optional, again });
/** Responds, to the last request of the method `to`. `tag`: another early dialog of the same INVITE. */
export const says = (status, { to, sdp, headers = [], tag = "" } = {}) => ({ kind: "says", status, to, sdp, headers, tag });
/** Makes a request. `from`: in place of the usual; `tag` as in `says`; `again`: it opens the session anew, after a refusal. */
export const asks = (method, { sdp, headers = [], tag = "", from, body, type, again = false } = {}) =>
  ({ kind: "asks", method, sdp, headers, tag, from, body, type, again });
/** Acknowledges a refusal. */
export const acknowledges = () => ({ kind: "acknowledges" });
/** Waits for so many milliseconds. What must have happened meanwhile is awaited instead. */
export const rests = ms => ({ kind: "rests", ms });
/** Waits until the test says this word to it (`Sipp.go`). Each word of a ladder is there once. */
export const awaits = word => ({ kind: "awaits", word });
/** Notes that it has come here, for a test that waits for that (`Sipp.comesTo`). */
export const notes = word => ({ kind: "notes", word });

/** The scenario of somebody who is called. */
export const called = (...steps) => new Writer(false).write(steps);
/** The scenario of somebody who calls. */
export const calls = (...steps) => new Writer(true).write(steps);

/** Gives a maker of SIPps that play scenarios. @param {{directory: string, gateway: object}} where */
export const players = ({ directory, gateway }) => (t, scenario, { port, rtp, to, keys, args = [] }) => {
  const file = path.join(fs.mkdtempSync(path.join(directory, "ladder-")), "scenario.xml");
  fs.writeFileSync(file, scenario);
  const one = new Sipp(file, { directory, port, remote: to ? gateway.sip : undefined, rtp, keys, args: [...(to ? ["-s", to] : []), ...args] });
  t.onFailure(() => `SIPp: ${one.errors()}`);
  t.onFailure(() => one.messages().split("\n").filter(l => /^(-{5,}.*|UDP|SIP\/2|[A-Z]+ sip|CSeq|RSeq|RAck|m=|a=(send|recv|inact)|Require|To:)/.test(l)).slice(-60).join("\n"));
  t.after(() => one.stop());
  return one;
};

const escaped = text => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/"/g, "&quot;");

class Writer {
  #lines = [];
  #variables = new Set();
  #versions = 0;
  #asked = 0;
  #invite = 0;
  #checks = 0;
  #askedLast;
  #last;
  /** The INVITE that opened the session is the last one that was heard: our tag is not in its `To`. */
  #isOpening = true;

  constructor(isCaller) {
    this.isCaller = isCaller;
  }

  write(steps) {
    for (const step of steps.flat()) this[step.kind](step);
    const names = [...this.#variables].join(",");
    const reference = names ? `  <Reference variables="${names}"/>\n` : "";
    return `<?xml version="1.0" encoding="ISO-8859-1" ?>\n<!DOCTYPE scenario SYSTEM "sipp.dtd">\n<scenario name="ladder">\n${this.#lines.join("\n")}\n${reference}</scenario>\n`;
  }

  rests({ ms }) {
    this.#lines.push(`  <pause milliseconds="${ms}"/>`);
  }

  notes({ word }) {
    this.#lines.push(`  <nop><action><log message="${word}"/></action></nop>`);
  }

  awaits({ word }) {
    this.notes({ word: `awaits ${word}` });
    this.#lines.push('  <recv request="GO"/>');
  }

  #variable(name) {
    this.#variables.add(name);
    return name;
  }

  #take(pattern, name, variable, more = "") {
    return `      <ereg regexp="${escaped(pattern)}" search_in="hdr" header="${name}:" ${more}assign_to="${this.#variable(variable)}"/>`;
  }

  hears({ what, header, body, lacks, save, optional, again }) {
    const isRequest = typeof what === "string";
    const actions = [];
    if (isRequest && what !== "ACK") {
      this.#last = what;
      for (const name of ["Via", "CSeq", "To"]) actions.push(this.#take(".*", name, `${name.toLowerCase()}_${what}`));
      if (what === "INVITE" && !this.#variables.has("from")) actions.push(this.#take(".*", "From", "from"));
      else if (what === "INVITE" && !again) this.#isOpening = false;
    }
    const check = () => `check${(this.#checks += 1)}`;
    for (const [name, pattern] of Object.entries(header)) actions.push(this.#take(pattern, name, check(), 'check_it="true" '));
    for (const name of lacks) actions.push(`      <ereg regexp="\n${name}:" search_in="msg" check_it_inverse="true" assign_to="${this.#variable(check())}"/>`);
    for (const [variable, name] of Object.entries(save)) actions.push(this.#take("[^ ].*", name, variable, 'check_it="true" '));
    if (body) actions.push(`      <ereg regexp="${escaped(body)}" search_in="body" check_it="true" assign_to="${this.#variable(check())}"/>`);
    if (!isRequest && what > 100) this.#lines.push('  <recv response="100" optional="true"/>');
    const which = isRequest ? `request="${what}"` : `response="${what}"`;
    const isTold = !isRequest && (what === 180 || what === 183 || (what === 200 && this.#askedLast === "INVITE"));
    const routes = what === "INVITE" || isTold ? ' rrs="true"' : "";
    const inside = actions.length ? `>\n    <action>\n${actions.join("\n")}\n    </action>\n  </recv>` : "/>";
    this.#lines.push(`  <recv ${which}${routes}${optional ? ' optional="true"' : ""}${inside}`);
  }

  says({ status, to = this.#last, sdp, headers, tag }) {
    const isOpening = to === "INVITE" && !this.isCaller && this.#isOpening;
    const lines = [
      `SIP/2.0 ${status} ${REASONS[status] ?? "Refused"}`,
      `Via: [$via_${to}]`,
      "[last_From:]",
      `To: [$to_${to}]${isOpening ? `;tag=${OWN_TAG}${tag}` : ""}`,
      "[last_Call-ID:]",
      `CSeq: [$cseq_${to}]`,
      CONTACT,
      ...headers,
    ];
    this.#send(lines, sdp, to === "INVITE" && status >= 200);
  }

  asks({ method, sdp, headers, tag, from, body, type, again }) {
    if (method !== "ACK" && method !== "CANCEL") this.#asked += 1;
    if (method === "INVITE") this.#invite = this.#asked;
    this.#askedLast = method;
    const isFirst = again || (this.isCaller && this.#asked === 1 && method !== "ACK");
    const own = `[$to_INVITE]${this.#isOpening ? `;tag=${OWN_TAG}${tag}` : ""}`;
    const [near, far] = this.isCaller ? [from ?? CALLER, `${CALLED}${isFirst ? "" : "[peer_tag_param]"}`] : [from ?? own, "[$from]"];
    const number = method === "ACK" || method === "CANCEL" ? this.#invite : this.#asked;
    const lines = [
      `${method} ${isFirst ? "sip:[service]@[remote_ip]:[remote_port]" : "[next_url]"} SIP/2.0`,
      method === "CANCEL" ? "[last_Via:]" : "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]",
      `From: ${near}`,
      `To: ${far}`,
      "Call-ID: [call_id]",
      `CSeq: ${number} ${method}`,
      CONTACT,
      "Max-Forwards: 70",
      ...(isFirst ? [] : ["[routes]"]),
      ...headers,
    ];
    this.#send(lines, sdp, method !== "ACK", body && { body, type });
  }

  acknowledges() {
    const uri = this.isCaller ? "sip:[service]@[remote_ip]:[remote_port]" : "[next_url]";
    const lines = [`ACK ${uri} SIP/2.0`, "[last_Via:]", "[last_From:]", "[last_To:]", "[last_Call-ID:]", `CSeq: ${this.#invite} ACK`, "Max-Forwards: 70"];
    this.#send(lines);
  }

  #send(lines, sdp, repeats = false, other = null) {
    const body = sdp ? this.#describe(sdp) : (other?.body ?? "");
    const type = sdp ? "application/sdp" : other?.type;
    const whole = [...lines, ...(type ? [`Content-Type: ${type}`] : []), "Content-Length: [len]", "", body].join("\n");
    this.#lines.push(`  <send${repeats ? ' retrans="500"' : ""}><![CDATA[\n${whole}\n]]></send>`);
  }

  /** `at`: the connection address, `port`: of the media, `way`: the direction, `same`: the description of before. */
  #describe({ at = "[local_ip]", port = "[media]", way = "sendrecv", lines = [], same = false }) {
    if (!same) this.#versions += 1;
    return [
      "v=0", `o=peer 1 ${this.#versions} IN IP4 [local_ip]`, "s=-", `c=IN IP4 ${at}`, "t=0 0", `m=audio ${port} RTP/AVP 0 101`,
      "a=rtpmap:0 PCMU/8000", "a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-16", "a=ptime:20", ...(way ? [`a=${way}`] : []), ...lines, "",
    ].join("\n");
  }
}
