// Shows a sentence instead of the composer when the agent may not reply; typed text stays in sight. When only the
// customer's next message is missing, a reply can be written now and is held until then.

import * as thread from "./thread.js";

const element = (id) => document.getElementById(id);
let form = null;
let holding = false;

const gate = () => element("gate");

/** Show the sentence again: another conversation is shown, or the text was sent or deleted. */
export function reset(composer) {
  form = composer;
  holding = false;
  form.classList.remove("composer--note-open", "composer--kept");
  keepInSight();
}

/** Return whether nothing can be sent now, not even to be held. */
export const isShut = () => "gated" in form.dataset && !holding;

/** Return whether a reply sent now is held until the customer writes. */
export const isHolding = () => "gated" in form.dataset && holding;

export const mayHold = () => "gated" in form.dataset && "waits" in gate().dataset;

/** Let the agent write a reply that is held. */
export function hold() {
  holding = mayHold();
  show();
  return holding;
}

/** Keep typed text visible: it can be held, or at least be copied. */
export function keepInSight() {
  const isGated = "gated" in form.dataset;
  const hasWords = Boolean(form.elements.text.value.trim() || document.querySelector("#tiles > *"));
  if (isGated && hasWords && form.elements.kind.value === "reply") {
    if (mayHold()) holding = true;
    form.classList.add("composer--kept");
  }
  if (!isGated) {
    holding = false;
    form.classList.remove("composer--note-open", "composer--kept");
  }
  if (isGated && !mayHold()) holding = false;
  show();
}

function show() {
  form.classList.toggle("composer--hold", isHolding());
  gate().classList.toggle("gate--holding", isHolding());
}

/** Ask the server again when the messaging window has closed meanwhile. */
document.addEventListener("desk:tick", () => {
  const isOver =
    form?.isConnected && gate().dataset.state === "open" && Date.parse(gate().dataset.closes) <= Date.now();
  if (isOver) thread.refresh().catch(() => {});
});

/** Replace the sentence by the server's `fresh` one. */
export function update(fresh) {
  const old = gate();
  old.dataset.closes = fresh.dataset.closes;
  old.toggleAttribute("data-waits", "waits" in fresh.dataset);
  if (old.dataset.state !== fresh.dataset.state || old.textContent.trim() !== fresh.textContent.trim()) {
    old.dataset.state = fresh.dataset.state;
    old.replaceChildren(...[...fresh.childNodes].map((node) => document.importNode(node, true)));
  }
  const error = element("composer-error"); // do not show the same sentence twice
  if (error.textContent.trim() === old.querySelector(".gate__sentence")?.textContent.trim()) error.replaceChildren();
  const isOpen = fresh.dataset.state === "open";
  old.hidden = isOpen;
  form.toggleAttribute("data-gated", !isOpen);
  keepInSight();
}
