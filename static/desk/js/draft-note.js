// The note that is being written, with those it mentions: this browser keeps it for its author until it is added. Tabs
// follow each other.

import * as choice from "./draft-choice.js";
import * as kept from "./kept.js";

const SAVE_AFTER = 300; // milliseconds without a key
const NOBODY = "[]";
const channel = globalThis.BroadcastChannel ? new BroadcastChannel(`desk notes ${kept.user}`) : null;
// {id (of the conversation), key, read, write, mentioned, saved (the text), savedMentions (as JSON), hasFailed}
let box = null;
let timer = null;

/**
 * Keep the note of conversation `id`, and bring back what was kept. `read` returns its text, `mentioned` those chosen in
 * it, and `write(text, mentions)` sets both.
 */
export async function reset(id, { read, write, mentioned }) {
  saveNow(); // of the conversation before, whose text `read` still returns
  const mine = { id, key: keyOf(id), read, write, mentioned, saved: "", savedMentions: NOBODY, hasFailed: false };
  box = mine;
  const notes = await kept.rows("notes").catch(() => []);
  const own = notes.find((row) => row.id === mine.key);
  if (!own || box !== mine) return;
  if (["", own.text].includes(read())) return take(mine, own);
  mine.saved = own.text;
  choose(own);
}

export function drop() {
  saveNow();
  box = null;
}

/** Keep a note of conversation `id`, which is not shown. Throws when the browser cannot. */
export const keep = (id, text, mentions) => kept.put("notes", rowOf(id, text, mentions));

const rowOf = (id, text, mentions) => ({
  id: keyOf(id),
  user: kept.user,
  at: Date.now(),
  conversation: id,
  text,
  mentions,
});
const keyOf = (id) => `${kept.user} ${id}`;

/** Show a note that was kept. */
function take(mine, { text, mentions = [] }) {
  Object.assign(mine, { saved: text, savedMentions: JSON.stringify(mentions) });
  mine.write(text, mentions);
}

export const isAtRisk = () => Boolean(box?.read().trim()) && (box.hasFailed || box.read() !== box.saved);

export function saveSoon() {
  clearTimeout(timer);
  timer = setTimeout(saveNow, SAVE_AFTER);
}

export async function saveNow() {
  clearTimeout(timer);
  const mine = box;
  const text = mine?.read() ?? "";
  const mentions = mine?.mentioned() ?? [];
  const savedMentions = JSON.stringify(mentions);
  if (!mine || (text === mine.saved && savedMentions === mine.savedMentions)) return;
  Object.assign(mine, { saved: text, savedMentions });
  try {
    await (text.trim() ? keep(mine.id, text, mentions) : kept.remove("notes", mine.key));
    mine.hasFailed = false;
    channel?.postMessage({ conversation: mine.id, text, mentions });
  } catch {
    mine.hasFailed = true;
  }
}

function choose(theirs) {
  const mine = box;
  choice.show(theirs.text, { useTheirs: () => take(mine, theirs), keepMine: saveNow });
}

channel?.addEventListener("message", ({ data: theirs }) => {
  if (!box || theirs.conversation !== box.id) return;
  if (![theirs.text, box.saved].includes(box.read())) return choose(theirs);
  take(box, theirs);
});

addEventListener("pagehide", saveNow);
document.addEventListener("visibilitychange", () => document.visibilityState === "hidden" && saveNow());
