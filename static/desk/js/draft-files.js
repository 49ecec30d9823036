// The attached files of a reply or note: this browser keeps them for their author until it is sent.

import * as kept from "./kept.js";

const MOST_BYTES = 200_000_000; // of one agent; more is not kept
const channel = globalThis.BroadcastChannel ? new BroadcastChannel(`desk files ${kept.user}`) : null;

/** Return [{id, file, url, kind}] of a conversation, without what waits in a reply already. */
export async function load(conversation) {
  const [files, replies] = await Promise.all([kept.rows("files"), kept.rows("unsent")]);
  const inReplies = new Set(replies.flatMap((entry) => entry.fileIds ?? []));
  return files.filter((row) => row.conversation === conversation && !inReplies.has(row.id));
}

/** Keep a file. Throws when the browser cannot. */
export async function keep(conversation, { id, file, preview, kind }) {
  const others = (await kept.rows("files")).filter((row) => row.id !== id);
  if (others.reduce((sum, row) => sum + row.file.size, file.size) > MOST_BYTES) throw new Error("too much");
  const url = file.cannedId || file.scheduledId ? preview : "";
  await kept.put("files", { id, user: kept.user, at: Date.now(), conversation, file, url, kind });
  channel?.postMessage(conversation);
}

export async function forget(conversation, ids) {
  if (!ids.length) return;
  await kept.remove("files", ...ids).catch(() => {});
  channel?.postMessage(conversation);
}

/** Call `act(conversation)` when another tab has changed the files of a conversation. */
export const whenChanged = (act) => channel?.addEventListener("message", ({ data }) => act(data));
