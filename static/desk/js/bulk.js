// Selects rows of the list and acts on all of them. The bar covers the filters, so that no row moves.

import { parse, post, reasonOf, toast } from "./http.js";
import { confirmChoice } from "./layout.js";
import * as list from "./list.js";
import { showBar } from "./macros.js";
import { gettext, interpolate, ngettext } from "./words.js";

const MOST = 100; // the server's limit
const READ_FOR = 10_000; // milliseconds; it may name several reasons
const strip = document.getElementById("strip");
const bar = document.getElementById("bulk");
const count = document.getElementById("bulk-count");
let isPicking = false; // started by the button: a click on a row selects it
let anchor = null; // the row from which Shift selects
let isBusy = false;

const items = () => [...strip.querySelectorAll(".row-item")];
const idOf = (item) => Number(item.dataset.id);

function pick(id, wanted) {
  if (!wanted) list.picked.delete(id);
  else if (list.picked.size < MOST || list.picked.has(id)) list.picked.add(id);
  else
    return toast(interpolate(gettext("At most %(most)s conversations can be changed at once."), { most: MOST }), true);
  return undefined;
}

function toggle(item, wanted, isRange) {
  const all = items();
  const from = isRange ? all.findIndex((one) => idOf(one) === anchor) : -1;
  const to = all.indexOf(item);
  if (from < 0) pick(idOf(item), wanted);
  else for (const one of all.slice(Math.min(from, to), Math.max(from, to) + 1)) pick(idOf(one), wanted);
  anchor = idOf(item);
  show();
}

function show() {
  for (const item of items()) {
    const box = item.querySelector(".row__pick");
    box.checked = list.picked.has(idOf(item));
    item.classList.toggle("row-item--picked", box.checked);
  }
  const isOn = isPicking || list.picked.size > 0;
  if (isOn && bar.hidden) {
    const top = document.getElementById("rows").getBoundingClientRect().top;
    bar.style.minHeight = `${top - strip.getBoundingClientRect().top}px`;
  }
  bar.hidden = !isOn;
  strip.classList.toggle("strip--picking", isOn);
  const selected = list.picked.size;
  count.textContent = selected
    ? interpolate(ngettext("%(count)s selected", "%(count)s selected", selected), { count: selected })
    : gettext("Select conversations");
  for (const control of bar.querySelectorAll("[data-do], summary"))
    control.toggleAttribute("disabled", !list.picked.size);
  document.getElementById("bulk-all").hidden = items().every((item) => list.picked.has(idOf(item)));
  // Words of other languages are longer: a bar that is higher than what it covers moves the rows down.
  const higher = isOn ? Math.max(0, bar.offsetHeight - Number.parseFloat(bar.style.minHeight)) : 0;
  strip.style.setProperty("--bulk-higher", `${higher}px`);
}

/** Leave selection mode. Returns whether it was on. */
export function end() {
  if (bar.hidden) return false;
  list.picked.clear();
  isPicking = false;
  anchor = null;
  for (const menu of bar.querySelectorAll("details")) menu.open = false;
  show();
  list.flushIfQuiet();
  return true;
}

/** Toggle the selection of the row that has the focus, is under the pointer or is open. Returns whether there is one. */
export function toggleHere() {
  const item =
    document.activeElement.closest(".row-item") ??
    strip.querySelector(".row-item:hover") ??
    strip.querySelector(".row-item:has([aria-current])");
  if (item) toggle(item, !list.picked.has(idOf(item)), false);
  return Boolean(item);
}

/** Go to the first action of the bar, if rows are selected. Returns whether any are. */
export function goToBar() {
  if (list.picked.size) bar.querySelector("[data-do]").focus();
  return list.picked.size > 0;
}

let tried = null; // {what, key}: a macro whose answer did not arrive

/** Return a key by which the server knows a repeated attempt, so that no reply is sent twice. */
function keyFor(macro, ids) {
  const what = `${macro} ${ids.join()}`;
  if (tried?.what !== what) tried = { what, key: `${Date.now()}-${Math.random()}` };
  return tried.key;
}

async function act(button) {
  if (isBusy || !list.picked.size) return;
  const ids = [...list.picked];
  const { do: what, question, steps, ...values } = button.dataset; // `assignee`, `label`, `priority` or `macro`
  if (question && !(await confirmChoice(`${question}\n${steps.trim()}`, gettext("Run macro")))) return;
  if (isBusy) return;
  isBusy = true;
  bar.setAttribute("aria-busy", "true");
  if (what === "macro") values.client_key = keyFor(values.macro, ids);
  try {
    const fields = [...ids.map((id) => ["id", id]), ["do", what], ...Object.entries(values), ["list", list.query()]];
    const response = await post(bar.dataset.address, fields, { waits: true });
    tried = null;
    if (!response.ok) return toast(await reasonOf(response), true);
    const html = await response.text();
    const page = parse(html);
    const withUndo = page.getElementById("macro-bar");
    if (withUndo) showBar(withUndo);
    else toast(page.getElementById("fresh-sentence").textContent);
    end();
    list.applyRows(html, ids, { atOnce: true });
    if (withUndo) ranOn = ids;
  } catch {
    toast(gettext("The server cannot be reached. Look at the list before you try again."), true);
  } finally {
    isBusy = false;
    bar.removeAttribute("aria-busy");
  }
  return undefined;
}

let ranOn = []; // the conversations of the run that the bar can undo

async function undo(button) {
  if (isBusy) return;
  isBusy = true;
  button.disabled = true;
  const { bulkUndo, address } = button.dataset;
  const fields = [
    ["client_key", bulkUndo],
    ["list", list.query()],
  ];
  try {
    const response = await post(address, fields, { waits: true });
    button.closest(".macro-bar").remove();
    if (!response.ok) return toast(await reasonOf(response), true);
    const html = await response.text();
    toast(parse(html).getElementById("fresh-sentence").textContent, false, READ_FOR);
    list.applyRows(html, ranOn, { atOnce: true });
  } catch {
    toast(gettext("The server cannot be reached. Look at the list before you try again."), true);
  } finally {
    isBusy = false;
    button.disabled = false;
  }
  return undefined;
}

function clicked(event) {
  const box = event.target.closest(".row__pick");
  if (box) return toggle(box.closest(".row-item"), box.checked, event.shiftKey);
  const row = event.target.closest("a.row");
  if (row && isPicking && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    const item = row.closest(".row-item");
    return toggle(item, !list.picked.has(idOf(item)), event.shiftKey);
  }
  if (event.target.closest("[data-bulk-start]")) {
    isPicking = true;
    show();
    bar.querySelector("[data-bulk-end]").focus();
  }
  return undefined;
}

export function start() {
  strip.addEventListener("click", clicked);
  bar.addEventListener("click", (event) => {
    const button = event.target.closest("[data-do]");
    if (button) act(button);
    if (event.target.closest("[data-bulk-end]")) {
      end();
      strip.querySelector("[data-bulk-start]").focus();
    }
    if (event.target.closest("#bulk-all")) {
      for (const item of items().slice(0, MOST)) pick(idOf(item), true);
      show();
    }
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-bulk-undo]");
    if (button) undo(button);
  });
  document.addEventListener("desk:picked", show);
  document.addEventListener("desk:list", end);
}
