/** The softphone page: what `patchcord.js` tells becomes what the person sees, and the other way round. */
import { chatBy, chatWith } from "/chat.js";
import { connect } from "/patchcord.js";
import * as tones from "/tones.js";

const RETRY_MS = 3_000;
/** A connection that is back sooner is not worth a banner. */
const LOST_MS = 400;
const PLUS_MS = 500;
const QUALITY_MS = 1_000;
const PATHS = {
  direct: "Media goes directly to the other side, encrypted end to end between the two devices.",
  relayed: "Media goes through the gateway, encrypted up to there.",
};
const WORDS = { calling: "Calling", ringing: "Ringing", early: "Ringing", connected: "Connected", held: "On hold" };
/** A level of -60 dBFS is an empty bar, 0 dBFS a full one. */
const FLOOR_DB = -60;

const $ = id => document.getElementById(id);
const page = $("phone");

let phone = null;
/** The call that is talked in, those on hold beside it, and those that ring. */
let current = null;
const beside = [];
const ringing = [];
let lastEnd = null;
let lastNumber = "";
let notice = "";
let qualityAt = 0;
let lostTimer = 0;

// Signing in

async function start(options = {}) {
  page.dataset.state = "connecting";
  try {
    phone = await connect(options);
  } catch (error) {
    if (["unreachable", "congestion"].includes(error.code)) {
      banner(`${error.message} Trying again …`);
      setTimeout(start, RETRY_MS, options);
    } else askWho(options.user ? error.message : "");
    return;
  }
  banner("");
  showSignIn(false);
  $("account").hidden = false;
  $("who").textContent = phone.display;
  showWhen(!phone.guest, "sign-out");
  showWhen(phone.guest, "leave-guest");
  phone.microphone = localStorage.getItem("microphone") ?? "";
  phone.speaker = localStorage.getItem("speaker") ?? "";
  phone.on("state", connectionChanged);
  phone.on("error", failed);
  phone.on("devices", listDevices);
  phone.on("incoming", incoming);
  phone.on("resumed", call => take(call));
  chatBy(phone);
  listDevices();
  listHints();
  render();
}

function askWho(text) {
  showSignIn(true);
  $("sign-in-error").textContent = text;
  $(text ? "password" : "user").focus();
}

function showSignIn(shown) {
  $("sign-in").hidden = !shown;
  page.hidden = shown;
  $("side").hidden = shown;
}

$("sign-in").addEventListener("submit", event => {
  event.preventDefault();
  start({ user: $("user").value.trim(), password: $("password").value });
  $("password").value = "";
});

for (const id of ["sign-out", "leave-guest"]) {
  $(id).addEventListener("click", () => {
    showWhen(phone.guest, "as-guest");
    phone.close();
    $("account").hidden = true;
    askWho("");
  });
}

$("as-guest").addEventListener("click", () => {
  showSignIn(false);
  start();
});

function connectionChanged(state) {
  clearTimeout(lostTimer);
  if (state === "ready") banner("");
  if (state === "lost") lostTimer = setTimeout(banner, LOST_MS, current ? "Connection lost. Your call is kept – reconnecting …" : "Connection lost – reconnecting …");
  render();
}

function failed(error) {
  if (phone.state !== "closed") {
    notice = error.message;
  } else if (error.code === "taken-elsewhere") {
    banner(error.message, "Use it here", () => start());
  } else {
    $("account").hidden = true;
    askWho(error.message);
  }
  render();
}

function banner(text, action, act) {
  $("banner").hidden = !text;
  $("banner-text").textContent = text;
  $("banner-action").hidden = !action;
  $("banner-action").textContent = action ?? "";
  $("banner-action").onclick = act ?? null;
}

// Calls

async function dial(to, options = {}) {
  if (current || !phone) return;
  lastNumber = to;
  lastEnd = null;
  notice = "";
  try {
    take(await phone.call(to, options));
    chatWith(to);
  } catch (error) {
    lastEnd = null;
    notice = error.message;
    render();
  }
  listDevices();
}

/** Makes a call the one that is talked in. */
function take(call) {
  if (current && current !== call) {
    current.hold(true);
    beside.push(current);
  }
  current = call;
  notice = "";
  if (!call.watched) watch(call);
  document.activeElement?.blur?.();
  render();
}

function watch(call) {
  call.watched = true;
  call.on("state", render);
  call.on("remotehold", render);
  call.on("remotemute", render);
  call.on("path", render);
  call.on("video", render);
  call.on("notice", text => say(call, text));
  call.on("error", error => say(call, error.message));
  call.on("blocked", () => say(call, "Click anywhere to hear the other side."));
  call.on("stats", figures => call === current && showFigures(figures));
  call.on("ended", end => ended(call, end));
}

function say(call, text) {
  if (call !== current) return;
  notice = text;
  render();
}

function ended(call, end) {
  remove(beside, call);
  if (remove(ringing, call) && current !== call) {
    const missed = ["cancelled", "no-answer"].includes(end.cause);
    if (!current) lastEnd = missed ? { ...end, text: `You missed a call from ${name(call)}.` } : end;
    return render();
  }
  if (call !== current) return render();
  lastEnd = end;
  notice = "";
  current = beside.pop() ?? null;
  render();
  if (!current && matchMedia("(pointer: fine)").matches) $("number").focus();
}

function remove(list, item) {
  const at = list.indexOf(item);
  if (at >= 0) list.splice(at, 1);
  return at >= 0;
}

function incoming(call) {
  ringing.push(call);
  watch(call);
  render();
  const typing = document.activeElement?.matches("#number, #chat input") && document.activeElement.value;
  if (ringing[0] === call && !typing) $("incoming").focus();
}

$("answer").addEventListener("click", () => answer());
$("answer-video").addEventListener("click", () => answer({ video: true }));

async function answer(options) {
  const call = ringing[0];
  $("incoming-error").textContent = "";
  try {
    await call.answer(options);
    remove(ringing, call);
    lastEnd = null;
    take(call);
    if (call.peer !== "anonymous") chatWith(call.peer);
    listDevices();
  } catch (error) {
    if (!call.end) $("incoming-error").textContent = error.message;
  }
}

$("decline").addEventListener("click", () => ringing[0]?.decline());
$("hang-up").addEventListener("click", () => current?.hangup());

$("mute").addEventListener("click", () => {
  current?.mute(!current.muted);
  render();
});

$("hold").addEventListener("click", () => {
  current?.hold(!current.held);
  render();
});

$("camera").addEventListener("click", async () => {
  const call = current;
  notice = "";
  await call?.showCamera(!call.localVideo).catch(error => say(call, error.message));
  render();
});

$("switch").addEventListener("click", () => {
  const other = beside.shift();
  take(other);
  other.hold(false);
});

// Keys

$("dialler").addEventListener("submit", event => {
  event.preventDefault();
  const to = $("number").value.trim();
  if (to) dial(to);
  else setNumber(lastNumber);
});

$("call-video").addEventListener("click", () => {
  const to = $("number").value.trim();
  if (to) dial(to, { video: true });
  else $("number").focus();
});

$("number").addEventListener("input", () => setNumber($("number").value));
$("erase").addEventListener("click", () => setNumber($("number").value.slice(0, -1)));

function setNumber(text) {
  if ($("number").value !== text) $("number").value = text;
  if (lastEnd || notice) {
    lastEnd = null;
    notice = "";
  }
  render();
}

let plusTimer = 0;

$("keypad").addEventListener("pointerdown", event => {
  if (event.target.closest("button")?.dataset.key !== "0" || current) return;
  clearTimeout(plusTimer);
  plusTimer = setTimeout(() => {
    plusTimer = -1;
    setNumber($("number").value + "+");
  }, PLUS_MS);
});

$("keypad").addEventListener("click", event => {
  const button = event.target.closest("button");
  if (!button) return;
  const becamePlus = plusTimer === -1;
  clearTimeout(plusTimer);
  plusTimer = 0;
  if (!becamePlus) press(button.dataset.key);
});

for (const gone of ["pointercancel", "pointerleave"]) {
  $("keypad").addEventListener(gone, () => {
    clearTimeout(plusTimer);
    plusTimer = 0;
  });
}

function press(digit) {
  tones.key(digit);
  const button = $("keypad").querySelector(`[data-key="${CSS.escape(digit)}"]`);
  button.classList.add("down");
  setTimeout(() => button.classList.remove("down"), 120);
  if (!current) return setNumber($("number").value + digit);
  try {
    current.dtmf(digit);
  } catch (error) {
    return say(current, error.message);
  }
  notice = (/^[0-9*#]+$/.test(notice) ? notice : "").slice(-15) + digit;
  render();
}

addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("select, #sign-in input, #chat *")) return;
  if (event.key === "Escape") {
    if (ringing.length) ringing[0].decline();
    else current?.hangup();
  } else if (current && /^[0-9*#]$/.test(event.key)) {
    press(event.key);
  } else if (!current && !ringing.length && event.key.length === 1 && /[0-9+*#a-z]/i.test(event.key) && event.target === document.body) {
    $("number").focus();
  }
});

// Devices and hints

async function listDevices() {
  const { microphones, speakers } = await phone.devices();
  fill($("microphone"), microphones, phone.microphone, "Microphone");
  fill($("speaker"), speakers, phone.speaker, "Speaker");
  $("speaker-row").hidden = !("setSinkId" in HTMLMediaElement.prototype) || !speakers.length;
}

function fill(select, devices, chosen, kind) {
  const options = devices.map((device, i) => new Option(device.label || `${kind} ${i + 1}`, device.deviceId));
  select.replaceChildren(new Option("System default", ""), ...options);
  select.value = devices.some(device => device.deviceId === chosen) ? chosen : "";
}

for (const [id, method] of [["microphone", "setMicrophone"], ["speaker", "setSpeaker"]]) {
  $(id).addEventListener("change", async () => {
    localStorage.setItem(id, $(id).value);
    await phone[method]($(id).value).catch(failed);
  });
}

async function listHints() {
  const reply = await fetch("/dial-hints").catch(() => null);
  const { hints = [] } = reply?.ok ? await reply.json() : {};
  const rows = hints.map(({ to, text }) => {
    const row = document.createElement("li");
    const button = row.appendChild(document.createElement("button"));
    button.type = "button";
    button.append(element("b", to), element("span", text));
    button.addEventListener("click", () => {
      setNumber(to);
      dial(to);
    });
    return row;
  });
  $("hint-list").replaceChildren(...rows);
  $("hints").hidden = !rows.length;
}

function element(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

// Showing

function render() {
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
  showWhen(current?.path === "direct" && ["connected", "held"].includes(state), "camera");
  showWhen(current?.since, "timer");
  showWhen(current && $("quality").textContent, "quality");
  showWhen(!current && $("number").value, "erase");
  showWhen(beside.length, "switch");
  if (beside.length) text("switch-text", `Switch to ${name(beside[0])}, on hold`);
  for (const hint of $("hint-list").querySelectorAll("button")) hint.disabled = Boolean(current) || phone?.state !== "ready";
  for (const id of ["call", "call-video"]) $(id).disabled = phone?.state !== "ready";
  $("camera").ariaPressed = String(Boolean(current?.localVideo));
  $("hold").disabled = !["connected", "held"].includes(state);
  $("mute").ariaPressed = String(Boolean(current?.muted));
  $("hold").ariaPressed = String(Boolean(current?.held));
  if (current) {
    text("peer", name(current));
    text("peer-line", current.display ? current.peer : "");
  } else clearFigures();
  showVideo();
  showRinging();
  document.title = title();
  tones.play(ringing.length && !current ? "ring-tone" : state === "ringing" ? "ring-back" : "");
  showTime();
}

/** Pictures take the place of the keypad, whose keys can still be typed. */
function showVideo() {
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
  if (onHold) return "On hold";
  if (current) return WORDS[state];
  if (ringing.length) return "Incoming call";
  if (lastEnd) return `Ended: ${lastEnd.cause}`;
  return phone?.state === "ready" ? "Ready" : "Connecting";
}

function noteText() {
  if (notice) return notice;
  if (current?.held) return "The other side cannot hear you.";
  if (current?.remoteHeld) return "The other side put you on hold.";
  if (current?.remoteMuted) return "The other side is muted.";
  return current ? "" : (lastEnd?.text ?? "");
}

function showRinging() {
  const call = ringing[0];
  const was = $("incoming").hidden;
  $("incoming").hidden = !call;
  // What lies under the panel can be neither seen nor reached; the status stays, to be read out.
  for (const covered of page.querySelectorAll(".entry, .talk, .stage, .keypad, .actions, .waiting")) covered.inert = Boolean(call);
  if (!call) return;
  if (was) $("incoming-error").textContent = "";
  text("caller", name(call));
  showWhen(call.offersVideo, "answer-video");
  const who = call.display ? `${call.peer} is calling.` : "is calling.";
  text("caller-line", current ? `${who} Answering puts ${name(current)} on hold.` : who);
}

function title() {
  if (ringing.length) return `${name(ringing[0])} is calling – Patchcord`;
  return current ? `${name(current)} – Patchcord` : "Patchcord";
}

function name(call) {
  return call.display || (call.peer === "anonymous" ? "Private number" : call.peer);
}

/** Writing the same text again would make a screen reader say it again. */
function text(id, value) {
  if ($(id).textContent !== value) $(id).textContent = value;
}

function showWhen(condition, ...ids) {
  for (const id of ids) $(id).hidden = !condition;
}

function showTime() {
  if (!current?.since) return;
  const seconds = Math.max(0, Math.floor((Date.now() - current.since) / 1000));
  const two = n => String(n).padStart(2, "0");
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60)];
  text("timer", hours ? `${hours}:${two(minutes % 60)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`);
}

setInterval(showTime, 250);

function showFigures(figures) {
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
  ];
  $("quality").replaceChildren(...parts.map(part => element("span", part)));
  $("quality").hidden = !parts.length;
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
}

start();
