// The buttons of a message that need no server: copying its text, and showing all of a long one.

import { toast } from "./http.js";
import { gettext } from "./words.js";

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    toast(gettext("Copied."));
  } catch {
    toast(gettext("The browser does not allow copying. Select the text and copy it."), true);
  }
}

function clicked({ target }) {
  const message = target.closest(".message, .note");
  if (target.closest("[data-copy]")) copy(message.querySelector(".text").textContent);
  const code = target.closest("[data-copy-text]");
  if (code) copy(code.dataset.copyText);
  const unfold = target.closest("[data-unfold]");
  if (!unfold) return;
  const folded = message.querySelector(".text").classList.toggle("text--folded");
  unfold.textContent = folded ? gettext("Show all") : gettext("Show less");
}

export function start() {
  document.addEventListener("click", clicked);
}
