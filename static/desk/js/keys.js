// Single keys, when no field has the focus.

import * as composer from "./composer.js";
import { closeFloating, toggleDetails, toggleFocus, toggleList } from "./frame.js";
import * as list from "./list.js";
import * as nav from "./nav.js";
import * as thread from "./thread.js";

const sheet = document.getElementById("keys");

function isTyping(target) {
  return target.closest("input:not([type=radio], [type=checkbox], [type=file]), textarea, select, [contenteditable]");
}

function step(by) {
  const id = list.neighbour(by);
  if (!id) return;
  nav.open(id, { focus: "none" });
  list.reveal(id);
  document.querySelector(`#row-${id} a`)?.focus({ preventScroll: true });
}

function press(key) {
  const control = document.querySelector(`#thread-head [data-key="${key}"]`);
  control?.click();
}

const actions = {
  j: () => step(1),
  k: () => step(-1),
  r: () => composer.focus("reply"),
  n: () => composer.focus("note"),
  m: () => press("m"),
  e: () => press("e"),
  u: () => press("u"),
  a: () => {
    const menu = document.getElementById("assign-menu");
    if (!menu) return;
    menu.open = true;
    menu.querySelector("button")?.focus();
  },
  d: () => thread.current() && toggleDetails(),
  z: toggleFocus,
  "[": toggleList,
  "/": () => {
    document.getElementById("search").focus();
    document.getElementById("search").select();
  },
  "?": () => sheet.showModal(),
};

function escape(event) {
  if (document.querySelector("dialog[open]")) return; // the browser closes it
  if (closeFloating()) return;
  if (composer.escape(event)) return;
  if (isTyping(event.target)) event.target.blur();
  else if (thread.current()) nav.close();
}

export function start() {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing) return;
    if (event.key === "Escape") {
      escape(event);
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    if (document.querySelector("dialog[open]")) return;
    const inList = event.target.closest("#strip .rows") || event.target === document.body;
    const key = { ArrowDown: inList && "j", ArrowUp: inList && "k" }[event.key] ?? event.key.toLowerCase();
    if (!key || !actions[key]) return;
    event.preventDefault();
    actions[key]();
  });
}
