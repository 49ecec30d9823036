// The composer: sends once however often it is pressed, loses no typed text, and shows at once what cannot be sent.

import * as canned from "./canned.js";
import { left } from "./clock.js";
import * as collision from "./collision.js";
import * as draft from "./draft.js";
import * as emoji from "./emoji.js";
import * as filesFrom from "./file-sources.js";
import * as files from "./files.js";
import { fetchPart, parse, toast, upload } from "./http.js";
import { showPendingBubble } from "./pending-bubble.js";
import * as quote from "./quote.js";
import * as sendGate from "./send-gate.js";
import { newKey, refusal, sendDirectly } from "./sending.js";
import * as stickers from "./stickers.js";
import * as templates from "./templates.js";
import { joined, split, typedSince, weigh } from "./text.js";
import * as thread from "./thread.js";
import * as typingIndicator from "./typing-indicator.js";

const SAVE_AFTER = 700; // milliseconds without a key
const WARN_FROM = 0.8;
let form = null;
let text = null;
let limit = 1600;
let saved = "";
let written = {}; // the text of each kind: a reply never becomes a note, nor a note a reply
let current = "reply";
let saveTimer = null;
let sending = false;

// The keyboard of a phone has no Shift+Enter: there Enter starts a new line, and the button sends.
const onTouch = matchMedia("(hover: none) and (pointer: coarse)");
const enterSends = () => !onTouch.matches && !("ctrlEnter" in document.body.dataset);
const element = (id) => document.getElementById(id);
const kind = () => form.elements.kind.value;
const replyText = () => (current === "reply" ? text.value : written.reply);
const json = (id) => JSON.parse(element(id)?.textContent || "null");

export function start() {
  clearTimeout(saveTimer);
  form = element("composer");
  if (!form) return;
  text = element("composer-text");
  limit = Number(form.dataset.limit);
  saved = text.value;
  text.value = draft.unconfirmed(form) ?? saved;
  if (text.value === saved) draft.confirmed(form);
  written = { reply: text.value, note: "" };
  current = "reply";
  form.elements.kind.value = current;
  sending = false;
  form.elements.client_key.value = newKey();
  files.reset(element("tiles"), json("composer-rules").files, check);
  canned.reset(element("canned"), text, json("canned-replies") ?? [], json("canned-facts") ?? {}, addCanned);
  form.addEventListener("submit", onSubmit);
  form.addEventListener("change", onChange);
  form.addEventListener("click", onClick);
  text.addEventListener("input", onInput);
  text.addEventListener("keydown", onKey);
  text.addEventListener("paste", (event) => kind() !== "note" && filesFrom.paste(event, files.add));
  element("composer-slot").querySelector("#gate").addEventListener("click", onClick);
  filesFrom.listenForDrops(element("thread"), sendGate.isShut, (dropped) => {
    focus("reply");
    files.add(dropped);
  });
  sendGate.reset(form);
  hint();
  check();
  saveNow();
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

// --- What is typed
function onInput() {
  grow();
  check();
  canned.update();
  if (kind() === "reply" && !("gated" in form.dataset)) typingIndicator.typed(form.dataset.typing, text.value);
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
  button.hidden = !over || sendGate.isShut();
  if (over) button.textContent = `Send as ${split(text.value, limit).length} messages`;
  const nothing = !text.value.trim() && !(isReply && files.count());
  const unfit = isReply && (over || files.hasRefused() || sendGate.isShut());
  element("composer-send").disabled = nothing || unfit || sending;
  element("composer-send").querySelector("span").textContent = !isReply
    ? "Add note"
    : sendGate.isHolding()
      ? "Hold until the customer writes"
      : "Send";
  element("composer-more").hidden = !isReply || sendGate.isHolding();
  element("composer-more").querySelector("button").disabled = nothing || unfit || sending;
}

function hint() {
  element("composer-hint").textContent = enterSends()
    ? "Enter sends, Shift+Enter starts a new line"
    : onTouch.matches
      ? ""
      : "Ctrl+Enter sends";
  const closes = element("gate").dataset.closes;
  const rest = closes ? Date.parse(closes) - Date.now() : 0;
  const name =
    kind() === "note"
      ? text.dataset.noteWords
      : sendGate.isHolding()
        ? text.dataset.holdWords
        : text.dataset.replyWords;
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
  if (canned.key(event) || event.key !== "Enter" || event.shiftKey || event.altKey) return;
  if (event.ctrlKey || event.metaKey || enterSends()) {
    event.preventDefault();
    if (!element("composer-send").disabled) form.requestSubmit();
  }
}

/** Handle Esc. Returns whether it did something here. */
export function onEscape(event) {
  if (!form || !form.contains(event.target)) return false;
  if (form.elements.reply_to_mid.value) {
    quote.drop(form);
    return true;
  }
  return false;
}

export function focus(which = null) {
  if (!form) return;
  if ("gated" in form.dataset) {
    if (which === "note") form.classList.add("composer--note-open");
    else if (sendGate.hold()) which = "reply";
    else {
      toast("You cannot reply now: the reason is shown below the conversation.");
      return;
    }
  }
  setKind(which ?? current);
  text.focus();
  text.setSelectionRange(text.value.length, text.value.length);
}

function onClick(event) {
  if (event.target.closest("[data-drop-quote]")) quote.drop(form);
  if (event.target.closest("[data-canned]")) {
    text.focus();
    canned.show();
  }
  if (event.target.closest("[data-emoji]")) emoji.open(event.target.closest("[data-emoji]"), insert);
  const templateButton = event.target.closest("[data-templates]");
  if (templateButton) {
    templateButton.closest("details")?.removeAttribute("open");
    templates.open(templateButton.dataset.templates, sendAs);
  }
  const stickerButton = event.target.closest("[data-stickers]");
  if (stickerButton) stickers.open(stickerButton, stickerButton.dataset.stickers, sendSticker);
  if (event.target.closest("[data-write-note]")) focus("note");
  if (event.target.closest("[data-write-held]")) focus("reply");
  if (event.target.closest("#composer-split")) sendParts();
}

/** Insert `words` at the caret, as if typed. */
function insert(words) {
  text.focus();
  text.setRangeText(words, text.selectionStart, text.selectionEnd, "end");
  text.dispatchEvent(new Event("input", { bubbles: true }));
}

/** Attach the files of a canned reply. A note has none. */
function addCanned(chosen) {
  if (kind() === "reply") files.addCanned(chosen);
}

// --- Quote
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-quote]");
  if (!button || !form || ("gated" in form.dataset && !sendGate.mayHold())) return;
  quote.take(form, button);
  focus("reply");
});

// --- Drafts
/** Save the draft on the server now, also when the page is being left. */
export function saveNow() {
  clearTimeout(saveTimer);
  if (!form?.isConnected || sending || replyText() === saved) return;
  const words = replyText();
  saved = words;
  const state = element("draft-state");
  const id = thread.current()?.id;
  draft
    .save(form, words)
    .then(() => {
      state.textContent = words.trim() ? "Draft saved" : "";
      document.dispatchEvent(new CustomEvent("desk:draft", { detail: id }));
    })
    .catch(() => {
      saved = null;
      state.textContent = "Draft not saved: the server cannot be reached";
    });
}

addEventListener("pagehide", saveNow);
document.addEventListener("desk:logged-in", saveNow);
document.addEventListener("visibilitychange", () => document.visibilityState === "hidden" && saveNow());

// --- Sending
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

async function sendSticker(id) {
  const own = form;
  const answer = await sendAs({ sticker_id: id });
  if (answer.status !== 200 && form === own) refused(answer, text.value);
}

/** Send a sticker or a template now, and return the server's answer; what is typed stays as it is. */
async function sendAs(fields) {
  if (sending) return { status: 0, body: "" };
  const own = form;
  begin();
  const answer = await sendDirectly(form, fields);
  if (form !== own) return answer;
  finish();
  check();
  if (answer.status === 200) {
    collision.clear();
    quote.drop(form);
    thread.applyFresh(answer.body, { toNewest: true });
  } else if (answer.status === 409) thread.refresh().catch(() => {});
  return answer;
}

/** Send; `rest` stays in the field. Returns whether the server accepted the message. */
async function send(words, { withFiles, rest = "", closes = false }) {
  const data = new FormData();
  for (const name of ["list", "client_key", "reply_to_mid", "kind"]) data.set(name, form.elements[name].value);
  data.set("text", words);
  data.set("seen", collision.seen());
  if (sendGate.isHolding() && kind() === "reply") data.set("hold", "yes");
  if (closes) data.set("close", "yes");
  if (kind() === "reply") for (const id of canned.takeUsed()) data.append("canned", id);
  const own = { form, kind: kind(), files: withFiles ? files.all() : [], typed: text.value };
  files.append(data, own.files);
  begin();
  const pending = own.files.length ? null : showPendingBubble(words, own.kind, data.get("client_key"));
  if (pending) text.value = rest;
  let answer;
  try {
    answer = await upload(form.action, data, (share) => own.files.length && files.progress(share));
  } catch {
    answer = { status: 0, body: "" };
  }
  pending?.remove();
  if (form !== own.form) {
    // the agent has opened another conversation; text that was not sent is their draft in this one
    if (answer.status === 200) draft.confirmed(own.form);
    else keepElsewhere(own, words);
    return answer.status === 200;
  }
  finish();
  if (answer.status === 200) {
    taken(answer, own);
    return true;
  }
  setKind(own.kind);
  refused(answer, pending ? joined(own.typed, text.value, rest) : text.value);
  return false;
}

function begin() {
  clearTimeout(saveTimer);
  sending = true;
  element("composer-error").replaceChildren();
  // what is typed next must not act as single keys
  if (element("composer-send").contains(document.activeElement)) text.focus();
  element("composer-send").disabled = true;
}

function finish() {
  sending = false;
  files.progress(null);
}

function taken(answer, own) {
  form.elements.client_key.value = newKey();
  collision.clear();
  typingIndicator.sent();
  quote.drop(form);
  if (own.files.length) {
    files.remove(own.files);
    if (current === "reply") text.value = typedSince(own.typed, text.value);
    else written.reply = typedSince(own.typed, written.reply);
  }
  if (own.kind === "note") {
    if (current === "note" && !text.value.trim()) setKind("reply");
    if (current === "reply") form.classList.remove("composer--note-open");
    sendGate.keepInSight();
  } else {
    element("draft-state").textContent = "";
    saved = "";
    draft.confirmed(form);
  }
  if (current === "reply" && !text.value) sendGate.reset(form);
  thread.applyFresh(answer.body, { toNewest: true });
  hint();
  grow();
  check();
  if (replyText()) onInput();
}

function refused(answer, typed) {
  text.value = typed;
  if (answer.status === 422) form.elements.client_key.value = newKey(); // the server stored nothing under the old one
  if (answer.status === 409) collision.asked(parse(answer.body).querySelector("[data-id]"));
  element("composer-error").replaceChildren(...(answer.status === 409 ? [] : [refusal(answer)]));
  saved = null;
  grow();
  check();
  saveNow();
  // replying may no longer be allowed here
  if (answer.status === 409 || answer.status === 422) thread.refresh().catch(() => {});
}

function keepElsewhere(own, words) {
  toast("Your last message was not sent. It is kept as a draft in that conversation.", true);
  draft.save(own.form, words).catch(() => {});
}

// --- May the agent reply?
document.addEventListener("desk:gate", (event) => {
  if (!form) return;
  sendGate.update(event.detail);
  hint();
  check();
});

/** Add the text of a cancelled reply to the field, as the server added it to the draft. */
document.addEventListener("desk:reply-edited", async () => {
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
  sendGate.keepInSight();
  grow();
  hint();
  check();
  focus("reply");
});

document.addEventListener("desk:tick", () => form?.isConnected && hint());
