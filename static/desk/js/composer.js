// The composer: sends once however often it is pressed, loses no typed text, and shows at once what cannot be sent.

import * as canned from "./canned.js";
import { left } from "./clock.js";
import * as collision from "./collision.js";
import * as draft from "./draft.js";
import * as note from "./draft-note.js";
import * as emoji from "./emoji.js";
import * as filesFrom from "./file-sources.js";
import * as files from "./files.js";
import { fetchPart, parse, toast } from "./http.js";
import { isTouched } from "./layout.js";
import { MentionField } from "./mentions.js";
import { newKey } from "./new-key.js";
import * as outbox from "./outbox.js";
import { showPendingBubble } from "./pending-bubble.js";
import * as quote from "./quote.js";
import * as sendGate from "./send-gate.js";
import * as sendLater from "./send-later.js";
import { entryOf, refusal, sendDirectly } from "./sending.js";
import * as stickers from "./stickers.js";
import * as templates from "./templates.js";
import { joined, split, typedSince, weigh } from "./text.js";
import * as thread from "./thread.js";
import * as typingIndicator from "./typing-indicator.js";
import { gettext, interpolate, ngettext, number } from "./words.js";

const WARN_FROM = 0.8;
let form = null;
let text = null;
let limit = 1600;
let written = {}; // the text of each kind: a reply never becomes a note, nor a note a reply
let mentions = null;
let current = "reply";
let sending = false;

// The keyboard of a phone has no Shift+Enter: there Enter starts a new line, and the button sends.
const enterSends = () => !isTouched() && !("ctrlEnter" in document.body.dataset);
const element = (id) => document.getElementById(id);
const kind = () => form.elements.kind.value;
const textOf = (which) => (current === which ? text.value : written[which]);
const replyText = () => textOf("reply");
const json = (id) => JSON.parse(element(id)?.textContent || "null");

export function start() {
  note.drop();
  draft.drop();
  form = element("composer");
  if (!form) return;
  text = element("composer-text");
  limit = Number(form.dataset.limit);
  written = { reply: text.value, note: "" };
  current = "reply";
  form.elements.kind.value = current;
  sending = false;
  form.elements.client_key.value = newKey();
  const { id } = thread.current();
  files.reset(element("tiles"), json("composer-rules").files, check, id);
  mentions = new MentionField(text, form.dataset.mentions, () => kind() === "note", note.saveSoon);
  canned.reset(element("canned"), text, json("canned-replies") ?? [], json("canned-facts") ?? {}, addCanned);
  form.addEventListener("submit", onSubmit);
  form.addEventListener("change", onChange);
  form.addEventListener("click", onClick);
  text.addEventListener("input", onInput);
  text.addEventListener("keydown", onKey);
  text.addEventListener("paste", (event) => filesFrom.paste(event, files.add));
  element("composer-slot").querySelector("#gate").addEventListener("click", onClick);
  const isShut = () => kind() === "reply" && sendGate.isShut();
  filesFrom.listenForDrops(element("thread"), isShut, (dropped) => {
    focus(current);
    files.add(dropped);
  });
  sendLater.reset(form);
  sendGate.reset(form);
  draft.reset(form, id, { read: replyText, write: (words) => put("reply", words), isBusy: () => sending, told });
  note.reset(id, { read: () => textOf("note"), write: putNote, mentioned: () => mentions.kept(textOf("note")) });
  hint();
  check();
  draft.saveNow();
}

/** Set the text of a reply or a note, which may be the one that is not shown. */
function put(which, words) {
  if (current === which) text.value = words;
  else written[which] = words;
  sendGate.keepInSight();
  grow();
  hint();
  check();
}

function putNote(words, mentioned) {
  put("note", words);
  mentions.restore(mentioned);
  if (current === "reply" && words.trim()) element("draft-state").textContent = gettext("A note is not added yet");
}

/** Say what became of the draft. */
function told(state, words) {
  const sentences = {
    saved: words.trim() ? gettext("Draft saved") : "",
    failed: words.trim() ? gettext("Draft not saved: the server cannot be reached") : "",
    other: gettext("Changed in another tab"),
  };
  element("draft-state").textContent = sentences[state];
}

function setKind(which) {
  form.elements.kind.value = which;
  if (which !== current) {
    written[current] = text.value;
    current = which;
    text.value = written[which];
    files.show(which);
    canned.close();
    mentions.close();
    mentions.drawUnseen();
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
  if (kind() === "note") note.saveSoon();
  draft.saveSoon();
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
    ? interpolate(gettext("%(count)s over %(limit)s"), { count: weight - limit, limit: number(limit) })
    : `${weight} / ${number(limit)}`;
  count.classList.toggle("composer__count--over", over);
  const button = element("composer-split");
  button.hidden = !over || sendGate.isShut();
  if (over) {
    const parts = split(text.value, limit).length;
    const words = ngettext("Send as %(count)s message", "Send as %(count)s messages", parts);
    button.textContent = interpolate(words, { count: parts });
  }
  const nothing = !text.value.trim() && !files.count();
  const unfit = files.hasRefused() || (isReply && (over || sendGate.isShut()));
  element("composer-send").disabled = nothing || unfit || sending;
  element("composer-send").querySelector("span").textContent = !isReply
    ? gettext("Add note")
    : sendGate.isHolding()
      ? gettext("Hold until the customer writes")
      : gettext("Send");
  element("composer-more").hidden = !isReply || sendGate.isHolding();
  for (const button of element("composer-more").querySelectorAll("button[name]")) {
    button.disabled = nothing || unfit || sending;
  }
}

function hint() {
  element("composer-hint").textContent = enterSends()
    ? gettext("Enter sends, Shift+Enter starts a new line")
    : isTouched()
      ? ""
      : gettext("Ctrl+Enter sends");
  const closes = element("gate").dataset.closes;
  const rest = closes ? Date.parse(closes) - Date.now() : 0;
  const name =
    kind() === "note"
      ? text.dataset.noteWords
      : sendGate.isHolding()
        ? text.dataset.holdWords
        : text.dataset.replyWords;
  text.placeholder =
    kind() === "reply" && rest > 0
      ? interpolate(gettext("%(words)s · %(left)s left"), { words: name, left: left(rest) })
      : name;
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
  if (mentions.key(event) || canned.key(event) || event.key !== "Enter" || event.altKey) return;
  if (event.shiftKey && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    sendLater.open();
  }
  if (event.shiftKey) return;
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
      toast(gettext("You cannot reply now: the reason is shown below the conversation."));
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

/** Save what is typed, also when the page is being left. */
export function saveNow() {
  draft.saveNow();
  note.saveNow();
}

/** A reply that waits for the connection is no draft any more, even if the server does not know yet. */
document.addEventListener("desk:unsent", () => {
  const id = thread.current()?.id;
  const isTyped = (entry) =>
    entry.conversation === id && entry.kind === "reply" && entry.text.trim() === replyText().trim();
  const isUntouched = form?.isConnected && draft.isClean() && replyText() === text.defaultValue;
  if (!isUntouched || !replyText().trim() || !outbox.all().some(isTyped)) return;
  put("reply", "");
  draft.saveNow();
});

/** Put a reply or note that was not sent back into the field, with its files. */
export function takeBack(entry) {
  setKind(entry.kind);
  if (entry.kind === "note") form.classList.add("composer--note-open");
  // what the server may have keeps its key, and is one message whatever happens
  if (entry.wasTried) form.elements.client_key.value = entry.id;
  const typed = text.value.trimEnd();
  text.value = typed ? `${typed}\n\n${entry.text}` : entry.text;
  files.putBack(entry.files);
  mentions.restore(entry.mentions);
  const mid = entry.fields.find(([name]) => name === "reply_to_mid")?.[1];
  const quoted = mid && thread.current().column.querySelector(`[data-mid="${CSS.escape(mid)}"]`);
  if (quoted) quote.take(form, quoted);
  onInput();
  saveNow();
  sendGate.keepInSight();
  focus(entry.kind);
}

// --- Sending
function onSubmit(event) {
  event.preventDefault();
  const also = sendLater.fieldsOf(event.submitter);
  event.submitter?.closest("details")?.removeAttribute("open");
  if (!sending && !element("composer-send").disabled) send(text.value, { withFiles: true, also });
}

async function sendParts() {
  const parts = split(text.value, limit);
  for (const [index, part] of parts.entries()) {
    const isLast = index === parts.length - 1;
    const went = await send(part, { withFiles: isLast, rest: parts.slice(index + 1).join("\n") });
    if (!went) return;
  }
}

async function sendSticker(id, when) {
  const own = form;
  const answer = await sendAs({ sticker_id: id, ...when });
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

/** Send; `rest` stays in the field. Returns whether the message was accepted, by the server or to wait for it. */
async function send(words, { withFiles, rest = "", also = {} }) {
  const own = {
    form,
    kind: kind(),
    files: withFiles ? files.all() : [],
    typed: text.value,
    withFiles,
    isLater: "later" in also,
  };
  const fields = own.kind === "reply" ? canned.takeUsed().map((one) => ["canned", one]) : [];
  if (sendGate.isHolding() && own.kind === "reply") fields.push(["hold", "yes"]);
  if (own.kind === "note") fields.push(...mentions.fields(words));
  if (withFiles && own.kind === "reply") fields.push(["scheduled", form.elements.scheduled.value]); // of several parts the last replaces it
  fields.push(...Object.entries(also));
  const mentioned = own.kind === "note" ? mentions.kept(words) : [];
  const { id } = thread.current();
  const entry = entryOf(form, words, { conversation: id, files: own.files, mentions: mentioned, fields });
  begin();
  const pending = own.files.length || own.isLater ? null : showPendingBubble(words, own.kind, entry.id);
  if (pending) text.value = rest;
  const answer = await outbox.send(entry, (share) => own.files.length && files.progress(share));
  const isAccepted = [200, outbox.QUEUED].includes(answer.status);
  pending?.remove();
  if (form !== own.form) {
    // the agent has opened another conversation; text that was not sent is their draft in this one
    if (isAccepted) {
      draft.confirmed(own.form);
      files.forget(entry.conversation, entry.fileIds);
    } else keepElsewhere(own, entry);
    return isAccepted;
  }
  finish();
  if (isAccepted) {
    taken(answer, own);
    return true;
  }
  setKind(own.kind);
  refused(answer, pending ? joined(own.typed, text.value, rest) : text.value);
  return false;
}

function begin() {
  draft.pause();
  sending = true;
  element("composer-error").replaceChildren();
  // what is typed next must not act as single keys
  if (document.activeElement.closest(".composer__send")) text.focus();
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
  if (own.withFiles && own.kind === "reply") form.elements.scheduled.value = "";
  if (own.files.length || own.isLater) {
    files.remove(own.files);
    if (current === own.kind) text.value = typedSince(own.typed, text.value);
    else written[own.kind] = typedSince(own.typed, written[own.kind]);
  }
  if (own.kind === "note") {
    mentions.clear(textOf("note"));
    note.saveNow();
    if (current === "note" && !text.value.trim() && !files.count()) setKind("reply");
    if (current === "reply") form.classList.remove("composer--note-open");
    sendGate.keepInSight();
  } else {
    element("draft-state").textContent = "";
    if (answer.status === 200) draft.sent();
    else draft.doubt();
  }
  if (current === "reply" && !text.value) sendGate.reset(form);
  if (answer.status === 200) thread.applyFresh(answer.body, { toNewest: true });
  else draft.saveNow();
  hint();
  grow();
  check();
  if (replyText()) onInput();
}

function refused(answer, typed) {
  text.value = typed;
  mentions.drawUnseen();
  if (answer.status === 422) {
    form.elements.client_key.value = newKey(); // the server stored nothing under the old one
    if (current === "note") mentions.recheck();
  }
  if (answer.status === 409) collision.asked(parse(answer.body).querySelector("[data-id]"));
  element("composer-error").replaceChildren(...(answer.status === 409 ? [] : refusal(answer)));
  draft.doubt();
  grow();
  check();
  saveNow();
  // replying may no longer be allowed here
  if (answer.status === 409 || answer.status === 422) thread.refresh().catch(() => {});
}

function keepElsewhere(own, { text: words, conversation, mentions: mentioned }) {
  toast(gettext("Your last message was not sent. It is kept as a draft in that conversation."), true);
  (own.kind === "note" ? note.keep(conversation, words, mentioned) : draft.save(own.form, words)).catch(() => {});
}

// --- May the agent reply?
document.addEventListener("desk:gate", (event) => {
  if (!form) return;
  sendGate.update(event.detail);
  hint();
  check();
});

/** Add the text of a cancelled reply to the field, as the server added it to the draft. */
document.addEventListener("desk:reply-edited", async ({ detail: scheduled }) => {
  if (!form) return;
  const own = form;
  const response = await fetchPart(form.dataset.draft);
  if (!response.ok) return;
  const kept = await response.text();
  if (form !== own) return;
  const before = draft.saved().trimEnd();
  const added = kept.startsWith(before) ? kept.slice(before.length).trim() : kept;
  const typed = replyText().trimEnd();
  setKind("reply");
  text.value = typed && added && !typed.includes(added) ? `${typed}\n\n${added}` : typed || added;
  draft.isNow(kept);
  if (scheduled?.files.length || scheduled?.mid) {
    form.elements.scheduled.value = scheduled.id;
    files.addScheduled(scheduled.files);
    if (scheduled.mid) quote.restore(form, scheduled.mid);
  }
  draft.saveNow();
  sendGate.keepInSight();
  grow();
  hint();
  check();
  focus("reply");
});

document.addEventListener("desk:tick", () => form?.isConnected && hint());
