// The live stream: it names what changed, and the page reads that again through its normal views.

import * as list from "./list.js";
import * as looking from "./looking.js";
import { fetchPart } from "./net.js";
import * as notify from "./notify.js";
import { Pump } from "./pump.js";
import * as thread from "./thread.js";

const SHOW_AFTER = 1500; // milliseconds; shorter interruptions are not worth a word
const MOST_ROWS = 50;
const changed = new Set(); // conversations whose row is to be read again
let source = null;
let retryIn = 2000;
let downSince = null;
let pace = 0; // how long the server wants a page to leave between two readings: many are open; milliseconds

const threadPump = new Pump(() => thread.refresh());
// A busy desk changes many rows a second: the list may take four times as long as its reading costs.
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
  const ids = [...changed].slice(0, MOST_ROWS);
  for (const id of ids) changed.delete(id);
  try {
    await list.refreshRows(ids);
  } catch (error) {
    for (const id of ids) changed.add(id);
    throw error;
  }
  if (changed.size) listPump.ask();
}

function showPresence({ user, presence }) {
  for (const mark of document.querySelectorAll(`[data-presence-of="${Number(user)}"]`)) mark.dataset.presence = presence;
}

function up() {
  downSince = null;
  retryIn = 2000;
  showConnection();
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
  source.addEventListener("sync", () => {
    up();
    catchUpPump.ask();
    looking.catchUp();
    notify.ask();
  });
  source.addEventListener("conversation", (event) => {
    const id = Number(JSON.parse(event.data).conversation);
    if (!id) return;
    changed.add(id);
    listPump.ask();
    notify.ask();
    if (id === thread.current()?.id) threadPump.ask();
  });
  source.addEventListener("pace", (event) => (pace = JSON.parse(event.data).ms));
  source.addEventListener("presence", (event) => looking.changed(JSON.parse(event.data).conversation));
  source.addEventListener("agent", (event) => showPresence(JSON.parse(event.data)));
  source.addEventListener("channel", () => threadPump.ask());
  source.addEventListener("open", up);
  source.addEventListener("error", down);
}

export function start() {
  connect();
  addEventListener("pagehide", () => source.close());
  addEventListener("pageshow", (event) => event.persisted && connect());
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState !== "visible") return;
    thread.markRead();
    if (changed.size) listPump.ask();
  });
}
