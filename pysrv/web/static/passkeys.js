"use strict";
// A form with data-passkey ("create" or "get") and data-options (JSON of the server) asks the authenticator when it is
// sent, writes the answer into its field "credential", and goes on as any form does.
(() => {
  function bytes(text) {
    return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
  }

  function text(buffer) {
    const letters = Array.from(new Uint8Array(buffer), (each) => String.fromCharCode(each)).join("");
    return btoa(letters).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  }

  function read(json) {
    const options = JSON.parse(json);
    options.challenge = bytes(options.challenge);
    if (options.user) options.user.id = bytes(options.user.id);
    for (const each of options.excludeCredentials ?? []) each.id = bytes(each.id);
    for (const each of options.allowCredentials ?? []) each.id = bytes(each.id);
    return options;
  }

  function told(made) {
    const response = { clientDataJSON: text(made.response.clientDataJSON) };
    for (const name of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (made.response[name]) response[name] = text(made.response[name]);
    }
    return JSON.stringify({ id: made.id, rawId: text(made.rawId), type: made.type, response, clientExtensionResults: {} });
  }

  for (const form of document.querySelectorAll("form[data-passkey]")) {
    const wrong = form.querySelector("[role=status]");
    if (!navigator.credentials || !form.dataset.options) continue;
    form.querySelector("button").disabled = false;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      try {
        const publicKey = read(form.dataset.options);
        const made = await navigator.credentials[form.dataset.passkey]({ publicKey });
        form.elements.credential.value = told(made);
        form.submit();
      } catch {
        wrong.textContent = form.dataset.failed;
      }
    });
  }
})();
