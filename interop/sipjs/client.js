// A telephone made of SIP.js alone. It runs in a page, whose microphone and camera are the browser's; `webphone.mjs` of `lib`
// drives it by `window.phone`.
import { Inviter, Registerer, SessionState, UserAgent, Web } from "sip.js";

let agent;
let registerer;
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

/** The connection is there from the first description on, and its tracks may be before it is seen. */
function watchMedia(one) {
  const connection = one.sessionDescriptionHandler?.peerConnection;
  if (!connection || one.isWatched) return;
  one.isWatched = true;
  for (const { track } of connection.getReceivers()) play(track);
  connection.addEventListener("track", ({ track }) => play(track));
}

function watch(one) {
  session = one;
  sessions.push(one);
  one.stateChange.addListener(state => {
    if (state === SessionState.Established) {
      watchMedia(one);
      note("accepted");
      note("confirmed");
    }
    if (state === SessionState.Terminated) note("ended", { nth: sessions.indexOf(one) });
  });
  one.delegate = {
    onInfo: info => {
      note("key", { originator: "remote", key: /Signal=\s*(.)/.exec(info.request.body)?.[1] });
      info.accept();
    },
    onBye: bye => bye.accept(),
  };
}

/** What is told of a transfer. */
const watchTransfer = {
  onNotify: notification => {
    note("transfer", { status: Number(/^SIP\/2.0 (\d+)/.exec(notification.request.body)?.[1]) });
    notification.accept();
  },
  requestDelegate: { onReject: response => note("transfer", { status: response.message.statusCode }) },
};

const constraints = () => ({ constraints: { audio: true, video: Boolean(wants.video) } });
const address = to => UserAgent.makeURI(to.includes(":") ? to : `sip:${to}@${wants.domain}`);

// SIP.js resolves when the request has left; a second change is refused until the first is answered.
function reinvite(hold) {
  return new Promise((done, failed) => {
    session
      .invite({
        requestDelegate: {
          onAccept: () => done(true),
          onReject: response => failed(new Error(`the change is refused with ${response.message.statusCode}`)),
        },
        sessionDescriptionHandlerOptions: { hold },
        sessionDescriptionHandlerModifiers: hold ? [Web.holdModifier] : [],
      })
      .catch(failed);
  });
}

window.phone = {
  events: () => events,

  async start(options) {
    wants = options;
    agent = new UserAgent({
      uri: address(options.user),
      transportOptions: { server: options.server, keepAliveInterval: 1 },
      authorizationUsername: options.user,
      authorizationPassword: options.password,
      logLevel: "error",
      sessionDescriptionHandlerFactoryOptions: { peerConnectionConfiguration: { iceServers: [] } },
      delegate: {
        onInvite: invitation => {
          watch(invitation);
          note("incoming", { from: invitation.remoteIdentity.uri.user });
        },
        onMessage: message => {
          note("message", { body: message.request.body });
          message.accept();
        },
        onDisconnect: () => note("offline"),
      },
    });
    await agent.start();
    registerer = new Registerer(agent, { expires: 300 });
    registerer.stateChange.addListener(state => note(state.toLowerCase()));
    await registerer.register();
  },

  async call(to) {
    const inviter = new Inviter(agent, address(to), { sessionDescriptionHandlerOptions: constraints(), earlyMedia: true });
    watch(inviter);
    await inviter.invite({
      requestDelegate: {
        onProgress: () => (watchMedia(inviter), note("progress")),
        onReject: response => note("failed", { status: response.message.statusCode }),
      },
    });
  },

  async answer() {
    await session.accept({ sessionDescriptionHandlerOptions: constraints() });
    watchMedia(session);
  },
  hangUp: () =>
    session.state === SessionState.Established ? session.bye().then(() => true) : (session.reject ?? session.cancel).call(session).then(() => true),
  /** Sends the other side to somebody, by REFER. */
  refer: to => void session.refer(address(to), watchTransfer),
  /** Connects the others of its first two calls, by REFER with Replaces. */
  join: () => void sessions[0].refer(sessions[1], watchTransfer),
  hold: () => reinvite(true),
  unhold: () => reinvite(false),
  async press(key, transport = "INFO") {
    if (transport !== "INFO") return session.sessionDescriptionHandler.sendDtmf(key);
    const content = `Signal=${key}\r\nDuration=160`;
    await session.info({ requestOptions: { body: { contentDisposition: "render", contentType: "application/dtmf-relay", content } } });
  },
  stop: () => agent.stop(),
};
