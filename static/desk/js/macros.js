// Macros: the dialog with the choice and with what one will do, running it, and the bar with Undo.

import { fetchPart, parse, post, reasonOf, toast } from "./http.js";
import { isTouched, openDialog } from "./layout.js";
import * as nav from "./nav.js";
import * as thread from "./thread.js";
import { gettext } from "./words.js";

const UNDO_SHOWN = 30_000; // milliseconds
const dialog = document.getElementById("macros");
let known = { conversation: null, macros: [] };
let isBusy = false;

const GONE = () =>
  gettext("Somebody has deleted this macro meanwhile, or you no longer have access to this conversation.");
const FAILED = () => gettext("The server cannot be reached. Look at the conversation before you try again.");

/** Return {id, name} of the macros for the open conversation, as far as `load` has read them. */
export const names = () => (known.conversation === thread.current()?.id ? known.macros : []);

/** Read which macros there are for the open conversation. */
export async function load() {
  const mine = thread.current();
  if (!mine) return;
  const response = await fetchPart(thread.address("macros/")).catch(() => null);
  if (response?.ok && thread.current() === mine) keep(mine.id, parse(await response.text()));
}

function keep(conversation, page) {
  const links = [...page.querySelectorAll("[data-macro]")];
  known = { conversation, macros: links.map(({ dataset }) => ({ id: dataset.macro, name: dataset.name })) };
}

async function show(suffix) {
  if (!thread.current()) return;
  const mine = thread.current();
  const response = await fetchPart(thread.address(suffix)).catch(() => null);
  if (thread.current() !== mine) return;
  if (!response?.ok) {
    toast(response ? await reasonOf(response, GONE()) : gettext("The macros could not be loaded. Try again."), true);
    return;
  }
  const page = parse(await response.text());
  if (suffix === "macros/") keep(mine.id, page);
  fill(page);
}

function fill(page) {
  dialog.replaceChildren(...page.body.childNodes);
  if (!dialog.open) openDialog(dialog);
  const fields = isTouched() ? [] : ["textarea", "[type=search]"];
  const first = [...fields, ".button--primary", "a"].map((one) => dialog.querySelector(one));
  first.find(Boolean)?.focus();
}

/** Show which macros there are. */
export const open = () => show("macros/");

/** Show what a macro will do. */
export const ask = (id) => show(`macros/${id}/`);

async function run(form) {
  if (isBusy) return;
  isBusy = true;
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    const response = await post(form.action, new FormData(form), { waits: true });
    if (response.status === 422) {
      const key = form.elements.client_key.value; // nothing was done: the same attempt goes on
      fill(parse(await response.text()));
      const again = dialog.querySelector("[name=client_key]");
      if (again) again.value = key;
    } else if (response.ok) {
      dialog.close();
      await finish(response);
    } else {
      toast(await reasonOf(response, GONE()), true);
    }
  } catch {
    toast(FAILED(), true);
  } finally {
    isBusy = false;
    button.disabled = false;
  }
}

/** Show the conversation after a run or an undo, and the bar that says what was done. */
async function finish(response) {
  const html = await response.text();
  const bar = parse(html).getElementById("macro-bar");
  if (response.headers.get("X-Gone")) document.dispatchEvent(new CustomEvent("desk:gone"));
  else if (bar && "leaves" in bar.dataset) nav.close();
  else thread.applyFresh(html);
  showBar(bar, document.getElementById("composer-slot"));
}

/**
 * Show the bar of an answer in place of the one before: above the composer, where it covers nothing; over the page when
 * the conversation was left, or the bar is about several.
 */
export function showBar(fresh, slot = null) {
  document.getElementById("macro-bar")?.remove();
  if (!fresh) return;
  const bar = document.importNode(fresh, true);
  if (slot) slot.prepend(bar);
  else document.getElementById("toasts").append(bar);
  const end = () => (bar.contains(document.activeElement) || bar.matches(":hover") ? wait(2000) : bar.remove());
  const wait = (time) => setTimeout(() => bar.isConnected && end(), time);
  wait(bar.querySelector("button") ? UNDO_SHOWN : 8000);
}

async function undo(button) {
  if (isBusy) return;
  isBusy = true;
  button.disabled = true;
  try {
    const response = await post(button.formAction, {}, { waits: true });
    if (response.ok) await finish(response);
    else toast(await reasonOf(response), true);
  } catch {
    toast(FAILED(), true);
  } finally {
    isBusy = false;
    button.disabled = false;
  }
}

function clicked(event) {
  const opener = event.target.closest("[data-macros]");
  const choice = event.target.closest("[data-macro][href]");
  const button = event.target.closest("[data-macro-undo]");
  const cancel = event.target.closest("#macros [data-macro-cancel]");
  if (!opener && !choice && !button && !cancel) return;
  if (event.ctrlKey || event.metaKey || event.shiftKey) return; // into a new tab
  event.preventDefault();
  if (opener) open();
  else if (choice) ask(choice.dataset.macro);
  else if (button) undo(button);
  else dialog.close();
}

function search(words) {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  const items = [...dialog.querySelectorAll("[data-words]")];
  for (const item of items) item.hidden = !wanted.every((word) => item.dataset.words.toLowerCase().includes(word));
  dialog.querySelector(".macros__none").hidden = items.some((item) => !item.hidden);
}

function key(event) {
  event.stopPropagation(); // no shortcuts inside the dialog
  if (event.target.matches("textarea") && event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    event.target.form.requestSubmit();
    return;
  }
  const links = [...dialog.querySelectorAll("[data-words]:not([hidden]) a")];
  if (!links.length) return;
  if (event.key === "Enter" && event.target.matches("[type=search]")) links[0].click();
  else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    const all = [dialog.querySelector("[type=search]"), ...links];
    const step = event.key === "ArrowDown" ? 1 : -1;
    all[(all.indexOf(event.target) + step + all.length) % all.length].focus();
  } else return;
  event.preventDefault();
}

export function start() {
  document.addEventListener("click", clicked);
  dialog.addEventListener("keydown", key);
  dialog.addEventListener(
    "input",
    (event) => event.target.matches("[data-macro-search]") && search(event.target.value),
  );
  dialog.addEventListener("submit", (event) => {
    if (!event.target.matches("[data-macro-run]")) return;
    event.preventDefault();
    run(event.target);
  });
}
