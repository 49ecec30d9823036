// The command bar: type to find an action on the open conversation, a view, a customer or ticket, a canned reply.

import * as canned from "./canned.js";
import * as composer from "./composer.js";
import { fetchPart, parse } from "./http.js";
import { openDialog, toggleDetails, toggleFocus } from "./layout.js";
import * as macros from "./macros.js";
import * as nav from "./nav.js";
import * as sendLater from "./send-later.js";
import { cut } from "./text.js";
import * as thread from "./thread.js";
import { openTransfer } from "./transfer.js";
import { gettext, interpolate } from "./words.js";

const ASK_AFTER = 150; // milliseconds without a key
const MOST_CANNED = 6;
const MOST_MACROS = 6;
const dialog = document.getElementById("commands");
const field = document.getElementById("command-text");
const list = document.getElementById("command-list");
let active = 0;
let asked = 0;
let timer = null;
let people = []; // elements that the server found for the typed text

const written = (id) => JSON.parse(document.getElementById(id)?.textContent || "[]");
const isShown = (element) => element.isConnected && !element.closest("[hidden]");

/** Return {words, hint, run} for each action that is possible now. */
function actions() {
  if (!thread.current()) return [];
  const isGated = "gated" in (document.getElementById("composer")?.dataset ?? {});
  const found = [];
  if (!isGated) found.push({ words: gettext("Write a reply"), hint: "R", run: () => composer.focus("reply") });
  if (!isGated) found.push({ words: gettext("Send later"), hint: gettext("Ctrl+Shift+Enter"), run: sendLater.open });
  found.push({ words: gettext("Write an internal note"), hint: "N", run: () => composer.focus("note") });
  for (const button of document.querySelectorAll("[data-command]")) {
    if (!isShown(button)) continue;
    found.push({ words: button.dataset.command, hint: button.dataset.hint ?? "", run: () => button.click() });
  }
  if (document.querySelector(".transfer")) {
    found.push({ words: gettext("Transfer with a note"), hint: "T", run: openTransfer });
  }
  found.push({ words: gettext("Show or hide the details"), hint: "D", run: toggleDetails });
  found.push({ words: gettext("Show only the conversation"), hint: "Z", run: toggleFocus });
  return found;
}

function places() {
  const views = [...document.querySelectorAll("#views [data-view]")].map((link) => ({
    words: interpolate(gettext("View: %(name)s"), { name: link.firstChild.textContent.trim() }),
    hint: link.querySelector(".view__count")?.textContent ?? "",
    run: () => link.click(),
  }));
  const links = [...document.querySelectorAll(".rail a[title]")].map((link) => ({
    words: interpolate(gettext("Go to %(place)s"), { place: link.title }),
    hint: "",
    run: () => link.click(),
  }));
  const sheet = {
    words: gettext("Keyboard shortcuts"),
    hint: "?",
    run: () => openDialog(document.getElementById("keys")),
  };
  return [...views, ...links, sheet];
}

function ready() {
  if (!thread.current() || "gated" in document.getElementById("composer").dataset) return [];
  return written("canned-replies").map((one) => ({
    words: `/${one.shortcut} ${one.title}`,
    hint: cut(canned.fill(one.text), 60),
    run: () => {
      composer.focus("reply");
      canned.insert(one);
    },
  }));
}

function macroCommands() {
  return macros.names().map(({ id, name }) => ({
    words: interpolate(gettext("Macro: %(name)s"), { name }),
    hint: "",
    run: () => macros.ask(id),
  }));
}

function matching(commands, typed) {
  const wanted = typed.toLowerCase().split(/\s+/).filter(Boolean);
  const begins = (words, word) =>
    words
      .toLowerCase()
      .split(/[\s:/-]+/)
      .some((part) => part.startsWith(word));
  return commands.filter(({ words }) => wanted.every((word) => begins(words, word.replace(/^\//, ""))));
}

function option({ words, hint, run }) {
  const item = document.createElement("li");
  item.className = "command";
  item.setAttribute("role", "option");
  const label = document.createElement("span");
  label.className = "command__words";
  label.textContent = words;
  const side = document.createElement("span");
  side.className = "command__hint";
  side.textContent = hint;
  item.append(label, side);
  item.run = run;
  return item;
}

function heading(words) {
  const item = document.createElement("li");
  item.className = "commands__heading";
  item.setAttribute("role", "presentation");
  item.textContent = words;
  return item;
}

/** Customers come before the canned replies and do not move the marked line: the agent may be about to press Enter. */
function draw(marked = 0) {
  const typed = field.value.trim();
  const groups = [
    [gettext("This conversation"), matching(actions(), typed).map(option)],
    [gettext("Go to"), matching(places(), typed).map(option)],
    [gettext("Customers and tickets"), people],
    [gettext("Macros"), typed ? matching(macroCommands(), typed).slice(0, MOST_MACROS).map(option) : []],
    [gettext("Canned replies"), matching(ready(), typed).slice(0, MOST_CANNED).map(option)],
  ].filter(([, found]) => found.length);
  list.replaceChildren(...groups.flatMap(([words, found]) => [heading(words), ...found]));
  for (const [index, item] of options().entries()) item.id = `command-${index}`;
  document.getElementById("command-none").hidden = groups.length > 0;
  mark(marked);
}

const options = () => [...list.querySelectorAll("[role=option]")];

function mark(index) {
  const all = options();
  active = all.length ? (index + all.length) % all.length : 0;
  for (const [at, item] of all.entries()) item.setAttribute("aria-selected", String(at === active));
  if (all.length) field.setAttribute("aria-activedescendant", all[active].id);
  else field.removeAttribute("aria-activedescendant");
  const first = active === 0 ? list.firstElementChild : all[active];
  first?.scrollIntoView({ block: "nearest" });
}

function ask() {
  clearTimeout(timer);
  const typed = field.value.trim();
  if (typed.length < 2) {
    asked++;
    people = [];
  } else {
    timer = setTimeout(() => find(typed), ASK_AFTER);
  }
  draw();
}

async function find(typed) {
  const turn = ++asked;
  try {
    const response = await fetchPart(`${document.body.dataset.inbox}find/?q=${encodeURIComponent(typed)}`);
    if (!response.ok || turn !== asked) return;
    const page = parse(await response.text());
    if (turn !== asked) return;
    people = [...page.querySelectorAll("[data-open-conversation]")].map((item) => document.importNode(item, true));
    draw(active);
  } catch {
    // the network is away: commands that need no server still work
  }
}

function run(item) {
  if (!item) return;
  dialog.close();
  if (item.run) item.run();
  else nav.open(Number(item.dataset.openConversation));
}

function key(event) {
  const steps = { ArrowDown: active + 1, ArrowUp: active - 1 };
  if (event.key in steps) mark(steps[event.key]);
  else if (event.key === "Enter") run(options()[active]);
  else return;
  event.preventDefault();
}

export function toggle() {
  if (dialog.open) {
    dialog.close();
    return;
  }
  if (document.querySelector("dialog[open]")) return;
  field.value = "";
  people = [];
  openDialog(dialog);
  ask();
  macros.load().then(() => dialog.open && draw(active));
}

export function start() {
  field.addEventListener("input", ask);
  field.addEventListener("keydown", key);
  list.addEventListener("click", (event) => run(event.target.closest("[role=option]")));
  document.addEventListener("click", (event) => event.target.closest("[data-commands]") && toggle());
}
