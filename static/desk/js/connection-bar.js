// The thin bar above the page: that it is offline and since when, how much waits, and what was not sent.

import * as connection from "./connection.js";
import * as outbox from "./outbox.js";
import { gettext, interpolate, locale, ngettext } from "./words.js";

const SHOW_AFTER = 1500; // milliseconds; shorter interruptions are not shown
let since = null;
let paused = false;

/** Show that newer tabs took the place of this one, or no longer. */
export function setPaused(is) {
  paused = is;
  show();
}

function sentences() {
  if (paused)
    return [
      gettext(
        "Live updates are paused here: you have too many tabs of Desk open. Close some, then return to this one.",
      ),
    ];
  const entries = outbox.all();
  const waiting = entries.filter(({ state }) => state === "waiting").length;
  const stopped = entries.length - waiting;
  const words = [];
  if (since !== null && Date.now() - since >= SHOW_AFTER - 50) {
    const time = connection.lastHeard().toLocaleTimeString(locale, {
      hour: "2-digit",
      minute: "2-digit",
      hourCycle: "h23",
    });
    const isAway = connection.isOffline();
    const state = isAway ? gettext("Offline. Showing %(time)s.") : gettext("Reconnecting… showing %(time)s");
    words.push(interpolate(state, { time }));
    const text = ngettext(
      "%(count)s reply will be sent when the connection is back.",
      "%(count)s replies will be sent when the connection is back.",
      waiting,
    );
    if (waiting && isAway) words.push(interpolate(text, { count: waiting }));
  }
  const text = ngettext("%(count)s reply was not sent.", "%(count)s replies were not sent.", stopped);
  if (stopped) words.push(interpolate(text, { count: stopped }));
  return words;
}

function show() {
  const bar = document.getElementById("connection");
  const words = sentences().join(" ");
  bar.hidden = words === "";
  const line = bar.querySelector("span");
  if (line.textContent !== words) line.textContent = words;
  bar.querySelector("button").hidden = !outbox.all().length;
}

function changed() {
  since = connection.isDown() ? (since ?? Date.now()) : null;
  if (since !== null) setTimeout(show, SHOW_AFTER);
  show();
}

export function start() {
  document.addEventListener("desk:connection", changed);
  document.addEventListener("desk:unsent", show);
  changed();
}
