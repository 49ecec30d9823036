// Setup: before a form of a page that was open for long is sent, ask whether the session still lasts. So nothing is
// lost that the server could not keep, such as files.

import { ensure } from "./session.js";

const FRESH = 120_000; // milliseconds; the server answers for a page that is newer
const opened = Date.now();

document.addEventListener(
  "submit",
  async (event) => {
    const form = event.target;
    const isOld = Date.now() - opened > FRESH;
    const isAsked = form.dataset.confirm && !form.dataset.confirmed; // setup.js sends it again once it is confirmed
    if (!isOld || isAsked || form.method !== "post" || form.dataset.checked) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    const isConfirmed = form.dataset.confirmed;
    try {
      await ensure();
    } catch {
      // the server cannot be reached: the browser says so
    }
    form.dataset.checked = "yes";
    if (isConfirmed) form.dataset.confirmed = isConfirmed;
    form.requestSubmit(event.submitter);
    delete form.dataset.checked;
    if (isConfirmed) delete form.dataset.confirmed;
  },
  true,
);
