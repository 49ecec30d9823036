// Asks which text stays when one draft was changed in two places.

import { cut } from "./text.js";
import { gettext, pieces } from "./words.js";

const slot = () => document.getElementById("draft-choice");

export function hide() {
  const box = slot();
  if (!box) return;
  box.hidden = true;
  box.replaceChildren();
}

/** Show the other text; the buttons call `useTheirs` or `keepMine`. */
export function show(theirs, { useTheirs, keepMine }) {
  const words = document.createElement("span");
  const other = document.createElement("q");
  other.dir = "auto";
  other.textContent = cut(theirs.trim(), 160);
  words.append(
    ...(theirs.trim()
      ? pieces(gettext("Changed in another tab: %(text)s"), { text: other })
      : [gettext("Deleted in another tab.")]),
  );
  const button = (label, act) => {
    const one = document.createElement("button");
    Object.assign(one, { type: "button", className: "button button--small", textContent: label });
    one.addEventListener("click", () => {
      hide();
      act();
      document.getElementById("composer-text")?.focus();
    });
    return one;
  };
  slot().replaceChildren(
    words,
    button(gettext("Use that text"), useTheirs),
    button(gettext("Keep this text"), keepMine),
  );
  slot().hidden = false;
}
