// Canned replies, with their files: `/` at the beginning of a line, or the button; arrows and Enter choose one.

import { icon } from "./icons.js";
import * as menus from "./menus.js";
import { ngettext, pieces } from "./words.js";

let box = null;
let text = null;
let replies = [];
let found = [];
let active = 0;
let facts = {};
let takeFiles = () => {};
const used = new Set(); // ids of the canned replies that were inserted into the text

/** Begin in another composer. `take` is called with the files of a canned reply that is inserted. */
export function reset(list, field, known, values, take) {
  [box, text, replies, facts, takeFiles] = [list, field, known, values, take];
  used.clear();
  close();
}

/** Return the ids of the canned replies in the text, and begin again. */
export function takeUsed() {
  const ids = [...used];
  used.clear();
  return ids;
}

document.addEventListener("desk:dialog", close);
menus.join({ isOpen: () => isOpen(), contains: (target) => text.form.contains(target), close });
document.addEventListener("pointerdown", (event) => {
  if (isOpen() && event.target !== text && !box.contains(event.target)) close();
});

export const isOpen = () => Boolean(box?.isConnected) && !box.hidden;

export function close() {
  if (!box) return;
  box.hidden = true;
  text.removeAttribute("aria-activedescendant");
}

/** Return the text between the last `/` at the beginning of a line and the caret, or null. */
function typed() {
  const before = text.value.slice(0, text.selectionStart);
  return before.match(/(?:^|\n)\/([\w-]*)$/)?.[1] ?? null;
}

export function update() {
  const words = replies.length ? typed() : null;
  if (words === null) close();
  else show(words.toLowerCase());
}

export function show(words = "") {
  found = replies.filter((one) => `${one.shortcut} ${one.title} ${one.folder}`.toLowerCase().includes(words));
  active = 0;
  if (!found.length) {
    close();
    return;
  }
  box.hidden = false;
  draw();
}

function draw() {
  box.replaceChildren(
    ...found.map((one, index) => {
      const item = document.createElement("li");
      item.className = "canned__one";
      item.id = `canned-${index}`;
      item.setAttribute("role", "option");
      item.setAttribute("aria-selected", String(index === active));
      const shortcut = document.createElement("code");
      shortcut.textContent = `/${one.shortcut}`;
      const title = document.createElement("strong");
      title.textContent = one.folder ? `${one.folder} › ${one.title}` : one.title;
      const preview = document.createElement("span");
      preview.textContent = fill(one.text);
      item.append(shortcut, title, ...fileCount(one.files.length), preview);
      item.addEventListener("pointerdown", (event) => {
        event.preventDefault();
        choose(index);
      });
      return item;
    }),
  );
  text.setAttribute("aria-activedescendant", `canned-${active}`);
  box.children[active].scrollIntoView({ block: "nearest" });
}

function fileCount(count) {
  if (!count) return [];
  const mark = document.createElement("small");
  mark.className = "canned__files";
  const sentence = pieces(ngettext("%(count)s file", "%(count)s files", count), { count });
  mark.append(icon("clip"), ...sentence.map((part) => (part === count ? String(count) : unseen(part))));
  return [mark];
}

function unseen(words) {
  const span = document.createElement("span");
  span.className = "visually-hidden";
  span.textContent = words;
  return span;
}

export function fill(words) {
  return words.replace(/\{\{\s*(\w+)\s*\}\}/g, (whole, name) => facts[name] ?? whole);
}

function choose(index) {
  const words = typed();
  const end = text.selectionStart;
  const start = words === null ? end : end - words.length - 1;
  text.setRangeText(fill(found[index].text), start, end, "end");
  used.add(found[index].id);
  takeFiles(found[index].files);
  close();
  text.focus();
  text.dispatchEvent(new Event("input", { bubbles: true }));
}

/** Insert a canned reply at the caret, with its placeholders filled in, and its files. */
export function insert(one) {
  used.add(one.id);
  takeFiles(one.files);
  text.setRangeText(fill(one.text), text.selectionStart, text.selectionEnd, "end");
  text.dispatchEvent(new Event("input", { bubbles: true }));
}

/** Handle a key for the list. Returns whether it was one. */
export function key(event) {
  if (!isOpen()) return false;
  if (event.key === "Escape") close();
  else if (event.key === "Enter" || event.key === "Tab") choose(active);
  else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    active = (active + (event.key === "ArrowDown" ? 1 : found.length - 1)) % found.length;
    draw();
  } else return false;
  event.preventDefault();
  return true;
}
