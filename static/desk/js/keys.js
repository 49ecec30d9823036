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

const PREFIX_LASTS = 1500; // milliseconds between G and the key after it
const sheet = document.getElementById("keys");
let prefixUntil = 0;

function isTyping(target) {
  return target.closest("input:not([type=radio], [type=checkbox], [type=file]), textarea, select, [contenteditable]");
}

function show(id) {
  if (!id) return;
  nav.open(id, { focus: "none" });
  list.reveal(id);
  document.querySelector(`#row-${id} a`)?.focus({ preventScroll: true });
}

function press(key) {
  document.querySelector(`#thread-head [data-key="${key}"]`)?.click();
}

function enter(event) {
  if (event.target.closest("a, button, summary, [role=button]")) return false; // the key belongs to the focused control
  if (!thread.current()) return false;
  composer.focus();
  return true;
}

function closeAndNext() {
  if (!document.querySelector('#thread-head [data-key="e"][formaction$="/close/"]')) return;
  const next = list.neighbour(1) ?? list.neighbour(-1);
  press("e");
  show(next);
}

function assign() {
  const menu = document.getElementById("assign-menu");
  if (!menu) return;
  menu.open = true;
  menu.querySelector("button")?.focus();
}

function snooze() {
  const menu = document.getElementById("snooze-menu");
  if (!menu) return;
  menu.open = true;
  menu.querySelector("button")?.focus();
}

function label() {
  const menu = document.querySelector("#details [data-label-menu]");
  if (!menu) return;
  showDetails();
  menu.open = true;
  menu.querySelector("[data-label-search]").focus();
}

function priority() {
  const chosen = document.querySelector('#details .priorities [aria-pressed="true"]');
  if (!chosen) return;
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
  document.getElementById("search").focus();
  document.getElementById("search").select();
}

const view = (name) => () => document.querySelector(`#views [data-view="${name}"]`)?.click();
const actions = {
  j: () => show(list.neighbour(1)),
  k: () => show(list.neighbour(-1)),
  r: () => composer.focus("reply"),
  n: () => composer.focus("note"),
  m: () => press("m"),
  a: assign,
  t: openTransfer,
  e: () => press("e"),
  "shift+e": closeAndNext,
  s: snooze,
  l: label,
  p: priority,
  i: macros.open,
  u: () => press("u"),
  b: () => press("b"),
  x: bulk.toggleHere,
  "shift+x": bulk.goToBar,
  d: () => thread.current() && toggleDetails(),
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
  s: () => document.querySelector(".rail [data-place=setup]")?.click(),
};

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
    if (/^[1-9]$/.test(key)) return () => document.querySelectorAll("#views [data-saved]")[key - 1]?.click();
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
