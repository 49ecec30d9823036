// Saved views: saving the list as one, their counts, and the two ways to choose a day in the filter.

import { fetchPart, parse, post, reasonOf, toast } from "./http.js";
import { gettext } from "./words.js";

const FRESH = 30_000; // milliseconds for which counts are shown without asking again
let sizes = {};
let askedAt = Number.NEGATIVE_INFINITY;

function showSizes() {
  for (const mark of document.querySelectorAll("#views [data-size]")) mark.textContent = sizes[mark.dataset.size] ?? "";
}

/** Ask for the counts when somebody looks: when the menu opens, and while a saved view is shown. */
async function ask() {
  showSizes();
  if (!document.querySelector("#views [data-size]") || performance.now() - askedAt < FRESH) return;
  askedAt = performance.now();
  try {
    const response = await fetchPart(document.getElementById("more-views").dataset.sizes);
    if (response.ok) sizes = await response.json();
  } catch {
    askedAt = Number.NEGATIVE_INFINITY; // the network is away: the next look asks again
  }
  showSizes();
}

async function save(event) {
  const form = event.target.closest("[data-view-form]");
  if (!form) return;
  event.preventDefault();
  const button = event.submitter ?? form.querySelector("button");
  const error = form.querySelector("[data-view-error]");
  const fields = new FormData(form, event.submitter); // a disabled button is not in it
  button.disabled = true;
  try {
    const response = await post(form.action, fields, { waits: true });
    if (response.ok) {
      show(await response.text());
      toast(gettext("The view is saved."));
      return;
    }
    const reason = await reasonOf(response, gettext("Somebody has deleted this view meanwhile."));
    if (error) error.textContent = reason;
    else toast(reason, true);
  } catch {
    toast(gettext("The server cannot be reached. Nothing was saved."), true);
  } finally {
    button.disabled = false;
  }
}

function show(html) {
  const page = parse(html);
  const filters = page.getElementById("list-filters");
  filters.remove();
  const body = document.getElementById("list-body");
  document.getElementById("list-filters").replaceChildren(...filters.childNodes);
  body.replaceChildren(...page.body.childNodes);
  window.htmx.process(body);
  askedAt = Number.NEGATIVE_INFINITY;
  document.dispatchEvent(new CustomEvent("desk:list-replaced"));
}

/** A time is chosen by a length or by a day, a field by a value or by being set: the last choice counts. */
function chosen(event) {
  const control = event.target;
  if (control.type === "checkbox" ? !control.checked : !control.value) return;
  const times = control.closest?.("#list-filters .filter__controls");
  const others = times
    ? [...times.querySelectorAll("select, input")].filter((other) => other !== control)
    : fieldsBeside(control);
  for (const other of others) {
    if (other.type === "checkbox") other.checked = false;
    else other.value = "";
  }
}

function fieldsBeside(control) {
  const all = [...(control.closest?.(".field-filter")?.querySelectorAll("select, input") ?? [])];
  return all.filter((other) => "set" in other.dataset !== "set" in control.dataset);
}

/** Groups of fields that are open stay open when the server renders the filters again. */
function keepOpen({ detail }) {
  if (detail.target.id !== "list-filters") return;
  for (const group of detail.target.querySelectorAll("details[open]")) {
    const fresh = detail.fragment.querySelector(`#${group.id}`);
    if (fresh) fresh.open = true;
  }
}

/** Empty inputs of fields say nothing, and there may be very many. */
function leaveOutEmpty({ detail }) {
  if (detail.elt.id !== "list-form") return;
  for (const [name, value] of [...detail.formData.entries()]) {
    if (name.startsWith("field_") && value === "") detail.formData.delete(name);
  }
}

export function start() {
  document.addEventListener("change", chosen, { capture: true });
  document.body.addEventListener("htmx:oobBeforeSwap", keepOpen);
  document.body.addEventListener("htmx:configRequest", leaveOutEmpty);
  document.addEventListener("submit", save);
  document.addEventListener("toggle", (event) => event.target.id === "more-views" && event.target.open && ask(), {
    capture: true,
  });
  document.addEventListener("desk:views", showSizes);
  document.addEventListener("desk:list", () => document.querySelector("#more-views summary [data-size]") && ask());
  if (document.querySelector("#more-views summary [data-size]")) ask();
}
