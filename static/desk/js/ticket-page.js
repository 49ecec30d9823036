// The page of one ticket: its messages can be worked on as in the conversation, and the page stays where it is.

import * as focus from "./focus.js";
import { fetchPart, parse, post, reasonOf, toast } from "./http.js";
import * as lightbox from "./lightbox.js";
import * as media from "./media.js";
import * as messageTools from "./message-tools.js";
import { adopt, keyed, note, replace } from "./morph.js";
import * as noteEdit from "./note-edit.js";
import * as questions from "./questions.js";
import { gettext } from "./words.js";

const items = document.getElementById("ticket-items");
const TOKEN = /name="csrfmiddlewaretoken" value="[^"]*"/g; // it differs each time

/** Send the agent's choice, as `thread.settle` does, and show the messages as they are now. */
async function settle(url, fields, onDone = () => {}) {
  const response = await post(url, fields, { waits: true });
  if (response.status === 409) return parse(await response.text()).querySelector("[data-id]");
  if (response.ok) onDone();
  else toast(await reasonOf(response), true);
  await refresh();
  return null;
}

/** Read the page again and show the messages that differ. A form that is open stays, with what was typed. */
async function refresh() {
  const response = await fetchPart(location.href);
  if (!response.ok || response.redirected) {
    location.reload(); // the ticket was merged, or is not to be seen any more
    return;
  }
  const html = (element) => note(element).replace(TOKEN, "");
  for (const { key, element } of keyed(parse(await response.text()).getElementById(items.id).children)) {
    const old = items.querySelector(`:scope > [data-key="${CSS.escape(key)}"]`);
    if (!old || html(old) === html(element) || old.querySelector(".inline-edit[open]")) continue;
    const held = old.contains(document.activeElement) && focus.describe(document.activeElement);
    replace(old, adopt(element));
    if (held && !focus.pass(held)) document.getElementById("main").focus({ preventScroll: true });
  }
}

/** Return whether the page is left: what changes the ticket shows it anew, and a reply is edited in its conversation. */
function leaves(pressed) {
  const address = new URL(pressed.formAction).pathname;
  return !items.contains(pressed) || address.startsWith("/tickets/") || address.endsWith("/edit/");
}

async function submitted(event) {
  const pressed = event.submitter;
  if (leaves(pressed)) return;
  event.preventDefault();
  if (!(await questions.confirmed(pressed))) return;
  const fields = new FormData(event.target, pressed);
  const form = pressed.closest("details.inline-edit");
  pressed.disabled = true;
  try {
    await questions.settled(settle, pressed.formAction, fields, () => form?.removeAttribute("open"));
  } catch {
    toast(gettext("The server cannot be reached. Nothing was changed."), true);
  } finally {
    pressed.disabled = false;
  }
}

function clicked(event) {
  const quote = event.target.closest("[data-jump]");
  if (!quote || document.getElementById(quote.dataset.jump)) return;
  event.preventDefault();
  toast(gettext("That message is not on this page. Open the conversation to see it."));
}

for (const element of items.children) note(element);
document.getElementById("post").addEventListener("submit", submitted);
document.addEventListener("click", clicked);
focus.start();
lightbox.start();
media.start();
messageTools.start();
noteEdit.start(settle);
