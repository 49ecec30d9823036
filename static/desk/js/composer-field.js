// What is typed in the composer, as a reply or as a note, and what is shown about it: the count, the buttons, the hint.

import * as canned from "./canned.js";
import { left } from "./clock.js";
import * as draft from "./draft.js";
import * as note from "./draft-note.js";
import * as files from "./files.js";
import { isTouched } from "./layout.js";
import { newKey } from "./new-key.js";
import * as sendGate from "./send-gate.js";
import { split, weigh } from "./text.js";
import * as typingIndicator from "./typing-indicator.js";
import { gettext, interpolate, ngettext, number } from "./words.js";

const WARN_FROM = 0.8;

/** The composer of the page; `form` is null when there is none. */
export const field = {
  form: null,
  text: null,
  limit: 1600,
  written: {}, // the text of each kind: a reply never becomes a note, nor a note a reply
  current: "reply",
  mentions: null,
  isSending: false,
};

// The keyboard of a phone has no Shift+Enter: there Enter starts a new line, and the button sends.
export const enterSends = () => !isTouched() && !("ctrlEnter" in document.body.dataset);
export const kind = () => field.form.elements.kind.value;
export const textOf = (which) => (field.current === which ? field.text.value : field.written[which]);
export const replyText = () => textOf("reply");
const element = (id) => document.getElementById(id);

/** Begin with the form of the conversation that is shown, or with none. */
export function reset(form) {
  field.form = form;
  if (!form) return;
  field.text = element("composer-text");
  field.limit = Number(form.dataset.limit);
  field.written = { reply: field.text.value, note: "" };
  field.current = "reply";
  field.isSending = false;
  form.elements.kind.value = field.current;
  form.elements.client_key.value = newKey();
}

/** Set the text of a reply or a note, which may be the one that is not shown. */
export function put(which, words) {
  if (field.current === which) field.text.value = words;
  else field.written[which] = words;
  sendGate.keepInSight();
  redraw();
}

export function setKind(which) {
  const { form, text, written, mentions, current } = field;
  form.elements.kind.value = which;
  if (which !== current) {
    written[current] = text.value;
    field.current = which;
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

/** Insert `words` at the caret, as if typed. */
export function insert(words) {
  const { text } = field;
  text.focus();
  text.setRangeText(words, text.selectionStart, text.selectionEnd, "end");
  text.dispatchEvent(new Event("input", { bubbles: true }));
}

export function onInput() {
  const { form, text } = field;
  grow();
  check();
  canned.update();
  if (kind() === "reply" && !("gated" in form.dataset)) typingIndicator.typed(form.dataset.typing, text.value);
  if (kind() === "note") note.saveSoon();
  draft.saveSoon();
}

/** Save what is typed, also when the page is being left. */
export function saveNow() {
  draft.saveNow();
  note.saveNow();
}

/** Show what follows from the text after a change that nobody typed. */
export function redraw() {
  grow();
  hint();
  check();
}

export function grow() {
  const { text } = field;
  if (CSS.supports("field-sizing", "content")) return;
  text.style.height = "auto";
  text.style.height = `${Math.min(text.scrollHeight, 240)}px`;
}

export function check() {
  const { form, text, limit, isSending } = field;
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
  element("composer-send").disabled = nothing || unfit || isSending;
  element("composer-send").querySelector("span").textContent = !isReply
    ? gettext("Add note")
    : sendGate.isHolding()
      ? gettext("Hold until the customer writes")
      : gettext("Send");
  element("composer-more").hidden = !isReply || sendGate.isHolding();
  for (const button of element("composer-more").querySelectorAll("button[name]")) {
    button.disabled = nothing || unfit || isSending;
  }
}

export function hint() {
  const { text } = field;
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
