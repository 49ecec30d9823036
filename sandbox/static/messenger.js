// The Messenger window: sends without reload, shows new messages, keeps the scroll position of the thread.
const main = document.querySelector(".messenger-main");
const thread = document.getElementById("thread");
const composer = document.getElementById("composer");
const text = document.getElementById("text");
const problem = document.getElementById("problem");
const file = document.getElementById("file");
const reads = document.getElementById("reads");
const selected = { as: main.dataset.as, page: main.dataset.page };
const query = new URLSearchParams(selected);
const atBottom = () => thread.scrollHeight - thread.scrollTop - thread.clientHeight < 80;
const toBottom = () => {
  thread.scrollTop = thread.scrollHeight;
};

async function act(fields) {
  const body = fields instanceof FormData ? fields : new FormData();
  if (!(fields instanceof FormData))
    for (const [key, value] of Object.entries({ ...selected, ...fields })) body.set(key, value);
  const answer = await fetch("/messenger/act", { method: "POST", body, headers: { Accept: "application/json" } });
  const result = await answer.json().catch(() => ({ error: "The sandbox did not answer." }));
  problem.hidden = !result.error;
  problem.textContent = result.error || "";
  return result;
}

let shown = "";
async function refresh() {
  const [conversation, people] = await Promise.all([
    fetch(`/messenger/thread?${query}`).then((answer) => answer.text()),
    fetch(`/messenger/people?${query}`).then((answer) => answer.text()),
  ]);
  document.getElementById("people").innerHTML = people;
  if (conversation !== shown) {
    const stick = atBottom();
    thread.innerHTML = shown = conversation;
    if (stick) toBottom();
    if (stick)
      for (const image of thread.querySelectorAll("img")) image.addEventListener("load", toBottom, { once: true });
  }
  markRead();
  clearTimeout(dotsEnd);
  if (thread.querySelector(".dots")) dotsEnd = setTimeout(refreshSoon, 20_500); // no event says that typing ended
}
let dotsEnd = null;

function markRead() {
  const unread = thread.querySelector(".thread-inner")?.dataset.unread === "1";
  if (unread && reads.checked && document.visibilityState === "visible") act({ act: "read" });
}

let refreshing = false;
let again = false;
async function refreshSoon() {
  if (refreshing) {
    again = true;
    return;
  }
  refreshing = true;
  try {
    await refresh();
  } catch {
    /* the stream reconnects, and its first event refreshes again */
  }
  refreshing = false;
  if (again) {
    again = false;
    refreshSoon();
  }
}

new EventSource("/messenger/stream").onmessage = refreshSoon;
document.addEventListener("visibilitychange", markRead);
reads.checked = localStorage.getItem("sandbox-reads") !== "off";
reads.addEventListener("change", () => {
  localStorage.setItem("sandbox-reads", reads.checked ? "on" : "off");
  markRead();
});
toBottom();

// Composer
const grow = () => {
  text.style.height = "auto";
  text.style.height = `${text.scrollHeight + 2}px`;
};
text.addEventListener("input", grow);
text.addEventListener("keydown", (event) => {
  // 229: the Enter that confirms a word of an input method, in Safari
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing && event.keyCode !== 229) {
    event.preventDefault();
    composer.requestSubmit();
  }
});
function leaveReply() {
  composer.reply_to.value = composer.mid.value = "";
  composer.act.value = "send";
  document.getElementById("reply-bar").hidden = true;
}
document.getElementById("reply-off").addEventListener("click", () => {
  if (composer.act.value === "edit") text.value = "";
  leaveReply();
  grow();
});
function showFiles() {
  const bar = document.getElementById("file-bar");
  bar.hidden = !file.files.length;
  bar.textContent = [...file.files].map((chosen) => chosen.name).join(", ");
}
file.addEventListener("change", showFiles);
composer.addEventListener("submit", async (event) => {
  event.preventDefault();
  const body = new FormData(composer);
  if (!text.value.trim() && !file.files.length) return;
  if (composer.act.value === "send") body.set("act", document.querySelector("[name=side]:checked").value);
  body.delete("side");
  const result = await act(body);
  if (result.error) return;
  text.value = "";
  file.value = "";
  showFiles();
  leaveReply();
  grow();
  toBottom();
  refreshSoon();
});
thread.addEventListener("dragover", (event) => event.preventDefault());
thread.addEventListener("drop", (event) => {
  event.preventDefault();
  file.files = event.dataTransfer.files;
  showFiles();
});
document.getElementById("plus").addEventListener("click", (event) => {
  const tray = document.getElementById("tray");
  const stick = atBottom();
  tray.hidden = !tray.hidden;
  if (stick) toBottom();
  event.currentTarget.setAttribute("aria-expanded", String(!tray.hidden));
});
document.getElementById("page-picker").addEventListener("change", (event) => event.target.form.submit());
document.getElementById("raw").addEventListener("submit", (event) => {
  event.preventDefault();
  act({ act: "event", item: event.target.item.value });
});

// Buttons with one action, also inside messages
document.addEventListener("click", async (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.sticker) act({ act: "send", sticker: button.dataset.sticker });
  else if (button.dataset.do) act(JSON.parse(button.dataset.do));
  else if (button.dataset.postback !== undefined)
    act({ act: "postback", title: button.dataset.title, payload: button.dataset.postback });
  else if (button.dataset.quick !== undefined)
    act({ act: "send", text: button.dataset.title, quick_reply: button.dataset.quick });
  else if (button.classList.contains("more")) openMenu(button);
  else if (button.dataset.reaction) {
    menu.hidePopover();
    act({ act: "react", mid: target.mid, reaction: button.dataset.reaction });
  } else if (button.dataset.menu) {
    menu.hidePopover();
    runMenuItem(button.dataset.menu);
  }
});
thread.addEventListener("submit", (event) => {
  if (event.target.matches("[data-act]")) {
    event.preventDefault();
    act(new FormData(event.target));
  }
});

const menu = document.getElementById("menu");
let target = {};
function openMenu(button) {
  target = { ...button.dataset };
  const own = target.own === "1";
  menu.querySelector("[data-menu=edit]").hidden = !own || !target.text;
  menu.querySelector("[data-menu=unsend]").hidden = !own;
  menu.querySelector("[data-menu=unreact]").hidden = target.reacted !== "1";
  menu.showPopover();
  const place = button.getBoundingClientRect();
  const width = menu.offsetWidth;
  const height = menu.offsetHeight;
  menu.style.left = `${Math.max(8, Math.min(place.left - (own ? width - 30 : 0), innerWidth - width - 8))}px`;
  menu.style.top = `${place.top - height - 4 > 8 ? place.top - height - 4 : place.bottom + 4}px`;
}
function runMenuItem(name) {
  if (name === "unreact") act({ act: "react", mid: target.mid, reaction: "" });
  if (name === "unsend") act({ act: "unsend", mid: target.mid });
  if (name !== "reply" && name !== "edit") return;
  document.getElementById("reply-bar").hidden = false;
  document.getElementById("reply-word").textContent = name === "reply" ? "Replying to" : "Editing";
  document.getElementById("reply-text").textContent = target.snippet;
  composer.act.value = name === "edit" ? "edit" : "send";
  composer.mid.value = name === "edit" ? target.mid : "";
  composer.reply_to.value = name === "reply" ? target.mid : "";
  if (name === "edit") text.value = target.text;
  text.focus();
  grow();
}
