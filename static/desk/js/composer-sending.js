// Sends what is in the composer, once however often it is pressed, and what happens to the text by the server's answer.

import * as canned from "./canned.js";
import * as collision from "./collision.js";
import { check, field, kind, onInput, redraw, replyText, saveNow, setKind, textOf } from "./composer-field.js";
import * as draft from "./draft.js";
import * as note from "./draft-note.js";
import * as files from "./files.js";
import { parse, toast } from "./http.js";
import { newKey } from "./new-key.js";
import * as outbox from "./outbox.js";
import { showPendingBubble } from "./pending-bubble.js";
import * as quote from "./quote.js";
import * as sendGate from "./send-gate.js";
import { entryOf, refusal, sendDirectly } from "./sending.js";
import { joined, split, typedSince } from "./text.js";
import * as thread from "./thread.js";
import * as typingIndicator from "./typing-indicator.js";
import { gettext } from "./words.js";

const element = (id) => document.getElementById(id);

/** Send a text that is too long as several messages. */
export async function sendParts() {
  const parts = split(field.text.value, field.limit);
  for (const [index, part] of parts.entries()) {
    const isLast = index === parts.length - 1;
    const went = await send(part, { withFiles: isLast, rest: parts.slice(index + 1).join("\n") });
    if (!went) return;
  }
}

export async function sendSticker(id, when) {
  const own = field.form;
  const answer = await sendAs({ sticker_id: id, ...when });
  if (answer.status !== 200 && field.form === own) refused(answer, field.text.value);
}

/** Send a sticker or a template now, and return the server's answer; what is typed stays as it is. */
export async function sendAs(fields) {
  if (field.isSending) return { status: 0, body: "" };
  const own = field.form;
  begin();
  const answer = await sendDirectly(own, fields);
  if (field.form !== own) return answer;
  finish();
  check();
  if (answer.status === 200) {
    collision.clear();
    quote.drop(own);
    thread.applyFresh(answer.body, { toNewest: true });
  } else if (answer.status === 409) thread.refresh().catch(() => {});
  return answer;
}

/** Send; `rest` stays in the field. Returns whether the message was accepted, by the server or to wait for it. */
export async function send(words, { withFiles, rest = "", also = {} }) {
  const { form, text, mentions } = field;
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
  if (field.form !== form) {
    // the agent has opened another conversation; text that was not sent is their draft in this one
    if (isAccepted) {
      draft.confirmed(form);
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
  field.isSending = true;
  element("composer-error").replaceChildren();
  // what is typed next must not act as single keys
  if (document.activeElement.closest(".composer__send")) field.text.focus();
  element("composer-send").disabled = true;
}

function finish() {
  field.isSending = false;
  files.progress(null);
}

function taken(answer, own) {
  const { form, text, written, mentions } = field;
  form.elements.client_key.value = newKey();
  collision.clear();
  typingIndicator.sent();
  quote.drop(form);
  if (own.withFiles && own.kind === "reply") form.elements.scheduled.value = "";
  if (own.files.length || own.isLater) {
    files.remove(own.files);
    if (field.current === own.kind) text.value = typedSince(own.typed, text.value);
    else written[own.kind] = typedSince(own.typed, written[own.kind]);
  }
  if (own.kind === "note") {
    mentions.clear(textOf("note"));
    note.saveNow();
    if (field.current === "note" && !text.value.trim() && !files.count()) setKind("reply");
    if (field.current === "reply") form.classList.remove("composer--note-open");
    sendGate.keepInSight();
  } else {
    element("draft-state").textContent = "";
    if (answer.status === 200) draft.sent();
    else draft.doubt();
  }
  if (field.current === "reply" && !text.value) sendGate.reset(form);
  if (answer.status === 200) thread.applyFresh(answer.body, { toNewest: true });
  else draft.saveNow();
  redraw();
  if (replyText()) onInput();
}

function refused(answer, typed) {
  const { form, text, mentions } = field;
  text.value = typed;
  mentions.drawUnseen();
  if (answer.status === 422) {
    form.elements.client_key.value = newKey(); // the server stored nothing under the old one
    if (field.current === "note") mentions.recheck();
  }
  if (answer.status === 409) collision.asked(parse(answer.body).querySelector("[data-id]"));
  element("composer-error").replaceChildren(...(answer.status === 409 ? [] : refusal(answer)));
  draft.doubt();
  redraw();
  saveNow();
  // replying may no longer be allowed here
  if (answer.status === 409 || answer.status === 422) thread.refresh().catch(() => {});
}

function keepElsewhere(own, { text: words, conversation, mentions: mentioned }) {
  toast(gettext("Your last message was not sent. It is kept as a draft in that conversation."), true);
  (own.kind === "note" ? note.keep(conversation, words, mentioned) : draft.save(own.form, words)).catch(() => {});
}
