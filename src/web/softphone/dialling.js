/** What is dialled: the number, the keypad and the keyboard, the list of what there is to dial. */
import { dial, say, transfer } from "/calls.js";
import { $, desk, element } from "/desk.js";
import { render } from "/show.js";
import * as tones from "/tones.js";

const PLUS_MS = 500;

$("dialler").addEventListener("submit", event => {
  event.preventDefault();
  if (desk.current) return transfer();
  const to = $("number").value.trim();
  if (to) dial(to);
  else setNumber(desk.lastNumber);
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
  if (desk.lastEnd || desk.notice) {
    desk.lastEnd = null;
    desk.notice = "";
  }
  render();
}

let plusTimer = 0;

$("keypad").addEventListener("pointerdown", event => {
  if (event.target.closest("button")?.dataset.key !== "0" || desk.current) return;
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
  if (!desk.current) return setNumber($("number").value + digit);
  try {
    desk.current.dtmf(digit);
  } catch (error) {
    return say(desk.current, error.message);
  }
  desk.notice = (/^[0-9*#]+$/.test(desk.notice) ? desk.notice : "").slice(-15) + digit;
  render();
}

addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("select, #sign-in input, #chat *, #passing *")) return;
  const { current, ringing } = desk;
  if (event.key === "Escape") {
    if (ringing.length) ringing[0].decline();
    else current?.hangup();
  } else if (current && /^[0-9*#]$/.test(event.key)) {
    press(event.key);
  } else if (!current && !ringing.length && event.key.length === 1 && /[0-9+*#a-z]/i.test(event.key) && event.target === document.body) {
    $("number").focus();
  }
});

/** Asks for the list of what there is to dial. */
export async function listHints() {
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
