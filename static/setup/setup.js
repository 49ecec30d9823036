/* Scripts of Setup. Every page works without them. */
document.documentElement.classList.add("scripted");

// --- The texts in the language of the page: where it is not English, Django's catalogue is loaded before.
function gettext(text) {
  return (globalThis.django?.gettext ?? String)(text);
}

function ngettext(one, many, number) {
  return globalThis.django?.ngettext ? globalThis.django.ngettext(one, many, number) : number === 1 ? one : many;
}
function interpolate(text, values) {
  return text.replace(/%\((\w+)\)s/g, (_whole, name) => String(values[name]));
}

// Facebook adds #_=_ to the address it returns to.
if (window.location.hash === "#_=_")
  window.history.replaceState(null, "", window.location.pathname + window.location.search);

const MEGABYTE = 1048576;

// --- Ask before what cannot be undone.
document.addEventListener(
  "submit",
  (event) => {
    const form = event.target;
    if (!form.dataset.confirm || form.dataset.confirmed) return;
    event.preventDefault();
    event.stopPropagation();
    confirmFirst(form, event.submitter);
  },
  true,
);

function confirmFirst(form, submitter) {
  const dialog = document.createElement("dialog");
  dialog.className = "setup-dialog";
  dialog.setAttribute("aria-labelledby", "dialog-title");
  const question = document.createElement("p");
  question.id = "dialog-title";
  question.textContent = form.dataset.confirm;
  const foot = document.createElement("div");
  foot.className = "form-foot";
  const confirm = document.createElement("button");
  const isDanger = submitter?.classList.contains("button--danger");
  confirm.className = `button ${isDanger ? "button--destroy" : "button--primary"}`;
  confirm.textContent = submitter?.firstChild?.textContent.trim() || gettext("Continue");
  confirm.addEventListener("click", () => {
    form.dataset.confirmed = "yes";
    dialog.close();
    form.requestSubmit(submitter);
    delete form.dataset.confirmed;
  });
  const cancel = document.createElement("button");
  cancel.className = "button";
  cancel.textContent = gettext("Cancel");
  cancel.autofocus = true;
  cancel.addEventListener("click", () => dialog.close());
  foot.append(confirm, cancel);
  dialog.append(question, foot);
  dialog.addEventListener("close", () => {
    dialog.remove();
    submitter?.focus();
  });
  document.body.append(dialog);
  dialog.showModal();
}

// --- Copy a field with one click; the button says so for a while, also to screen readers.
const spoken = document.createElement("p");
spoken.className = "visually-hidden";
spoken.setAttribute("role", "status");
document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  const field = document.getElementById(button.dataset.copy);
  field.select();
  if (!spoken.isConnected) document.body.append(spoken);
  button.dataset.label ??= button.textContent;
  try {
    await navigator.clipboard.writeText(field.value);
    button.textContent = gettext("Copied");
  } catch {
    button.textContent = gettext("Press Ctrl+C");
  }
  spoken.textContent = button.textContent;
  clearTimeout(Number(button.dataset.timer));
  button.dataset.timer = setTimeout(() => {
    button.textContent = button.dataset.label;
    spoken.textContent = "";
  }, 4000);
});

// --- Dialogs: show the page behind a link over this page.
document.addEventListener("click", async (event) => {
  const link = event.target.closest("a[data-dialog]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || typeof HTMLDialogElement === "undefined") return;
  event.preventDefault();
  try {
    const answer = await fetch(link.href, { headers: { "X-Requested-With": "fetch" } });
    if (!answer.ok || answer.redirected) throw new Error(String(answer.status));
    const dialog = document.createElement("dialog");
    dialog.className = "setup-dialog";
    dialog.innerHTML = await answer.text();
    document.body.append(dialog);
    const title = dialog.querySelector("h2");
    if (title) {
      title.id = "dialog-title";
      dialog.setAttribute("aria-labelledby", title.id);
    }
    dialog.addEventListener("click", (inside) => {
      if ((inside.target === dialog && inside.detail < 2) || inside.target.closest("[data-close]")) {
        inside.preventDefault();
        dialog.close();
      }
    });
    const back = link.closest("details.dots")?.querySelector("summary") ?? link;
    dialog.addEventListener("close", () => {
      dialog.remove();
      back.focus();
    });
    closeMenus();
    dialog.showModal();
  } catch {
    window.location.assign(link.href);
  }
});

// --- Close menus on a click elsewhere, which does nothing else, on Escape and behind a dialog.
const OPEN_MENUS = "details.dots[open], details.me[open]";
let onlyCloses = false; // the click that follows was begun beside an open menu
function closeMenus(except = null) {
  for (const open of document.querySelectorAll(OPEN_MENUS)) {
    if (open.contains(except)) continue;
    if (open.contains(document.activeElement)) open.querySelector("summary").focus();
    open.open = false;
  }
}
document.addEventListener("click", (event) => closeMenus(event.target));
const capturing = (kind, act) => window.addEventListener(kind, act, { capture: true });
capturing("pointerdown", (event) => {
  const open = [...document.querySelectorAll(OPEN_MENUS)];
  const beside = open.length > 0 && !open.some((menu) => menu.contains(event.target));
  onlyCloses = beside && event.isPrimary && event.button === 0;
});
capturing("mousedown", (event) => onlyCloses && event.preventDefault());
capturing("click", (event) => {
  if (!onlyCloses || !event.isTrusted) return;
  onlyCloses = false;
  event.preventDefault();
  event.stopImmediatePropagation();
  closeMenus();
});
for (const kind of ["pointercancel", "keydown"]) capturing(kind, () => (onlyCloses = false));
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !document.querySelector("dialog[open]")) closeMenus();
});

// --- The icon: preview it, and refuse at once what the server would refuse.
async function problemOf(file) {
  if (!/\.(jpe?g|png)$/i.test(file.name))
    return interpolate(gettext("“%(name)s” is not a .jpg, .jpeg or .png file."), { name: file.name });
  if (file.size === 0) return gettext("This file is empty.");
  if (file.size > MEGABYTE) {
    const sentence = ngettext(
      "This picture has %(size)s MB (%(bytes)s byte); the limit is 1 MB (%(limit)s bytes).",
      "This picture has %(size)s MB (%(bytes)s bytes); the limit is 1 MB (%(limit)s bytes).",
      file.size,
    );
    const language = document.documentElement.lang || "en";
    const digits = { minimumFractionDigits: 2, maximumFractionDigits: 2, useGrouping: false };
    return interpolate(sentence, {
      size: (file.size / MEGABYTE).toLocaleString(language, digits),
      bytes: file.size.toLocaleString(language),
      limit: MEGABYTE.toLocaleString(language),
    });
  }
  const bytes = new Uint8Array(await file.slice(0, 8).arrayBuffer());
  const isPng = bytes[0] === 0x89 && bytes[1] === 0x50 && bytes[2] === 0x4e && bytes[3] === 0x47;
  const isJpeg = bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff;
  if (!isPng && !isJpeg) return gettext("This file is not a JPEG or PNG picture.");
  return "";
}

// A picture that is named as one of the other kind is taken; the field says so.
async function noteOf(file) {
  const isPng = new Uint8Array(await file.slice(0, 1).arrayBuffer())[0] === 0x89;
  if (isPng === /\.png$/i.test(file.name)) return "";
  const sentence = isPng
    ? gettext("“%(name)s” is a PNG picture and is stored as one.")
    : gettext("“%(name)s” is a JPEG picture and is stored as one.");
  return interpolate(sentence, { name: file.name });
}

for (const field of document.querySelectorAll("[data-icon-field]")) {
  const input = field.querySelector("[data-icon-input]");
  const previews = field.querySelectorAll("[data-icon-preview]");
  const none = field.querySelector("[data-icon-none]");
  const error = field.querySelector(".field-error");
  const note = field.querySelector("[data-icon-note]");
  const shown = [...previews].map((preview) => preview.getAttribute("src"));
  let address = "";
  const show = async () => {
    const file = input.files[0];
    const problem = file ? await problemOf(file) : "";
    error.textContent = problem;
    error.hidden = !problem;
    note.textContent = file && !problem ? await noteOf(file) : "";
    note.hidden = !note.textContent;
    if (problem) input.value = "";
    if (address) URL.revokeObjectURL(address);
    address = file && !problem ? URL.createObjectURL(file) : "";
    previews.forEach((preview, index) => {
      const source = address || shown[index];
      preview.hidden = !source;
      if (source) preview.src = source;
    });
    none.hidden = Boolean(address || shown[0]);
  };
  input.addEventListener("change", show);
  for (const name of ["dragover", "dragleave", "drop"]) {
    field.addEventListener(name, (event) => {
      event.preventDefault();
      field.classList.toggle("is-over", name === "dragover");
      if (name === "drop" && event.dataTransfer.files.length) {
        input.files = event.dataTransfer.files;
        show();
      }
    });
  }
}

// --- The end-to-end check and the history import: ask again until they are over.
function followChecks(checks) {
  if (!checks.dataset.refresh) return;
  setTimeout(async () => {
    try {
      const answer = await fetch(checks.dataset.refresh, { headers: { "X-Requested-With": "fetch" } });
      if (!answer.ok || answer.redirected) return;
      const holder = document.createElement("div");
      holder.innerHTML = await answer.text();
      const fresh = holder.firstElementChild;
      const focused = checks.contains(document.activeElement) ? document.activeElement.id : "";
      checks.replaceWith(fresh);
      if (focused) document.getElementById(focused)?.focus();
      followChecks(fresh);
    } catch {
      followChecks(checks);
    }
  }, 1000);
}
for (const element of document.querySelectorAll("[data-refresh]")) followChecks(element);

const reloading = document.querySelector("[data-reload]");
if (reloading) setTimeout(() => window.location.reload(), Number(reloading.dataset.reload) * 1000);

// --- Preferences: keep slider and number in step; show another department at once.
function inHours(minutes) {
  const hours = Math.floor(minutes / 60);
  const rest = minutes % 60;
  const words = [
    hours && interpolate(gettext("%(hours)s h"), { hours }),
    rest && interpolate(gettext("%(minutes)s min"), { minutes: rest }),
  ];
  return words.filter(Boolean).join(" ");
}
for (const number of document.querySelectorAll("input[data-slider]")) {
  const slider = document.getElementById(number.dataset.slider);
  const hours = document.querySelector(`[data-hours-of="${number.id}"]`);
  const say = () => {
    if (hours) hours.textContent = number.value ? `= ${inHours(Number(number.value))}` : "";
  };
  slider?.addEventListener("input", () => {
    number.value = slider.value;
    say();
  });
  number.addEventListener("input", () => {
    slider.value = number.value;
    say();
  });
  say();
}
for (const select of document.querySelectorAll("select[data-submit]")) {
  select.addEventListener("change", () => select.form.requestSubmit());
}

// --- Receipts: printing needs a script, so the button is hidden without one.
for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
}
