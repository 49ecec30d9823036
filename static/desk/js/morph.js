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

/** Return the elements as `merge` takes them. */
export function keyed(elements) {
  return [...elements].map((element) => ({ key: keyOf(element), element }));
}

const isMessage = (element) => "cursor" in element.dataset;

/** Return whether `column` shows everything in `next` that comes without an element, and any message of it. */
export function fits(column, next) {
  const present = new Map([...column.children].map((element) => [keyOf(element), element]));
  const known = next.filter(({ key }) => present.has(key));
  return (
    known.some(({ key }) => isMessage(present.get(key))) &&
    next.every(({ key, element }) => element || present.has(key))
  );
}

/**
 * Merge `next` (the newest part of the thread: key and element, or null for one that stays as it is) into `column`.
 * Returns {added: elements, replaced: bool}. Elements before this part stay; without any common message the whole
 * column is replaced.
 */
export function merge(column, next) {
  const present = new Map([...column.children].map((element) => [keyOf(element), element]));
  const hasMessages = [...present.values()].some(isMessage);
  const firstCommon = next.find(({ key }) => present.has(key) && isMessage(present.get(key)));
  if (!firstCommon) {
    const added = next.map(({ element }) => adopt(element));
    column.replaceChildren(...added);
    return { added: hasMessages ? [] : added.filter(isMessage), replaced: true };
  }
  const anchor = present.get(firstCommon.key);
  const wanted = new Set(next.map(({ key }) => key));
  for (let element = anchor; element; ) {
    const following = element.nextElementSibling;
    if (!wanted.has(keyOf(element)) && !LOCAL.test(keyOf(element))) element.remove();
    element = following;
  }
  const added = [];
  let cursor = anchor;
  for (const { key, element } of next) {
    if (EDGE.has(key)) continue;
    while (cursor && LOCAL.test(keyOf(cursor)) && keyOf(cursor) === "unread") cursor = cursor.nextElementSibling;
    const old = present.get(key);
    if (old && old.parentNode === column) {
      if (old !== cursor && precedes(old, anchor)) continue; // a day or ticket that began earlier
      const current = !element || note(old) === element.outerHTML ? old : adopt(element);
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

/** Put an element in the place of another; what plays goes on. */
export function replace(old, current) {
  carryOver(old, current);
  old.replaceWith(current);
  checkAll(current);
}

export function adopt(element) {
  const own = document.importNode(element, true);
  note(own);
  return own;
}
