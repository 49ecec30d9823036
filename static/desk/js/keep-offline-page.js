// On every page of somebody who is logged in: lets the service worker keep the page that it shows when Desk cannot be
// reached, in the language of this page.

import { register } from "./worker.js";

async function keep() {
  if (!("serviceWorker" in navigator)) return; // plain http
  try {
    await register();
    const { active } = await navigator.serviceWorker.ready;
    active.postMessage({ kind: "keep-offline-page", language: document.documentElement.lang });
  } catch {
    // some private windows have none: the browser shows its own page then
  }
}

if (document.readyState === "complete") keep();
else addEventListener("load", keep, { once: true });
