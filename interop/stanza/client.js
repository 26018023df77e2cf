// An IM client made of stanza alone. It runs in a page, whose microphone and camera are the browser's; `stanza.mjs` of
// `lib` drives it by `window.im`.
import { createClient } from "stanza";

let client;
const events = [];
const sessions = new Map();

const note = (event, session, more) => events.push({ event, sid: session?.sid, from: session?.peerID, ...more });

/** Sound goes to an `<audio>`, where the ear of the tests listens, and pictures to a `<video>`. */
function play(track) {
  const element = document.createElement(track.kind);
  Object.assign(element, { srcObject: new MediaStream([track]), autoplay: true, muted: track.kind === "video" });
  document.body.append(element);
  element.play();
}

function watch(jingle) {
  jingle.on("peerTrackAdded", (session, track) => {
    note("track", session, { kind: track.kind });
    play(track);
  });
  jingle.on("connectionState", (session, state) => note("connection", session, { state }));
  jingle.on("log", (level, message, detail) => level === "error" && note("fault", null, { what: `${message} ${detail}` }));
}

async function openMedia(session, { video = false }) {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video });
  for (const track of stream.getTracks()) await session.addTrack(track, stream);
}

window.im = {
  events: () => events,

  login({ jid, password, websocket, resource, caps }) {
    const jingle = { iceServers: [] };
    client = createClient({ jid, password, resource, jingle, transports: { websocket, bosh: false }, allowResumption: false });
    watch(client.jingle);
    for (const [event, name] of [["jingle:incoming", "incoming"], ["jingle:outgoing", "outgoing"]]) {
      client.on(event, session => {
        sessions.set(session.sid, session);
        note(name, session);
      });
    }
    for (const name of ["accepted", "ringing", "hold", "resumed", "mute", "unmute"]) {
      client.on(`jingle:${name}`, session => note(name, session));
    }
    client.on("jingle:terminated", (session, reason) => note("terminated", session, { reason: reason?.condition, text: reason?.text }));
    client.on("chat", ({ from, body }) => note("message", null, { from, body }));
    client.on("presence", ({ from, type }) => note("presence", null, { from, type }));
    client.on("iq:get:disco", ({ from }) => note("asked", null, { from }));
    client.on("--transport-disconnected", () => note("offline"));
    return new Promise((resolve, reject) => {
      client.on("session:started", () => {
        if (caps) client.updateCaps();
        client.sendPresence(caps ? { legacyCapabilities: client.disco.getCaps() } : {});
        resolve(client.jid);
      });
      client.on("auth:failed", () => reject(new Error("not authenticated")));
      client.connect();
    });
  },

  async call(peer, media) {
    const session = client.jingle.createMediaSession(peer);
    await openMedia(session, media);
    session.start();
    return session.sid;
  },

  async accept(sid, media) {
    const session = sessions.get(sid);
    await openMedia(session, media);
    await session.accept();
  },

  ring: sid => sessions.get(sid).ring(),
  reject: (sid, reason) => sessions.get(sid).end(reason),
  hangUp: sid => sessions.get(sid).end("success"),
  hold: sid => sessions.get(sid).hold(),
  resume: sid => sessions.get(sid).resume(),
  mute: (sid, creator) => sessions.get(sid).mute(creator, "audio"),
  write: (to, body) => client.sendMessage({ to, body, type: "chat" }),
  presence: more => client.sendPresence(more),
  ask: jid => client.getDiscoInfo(jid).then(() => true),

  async figures(sid) {
    const figures = { frames: 0, audio: 0, video: 0, remote: "", transports: 0 };
    const stats = await sessions.get(sid).pc.getStats();
    for (const one of stats.values()) {
      if (one.type === "inbound-rtp" && one.kind === "video") figures.frames = one.framesDecoded;
      if (one.type === "inbound-rtp") figures[one.kind] = one.packetsReceived;
      if (one.type === "transport") figures.transports += 1;
      if (one.type === "transport" && one.selectedCandidatePairId) {
        const { ip, port } = stats.get(stats.get(one.selectedCandidatePairId).remoteCandidateId);
        figures.remote = `${ip}:${port}`;
      }
    }
    return figures;
  },
};
