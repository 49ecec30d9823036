// Drafts on their way to the server. The tab keeps each one until the server has confirmed it: a page that is loaded
// again at once may be rendered before the draft is stored, and the server may be away.

import { fetchPart } from "./http.js";

const keyOf = (form) => `draft ${form.dataset.writer} ${form.dataset.draft}`;

/** Save the text as the user's draft in the form's conversation. Throws when the server did not take it. */
export async function save(form, words) {
  keep(form, words);
  const response = await fetchPart(form.dataset.draft, {
    method: "POST",
    body: new URLSearchParams({ text: words }),
    keepalive: words.length < 15_000,
  });
  if (response.ok || response.status === 404) confirmed(form, words);
  if (!response.ok) throw new Error("not saved");
}

/** Return what this tab tried to save and the server has not confirmed, null if there is nothing. */
export function unconfirmed(form) {
  try {
    return sessionStorage.getItem(keyOf(form));
  } catch {
    return null;
  }
}

/** Forget what was not confirmed; with `words` only if it is still this text. */
export function confirmed(form, words = null) {
  if (words === null || unconfirmed(form) === words) sessionStorage.removeItem(keyOf(form));
}

function keep(form, words) {
  try {
    sessionStorage.setItem(keyOf(form), words);
  } catch {
    // private windows may have no storage: the server alone keeps the draft then
  }
}
