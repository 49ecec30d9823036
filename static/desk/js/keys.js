// Keyboard shortcuts, for when no field has the focus. `?` shows them: templates/tickets/_keys.html.

import * as bulk from "./bulk.js";
import * as commands from "./commands.js";
import * as composer from "./composer.js";
import * as focus from "./focus.js";
import { closeFloating, openDialog, showDetails, toggleDetails, toggleFocus, toggleList } from "./layout.js";
import * as list from "./list.js";
import * as macros from "./macros.js";
import * as nav from "./nav.js";
import * as thread from "./thread.js";
import { openTransfer } from "./transfer.js";
import * as whyNot from "./why-not.js";
import { gettext } from "./words.js";

const PREFIX_LASTS = 1500; // milliseconds between G and the key after it
const sheet = document.getElementById("keys");
let prefixUntil = 0;

function isTyping(target) {
  return target.closest("input:not([type=radio], [type=checkbox], [type=file]), textarea, select, [contenteditable]");
}

/** Open the conversation one further up or down in the list. */
function step(by) {
  const id = list.neighbour(by);
  if (id) show(id);
  else if (by < 0 || !list.loadMore()) whyNot.sayOfList(by);
}

function show(id) {
  nav.open(id, { focus: "none" });
  list.reveal(id);
  document.querySelector(`#row-${id} a`)?.focus({ preventScroll: true });
}

/** Press the button of the open conversation that has this key. */
function press(key) {
  const button = document.querySelector(`#thread-head [data-key="${key}"]`);
  if (button) button.click();
  else whyNot.say(key);
}

function enter(event) {
  if (event.target.closest("a, button, summary, [role=button], [type=file]")) return false; // the key belongs to the focused control
  if (thread.current()) composer.focus();
  else whyNot.say("enter");
  return true;
}

function write(kind) {
  if (!thread.current() || (kind === "note" && whyNot.isErased())) whyNot.say(kind);
  else composer.focus(kind);
}

function closeAndNext() {
  if (!document.querySelector('#thread-head [data-key="e"][formaction$="/close/"]')) {
    whyNot.say("shift+e");
    return;
  }
  const next = list.neighbour(1) ?? list.neighbour(-1);
  press("e");
  if (next) show(next);
}

function openMenu(id, key) {
  const menu = document.getElementById(id);
  if (!menu) {
    whyNot.say(key);
    return;
  }
  menu.open = true;
  menu.querySelector("button")?.focus();
}

function label() {
  const menu = document.querySelector("#details [data-label-menu]");
  if (!menu) {
    whyNot.say("l");
    return;
  }
  showDetails();
  menu.open = true;
  menu.querySelector("[data-label-search]").focus();
}

function priority() {
  const chosen = document.querySelector('#details .priorities [aria-pressed="true"]');
  if (!chosen) {
    whyNot.say("p");
    return;
  }
  showDetails();
  chosen.focus();
}

/** Press Undo in the newest bar that shows it. */
function undo() {
  const buttons = document.querySelectorAll(":is(.toast, .macro-bar) button");
  const last = [...buttons].findLast((button) => button.checkVisibility() && !button.disabled);
  last?.click();
  return Boolean(last);
}

function search() {
  document.body.classList.remove("workspace--no-list");
  const field = document.getElementById("search");
  if (!field.checkVisibility()) nav.close(); // on a narrow screen the conversation covers the list
  field.focus();
  field.select();
}

const orSay = (act, key) => () => act() || whyNot.say(key);
const inConversation = (act, key) => () => (thread.current() ? act() : whyNot.say(key));
const view = (name) => () => document.querySelector(`#views [data-view="${name}"]`)?.click();
const actions = {
  j: () => step(1),
  k: () => step(-1),
  r: () => write("reply"),
  n: () => write("note"),
  m: () => press("m"),
  a: () => openMenu("assign-menu", "a"),
  t: orSay(openTransfer, "t"),
  e: () => press("e"),
  "shift+e": closeAndNext,
  s: () => openMenu("snooze-menu", "s"),
  l: label,
  p: priority,
  i: inConversation(macros.open, "i"),
  u: () => press("u"),
  b: () => press("b"),
  x: orSay(bulk.toggleHere, "x"),
  "shift+x": orSay(bulk.goToBar, "shift+x"),
  d: inConversation(toggleDetails, "d"),
  z: toggleFocus,
  "[": toggleList,
  "/": search,
  "?": () => openDialog(sheet),
  g: () => (prefixUntil = performance.now() + PREFIX_LASTS),
};
const places = {
  i: view("open"),
  a: view("all"),
  m: view("mine"),
  u: view("unassigned"),
  r: view("waiting"),
  c: view("closing"),
  e: view("ended"),
  z: view("snoozed"),
  s: () => goTo(document.querySelector(".rail [data-place=setup]"), gettext("Only administrators can open Setup.")),
};

function savedView(number) {
  const found = document.querySelectorAll("#views [data-saved]")[number - 1];
  goTo(found, gettext("There is no saved view with this number."));
}

function goTo(link, orElse) {
  if (link) link.click();
  else whyNot.tell(orElse);
}

function onEscape(event) {
  if (document.querySelector("dialog[open]")) return; // the browser closes it
  if (closeFloating()) return;
  if (composer.onEscape(event)) return;
  if (event.target.matches("[data-label-search]"))
    focus.foldAway(event.target); // the field of a menu
  else if (isTyping(event.target)) focus.leave(event.target);
  else if (focus.foldAway(event.target)) return;
  else if (!bulk.end() && thread.current()) nav.close();
}

/** Return what this key does now, or null. */
function meaning(event) {
  const key = event.key.toLowerCase();
  if (performance.now() < prefixUntil) {
    prefixUntil = 0;
    if (/^[1-9]$/.test(key)) return () => savedView(key);
    return places[key] ?? null;
  }
  if (event.shiftKey && /^[a-z]$/.test(key)) return actions[`shift+${key}`] ?? null;
  const inList = event.target.closest("#strip .rows") || event.target.matches("body, #thread");
  if (inList && event.key === "ArrowDown") return actions.j;
  if (inList && event.key === "ArrowUp") return actions.k;
  return actions[key] ?? null;
}

export function start() {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented) return;
    if (event.key === "Escape") {
      onEscape(event);
      return;
    }
    const isCommand =
      (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === "k";
    if (isCommand) {
      event.preventDefault();
      commands.toggle();
      return;
    }
    if (event.altKey || isTyping(event.target) || document.querySelector("dialog[open]")) return;
    if (event.ctrlKey || event.metaKey) {
      if (event.key.toLowerCase() === "z" && !event.shiftKey && undo()) event.preventDefault();
      return;
    }
    if (event.key === "Enter" ? enter(event) : perform(event)) event.preventDefault();
  });
}

function perform(event) {
  const act = meaning(event);
  act?.();
  return Boolean(act);
}
