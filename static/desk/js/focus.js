// Keeps the focus of who works by keyboard. What has the focus may be disabled, hidden, replaced or removed by what it
// does: the focus then goes to its successor, or to what is nearest, and is never lost to the page.

const MOST = 20; // elements that are remembered
const FIELD =
  "a[href], button:not(:disabled), summary, input:not(:disabled), select:not(:disabled), textarea:not(:disabled)";
const FORM = "details[open]:not(.popover)";
const past = []; // descriptions of what had the focus, the newest first
let byKeyboard = false;
let isLost = false;
let planned = false;

const isShown = (one) => one?.isConnected && one.checkVisibility({ visibilityProperty: true });
const canHave = (one) => isShown(one) && !one.matches(":disabled");
const rowsOf = (strip) => [...strip.querySelectorAll(".row-item")];

/** Return what an element is, independent of its place: the same in HTML that comes from the server again. */
function identity(one) {
  const name = one.id || one.dataset.key || one.dataset.view || (one.matches("summary") && one.parentElement.id);
  if (name) return name;
  const words = one.getAttribute("aria-label") ?? one.textContent.trim();
  return [one.getAttribute("formaction"), one.name, one.value, words].join("\n");
}

/** Describe an element so that `again` finds it in fresh HTML. */
export function describe(one) {
  const anchors = [];
  for (let parent = one.parentElement; parent && parent !== document.body; parent = parent.parentElement) {
    if (parent.id) anchors.push(`#${CSS.escape(parent.id)}`);
    else if (parent.dataset.key) anchors.push(`[data-key="${CSS.escape(parent.dataset.key)}"]`);
  }
  const row = one.closest(".row-item");
  const menu = (one.matches("summary") ? one.parentElement.parentElement : one)?.closest("details");
  const opener = menu?.querySelector(":scope > summary");
  return {
    one,
    menu: opener ? describe(opener) : null,
    tag: one.tagName,
    identity: identity(one),
    anchors,
    row: row ? rowsOf(row.parentElement).indexOf(row) : -1,
  };
}

/** Return the element that came in place of the described one, or null. */
function again({ tag, identity: wanted, anchors }) {
  for (const anchor of anchors) {
    const found = [...(document.querySelector(anchor)?.querySelectorAll(tag) ?? [])].filter(
      (other) => canHave(other) && identity(other) === wanted,
    );
    if (found.length) return found[0];
  }
  return null;
}

/** Return the button of the menu or form in which the described element was. */
function menuOf({ menu }) {
  if (!menu) return null;
  return canHave(menu.one) ? menu.one : (again(menu) ?? menuOf(menu));
}

/** Return what is nearest in the part of the page where the described element was. */
function nearby({ anchors, row }) {
  if (row >= 0) return rowNear(row);
  for (const anchor of anchors) {
    const part = document.querySelector(anchor);
    if (!isShown(part)) continue;
    if (part.matches("dialog")) return [...part.querySelectorAll(FIELD)].find(canHave);
    if (part.id === "composer") return document.getElementById("composer-text");
    if (part.matches("#items, #thread")) return part;
    if (part.id === "details") return part.querySelector("[data-toggle-details]");
  }
  return null;
}

function rowNear(index) {
  const rows = [...document.querySelectorAll("#rows .row-item a.row")];
  return rows[Math.min(index, rows.length - 1)];
}

const home = () =>
  document.querySelector("#thread[data-conversation]") ??
  document.querySelector("#rows a.row") ??
  document.querySelector("main");

function take(one) {
  if (!canHave(one)) return false;
  one.focus({ preventScroll: true });
  return document.activeElement === one;
}

/** Give the focus to the successor of the described element. Returns whether there is one. */
export function pass(which) {
  return [again, menuOf, nearby].some((find) => take(find(which)));
}

function restore() {
  planned = false;
  if (!byKeyboard || !past.length || !isNowhere()) {
    isLost = false;
    return;
  }
  const [{ one }] = past;
  if (canHave(one)) {
    if (isLost) take(one); // enabled or shown again
    isLost = false;
    return;
  }
  isLost = true;
  if (isShown(one)) return; // disabled while the server works
  if (![...past].some((which) => take(which.one) || pass(which))) take(home());
}

const isNowhere = () => !document.activeElement || document.activeElement === document.body;

/** Restore the focus after the current changes, if they have taken it away. */
function plan() {
  if (planned || !byKeyboard) return;
  planned = true;
  requestAnimationFrame(() => setTimeout(restore));
}

/** Leave a field: the focus goes to the form or part of the page that it belongs to. */
export function leave(field) {
  const form = field.closest(FORM)?.querySelector(":scope > summary");
  const row = field.closest("#strip") && document.querySelector("#rows a.row[aria-current], #rows a.row");
  for (const one of [form, row, home()]) if (take(one)) return;
  field.blur();
}

/** Close the form that folds out around an element; its button gets the focus. Returns whether there was one. */
export function foldAway(inside) {
  const form = inside.closest(FORM);
  if (!form) return false;
  form.querySelector(":scope > summary").focus();
  form.open = false;
  return true;
}

export function start() {
  document.addEventListener("focusin", ({ target }) => {
    isLost = false;
    past.unshift(describe(target));
    past.length = Math.min(past.length, MOST);
  });
  addEventListener("keydown", () => (byKeyboard = true), true);
  addEventListener("pointerdown", () => (byKeyboard = false), true);
  new MutationObserver(plan).observe(document.body, {
    subtree: true,
    childList: true,
    attributeFilter: ["disabled", "hidden", "open", "class"],
  });
}
