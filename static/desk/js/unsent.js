// Shows what waits for the connection or was refused: as bubbles in the open conversation, and all of it in a dialog.

import * as composer from "./composer.js";
import { toast } from "./http.js";
import { confirmChoice, openDialog } from "./layout.js";
import * as nav from "./nav.js";
import * as outbox from "./outbox.js";
import { bubbleOf } from "./pending-bubble.js";
import { cut } from "./text.js";
import * as thread from "./thread.js";
import { gettext, interpolate } from "./words.js";

const dialog = document.getElementById("unsent");

function stateOf(entry) {
  if (outbox.isSending(entry.id)) return gettext("Sending…");
  if (entry.state === "waiting") return gettext("Waiting for connection");
  return interpolate(gettext("Not sent: %(reason)s"), { reason: entry.reason });
}

function choicesOf(entry) {
  const choices = document.createElement("p");
  choices.className = "trouble__choices";
  const add = (label, act) => {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", className: "link-button", textContent: label });
    button.addEventListener("click", () => act(entry));
    choices.append(button);
  };
  if (outbox.isSending(entry.id)) return choices;
  if (entry.state === "stopped") add(entry.asked ? gettext("Send anyway") : gettext("Send again"), outbox.again);
  add(gettext("Edit"), edit);
  add(entry.state === "stopped" ? gettext("Delete") : gettext("Cancel"), cancel);
  if (entry.text && entry.state === "stopped") add(gettext("Copy"), copy);
  return choices;
}

function troubleOf(entry) {
  const trouble = document.createElement("div");
  trouble.className = entry.state === "stopped" ? "trouble trouble--failed" : "trouble trouble--waiting";
  const line = document.createElement("p");
  line.textContent = stateOf(entry);
  trouble.append(line, choicesOf(entry));
  return trouble;
}

function filesOf(entry) {
  if (!entry.files.length) return [];
  const list = document.createElement("p");
  list.className = "unsent__files";
  list.textContent = entry.files.map((file) => file.name).join(", ");
  return [list];
}

function bubble(entry) {
  const element = bubbleOf(entry.text, entry.kind, entry.id);
  element.classList.add("unsent");
  element.dataset.key = `pending-unsent-${entry.id}`;
  element.dataset.state = entry.state;
  element.querySelector(".message__body").append(...filesOf(entry), troubleOf(entry));
  return element;
}

/** Show the bubbles of the open conversation, below its messages. */
export function show() {
  const pane = thread.current();
  if (pane) {
    const isThere = ({ id }) => pane.column.querySelector(`[data-cursor][data-sent-as="${CSS.escape(id)}"]`);
    const own = outbox.all().filter((entry) => entry.conversation === pane.id && !isThere(entry));
    showIn(pane, own);
  }
  if (dialog.open) list();
}

function showIn({ column, stuck }, own) {
  const old = [...column.querySelectorAll(":scope > .unsent")];
  const looks = own.map((entry) => JSON.stringify([entry.id, stateOf(entry)]));
  const isSame = old.length === own.length && old.every((element, index) => element.dataset.look === looks[index]);
  if (isSame && (!old.length || column.lastElementChild === old.at(-1))) return; // the agent may be about to press a button
  for (const element of old) element.remove();
  for (const [index, entry] of own.entries()) {
    const element = bubble(entry);
    element.dataset.look = looks[index];
    column.append(element);
  }
  if (stuck) thread.toBottom();
}

function list() {
  const entries = outbox.all();
  if (!entries.length) return dialog.close();
  dialog.querySelector("[data-list]").replaceChildren(
    ...entries.map((entry) => {
      const item = document.createElement("li");
      const who = document.createElement("strong");
      who.dir = "auto";
      who.textContent = entry.customer;
      const words = document.createElement("p");
      words.dir = "auto";
      words.textContent = cut(entry.text.trim(), 200);
      item.append(who, words, ...filesOf(entry), troubleOf(entry));
      return item;
    }),
  );
}

const late = () => toast(gettext("It is being sent, or was sent already."));

async function edit(entry) {
  if (dialog.open) dialog.close();
  if (thread.current()?.id !== entry.conversation) await nav.open(entry.conversation, { focus: "none" });
  if (thread.current()?.id !== entry.conversation) return;
  if (!(await outbox.take(entry, composer.takeBack))) late();
}

async function cancel(entry) {
  const question = entry.wasTried
    ? gettext("Delete this? The server may have it already: then it appears in the conversation.")
    : gettext("Delete this? It was not sent.");
  if (await confirmChoice(question, gettext("Delete"), true)) (await outbox.take(entry)) || late();
}

async function copy(entry) {
  try {
    await navigator.clipboard.writeText(entry.text);
    toast(gettext("Copied."));
  } catch {
    toast(gettext("The browser does not allow copying. Select the text and copy it."), true);
  }
}

export function start() {
  document.addEventListener("desk:unsent", show);
  document.addEventListener("desk:fresh", show);
  document.addEventListener("desk:opened", show);
  document.addEventListener("desk:went", ({ detail: { entry, body } }) => {
    if (thread.current()?.id === entry.conversation) thread.applyFresh(body);
  });
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-show-unsent]")) return;
    openDialog(dialog);
    list();
  });
  outbox.start();
}
