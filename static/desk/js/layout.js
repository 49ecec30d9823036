// Menus that close, panes that hide, a list of adjustable width. The choices of the agent are remembered.

import * as menus from "./menus.js";
import { recall, remember } from "./storage.js";
import { forward, gettext } from "./words.js";

const WIDTH_KEY = "desk.list-width";
const DETAILS_KEY = "desk.details";
const body = document.body;

function setWidth(pixels) {
  const width = Math.round(Math.min(460, Math.max(240, pixels)));
  body.style.setProperty("--list-width", `${width}px`);
  document.getElementById("grip").setAttribute("aria-valuenow", width);
  return width;
}

function startGrip() {
  const grip = document.getElementById("grip");
  const saved = Number(recall(WIDTH_KEY));
  if (saved) setWidth(saved);
  grip.addEventListener("pointerdown", (down) => {
    grip.setPointerCapture(down.pointerId);
    const strip = document.getElementById("strip").getBoundingClientRect();
    const start = forward === 1 ? strip.left : strip.right;
    const move = (event) => remember(WIDTH_KEY, setWidth((event.clientX - start) * forward));
    grip.addEventListener("pointermove", move);
    grip.addEventListener("pointerup", () => grip.removeEventListener("pointermove", move), { once: true });
    down.preventDefault();
  });
  grip.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -20 * forward, ArrowRight: 20 * forward }[event.key];
    if (step) remember(WIDTH_KEY, setWidth(Number(grip.getAttribute("aria-valuenow")) + step));
  });
}

export function isNarrow() {
  return matchMedia("(max-width: 1100px)").matches;
}

/** Return whether the screen is touched, so that the focus in a field opens a keyboard over half of it. */
export const isTouched = () => matchMedia("(hover: none) and (pointer: coarse)").matches;

export function toggleDetails() {
  if (isNarrow()) {
    body.classList.toggle("workspace--details");
    return;
  }
  const hidden = body.classList.toggle("workspace--no-details");
  remember(DETAILS_KEY, hidden ? "hidden" : "shown");
}

export function showDetails() {
  if (isNarrow()) body.classList.add("workspace--details");
  else if (body.classList.contains("workspace--no-details")) toggleDetails();
}

export function toggleList() {
  body.classList.toggle("workspace--no-list");
}

export function toggleFocus() {
  const on = !body.classList.contains("workspace--no-list");
  body.classList.toggle("workspace--no-list", on);
  body.classList.toggle("workspace--no-details", on);
}

/** Show a dialog and close everything else that floats. Focus returns to where it was, or to the button of its menu. */
export function openDialog(dialog) {
  menus.close();
  document.dispatchEvent(new CustomEvent("desk:dialog"));
  dialog.showModal();
}

/** Close menus and the details pane over the thread. Returns whether any was open. */
export function closeFloating() {
  const hadMenus = menus.close();
  const slid = body.classList.contains("workspace--details");
  body.classList.remove("workspace--details");
  return hadMenus || slid;
}

/** Ask before an action that cannot be undone. Resolves to true or false. */
export function confirmChoice(question, label, isDanger = false) {
  const dialog = document.createElement("dialog");
  dialog.className = "sheet";
  const text = document.createElement("p");
  text.textContent = question;
  const form = document.createElement("form");
  form.method = "dialog";
  form.className = "sheet__foot";
  for (const [value, words, style] of [
    ["", gettext("Cancel"), "button"],
    ["yes", label, `button ${isDanger ? "button--destroy" : "button--primary"}`],
  ]) {
    const button = document.createElement("button");
    Object.assign(button, { value, textContent: words, className: style });
    form.append(button);
  }
  form.firstChild.autofocus = true;
  dialog.append(text, form);
  body.append(dialog);
  openDialog(dialog);
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
  });
}

export function start() {
  if (recall(DETAILS_KEY) === "hidden") body.classList.add("workspace--no-details");
  startGrip();
  menus.start();
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-toggle-details]")) toggleDetails();
    const opener = event.target.closest("[data-dialog]");
    if (opener) openDialog(document.getElementById(opener.dataset.dialog));
    // a click beside the dialog, but not the second half of the double click that opened it
    if (event.target.matches("dialog.sheet") && event.detail < 2) event.target.close();
  });
}
