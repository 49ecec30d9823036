// A logout deletes what this browser keeps for the user: replies that were not sent, attached files, notes that were not added. It
// asks before. Notifications end too.

import * as kept from "./kept.js";
import * as push from "./push.js";
import { gettext, interpolate, ngettext } from "./words.js";

const PUSH_MS = 2000; // the push service may not answer; the server has forgotten the browser in any case

/** Return what is asked before; empty when nothing would be lost. */
function questionFor({ unsent, files, notes }) {
  const parts = [
    [unsent, ngettext("%(count)s reply was not sent.", "%(count)s replies were not sent.", unsent)],
    [files, ngettext("%(count)s file is attached.", "%(count)s files are attached.", files)],
    [notes, ngettext("%(count)s note was not added.", "%(count)s notes were not added.", notes)],
  ].filter(([count]) => count);
  if (!parts.length) return "";
  const words = parts.map(([count, text]) => interpolate(text, { count }));
  return [...words, gettext("Logging out deletes this from the browser. Log out?")].join(" ");
}

async function submitted(event) {
  const form = event.target;
  if (form.method !== "post" || !new URL(form.action).pathname.endsWith("/logout/") || form.dataset.cleared) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  try {
    const question = questionFor(await kept.count());
    if (question && !confirm(question)) return;
    await kept.deleteAll();
    sessionStorage.clear();
    await Promise.race([push.leave(), new Promise((end) => setTimeout(end, PUSH_MS))]);
  } catch {
    // the browser keeps nothing
  }
  form.dataset.cleared = "yes";
  form.requestSubmit();
}

document.addEventListener("submit", submitted, true);
