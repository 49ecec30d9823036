// The draft of the reply that is being written: saved on the server soon after each change. The tab keeps each one until
// the server has confirmed it: a page that is loaded again at once may be rendered before the draft is stored, and the
// server may be away. Tabs of one browser follow each other; when two changed one draft, the agent chooses.

import * as choice from "./draft-choice.js";
import { fetchPart } from "./http.js";
import * as kept from "./kept.js";

const SAVE_AFTER = 700; // milliseconds without a key
const KEEPALIVE = 15_000; // characters; browsers limit requests that outlive their page
const keyOf = (form) => `draft ${form.dataset.writer} ${form.dataset.draft}`;
const channel = globalThis.BroadcastChannel ? new BroadcastChannel(`desk drafts ${kept.user}`) : null;

class Changed extends Error {
  constructor(theirs) {
    super("changed elsewhere");
    this.theirs = theirs;
  }
}

// {form, id (of the conversation), read, write, isBusy, told; saved: what the server has, null when it may have less;
// known: all that this page may have saved there; theirs: what somebody else saved, until the agent has chosen}
let box = null;
let timer = null;

/**
 * Keep the draft of this form. `read` and `write` get and set the text of the reply, `isBusy` says whether it is being
 * sent, and `told(state, words)` hears "saved", "failed" or "other", the last for the text of another tab.
 */
export function reset(form, id, { read, write, isBusy, told }) {
  clearTimeout(timer);
  choice.hide();
  box = { form, id, read, write, isBusy, told, saved: read(), known: [read()], theirs: null };
  const own = unconfirmed(form);
  if (own && own.text !== box.saved) {
    box.known = own.known ?? box.known;
    write(own.text);
  } else confirmed(form);
}

export function drop() {
  clearTimeout(timer);
  box = null;
}

/** What the server has, as far as this page knows. */
export const saved = () => box.saved ?? "";

/** Note what the server has now. */
export function isNow(text) {
  box.saved = text;
  box.known = [text];
}

/** Save even if nothing seems to have changed. */
export const doubt = () => (box.saved = null);

export const isClean = () => Boolean(box) && box.saved !== null && box.read() === box.saved && !box.isBusy();

/** Return whether text would be lost if the tab were closed now. */
export const isAtRisk = () =>
  Boolean(box?.form.isConnected) && box.read().trim() !== "" && (box.saved === null || box.theirs !== null);

export function saveSoon() {
  clearTimeout(timer);
  timer = setTimeout(saveNow, SAVE_AFTER);
}

export const pause = () => clearTimeout(timer);

/** Save the draft on the server now, also when the page is being left. */
export function saveNow() {
  clearTimeout(timer);
  if (!box?.form.isConnected || box.isBusy() || box.theirs !== null) return;
  const words = box.read();
  if (words === box.saved) return;
  const mine = box;
  mine.saved = words;
  const known = [...mine.known];
  mine.known.push(words);
  save(mine.form, words, known)
    .then(() => {
      mine.known = mine.known.slice(mine.known.lastIndexOf(words));
      tell(mine.id, words);
      mine.told("saved", words);
      document.dispatchEvent(new CustomEvent("desk:draft", { detail: mine.id }));
    })
    .catch((error) => {
      mine.saved = null;
      if (error instanceof Changed && mine === box) ask(error.theirs);
      else mine.told("failed", words);
    });
}

function ask(theirs) {
  const mine = box;
  mine.theirs = theirs;
  const settle = (text) => {
    mine.theirs = null;
    mine.known = [theirs];
    if (text === null) return saveNow();
    mine.saved = text;
    confirmed(mine.form);
    mine.write(text);
    mine.told("other", text);
  };
  choice.show(theirs, { useTheirs: () => settle(theirs), keepMine: () => settle(null) });
}

const tell = (id, text) => channel?.postMessage({ conversation: id, text });

channel?.addEventListener("message", ({ data: { conversation, text } }) => {
  if (!box || conversation !== box.id || box.theirs !== null) return;
  if (box.read() !== text) {
    if (!isClean()) return; // the next save asks
    box.write(text);
    box.told("other", text);
  }
  isNow(text);
});

/** Save the text as the user's draft in the form's conversation. Throws when the server did not take it. */
export async function save(form, words, known = null) {
  keep(form, words, known);
  const fields = [["text", words], ...(known ?? []).map((text) => ["known", text])];
  const size = fields.reduce((sum, [, text]) => sum + text.length, 0);
  const response = await fetchPart(form.dataset.draft, {
    method: "POST",
    body: new URLSearchParams(fields),
    keepalive: size < KEEPALIVE,
  });
  if (response.ok || response.status === 404) confirmed(form, words);
  if (response.status === 409) throw new Changed(await response.text());
  if (!response.ok) throw new Error("not saved");
}

/** Return {text, known} that this tab tried to save and the server has not confirmed, null if there is nothing. */
function unconfirmed(form) {
  try {
    return JSON.parse(sessionStorage.getItem(keyOf(form)));
  } catch {
    return null;
  }
}

/** Forget what was not confirmed; with `words` only if it is still this text. */
export function confirmed(form, words = null) {
  if (words === null || unconfirmed(form)?.text === words) sessionStorage.removeItem(keyOf(form));
}

/** Note that the reply was sent: the server has no draft any more. */
export function sent() {
  box.theirs = null;
  choice.hide();
  isNow("");
  confirmed(box.form);
  tell(box.id, "");
}

function keep(form, text, known) {
  try {
    sessionStorage.setItem(keyOf(form), JSON.stringify({ text, known }));
  } catch {
    // private windows may have no storage: the server alone keeps the draft then
  }
}

addEventListener("pagehide", saveNow);
document.addEventListener("desk:logged-in", saveNow);
document.addEventListener("desk:connection", saveNow);
document.addEventListener("visibilitychange", () => document.visibilityState === "hidden" && saveNow());
