// The workspace: starts its modules, and sends what the buttons of the page's one form ask for.

import * as bulk from "./bulk.js";
import * as clock from "./clock.js";
import * as commands from "./commands.js";
import * as focus from "./focus.js";
import { hideUndo, post, toast } from "./http.js";
import * as inputMethod from "./input-method.js";
import * as keys from "./keys.js";
import * as labelPicker from "./label-picker.js";
import { start as startLayout } from "./layout.js";
import * as leaving from "./leaving.js";
import * as lightbox from "./lightbox.js";
import * as live from "./live.js";
import * as macros from "./macros.js";
import * as media from "./media.js";
import * as messageTools from "./message-tools.js";
import * as nav from "./nav.js";
import * as noteEdit from "./note-edit.js";
import * as notify from "./notify.js";
import * as questions from "./questions.js";
import * as reactions from "./reactions.js";
import * as rowMenu from "./row-menu.js";
import * as savedViews from "./saved-views.js";
import * as setupAttention from "./setup-attention.js";
import * as thread from "./thread.js";
import { openTransfer } from "./transfer.js";
import * as unsent from "./unsent.js";
import * as visibleHeight from "./visible-height.js";
import { gettext } from "./words.js";

async function submitted(event) {
  const pressed = event.submitter;
  event.preventDefault();
  if (!(await questions.confirmed(pressed))) return;
  const fields = new FormData(event.target, pressed);
  const scheduled = pressed.closest("[data-scheduled]")?.dataset.scheduled ?? null;
  pressed.closest("details.popover")?.removeAttribute("open");
  if (pressed.formAction.includes("/tickets/")) {
    fields.set("since", thread.oldestCursor()); // splitting and merging change the dividers of all that is shown
    hideUndo(pressed);
  }
  let isDone = false; // not when it was refused, or another conversation is open meanwhile
  const done = () => {
    isDone = true;
    foldAway(pressed.closest("details.inline-edit, details.transfer"));
  };
  pressed.disabled = true;
  try {
    if (!(await questions.settled(thread.settle, pressed.formAction, fields, done)) || !isDone) return;
    if (pressed.name === "unread") nav.close();
    if (pressed.formAction.endsWith("/edit/")) {
      document.dispatchEvent(new CustomEvent("desk:reply-edited", { detail: scheduled && JSON.parse(scheduled) }));
    }
  } catch {
    toast(gettext("The server cannot be reached. Nothing was changed."), true);
  } finally {
    pressed.disabled = false;
  }
}

/** Close a form of the details once its text is saved; until then it stays open with its text. */
function foldAway(form) {
  if (form?.contains(document.activeElement)) form.querySelector("summary").focus();
  form?.removeAttribute("open");
}

/** Let Enter in a field press the button beside it: the form's first button is another one. */
function entered(event) {
  if (event.key !== "Enter" || !event.target.matches("#details input.field, .snooze-time input.field")) return;
  event.preventDefault();
  event.target.closest(".snooze-time, details").querySelector("button:not([hidden])")?.click();
}

function clicked(event) {
  const target = event.target;
  const transfer = target.closest("[data-open-transfer]");
  if (transfer) {
    transfer.closest("details").removeAttribute("open");
    openTransfer();
  }
  const quote = target.closest("[data-jump]");
  if (quote) {
    event.preventDefault();
    document.body.classList.remove("workspace--details"); // on a narrow screen the details cover the thread
    thread.jumpTo(quote.dataset.jump);
  }
}

function preferences() {
  const form = document.getElementById("me-form");
  form?.addEventListener("change", async () => {
    const fields = new URLSearchParams(new FormData(form));
    const response = await post(form.action, fields).catch(() => null);
    if (!response?.ok) {
      toast(gettext("That could not be saved. Try again."), true);
      return;
    }
    document.getElementById("presence-dot").dataset.presence = fields.get("presence");
    document.body.toggleAttribute("data-ctrl-enter", fields.get("sends_with_enter") === "no");
  });
}

document.getElementById("post").addEventListener("submit", submitted);
document
  .getElementById("download")
  .addEventListener("submit", (event) => setTimeout(foldAway, 0, event.submitter.closest("details")));
document.addEventListener("click", clicked);
document.addEventListener("keydown", entered);
inputMethod.start();
startLayout();
focus.start();
clock.start();
lightbox.start();
media.start();
preferences();
bulk.start();
nav.start();
unsent.start();
visibleHeight.start();
leaving.start();
keys.start();
commands.start();
labelPicker.start();
macros.start();
rowMenu.start();
savedViews.start();
reactions.start();
noteEdit.start(thread.settle);
messageTools.start();
notify.start();
live.start();
setupAttention.start();
