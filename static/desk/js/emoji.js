// The emoji picker: groups, search by English names, the recent ones first. One panel for composer and reactions.

import { GROUPS, QUICK } from "./emoji-data.js";
import { isTouched } from "./layout.js";
import { recall, remember } from "./storage.js";
import { forward, gettext } from "./words.js";

const RECENT_KEY = "desk.emoji";
const MOST_RECENT = 16;
const panel = document.createElement("div");
let anchor = null;
let choose = null;
let isQuick = false;

function recent() {
  const known = (recall(RECENT_KEY) ?? "").split(" ").filter(Boolean);
  return known.slice(0, MOST_RECENT);
}

function use(sign) {
  remember(RECENT_KEY, [sign, ...recent().filter((one) => one !== sign)].slice(0, MOST_RECENT).join(" "));
  const done = choose;
  close();
  done(sign);
}

function make(tag, className, text = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

function grid(entries) {
  const box = make("div", "emoji__grid");
  for (const { sign, words } of entries) {
    const button = make("button", "emoji__one", sign);
    button.type = "button";
    button.title = words;
    button.tabIndex = -1;
    button.setAttribute("aria-label", words || sign);
    box.append(button);
  }
  return box;
}

const named = new Map(GROUPS.flatMap((group) => group.emoji.map((one) => [one.sign, one])));
const nameOf = (sign) => named.get(sign) ?? { sign, words: "" };

function draw(words = "") {
  const body = panel.querySelector(".emoji__body");
  const wanted = words.trim().toLowerCase().split(/\s+/).filter(Boolean);
  const fits = (one) => wanted.every((word) => one.words.includes(word));
  const used = recent();
  const groups = wanted.length
    ? [{ name: gettext("Found"), emoji: [...named.values()].filter(fits) }]
    : [...(used.length ? [{ name: gettext("Recent"), emoji: used.map(nameOf) }] : []), ...GROUPS];
  body.replaceChildren();
  for (const group of groups) {
    if (!group.emoji.length) body.append(make("p", "emoji__none", gettext("No emoji of that name.")));
    else body.append(make("h3", "emoji__group", group.name), grid(group.emoji));
  }
  body.scrollTop = 0;
  enter();
}

/** Let Tab reach one emoji; the arrow keys move on from there. */
function enter(button = panel.querySelector(".emoji__one")) {
  for (const other of panel.querySelectorAll('.emoji__one[tabindex="0"]')) other.tabIndex = -1;
  if (button) button.tabIndex = 0;
}

function drawPanel() {
  panel.replaceChildren();
  if (isQuick) {
    const row = grid(QUICK.map(nameOf));
    row.className = "emoji__quick";
    const more = make("button", "icon-button icon-button--small emoji__more", "+");
    more.type = "button";
    more.setAttribute("aria-label", gettext("More emoji"));
    row.append(more);
    panel.append(row);
    enter();
    return;
  }
  const search = make("input", "field emoji__search");
  Object.assign(search, {
    type: "search",
    placeholder: gettext("Search: thanks, parcel, smile …"),
    autocomplete: "off",
  });
  search.setAttribute("aria-label", gettext("Search emoji by name"));
  panel.append(search, make("div", "emoji__body"));
  draw();
}

function place() {
  const at = anchor.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = panel;
  const above = at.top - height - 8;
  panel.style.left = `${Math.max(8, Math.min(at.left, innerWidth - width - 8))}px`;
  panel.style.top = `${above > 8 ? above : Math.min(at.bottom + 8, innerHeight - height - 8)}px`;
}

/** Open beside `button`, with the usual reactions first if `quick`. `onChoose` gets the emoji. */
export function open(button, onChoose, { quick = false } = {}) {
  const wasMine = anchor === button && panel.matches(":popover-open");
  close();
  if (wasMine) return;
  [anchor, choose, isQuick] = [button, onChoose, quick];
  if (!panel.isConnected) document.body.append(panel);
  show();
}

function show() {
  drawPanel();
  // Tab goes from the button into the panel, and from the panel to what follows the button
  panel.showPopover({ source: anchor });
  place();
  anchor.setAttribute("aria-expanded", "true");
  panel.querySelector(isTouched() ? ".emoji__one" : "input, .emoji__one").focus();
}

function close() {
  if (panel.matches(":popover-open")) panel.hidePopover();
}

function step(from, key) {
  const all = [...panel.querySelectorAll(".emoji__one")];
  const index = all.indexOf(from);
  if (key === "ArrowLeft" || key === "ArrowRight") return all[index + (key === "ArrowRight" ? forward : -forward)];
  if (key === "Home") return all[0];
  if (key === "End") return all.at(-1);
  const here = from.getBoundingClientRect();
  const down = key === "ArrowDown";
  const rows = (down ? all.slice(index + 1) : all.slice(0, index).reverse()).filter((one) => {
    const top = one.getBoundingClientRect().top;
    return down ? top > here.top + 4 : top < here.top - 4;
  });
  const top = rows[0]?.getBoundingClientRect().top;
  const row = rows.filter((one) => Math.abs(one.getBoundingClientRect().top - top) < 4);
  const apart = (one) => Math.abs(one.getBoundingClientRect().left - here.left);
  return row.reduce((best, one) => (!best || apart(one) < apart(best) ? one : best), null);
}

panel.addEventListener("keydown", (event) => {
  event.stopPropagation(); // no shortcuts inside the panel
  if (event.key === "Escape") {
    event.preventDefault();
    close();
    return;
  }
  const one = event.target.closest(".emoji__one");
  if (event.target.matches("input")) {
    if (event.key !== "ArrowDown" && event.key !== "Enter") return;
    event.preventDefault();
    const first = panel.querySelector(".emoji__one");
    if (event.key === "Enter" && first && event.target.value.trim()) use(first.textContent);
    else first?.focus();
  } else if (one && /^(Arrow|Home$|End$)/.test(event.key)) {
    event.preventDefault();
    const next = step(one, event.key);
    if (next) {
      enter(next);
      next.focus();
    } else if (event.key === "ArrowUp") panel.querySelector("input")?.focus();
  }
});

panel.addEventListener("input", (event) => draw(event.target.value));

panel.addEventListener("click", (event) => {
  const one = event.target.closest(".emoji__one");
  if (one) use(one.textContent);
  else if (event.target.closest(".emoji__more")) {
    isQuick = false;
    drawPanel();
    place();
    panel.querySelector("input").focus();
  }
});

panel.addEventListener("focusout", (event) => {
  if (event.relatedTarget && !panel.contains(event.relatedTarget)) close(); // Tab must not move behind the open panel
});

panel.addEventListener("toggle", (event) => {
  if (event.newState === "open") return;
  anchor?.setAttribute("aria-expanded", "false");
  if (!document.activeElement || document.activeElement === document.body) anchor?.focus({ preventScroll: true });
});

panel.className = "emoji";
panel.setAttribute("popover", "auto");
panel.setAttribute("role", "dialog");
panel.setAttribute("aria-label", gettext("Emoji"));
addEventListener("resize", close);
