// Announces changes of the request on an open page, and offers keyboard shortcuts.
"use strict";

(() => {
  const EVERY_MS = 10_000;
  const notice = document.querySelector("#changed-notice");
  let etag = notice.dataset.etag;

  const announce = (lines) => {
    if (!notice.hasChildNodes()) {
      notice.append(document.querySelector("#changed-text").content.cloneNode(true));
    }
    for (const line of lines.filter(Boolean)) {
      const item = document.createElement("li");
      item.textContent = line;
      notice.querySelector("ul").append(item);
    }
  };

  const poll = async () => {
    const headers = { "If-None-Match": etag };
    const answer = await fetch(notice.dataset.url, { cache: "no-store", headers }).catch(() => null);
    const isNew = answer !== null && answer.status === 200 && !answer.redirected;
    if (isNew) {
      announce((await answer.text().catch(() => "")).split("\n"));
      etag = answer.headers.get("ETag");
    }
    // Without a network it tries again; without a session or access it stops.
    const mayTryAgain = answer === null || answer.status === 304 || answer.status >= 500;
    if (isNew || mayTryAgain) setTimeout(poll, EVERY_MS);
  };
  setTimeout(poll, EVERY_MS);

  const follow = (selector) => document.querySelector(selector)?.click();
  const focus = (selector) => document.querySelector(selector)?.focus();
  const SHORTCUTS = {
    a: () => focus("button[name=decision][value=approve]"),
    d: () => focus(document.querySelector("#reason")?.value ? "button[value=deny]" : "#reason"),
    j: () => follow("a[rel=next]"),
    k: () => follow("a[rel=prev]"),
  };
  const choice = document.querySelector("#shortcuts");
  choice.checked = localStorage.getItem("shortcuts") !== "off";
  for (const hint of document.querySelectorAll("[data-keys]")) hint.hidden = false;
  choice.addEventListener("change", () => {
    localStorage.setItem("shortcuts", choice.checked ? "on" : "off");
  });
  document.addEventListener("keydown", (event) => {
    if (!choice.checked) return;
    const isTyping = event.target.closest("input, textarea, select, [contenteditable]");
    if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
    SHORTCUTS[event.key]?.();
    if (event.key in SHORTCUTS) event.preventDefault();
  });
})();
