// The message that a reply quotes, above the composer.

import { cut } from "./text.js";

const bar = () => document.getElementById("composer-quote");

/** Quote the message whose button was clicked. */
export function take(form, button) {
  const message = button.closest(".message");
  form.elements.reply_to_mid.value = message.dataset.mid;
  const words = message.querySelector(".text, .file__name, .card__title")?.textContent.trim() || "a picture";
  bar().querySelector("span").textContent = `Reply to: ${cut(words, 160)}`;
  bar().hidden = false;
}

export function drop(form) {
  form.elements.reply_to_mid.value = "";
  bar().hidden = true;
}
