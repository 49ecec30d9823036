// Shows notifications that Desk sends to this browser, also when no page of Desk is open. It keeps no files and answers no
// requests. All texts come with the notification, in the language of the person.

const TRIES = 3;
const ICON = "/static/desk/app-icon-192.png";
const PAUSE = 2000; // milliseconds between two tries to send a reply
const isWebKit = /AppleWebKit/.test(navigator.userAgent) && !/Chrome|Chromium/.test(navigator.userAgent);

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("push", (event) => {
  let content = null;
  try {
    content = event.data.json();
  } catch {
    return; // not from Desk
  }
  event.waitUntil(show(content));
});

async function show(content) {
  const isLookedAt = !content.always && (await pages()).some((page) => page.focused && isInbox(page));
  if (isLookedAt && !isWebKit) return; // the page shows it
  const shown = await self.registration.getNotifications({ tag: content.tag });
  if (shown.some((note) => (note.data?.id ?? 0) > (content.id ?? 0))) return; // a repetition, after a newer one
  const isRepeated = shown.some((note) => note.data?.id && note.data.id === content.id);
  const reply = content.reply;
  await self.registration.showNotification(content.title, {
    body: content.body,
    tag: content.tag,
    renotify: !isRepeated && shown.length > 0,
    silent: isLookedAt || isRepeated,
    lang: content.lang,
    dir: content.dir,
    icon: ICON,
    data: content,
    actions: reply ? [{ action: "reply", type: "text", title: reply.label, placeholder: reply.hint }] : [],
  });
  if (isLookedAt) await closeAll(content.tag); // Safari takes the permission away from who shows nothing
}

const pages = () => self.clients.matchAll({ type: "window", includeUncontrolled: true });
const isInbox = (page) => new URL(page.url).pathname.startsWith("/inbox/");

async function closeAll(tag) {
  for (const note of await self.registration.getNotifications({ tag })) note.close();
}

self.addEventListener("notificationclick", (event) => {
  const { data } = event.notification;
  event.notification.close();
  const text = event.action === "again" ? data.text : event.action === "reply" ? event.reply : "";
  if (text?.trim()) event.waitUntil(send(data, text));
  else event.waitUntil(open(data.url, event.action === "reply"));
});

/** Show the conversation in a page that is open, else in a new one. */
async function open(url, writes = false) {
  const address = new URL(url, self.location.origin);
  if (address.origin !== self.location.origin) return;
  const inboxes = (await pages()).filter(isInbox);
  const page = inboxes.find((each) => new URL(each.url).pathname === address.pathname) ?? inboxes[0];
  if (!page) {
    await self.clients.openWindow(address.href);
    return;
  }
  page.postMessage({ kind: "open", url: address.pathname, writes });
  await page.focus().catch(() => {});
}

/** Send a reply. The token makes it one message, however often it is sent. */
async function send(data, text) {
  for (let tried = 1; ; tried++) {
    try {
      const response = await fetch(data.reply.url, {
        method: "POST",
        body: new URLSearchParams({ token: data.reply.token, text }),
        headers: { "HX-Request": "true", "X-Desk-Activity": "yes" },
        credentials: "same-origin",
      });
      if (response.ok) return;
      if (response.status < 500) {
        const known = (response.headers.get("content-type") ?? "").startsWith("application/json");
        const { reason = "", kept = false } = known ? await response.json() : {};
        await failed(data, text, kept ? reason : [reason, text].filter(Boolean).join("\n"), !kept);
        return;
      }
    } catch {
      // the network is away
    }
    if (tried === TRIES) {
      await failed(data, text, text, true);
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE * tried));
  }
}

/** Say that a reply was not sent; what was typed stays in the notification unless Desk has it. */
function failed(data, text, body, canRepeat) {
  return self.registration.showNotification(data.reply.failed, {
    body,
    tag: `${data.tag}-failed`,
    requireInteraction: true,
    lang: data.lang,
    dir: data.dir,
    icon: ICON,
    data: { ...data, id: 0, text },
    actions: canRepeat ? [{ action: "again", title: data.reply.again }] : [],
  });
}
