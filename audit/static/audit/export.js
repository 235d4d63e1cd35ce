// Shows the progress of an export. Without this script the browser downloads it without progress.
"use strict";

(() => {
  const form = document.getElementById("export");
  const says = document.getElementById("export-says");
  const progress = document.getElementById("export-progress");
  const button = form.querySelector("button");
  const number = new Intl.NumberFormat("en-US");
  const QUOTE = 34;
  const LINE_END = 10;

  // Lines are rows, except inside quoted CSV values.
  const rowCounter = (isCsv) => {
    let isQuoted = false;
    let lines = isCsv ? -1 : 0;
    return (bytes) => {
      for (const byte of bytes) {
        if (isCsv && byte === QUOTE) isQuoted = !isQuoted;
        else if (byte === LINE_END && !isQuoted) lines += 1;
      }
      return lines;
    };
  };

  const fileName = (response) =>
    /filename="([^"]+)"/.exec(response.headers.get("Content-Disposition"))[1];

  const save = (parts, response) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(parts, { type: response.headers.get("Content-Type") }));
    link.download = fileName(response);
    link.click();
    // The browser reads the file after the click was handled.
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  };

  const show = (rows, about) => {
    const of = about ? ` of about ${number.format(about)}` : "";
    says.textContent = `${number.format(rows)}${of} rows`;
    if (about) progress.value = Math.min(rows / about, 1);
    else progress.removeAttribute("value");
  };

  const receive = async (response) => {
    const about = Number(response.headers.get("Rows-About"));
    const count = rowCounter(response.headers.get("Content-Type").startsWith("text/csv"));
    const parts = [];
    let rows = 0;
    progress.hidden = false;
    for (const reader = response.body.getReader(); ; ) {
      const { done, value } = await reader.read();
      if (done) break;
      parts.push(value);
      rows = count(value);
      show(Math.max(rows, 0), about);
    }
    save(parts, response);
    progress.value = 1;
    says.textContent = `Done: ${fileName(response)} is in your downloads.`;
  };

  const whyNot = async (response) => {
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const errors = [...page.querySelectorAll(".errorlist li")].map((each) => each.textContent);
    return errors.join(" ") || `The export failed (${response.status}).`;
  };

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    says.textContent = "Requested…";
    try {
      const response = await fetch(form.action, { method: "POST", body: new FormData(form) });
      if (response.ok) await receive(response);
      else says.textContent = await whyNot(response);
    } catch {
      says.textContent = "The export was incomplete, so nothing was saved. Try again.";
    }
    button.disabled = false;
  });
})();
