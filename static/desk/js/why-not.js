// Says in a sentence why a shortcut does nothing now.

import { toast } from "./http.js";
import * as thread from "./thread.js";
import { gettext } from "./words.js";

let last = null;

/** Show the sentence in place of the one before: a key may be pressed often. */
export function tell(sentence) {
  last?.remove();
  last = toast(sentence);
}

/** Return what is true of the open conversation: words of templates/tickets/_thread_head.html. */
const facts = () => document.querySelector("#thread-head [data-facts]")?.dataset.facts.split(/\s+/) ?? [];

export const isErased = () => facts().includes("erased");

const DELETED = gettext("The channel of this conversation was deleted.");
const ERASED = gettext("The data of this customer was erased.");
const NO_TICKET = gettext("This conversation has no ticket.");
// For each key the facts that stand in its way, the strongest first.
const REASONS = {
  note: { erased: ERASED },
  m: { deleted: DELETED, yours: gettext("This conversation is already yours.") },
  a: { deleted: DELETED },
  t: { erased: ERASED, deleted: DELETED },
  e: { "no-ticket": NO_TICKET },
  "shift+e": { "no-ticket": NO_TICKET, closed: gettext("The ticket is already closed.") },
  s: {
    deleted: DELETED,
    "no-ticket": NO_TICKET,
    closed: gettext("A closed ticket cannot be snoozed. Reopen it first."),
  },
  l: { erased: ERASED, "no-ticket": NO_TICKET },
  p: { erased: ERASED, "no-ticket": NO_TICKET },
  b: { deleted: DELETED },
};
const OTHERWISE = {
  l: gettext("There is no other label for this ticket."),
  x: gettext("Go to a conversation in the list first, with J or K."),
  "shift+x": gettext("Select conversations in the list first, with X."),
};

/** Say why the shortcut with this key does nothing. */
export function say(key) {
  tell(reasonFor(key));
}

function reasonFor(key) {
  if (key === "x" || key === "shift+x") return OTHERWISE[key];
  if (!thread.current()) return gettext("Open a conversation first.");
  const found = facts();
  if (found.includes("read-only"))
    return gettext("You can read this conversation and write notes. Only its agents can change it.");
  const fact = Object.keys(REASONS[key] ?? {}).find((one) => found.includes(one));
  if (fact) return REASONS[key][fact];
  return OTHERWISE[key] ?? gettext("This is not possible in this conversation.");
}

/** Say why there is no conversation to go to, `by` one further down or up. */
export function sayOfList(by) {
  if (!document.querySelector("#rows .row-item")) tell(gettext("The list is empty."));
  else if (by > 0) tell(gettext("This is the last conversation in the list."));
  else tell(gettext("This is the first conversation in the list."));
}
