// Tells the server which requests follow from what a person does: only those keep the session alive.

const ACTIVE_FOR = 60_000; // milliseconds after a key, a click or a touch
let usedAt = 0;

for (const kind of ["keydown", "pointerdown", "wheel", "touchmove"]) {
  document.addEventListener(kind, () => (usedAt = Date.now()), { capture: true, passive: true });
}

export function activityHeaders() {
  return Date.now() - usedAt < ACTIVE_FOR ? { "X-Desk-Activity": "yes" } : {};
}

document.addEventListener("htmx:configRequest", (event) => {
  Object.assign(event.detail.headers, activityHeaders());
});
