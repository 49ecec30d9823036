// What the server says to a message; and a sticker or a template, sent at once beside what is typed.

import * as collision from "./collision.js";
import { parse, upload } from "./http.js";

let unconfirmed = {}; // what had no answer keeps its key: sent again, it is one message

export const newKey = () =>
  [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

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
  0: "The server cannot be reached. Your text is still here: send it again when you are back online.",
  404: "You no longer have access to this conversation. Copy what you need from your text.",
  413: "These files are too big to be sent together. Send them one by one.",
};

/** Return an element that says why the server did not take a message. */
export function refusal(answer) {
  const reason = document.createElement("p");
  reason.className = "refusal";
  reason.textContent =
    answer.status === 422
      ? parse(answer.body).body.textContent.trim()
      : (SENTENCES[answer.status] ?? `That did not work (error ${answer.status}). Your text is still here: try again.`);
  return reason;
}
