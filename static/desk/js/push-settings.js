// The part "This browser" of the page of one's notifications.

import * as push from "./push.js";
import { gettext } from "./words.js";

const box = document.getElementById("this-browser");
const { user, key } = box.dataset;
const state = box.querySelector("[data-state]");
const button = (name) => box.querySelector(`[data-do=${name}]`);

function post(url, fields) {
  const headers = {
    "X-CSRFToken": document.querySelector("[name=csrfmiddlewaretoken]").value,
    "X-Requested-With": "fetch",
    "X-Desk-Activity": "yes",
  };
  return fetch(url, { method: "POST", body: new URLSearchParams(fields), headers });
}

async function show(sentence = "") {
  push.setKinds(box.dataset.kinds.split(" "));
  const isOn = push.isOn(user) && (await push.current()) !== null;
  button("on").hidden = isOn;
  button("off").hidden = button("test").hidden = !isOn;
  const usual = isOn
    ? gettext("Notifications are on in this browser.")
    : gettext("Notifications are off in this browser.");
  state.textContent = sentence || usual;
}

const actions = {
  async on() {
    if ((await Notification.requestPermission()) !== "granted")
      return gettext("The browser blocks notifications of this site. Allow them in the address bar, then try again.");
    const subscription = await push.subscribe(user, key);
    const response = await post(box.dataset.browser, push.fieldsOf(subscription));
    if (response.ok) return "";
    await push.unsubscribe();
    const { reason } = [422, 429].includes(response.status) ? await response.json() : {};
    return reason || gettext("That could not be saved. Try again.");
  },
  async off() {
    const endpoint = await push.unsubscribe();
    const response = await post(box.dataset.remove, { endpoint });
    return response.ok ? "" : gettext("That could not be saved. Try again.");
  },
  async test() {
    const subscription = await push.current();
    const response = await post(box.dataset.test, { endpoint: subscription?.endpoint ?? "" });
    if (response.ok) return gettext("A notification is on its way.");
    if (response.status === 429) return response.text();
    return gettext("Turn notifications off and on again in this browser.");
  },
};

async function pressed(event) {
  const name = event.target.closest("[data-do]")?.dataset.do;
  if (!name) return;
  event.target.disabled = true;
  try {
    await show(await actions[name]());
  } catch {
    await show(
      gettext("The browser could not turn notifications on: its push service is away, or it does not allow them here."),
    );
  } finally {
    event.target.disabled = false;
  }
}

if (push.isPossible()) {
  box.addEventListener("click", pressed);
  show();
} else {
  state.textContent = gettext(
    "This browser cannot show notifications here. On an iPhone or iPad, add Desk to the home screen first.",
  );
}
