// What the server says to a message; and a sticker or a template, sent at once beside what is typed.

import * as collision from "./collision.js";
import * as attached from "./files.js";
import { parse, upload } from "./http.js";
import { newKey } from "./new-key.js";
import { gettext, interpolate } from "./words.js";

let unconfirmed = {}; // what had no answer keeps its key: sent again, it is one message

/**
 * Return what the outbox sends: `words` and `files` of the composer, with `fields` besides those of its form. `mentions`
 * are those chosen in a note, for who edits it while it waits.
 */
export function entryOf(form, words, { conversation, files, mentions = [], fields }) {
  const { action, elements, dataset } = form;
  return {
    id: elements.client_key.value,
    user: Number(dataset.writer),
    at: Date.now(),
    conversation,
    customer: dataset.customer,
    action,
    kind: elements.kind.value,
    text: words,
    fields: [
      ...["list", "client_key", "reply_to_mid", "kind"].map((name) => [name, elements[name].value]),
      ["text", words],
      ["seen", collision.seen()],
      ["writer", dataset.writer],
      ...fields,
    ],
    files,
    fileIds: attached.idsOf(files),
    mentions,
    state: "waiting",
    reason: "",
    asked: null,
    wasTried: false,
  };
}

/** Add these files to the form that is sent: those that the server has by their ids. */
export function append(form, chosen) {
  for (const file of chosen) {
    if (file.cannedId) form.append("canned_file", file.cannedId);
    else if (file.scheduledId) form.append("scheduled_file", file.scheduledId);
    else form.append("files", file, file.name);
  }
}

/** Send `fields` to the action of the composer's form. Returns {status, body}; status 0 when nothing answered. */
export async function sendDirectly(form, fields) {
  const data = new FormData();
  for (const name of ["list", "reply_to_mid"]) data.set(name, form.elements[name].value);
  for (const [name, value] of Object.entries(fields)) for (const one of [value].flat()) data.append(name, one);
  const what = JSON.stringify([form.action, fields]);
  if (unconfirmed.what !== what) unconfirmed = { what, key: newKey() };
  data.set("client_key", unconfirmed.key);
  data.set("seen", collision.seen());
  try {
    const answer = await upload(form.action, data, () => {});
    if (answer.status === 200 || answer.status === 422) unconfirmed = {};
    return answer;
  } catch {
    return { status: 0, body: "" };
  }
}

const SENTENCES = {
  0: gettext("The server cannot be reached. Your text is still here: send it again when you are back online."),
  404: gettext("You no longer have access to this conversation. Copy what you need from your text."),
  413: gettext("These files are too big to be sent together. Send them one by one."),
};
const KEPT = { ...SENTENCES, 404: gettext("You no longer have access to this conversation. Copy what you need.") };

const otherSentence = (status, isKept) =>
  interpolate(
    isKept
      ? gettext("That did not work (error %(status)s).")
      : gettext("That did not work (error %(status)s). Your text is still here: try again."),
    { status },
  );

/**
 * Return elements that say why the server did not take a message, and what can be done instead; with `isKept` for one
 * that is not in the composer.
 */
export function refusal(answer, { isKept = false } = {}) {
  const reason = document.createElement("p");
  reason.className = "refusal";
  if (answer.status !== 422) {
    reason.textContent = (isKept ? KEPT : SENTENCES)[answer.status] ?? otherSentence(answer.status, isKept);
    return [reason];
  }
  const said = parse(answer.body).body;
  const choice = said.querySelector("button"); // what the agent may do instead
  choice?.remove();
  reason.textContent = said.textContent.trim();
  return choice ? [reason, document.importNode(choice, true)] : [reason];
}
