// The live stream: it says what changed, and brings the rows of the list, the counts and the open conversation. The page
// reads through its normal views what did not come, and everything when it may have missed a change.

import * as connection from "./connection.js";
import * as bar from "./connection-bar.js";
import { fetchPart, Gone } from "./http.js";
import * as list from "./list.js";
import * as notify from "./notify.js";
import * as press from "./press.js";
import { SharedStream } from "./shared-stream.js";
import * as thread from "./thread.js";
import { Throttle } from "./throttle.js";
import * as viewers from "./viewers.js";

const SILENT = 20_000; // milliseconds; the server sends a line every 15 seconds
const MOST_PAUSE = 10_000; // milliseconds between two attempts to reconnect
const MOST_ROWS = 50;
const OVERDUE = 5000; // milliseconds; rows the stream has not sent by then are read
const THREAD_OVERDUE = 1500; // milliseconds; the same for the messages of the open conversation
const changed = new Map(); // conversations whose row is not shown yet, and since when
let overdue = null;
let source = null;
let retryIn = 2000;
let silence = null;
let replaced = false; // newer tabs of this user took the place of this one
let pace = 0; // milliseconds the server asks for between two readings, when many pages are open

const threadThrottle = new Throttle(() => thread.refresh());
// For search results, and for rows the stream did not send. The pause is four times what the reading took.
const listThrottle = new Throttle(
  readRows,
  (took) => Math.min(4000, pace ? Math.max(pace, took * 2) : Math.max(400, took * 4)),
  () => pace,
);
const catchUpThrottle = new Throttle(
  () => Promise.all([list.refreshAll(), thread.refresh(true)]),
  () => 0,
  () => pace,
);

async function readRows() {
  const due = list.isSearching() ? [...changed.keys()] : overdueRows();
  const ids = due.slice(0, MOST_ROWS);
  if (!ids.length) return;
  for (const id of ids) changed.delete(id);
  try {
    await list.refreshRows(ids);
  } catch (error) {
    for (const id of ids) changed.set(id, performance.now());
    throw error;
  }
  if (due.length > ids.length) listThrottle.ask();
}

const overdueRows = () => [...changed.keys()].filter((id) => performance.now() - changed.get(id) >= OVERDUE);

function rowChanged(id) {
  changed.set(id, changed.get(id) ?? performance.now());
  if (list.isSearching()) listThrottle.ask();
  else if (overdue === null) overdue = setTimeout(askOverdue, OVERDUE + 100);
}

function askOverdue() {
  overdue = null;
  if (overdueRows().length) listThrottle.ask();
  if (changed.size) overdue = setTimeout(askOverdue, OVERDUE);
}

function showRow(change) {
  if (change.news) notify.announce(change.news);
  if (!change.html && change.conversation === thread.current()?.id) threadThrottle.ask(); // no longer to be seen
  if (list.isSearching()) return; // it is read
  changed.delete(change.conversation);
  list.showRow(change);
}

/** The messages of the open conversation will come, if the server knows that this page shows them. */
function threadChanged(id) {
  if (!viewers.isKnownToShow(id)) {
    threadThrottle.ask();
    return;
  }
  const since = performance.now();
  setTimeout(() => thread.current()?.id === id && !thread.isFreshSince(since) && threadThrottle.ask(), THREAD_OVERDUE);
}

function showPresence({ user, presence }) {
  for (const mark of document.querySelectorAll(`[data-presence-of="${Number(user)}"]`))
    mark.dataset.presence = presence;
}

function up() {
  retryIn = 2000;
}

function heard() {
  connection.heard();
  listen();
}

function listen() {
  clearTimeout(silence);
  silence = setTimeout(unheard, SILENT);
}

/** Reconnect after a long silence the browser has not noticed: the network was lost, or the machine slept. */
function unheard() {
  connection.lost();
  connect({ steal: true });
}

function down() {
  connection.lost();
  if (!source.isClosed) return; // the browser reconnects by itself
  setTimeout(reopen, retryIn);
  retryIn = Math.min(retryIn * 2, MOST_PAUSE);
}

async function reopen() {
  try {
    await fetchPart(`${document.body.dataset.inbox}rows/`); // asks for the login when the session has ended
  } catch (error) {
    if (error instanceof Gone) return; // it goes on after the login
  }
  connect();
}

/** The server has ended the stream and said why. Without this the browser would connect again and again. */
function closed({ reason }) {
  source.close();
  clearTimeout(silence);
  replaced = reason === "replaced";
  bar.setPaused(replaced);
  if (!replaced) reopen();
}

/** Somebody returned to a tab that gave up its stream: now it is the newest, and another one gives up its own. */
function resume() {
  if (!replaced || document.visibilityState !== "visible") return;
  replaced = false;
  bar.setPaused(false);
  connect();
}

const handlers = {
  ping() {},
  sync() {
    up();
    catchUpThrottle.ask();
    viewers.catchUp();
    notify.ask();
  },
  conversation(event) {
    const id = Number(event.conversation);
    if (!id) return;
    rowChanged(id);
    thread.changed(id);
    if (id === thread.current()?.id) threadChanged(id);
  },
  thread: (event) => thread.showPushed(event) && threadThrottle.ask(),
  state: thread.showPushedState,
  row: showRow,
  counts: list.showCounts,
  pace({ ms }) {
    pace = ms;
  },
  viewers: (event) => viewers.changed(event.conversation),
  presence: showPresence,
  channel: () => threadThrottle.ask(),
  closed,
};

/** Open the live stream again; with `steal`, also when another tab has it but is silent. */
function connect({ steal = false } = {}) {
  source?.close();
  source = new SharedStream(document.body.dataset.live, {
    kinds: Object.keys(handlers),
    name: document.body.dataset.user,
    steal,
  });
  listen();
  for (const [kind, act] of Object.entries(handlers))
    source.addEventListener(kind, (event) => {
      if (kind !== "closed") heard();
      press.whenReleased(() => act(JSON.parse(event.data)));
    });
  source.addEventListener("open", () => {
    heard();
    up();
  });
  source.addEventListener("error", down);
}

export function start() {
  bar.start();
  press.start();
  connect();
  addEventListener("online", () => replaced || connect());
  addEventListener("focus", resume);
  document.addEventListener("desk:logged-in", () => connect());
  addEventListener("pagehide", () => source.close());
  addEventListener("pageshow", (event) => event.persisted && connect());
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState !== "visible") return;
    resume();
    thread.markRead();
    if (changed.size && list.isSearching()) listThrottle.ask();
  });
}
