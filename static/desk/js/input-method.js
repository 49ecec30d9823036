// Keys that belong to an input method, such as the Enter that confirms a Japanese word, reach no handler of the page.

/** Return whether an input method handles this key. Safari ends the composition before that Enter: its keyCode is 229. */
const isComposing = (event) => event.isComposing || event.keyCode === 229;

/** Keep these keys from all handlers, those of a field included. */
export function start() {
  document.addEventListener("keydown", (event) => isComposing(event) && event.stopPropagation(), { capture: true });
}
