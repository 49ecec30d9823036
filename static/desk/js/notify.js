// Browser notifications and a soft sound, for this browser alone and only when the agent turned them on.

import { fetchPart, post, toast } from "./http.js";
import * as nav from "./nav.js";
import * as push from "./push.js";
import { recall, remember } from "./storage.js";
import * as thread from "./thread.js";
import { Throttle } from "./throttle.js";
import { gettext } from "./words.js";

const LEVEL_KEY = "desk.notify"; // off, mine, open (mine and unassigned)
const SOUND_KEY = "desk.sound"; // on, or nothing
const SOUNDED_KEY = "desk.sounded"; // the last message that made a sound, in whichever tab
const PAUSE = 2000;
let since = null; // the newest message when listening began, or when the stream last reconnected
const notified = new Map(); // conversation -> the newest message since then that a notification was shown for
let audio = null;

const newsThrottle = new Throttle(read, () => PAUSE);
const box = () => document.getElementById("notify");
const isAllowed = () => "Notification" in window && Notification.permission === "granted";
const level = () => (isAllowed() ? recall(LEVEL_KEY) : null) ?? "off";
const isSounding = () => recall(SOUND_KEY) === "on";
const isWanted = () => level() !== "off" || isSounding();

async function read() {
  const response = await fetchPart(`${document.body.dataset.inbox}news/${since === null ? "" : `?since=${since}`}`);
  if (!response.ok) return;
  const { newest, messages } = await response.json();
  for (const message of messages) announce(message);
  since = isWanted() ? newest : null;
}

let mentioned = 0; // the newest note that a mention was shown for

/** Show a mention in the page, whatever is turned on, and mark it as seen when its conversation is looked at. */
function showMention(message) {
  if (message.id <= mentioned) return;
  mentioned = message.id;
  const isOpen = thread.current()?.id === message.conversation;
  if (isOpen) thread.markRead(true);
  else toast(`${message.name}: ${message.text}`).addEventListener("click", () => nav.open(message.conversation));
}

/** Notify of a customer's message {id, conversation, is_mine, name, text}: once for each, if turned on. */
export function announce(message) {
  if (message.is_mention) showMention(message);
  if (since === null || message.id <= Math.max(since, notified.get(message.conversation) ?? 0)) return;
  notified.set(message.conversation, message.id);
  const isLookedAt = document.hasFocus() && document.visibilityState === "visible";
  if (isLookedAt && thread.current()?.id === message.conversation) return;
  const comesByPush = push.covers(document.body.dataset.user, message.is_mine ? "mine" : "unassigned");
  const isChosen = level() === "open" || (level() === "mine" && message.is_mine);
  if (!isLookedAt && !comesByPush && isChosen) notify(message);
  if (isSounding() && message.is_mine) sound(message.id);
}

function notify(message) {
  try {
    const note = new Notification(message.name, {
      body: message.text,
      icon: document.body.dataset.favicon,
      tag: `desk-${message.id}`, // one notification, however many tabs are open
    });
    note.addEventListener("click", () => {
      window.focus();
      nav.open(message.conversation);
      note.close();
    });
  } catch {
    // some phones offer notifications to service workers only
    say(gettext("This browser does not show notifications of web pages. The tab title still shows the number."));
  }
}

/** Play two short soft tones. */
function sound(id) {
  if (Number(recall(SOUNDED_KEY)) >= id) return;
  remember(SOUNDED_KEY, id);
  try {
    audio ??= new AudioContext();
    [660, 880].forEach((pitch, index) => {
      const [tone, volume] = [audio.createOscillator(), audio.createGain()];
      const begin = audio.currentTime + index * 0.14;
      tone.frequency.value = pitch;
      volume.gain.setValueAtTime(0.0001, begin);
      volume.gain.exponentialRampToValueAtTime(0.07, begin + 0.03);
      volume.gain.exponentialRampToValueAtTime(0.0001, begin + 0.3);
      tone.connect(volume).connect(audio.destination);
      tone.start(begin);
      tone.stop(begin + 0.32);
    });
  } catch {
    // no sound device: the title and the list show it
  }
}

function say(sentence) {
  box().querySelector("[data-state]").textContent = sentence;
}

function show() {
  for (const choice of box().querySelectorAll("[name=notify]")) choice.checked = choice.value === level();
  box().querySelector("[name=sound]").checked = isSounding();
}

async function choose(value) {
  say("");
  if (value !== "off" && !("Notification" in window)) {
    say(gettext("This browser does not support notifications."));
  } else if (value !== "off" && (await Notification.requestPermission()) !== "granted") {
    say(gettext("The browser blocks notifications of this site. Allow them in the address bar, then choose again."));
  } else {
    remember(LEVEL_KEY, value);
  }
  show();
}

function changed(event) {
  if (event.target.name === "notify") choose(event.target.value).then(listen);
  if (event.target.name !== "sound") return;
  remember(SOUND_KEY, event.target.checked ? "on" : "");
  if (event.target.checked) {
    audio ??= new AudioContext(); // made by a click, or the browser keeps it silent
    audio.resume();
  }
  listen();
}

function listen() {
  if (isWanted() && since === null) read().catch(() => newsThrottle.ask()); // at once: news from now on is announced
  if (!isWanted()) since = null;
}

/** Read what may have been missed: the stream was away, or a mention has just given access to a conversation. */
export function ask() {
  newsThrottle.ask();
}

/** Show the conversation of a notification that was clicked: the service worker asks for it. */
function asked({ data }) {
  const id = data?.kind === "open" && Number(/\/inbox\/(\d+)\/$/.exec(data.url)?.[1]);
  if (id) nav.open(id, { focus: data.writes ? "composer" : "thread" });
  else if (data?.kind === "open" && data.url.startsWith("/")) location.assign(data.url);
}

/** Let Desk send to this browser also when no page is open, if that was turned on. */
function renewPush() {
  const { user, push: address } = document.body.dataset;
  push.renew(user, address, post).catch(() => {}); // the next page tries again
}

export function start() {
  navigator.serviceWorker?.addEventListener("message", asked);
  document.addEventListener("desk:logged-in", renewPush);
  renewPush();
  if (!box()) return;
  show();
  box().addEventListener("change", changed);
  listen();
}
