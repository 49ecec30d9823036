// Replaces a part of the page by a fresh one without disturbing the agent who is using it.

import { describe, pass } from "./focus.js";

const shown = new WeakMap();
const heldBack = new Map(); // by element: what came while the agent was using it

/** Replace the content when it differs, unless the agent is using it: then once its forms and menus are closed. */
export function replaceQuietly(target, source) {
  heldBack.delete(target);
  const html = source.innerHTML.trim(); // the blanks around it depend on the template that includes it
  if (shown.get(target) === html || target.innerHTML.trim() === html) return;
  const focused = target.contains(document.activeElement) ? document.activeElement : null;
  const held = focused && describe(focused);
  if (target.querySelector("details[open]:not([data-reopens])") || focused?.matches("input, textarea, select")) {
    heldBack.set(target, source);
    return;
  }
  shown.set(target, html);
  const open = [...target.querySelectorAll("details[open][data-reopens]")].map((one) => one.dataset.reopens);
  target.replaceChildren(...[...source.childNodes].map((node) => document.importNode(node, true)));
  for (const one of target.querySelectorAll("details[data-reopens]")) one.open = open.includes(one.dataset.reopens);
  if (held && !pass(held)) document.getElementById("thread").focus({ preventScroll: true });
}

function showHeldBack() {
  for (const [target, source] of [...heldBack]) {
    if (target.isConnected) replaceQuietly(target, source);
    else heldBack.delete(target);
  }
}

document.addEventListener("toggle", (event) => !event.target.open && showHeldBack(), true);
