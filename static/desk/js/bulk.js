// Selects rows of the list and acts on all of them. The bar covers the filters, so that no row moves.

import { parse, post, reasonOf, toast } from "./http.js";
import * as list from "./list.js";

const MOST = 100; // the server's limit
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
  else return toast(`At most ${MOST} conversations can be changed at once.`, true);
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
  count.textContent = list.picked.size ? `${list.picked.size} selected` : "Select conversations";
  for (const control of bar.querySelectorAll("[data-do], summary"))
    control.toggleAttribute("disabled", !list.picked.size);
  document.getElementById("bulk-all").hidden = items().every((item) => list.picked.has(idOf(item)));
}

/** Leave selection mode. Returns whether it was on. */
export function end() {
  if (bar.hidden) return false;
  list.picked.clear();
  isPicking = false;
  anchor = null;
  document.getElementById("bulk-assign").open = false;
  show();
  list.flushIfQuiet();
  return true;
}

/** Toggle the selection of the row that has the focus, is under the pointer or is open. */
export function toggleHere() {
  const item =
    document.activeElement.closest(".row-item") ??
    strip.querySelector(".row-item:hover") ??
    strip.querySelector(".row-item:has([aria-current])");
  if (item) toggle(item, !list.picked.has(idOf(item)), false);
}

async function act(button) {
  if (isBusy || !list.picked.size) return;
  isBusy = true;
  bar.setAttribute("aria-busy", "true");
  const ids = [...list.picked];
  const { do: what, assignee = "" } = button.dataset;
  try {
    const fields = [...ids.map((id) => ["id", id]), ["do", what], ["assignee", assignee], ["list", list.query()]];
    const response = await post(bar.dataset.address, fields, { waits: true });
    if (!response.ok) return toast(await reasonOf(response), true);
    const html = await response.text();
    toast(parse(html).getElementById("fresh-sentence").textContent);
    end();
    list.applyRows(html, ids, { atOnce: true });
  } catch {
    toast("The server cannot be reached. Look at the list before you try again.", true);
  } finally {
    isBusy = false;
    bar.removeAttribute("aria-busy");
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
  document.addEventListener("desk:picked", show);
  document.addEventListener("desk:list", end);
}
