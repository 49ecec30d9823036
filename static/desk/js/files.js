// The files of a reply: chosen, dropped or pasted. Each is a tile that shows at once whether it can be sent: checked by
// name and size here, and by its first bytes on the server. The server checks the whole file again when it is sent.

import { fetchPart } from "./http.js";
import { canShrink, shrink } from "./image-resize.js";
import { cut } from "./text.js";

const MB = 1_048_576;
const HEAD = 65_536; // bytes from which the server knows the type of a file (tickets/views/compose.py)
// `file` is a File, or for a file of a canned reply {name, size, type, cannedId}: the server has it already
let files = []; // {file, refusal, preview, limit (bytes, when it is too big and can be made smaller), isShrinking, was}
let rules = {};
let list = null;
let changed = () => {};

export function reset(tiles, limits, onChange) {
  for (const one of files) if (one.preview) URL.revokeObjectURL(one.preview);
  files = [];
  list = tiles;
  rules = limits;
  changed = onChange;
  draw();
}

/** Remove these files. */
export function remove(sent) {
  for (const one of files) if (sent.includes(one.file) && one.preview) URL.revokeObjectURL(one.preview);
  files = files.filter((one) => !sent.includes(one.file));
  draw();
}

export const all = () => files.map((one) => one.file);
export const hasRefused = () => files.some((one) => one.refusal);
export const count = () => files.length;

export function add(chosen) {
  for (const file of chosen) {
    const preview = /^image\/(png|jpeg)$/.test(file.type) ? URL.createObjectURL(file) : "";
    const limit = limitOf(file);
    const tooBig = limit && file.size > limit && canShrink(file) ? limit : 0;
    const one = { file, refusal: refusalOf(file), preview, limit: tooBig };
    files.push(one);
    if (!one.refusal || tooBig) judge(one);
  }
  draw();
  changed();
}

/** Put files of a canned reply before those of the agent, as they are sent; those that are there stay once. */
export function addCanned(chosen) {
  const known = files.map((one) => one.file.cannedId);
  const added = chosen
    .filter(({ id }) => !known.includes(id))
    .map(({ id, name, size, type, url }) => ({
      file: { name, size, type, cannedId: id },
      refusal: "",
      preview: /^image\/(png|jpeg)$/.test(type) ? url : "",
      limit: 0,
    }));
  if (!added.length) return;
  const own = files.findIndex((one) => !one.file.cannedId);
  files.splice(own < 0 ? files.length : own, 0, ...added);
  draw();
  changed();
}

/** Add these files to the form that is sent: those of canned replies by their ids. */
export function append(form, chosen) {
  for (const file of chosen) {
    if (file.cannedId) form.append("canned_file", file.cannedId);
    else form.append("files", file, file.name);
  }
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
    if (![200, 422].includes(answer.status) || !files.includes(one)) return;
    if (answer.status === 422) {
      one.refusal = await answer.text();
      one.limit = 0;
    }
  } catch {
    return; // the network is away: the file is checked when it is sent
  }
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
    one.refusal = `${size(before)}; at most ${one.limit / MB} MB, and this browser cannot make it smaller.`;
  }
  one.limit = 0;
  one.isShrinking = false;
  if (!files.includes(one)) return; // removed meanwhile
  draw();
  changed();
}

function refusalOf(file) {
  const limit = limitOf(file);
  if (!file.size) return "This file is empty.";
  if (!limit) return "Cannot be sent: only PDF, JPEG, PNG, MP4, MPEG, QuickTime, MP3, Ogg Vorbis and AMR can.";
  if (file.size > limit) return `${size(file.size)}; at most ${limit / MB} MB. Make it smaller and attach it again.`;
  return "";
}

function size(bytes) {
  if (bytes < 1024) return `${bytes} bytes`;
  return bytes < MB ? `${Math.ceil(bytes / 1024)} KB` : `${Math.ceil((bytes * 10) / MB) / 10} MB`;
}

function draw() {
  list.hidden = !files.length;
  list.replaceChildren(...files.map(tile));
}

function verdictOf(one) {
  if (one.isShrinking) return "Shrinking…";
  if (one.limit) return `${kindOf(one.file)} ${size(one.file.size)}; at most ${one.limit / MB} MB.`;
  if (one.refusal) return one.refusal;
  if (one.note) return `${size(one.file.size)}. ${one.note}`;
  return one.was ? `${size(one.file.size)}, made smaller from ${size(one.was)}` : size(one.file.size);
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
    Object.assign(button, { type: "button", className: "link-button tile__shrink", textContent: "Shrink to fit" });
    button.addEventListener("click", () => makeSmaller(one));
    main.append(button);
  }
  const drop = document.createElement("button");
  drop.type = "button";
  drop.className = "icon-button icon-button--small tile__drop";
  drop.textContent = "✕";
  drop.setAttribute("aria-label", `Remove ${one.file.name}`);
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
    bar.setAttribute("aria-label", "Upload");
    list.append(bar);
  }
  bar.value = share;
}
