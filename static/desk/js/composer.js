// Writing: sends once however often it is pressed, loses nothing that was typed, says at once what will not go.

import * as answered from "./collision.js";
import * as canned from "./canned.js";
import { left } from "./clock.js";
import * as emoji from "./emoji.js";
import * as files from "./files.js";
import * as gate from "./send-gate.js";
import { showGhost } from "./pending-bubble.js";
import { fetchPart, parse, toast, upload } from "./http.js";
import * as signs from "./typing-indicator.js";
import { joined, split, typedSince, weigh } from "./text.js";
import * as thread from "./thread.js";

const SAVE_AFTER = 700; // milliseconds without a key
const WARN_FROM = 0.8;
let form = null;
let text = null;
let limit = 1600;
let saved = "";
let written = {}; // what stands in the field of the other kind: a reply never becomes a note, or a note a reply
let current = "reply";
let saveTimer = null;
let sending = false;

const element = (id) => document.getElementById(id);
const kind = () => form.elements.kind.value;
const replyText = () => (current === "reply" ? text.value : written.reply);
const newKey = () =>
  [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
const json = (id) => JSON.parse(element(id)?.textContent || "null");

export function start() {
  clearTimeout(saveTimer);
  form = element("composer");
  if (!form) return;
  text = element("composer-text");
  limit = Number(form.dataset.limit);
  saved = text.value;
  written = { reply: text.value, note: "" };
  current = "reply";
  form.elements.kind.value = current;
  sending = false;
  form.elements.client_key.value = newKey();
  files.reset(element("tiles"), json("composer-rules").files, check);
  canned.reset(element("canned"), text, json("canned-replies") ?? [], json("canned-facts") ?? {});
  form.addEventListener("submit", onSubmit);
  form.addEventListener("change", onChange);
  form.addEventListener("click", onClick);
  text.addEventListener("input", onInput);
  text.addEventListener("keydown", onKey);
  text.addEventListener("paste", onPaste);
  element("composer-slot").querySelector("#gate").addEventListener("click", onClick);
  const pane = element("thread");
  pane.addEventListener("dragover", onDrag);
  pane.addEventListener("dragleave", onDrag);
  pane.addEventListener("drop", onDrop);
  gate.reset(form);
  hint();
  check();
}

function setKind(which) {
  form.elements.kind.value = which;
  if (which !== current) {
    written[current] = text.value;
    current = which;
    text.value = written[which];
    canned.close();
    grow();
  }
  hint();
  check();
}

// --- What is typed ---------------------------------------------------------------------------------------------------
function onInput() {
  grow();
  check();
  canned.update();
  if (kind() === "reply" && !("gated" in form.dataset)) signs.typed(form.dataset.typing, text.value);
  clearTimeout(saveTimer);
  saveTimer = setTimeout(saveNow, SAVE_AFTER);
}

function grow() {
  if (CSS.supports("field-sizing", "content")) return;
  text.style.height = "auto";
  text.style.height = `${Math.min(text.scrollHeight, 240)}px`;
}

function check() {
  if (!form) return;
  const weight = weigh(text.value);
  const isReply = kind() === "reply";
  const over = isReply && weight > limit;
  const count = element("composer-count");
  count.hidden = !isReply || weight < limit * WARN_FROM;
  count.textContent = over
    ? `${weight - limit} over ${limit.toLocaleString("en")}`
    : `${weight} / ${limit.toLocaleString("en")}`;
  count.classList.toggle("composer__count--over", over);
  const button = element("composer-split");
  button.hidden = !over || gate.isShut();
  if (over) button.textContent = `Send as ${split(text.value, limit).length} messages`;
  const nothing = !text.value.trim() && !(isReply && files.count());
  const unfit = isReply && (over || files.hasRefused() || gate.isShut());
  element("composer-send").disabled = nothing || unfit || sending;
  element("composer-send").querySelector("span").textContent = !isReply
    ? "Add note"
    : gate.isHolding()
      ? "Hold until they write"
      : "Send";
  element("composer-more").hidden = !isReply || gate.isHolding();
  element("composer-more").querySelector("button").disabled = nothing || unfit || sending;
}

function hint() {
  const ctrl = "ctrlEnter" in document.body.dataset;
  element("composer-hint").textContent = ctrl ? "Ctrl+Enter sends" : "Enter sends, Shift+Enter starts a new line";
  const closes = element("gate").dataset.closes;
  const rest = closes ? Date.parse(closes) - Date.now() : 0;
  const name =
    kind() === "note" ? text.dataset.noteWords : gate.isHolding() ? text.dataset.holdWords : text.dataset.replyWords;
  text.placeholder = kind() === "reply" && rest > 0 ? `${name} · ${left(rest)} left` : name;
}

function onChange(event) {
  if (event.target.id === "composer-files") {
    files.add(event.target.files);
    event.target.value = "";
  }
  if (event.target.name === "kind") {
    setKind(event.target.value);
    text.focus();
  }
}

function onKey(event) {
  if (canned.key(event) || event.key !== "Enter" || event.isComposing || event.shiftKey || event.altKey) return;
  const ctrl = event.ctrlKey || event.metaKey;
  if (ctrl || !("ctrlEnter" in document.body.dataset)) {
    event.preventDefault();
    if (!element("composer-send").disabled) form.requestSubmit();
  }
}

/** Esc: returns whether it was used up here. */
export function onEscape(event) {
  if (!form || !form.contains(event.target)) return false;
  if (form.elements.reply_to_mid.value) {
    dropQuote();
    return true;
  }
  return false;
}

export function focus(which = null) {
  if (!form) return;
  if ("gated" in form.dataset) {
    if (which === "note") form.classList.add("composer--note-open");
    else if (gate.hold()) which = "reply";
    else {
      toast("You cannot reply here now: the reason stands below the conversation.");
      return;
    }
  }
  setKind(which ?? current);
  text.focus();
  text.setSelectionRange(text.value.length, text.value.length);
}

function onClick(event) {
  if (event.target.closest("[data-drop-quote]")) dropQuote();
  if (event.target.closest("[data-canned]")) {
    text.focus();
    canned.show();
  }
  if (event.target.closest("[data-emoji]")) emoji.open(event.target.closest("[data-emoji]"), insert);
  if (event.target.closest("[data-write-note]")) focus("note");
  if (event.target.closest("[data-write-held]")) focus("reply");
  if (event.target.closest("#composer-split")) sendParts();
}

/** Put `words` where the caret stands, as if typed. */
function insert(words) {
  text.focus();
  text.setRangeText(words, text.selectionStart, text.selectionEnd, "end");
  text.dispatchEvent(new Event("input", { bubbles: true }));
}

// --- Quote, files ------------------------------------------------------------------------------------------------------
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-quote]");
  if (!button || !form || ("gated" in form.dataset && !gate.mayHold())) return;
  const message = button.closest(".message");
  form.elements.reply_to_mid.value = message.dataset.mid;
  const words = message.querySelector(".text, .file__name, .card__title")?.textContent.trim() || "a picture";
  const quote = element("composer-quote");
  quote.querySelector("span").textContent = `Reply to: ${words.slice(0, 160)}`;
  quote.hidden = false;
  focus("reply");
});

function dropQuote() {
  form.elements.reply_to_mid.value = "";
  element("composer-quote").hidden = true;
}

const carriesFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");

function onDrag(event) {
  if (!carriesFiles(event) || gate.isShut()) return;
  event.preventDefault();
  element("thread-scroll").classList.toggle("thread--dropping", event.type === "dragover");
}

function onDrop(event) {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  element("thread-scroll").classList.remove("thread--dropping");
  if (gate.isShut()) return;
  focus("reply");
  files.add(event.dataTransfer.files);
}

function onPaste(event) {
  const pasted = [...(event.clipboardData?.files ?? [])];
  if (!pasted.length || kind() === "note") return;
  event.preventDefault();
  files.add(pasted);
}

// --- Drafts ------------------------------------------------------------------------------------------------------------
/** Keep what was typed on the server, now; also when the page is being left. */
export function saveNow() {
  clearTimeout(saveTimer);
  if (!form?.isConnected || sending || replyText() === saved) return;
  const words = replyText();
  saved = words;
  const state = element("draft-state");
  const id = thread.current()?.id;
  fetchPart(form.dataset.draft, {
    method: "POST",
    body: new URLSearchParams({ text: words }),
    keepalive: words.length < 15_000,
  })
    .then((response) => {
      if (!response.ok) throw new Error("not saved");
      state.textContent = words.trim() ? "Draft saved" : "";
      document.dispatchEvent(new CustomEvent("desk:draft", { detail: id }));
    })
    .catch(() => {
      saved = null;
      state.textContent = "Draft not saved: the server cannot be reached";
    });
}

addEventListener("pagehide", saveNow);
document.addEventListener("visibilitychange", () => document.visibilityState === "hidden" && saveNow());

// --- Sending -----------------------------------------------------------------------------------------------------------
function onSubmit(event) {
  event.preventDefault();
  const closes = event.submitter?.name === "close";
  event.submitter?.closest("details")?.removeAttribute("open");
  if (!sending && !element("composer-send").disabled) send(text.value, { withFiles: kind() === "reply", closes });
}

async function sendParts() {
  const parts = split(text.value, limit);
  for (const [index, part] of parts.entries()) {
    const isLast = index === parts.length - 1;
    const went = await send(part, { withFiles: isLast, rest: parts.slice(index + 1).join("\n") });
    if (!went) return;
  }
}

/** Send; `rest` is what stays in the field. Returns whether the server took it. */
async function send(words, { withFiles, rest = "", closes = false }) {
  const data = new FormData();
  for (const name of ["list", "client_key", "reply_to_mid", "kind"]) data.set(name, form.elements[name].value);
  data.set("text", words);
  data.set("seen", answered.seen());
  if (gate.isHolding() && kind() === "reply") data.set("hold", "yes");
  if (closes) data.set("close", "yes");
  const own = { form, kind: kind(), files: withFiles ? files.all() : [], typed: text.value };
  for (const file of own.files) data.append("files", file, file.name);
  begin();
  const ghost = own.files.length ? null : showGhost(words, own.kind, data.get("client_key"));
  if (ghost) text.value = rest;
  let answer;
  try {
    answer = await upload(form.action, data, (share) => own.files.length && files.progress(share));
  } catch {
    answer = { status: 0, body: "" };
  }
  ghost?.remove();
  if (form !== own.form) {
    // the agent opened another conversation meanwhile; what did not go is their draft there
    if (answer.status !== 200) keepElsewhere(own, words);
    return answer.status === 200;
  }
  finish();
  if (answer.status === 200) {
    taken(answer, own);
    return true;
  }
  setKind(own.kind);
  refused(answer, ghost ? joined(own.typed, text.value, rest) : text.value);
  return false;
}

function begin() {
  clearTimeout(saveTimer);
  sending = true;
  element("composer-error").replaceChildren();
  if (element("composer-send").contains(document.activeElement)) text.focus(); // what is typed next are not single keys
  element("composer-send").disabled = true;
}

function finish() {
  sending = false;
  files.progress(null);
}

function taken(answer, own) {
  form.elements.client_key.value = newKey();
  answered.clear();
  signs.sent();
  dropQuote();
  if (own.files.length) {
    files.remove(own.files);
    if (current === "reply") text.value = typedSince(own.typed, text.value);
    else written.reply = typedSince(own.typed, written.reply);
  }
  if (own.kind === "note") {
    if (current === "note" && !text.value.trim()) setKind("reply");
    if (current === "reply") form.classList.remove("composer--note-open");
    gate.keepInSight();
  } else {
    element("draft-state").textContent = "";
    saved = "";
  }
  if (current === "reply" && !text.value) gate.reset(form);
  thread.applyFresh(answer.body, { toNewest: true });
  hint();
  grow();
  check();
  if (replyText()) onInput();
}

function refused(answer, typed) {
  text.value = typed;
  const reason = document.createElement("p");
  reason.className = "refusal";
  if (answer.status === 422) form.elements.client_key.value = newKey(); // nothing was kept under the old one
  if (answer.status === 409) answered.asked(parse(answer.body).querySelector("[data-id]"));
  else if (answer.status === 422) reason.textContent = parse(answer.body).body.textContent.trim();
  else if (answer.status === 0)
    reason.textContent =
      "The server cannot be reached. Your text is still here: send it again when you are back online.";
  else if (answer.status === 404)
    reason.textContent = "This conversation is not open to you any more. Copy what you need from your text.";
  else if (answer.status === 413)
    reason.textContent = "These files are too big to be sent together. Send them one by one.";
  else reason.textContent = `That did not work (error ${answer.status}). Your text is still here: try again.`;
  element("composer-error").replaceChildren(...(answer.status === 409 ? [] : [reason]));
  saved = null;
  grow();
  check();
  saveNow();
  if (answer.status === 409 || answer.status === 422) thread.refresh().catch(() => {}); // perhaps nobody may reply here any more
}

function keepElsewhere(own, words) {
  toast("Your last message was not sent. It is kept as a draft in that conversation.", true);
  fetchPart(own.form.dataset.draft, { method: "POST", body: new URLSearchParams({ text: words }) }).catch(() => {});
}

// --- May one reply at all? --------------------------------------------------------------------------------------------
document.addEventListener("desk:gate", (event) => {
  if (!form) return;
  gate.update(event.detail);
  hint();
  check();
});

/** The text of a reply that was taken back has joined the draft on the server: it joins what stands here too. */
document.addEventListener("desk:discarded", async () => {
  if (!form) return;
  const response = await fetchPart(form.dataset.draft);
  if (!response.ok) return;
  const kept = await response.text();
  const before = (saved ?? "").trimEnd();
  const added = kept.startsWith(before) ? kept.slice(before.length).trim() : kept;
  const typed = replyText().trimEnd();
  setKind("reply");
  text.value = typed ? `${typed}\n\n${added}` : added;
  saved = kept;
  saveNow();
  gate.keepInSight();
  grow();
  hint();
  check();
  focus("reply");
});

document.addEventListener("desk:tick", () => form?.isConnected && hint());
