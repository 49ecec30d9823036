// What is being sent stands in the thread at once; the server's own element takes its place.

import * as thread from "./thread.js";

let count = 0;

/** A bubble for what is on its way to the server under the key `sentAs`; `which` is reply or note. */
export function showGhost(words, which, sentAs) {
  const ghost = document.createElement("article");
  ghost.className = which === "note" ? "note" : "message message--out message--first message--last message--sending";
  ghost.dataset.key = `ghost-${++count}`;
  ghost.dataset.sentAs = sentAs;
  const holder = document.createElement("div");
  holder.className = "message__body";
  const bubble = document.createElement("div");
  bubble.className = which === "note" ? "" : "bubble";
  const line = document.createElement("div");
  line.className = "text";
  line.dir = "auto";
  line.textContent = words.trim();
  bubble.append(line);
  holder.append(bubble);
  ghost.append(holder);
  thread.current().column.append(ghost);
  thread.toBottom();
  return ghost;
}
