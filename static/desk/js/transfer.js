// Opens the form that transfers the conversation to a colleague or department, in the details pane.

import { showDetails } from "./layout.js";

export function openTransfer() {
  const box = document.querySelector("#details .transfer");
  if (!box) return;
  showDetails();
  box.open = true;
  box.querySelector("select, button")?.focus();
}
