// Reactions to a customer's message: one of the usual emoji, or any. The bubble shows one that is being sent.

import * as emoji from "./emoji.js";
import { toast } from "./http.js";
import * as thread from "./thread.js";
import { gettext } from "./words.js";

async function react(id, sign) {
  try {
    await thread.settle(thread.address(`messages/${id}/react/`), { emoji: sign });
  } catch {
    toast(gettext("The server cannot be reached. Your reaction was not sent."), true);
  }
}

export function start() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-react]");
    if (button) emoji.open(button, (sign) => react(button.dataset.react, sign), { quick: true });
  });
}
