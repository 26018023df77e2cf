// A telephone made of JsSIP alone. It runs in a page, whose microphone and camera are the browser's; `webphone.mjs` of `lib`
// drives it by `window.phone`.
import JsSIP from "jssip";

let agent;
let session;
/** All that were ever begun, the oldest first. */
const sessions = [];
let wants = {};
const events = [];
const note = (event, more) => events.push({ event, ...more });

/** Sound goes to an `<audio>`, where the ear of the tests listens, and pictures to a `<video>`. */
function play(track) {
  const element = document.createElement(track.kind);
  Object.assign(element, { srcObject: new MediaStream([track]), autoplay: true, muted: track.kind === "video" });
  document.body.append(element);
  element.play();
}

const watchMedia = connection => connection.addEventListener("track", ({ track }) => play(track));

function watch({ session: one, originator }) {
  session = one;
  sessions.push(one);
  if (one.connection) watchMedia(one.connection);
  one.on("peerconnection", ({ peerconnection }) => watchMedia(peerconnection));
  for (const name of ["progress", "accepted", "confirmed", "hold", "unhold"]) one.on(name, ({ originator }) => note(name, { originator }));
  for (const name of ["ended", "failed"]) {
    one.on(name, ({ cause, message }) => note(name, { cause, status: message?.status_code, nth: sessions.indexOf(one) }));
  }
  one.on("newDTMF", ({ originator, dtmf }) => note("key", { originator, key: dtmf.tone }));
  if (originator === "remote") note("incoming", { from: one.remote_identity.uri.user });
}

/** What is told of a transfer. */
const told = ({ status_line }) => note("transfer", { status: status_line.status_code });
const watchTransfer = {
  trying: told,
  progress: told,
  accepted: told,
  failed: ({ status_line }) => note("transfer", { status: status_line?.status_code }),
  requestFailed: ({ cause }) => note("transfer", { cause }),
};

const media = () => ({ mediaConstraints: { audio: true, video: Boolean(wants.video) }, pcConfig: { iceServers: [] } });
const address = to => (to.includes(":") ? to : `sip:${to}@${wants.domain}`);

window.phone = {
  events: () => events,

  start(options) {
    wants = options;
    const sockets = [new JsSIP.WebSocketInterface(options.server)];
    agent = new JsSIP.UA({ sockets, uri: address(options.user), password: options.password, register_expires: 300 });
    agent.on("registered", () => note("registered"));
    agent.on("unregistered", () => note("unregistered"));
    agent.on("registrationFailed", ({ cause }) => note("refused", { cause }));
    agent.on("disconnected", () => note("offline"));
    agent.on("newRTCSession", watch);
    agent.on("newMessage", ({ originator, request }) => originator === "remote" && note("message", { body: request.body }));
    agent.start();
  },

  call: to => void agent.call(address(to), media()),
  answer: () => session.answer(media()),
  hangUp: () => session.terminate(),
  /** Sends the other side to somebody, by REFER. */
  refer: to => void session.refer(address(to), { eventHandlers: watchTransfer }),
  /** Connects the others of its first two calls, by REFER with Replaces. */
  join: () => void sessions[0].refer(sessions[1].remote_identity.uri, { replaces: sessions[1], eventHandlers: watchTransfer }),
  hold: () => session.hold(),
  unhold: () => session.unhold(),
  press: (key, transportType = "INFO") => session.sendDTMF(key, { transportType }),
  write: (to, body) => void agent.sendMessage(address(to), body),
  stop: () => agent.stop(),
};
