// Folds many grey lines in a row into one: the last stays visible, with a button that shows those before it.

import { interpolate, ngettext } from "./words.js";

const FEWEST = 4; // lines

const unfolded = new Set(); // keys of lines that the agent has asked for

const isLine = (element) => element.matches(".event") && !element.querySelector(".card");

/** Fold the lines of `column`, and set right what an earlier call has folded. */
export function foldEvents(column) {
  let run = [];
  for (const element of [...column.children, null]) {
    if (element && isLine(element)) {
      run.push(element);
      continue;
    }
    foldRun(run);
    run = [];
  }
}

function foldRun(run) {
  const earlier = run.slice(0, -1);
  const folds = run.length >= FEWEST && !earlier.some(({ dataset }) => unfolded.has(dataset.key));
  for (const element of run) {
    element.querySelector(".event__earlier")?.remove();
    element.classList.toggle("event--folded", folds && element !== run.at(-1));
  }
  if (folds) run.at(-1).prepend(buttonFor(earlier));
}

function buttonFor(earlier) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "link-button event__earlier";
  const count = earlier.length;
  const words = ngettext("Show %(count)s earlier event", "Show %(count)s earlier events", count);
  button.textContent = interpolate(words, { count });
  button.addEventListener("click", () => {
    for (const { dataset } of earlier) unfolded.add(dataset.key);
    const line = button.closest(".event");
    foldEvents(line.parentElement);
    line.tabIndex = -1; // the button is gone: the focus stays here
    line.focus({ preventScroll: true });
  });
  return button;
}
