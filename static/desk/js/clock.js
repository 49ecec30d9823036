// Updates relative times and messaging windows; the server writes the first text (tickets/templatetags/desk.py).

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

function ago(milliseconds) {
  if (milliseconds < MINUTE) return "now";
  if (milliseconds < HOUR) return `${Math.floor(milliseconds / MINUTE)} min`;
  return `${Math.floor(milliseconds / HOUR)} h`;
}

export function left(milliseconds) {
  const minutes = Math.max(0, Math.floor(milliseconds / MINUTE));
  if (minutes < 60) return `${minutes} m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 ? `${hours} h ${minutes % 60} m` : `${hours} h`;
  const days = Math.floor(hours / 24);
  return hours % 24 ? `${days} d ${hours % 24} h` : `${days} d`;
}

function tick() {
  const now = Date.now();
  for (const time of document.querySelectorAll("time[data-ago]")) {
    const gone = now - Date.parse(time.dateTime);
    if (gone < DAY && gone > -MINUTE) time.textContent = ago(gone);
  }
  for (const pill of document.querySelectorAll(".pill[data-closes]")) {
    const rest = Date.parse(pill.dataset.closes) - now;
    pill.querySelector("[data-left]").textContent = rest > 0 ? left(rest) : "closed";
    pill.classList.toggle("pill--warning", rest >= HOUR / 2 && rest < 2 * HOUR);
    pill.classList.toggle("pill--danger", rest < HOUR / 2);
  }
  document.dispatchEvent(new CustomEvent("desk:tick"));
}

export function start() {
  setInterval(tick, 20_000);
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && tick());
}
