// Images large: arrows to the next one, a click to zoom, a link to download.

import { icon } from "./icons.js";
import { openDialog } from "./layout.js";
import { forward, gettext, interpolate } from "./words.js";

const dialog = document.getElementById("lightbox");
let images = [];
let index = 0;

function button(name, label, style) {
  const element = document.createElement("button");
  element.type = "button";
  element.className = `icon-button ${style}`;
  element.setAttribute("aria-label", label);
  element.append(icon(name));
  return element;
}

function placeOf(name) {
  const values = { name, number: index + 1, count: images.length };
  return interpolate(gettext("%(name)s · %(number)s of %(count)s"), values);
}

function show(step) {
  index = Math.min(images.length - 1, Math.max(0, index + step));
  const { href, name } = images[index];
  const frame = document.createElement("div");
  frame.className = "lightbox__frame";
  const bar = document.createElement("div");
  bar.className = "lightbox__bar";
  const title = document.createElement("span");
  title.className = "lightbox__name";
  title.textContent = images.length > 1 ? placeOf(name) : name;
  const save = document.createElement("a");
  save.className = "icon-button";
  save.href = `${href}?download`;
  save.setAttribute("aria-label", gettext("Download"));
  save.append(icon("download"));
  const shut = button("x", gettext("Close"), "");
  shut.addEventListener("click", () => dialog.close());
  bar.append(title, save, shut);
  const back = button("down", gettext("Previous image"), "lightbox__turn");
  const next = button("down", gettext("Next image"), "lightbox__turn lightbox__turn--next");
  back.disabled = index === 0;
  next.disabled = index === images.length - 1;
  back.addEventListener("click", () => show(-1));
  next.addEventListener("click", () => show(1));
  const picture = document.createElement("img");
  picture.className = "lightbox__picture";
  picture.src = href;
  picture.alt = name;
  picture.addEventListener("click", () => picture.classList.toggle("lightbox__picture--zoomed"));
  frame.append(bar, back, picture, next);
  dialog.replaceChildren(frame);
}

export function start() {
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-lightbox]");
    if (!link || event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    const inThread = [...document.querySelectorAll(":is(#items, #ticket-items) a[data-lightbox]")];
    const all = inThread.some((one) => one.pathname === link.pathname) ? inThread : [link];
    images = all.map((one) => ({ href: one.pathname, name: one.dataset.name || gettext("Image") }));
    index = all.findIndex((one) => one.pathname === link.pathname);
    show(0);
    openDialog(dialog);
  });
  dialog.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -forward, ArrowRight: forward }[event.key];
    if (step) show(step);
  });
  dialog.addEventListener("close", () => dialog.replaceChildren());
}
