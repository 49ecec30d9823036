// The context menu of a row of the list: by right click, by a long press, by the menu key or Shift+F10.

import { fetchPart, parse, post, reasonOf, toast } from "./http.js";
import { confirmChoice } from "./layout.js";
import * as list from "./list.js";
import * as menus from "./menus.js";
import { forward, gettext } from "./words.js";

const LONG_PRESS = 500; // milliseconds
const SLIP = 10; // pixels that a finger may move meanwhile
const EDGE = 8; // pixels between the menu and the edge of the window
const strip = document.getElementById("strip");
let menu = null;
let opener = null; // what gets the focus back
let asked = 0;
let press = null; // {timer, x, y} of a finger on a row
let swallowsClick = false;
let keyedAt = Number.NEGATIVE_INFINITY;

const levelOf = (item) => item.closest(".row-menu__sub, .row-menu");
const items = (level) => [...level.querySelectorAll('[role^="menuitem"]')].filter((item) => levelOf(item) === level);
const triggerOf = (level) => menu.querySelector(`[aria-controls="${level.id}"]`);

async function open(row, x, y) {
  const turn = ++asked;
  close();
  const id = Number(row.dataset.id);
  try {
    const response = await fetchPart(`${document.body.dataset.inbox}${id}/menu/`);
    if (turn !== asked) return;
    if (!response.ok) {
      toast(await reasonOf(response), true);
      return;
    }
    const fresh = parse(await response.text()).querySelector(".row-menu");
    if (turn !== asked) return;
    menu = document.importNode(fresh, true);
  } catch {
    if (turn === asked) toast(gettext("The server cannot be reached. Try again in a moment."), true);
    return;
  }
  opener = document.querySelector(`#row-${id} a.row`);
  document.body.append(menu);
  menu.addEventListener("keydown", key);
  menu.addEventListener("click", clicked);
  menu.addEventListener("contextmenu", (event) => event.preventDefault());
  place(x, y);
  items(menu)[0].focus({ preventScroll: true });
}

function place(x, y) {
  const { offsetWidth: width, offsetHeight: height } = menu;
  const start = forward === 1 ? x : x - width;
  menu.style.left = `${Math.max(EDGE, Math.min(start, innerWidth - width - EDGE))}px`;
  const top = Math.max(EDGE, Math.min(y, innerHeight - height - EDGE));
  menu.style.top = `${top}px`;
  menu.style.maxHeight = `${innerHeight - EDGE - top}px`;
}

function close({ focus = false } = {}) {
  if (!menu) return false;
  const hadFocus = focus || menu.contains(document.activeElement);
  const id = menu.dataset.conversation;
  menu.remove();
  menu = null;
  if (hadFocus) (opener?.isConnected ? opener : document.querySelector(`#row-${id} a.row`))?.focus();
  return true;
}

function unfold(trigger, wanted) {
  for (const other of menu.querySelectorAll('[aria-expanded="true"]')) if (other !== trigger) fold(other);
  trigger.setAttribute("aria-expanded", String(wanted));
  const level = document.getElementById(trigger.getAttribute("aria-controls"));
  level.hidden = !wanted;
  const top = Number.parseFloat(menu.style.top);
  menu.style.maxHeight = "";
  place(Number.parseFloat(menu.style.left) + (forward === 1 ? 0 : menu.offsetWidth), top);
  if (!wanted) return;
  (level.querySelector('[aria-checked="true"]') ?? items(level)[0]).focus();
}

function fold(trigger) {
  trigger.setAttribute("aria-expanded", "false");
  document.getElementById(trigger.getAttribute("aria-controls")).hidden = true;
}

function key(event) {
  const level = levelOf(event.target);
  const all = items(level);
  const at = all.indexOf(event.target);
  const inwards = forward === 1 ? "ArrowRight" : "ArrowLeft";
  const outwards = forward === 1 ? "ArrowLeft" : "ArrowRight";
  const steps = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 };
  if (event.key in steps) all.at(steps[event.key] % all.length).focus();
  else if (event.key === inwards && event.target.hasAttribute("aria-expanded")) unfold(event.target, true);
  else if ((event.key === outwards || event.key === "Escape") && level !== menu) {
    const trigger = triggerOf(level);
    fold(trigger);
    trigger.focus();
  } else if (event.key === "Escape") close({ focus: true });
  else if (event.key === "Tab") close({ focus: true });
  else if (/^\S$/.test(event.key) && !event.ctrlKey && !event.metaKey && !event.altKey) begin(all, at, event.key);
  else return;
  event.preventDefault();
  event.stopPropagation();
}

/** Go to the next item whose words begin with the letter. */
function begin(all, at, letter) {
  const begins = (item) => item.textContent.trim().toLowerCase().startsWith(letter.toLowerCase());
  [...all.slice(at + 1), ...all.slice(0, at + 1)].find(begins)?.focus();
}

async function clicked(event) {
  const item = event.target.closest('[role^="menuitem"]');
  if (!item) return;
  if (item.hasAttribute("aria-expanded")) {
    unfold(item, item.getAttribute("aria-expanded") !== "true");
    return;
  }
  const id = Number(menu.dataset.conversation);
  const { do: what, confirm: question, ...values } = item.dataset;
  const label = item.textContent.trim();
  if (!what) {
    setTimeout(close); // the link opens a tab first
    return;
  }
  close({ focus: true });
  if (question && !(await confirmChoice(question, label, true))) return;
  await act(id, what, values);
}

async function act(id, what, values) {
  const { address } = document.getElementById("bulk").dataset;
  const fields = [["id", id], ["do", what], ...Object.entries(values), ["list", list.query()]];
  try {
    const response = await post(address, fields, { waits: true });
    if (!response.ok) {
      toast(await reasonOf(response), true);
      return;
    }
    const html = await response.text();
    toast(parse(html).getElementById("fresh-sentence").textContent);
    list.applyRows(html, [id], { atOnce: true });
  } catch {
    toast(gettext("The server cannot be reached. Look at the list before you try again."), true);
  }
}

function byKey(event) {
  if (event.key !== "ContextMenu" && !(event.key === "F10" && event.shiftKey)) return;
  const row = event.target.closest?.(".row-item");
  if (!row) return;
  event.preventDefault();
  keyedAt = performance.now();
  const box = row.getBoundingClientRect();
  open(row, forward === 1 ? box.left + 60 : box.right - 60, box.top + 40);
}

function byPointer(event) {
  const row = event.target.closest(".row-item");
  if (!row || event.shiftKey) return; // with Shift the browser shows its own
  event.preventDefault();
  if (event.pointerType === "touch" || press) return; // the long press has its own time
  if (event.button !== 2 && performance.now() - keyedAt < 1000) return; // some browsers report the key here too
  open(row, event.clientX, event.clientY);
}

function release() {
  if (press) clearTimeout(press.timer);
  press = null;
}

function touched(event) {
  release();
  swallowsClick = false;
  const row = event.target.closest(".row-item");
  if (event.pointerType !== "touch" || !row) return;
  const { clientX: x, clientY: y } = event;
  const timer = setTimeout(() => {
    swallowsClick = true;
    open(row, x, y);
  }, LONG_PRESS);
  press = { timer, x, y };
}

export function start() {
  strip.addEventListener("contextmenu", byPointer);
  strip.addEventListener("keydown", byKey);
  strip.addEventListener("pointerdown", touched);
  strip.addEventListener("pointermove", (event) => {
    if (press && Math.hypot(event.clientX - press.x, event.clientY - press.y) > SLIP) release();
  });
  for (const end of ["pointerup", "pointercancel"]) strip.addEventListener(end, release);
  strip.addEventListener(
    "click",
    (event) => {
      if (!swallowsClick) return;
      swallowsClick = false;
      event.preventDefault();
      event.stopPropagation();
    },
    { capture: true },
  );
  menus.join({ isOpen: () => Boolean(menu), contains: (target) => menu.contains(target), close });
  document.addEventListener("desk:dialog", () => close());
  strip.addEventListener("scroll", () => close(), { capture: true, passive: true });
  addEventListener("resize", () => close());
}
