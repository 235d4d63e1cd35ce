// Asks the browser for passkeys: to register one, to sign votes, and as the second factor.
"use strict";

(() => {
  const toBytes = (text) => {
    const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
    return Uint8Array.from(plain, (each) => each.charCodeAt(0));
  };
  const toText = (buffer) => {
    const plain = String.fromCharCode(...new Uint8Array(buffer));
    return btoa(plain).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  };
  const toHex = (buffer) =>
    [...new Uint8Array(buffer)].map((each) => each.toString(16).padStart(2, "0")).join("");
  const sha256 = (bytes) => crypto.subtle.digest("SHA-256", bytes);
  const described = (list = []) => list.map((each) => ({ ...each, id: toBytes(each.id) }));

  const create = (json) => {
    const options = JSON.parse(json);
    options.challenge = toBytes(options.challenge);
    options.user.id = toBytes(options.user.id);
    options.excludeCredentials = described(options.excludeCredentials);
    return navigator.credentials.create({ publicKey: options });
  };

  const sign = async (json, challenge) => {
    const options = JSON.parse(json);
    options.challenge = challenge ?? toBytes(options.challenge);
    options.allowCredentials = described(options.allowCredentials);
    const { id, response } = await navigator.credentials.get({ publicKey: options });
    return JSON.stringify({
      credential_id: id,
      authenticator_data: toText(response.authenticatorData),
      client_data: toText(response.clientDataJSON),
      signature: toText(response.signature),
    });
  };

  // As approvals/passkeys/signing.py computes it: JSON with its keys in order.
  const additionChallenge = async (form, attestation) => {
    const { nonce, person } = form.dataset;
    const content = { attestation: toHex(await sha256(attestation)), nonce, person };
    const text = `countersign/passkey/v1\n${JSON.stringify(content)}`;
    return sha256(new TextEncoder().encode(text));
  };

  const register = async (form) => {
    const { response } = await create(form.dataset.passkeyOptions);
    form.elements.attestation.value = toText(response.attestationObject);
    form.elements.client_data.value = toText(response.clientDataJSON);
    if (form.dataset.signingOptions) {
      const challenge = await additionChallenge(form, response.attestationObject);
      form.elements.signature.value = await sign(form.dataset.signingOptions, challenge);
    }
  };

  const explain = (error) => {
    const notice = document.querySelector("[data-passkey-problem]");
    notice.textContent =
      error.name === "InvalidStateError"
        ? "This passkey is registered already."
        : "The passkey was not used: it was cancelled, timed out or is not yours. Nothing was sent.";
    notice.hidden = false;
    notice.scrollIntoView({ block: "center" });
  };

  // The form is sent once the passkey has been used.
  const sendAfter = (form, ceremony) => {
    ceremony().then(() => form.submit(), explain);
  };

  const add = (form, name, value) => {
    const field = document.createElement("input");
    Object.assign(field, { type: "hidden", name, value });
    form.append(field);
  };

  for (const notice of document.querySelectorAll("[data-needs-script]")) {
    notice.hidden = true;
  }
  for (const button of document.querySelectorAll("[data-uses-passkey]")) {
    button.hidden = false;
  }

  const registration = document.querySelector("form[data-passkey-options]");
  registration?.addEventListener("submit", (event) => {
    event.preventDefault();
    sendAfter(registration, () => register(registration));
  });

  // A request for changes is a denial, too.
  const voting = document.querySelector("form[data-signing-approve]");
  voting?.addEventListener("submit", (event) => {
    const decision = event.submitter?.value;
    const { signingApprove, signingDeny } = voting.dataset;
    const options = { approve: signingApprove, deny: signingDeny, request_changes: signingDeny };
    if (!(decision in options)) return;
    event.preventDefault();
    sendAfter(voting, async () => {
      voting.elements.signature.value = await sign(options[decision]);
      add(voting, "decision", decision);
      // Should the sign-in have to be confirmed first, that page signs the vote again.
      add(voting, "signing_options", options[decision]);
    });
  });

  // The second factor. Each signature of a passkey has a higher counter than the one before, so a
  // vote that was signed before a confirmation is signed again after it.
  const verifying = document.querySelector("form[data-passkey-challenge]");
  verifying?.addEventListener("submit", (event) => {
    if (!event.submitter?.matches("[data-uses-passkey]")) return;
    event.preventDefault();
    sendAfter(verifying, async () => {
      const { passkey, signature, signing_options: options } = verifying.elements;
      const verified = await sign(verifying.dataset.passkeyChallenge);
      if (signature && options) signature.value = await sign(options.value);
      passkey.value = verified;
    });
  });
})();
