// Warns an agent who writes a reply when somebody else replies first, and tells the server which message the agent has
// seen. Until the agent opens the other reply, that is the message before it, so that Send asks first.

import * as thread from "./thread.js";
import { gettext, pieces } from "./words.js";

let known = 0; // the newest message the page shows
let before = null; // the newest message that was seen when a reply came that the agent has not opened yet
let answer = null; // {id, by, at, isAsked}

const idOf = (element) => Number(element.dataset.cursor.split("_").at(-1));
const box = () => document.getElementById("answered");

function newest() {
  const shown = thread.current()?.column.querySelectorAll("[data-cursor]") ?? [];
  return [...shown].reduce((most, element) => Math.max(most, idOf(element)), 0);
}

function isWriting() {
  const form = document.getElementById("composer");
  if (!form || form.elements.kind.value !== "reply" || "gated" in form.dataset) return false;
  return form.elements.text.value.trim() !== "" || Boolean(document.querySelector("#tiles > *"));
}

/** Return the id of the newest message the agent has seen. */
export function seen() {
  return before ?? newest();
}

/** Forget the other reply: another conversation is shown, or the agent's own reply was sent or deleted. */
export function clear() {
  [known, before, answer] = [newest(), null, null];
  show();
}

/** Show that the server did not send: `notice` comes from _reply_collision.html. The next Send sends. */
export function asked(notice) {
  const { id, by, at } = notice.dataset;
  before = Math.max(before ?? 0, Number(id));
  answer = { id: Number(id), by, at, isAsked: true };
  show();
}

function look() {
  const shown = [...(thread.current()?.column.querySelectorAll("[data-by]") ?? [])];
  const fresh = shown.filter((element) => idOf(element) > known).at(-1);
  const last = known;
  known = newest();
  if (answer && !isWriting()) clear();
  if (!fresh || !isWriting() || answer?.id >= idOf(fresh)) return;
  before ??= last;
  answer = { id: idOf(fresh), by: fresh.dataset.by, at: fresh.dataset.at, isAsked: false };
  show();
}

function show() {
  const slot = box();
  if (!slot) return;
  slot.hidden = !answer;
  if (!answer) {
    slot.replaceChildren();
    return;
  }
  const words = document.createElement("span");
  const who = document.createElement("bdi");
  who.textContent = answer.by;
  const sentence = answer.isAsked
    ? gettext(
        "%(who)s replied at %(time)s. Your reply was not sent: read theirs, then send yours again if it still fits.",
      )
    : gettext("%(who)s replied at %(time)s — read it before you send.");
  words.append(...pieces(sentence, { who, time: answer.at }));
  const button = document.createElement("button");
  Object.assign(button, { type: "button", className: "button button--small", textContent: gettext("Read it") });
  button.dataset.readAnswer = "";
  slot.replaceChildren(words, button);
}

async function read() {
  const { id } = answer;
  if (!document.getElementById(`message-${id}`)) {
    await thread.refresh().catch(() => {});
  }
  thread.jumpTo(`message-${id}`);
  clear();
  document.getElementById("composer-text")?.focus({ preventScroll: true });
}

export function start() {
  document.addEventListener("desk:fresh", look);
  document.addEventListener("click", (event) => event.target.closest("[data-read-answer]") && read());
  document.addEventListener("input", (event) => {
    if (answer && event.target.id === "composer-text" && !isWriting()) clear();
  });
}
