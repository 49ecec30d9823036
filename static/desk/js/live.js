// The live stream: it names what changed, and hands the rows of the list with their counts. The page reads the open
// conversation again through its normal view, and everything whenever it may have missed something.

import * as list from "./list.js";
import * as looking from "./viewers.js";
import { fetchPart } from "./http.js";
import * as notify from "./notify.js";
import { Pump } from "./throttle.js";
import * as thread from "./thread.js";

const SHOW_AFTER = 1500; // milliseconds; shorter interruptions are not worth a word
const SILENT = 40_000; // milliseconds; the server says something every 15 seconds (desk/stream.py)
const MOST_ROWS = 50;
const OVERDUE = 5000; // milliseconds; what the stream did not hand until then, the page reads itself
const changed = new Map(); // conversations whose row is not shown yet, and since when
let overdue = null;
let source = null;
let retryIn = 2000;
let downSince = null;
let heardAt = new Date();
let silence = null;
let pace = 0; // how long the server wants a page to leave between two readings: many are open; milliseconds

const threadPump = new Pump(() => thread.refresh());
// For a list that is searched, and for rows that were not handed. It may take four times as long as its reading costs.
const listPump = new Pump(
  readRows,
  (took) => Math.min(4000, pace ? Math.max(pace, took * 2) : Math.max(400, took * 4)),
  () => pace,
);
const catchUpPump = new Pump(
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
  if (due.length > ids.length) listPump.ask();
}

const overdueRows = () => [...changed.keys()].filter((id) => performance.now() - changed.get(id) >= OVERDUE);

function rowChanged(id) {
  changed.set(id, changed.get(id) ?? performance.now());
  if (list.isSearching()) listPump.ask();
  else if (overdue === null) overdue = setTimeout(askOverdue, OVERDUE + 100);
}

function askOverdue() {
  overdue = null;
  if (overdueRows().length) listPump.ask();
  if (changed.size) overdue = setTimeout(askOverdue, OVERDUE);
}

function showRow(told) {
  if (told.news) notify.tell(told.news);
  if (list.isSearching()) return; // it is read
  changed.delete(told.conversation);
  list.showRow(told);
}

function showPresence({ user, presence }) {
  for (const mark of document.querySelectorAll(`[data-presence-of="${Number(user)}"]`))
    mark.dataset.presence = presence;
}

function up() {
  downSince = null;
  retryIn = 2000;
  showConnection();
}

function heard() {
  heardAt = new Date();
  listen();
}

function listen() {
  clearTimeout(silence);
  silence = setTimeout(unheard, SILENT);
}

/** Nothing was heard for long, and the browser has noticed nothing: the network is away, or was while the machine slept. */
function unheard() {
  downSince ??= heardAt;
  showConnection();
  connect();
}

function down() {
  downSince ??= new Date();
  setTimeout(showConnection, SHOW_AFTER);
  if (source.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
  setTimeout(reopen, retryIn);
  retryIn = Math.min(retryIn * 2, 30_000);
}

async function reopen() {
  try {
    await fetchPart(`${document.body.dataset.inbox}rows/`); // leads to the login page when the session ended
  } catch {
    // still away
  }
  connect();
}

function showConnection() {
  const bar = document.getElementById("connection");
  const isDown = downSince && Date.now() - downSince >= SHOW_AFTER - 50;
  bar.hidden = !isDown;
  if (isDown) {
    const clock = downSince.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false });
    bar.textContent = `Reconnecting… showing ${clock}`;
  }
}

function connect() {
  source?.close();
  source = new EventSource(document.body.dataset.live);
  listen();
  const on = (kind, act) =>
    source.addEventListener(kind, (event) => {
      heard();
      act(event);
    });
  on("ping", () => {});
  on("sync", () => {
    up();
    catchUpPump.ask();
    looking.catchUp();
    notify.ask();
  });
  on("conversation", (event) => {
    const id = Number(JSON.parse(event.data).conversation);
    if (!id) return;
    rowChanged(id);
    if (id === thread.current()?.id) threadPump.ask();
  });
  on("row", (event) => showRow(JSON.parse(event.data)));
  on("counts", (event) => list.showCounts(JSON.parse(event.data)));
  on("pace", (event) => (pace = JSON.parse(event.data).ms));
  on("presence", (event) => looking.changed(JSON.parse(event.data).conversation));
  on("agent", (event) => showPresence(JSON.parse(event.data)));
  on("channel", () => threadPump.ask());
  on("open", up);
  source.addEventListener("error", down);
}

export function start() {
  connect();
  addEventListener("online", connect);
  addEventListener("pagehide", () => source.close());
  addEventListener("pageshow", (event) => event.persisted && connect());
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState !== "visible") return;
    thread.markRead();
    if (changed.size && list.isSearching()) listPump.ask();
  });
}
