// Opens a conversation without leaving the page; addresses and Back work as if it did.

import * as collision from "./collision.js";
import * as composer from "./composer.js";
import * as files from "./files.js";
import { fetchPart, Gone, toast } from "./http.js";
import { confirmChoice } from "./layout.js";
import * as list from "./list.js";
import * as thread from "./thread.js";
import * as viewers from "./viewers.js";
import { gettext } from "./words.js";

const slot = document.getElementById("conversation");
let wanted = 0;
const FILES_LOST = gettext(
  "This browser cannot keep the attached files: they are lost when you open another conversation.",
);

function addressOf(id) {
  const query = list.query();
  return `${document.body.dataset.inbox}${id ? `${id}/` : ""}${query ? `?${query}` : ""}`;
}

/** Show conversation `id`, at the message `message` if given; `push` adds a step to the browser's history. */
export async function open(id, { push = true, focus = "thread", message = null } = {}) {
  if (thread.current()?.id === id) {
    document.body.classList.add("workspace--open");
    if (focus === "composer") composer.focus();
    if (focus === "thread") document.getElementById("thread").focus({ preventScroll: true });
    showMessage(message);
    return;
  }
  if (files.isUnkept() && !(await confirmChoice(FILES_LOST, gettext("Open it")))) return;
  composer.saveNow();
  const turn = ++wanted;
  const askedAt = performance.now();
  list.select(id);
  const late = setTimeout(() => turn === wanted && slot.classList.add("conversation--loading"), 150);
  try {
    const response = await fetchPart(addressOf(id));
    if (turn !== wanted) return;
    if (!response.ok) {
      toast(gettext("You no longer have access to this conversation."), true);
      return close({ push });
    }
    const html = await response.text();
    if (turn !== wanted) return;
    const page = new DOMParser().parseFromString(html, "text/html");
    slot.replaceChildren(...[...page.body.children].map((element) => document.importNode(element, true)));
    document.body.classList.add("workspace--open");
    document.body.classList.remove("workspace--details");
    if (push) history.pushState({ conversation: id }, "", addressOf(id));
    started(askedAt);
    showMessage(message);
    if (focus === "thread") document.getElementById("thread").focus({ preventScroll: true });
    if (focus === "composer") composer.focus();
  } catch (error) {
    if (!(error instanceof Gone) && turn === wanted)
      toast(gettext("The server cannot be reached. Try again in a moment."), true);
  } finally {
    clearTimeout(late);
    if (turn === wanted) slot.classList.remove("conversation--loading");
  }
}

function showMessage(id) {
  if (id) thread.jumpTo(`message-${id}`).catch(() => {});
}

function started(askedAt) {
  thread.start(askedAt);
  composer.start();
  collision.clear();
  viewers.opened();
  list.showTitle();
  document.dispatchEvent(new CustomEvent("desk:opened"));
}

/** Go back to the list; on a wide screen, close the conversation. */
export function close({ push = true } = {}) {
  const left = thread.current()?.id;
  composer.saveNow();
  wanted++;
  list.select(null);
  document.body.classList.remove("workspace--open", "workspace--details");
  slot.replaceChildren(document.getElementById("nothing").content.cloneNode(true));
  started();
  if (push) history.pushState({ conversation: null }, "", addressOf(null));
  document.querySelector(`#row-${left} a`)?.focus({ preventScroll: true });
}

/** Show that this agent may no longer see the conversation. Their typed text stays until they leave. */
function gone() {
  const text = document.getElementById("composer-text");
  if (!text?.value.trim() || !text.checkVisibility()) {
    close();
    return;
  }
  const sentence = document.createElement("p");
  sentence.className = "refusal";
  sentence.textContent = gettext("You no longer have access to this conversation. Copy what you need from your text.");
  document.getElementById("composer-error").replaceChildren(sentence);
}

export function start() {
  const opened = Number(document.getElementById("thread")?.dataset.conversation) || null;
  history.replaceState({ conversation: opened }, "");
  list.start(opened);
  thread.start();
  composer.start();
  collision.start();
  collision.clear();
  viewers.start();
  viewers.opened();
  if (opened) list.reveal(opened);
  const wantedPart = new URLSearchParams(location.search);
  if (opened) showMessage(wantedPart.get("message"));
  if (opened && wantedPart.get("ticket")) thread.jumpTo(`ticket-${wantedPart.get("ticket")}`).catch(() => {});
  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
    const row = event.target.closest("a[data-open]");
    const back = event.target.closest("a[data-back]");
    if (!row && !back) return;
    event.preventDefault();
    if (row) open(Number(row.dataset.open), { message: row.dataset.message });
    else close();
  });
  addEventListener("popstate", (event) => {
    const id = event.state?.conversation;
    if (id) open(id, { push: false });
    else close({ push: false });
  });
  document.addEventListener("desk:gone", gone);
  document.addEventListener("desk:draft", (event) => list.refreshRows([event.detail]).catch(() => {}));
  document.addEventListener("desk:list", () => {
    const id = thread.current()?.id ?? null;
    history.replaceState({ conversation: id }, "", addressOf(id));
  });
}
