/** The little SIP that telephones of these tests speak by themselves. */

/** Where they are. */
export const HOST = "127.0.0.1";
/** What a response repeats of its request (RFC 3261 §8.2.6.2). */
const REPEATED = ["via", "from", "call-id", "cseq", "record-route"];

/** The value of a header, or nothing. */
export function header(text, name) {
  const [head] = text.split("\r\n\r\n", 1);
  const found = head.split("\r\n").find(line => line.toLowerCase().startsWith(`${name}:`));
  return found?.slice(name.length + 1).trim() ?? "";
}

/** A response to a request, with a description if there is one. */
export function response(request, port, status, reason, tag, sdp = "") {
  const [head] = request.split("\r\n\r\n", 1);
  const repeated = head.split("\r\n").filter(line => REPEATED.includes(line.split(":", 1)[0].toLowerCase()));
  const to = header(request, "to");
  return [
    `SIP/2.0 ${status} ${reason}`,
    ...repeated,
    `To: ${to}${/;tag=/.test(to) ? "" : `;tag=${tag}`}`,
    `Contact: <sip:${HOST}:${port}>`,
    ...(sdp ? ["Content-Type: application/sdp"] : []),
    `Content-Length: ${Buffer.byteLength(sdp)}`,
    "",
    sdp,
  ].join("\r\n");
}
