// The menu beside Send: what is done besides sending (close, snooze), and sending later; when a sticker or template is sent.

import { toast } from "./http.js";
import { recall, remember } from "./storage.js";
import { gettext } from "./words.js";

const CANCEL = "desk.later-cancel"; // whether a scheduled reply is cancelled when the customer writes
const element = (id) => document.getElementById(id);

/** Prepare the menu of a composer that is shown. */
export function reset(form) {
  const box = element("later-cancel");
  box.checked = recall(CANCEL) === "yes";
  box.addEventListener("change", () => remember(CANCEL, box.checked ? "yes" : "no"));
  element("later-at").addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault(); // Enter in a form presses its first button, which sends at once
    const button = form.querySelector('[name="later"][value="time"]');
    if (!button.disabled) form.requestSubmit(button);
  });
}

/** Open the menu at the times. */
export function open() {
  const menu = element("composer-more");
  const first = element("send-later")?.querySelector("button");
  if (!menu || menu.hidden || !first) return;
  if (first.disabled) {
    element("composer-text").focus();
    toast(gettext("Write the reply first, then choose when to send it."));
    return;
  }
  menu.open = true;
  first.focus();
  menu.addEventListener("toggle", backToText);
}

/** After Esc the keyboard writes on: it came from the text, and not from the button of the menu. */
function backToText({ currentTarget: menu }) {
  if (menu.open) return;
  menu.removeEventListener("toggle", backToText);
  if (document.activeElement === menu.querySelector("summary")) element("composer-text").focus();
}

/** Return the fields that the pressed button adds to the reply. */
export function fieldsOf(button) {
  if (!["close", "snooze", "later"].includes(button?.name)) return {};
  if (button.name !== "later") return { [button.name]: button.value };
  const fields = { later: button.value };
  if (button.value === "time") fields.later_at = element("later-at").value;
  if (element("later-cancel").checked) fields.cancel_if_customer_writes = "yes";
  return fields;
}

/** Return the fields that the choice *When to send* inside `root` adds to a sticker or a template. */
export function fieldsIn(root) {
  const value = (name) => root.querySelector(`[data-send-when] [name="${name}"]`);
  const later = value("later")?.value;
  if (!later) return {};
  const fields = { later };
  if (later === "time") fields.later_at = value("later_at").value;
  if (value("cancel_if_customer_writes").checked) fields.cancel_if_customer_writes = "yes";
  return fields;
}

document.addEventListener("change", ({ target }) => {
  const box = target.name === "later" && target.closest("[data-send-when]");
  if (!box) return;
  box.querySelector('[data-when="time"]').hidden = target.value !== "time";
  box.querySelector('[data-when="later"]').hidden = !target.value;
});
