// The pages of contacts: copying, keys, and a choice that submits its form. They work without a script too.

const search = document.querySelector("[data-search]");
const rows = [...document.querySelectorAll("[data-rows] a")];

async function copied(button) {
  try {
    await navigator.clipboard.writeText(button.dataset.copyText);
  } catch {
    const selection = getSelection();
    selection.selectAllChildren(button.previousElementSibling);
  }
}

/** Save presence or how replies are sent without leaving the page, on which something may be typed. */
async function saveChoice(form) {
  const fields = new URLSearchParams(new FormData(form));
  const headers = { "HX-Request": "true", "X-Desk-Activity": "yes" };
  const answer = await fetch(form.action, { method: "POST", body: fields, headers }).catch(() => null);
  if (answer?.ok) document.getElementById("presence-dot").dataset.presence = fields.get("presence");
  else form.requestSubmit(); // the page that comes says why, such as that of the login
}

/** Go to the next or previous row, from the one that has the focus. */
function step(by) {
  const now = rows.indexOf(document.activeElement);
  rows[now < 0 ? 0 : Math.min(Math.max(now + by, 0), rows.length - 1)]?.focus();
}

function pressed(event) {
  const isTyping = event.target.matches("input, textarea, select, [contenteditable]");
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/" && search) search.focus();
  else if (rows.length && ["j", "ArrowDown"].includes(event.key)) step(1);
  else if (rows.length && ["k", "ArrowUp"].includes(event.key)) step(-1);
  else return;
  event.preventDefault();
}

document.addEventListener("keydown", pressed);
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submits]")) event.target.form.requestSubmit();
  if (event.target.closest("#me-form")) saveChoice(event.target.form);
});
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy-text]");
  if (button) copied(button);
});
