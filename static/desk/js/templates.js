// The dialog that sends a template of the Page: search, fields for the placeholders, a preview.

import { fetchPart, parse, toast } from "./http.js";
import { fieldsIn } from "./send-later.js";
import { gettext } from "./words.js";

const dialog = document.createElement("dialog");
dialog.className = "template-dialog";
dialog.setAttribute("aria-label", gettext("Send a template"));
let send = null;

/** Open the dialog at `url`; `onSend` gets the fields and returns the server's answer {status, body}. */
export async function open(url, onSend) {
  let answer;
  try {
    answer = await fetchPart(url);
  } catch {
    answer = null;
  }
  if (!answer?.ok) {
    toast(gettext("The templates could not be loaded. Try again."), true);
    return;
  }
  send = onSend;
  dialog.replaceChildren(...parse(await answer.text()).body.childNodes);
  if (!dialog.isConnected) document.body.append(dialog);
  for (const form of dialog.querySelectorAll("form")) preview(form);
  if (!dialog.open) dialog.showModal();
  dialog.querySelector("input:not([hidden]), a, button")?.focus();
}

function preview(form) {
  const values = new Map(
    [...form.querySelectorAll("[data-placeholder]")].map((field) => [field.dataset.placeholder, field.value.trim()]),
  );
  form.querySelector(".templates__preview").textContent = form.dataset.body.replace(
    /\{\{\s*(\w+)\s*\}\}/g,
    (whole, name) => values.get(name) || whole,
  );
}

function search(words) {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  const items = [...dialog.querySelectorAll(".templates__item")];
  for (const item of items) item.hidden = !wanted.every((word) => item.dataset.words.toLowerCase().includes(word));
  dialog.querySelector(".templates__none").hidden = items.some((item) => !item.hidden);
}

async function submit(form) {
  const button = form.querySelector("button");
  const refusal = form.querySelector(".refusal");
  const values = [...form.querySelectorAll("[data-placeholder]")].map((field) => field.value);
  button.disabled = true;
  refusal.hidden = true;
  const answer = await send({ template: form.dataset.template, template_value: values, ...fieldsIn(form) });
  button.disabled = false;
  if (answer.status === 200) {
    dialog.close();
    return;
  }
  refusal.hidden = false;
  refusal.textContent =
    answer.status === 422
      ? parse(answer.body).body.textContent.trim()
      : answer.status === 409
        ? gettext("Somebody else has answered meanwhile. Read the answer, then send again if it still fits.")
        : gettext("That did not work. Try again.");
}

dialog.addEventListener("keydown", (event) => event.stopPropagation()); // no shortcuts inside the dialog
dialog.addEventListener("input", (event) => {
  if (event.target.type === "search") search(event.target.value);
  else if (!event.target.closest("[data-send-when]")) preview(event.target.form);
});
dialog.addEventListener(
  "toggle",
  (event) => {
    const details = event.target.closest("details[open]");
    if (!details) return;
    details.querySelector(".button").scrollIntoView({ block: "nearest" });
    [...details.querySelectorAll("[data-placeholder]")].find((field) => !field.value)?.focus({ preventScroll: true });
  },
  true,
);
dialog.addEventListener("submit", (event) => {
  event.preventDefault();
  submit(event.target);
});
dialog.addEventListener("click", (event) => {
  if (event.target === dialog || event.target.closest("[data-close]")) dialog.close();
});
