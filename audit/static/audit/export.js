// Shows how far an export is. Without this file the browser downloads it, and says less.
"use strict";

(() => {
  const form = document.getElementById("export");
  const says = document.getElementById("export-says");
  const progress = document.getElementById("export-progress");
  const button = form.querySelector("button");
  const number = new Intl.NumberFormat("en-US");
  const QUOTE = 34;
  const LINE_END = 10;

  // Lines are rows, but for those inside of a quoted value of CSV.
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

  const fileName = (answer) =>
    /filename="([^"]+)"/.exec(answer.headers.get("Content-Disposition"))[1];

  const save = (parts, answer) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(parts, { type: answer.headers.get("Content-Type") }));
    link.download = fileName(answer);
    link.click();
    // The browser reads the file after the click has been dealt with.
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  };

  const tell = (rows, about) => {
    const of = about ? ` of about ${number.format(about)}` : "";
    says.textContent = `${number.format(rows)}${of} rows`;
    if (about) progress.value = Math.min(rows / about, 1);
    else progress.removeAttribute("value");
  };

  const receive = async (answer) => {
    const about = Number(answer.headers.get("Rows-About"));
    const count = rowCounter(answer.headers.get("Content-Type").startsWith("text/csv"));
    const parts = [];
    let rows = 0;
    progress.hidden = false;
    for (const reader = answer.body.getReader(); ; ) {
      const { done, value } = await reader.read();
      if (done) break;
      parts.push(value);
      rows = count(value);
      tell(Math.max(rows, 0), about);
    }
    save(parts, answer);
    progress.value = 1;
    says.textContent = `Done: ${fileName(answer)} is in your downloads.`;
  };

  const whyNot = async (answer) => {
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const errors = [...page.querySelectorAll(".errorlist li")].map((each) => each.textContent);
    return errors.join(" ") || `It was not exported (${answer.status}).`;
  };

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    says.textContent = "Asked for…";
    try {
      const answer = await fetch(form.action, { method: "POST", body: new FormData(form) });
      if (answer.ok) await receive(answer);
      else says.textContent = await whyNot(answer);
    } catch {
      says.textContent = "The export broke off, so nothing was saved. Try again.";
    }
    button.disabled = false;
  });
})();
