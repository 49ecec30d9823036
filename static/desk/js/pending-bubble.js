// Shows what is being sent in the thread at once; the server's own element takes its place.

import * as thread from "./thread.js";

let count = 0;

/** Return a bubble for what has the key `sentAs`; `which` is reply or note. */
export function bubbleOf(words, which, sentAs) {
  const pending = document.createElement("article");
  pending.className = which === "note" ? "note" : "message message--out message--first message--last message--sending";
  pending.dataset.key = `pending-${++count}`;
  pending.dataset.sentAs = sentAs;
  const holder = document.createElement("div");
  holder.className = "message__body";
  if (words.trim()) {
    const bubble = document.createElement("div");
    bubble.className = which === "note" ? "" : "bubble";
    const line = document.createElement("div");
    line.className = "text";
    line.dir = "auto";
    line.textContent = words.trim();
    bubble.append(line);
    holder.append(bubble);
  }
  pending.append(holder);
  return pending;
}

/** Add a bubble for what is on its way to the server. */
export function showPendingBubble(words, which, sentAs) {
  const pending = bubbleOf(words, which, sentAs);
  thread.current().column.append(pending);
  thread.toBottom();
  return pending;
}
