// The menus that open beside their button, on every page. A click or tap beside an open menu closes it and does nothing
// else; on the button of another menu it opens that one.

const OPEN = "details.popover[open]";
const BUTTON = "details.popover > summary";
const PANELS = ":popover-open"; // the browser closes them, and lets the click go through
const others = [];
let onlyCloses = false; // the click that follows was begun beside an open menu

/** Let `isOpen`, `contains` (a target of an event) and `close` of another kind of menu count here. */
export function join(menu) {
  others.push(menu);
}

/** Close the menus; focus inside one moves to its button. Returns whether any was open. */
export function close() {
  const open = [...document.querySelectorAll(OPEN)];
  open.forEach((menu) => {
    const hadFocus = menu.contains(document.activeElement);
    menu.open = false;
    if (hadFocus) menu.querySelector("summary").focus();
  });
  return open.length > 0;
}

/** Let the arrow keys move among the items of an open menu. */
function moveInMenu(event) {
  const menu = event.target.closest("details.popover[open]");
  if (!menu || event.defaultPrevented || !["ArrowDown", "ArrowUp"].includes(event.key)) return;
  const items = [...menu.querySelectorAll(".menu-item")].filter((item) => item.checkVisibility() && !item.disabled);
  const at = items.indexOf(event.target);
  if (!items.length || (at < 0 && !event.target.matches("summary"))) return;
  event.preventDefault();
  items.at((event.key === "ArrowDown" ? at + 1 : Math.max(at, 0) - 1) % items.length).focus();
}

function closeOthers({ target }) {
  for (const menu of document.querySelectorAll(OPEN)) {
    if (!menu.contains(target)) menu.open = false;
  }
}

function closeAll() {
  close();
  for (const menu of others) if (menu.isOpen()) menu.close();
  for (const panel of document.querySelectorAll(PANELS)) panel.hidePopover();
}

/** Return whether a menu is open, and the target is in none that is. */
function isBeside(target) {
  const open = [...document.querySelectorAll(`${OPEN}, ${PANELS}`), ...others.filter((menu) => menu.isOpen())];
  return open.length > 0 && !open.some((menu) => menu.contains(target));
}

function pressed(event) {
  const beside = isBeside(event.target);
  const goesOn = event.button !== 0 || event.target.closest(BUTTON);
  onlyCloses = beside && event.isPrimary && !goesOn;
  if (onlyCloses) event.stopPropagation();
  else if (beside && goesOn) closeAll();
}

/** Leave the focus where it is. */
function pressedBeside(event) {
  if (!onlyCloses || event.button !== 0) return;
  event.preventDefault();
  event.stopPropagation();
}

function clicked(event) {
  if (!onlyCloses || !event.isTrusted) return;
  onlyCloses = false;
  event.preventDefault();
  event.stopImmediatePropagation();
  closeAll();
}

export function start() {
  document.addEventListener("keydown", moveInMenu);
  document.addEventListener("click", closeOthers);
  // On the window, before everything that listens on the page.
  addEventListener("pointerdown", pressed, true);
  addEventListener("mousedown", pressedBeside, true);
  addEventListener("click", clicked, true);
  for (const kind of ["pointercancel", "keydown"]) addEventListener(kind, () => (onlyCloses = false), true);
}
