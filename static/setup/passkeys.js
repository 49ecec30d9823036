/* Passkeys: connects the buttons [data-passkey] with allauth's scripts, which do without scripts in the page. */
const canUsePasskeys = typeof window.PublicKeyCredential !== "undefined";

function show(selector) {
  for (const sentence of document.querySelectorAll(selector)) sentence.hidden = false;
}

document.addEventListener("allauth.error", (event) => {
  event.preventDefault(); // the sentence on the page says it
  show("[data-passkey-error]");
});

for (const button of document.querySelectorAll("[data-passkey]")) {
  if (canUsePasskeys) {
    window.allauth.webauthn.forms[button.dataset.passkey]({ ids: JSON.parse(button.dataset.ids) });
    button.hidden = false;
  } else if (button.dataset.passkey !== "loginForm") {
    show("[data-passkey-missing]");
  }
}
