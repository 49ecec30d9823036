// Lets the customer see that somebody is typing, where the channel says so: told seldom, and never waited for.

import { post } from "./http.js";

const EVERY = 10_000; // milliseconds; the server keeps to it too
const SHOWN_FOR = 20_000;
let told = -Infinity;
let to = "";

function tell(address, fields) {
  post(address, fields).catch(() => {}); // a sign that is not shown is no loss
}

/** What stands in the reply's field has changed; `address` is empty where customers are not shown it. */
export function typed(address, words) {
  if (!address) return;
  const now = performance.now();
  if (address !== to) [to, told] = [address, -Infinity];
  if (words.trim()) {
    if (now - told < EVERY) return;
    told = now;
    tell(address, {});
  } else if (now - told < SHOWN_FOR) {
    told = -Infinity;
    tell(address, { off: "yes" });
  }
}

/** The reply went out: the customer sees it instead. */
export function sent() {
  told = -Infinity;
}
