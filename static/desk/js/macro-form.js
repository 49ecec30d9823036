// The form of a macro: adds, moves and removes rows without a new page. The server makes the rows, as without scripts.

import { gettext } from "./words.js";

let isBusy = false;

async function submitted(event) {
  const form = event.target;
  const pressed = event.submitter;
  if (!form.matches("[data-macro-form]") || !pressed?.matches("[data-row-button]")) return;
  event.preventDefault();
  delete form.dataset.sent; // setup.js may have seen this before: the form itself is not sent
  if (isBusy) return;
  isBusy = true;
  const before = new Set(keys(form));
  try {
    const response = await fetch(location.href, { method: "POST", body: new FormData(form, pressed) });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const rows = page.getElementById("macro-rows");
    if (!rows) throw new Error("no rows"); // such as the page for the login
    const chosen = form.querySelector("#macro-new").value;
    form.querySelector("#macro-rows").replaceWith(document.importNode(rows, true));
    form.querySelector("#macro-new").value = chosen;
    focus(form, pressed, before);
  } catch {
    say(form, gettext("The server cannot be reached. Nothing was changed."));
  } finally {
    isBusy = false;
  }
}

const keys = (form) => [...form.querySelectorAll("[data-row]")].map((row) => row.dataset.row);

/** Put the focus into the row that is new, on the button that was pressed, or where the removed row was. */
function focus(form, { name, value }, before) {
  const added = keys(form).find((key) => !before.has(key));
  const target =
    added === undefined
      ? form.querySelector(`[data-row-button][name="${name}"][value="${CSS.escape(value)}"]:not([disabled])`)
      : form.querySelector(`[data-row="${added}"] :is(textarea, select, input:not([type=hidden]))`);
  const row =
    name === "up" || name === "down"
      ? form.querySelector(`[data-row="${CSS.escape(value)}"] button:not([disabled])`)
      : null;
  (target ?? row ?? form.querySelector("#macro-new")).focus();
}

function say(form, words) {
  const note = document.createElement("p");
  note.className = "field-error";
  note.setAttribute("role", "alert");
  note.textContent = words;
  form.querySelector("#macro-rows").prepend(note);
}

document.addEventListener("submit", submitted);
