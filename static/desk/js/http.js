// Fetches parts of pages from the server.

import { activityHeaders } from "./activity.js";
import * as connection from "./connection.js";
import * as session from "./session.js";
import { gettext, interpolate } from "./words.js";

export class Gone extends Error {}

export function csrfToken() {
  return JSON.parse(document.body.getAttribute("hx-headers"))["X-CSRFToken"];
}

/**
 * Fetch a part of a page. Throws when the network is away, and Gone when the session has ended: a dialog asks for the
 * login then. With the option `waits`, the request waits for the login instead. After another login the token of the
 * page is old, and a POST is made once more with the new one.
 */
export async function fetchPart(url, options = {}, isRepeated = false) {
  const headers = { "HX-Request": "true", ...activityHeaders(), ...(options.headers || {}) };
  if (options.method === "POST") headers["X-CSRFToken"] = csrfToken();
  const response = await fetch(url, { credentials: "same-origin", ...options, headers }).catch((error) => {
    connection.failed();
    throw error;
  });
  connection.answered(response.status);
  if (response.status === 401) {
    const login = session.ask();
    if (!options.waits || isRepeated) throw new Gone("logged out");
    await login;
    return fetchPart(url, options, true);
  }
  if (response.status === 403 && options.method === "POST" && !isRepeated) {
    await session.ensure();
    return fetchPart(url, options, true);
  }
  return response;
}

export function post(url, fields = {}, options = {}) {
  return fetchPart(url, { method: "POST", body: new URLSearchParams(fields), ...options });
}

/** Parse HTML into a document of its own: nothing in it loads or runs. */
export function parse(html) {
  return new DOMParser().parseFromString(html, "text/html");
}

export function toast(sentence, isError = false, shownFor = isError ? 8000 : 4000) {
  const note = document.createElement("p");
  note.className = isError ? "toast toast--error" : "toast";
  note.textContent = sentence;
  note.addEventListener("click", () => note.remove());
  document.getElementById("toasts").append(note);
  setTimeout(() => note.remove(), shownFor);
  return note;
}

const UNDO_SHOWN_FOR = 15_000; // milliseconds; the line in the thread has Undo after that

/** Hide the bar with Undo: something else is changed, which has a bar of its own. `pressed` may be the button in it. */
export function hideUndo(pressed = null) {
  for (const old of document.querySelectorAll("#toasts .toast--undo")) if (!old.contains(pressed)) old.remove();
}

/** Show the bar with Undo of a `_changed_thread.html`, if it has one, in place of the one before. */
export function showUndo(html) {
  const bars = document.getElementById("toasts");
  hideUndo();
  const fresh = parse(html).querySelector('#fresh > [data-part="done"] > .toast');
  if (!fresh) return;
  const bar = document.importNode(fresh, true);
  bars.append(bar);
  setTimeout(() => bar.contains(document.activeElement) || bar.remove(), UNDO_SHOWN_FOR);
}

/** Return the sentence of a refusal (422), or one for any other failure; `gone` is that of 404. */
export async function reasonOf(response, gone = gettext("You no longer have access to this conversation.")) {
  if (response.status === 422) return parse(await response.text()).body.textContent.trim();
  if (response.status === 404) return gone;
  if (response.status === 413) return gettext("These files are too big to be sent together.");
  return interpolate(gettext("That did not work (error %(status)s). Try again."), { status: response.status });
}

// milliseconds without a byte in either direction: the network is away and the browser has not noticed
const STILL = 60_000;

/** POST with upload progress, which fetch does not report. Waits for the login when the session has ended. */
export async function upload(url, data, onProgress) {
  const answer = await uploadOnce(url, data, onProgress);
  if (answer.status === 401) await session.ask();
  else if (answer.status === 403) await session.ensure();
  else return answer;
  return uploadOnce(url, data, onProgress);
}

/** POST with upload progress. Resolves to {status, body}, rejects without an answer. */
export function uploadOnce(url, data, onProgress) {
  return new Promise((resolve, reject) => {
    const fail = (event) => {
      connection.failed();
      reject(event);
    };
    const request = new XMLHttpRequest();
    request.open("POST", url);
    request.setRequestHeader("HX-Request", "true");
    request.setRequestHeader("X-CSRFToken", csrfToken());
    for (const [name, value] of Object.entries(activityHeaders())) request.setRequestHeader(name, value);
    let still = null;
    const moved = () => {
      clearTimeout(still);
      still = setTimeout(() => request.abort(), STILL);
    };
    request.upload.addEventListener("progress", (event) => {
      moved();
      if (event.lengthComputable) onProgress(event.loaded / event.total);
    });
    request.addEventListener("progress", moved);
    request.addEventListener("loadend", () => clearTimeout(still));
    request.addEventListener("load", () => {
      connection.answered(request.status);
      resolve({ status: request.status, body: request.responseText });
    });
    request.addEventListener("error", fail);
    request.addEventListener("abort", fail);
    moved();
    request.send(data);
  });
}

for (const note of document.querySelectorAll("#toasts .toast")) {
  note.addEventListener("click", () => note.remove());
  setTimeout(() => note.remove(), 8000);
}
