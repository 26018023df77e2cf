/**
 * Sees to it that the page comes whole. A browser drops files that are on their way when the network of the machine
 * changes, and without one of its modules the page would wait for ever: so it is loaded again, a few times and ever later.
 * What begins the page takes the sentence away that stands in it for as long as it has not begun.
 */
"use strict";
{
  const MOST = 4;
  const FIRST_MS = 500;
  /** Files that never come hold up the end of the loading. */
  const PATIENCE_MS = 60_000;
  const KEY = "patchcord-loaded-again";

  let isDone = false;

  /** How often the page was loaded again; without a place to write that down, it is not. */
  const count = () => {
    try {
      return Number(sessionStorage.getItem(KEY));
    } catch {
      return MOST;
    }
  };

  const forget = () => {
    try {
      sessionStorage.removeItem(KEY);
    } catch {
      // There is nothing to forget.
    }
  };

  const say = words => {
    const sentence = document.getElementById("not-whole");
    sentence.textContent = words;
    sentence.classList.remove("late");
  };

  const look = () => {
    if (isDone) return;
    isDone = true;
    const before = count();
    if (!document.getElementById("not-whole")) {
      forget();
      return;
    }
    if (before >= MOST) {
      say("This page has not come whole. See that this device is connected, and load it again.");
      return;
    }
    sessionStorage.setItem(KEY, String(before + 1));
    say("This page has not come whole. Trying again …");
    setTimeout(() => location.reload(), FIRST_MS * 2 ** before);
  };

  addEventListener("load", look);
  setTimeout(look, PATIENCE_MS);
}
