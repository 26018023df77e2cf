/** Who is in the conference that is talked in. */
import { $, desk, element, showWhen, text } from "/desk.js";

const STATES = { joining: "joining", "on-hold": "on hold", leaving: "leaving" };

/** Brings the list up to date. */
export function showRoom() {
  const roster = desk.current?.roster;
  showWhen(roster, "room");
  if (!roster) return $("room-list").replaceChildren();
  text("room-head", `${roster.subject ?? "In this room"} (${roster.count})`);
  $("room-list").replaceChildren(...roster.members.map(line));
}

function line(member) {
  const row = document.createElement("li");
  row.dataset.talking = String(member.talking);
  const words = [
    member.you && "you",
    STATES[member.state],
    member.muted && "muted",
    member.talking && "speaking",
  ].filter(Boolean);
  row.append(element("b", member.name ?? member.address ?? member.id), " ", element("span", words.join(", ")));
  return row;
}
