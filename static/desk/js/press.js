// Holds changes of the page back while something is pressed: a click is lost when its element is replaced meanwhile.

const LONGEST = 2000; // milliseconds; then the change is shown: a press may be a selection, or its end was not seen
const KEYED = "button, summary, [role=button], input[type=checkbox], input[type=radio]"; // Space clicks when it is let go
const held = []; // changes that wait, oldest first
let isPressed = false;
let timer = null;

function press() {
  isPressed = true;
  clearTimeout(timer);
  timer = setTimeout(flush, LONGEST);
}

function release() {
  if (!isPressed) return;
  clearTimeout(timer);
  timer = setTimeout(flush); // after the click, which follows in the same task
}

function flush() {
  isPressed = false;
  try {
    while (held.length && !isPressed) held.shift()();
  } finally {
    if (held.length && !isPressed) timer = setTimeout(flush); // one of them failed; the others are shown all the same
  }
}

/** Make the change now, or once the pointer is released: after the changes that came before it. */
export function whenReleased(change) {
  if (isPressed || held.length) held.push(change);
  else change();
}

/** Wait until nothing is pressed. */
export const released = () => new Promise(whenReleased);

const isKey = (event) => event.key === " " && event.target.closest?.(KEYED);

export function start() {
  const passive = { capture: true, passive: true };
  addEventListener("pointerdown", (event) => event.button === 0 && press(), passive);
  addEventListener("keydown", (event) => isKey(event) && !event.repeat && press(), passive);
  addEventListener("keyup", (event) => event.key === " " && release(), passive);
  for (const end of ["pointerup", "pointercancel"]) addEventListener(end, release, passive);
  addEventListener("blur", release); // of the window alone: that of an element does not bubble
}
