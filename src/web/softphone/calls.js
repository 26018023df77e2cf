/** The calls: one is talked in, others wait on hold or ring. */
import { chatWith } from "/chat.js";
import { $, desk, name } from "/desk.js";
import { listDevices } from "/devices.js";
import { render, showFigures, showWorth } from "/show.js";
import { showRoom } from "/room.js";

/** How often the gateway is asked what the lines are worth. */
const WORTH_MS = 4_000;

/** @param {string} to a number or address @param {import("./patchcord-call.js").MediaOptions} [options] */
export async function dial(to, options = {}) {
  if (desk.current || !desk.phone) return;
  desk.lastNumber = to;
  desk.lastEnd = null;
  desk.notice = "";
  try {
    take(await desk.phone.call(to, options));
    chatWith(desk.current?.peer ?? to);
  } catch (error) {
    desk.lastEnd = null;
    desk.notice = error.message;
    render();
  }
  listDevices();
}

/** Makes a call the one that is talked in. */
export function take(call) {
  if (desk.current && desk.current !== call) {
    desk.current.hold(true);
    desk.beside.push(desk.current);
  }
  desk.current = call;
  desk.notice = "";
  if (!call.watched) watch(call);
  document.activeElement?.blur?.();
  render();
}

function watch(call) {
  call.watched = true;
  call.on("state", render);
  call.on("remotehold", render);
  call.on("remotemute", render);
  call.on("recorded", render);
  call.on("roster", () => call === desk.current && showRoom());
  call.on("path", render);
  call.on("connected", render);
  call.on("transferring", how => transferring(call, how));
  call.on("video", render);
  call.on("notice", text => say(call, text));
  call.on("error", error => say(call, error.message));
  call.on("blocked", () => say(call, "Click anywhere to hear the other side."));
  call.on("stats", figures => call === desk.current && showFigures(figures));
  call.on("ended", end => ended(call, end));
}

/** Connects the other side with the call that waits, or with whoever is typed. */
export function transfer() {
  const call = desk.current;
  const typed = $("transfer-to").value.trim();
  const other = typed ? null : desk.beside[0];
  if (!call || !(typed || other)) return $("transfer-to").focus();
  try {
    call.transfer(typed || other.peer, other ? { with: other } : {});
  } catch (error) {
    say(call, error.message);
  }
}

function transferring(call, { state, text }) {
  const words = { trying: "Transferring …", ringing: "Transferring: it rings there …", done: "Transferred." };
  say(call, words[state] ?? `The transfer failed. ${text ?? ""}`);
  if (state === "done") $("transfer-to").value = "";
}

$("transfer").addEventListener("click", transfer);

async function askWorth() {
  const call = desk.current;
  if (call?.state !== "connected") return;
  // A gateway that has nothing to say of a call says so; the page then shows what it knows itself.
  const figures = await call.stats({ gateway: true }).catch(() => ({}));
  if (call === desk.current) showWorth(figures.gateway ?? {});
}

setInterval(askWorth, WORTH_MS);

/** Shows a sentence about the call, if it is the one that is talked in. */
export function say(call, text) {
  if (call !== desk.current) return;
  desk.notice = text;
  render();
}

function ended(call, end) {
  remove(desk.beside, call);
  if (remove(desk.ringing, call) && desk.current !== call) {
    const missed = ["cancelled", "no-answer"].includes(end.cause);
    if (!desk.current) desk.lastEnd = missed ? { ...end, text: `You missed a call from ${name(call)}.` } : end;
    return render();
  }
  if (call !== desk.current) return render();
  desk.lastEnd = end;
  desk.notice = "";
  desk.current = desk.beside.pop() ?? null;
  render();
  if (!desk.current && matchMedia("(pointer: fine)").matches) $("number").focus();
}

function remove(list, item) {
  const at = list.indexOf(item);
  if (at >= 0) list.splice(at, 1);
  return at >= 0;
}

/** Somebody calls. */
export function incoming(call) {
  desk.ringing.push(call);
  watch(call);
  render();
  const typing = document.activeElement?.matches("#number, #chat input") && document.activeElement.value;
  if (desk.ringing[0] === call && !typing) $("incoming").focus();
}

$("answer").addEventListener("click", () => answer());
$("answer-video").addEventListener("click", () => answer({ video: true }));

async function answer(options) {
  const call = desk.ringing[0];
  $("incoming-error").textContent = "";
  try {
    await call.answer(options);
    remove(desk.ringing, call);
    desk.lastEnd = null;
    take(call);
    if (call.peer !== "anonymous") chatWith(call.peer);
    listDevices();
  } catch (error) {
    if (!call.end) $("incoming-error").textContent = error.message;
  }
}

$("decline").addEventListener("click", () => desk.ringing[0]?.decline());
$("hang-up").addEventListener("click", () => desk.current?.hangup());

$("mute").addEventListener("click", () => {
  desk.current?.mute(!desk.current.muted);
  render();
});

$("record").addEventListener("click", () => desk.current?.record(!desk.current.recorded));

$("hold").addEventListener("click", () => {
  desk.current?.hold(!desk.current.held);
  render();
});

$("camera").addEventListener("click", async () => {
  const call = desk.current;
  desk.notice = "";
  await call?.showCamera(!call.localVideo).catch(error => say(call, error.message));
  render();
});

$("switch").addEventListener("click", () => {
  const other = desk.beside.shift();
  take(other);
  other.hold(false);
});
