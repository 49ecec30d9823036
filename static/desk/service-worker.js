// Shows notifications that Desk sends to this browser, also when no page of Desk is open; all their texts come with them,
// in the language of the person. And shows a page of its own when Desk cannot be reached. That page, with the files it
// names, is all that it keeps: no other page, no data.

const TRIES = 3;
const ICON = "/static/desk/app-icon-192.png";
const PAUSE = 2000; // milliseconds between two tries to send a reply
const isWebKit = /AppleWebKit/.test(navigator.userAgent) && !/Chrome|Chromium/.test(navigator.userAgent);

const OFFLINE = "/offline/";
const KEPT = "desk offline";
const KEPT_FOR = 86_400_000; // milliseconds; then the page is read again

self.addEventListener("install", (event) => {
  self.skipWaiting();
  event.waitUntil(keepOfflinePage().catch(() => {})); // the next page asks again
});
self.addEventListener("activate", (event) => {
  event.waitUntil(self.clients.claim());
  // The request starts while the worker does: nobody waits for it.
  event.waitUntil(self.registration.navigationPreload?.enable());
});
self.addEventListener("message", (event) => {
  if (event.data?.kind === "keep-offline-page") event.waitUntil(keepOfflinePage(event.data.language).catch(() => {}));
});
self.addEventListener("fetch", (event) => {
  const { method, mode, url } = event.request;
  if (method !== "GET") return; // the browser offers to repeat a form
  if (mode === "navigate") event.respondWith(page(event));
  else if (url.endsWith("?offline")) event.respondWith(part(event.request)); // a file of the offline page
});

async function page(event) {
  try {
    return (await event.preloadResponse) ?? (await fetch(event.request));
  } catch {
    return (await kept(OFFLINE)) ?? Response.error();
  }
}

const part = async (request) => (await kept(request.url)) ?? fetch(request);

const kept = async (url) => (await caches.open(KEPT)).match(url, { ignoreVary: true });

/** Keep the offline page in this language, that of the page that asks, unless a fresh one is there. */
async function keepOfflinePage(language = null) {
  const before = await kept(OFFLINE);
  const age = Date.now() - Date.parse(before?.headers.get("date") ?? 0);
  if (before && before.headers.get("content-language") === language && age < KEPT_FOR) return;
  const answer = await fetch(OFFLINE, { cache: "no-store" });
  if (!answer.ok || answer.redirected) return;
  const text = await answer.clone().text();
  const urls = [...new Set([...text.matchAll(/(?:href|src)="([^"]+\?offline)"/g)].map(([, url]) => url))];
  const files = await Promise.all(urls.map((url) => fetch(url)));
  if (!files.every(({ ok }) => ok)) return;
  const cache = await caches.open(KEPT);
  await Promise.all(urls.map((url, index) => cache.put(url, files[index])));
  await cache.put(OFFLINE, answer);
  const needed = new Set([OFFLINE, ...urls].map((url) => new URL(url, self.location.origin).href));
  for (const request of await cache.keys()) if (!needed.has(request.url)) await cache.delete(request);
}

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
