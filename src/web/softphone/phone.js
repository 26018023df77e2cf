/** The softphone page: who is signed in, and whether the gateway is there. */
import { incoming, take } from "/calls.js";
import { chatBy } from "/chat.js";
import { $, desk, page, showWhen } from "/desk.js";
import { listDevices } from "/devices.js";
import { listHints } from "/dialling.js";
import { connect } from "/patchcord.js";
import { render } from "/show.js";

const RETRY_MS = 3_000;
/** A connection that is back sooner is not worth a banner. */
const LOST_MS = 400;

/** All modules are here, and that they are not need not be said. */
$("not-whole").remove();

let lostTimer = 0;

async function start(options = {}) {
  page.dataset.state = "connecting";
  try {
    desk.phone = await connect(options);
  } catch (error) {
    if (["unreachable", "congestion"].includes(error.code)) {
      banner(`${error.message} Trying again …`);
      setTimeout(start, RETRY_MS, options);
    } else askWho(options.user ? error.message : "");
    return;
  }
  const { phone } = desk;
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

for (const [id, method] of [["microphone", "setMicrophone"], ["speaker", "setSpeaker"]]) {
  $(id).addEventListener("change", async () => {
    localStorage.setItem(id, $(id).value);
    await desk.phone[method]($(id).value).catch(failed);
  });
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
    showWhen(desk.phone.guest, "as-guest");
    desk.phone.close();
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
  if (state === "lost") lostTimer = setTimeout(banner, LOST_MS, desk.current ? "Connection lost. Your call is kept – reconnecting …" : "Connection lost – reconnecting …");
  render();
}

function failed(error) {
  if (desk.phone.state !== "closed") {
    desk.notice = error.message;
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

start();
