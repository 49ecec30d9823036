// Keeps the workspace above the on-screen keyboard where it covers the page: iOS. Elsewhere the page itself gets lower.

const KEYBOARD = 120; // pixels; the bars of a browser take less

/** Make the workspace as high as what is seen of the page. In a dialog the browser itself moves the field into view. */
function fit() {
  const { height, scale } = visualViewport;
  const isOpen = Math.abs(scale - 1) < 0.01 && innerHeight - height > KEYBOARD;
  const { style } = document.documentElement;
  if (!isOpen) {
    style.removeProperty("--visible-height");
    return;
  }
  style.setProperty("--visible-height", `${height}px`);
  const field = document.activeElement;
  if (field.closest("dialog, [popover]")) return;
  scrollTo(0, 0); // the browser has moved the page up
  field.scrollIntoView({ block: "nearest" });
}

export function start() {
  if (!window.visualViewport) return;
  visualViewport.addEventListener("resize", fit);
  visualViewport.addEventListener("scroll", fit);
}
