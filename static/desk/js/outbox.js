// Replies and notes on their way to the server. Each is kept in this browser before it is sent, and until the server has
// answered: what could not be sent waits for the connection, survives the tab, and goes out once, in order. Fires
// `desk:unsent` on the document when what waits has changed, and `desk:went` when something waiting went out.
//
// The server makes one message of one key (`id`), so that a request whose answer was lost can be repeated. A lock for each
// conversation lets one tab send at a time; without locks (plain http) the key alone prevents a second message.

import * as connection from "./connection.js";
import { parse, uploadOnce } from "./http.js";
import * as kept from "./kept.js";
import { append, refusal } from "./sending.js";
import * as session from "./session.js";
import { gettext, interpolate } from "./words.js";

export const QUEUED = -1; // the status of what waits for the connection
const AGAIN_AFTER = 2000; // milliseconds; doubled with each attempt up to MOST_PAUSE
const MOST_PAUSE = 15_000;
const CONFIRMED = { state: "waiting", reason: "", asked: null };
const BUSY = { status: QUEUED };

// {id, user, at, conversation, customer, action, kind, text, fields, files, state ("waiting", "stopped"), reason, asked,
// wasTried (the server may have it), confirmedAt (when the agent last chose to send it)}
let entries = [];
const direct = new Set(); // ids of those that the composer sends: it shows them itself
const notKept = new Set(); // ids of those among them that the browser could not keep
let isDraining = false;
let mustDrainAgain = false;
let timer = null;
let pause = AGAIN_AFTER;
let sendingId = null;
const channel = globalThis.BroadcastChannel ? new BroadcastChannel(`desk unsent ${kept.user}`) : null;

/** Return what waits or was refused, the oldest first. */
export const all = () => entries.filter(({ id }) => !direct.has(id));

/** Return whether something on its way would be lost if the page were left now. */
export const isAtRisk = () => notKept.size > 0;

export const isSending = (id) => id === sendingId;

async function reread() {
  entries = await kept.rows("unsent").catch(() => entries);
  document.dispatchEvent(new CustomEvent("desk:unsent"));
}

async function changed() {
  channel?.postMessage("changed");
  await reread();
}

/** Call `act` while no other tab sends in this conversation; returns BUSY when one does. */
function alone(conversation, act) {
  if (!navigator.locks) return act();
  return navigator.locks.request(`desk unsent ${kept.user} ${conversation}`, { ifAvailable: true }, (lock) =>
    lock ? act() : BUSY,
  );
}

const waitingIn = async (conversation) =>
  (await kept.rows("unsent")).filter((entry) => entry.conversation === conversation && entry.state === "waiting");

/**
 * Send what the composer has. Returns {status, body}; QUEUED when it waits for the connection, and 0 when it could neither
 * be sent nor kept.
 */
export async function send(entry, onProgress) {
  direct.add(entry.id);
  try {
    await kept.put("unsent", entry);
  } catch {
    direct.delete(entry.id);
    notKept.add(entry.id);
    try {
      return await answered(entry, onProgress);
    } finally {
      notKept.delete(entry.id);
    }
  }
  let answer = BUSY;
  try {
    answer = await alone(entry.conversation, () => sendFirst(entry, onProgress));
  } catch {
    // the browser's storage failed after it had kept the entry: it waits
  } finally {
    direct.delete(entry.id);
    await changed();
  }
  if (answer.status === QUEUED) drainSoon();
  return answer;
}

async function sendFirst(entry, onProgress) {
  const [first] = await waitingIn(entry.conversation);
  if (connection.isOffline() || (first && first.id !== entry.id)) return BUSY;
  const answer = await answered(entry, onProgress);
  if (connection.isAway(answer.status)) {
    await kept.change("unsent", entry.id, { wasTried: true });
    return BUSY;
  }
  await kept.remove("unsent", entry.id);
  return answer;
}

/** Send now, after the login if the session has ended. */
async function answered(entry, onProgress) {
  const answer = await attempt(entry, { onProgress });
  try {
    if (answer.status === 401) await session.ask();
    else if (answer.status === 403) await session.ensure();
    else return answer;
  } catch {
    return { status: 0, body: "" };
  }
  return attempt(entry, { onProgress });
}

async function attempt({ action, fields, files, at, confirmedAt }, { onProgress = () => {}, hasWaited = false } = {}) {
  const data = new FormData();
  if (hasWaited) data.set("waited", "yes"); // what is typed meanwhile stays the draft
  for (const [name, value] of fields) data.append(name, value);
  if (data.has("later") || data.has("snooze"))
    data.set("later_age", Math.max(0, Math.round((Date.now() - (confirmedAt ?? at)) / 1000)));
  append(data, files);
  try {
    return await uploadOnce(action, data, onProgress);
  } catch {
    return { status: 0, body: "" };
  }
}

// --- What waits
function drainSoon() {
  clearTimeout(timer);
  timer = setTimeout(drain, pause);
  pause = Math.min(pause * 2, MOST_PAUSE);
}

function drainNow() {
  pause = AGAIN_AFTER;
  drain();
}

/** Send what waits. */
export async function drain() {
  clearTimeout(timer);
  mustDrainAgain = isDraining;
  if (isDraining || !navigator.onLine) return;
  isDraining = true;
  try {
    await reread();
    const waiting = all().filter(({ state }) => state === "waiting");
    for (const conversation of new Set(waiting.map((entry) => entry.conversation)))
      await alone(conversation, () => drainConversation(conversation));
  } catch {
    // the browser's storage failed: it is tried again
  } finally {
    isDraining = false;
    sendingId = null;
    await changed();
  }
  if (mustDrainAgain) drainNow();
  else if (all().some(({ state }) => state === "waiting")) drainSoon();
}

async function drainConversation(conversation) {
  for (let entry; (entry = (await waitingIn(conversation))[0]); ) {
    if (Date.now() - (entry.confirmedAt ?? entry.at) > kept.DAY) {
      await stop(entry, gettext("It has waited for more than a day. Check whether it still fits."));
      continue;
    }
    sendingId = entry.id;
    await changed();
    await kept.change("unsent", entry.id, { wasTried: true });
    let answer = await attempt(entry, { hasWaited: true });
    if (answer.status === 403 && (await session.renew().catch(() => false)))
      answer = await attempt(entry, { hasWaited: true });
    sendingId = null;
    if (connection.isAway(answer.status)) return;
    if (answer.status === 401 || answer.status === 403) {
      session.ask(); // it goes on after the login
      return;
    }
    pause = AGAIN_AFTER;
    if (answer.status === 200) await went(entry, answer);
    else await refused(entry, answer);
  }
}

async function went(entry, answer) {
  await kept.remove("unsent", entry.id);
  await changed();
  document.dispatchEvent(new CustomEvent("desk:went", { detail: { entry, body: answer.body } }));
}

function refused(entry, answer) {
  const notice = answer.status === 409 ? parse(answer.body).querySelector("[data-id]") : null;
  const asked = notice && { id: notice.dataset.id, by: notice.dataset.by, at: notice.dataset.at };
  const reason = asked
    ? interpolate(gettext("%(who)s replied at %(time)s, after you wrote this."), { who: asked.by, time: asked.at })
    : refusal(answer, { isKept: true })[0].textContent;
  const wasTried = ![409, 413, 422].includes(answer.status); // those stored nothing
  return stop(entry, reason, { asked, wasTried });
}

/** Keep in sight what is not sent, and the replies behind it: they would be out of order. */
async function stop(entry, reason, values = {}) {
  await kept.change("unsent", entry.id, { state: "stopped", reason, ...values });
  if (entry.kind === "note") return;
  for (const behind of await waitingIn(entry.conversation)) {
    if (behind.kind !== "note")
      await kept.change("unsent", behind.id, {
        state: "stopped",
        reason: gettext("The reply before it was not sent."),
      });
  }
}

// --- What the agent chooses
/** Send again what was refused; when a colleague had replied, that reply counts as read. */
export async function again(entry) {
  const fields = entry.asked
    ? [...entry.fields.filter(([name]) => name !== "seen"), ["seen", entry.asked.id]]
    : entry.fields;
  await kept.change("unsent", entry.id, { ...CONFIRMED, confirmedAt: Date.now(), fields });
  await changed();
  drainNow();
}

/** Take the entry out, after `use()`. Returns false when it is being sent in this moment, or went out. */
export async function take(entry, use = () => {}) {
  const taken = await alone(entry.conversation, async () => {
    const now = (await kept.rows("unsent")).find(({ id }) => id === entry.id);
    if (!now) return BUSY;
    await use(now);
    await kept.remove("unsent", now.id);
    return null;
  });
  await changed();
  return taken !== BUSY;
}

export function start() {
  channel?.addEventListener("message", reread);
  addEventListener("online", drainNow);
  document.addEventListener("desk:connection", () => connection.isOffline() || drainNow());
  document.addEventListener("desk:logged-in", drainNow);
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && drainNow());
  kept
    .deleteExpired()
    .catch(() => {})
    .finally(drainNow);
}
