// Shows the customer that an agent is typing, where the channel allows it: sent seldom, and never waited for.

import { post } from "./http.js";

const EVERY = 10_000; // milliseconds; the server has the same limit
const SHOWN_FOR = 20_000;
let sentAt = -Infinity;
let to = "";

function send(address, fields) {
  post(address, fields).catch(() => {}); // an indicator that is not shown is no loss
}

/** Call when the text of the reply changes; `address` is empty where customers are not shown the indicator. */
export function typed(address, words) {
  if (!address) return;
  const now = performance.now();
  if (address !== to) [to, sentAt] = [address, -Infinity];
  if (words.trim()) {
    if (now - sentAt < EVERY) return;
    sentAt = now;
    send(address, {});
  } else if (now - sentAt < SHOWN_FOR) {
    sentAt = -Infinity;
    send(address, { off: "yes" });
  }
}

/** Call when the reply was sent: the customer sees it instead. */
export function sent() {
  sentAt = -Infinity;
}
