// Tells the server that this agent views a conversation and types a reply, and shows which colleagues do.

import { csrfToken, fetchPart, parse, post } from "./http.js";
import { newKey } from "./new-key.js";
import * as thread from "./thread.js";
import { Throttle } from "./throttle.js";

const BEAT = 15_000;
const QUIET = 12_000; // milliseconds without a key after which nobody counts as typing
const key = newKey();
let reportedId = null; // the conversation the server has this page as a viewer of
let confirmedId = null; // the one it has confirmed: the live stream brings its messages
let typing = false;
let beat = null;
let quiet = null;

const reportThrottle = new Throttle(report);
const readThrottle = new Throttle(read);
const address = (id) => `${document.body.dataset.inbox}${id}/onlookers/`;

async function report() {
  clearTimeout(beat);
  const pane = thread.current();
  if (!pane || document.visibilityState !== "visible") return;
  beat = setTimeout(() => reportThrottle.ask(), BEAT);
  if (reportedId !== pane.id) confirmedId = null;
  reportedId = pane.id;
  const response = await post(address(pane.id), { page: key, typing: typing ? "yes" : "no" });
  if (response.ok && reportedId === pane.id) confirmedId = pane.id;
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
  confirmedId = null;
  clearTimeout(beat);
  clearTimeout(quiet);
  typing = false;
  if (reportedId === null) return;
  const fields = { page: key, gone: "yes", csrfmiddlewaretoken: csrfToken() };
  navigator.sendBeacon(address(reportedId), new URLSearchParams(fields));
  reportedId = null;
}

function setTyping(is) {
  clearTimeout(quiet);
  if (is) quiet = setTimeout(() => setTyping(false), QUIET);
  if (is === typing) return;
  typing = is;
  if (thread.current()) reportThrottle.ask();
}

/** Call when another conversation is shown, or none. */
export function opened() {
  clearTimeout(quiet);
  typing = false;
  if (thread.current()) reportThrottle.ask();
  else leave();
}

/** Call when the viewers of conversation `id`, or who of them types, changed. */
export function changed(id) {
  if (thread.current()?.id === id) readThrottle.ask();
}

/** Return whether the server knows that this page shows conversation `id`. */
export const isKnownToShow = (id) => confirmedId === id;

/** Read the viewers again after the stream was away. */
export function catchUp() {
  if (thread.current()) reportThrottle.ask();
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
