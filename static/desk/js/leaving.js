// Asks the browser to warn when something would be lost if the page were left now.

import * as draft from "./draft.js";
import * as note from "./draft-note.js";
import * as files from "./files.js";
import * as outbox from "./outbox.js";

export function start() {
  addEventListener("beforeunload", (event) => {
    note.saveNow();
    if (draft.isAtRisk() || note.isAtRisk() || files.isAtRisk() || outbox.isAtRisk()) event.preventDefault();
  });
}
