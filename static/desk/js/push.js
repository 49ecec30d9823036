// Notifications that come also when no page is open: whether they are on in this browser, turning them on and off.

import { recall, remember } from "./storage.js";
import { register } from "./worker.js";

const ON_KEY = "desk.push"; // the id of the user for whom they are on in this browser
const KINDS_KEY = "desk.push-kinds"; // what comes in this way

/** Return whether this browser can show them. On phones with iOS only once Desk is on the home screen. */
export const isPossible = () => "serviceWorker" in navigator && "PushManager" in window && "Notification" in window;

/** Return whether they are on in this browser for this user. */
export const isOn = (user) => isPossible() && recall(ON_KEY) === String(user) && Notification.permission === "granted";

/** Return whether this kind of news comes by push in this browser, so that no page has to show it. */
export const covers = (user, kind) => isOn(user) && (recall(KINDS_KEY) ?? "").split(" ").includes(kind);

/** Remember what comes by push: the names of kinds. */
export const setKinds = (kinds) => remember(KINDS_KEY, kinds.join(" "));

/** Return the subscription of this browser, or null. */
export async function current() {
  const worker = await navigator.serviceWorker.getRegistration("/");
  return (await worker?.pushManager.getSubscription()) ?? null;
}

/** Return the fields that the server needs of a subscription. */
export function fieldsOf(subscription) {
  const { endpoint, keys } = subscription.toJSON();
  return { endpoint, p256dh: keys.p256dh, auth: keys.auth };
}

/** Subscribe for Desk's public key. Call it after a click: the browser asks for the permission. Throws when refused. */
export async function subscribe(user, key) {
  await register();
  const worker = await navigator.serviceWorker.ready;
  const known = await worker.pushManager.getSubscription();
  if (known && !isFor(known, key)) await known.unsubscribe();
  const options = { userVisibleOnly: true, applicationServerKey: bytesOf(key) };
  const subscription = await worker.pushManager.subscribe(options);
  remember(ON_KEY, String(user));
  return subscription;
}

/** Turn them off in this browser; return the endpoint that they had, or "". */
export async function unsubscribe() {
  const subscription = await current();
  remember(ON_KEY, "");
  await subscription?.unsubscribe();
  return subscription?.endpoint ?? "";
}

/** At a logout, show and take no more of this user's notifications; `renew` subscribes again after the next login. */
export async function leave() {
  if (!isPossible()) return;
  const worker = await navigator.serviceWorker.getRegistration("/");
  for (const shown of (await worker?.getNotifications()) ?? []) shown.close();
  await (await current())?.unsubscribe();
}

/**
 * Tell the server when a page opens, and after a login, that this browser still wants them: `post(url, fields)` sends
 * it. A subscription that the browser or the server has replaced is made again.
 */
export async function renew(user, address, post) {
  if (!isOn(user)) return false;
  await register();
  let subscription = await current();
  let response = await post(address, subscription ? fieldsOf(subscription) : {});
  if (!response.ok && response.status !== 422) return false;
  const { key, kinds } = await response.json();
  setKinds(kinds);
  if (!subscription || !isFor(subscription, key)) {
    subscription = await subscribe(user, key);
    response = await post(address, fieldsOf(subscription));
  }
  return response.ok;
}

function isFor(subscription, key) {
  const used = subscription.options?.applicationServerKey;
  return !used || textOf(new Uint8Array(used)) === key;
}

function bytesOf(text) {
  const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, (letter) => letter.charCodeAt(0));
}

const textOf = (bytes) =>
  btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
