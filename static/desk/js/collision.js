// Somebody else answers while a reply is being written: a notice above the composer, and what the server is told was
// seen. Until the agent has looked, that is the message before the answer, so that the first Send asks.

import * as thread from "./thread.js";

let known = 0; // the newest message the page shows
let before = null; // the newest message that was seen when an answer came that was not looked at yet
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

/** What the server is told: the id of the newest message the agent has seen. */
export function seen() {
  return before ?? newest();
}

/** Another conversation is shown, or the reply went out, or there is none any more. */
export function clear() {
  [known, before, answer] = [newest(), null, null];
  show();
}

/** The server did not send: `notice` is its _answered.html. Sending again sends. */
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
  const rest = answer.isAsked
    ? ` answered at ${answer.at}. Your reply was not sent: read theirs, then send again if yours still fits.`
    : ` answered at ${answer.at} — read it before you send.`;
  words.append(who, rest);
  const button = document.createElement("button");
  Object.assign(button, { type: "button", className: "button button--small", textContent: "Read it" });
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
