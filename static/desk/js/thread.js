// The open conversation: where it opens, live changes, older messages, and marking it as read.

import { foldEvents } from "./fold-events.js";
import { fetchPart, parse, post, reasonOf, showUndo, toast } from "./http.js";
import { fits, keyed, keyOf, merge, mergeStretch, note } from "./morph.js";
import { olderMarker, putAbove, readOlder } from "./older-messages.js";
import { released, whenReleased } from "./press.js";
import { replaceQuietly } from "./quiet-replace.js";
import { gettext, interpolate, ngettext } from "./words.js";

const NEAR = 80; // pixels from the bottom that still count as at the bottom
const SETTLED = 200; // milliseconds without scrolling
// {id, root, scroller, column, stuck, lastTop, missed, loadingOlder; version, stateVersion: of the messages and of
// everything else; freshAt: when the messages were last brought up to date (performance.now)}
let pane = null;
let observer = null;
let settling = null; // the timer that waits for the end of scrolling

const announced = new Map(); // id of a conversation -> when its last change was announced (performance.now)

/** Note that a change of conversation `id` was announced. */
export function changed(id) {
  announced.delete(id); // the newest is the last
  announced.set(id, performance.now());
  if (announced.size > 200) announced.delete(announced.keys().next().value);
}

export function current() {
  return pane;
}

export function address(suffix = "") {
  return `${document.body.dataset.inbox}${pane.id}/${suffix}`;
}

/** Show the conversation of the page; `askedAt` is when it was asked for (performance.now). */
export function start(askedAt = performance.now()) {
  const root = document.getElementById("thread");
  observer?.disconnect();
  if (!root?.dataset.conversation) {
    pane = null;
    return;
  }
  const scroller = document.getElementById("thread-scroll");
  const column = document.getElementById("items");
  const id = Number(root.dataset.conversation);
  const version = Number(root.dataset.version);
  pane = { id, root, scroller, column, stuck: true, lastTop: 0, missed: 0, loadingOlder: false, freshAt: 0 };
  pane.version = pane.stateVersion = version;
  stale.clear();
  for (const element of column.children) note(element);
  foldEvents(column);
  const mark = column.querySelector("[data-key=unread]");
  if (mark) scroller.scrollTop = Math.max(0, mark.offsetTop - column.offsetTop - 72);
  else toBottom();
  pane.stuck = isAtBottom();
  pane.lastTop = scroller.scrollTop;
  scroller.addEventListener("scroll", onScroll, { passive: true });
  const mine = pane;
  observer = new ResizeObserver(() => pane === mine && pane.stuck && toBottom());
  observer.observe(column);
  observer.observe(scroller);
  document.getElementById("to-newest").addEventListener("click", () => toBottom(true));
  showMissed();
  onScroll();
  markRead(Number(root.dataset.unread) > 0);
  if (announced.get(id) > askedAt) refresh().catch(() => {}); // it may have been read before that change
}

function isAtBottom() {
  return pane.scroller.scrollHeight - pane.scroller.scrollTop - pane.scroller.clientHeight < NEAR;
}

export function toBottom(smooth = false) {
  pane.scroller.scrollTo({ top: pane.scroller.scrollHeight, behavior: smooth ? "smooth" : "instant" });
}

function onScroll() {
  if (!pane) return;
  // A column that grows under the reader (an image, a message) does not count as scrolling away from the bottom.
  if (isAtBottom()) pane.stuck = true;
  else if (pane.scroller.scrollTop < pane.lastTop - 2) pane.stuck = false;
  pane.lastTop = pane.scroller.scrollTop;
  if (pane.stuck && pane.missed) {
    pane.missed = 0;
    markRead(true);
  }
  showMissed();
  if (pane.scroller.scrollTop < 800) loadOlder();
  clearTimeout(settling);
  if (stale.size) settling = setTimeout(refreshStaleInView, SETTLED);
}

function showMissed() {
  const button = document.getElementById("to-newest");
  button.hidden = pane.stuck;
  button.classList.toggle("to-newest--new", pane.missed > 0);
  const count = pane.missed;
  button.querySelector("span").textContent = count
    ? interpolate(ngettext("%(count)s new", "%(count)s new", count), { count })
    : gettext("Newest");
  const slot = document.getElementById("composer-slot");
  button.style.bottom = `${slot.offsetHeight + 12}px`;
}

/** Keep the messages on screen where they are, whatever `change` adds or removes above them. */
function keepingPlace(change) {
  const top = pane.scroller.getBoundingClientRect().top;
  const anchor = [...pane.column.children].find((element) => element.getBoundingClientRect().bottom > top);
  const key = anchor && keyOf(anchor);
  const before = anchor?.getBoundingClientRect().top;
  change();
  const after = anchor?.isConnected ? anchor : pane.column.querySelector(`[data-key="${key}"]`);
  if (after) pane.scroller.scrollTop += after.getBoundingClientRect().top - before;
}

async function loadOlder(wanted = "") {
  const marker = olderMarker(pane.column);
  if (!marker || pane.loadingOlder) return;
  const mine = pane;
  pane.loadingOlder = true;
  try {
    const fresh = await readOlder(address("messages/"), marker.dataset.older, wanted, () => pane === mine);
    if (pane !== mine || !fresh.length || !marker.isConnected) return;
    keepingPlace(() => {
      putAbove(pane.column, marker, fresh);
      foldEvents(pane.column);
    });
  } catch {
    // the network is away: scrolling tries again
  } finally {
    mine.loadingOlder = false;
  }
  if (pane === mine && pane.scroller.scrollTop < 800 && pane.column.querySelector(".older"))
    requestAnimationFrame(() => loadOlder());
}

let asked = 0;

/** Read what changed; with `all`, everything since the oldest message shown. */
export async function refresh(all = false) {
  if (!pane) return;
  const mine = pane;
  const turn = ++asked;
  const oldest = all && pane.column.querySelector("[data-cursor]");
  const query = new URLSearchParams(oldest ? { since: oldest.dataset.cursor } : {});
  const inView = pane.stuck ? [] : messagesInView();
  if (inView.length) {
    query.set("first", inView[0].dataset.cursor);
    query.set("last", inView.at(-1).dataset.cursor);
  }
  const start = performance.now();
  const response = await fetchPart(`${address("messages/")}?${query}`);
  await released();
  if (pane !== mine || turn !== asked) return; // a newer answer is on its way
  if (response.status === 404) {
    toast(gettext("You no longer have access to this conversation."));
    document.dispatchEvent(new CustomEvent("desk:gone"));
    return;
  }
  if (response.ok) applyFresh(await response.text(), { asked: start });
}

/**
 * Update the open conversation from a `_changed_thread.html` without disturbing the agent's work. What the live stream
 * brought meanwhile stays if it is newer; `asked` is when this was asked for (performance.now).
 */
export function applyFresh(html, options) {
  asked++; // earlier requests are older than this
  whenReleased(() => showFresh(html, options));
}

function showFresh(html, { toNewest = false, asked: start = 0 } = {}) {
  const fresh = parse(html).getElementById("fresh");
  if (!pane || !fresh || Number(fresh.dataset.conversation) !== pane.id) return;
  const part = (name) => fresh.querySelector(`:scope > [data-part="${name}"]`);
  const version = Number(fresh.dataset.version);
  if (version >= pane.stateVersion) showState(part, version);
  else showAssignQuestion(part("assign-question")); // the live stream, which was faster, never asks
  // Asked for after the last change: this is newer, even if the server's clock was put back.
  if (version < pane.version && !(start > pane.freshAt)) {
    if (toNewest) toBottom();
    return;
  }
  showItems(keyed(part("items").children), {
    version,
    toNewest,
    unread: fresh.dataset.unread,
    stretch: part("stretch"),
  });
}

/** Show header, banner, details and gate; `part(name)` returns the fresh element. */
function showState(part, version) {
  pane.stateVersion = version;
  replaceQuietly(document.getElementById("thread-head"), part("thread-head"));
  replaceQuietly(document.getElementById("thread-banner"), part("thread-banner"));
  replaceQuietly(document.getElementById("details"), part("details"));
  showAssignQuestion(part("assign-question"));
  document.dispatchEvent(new CustomEvent("desk:gate", { detail: part("gate") }));
}

/** Ask the one who replied whether the conversation is theirs, or stop asking; without a fresh element neither. */
function showAssignQuestion(fresh) {
  if (!fresh) return;
  const box = document.getElementById("assign-question");
  // A button that was pressed is disabled, and has lost the focus to the body.
  const hadFocus = !box.hidden && (box.contains(document.activeElement) || document.activeElement === document.body);
  box.replaceChildren(...fresh.childNodes);
  box.hidden = !box.firstElementChild;
  if (hadFocus && box.hidden) document.getElementById("thread").focus({ preventScroll: true });
}

function showItems(next, { version, unread, toNewest = false, stretch = null }) {
  pane.version = version;
  pane.freshAt = performance.now();
  const stay = pane.stuck;
  let result;
  keepingPlace(() => {
    result = merge(pane.column, next);
    dropPendingBubbles();
    if (stretch) mergeStretch(pane.column, stretch);
    foldEvents(pane.column);
  });
  rememberFresh([...next.map(({ key }) => key), ...[...(stretch?.children ?? [])].map(keyOf)]);
  if (stay || toNewest) toBottom();
  else pane.missed += result.added.filter((element) => element.matches(".message--in")).length;
  document.dispatchEvent(new CustomEvent("desk:fresh"));
  showMissed();
  if (Number(unread) > 0) markRead(true);
}

/**
 * Show messages that came with the live stream (tickets/views/live_thread.py). Returns whether the thread must be read:
 * the page has missed an event, or what the agent looks at is further up.
 */
export function showPushed({ conversation, version, base, unread, items }) {
  if (!pane || conversation !== pane.id || version <= pane.version) return false;
  const fresh = parse(items.map(([, html]) => html ?? "").join("")).body;
  const elements = new Map([...fresh.children].map((element) => [keyOf(element), element]));
  const next = items.map(([key]) => ({ key, element: elements.get(key) ?? null }));
  if (pane.version < base || !fits(pane.column, next)) return true;
  showItems(next, { version, unread });
  return !pane.stuck && isStaleInView();
}

/** Show header, banner, details and gate that came with the live stream (tickets/views/live_state.py). */
export function showPushedState({ conversation, version, html }) {
  if (!pane || conversation !== pane.id || version <= pane.stateVersion) return;
  const fresh = parse(html).body;
  showState((name) => fresh.querySelector(`:scope > [data-part="${name}"]`), version);
}

/** Return whether the messages were brought up to date after `moment` (performance.now). */
export const isFreshSince = (moment) => !pane || pane.freshAt >= moment;

/** Remove the pending bubbles whose messages came back from the server before the response to Send. */
function dropPendingBubbles() {
  const here = new Set(
    [...pane.column.querySelectorAll("[data-cursor][data-sent-as]")].map((one) => one.dataset.sentAs),
  );
  for (const bubble of pane.column.querySelectorAll('[data-key^="pending-"]')) {
    if (here.has(bubble.dataset.sentAs)) bubble.remove();
  }
}

let stale = new Set(); // keys of loaded messages that were not read again after a change

function rememberFresh(keys) {
  const fresh = new Set(keys);
  stale = new Set([...pane.column.querySelectorAll("[data-cursor]")].map(keyOf).filter((key) => !fresh.has(key)));
}

function messagesInView() {
  const { top, bottom } = pane.scroller.getBoundingClientRect();
  return [...pane.column.querySelectorAll("[data-cursor]")].filter((element) => {
    const place = element.getBoundingClientRect();
    return place.bottom > top && place.top < bottom;
  });
}

const isStaleInView = () => stale.size > 0 && messagesInView().some((element) => stale.has(keyOf(element)));

/** Read again when messages on screen may have changed since they were loaded. */
function refreshStaleInView() {
  if (pane && isStaleInView()) refresh().catch(() => {});
}

function newestCursor() {
  return [...pane.column.querySelectorAll("[data-cursor]")].at(-1)?.dataset.cursor ?? "";
}

export const oldestCursor = () => pane?.column.querySelector("[data-cursor]")?.dataset.cursor ?? "";

let toRead = false;

/** Mark the conversation as read, once the page is visible. */
export function markRead(isUnread = toRead) {
  toRead = isUnread;
  if (!pane || !toRead || document.visibilityState !== "visible" || pane.missed) return;
  toRead = false;
  post(address("read/"), { upto: newestCursor() }).catch(() => (toRead = true));
}

/**
 * Send the agent's choice to the server. Returns null, or the question (an element) to be answered first.
 * `onDone` is called when it is done, before the page is updated.
 */
export async function settle(url, fields, onDone = () => {}) {
  const mine = pane;
  const response = await post(url, fields, { waits: true });
  if (response.headers.get("X-Gone")) {
    document.dispatchEvent(new CustomEvent("desk:gone"));
  } else if (response.status === 409) {
    refresh().catch(() => {}); // the question is about a reply that the page may not show yet
    return parse(await response.text()).querySelector("[data-id]");
  } else if (!response.ok) {
    toast(await reasonOf(response), true);
    refresh().catch(() => {}); // the page is older than the reason for the refusal
  } else if (pane === mine) {
    onDone();
    if (response.status !== 200) return null;
    const html = await response.text();
    applyFresh(html);
    showUndo(html);
  }
  return null;
}

/** Show the element with this id; load older messages until it is there. */
export async function jumpTo(id) {
  const mine = pane;
  const marker = () => pane === mine && olderMarker(pane.column);
  let tries = 3; // a change of the thread meanwhile makes one fail
  while (!document.getElementById(id) && marker()) {
    const before = marker();
    if (pane.loadingOlder) {
      await new Promise(requestAnimationFrame);
      continue;
    }
    await loadOlder(id);
    if (marker() === before || --tries === 0) break; // the network is away, or it is not there
  }
  if (pane !== mine) return;
  const target = document.getElementById(id);
  if (!target) {
    toast(gettext("That message is further up. Scroll up to load it."));
    return;
  }
  mine.stuck = false; // otherwise each load would scroll back to the newest message
  const { top, height } = mine.scroller.getBoundingClientRect();
  const isNear = Math.abs(target.getBoundingClientRect().top - top) < 2 * height;
  target.scrollIntoView({ block: "center", behavior: isNear ? "smooth" : "instant" });
  target.classList.add("message--jumped");
  setTimeout(() => target.classList.remove("message--jumped"), 1500);
}
