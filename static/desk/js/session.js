// The session ended while a page was open. A dialog asks for the login, in another tab: what is typed here stays, and
// the page goes on when the same user is logged in again.

const CHECK_EVERY = 4000; // milliseconds, while the dialog is open and the page is seen

const dialog = document.getElementById("logged-out");
let waiting = null; // resolves when the page can go on

/** Return {user, name, csrf} of the session, or null without one. Throws when the server cannot be reached. */
async function readSession() {
  const response = await fetch(dialog.dataset.session, { headers: { "X-Requested-With": "fetch" } });
  if (response.status === 401 || response.redirected) return null;
  if (!response.ok) throw new Error(String(response.status));
  return response.json();
}

/** Let the page send what the new session accepts: each login has another CSRF token. */
function renewToken(token) {
  const headers = document.body.getAttribute("hx-headers");
  if (headers)
    document.body.setAttribute("hx-headers", JSON.stringify({ ...JSON.parse(headers), "X-CSRFToken": token }));
  for (const field of document.querySelectorAll('input[name="csrfmiddlewaretoken"]')) field.value = token;
}

const isOurs = (session) => session !== null && String(session.user) === dialog.dataset.user;

/** Return whether the session of this page's user lasts, and renew the page's token then. Throws without a server. */
export async function renew() {
  const session = await readSession();
  if (isOurs(session)) renewToken(session.csrf);
  return isOurs(session);
}

/**
 * Return whether the session of this page's user lasts, and renew the page's token. Otherwise ask for the login, and
 * return once it is there.
 */
export async function ensure() {
  const session = await readSession();
  if (isOurs(session)) renewToken(session.csrf);
  else await ask(session);
}

/** Ask for the login. Resolves when the same user is logged in again; the page then has the new token. */
export function ask(session = null) {
  waiting ??= new Promise((resolve) => show(session, resolve)).finally(() => {
    waiting = null;
  });
  return waiting;
}

function show(session, resolve) {
  const other = dialog.querySelector("[data-other-user]");
  const focused = document.activeElement;
  let timer = null;
  const say = (found) => {
    other.hidden = found === null;
    if (found !== null) other.querySelector("b").textContent = found.name;
  };
  const check = async () => {
    clearTimeout(timer);
    let found = null;
    try {
      found = await readSession();
    } catch {
      timer = setTimeout(check, CHECK_EVERY);
      return;
    }
    if (isOurs(found)) {
      renewToken(found.csrf);
      end();
    } else {
      say(found);
      timer = setTimeout(check, CHECK_EVERY);
    }
  };
  const seen = () => document.visibilityState === "visible" && check();
  const keep = (event) => event.preventDefault();
  const end = () => {
    document.removeEventListener("visibilitychange", seen);
    window.removeEventListener("focus", seen);
    dialog.removeEventListener("cancel", keep);
    dialog.close();
    if (focused?.isConnected) focused.focus({ preventScroll: true });
    document.dispatchEvent(new CustomEvent("desk:logged-in"));
    resolve();
  };
  document.addEventListener("visibilitychange", seen);
  window.addEventListener("focus", seen);
  dialog.addEventListener("cancel", keep);
  say(session);
  dialog.querySelector("[data-leave]").href =
    `${dialog.dataset.login}?next=${encodeURIComponent(location.pathname + location.search)}`;
  if (!dialog.open) dialog.showModal();
  dialog.querySelector("[target]").focus();
  timer = setTimeout(check, CHECK_EVERY);
}
