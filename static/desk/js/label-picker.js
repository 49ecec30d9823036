// The menu of labels in the details: typing leaves those that match, the arrow keys move among them, as among the
// priorities above it.

const shown = (menu) => [...menu.querySelectorAll(".label-picker button:not([hidden])")];

function typed(event) {
  const field = event.target.closest("[data-label-search]");
  if (!field) return;
  const wanted = field.value.trim().toLowerCase();
  for (const button of field.closest("[data-label-menu]").querySelectorAll(".label-picker button"))
    button.hidden = !button.textContent.toLowerCase().includes(wanted);
}

function moved(event) {
  const menu = event.target.closest("[data-label-menu]");
  if (!menu || !["ArrowDown", "ArrowUp"].includes(event.key) || event.target.matches("summary")) return;
  event.preventDefault();
  const all = [menu.querySelector("[data-label-search]"), ...shown(menu)];
  const step = event.key === "ArrowDown" ? 1 : -1;
  all[(all.indexOf(event.target) + step + all.length) % all.length].focus();
}

function movedInPriorities(event) {
  const group = event.target.closest(".priorities");
  if (!group || !["ArrowLeft", "ArrowRight"].includes(event.key)) return;
  event.preventDefault();
  const all = [...group.querySelectorAll("button")];
  const forward = getComputedStyle(group).direction === "rtl" ? "ArrowLeft" : "ArrowRight";
  const step = event.key === forward ? 1 : -1;
  all[(all.indexOf(event.target) + step + all.length) % all.length].focus();
}

export function start() {
  document.addEventListener("input", typed);
  document.addEventListener("keydown", moved);
  document.addEventListener("keydown", movedInPriorities);
}
