// What is asked before a pressed button does something.

import { confirmChoice } from "./layout.js";
import { gettext } from "./words.js";

/** Ask what the button asks, if anything. Resolves to whether to go on. */
export async function confirmed(pressed) {
  const question = pressed.dataset.confirm;
  return !question || confirmChoice(question, pressed.textContent.trim(), "danger" in pressed.dataset);
}

/**
 * Send the choice by `settle`. When somebody else has answered meanwhile, ask, and send it again. Returns whether it was
 * sent.
 */
export async function settled(settle, url, fields, onDone) {
  for (let asked; (asked = await settle(url, fields, onDone)); fields.set("seen", asked.dataset.id)) {
    if (!(await confirmChoice(asked.textContent, gettext("Send anyway")))) return false;
  }
  return true;
}
