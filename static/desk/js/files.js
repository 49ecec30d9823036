// The files of a reply: chosen, dropped or pasted. Each is a tile that shows at once whether it can be sent: checked by
// name and size here, and by its first bytes on the server. The server checks the whole file again when it is sent.

import * as kept from "./draft-files.js";
import { fetchPart } from "./http.js";
import { canShrink, shrink } from "./image-resize.js";
import { newKey } from "./new-key.js";
import { cut } from "./text.js";
import { gettext, interpolate, ngettext, number } from "./words.js";

const MB = 1_048_576;
const HEAD = 65_536; // bytes from which the server knows the type of a file (tickets/views/compose.py)
// `file` is a File, or for one that the server has already {name, size, type, and cannedId or scheduledId}: of a canned
// reply, or of a scheduled reply that was taken back
// {id, file, refusal, preview, limit (bytes, when it is too big and can be made smaller), isShrinking, was, isKept (by this
// browser; null until that is known), kind ("reply" or "note")}
let files = [];
let shown = "reply"; // a reply and a note have files of their own
let conversation = null;
let rules = {};
let list = null;
let changed = () => {};

/** Show the files of the reply in conversation `id`: those that were kept. */
export function reset(tiles, limits, onChange, id) {
  for (const one of files) if (one.preview) URL.revokeObjectURL(one.preview);
  files = [];
  shown = "reply";
  list = tiles;
  rules = limits;
  changed = onChange;
  conversation = id;
  draw();
  readKept(id);
}

/** Show what this browser keeps, and no longer what another tab has removed or sent. */
async function readKept(id) {
  const rows = await kept.load(id).catch(() => null);
  if (!rows || id !== conversation) return;
  const before = files.length;
  files = files.filter((one) => !one.isKept || rows.some((row) => row.id === one.id));
  const fresh = rows.filter((row) => !files.some((one) => one.id === row.id)).map(restored);
  if (!fresh.length && files.length === before) return;
  files.push(...fresh);
  for (const one of fresh) if (!isStored(one.file)) judge(one);
  draw();
  changed();
}

kept.whenChanged(readKept);

function restored({ id, file, url, kind }) {
  return { ...described(file), id, kind, preview: isStored(file) ? url : previewOf(file), isKept: true };
}

const previewOf = (file) => (/^image\/(png|jpeg)$/.test(file.type) ? URL.createObjectURL(file) : "");

const idOf = (file) => file.cannedId ?? file.scheduledId;
const isStored = (file) => idOf(file) !== undefined;

/** Return the tile of a file of the agent, not checked by the server yet. */
function described(file) {
  const common = { id: newKey(), file, kind: shown, preview: "", isKept: null };
  if (isStored(file)) return { ...common, refusal: "", limit: 0 };
  const limit = limitOf(file);
  const tooBig = limit && file.size > limit && canShrink(file) ? limit : 0;
  return { ...common, refusal: refusalOf(file), limit: tooBig };
}

/** Keep a file until it is sent or removed. What can never be sent is not kept. */
async function keep(one) {
  if (one.refusal && !one.limit) return;
  const id = conversation;
  one.isKept = await kept.keep(id, one).then(
    () => true,
    () => false,
  );
  if (one.isKept && id === conversation && !files.includes(one)) forget(id, [one.id]); // removed meanwhile
}

export const forget = kept.forget;

/** Return whether a file would be lost if the page were left now. */
export const isAtRisk = () => files.some((one) => !one.isKept && (!one.refusal || one.limit));

/** Return whether a file cannot be kept, and would be lost with this page or conversation. */
export const isUnkept = () => files.some((one) => one.isKept === false);

export const idsOf = (chosen) => files.filter((one) => chosen.includes(one.file)).map((one) => one.id);

/** Remove these files. */
export function remove(sent) {
  const gone = files.filter((one) => sent.includes(one.file));
  for (const one of gone) if (one.preview) URL.revokeObjectURL(one.preview);
  files = files.filter((one) => !gone.includes(one));
  forget(
    conversation,
    gone.map((one) => one.id),
  );
  draw();
}

/** Show the files of a "reply" or a "note"; what follows is about these. */
export function show(kind) {
  shown = kind;
  draw();
}

const own = () => files.filter((one) => one.kind === shown);
export const all = () => own().map((one) => one.file);
export const hasRefused = () => own().some((one) => one.refusal);
export const count = () => own().length;

export function add(chosen) {
  for (const file of chosen) {
    const one = { ...described(file), preview: previewOf(file) };
    files.push(one);
    keep(one);
    if (!one.refusal || one.limit) judge(one);
  }
  draw();
  changed();
}

/** Put files of a canned reply before those of the agent, as they are sent; those that are there stay once. */
export function addCanned(chosen) {
  addStored(chosen, "cannedId");
}

/** Put the files of a scheduled reply that was taken back before all others. */
export function addScheduled(chosen) {
  addStored(chosen, "scheduledId");
}

function addStored(chosen, idName) {
  const known = files.map((one) => one.file[idName]);
  const added = chosen
    .filter(({ id }) => !known.includes(id))
    .map(({ id, name, size, type, url }) => ({
      ...described({ name, size, type, [idName]: id }),
      preview: /^image\/(png|jpeg)$/.test(type) ? url : "",
    }));
  if (!added.length) return;
  added.forEach(keep);
  const isBefore = (file) => file.scheduledId || (file.cannedId && idName === "cannedId");
  const first = files.findIndex((one) => !isBefore(one.file));
  files.splice(first < 0 ? files.length : first, 0, ...added);
  draw();
  changed();
}

/** Attach the files of a reply that was not sent. */
export function putBack(chosen) {
  const known = files.map((one) => idOf(one.file));
  const others = chosen.filter((file) => !isStored(file));
  const stored = chosen.filter((file) => isStored(file) && !known.includes(idOf(file))).map(described);
  stored.forEach(keep);
  files.unshift(...stored);
  add(others);
}

/** Ask the server to check the first bytes: a PDF may be called photo.jpg. */
async function judge(one) {
  const form = new FormData();
  form.append("head", one.file.slice(0, HEAD), "head");
  form.append("name", one.file.name);
  form.append("size", Math.min(one.file.size, limitOf(one.file))); // that it is too big is known already
  try {
    const answer = await fetchPart(`${document.body.dataset.inbox}files/`, { method: "POST", body: form });
    if (answer.status === 200) one.note = await answer.text();
    if (![200, 422].includes(answer.status)) return;
    if (answer.status === 422) {
      one.refusal = await answer.text();
      one.limit = 0;
    }
  } catch {
    return; // the network is away: the file is checked when it is sent
  }
  if (!files.includes(one)) return; // removed meanwhile, or shown again later
  draw();
  changed();
}

function limitOf(file) {
  return rules[(file.name.match(/\.[^.]+$/) || [""])[0].toLowerCase()];
}

async function makeSmaller(one) {
  const before = one.file.size;
  one.isShrinking = true;
  draw();
  try {
    one.file = await shrink(one.file, one.limit);
    one.was = before;
    one.refusal = refusalOf(one.file);
  } catch {
    const sentence = gettext("%(size)s; at most %(most)s, and this browser cannot make it smaller.");
    one.refusal = interpolate(sentence, { size: size(before), most: size(one.limit) });
  }
  one.limit = 0;
  one.isShrinking = false;
  if (!files.includes(one)) return; // removed meanwhile
  keep(one);
  draw();
  changed();
}

function refusalOf(file) {
  const limit = limitOf(file);
  if (!file.size) return gettext("This file is empty.");
  if (!limit) return gettext("Cannot be sent: only PDF, JPEG, PNG, MP4, MPEG, QuickTime, MP3, Ogg Vorbis and AMR can.");
  if (file.size <= limit) return "";
  const sentence = gettext("%(size)s; at most %(most)s. Make it smaller and attach it again.");
  return interpolate(sentence, { size: size(file.size), most: size(limit) });
}

function size(bytes) {
  if (bytes < 1024) return interpolate(ngettext("%(size)s bytes", "%(size)s bytes", bytes), { size: bytes });
  if (bytes < MB) return interpolate(gettext("%(size)s KB"), { size: Math.ceil(bytes / 1024) });
  const megabytes = number(Math.ceil((bytes * 10) / MB) / 10, { useGrouping: false });
  return interpolate(gettext("%(size)s MB"), { size: megabytes });
}

function draw() {
  list.hidden = !count();
  list.replaceChildren(...own().map(tile));
}

function verdictOf(one) {
  if (one.isShrinking) return gettext("Shrinking…");
  if (one.limit) {
    const values = { type: kindOf(one.file), size: size(one.file.size), most: size(one.limit) };
    return interpolate(gettext("%(type)s %(size)s; at most %(most)s."), values);
  }
  if (one.refusal) return one.refusal;
  if (one.note) return `${size(one.file.size)}. ${one.note}`;
  if (!one.was) return size(one.file.size);
  const values = { size: size(one.file.size), before: size(one.was) };
  return interpolate(gettext("%(size)s, made smaller from %(before)s"), values);
}

const kindOf = (file) => (file.type === "image/png" ? "PNG" : "JPEG");

function tile(one) {
  const item = document.createElement("li");
  item.className = one.refusal ? "tile tile--refused" : "tile";
  const isShown = one.preview && (!one.refusal || one.limit);
  const picture = document.createElement(isShown ? "img" : "span");
  picture.className = "tile__picture";
  if (isShown) Object.assign(picture, { src: one.preview, alt: "", width: 40, height: 40 });
  else picture.textContent = cut(one.file.name.split(".").pop() || "?", 5).toUpperCase();
  const main = document.createElement("span");
  main.className = "tile__main";
  for (const [style, words] of [
    ["tile__name", one.file.name],
    ["tile__sub", verdictOf(one)],
  ]) {
    const line = document.createElement("span");
    line.className = style;
    line.textContent = words;
    main.append(line);
  }
  if (one.limit && !one.isShrinking) {
    const button = document.createElement("button");
    Object.assign(button, {
      type: "button",
      className: "link-button tile__shrink",
      textContent: gettext("Shrink to fit"),
    });
    button.addEventListener("click", () => makeSmaller(one));
    main.append(button);
  }
  const drop = document.createElement("button");
  drop.type = "button";
  drop.className = "icon-button icon-button--small tile__drop";
  drop.textContent = "✕";
  drop.setAttribute("aria-label", interpolate(gettext("Remove %(name)s"), { name: one.file.name }));
  drop.addEventListener("click", () => {
    remove([one.file]);
    changed();
  });
  item.append(picture, main, drop);
  return item;
}

/** Show the progress of the upload under the tiles: `share` from 0 to 1, null to hide it. */
export function progress(share) {
  let bar = list.querySelector("progress");
  if (share === null) {
    bar?.remove();
    return;
  }
  if (!bar) {
    bar = document.createElement("progress");
    bar.max = 1;
    bar.setAttribute("aria-label", gettext("Upload"));
    list.append(bar);
  }
  bar.value = share;
}
