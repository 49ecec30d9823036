// The note that is being written: this browser keeps it for its author until it is added. Tabs follow each other.

import * as choice from "./draft-choice.js";
import * as kept from "./kept.js";

const SAVE_AFTER = 300; // milliseconds without a key
const channel = globalThis.BroadcastChannel ? new BroadcastChannel(`desk notes ${kept.user}`) : null;
let box = null; // {id (of the conversation), key, read, write, saved, hasFailed}
let timer = null;

/** Keep the note of conversation `id`, and bring back what was kept; `read` and `write` get and set its text. */
export async function reset(id, { read, write }) {
  saveNow(); // of the conversation before, whose text `read` still returns
  const mine = { id, key: keyOf(id), read, write, saved: "", hasFailed: false };
  box = mine;
  const notes = await kept.rows("notes").catch(() => []);
  const own = notes.find((row) => row.id === mine.key);
  if (!own || box !== mine) return;
  mine.saved = own.text;
  if (!read()) write(own.text);
  else if (read() !== own.text) choose(own.text);
}

export function drop() {
  saveNow();
  box = null;
}

/** Keep a note of conversation `id`, which is not shown. Throws when the browser cannot. */
export const keep = (id, text) => kept.put("notes", rowOf(id, text));

const rowOf = (id, text) => ({ id: keyOf(id), user: kept.user, at: Date.now(), conversation: id, text });
const keyOf = (id) => `${kept.user} ${id}`;

export const isAtRisk = () => Boolean(box?.read().trim()) && (box.hasFailed || box.read() !== box.saved);

export function saveSoon() {
  clearTimeout(timer);
  timer = setTimeout(saveNow, SAVE_AFTER);
}

export async function saveNow() {
  clearTimeout(timer);
  const mine = box;
  const text = mine?.read() ?? "";
  if (!mine || text === mine.saved) return;
  mine.saved = text;
  try {
    await (text.trim() ? keep(mine.id, text) : kept.remove("notes", mine.key));
    mine.hasFailed = false;
    channel?.postMessage({ conversation: mine.id, text });
  } catch {
    mine.hasFailed = true;
  }
}

function choose(theirs) {
  const mine = box;
  choice.show(theirs, {
    useTheirs: () => {
      mine.saved = theirs;
      mine.write(theirs);
    },
    keepMine: saveNow,
  });
}

channel?.addEventListener("message", ({ data: { conversation, text } }) => {
  if (!box || conversation !== box.id || box.read() === text) return;
  if (box.read() !== box.saved) return choose(text);
  box.saved = text;
  box.write(text);
});

addEventListener("pagehide", saveNow);
document.addEventListener("visibilitychange", () => document.visibilityState === "hidden" && saveNow());
