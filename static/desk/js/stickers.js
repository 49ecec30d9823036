// The sticker picker: the server lists what can be sent, arrow keys move, a choice is sent now or at the chosen time.

import { fetchPart, parse, toast } from "./http.js";
import { fieldsIn } from "./send-later.js";
import { forward, gettext } from "./words.js";

const panel = document.createElement("div");
let anchor = null;
let choose = null;

const all = () => [...panel.querySelectorAll("[data-sticker]")];

/** Open beside `button` with the stickers at `url`; `onChoose` gets the id of the chosen one, and the fields of when. */
export async function open(button, url, onChoose) {
  const wasMine = anchor === button && panel.matches(":popover-open");
  close();
  if (wasMine) return;
  [anchor, choose] = [button, onChoose];
  if (!panel.isConnected) document.body.append(panel);
  let answer;
  try {
    answer = await fetchPart(url);
  } catch {
    answer = null;
  }
  if (!answer?.ok) {
    toast(gettext("The stickers could not be loaded. Try again."), true);
    return;
  }
  if (!button.isConnected || anchor !== button) return;
  panel.replaceChildren(...parse(await answer.text()).body.childNodes);
  panel.showPopover({ source: button });
  place();
  button.setAttribute("aria-expanded", "true");
  all()[0]?.focus();
}

function place() {
  const at = anchor.getBoundingClientRect();
  panel.style.left = `${Math.max(8, Math.min(at.left, innerWidth - panel.offsetWidth - 8))}px`;
  panel.style.top = `${Math.max(8, at.top - panel.offsetHeight - 8)}px`;
}

function close() {
  if (panel.matches(":popover-open")) panel.hidePopover();
}

panel.addEventListener("keydown", (event) => {
  event.stopPropagation(); // no shortcuts inside the panel
  if (event.target.closest("[data-send-when]") && event.key !== "Escape") return;
  const step = { ArrowRight: forward, ArrowDown: 1, ArrowLeft: -forward, ArrowUp: -1 }[event.key];
  if (event.key === "Escape") {
    event.preventDefault();
    close();
  } else if (step) {
    event.preventDefault();
    const buttons = all();
    buttons.at((buttons.indexOf(document.activeElement) + step) % buttons.length)?.focus();
  }
});

panel.addEventListener("click", (event) => {
  const id = event.target.closest("[data-sticker]")?.dataset.sticker;
  if (!id) return;
  const when = fieldsIn(panel);
  close();
  choose(id, when);
});

panel.addEventListener("toggle", (event) => {
  if (event.newState === "open") return;
  anchor?.setAttribute("aria-expanded", "false");
  if (!document.activeElement || document.activeElement === document.body) anchor?.focus({ preventScroll: true });
});

panel.className = "sticker-panel";
panel.setAttribute("popover", "auto");
panel.setAttribute("role", "dialog");
panel.setAttribute("aria-label", gettext("Stickers"));
addEventListener("resize", close);
