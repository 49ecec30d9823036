// The message that a reply quotes, above the composer.

import { cut } from "./text.js";
import { gettext, interpolate } from "./words.js";

const bar = () => document.getElementById("composer-quote");

/** Quote the message in which `element` is, such as its button. */
export function take(form, element) {
  const message = element.closest(".message");
  form.elements.reply_to_mid.value = message.dataset.mid;
  const words = message.querySelector(".text, .file__name, .card__title")?.textContent.trim() || gettext("a picture");
  bar().querySelector("span").textContent = interpolate(gettext("Reply to: %(text)s"), { text: cut(words, 160) });
  bar().hidden = false;
}

/** Quote the message with this mid again, as a reply that was taken back did. */
export function restore(form, mid) {
  const message = document.querySelector(`#items [data-mid="${CSS.escape(mid)}"]`);
  form.elements.reply_to_mid.value = mid;
  const words = message?.querySelector(".text, .file__name, .card__title")?.textContent.trim();
  bar().querySelector("span").textContent = words
    ? interpolate(gettext("Reply to: %(text)s"), { text: cut(words, 160) })
    : gettext("Reply to an earlier message");
  bar().hidden = false;
}

export function drop(form) {
  form.elements.reply_to_mid.value = "";
  bar().hidden = true;
}
