// Brings a list of keyed elements up to date with a fresh one from the server, touching only what differs.

import { carryOver, checkAll } from "./media.js";

const sources = new WeakMap(); // element -> its HTML from the server: changes by scripts do not count as a difference

export function note(element) {
  if (!sources.has(element)) sources.set(element, element.outerHTML);
  return sources.get(element);
}

export function keyOf(element) {
  return element.dataset.key;
}

const LOCAL = /^(unread|pending-)/; // made in this page: the server does not send them
const EDGE = new Set(["older", "beginning", "nothing"]);

/**
 * Merge `fresh` (the newest part of the thread) into `column`. Returns {added: elements, replaced: bool}.
 * Elements before the fresh part stay; without any common message the whole column is replaced.
 */
export function merge(column, fresh) {
  const next = [...fresh.children];
  const present = new Map([...column.children].map((element) => [keyOf(element), element]));
  const isMessage = (element) => "cursor" in element.dataset;
  const hasMessages = [...present.values()].some(isMessage);
  const firstCommon = next.find((element) => isMessage(element) && present.has(keyOf(element)));
  if (!firstCommon) {
    const added = next.map((element) => adopt(element));
    column.replaceChildren(...added);
    return { added: hasMessages ? [] : added.filter(isMessage), replaced: true };
  }
  const anchor = present.get(keyOf(firstCommon));
  const wanted = new Set(next.map(keyOf));
  for (let element = anchor; element; ) {
    const following = element.nextElementSibling;
    if (!wanted.has(keyOf(element)) && !LOCAL.test(keyOf(element))) element.remove();
    element = following;
  }
  const added = [];
  let cursor = anchor;
  for (const element of next) {
    const key = keyOf(element);
    if (EDGE.has(key)) continue;
    while (cursor && LOCAL.test(keyOf(cursor)) && keyOf(cursor) === "unread") cursor = cursor.nextElementSibling;
    const old = present.get(key);
    if (old && old.parentNode === column) {
      if (old !== cursor && precedes(old, anchor)) continue; // a day or ticket that began earlier
      const html = element.outerHTML;
      const current = note(old) === html ? old : adopt(element);
      if (current !== old) {
        if (cursor === old) cursor = current;
        replace(old, current);
      }
      if (current === cursor) cursor = cursor.nextElementSibling;
      else column.insertBefore(current, cursor);
    } else {
      const current = adopt(element);
      column.insertBefore(current, cursor);
      if (isMessage(element)) added.push(current);
    }
  }
  return { added, replaced: false };
}

/** Update a stretch further up (messages alone, in order); everything around it stays. */
export function mergeStretch(column, fresh) {
  const present = new Map([...column.children].map((element) => [keyOf(element), element]));
  const next = [...fresh.children];
  const known = next.filter((element) => present.has(keyOf(element)));
  if (!known.length) return;
  const wanted = new Set(next.map(keyOf));
  const last = present.get(keyOf(known.at(-1)));
  for (let element = present.get(keyOf(known[0])); element !== last; ) {
    const following = element.nextElementSibling;
    if ("cursor" in element.dataset && !wanted.has(keyOf(element)) && !LOCAL.test(keyOf(element))) element.remove();
    element = following;
  }
  let previous = null;
  for (const element of next) {
    const old = present.get(keyOf(element));
    if (!old && !previous) continue;
    const current = old && note(old) === element.outerHTML ? old : adopt(element);
    if (!old) previous.after(current);
    else if (current !== old) replace(old, current);
    previous = current;
  }
}

function precedes(one, other) {
  return Boolean(one.compareDocumentPosition(other) & Node.DOCUMENT_POSITION_FOLLOWING);
}

function replace(old, current) {
  carryOver(old, current);
  old.replaceWith(current);
  checkAll(current);
}

export function adopt(element) {
  const own = document.importNode(element, true);
  note(own);
  return own;
}
