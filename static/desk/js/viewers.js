// Tells colleagues that this page shows a conversation and whether a reply is being typed, and shows who else does.

import { csrfToken, fetchPart, parse, post } from "./http.js";
import { Pump } from "./throttle.js";
import * as thread from "./thread.js";

const BEAT = 15_000;
const QUIET = 12_000; // milliseconds without a key, and nobody counts as typing any more
const key = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
let told = null; // the conversation colleagues think this page shows
let typing = false;
let beat = null;
let quiet = null;

const tellPump = new Pump(tell);
const readPump = new Pump(read);
const address = (id) => `${document.body.dataset.inbox}${id}/onlookers/`;

async function tell() {
  clearTimeout(beat);
  const pane = thread.current();
  if (!pane || document.visibilityState !== "visible") return;
  beat = setTimeout(() => tellPump.ask(), BEAT);
  told = pane.id;
  const response = await post(address(pane.id), { page: key, typing: typing ? "yes" : "no" });
  if (response.ok) show(pane, await response.text());
}

async function read() {
  const pane = thread.current();
  if (!pane) return;
  const response = await fetchPart(address(pane.id));
  if (response.ok) show(pane, await response.text());
}

function show(pane, html) {
  if (thread.current() !== pane) return;
  const slot = document.getElementById("onlookers");
  const fresh = parse(html).body;
  if (slot.textContent.trim() === fresh.textContent.trim()) return;
  slot.replaceChildren(...[...fresh.childNodes].map((node) => document.importNode(node, true)));
}

function leave() {
  clearTimeout(beat);
  clearTimeout(quiet);
  typing = false;
  if (told === null) return;
  const fields = { page: key, gone: "yes", csrfmiddlewaretoken: csrfToken() };
  navigator.sendBeacon(address(told), new URLSearchParams(fields));
  told = null;
}

function setTyping(is) {
  clearTimeout(quiet);
  if (is) quiet = setTimeout(() => setTyping(false), QUIET);
  if (is === typing) return;
  typing = is;
  if (thread.current()) tellPump.ask();
}

/** Another conversation is shown, or none. */
export function opened() {
  clearTimeout(quiet);
  typing = false;
  if (thread.current()) tellPump.ask();
  else leave();
}

/** Somebody came to conversation `id`, went, began to type or stopped. */
export function changed(id) {
  if (thread.current()?.id === id) readPump.ask();
}

/** The stream was away: who is here may be others by now. */
export function catchUp() {
  if (thread.current()) tellPump.ask();
}

export function start() {
  document.addEventListener("input", (event) => {
    if (event.target.id !== "composer-text") return;
    const isReply = event.target.form.elements.kind.value === "reply";
    setTyping(isReply && event.target.value.trim() !== "");
  });
  document.addEventListener("submit", (event) => event.target.id === "composer" && setTyping(false));
  document.addEventListener("visibilitychange", () => (document.visibilityState === "visible" ? catchUp() : leave()));
  addEventListener("pagehide", leave);
  addEventListener("pageshow", (event) => event.persisted && catchUp());
}
