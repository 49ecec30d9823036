// The menus that open beside their button, on every page.

/** Close the menus; focus inside one moves to its button. Returns whether any was open. */
export function close() {
  const open = [...document.querySelectorAll("details.popover[open]")];
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
  for (const menu of document.querySelectorAll("details.popover[open]")) {
    if (!menu.contains(target)) menu.open = false;
  }
}

export function start() {
  document.addEventListener("keydown", moveInMenu);
  document.addEventListener("click", closeOthers);
}
