/** What the files of the page share: the phone, the calls on the desk, and the elements. */

export const desk = {
  /** @type {import("./patchcord.js").Phone | null} */
  phone: null,
  /** The call that is talked in, those on hold beside it, and those that ring. */
  current: null,
  beside: [],
  ringing: [],
  /** How the last call ended, and what else there is to say. */
  lastEnd: null,
  notice: "",
  lastNumber: "",
};

export const $ = id => document.getElementById(id);

export const page = $("phone");

export function element(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

/** Writing the same text again would make a screen reader say it again. */
export function text(id, value) {
  if ($(id).textContent !== value) $(id).textContent = value;
}

export function showWhen(condition, ...ids) {
  for (const id of ids) $(id).hidden = !condition;
}

export function name(call) {
  return call.display || (call.peer === "anonymous" ? "Private number" : call.peer);
}
