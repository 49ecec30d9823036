// Opens the form that hands the conversation over to a colleague or department, wherever the details are just now.

import { showDetails } from "./layout.js";

export function openTransfer() {
  const box = document.querySelector("#details .transfer");
  if (!box) return;
  showDetails();
  box.open = true;
  box.querySelector("select, button")?.focus();
}
