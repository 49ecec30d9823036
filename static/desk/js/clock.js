// Updates relative times and messaging windows; the server writes the first text (tickets/templatetags/desk.py).

import { gettext, interpolate, pgettext } from "./words.js";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

function ago(milliseconds) {
  if (milliseconds < MINUTE) return gettext("now");
  if (milliseconds < HOUR) return interpolate(gettext("%(count)s min"), { count: Math.floor(milliseconds / MINUTE) });
  return interpolate(gettext("%(count)s h"), { count: Math.floor(milliseconds / HOUR) });
}

export function left(milliseconds) {
  const minutes = Math.max(0, Math.floor(milliseconds / MINUTE));
  if (minutes < 60) return interpolate(gettext("%(count)s m"), { count: minutes });
  const hours = Math.floor(minutes / 60);
  const days = Math.floor(hours / 24);
  if (days && hours % 24) return interpolate(gettext("%(days)s d %(hours)s h"), { days, hours: hours % 24 });
  if (days) return interpolate(gettext("%(count)s d"), { count: days });
  if (minutes % 60) return interpolate(gettext("%(hours)s h %(minutes)s m"), { hours, minutes: minutes % 60 });
  return interpolate(gettext("%(count)s h"), { count: hours });
}

function tick() {
  const now = Date.now();
  for (const time of document.querySelectorAll("time[data-ago]")) {
    const gone = now - Date.parse(time.dateTime);
    if (gone < DAY && gone > -MINUTE) time.textContent = ago(gone);
  }
  for (const pill of document.querySelectorAll(".pill[data-closes]")) {
    const rest = Date.parse(pill.dataset.closes) - now;
    pill.querySelector("[data-left]").textContent =
      rest > 0 ? left(rest) : pgettext("the messaging window is", "closed");
    pill.classList.toggle("pill--warning", rest >= HOUR / 2 && rest < 2 * HOUR);
    pill.classList.toggle("pill--danger", rest < HOUR / 2);
  }
  for (const pill of document.querySelectorAll(".pill[data-waits]")) {
    const hours = Math.floor((now - Date.parse(pill.dataset.waits)) / HOUR);
    if (hours > 0) pill.querySelector("[data-waited]").textContent = left(hours * HOUR);
  }
  document.dispatchEvent(new CustomEvent("desk:tick"));
}

export function start() {
  setInterval(tick, 20_000);
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && tick());
}
