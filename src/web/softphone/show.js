/** What the page shows and sounds like, as it follows from what is on the desk. */
import { $, desk, element, name, page, showWhen, text } from "/desk.js";
import { showRoom } from "/room.js";
import * as tones from "/tones.js";

const QUALITY_MS = 1_000;
const PATHS = {
  direct: "Media goes directly to the other side, encrypted end to end between the two devices.",
  relayed: "Media goes through the gateway, encrypted up to there.",
};
const WORDS = { calling: "Calling", ringing: "Ringing", early: "Ringing", connected: "Connected", held: "On hold" };
/** A level of -60 dBFS is an empty bar, 0 dBFS a full one. */
const FLOOR_DB = -60;

let qualityAt = 0;
/** What the gateway says of both lines. */
let worth = {};

/** Brings everything that is seen and heard up to date. */
export function render() {
  const { current, ringing, beside, phone, lastEnd } = desk;
  const state = current?.state ?? "";
  const onHold = state === "held" || (state === "connected" && current.remoteHeld);
  page.dataset.view = current ? "call" : "idle";
  page.dataset.state = ringing.length ? "incoming" : onHold ? "held" : state || (phone?.state !== "ready" ? "connecting" : lastEnd ? "ended" : "ready");
  document.body.dataset.connection = phone?.state ?? "connecting";
  text("status", statusWord(state, onHold));
  text("note", noteText());
  showWhen(!current, "entry", "call", "call-video");
  showWhen(current, "talk", "hang-up", "mute", "hold");
  showWhen(current && ["early", "connected", "held"].includes(state), "levels");
  showWhen(current?.path && ["connected", "held"].includes(state), "camera");
  showWhen(current?.since, "timer");
  showWhen(current && $("quality").textContent, "quality");
  showWhen(!current && $("number").value, "erase");
  showWhen(beside.length, "switch");
  showWhen(["connected", "held"].includes(state), "passing");
  $("transfer-to").placeholder = beside.length ? `Transfer to ${name(beside[0])}` : "Transfer to: number or address";
  if (beside.length) text("switch-text", `Switch to ${name(beside[0])}, on hold`);
  for (const hint of $("hint-list").querySelectorAll("button")) hint.disabled = Boolean(current) || phone?.state !== "ready";
  for (const id of ["call", "call-video"]) $(id).disabled = phone?.state !== "ready";
  $("camera").ariaPressed = String(Boolean(current?.localVideo));
  $("hold").disabled = !["connected", "held"].includes(state);
  showWhen(current && current.recorded !== null, "record");
  $("record").ariaPressed = String(Boolean(current?.recorded));
  $("mute").ariaPressed = String(Boolean(current?.muted));
  $("hold").ariaPressed = String(Boolean(current?.held));
  if (current) {
    text("peer", name(current));
    text("peer-line", current.display ? current.peer : "");
  } else clearFigures();
  showRoom();
  showVideo();
  showRinging();
  document.title = title();
  tones.play(ringing.length && !current ? "ring-tone" : state === "ringing" ? "ring-back" : "");
  showTime();
}

/** Pictures take the place of the keypad, whose keys can still be typed. */
function showVideo() {
  const { current } = desk;
  const path = PATHS[current?.path] ?? "";
  text("path", path);
  showWhen(path && current.since, "path");
  const seen = { "remote-video": current?.held ? null : current?.remoteVideo, "local-video": current?.localVideo };
  for (const [id, stream] of Object.entries(seen)) {
    if ($(id).srcObject !== (stream ?? null)) $(id).srcObject = stream ?? null;
    showWhen(stream, id);
  }
  const any = current?.localVideo || current?.remoteVideo;
  showWhen(any, "stage");
  showWhen(!any, "keypad");
}

function statusWord(state, onHold) {
  const { current, ringing, phone, lastEnd } = desk;
  if (onHold) return "On hold";
  if (current) return WORDS[state];
  if (ringing.length) return "Incoming call";
  if (lastEnd) return `Ended: ${lastEnd.cause}`;
  return phone?.state === "ready" ? "Ready" : "Connecting";
}

function noteText() {
  const { current, notice, lastEnd } = desk;
  if (notice) return notice;
  if (current?.held) return "The other side cannot hear you.";
  if (current?.remoteHeld) return "The other side put you on hold.";
  if (current?.remoteMuted) return "The other side is muted.";
  if (current?.recorded) return "This call is recorded.";
  return current ? "" : (lastEnd?.text ?? "");
}

function showRinging() {
  const { current, ringing } = desk;
  const call = ringing[0];
  const was = $("incoming").hidden;
  $("incoming").hidden = !call;
  // What lies under the panel can be neither seen nor reached; the status stays, to be read out.
  for (const covered of page.querySelectorAll(".entry, .talk, .stage, .keypad, .actions, .passing, .waiting")) covered.inert = Boolean(call);
  if (!call) return;
  if (was) $("incoming-error").textContent = "";
  text("caller", name(call));
  showWhen(call.offersVideo, "answer-video");
  const whom = call.meantFor && call.meantFor !== "anonymous" ? ` for ${call.meantFor}` : "";
  const who = `${call.display ? `${call.peer} ` : ""}is calling${whom}.${proven(call)}`;
  text("caller-line", current ? `${who} Answering puts ${name(current)} on hold.` : who);
}

/** What the page says of the caller's number. A network that answers with B or C does not say that it is the caller's. */
function proven({ verstat, attestation }) {
  if (!verstat) return "";
  return verstat === "TN-Validation-Passed" && (attestation ?? "A") === "A" ? " Number verified." : " Number not verified.";
}

function title() {
  const { current, ringing } = desk;
  if (ringing.length) return `${name(ringing[0])} is calling – Patchcord`;
  return current ? `${name(current)} – Patchcord` : "Patchcord";
}

function showTime() {
  const { current } = desk;
  if (!current?.since) return;
  const seconds = Math.max(0, Math.floor((Date.now() - current.since) / 1000));
  const two = n => String(n).padStart(2, "0");
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60)];
  text("timer", hours ? `${hours}:${two(minutes % 60)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`);
}

setInterval(showTime, 250);

/** @param {import("./patchcord-call.js").Stats} figures of the call that is talked in */
export function showFigures(figures) {
  level("input-level", figures.inputLevel);
  level("output-level", figures.outputLevel);
  if (performance.now() - qualityAt < QUALITY_MS) return;
  qualityAt = performance.now();
  const { rttMs, jitterMs, lossPercent, codec } = figures;
  const known = (value, words) => (value === undefined ? [] : [words]);
  const parts = [
    ...known(rttMs, `${rttMs} ms round trip`),
    ...known(jitterMs, `${jitterMs} ms jitter`),
    ...known(lossPercent, `${lossPercent} % loss`),
    ...known(codec, codec === "opus" ? "Opus" : codec),
    ...known(worth.you, `your line: ${inWords(worth.you)}`),
    ...known(worth.them, `their line: ${inWords(worth.them)}`),
  ];
  $("quality").replaceChildren(...parts.map(part => element("span", part)));
  $("quality").hidden = !parts.length;
}

/** @param {{you?: object, them?: object}} sides of the call that is talked in, as the gateway sees them */
export function showWorth({ you, them }) {
  const score = side => side?.mos_lately ?? side?.mos;
  worth = { you: score(you), them: score(them) };
}

/** A mean opinion score with the words of ITU-T G.109: satisfied, some dissatisfied, many or all. Before there is one: nothing. */
function inWords(mos) {
  if (mos === undefined) return "";
  const word = mos >= 4 ? "good" : mos >= 3.6 ? "fair" : "poor";
  return `${word} (${mos.toFixed(1)})`;
}

function level(id, value) {
  const db = 20 * Math.log10(Math.max(value, 1e-6));
  const percent = Math.round(100 * Math.min(1, Math.max(0, 1 - db / FLOOR_DB)));
  $(id).ariaValueNow = String(percent);
  $(id).style.setProperty("--level", `${percent}%`);
}

function clearFigures() {
  level("input-level", 0);
  level("output-level", 0);
  $("quality").replaceChildren();
  qualityAt = 0;
  worth = {};
}
