// Whether the server can be reached: what the browser says, whether requests are answered, and whether the live stream is
// heard. Fires `desk:connection` on the document when that changes.

const PROBE_AFTER = 3000; // milliseconds between two looks while requests fail
const PROBE_FOR = 4000;
const AWAY = [0, 502, 503, 504]; // no answer, or one of the proxy or of a Desk that starts

let heardAt = new Date();
let isStreamDown = false;
let hasFailed = false; // requests fail, and so did a look at the server after them
let probe = null;
let told = "";

/** Return whether an answer with this status says that Desk could not be reached; 0 stands for no answer. */
export const isAway = (status) => AWAY.includes(status);

/** Return whether requests have no answer. */
export const isOffline = () => !navigator.onLine || hasFailed;

/** Return whether the page may be out of date. */
export const isDown = () => isOffline() || isStreamDown;

/** Return since when the page may be out of date. */
export const lastHeard = () => heardAt;

/** Note that the live stream has said something. */
export function heard() {
  heardAt = new Date();
  isStreamDown = false;
  answered(200);
}

/** Note that the live stream is away. */
export function lost() {
  isStreamDown = true;
  failed();
  tell();
}

/** Note that a request was answered with this status. */
export function answered(status) {
  if (isAway(status)) return failed();
  clearTimeout(probe);
  probe = null;
  hasFailed = false;
  tell();
}

/** Note that a request was not answered: look whether the server is there at all, until it is. */
export function failed() {
  if (!probe) look();
}

async function look() {
  probe = setTimeout(look, PROBE_AFTER + PROBE_FOR);
  let status = 0;
  try {
    status = (await fetch(document.body.dataset.health, { signal: AbortSignal.timeout(PROBE_FOR) })).status;
  } catch {
    // it is away
  }
  if (!isAway(status)) return answered(status);
  clearTimeout(probe);
  probe = setTimeout(look, PROBE_AFTER);
  hasFailed = true;
  tell();
}

function tell() {
  const state = `${isOffline()} ${isDown()}`;
  if (told === state) return;
  told = state;
  document.dispatchEvent(new CustomEvent("desk:connection"));
}

addEventListener("online", tell);
addEventListener("offline", tell);
