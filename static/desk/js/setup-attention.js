// A red dot on the way to Setup, for administrators, while something there needs attention urgently.

import { fetchPart } from "./http.js";
import { gettext } from "./words.js";

const EVERY_MS = 60_000;

const link = document.getElementById("to-setup");

async function look() {
  if (document.visibilityState !== "visible") return;
  const response = await fetchPart(link.dataset.attention).catch(() => null);
  if (!response?.ok) return; // it says nothing then: the pages of Setup do
  const { urgent } = await response.json();
  link.querySelector("[data-dot]").hidden = urgent.length === 0;
  link.querySelector("[data-urgent]").textContent = urgent.length ? gettext("needs attention") : "";
  link.title = [gettext("Setup"), ...urgent].join("\n");
}

export function start() {
  if (!link) return;
  look();
  setInterval(look, EVERY_MS);
  document.addEventListener("visibilitychange", look);
}
