// Opens the form that transfers the conversation to a colleague or department, in the details pane.

import { showDetails } from "./layout.js";

/** Open the form. Returns whether there is one. */
export function openTransfer() {
  const box = document.querySelector("#details .transfer");
  if (!box) return false;
  showDetails();
  box.open = true;
  box.querySelector("select, button")?.focus();
  return true;
}
