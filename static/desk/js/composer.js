// The composer: what the agent does in it, and what comes into it from elsewhere. The text is in composer-field.js,
// and sending in composer-sending.js.

import * as canned from "./canned.js";
import {
  check,
  enterSends,
  field,
  hint,
  insert,
  kind,
  onInput,
  put,
  redraw,
  replyText,
  reset,
  saveNow,
  setKind,
  textOf,
} from "./composer-field.js";
import { send, sendAs, sendParts, sendSticker } from "./composer-sending.js";
import * as draft from "./draft.js";
import * as note from "./draft-note.js";
import * as emoji from "./emoji.js";
import * as filesFrom from "./file-sources.js";
import * as files from "./files.js";
import { fetchPart, toast } from "./http.js";
import { MentionField } from "./mentions.js";
import * as outbox from "./outbox.js";
import * as quote from "./quote.js";
import * as sendGate from "./send-gate.js";
import * as sendLater from "./send-later.js";
import * as stickers from "./stickers.js";
import * as templates from "./templates.js";
import * as thread from "./thread.js";
import { gettext } from "./words.js";

export { saveNow };

const element = (id) => document.getElementById(id);
const json = (id) => JSON.parse(element(id)?.textContent || "null");

export function start() {
  note.drop();
  draft.drop();
  reset(element("composer"));
  const { form, text } = field;
  if (!form) return;
  const { id } = thread.current();
  files.reset(element("tiles"), json("composer-rules").files, check, id);
  const mentions = new MentionField(text, form.dataset.mentions, () => kind() === "note", note.saveSoon);
  field.mentions = mentions;
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
    focus(field.current);
    files.add(dropped);
  });
  sendLater.reset(form);
  sendGate.reset(form);
  const isBusy = () => field.isSending;
  draft.reset(form, id, { read: replyText, write: (words) => put("reply", words), isBusy, told });
  note.reset(id, { read: () => textOf("note"), write: putNote, mentioned: () => mentions.kept(textOf("note")) });
  hint();
  check();
  draft.saveNow();
}

function putNote(words, mentioned) {
  put("note", words);
  field.mentions.restore(mentioned);
  if (field.current === "reply" && words.trim())
    element("draft-state").textContent = gettext("A note is not added yet");
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

// --- What the agent does
function onChange(event) {
  if (event.target.id === "composer-files") {
    files.add(event.target.files);
    event.target.value = "";
  }
  if (event.target.name === "kind") {
    setKind(event.target.value);
    field.text.focus();
  }
}

function onKey(event) {
  if (field.mentions.key(event) || canned.key(event) || event.key !== "Enter" || event.altKey) return;
  if (event.shiftKey && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    sendLater.open();
  }
  if (event.shiftKey) return;
  if (event.ctrlKey || event.metaKey || enterSends()) {
    event.preventDefault();
    if (!element("composer-send").disabled) field.form.requestSubmit();
  }
}

/** Handle Esc. Returns whether it did something here. */
export function onEscape(event) {
  const { form } = field;
  if (!form || !form.contains(event.target)) return false;
  if (form.elements.reply_to_mid.value) {
    quote.drop(form);
    return true;
  }
  return false;
}

export function focus(which = null) {
  const { form, text } = field;
  if (!form) return;
  if ("gated" in form.dataset) {
    if (which === "note") form.classList.add("composer--note-open");
    else if (sendGate.hold()) which = "reply";
    else {
      toast(gettext("You cannot reply now: the reason is shown below the conversation."));
      return;
    }
  }
  setKind(which ?? field.current);
  text.focus();
  text.setSelectionRange(text.value.length, text.value.length);
}

function onClick(event) {
  if (event.target.closest("[data-drop-quote]")) quote.drop(field.form);
  if (event.target.closest("[data-canned]")) {
    field.text.focus();
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

function onSubmit(event) {
  event.preventDefault();
  const also = sendLater.fieldsOf(event.submitter);
  event.submitter?.closest("details")?.removeAttribute("open");
  if (!field.isSending && !element("composer-send").disabled) send(field.text.value, { withFiles: true, also });
}

/** Attach the files of a canned reply. A note has none. */
function addCanned(chosen) {
  if (kind() === "reply") files.addCanned(chosen);
}

document.addEventListener("click", (event) => {
  const { form } = field;
  const button = event.target.closest("[data-quote]");
  if (!button || !form || ("gated" in form.dataset && !sendGate.mayHold())) return;
  quote.take(form, button);
  focus("reply");
});

// --- What comes from elsewhere
/** A reply that waits for the connection is no draft any more, even if the server does not know yet. */
document.addEventListener("desk:unsent", () => {
  const id = thread.current()?.id;
  const isTyped = (entry) =>
    entry.conversation === id && entry.kind === "reply" && entry.text.trim() === replyText().trim();
  const isUntouched = field.form?.isConnected && draft.isClean() && replyText() === field.text.defaultValue;
  if (!isUntouched || !replyText().trim() || !outbox.all().some(isTyped)) return;
  put("reply", "");
  draft.saveNow();
});

/** Put a reply or note that was not sent back into the field, with its files. */
export function takeBack(entry) {
  const { form, text } = field;
  setKind(entry.kind);
  if (entry.kind === "note") form.classList.add("composer--note-open");
  // what the server may have keeps its key, and is one message whatever happens
  if (entry.wasTried) form.elements.client_key.value = entry.id;
  const typed = text.value.trimEnd();
  text.value = typed ? `${typed}\n\n${entry.text}` : entry.text;
  files.putBack(entry.files);
  field.mentions.restore(entry.mentions);
  const mid = entry.fields.find(([name]) => name === "reply_to_mid")?.[1];
  const quoted = mid && thread.current().column.querySelector(`[data-mid="${CSS.escape(mid)}"]`);
  if (quoted) quote.take(form, quoted);
  onInput();
  saveNow();
  sendGate.keepInSight();
  focus(entry.kind);
}

/** Show whether the agent may reply now. */
document.addEventListener("desk:gate", (event) => {
  if (!field.form) return;
  sendGate.update(event.detail);
  hint();
  check();
});

/** Add the text of a cancelled reply to the field, as the server added it to the draft. */
document.addEventListener("desk:reply-edited", async ({ detail: scheduled }) => {
  const { form, text } = field;
  if (!form) return;
  const response = await fetchPart(form.dataset.draft);
  if (!response.ok) return;
  const kept = await response.text();
  if (field.form !== form) return;
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
  redraw();
  focus("reply");
});

document.addEventListener("desk:tick", () => field.form?.isConnected && hint());
