// Changing one's own notes in the thread, with the same mentions as in the composer.

import { toast } from "./http.js";
import { MentionField } from "./mentions.js";
import { gettext } from "./words.js";

let settle = null; // sends the changed note and shows what became of it, as `thread.settle` does
const fields = new WeakMap(); // textarea -> its MentionField

function fieldOf(text) {
  if (!fields.has(text)) fields.set(text, new MentionField(text, text.dataset.mentionField));
  return fields.get(text);
}

async function save(button) {
  const text = document.getElementById(button.dataset.noteSave);
  const form = button.closest("details");
  const data = [["text", text.value], ...fieldOf(text).fields()];
  button.disabled = true;
  try {
    await settle(button.dataset.url, data, () => {
      if (form.contains(document.activeElement)) form.querySelector("summary").focus();
      form.removeAttribute("open");
    });
    await fieldOf(text).recheck();
  } catch {
    toast(gettext("The server cannot be reached. Nothing was changed."), true);
  } finally {
    button.disabled = false;
  }
}

export function start(how) {
  settle = how;
  document.addEventListener("focusin", ({ target }) => target.matches("[data-mention-field]") && fieldOf(target));
  document.addEventListener(
    "keydown",
    (event) => event.target.matches?.("[data-mention-field]") && fieldOf(event.target).key(event),
    true,
  );
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-note-save]");
    if (!button) return;
    event.preventDefault(); // without a script it sends its form
    save(button);
  });
}
