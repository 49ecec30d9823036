// The page that the service worker shows when Desk cannot be reached, at the address that was wanted: it opens that
// address as soon as Desk answers. It imports nothing, because the service worker keeps only what the page names.

const LOOK_EVERY = 3000; // milliseconds
const LOOK_FOR = 4000;

let isLooking = false;

async function look() {
  if (isLooking) return;
  isLooking = true;
  try {
    const answer = await fetch(document.body.dataset.health, {
      cache: "no-store",
      signal: AbortSignal.timeout(LOOK_FOR),
    });
    if (answer.ok) location.reload();
  } catch {
    // it is away
  } finally {
    isLooking = false;
  }
}

addEventListener("online", look);
document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && look());
setInterval(look, LOOK_EVERY);
