// The list: rows come, change and go without moving under the pointer; also views, counts and the title.

import { fetchPart, parse } from "./http.js";
import { note } from "./morph.js";
import { released, whenReleased } from "./press.js";
import * as session from "./session.js";
import { gettext, interpolate, ngettext } from "./words.js";

const pending = new Set(); // ids of rows to move once the pointer has left the list
const strip = document.getElementById("strip");
const button = document.getElementById("fresh-rows");
let hovering = false;
let atOnce = false; // the agent changed these rows: show the result at once

export const picked = new Set(); // ids of the rows that are selected (bulk.js)
const leaving = new Set(); // ids of rows that left the list while they were under the pointer
const told = new Map(); // id of a conversation -> when the live stream last sent its row (see `clock`)
let countsTold = 0;
let clock = 0; // counts what the live stream sends

const rows = () => document.getElementById("rows");
const views = () => document.getElementById("views");

export function query() {
  return views().dataset.query;
}

function at(suffix, parameters) {
  const joined = [query(), parameters].filter(Boolean).join("&");
  return `${document.body.dataset.inbox}${suffix}${joined ? `?${joined}` : ""}`;
}

function isBusy() {
  return !atOnce && (hovering || picked.size > 0 || rows().scrollTop > 40);
}

/**
 * Read a part of the list. Returns null when it failed or another list was chosen meanwhile.
 *
 * The response may be older than what the live stream sent while it was on its way: `isTold(id)` and `areCountsTold`
 * say for what. The stream is right there: it sends every change, so it also has the last word.
 */
async function read(suffix, parameters) {
  const [asked, start] = [query(), clock];
  const response = await fetchPart(at(suffix, parameters));
  const html = await response.text();
  await released();
  if (!response.ok || asked !== query()) return null;
  return { html, isTold: (id) => told.get(id) > start, areCountsTold: countsTold > start };
}

/** Read these rows again; those missing from the response have left this list. */
export async function refreshRows(ids, tries = 3) {
  const part = await read("rows/", ids.map((id) => `id=${id}`).join("&"));
  if (!part) return;
  const isLate = (id) => tries > 1 && part.isTold(id);
  applyRows(
    part.html,
    ids.filter((id) => !isLate(id)),
    { areCountsTold: part.areCountsTold },
  );
  const late = ids.filter(isLate);
  if (late.length) await refreshRows(late, tries - 1); // for what the stream does not send: the agent's own draft
}

/** Show the rows of a `_changed_rows.html`; with `atOnce`, do not wait for the pointer to leave. */
export function applyRows(html, ids, options) {
  whenReleased(() => showRows(html, ids, options));
}

function showRows(html, ids, options = {}) {
  const page = parse(html);
  atOnce = Boolean(options.atOnce);
  for (const id of ids) update(id, page.getElementById(`row-${id}`));
  atOnce = false;
  if (!options.areCountsTold) showViews(page.getElementById("fresh-views"));
  showPending();
}

/** Only the server can search and filter by time; of other lists the live stream sends the rows themselves. */
export const isSearching = () => "needsServer" in views().dataset;

/** Show a row that came with the live stream (tickets/views/live_rows.py), if it belongs to this list. */
export function showRow(change) {
  told.set(change.conversation, ++clock);
  const list = new URLSearchParams(query());
  const isWanted = (name) => !list.has(name) || Number(list.get(name)) === change[name];
  const isInFilters =
    isWanted("channel") &&
    isWanted("department") &&
    (!list.has("label") || change.labels?.includes(Number(list.get("label")))) &&
    (!list.has("priority") || list.get("priority") === change.priority);
  if (!change.views.includes(list.get("view") ?? "open") || !isInFilters) {
    update(change.conversation, null);
  } else {
    const row = parse(change.html).querySelector(".row-item");
    row.dataset.sort = change.sort[list.get("sort") ?? "newest"];
    row.querySelector("a.row").search = query();
    update(change.conversation, row);
  }
  showPending();
}

/** Show how many conversations each view has (badges by name), and how many are unread. */
export function showCounts({ views: badges, unread }) {
  countsTold = ++clock;
  for (const mark of views().querySelectorAll("[data-count]")) mark.textContent = badges[mark.dataset.count];
  views().dataset.unread = unread;
  showTitle();
}

/** Read the beginning of the list again: a change may have been missed. */
export async function refreshAll() {
  const part = await read("list/");
  if (!part) return;
  const page = parse(part.html);
  const fresh = [...page.querySelectorAll(".row-item")];
  const ids = new Set(fresh.map((row) => row.id));
  for (const row of fresh) if (!part.isTold(Number(row.dataset.id))) update(Number(row.dataset.id), row);
  const pager = page.querySelector(".pager"); // it may be further than the last row: none between belongs to the list
  for (const row of [...rows().querySelectorAll(".row-item")]) {
    if (ids.has(row.id) || (pager && !comesBefore(row, pager))) continue;
    const id = Number(row.dataset.id);
    if (part.isTold(id)) continue;
    update(id, null);
    if (leaving.has(id)) blank(row); // the agent may no longer be allowed to see it
  }
  if (!part.areCountsTold) showViews(page.getElementById("views"));
  showPending();
}

function comesBefore(row, other) {
  if (!other) return false;
  const difference = Number(row.dataset.sort) - Number(other.dataset.sort);
  return rows().dataset.descending === "yes" ? difference > 0 : difference < 0;
}

function update(id, fresh) {
  const old = document.getElementById(`row-${id}`);
  if (!fresh) {
    pending.delete(id);
    waiting.delete(id);
    if (picked.delete(id)) document.dispatchEvent(new CustomEvent("desk:picked"));
    if (old && isBusy()) leave(old, id);
    else old?.remove();
    return;
  }
  leaving.delete(id);
  if (old?.matches(".row-item:not(.row-item--gone)") && note(old) === fresh.outerHTML) return;
  const row = document.importNode(fresh, true);
  note(row);
  mark(row);
  if (!old) {
    place(row, true);
    return;
  }
  const moves = old.dataset.sort !== row.dataset.sort;
  const hadFocus = old.contains(document.activeElement);
  old.replaceWith(row);
  if (hadFocus) row.querySelector("a").focus({ preventScroll: true });
  if (!moves) return;
  if (isBusy() && !isInPlace(row)) pending.add(id);
  else place(row);
}

/** Dim the row until the pointer has left, so that a click does not hit the next one. */
function leave(row, id) {
  leaving.add(id);
  row.classList.add("row-item--gone");
}

/** Empty the row; its place stays. */
function blank(row) {
  row.style.height = `${row.offsetHeight}px`;
  row.className = "row-blank";
  row.replaceChildren();
}

function isInPlace(row) {
  const [before, after] = [row.previousElementSibling, row.nextElementSibling];
  const isRow = (element) => element?.matches(".row-item");
  return !(isRow(before) && comesBefore(row, before)) && !(isRow(after) && comesBefore(after, row));
}

function place(row, isNew = false) {
  const list = rows();
  if (isNew && isBusy()) {
    pending.add(Number(row.dataset.id));
    waiting.set(Number(row.dataset.id), row);
    return;
  }
  const next = [...list.querySelectorAll(".row-item")].find((other) => other !== row && comesBefore(row, other));
  const pager = list.querySelector(".pager");
  if (!next && pager && isNew && !comesBefore(row, pager)) return; // it comes when its page is loaded
  const hadFocus = row.contains(document.activeElement);
  list.insertBefore(row, next ?? pager);
  if (hadFocus) row.querySelector("a").focus({ preventScroll: true });
  if (isNew) row.classList.add("row-item--new");
}

const waiting = new Map(); // rows that are not in the list yet

function flush() {
  const scrolled = rows().scrollTop;
  for (const id of leaving) document.getElementById(`row-${id}`)?.remove();
  leaving.clear();
  for (const id of pending) {
    const row = waiting.get(id) ?? document.getElementById(`row-${id}`);
    if (!row) continue;
    hovering = false;
    forcePlace(row, waiting.has(id));
  }
  rows().scrollTop = scrolled;
  pending.clear();
  waiting.clear();
  showPending();
}

/** Apply the waiting changes, if the pointer has left the list. */
export function flushIfQuiet() {
  if ((pending.size || leaving.size) && !isBusy()) flush();
}

function forcePlace(row, isNew) {
  document.getElementById(row.id)?.remove();
  const list = rows();
  const next = [...list.querySelectorAll(".row-item")].find((other) => comesBefore(row, other));
  list.insertBefore(row, next ?? list.querySelector(".pager"));
  if (isNew) row.classList.add("row-item--new");
}

function showPending() {
  button.hidden = pending.size === 0;
  const count = pending.size;
  button.querySelector("span").textContent = interpolate(ngettext("%(count)s new", "%(count)s new", count), { count });
  document.getElementById("rows-empty").hidden = Boolean(rows().querySelector(".row-item, .pager"));
}

function showViews(fresh) {
  if (!fresh) return;
  const nav = views();
  nav.dataset.unread = fresh.dataset.unread;
  if (nav.innerHTML.trim() !== fresh.innerHTML.trim()) {
    const focused = nav.contains(document.activeElement) && document.activeElement.dataset.view;
    nav.replaceChildren(...[...fresh.childNodes].map((node) => document.importNode(node, true)));
    window.htmx.process(nav);
    if (focused) nav.querySelector(`[data-view="${focused}"]`)?.focus();
    document.dispatchEvent(new CustomEvent("desk:views"));
  }
  showTitle();
}

export function showTitle() {
  const unread = Number(views().dataset.unread);
  const name = document.querySelector("#thread-head .thread-head__name")?.textContent.trim();
  const count = unread ? `(${unread > 99 ? "99+" : unread}) ` : "";
  document.title = `${count}${name ? `${name} · ` : ""}${gettext("Inbox")}`;
  const { favicon, faviconUnread } = document.body.dataset;
  document.getElementById("favicon").href = unread ? faviconUnread : favicon;
}

let selected = null;

/** Mark the row of the open conversation. */
export function select(id) {
  selected = id;
  for (const row of rows().querySelectorAll(".row-item")) mark(row);
}

function mark(row) {
  const link = row.querySelector("a.row");
  const isPicked = picked.has(Number(row.dataset.id));
  row.querySelector(".row__pick").checked = isPicked;
  row.classList.toggle("row-item--picked", isPicked);
  if (Number(row.dataset.id) === selected) link.setAttribute("aria-current", "true");
  else link.removeAttribute("aria-current");
}

/** Return the id of the row `step` after the open one, or of the first row when none is open. */
export function neighbour(step) {
  const all = [...rows().querySelectorAll(".row-item")];
  const index = all.findIndex((row) => Number(row.dataset.id) === selected);
  const target = index < 0 ? all[0] : all[index + step];
  return target ? Number(target.dataset.id) : null;
}

/** Load the rows after those that are shown. Returns whether there are any. */
export function loadMore() {
  const pager = rows().querySelector(".pager");
  pager?.scrollIntoView({ block: "nearest" });
  return Boolean(pager);
}

export function reveal(id) {
  document.getElementById(`row-${id}`)?.scrollIntoView({ block: "nearest" });
}

/** Another list is shown: another view, filter or order. */
function replaced() {
  pending.clear();
  waiting.clear();
  leaving.clear();
  showPending();
  select(selected);
  showTitle();
  const field = document.getElementById("search");
  if (document.activeElement !== field) field.value = new URLSearchParams(query()).get("q") ?? "";
  document.dispatchEvent(new CustomEvent("desk:list"));
}

export function start(openId) {
  selected = openId;
  strip.addEventListener("pointerenter", (event) => (hovering = event.pointerType === "mouse"));
  strip.addEventListener("pointerleave", () => {
    hovering = false;
    flushIfQuiet();
  });
  strip.addEventListener("scroll", (event) => event.target.id === "rows" && flushIfQuiet(), {
    capture: true,
    passive: true,
  });
  button.addEventListener("click", () => {
    flush();
    rows().scrollTo({ top: 0, behavior: "smooth" });
  });
  document.body.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target.id !== "list-body") {
      for (const row of rows().querySelectorAll(".row-item")) mark(row);
      showPending();
      return;
    }
    replaced();
  });
  document.addEventListener("desk:list-replaced", replaced);
  document.body.addEventListener("htmx:responseError", (event) => {
    if (event.detail.xhr.status === 401) session.ask();
  });
}
