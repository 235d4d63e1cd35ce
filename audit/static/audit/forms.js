// Sends a form once: the second half of a double click is no second decision.
"use strict";

(() => {
  const ONCE_WITHIN_MS = 2_000;
  const sent = new WeakMap();

  // After the listeners of the forms themselves, which may send them in another way.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.method !== "post") return;
    if (Date.now() - sent.get(form) < ONCE_WITHIN_MS) event.preventDefault();
    else sent.set(form, Date.now());
  });
})();
