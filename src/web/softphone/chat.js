/** The pane of messages: what was written to whom, and what became of it. Nothing of it is kept beyond the page. */

const MOST_LINES = 200;

const $ = id => document.getElementById(id);
let phone = null;

/** Writes by that phone from now on, and shows what comes by it. */
export function chatBy(connected) {
  phone = connected;
  phone.on("text", heard);
}

/** Puts the one to write to into the pane, unless somebody is there already. */
export function chatWith(peer) {
  if (!$("chat-to").value) $("chat-to").value = peer;
}

$("chat-form").addEventListener("submit", async event => {
  event.preventDefault();
  const to = $("chat-to").value.trim();
  const body = $("chat-body").value.trim();
  if (!phone || !to || !body) return $(to ? "chat-body" : "chat-to").focus();
  $("chat-body").value = "";
  const fate = line(`To ${to}`, body, "sent");
  fate.textContent = "Sending …";
  try {
    await phone.text(to, body);
    fate.textContent = "Delivered";
  } catch (error) {
    fate.textContent = `Not delivered: ${error.message}`;
    fate.classList.add("alert");
    // What was written is not lost with it.
    if (!$("chat-body").value) $("chat-body").value = body;
  }
});

function heard({ from, display, body }) {
  line(display ? `${display} (${from})` : from, body, "heard");
  if (from !== "anonymous") chatWith(from);
}

/** @returns {HTMLElement} where the fate of the message is told */
function line(who, body, kind) {
  const row = document.createElement("li");
  row.className = kind;
  for (const [name, text] of [["b", who], ["p", body], ["small", ""]]) {
    row.appendChild(document.createElement(name)).textContent = text;
  }
  const log = $("chat-log");
  log.append(row);
  while (log.children.length > MOST_LINES) log.firstChild.remove();
  log.hidden = false;
  log.scrollTop = log.scrollHeight;
  return row.lastChild;
}
