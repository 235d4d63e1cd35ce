// Rewrites times in the browser's time zone, and tells the server which one that is, for its charts.
// The same for fields of forms, which are sent in UTC. Without this script all are in UTC.
"use strict";

(() => {
  const IN_UTC = /^\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d(\.\d+)?)? UTC$/;
  const format = new Intl.DateTimeFormat("en-US", {
    day: "2-digit",
    hour: "2-digit",
    hourCycle: "h23",
    minute: "2-digit",
    month: "2-digit",
    second: "2-digit",
    timeZoneName: "short",
    year: "numeric",
  });

  const { timeZone } = format.resolvedOptions();
  const secure = location.protocol === "https:" ? "; secure" : "";
  document.cookie = `time_zone=${timeZone}; path=/; max-age=31536000; samesite=lax${secure}`;

  const local = (at, [, seconds, fraction] = []) => {
    const named = format.formatToParts(at).map(({ type, value }) => [type, value]);
    const { year, month, day, hour, minute, second, timeZoneName } = Object.fromEntries(named);
    const rest = seconds ? `:${second}${fraction ?? ""}` : "";
    return `${year}-${month}-${day} ${hour}:${minute}${rest} ${timeZoneName}`;
  };

  for (const element of document.querySelectorAll("time[datetime]")) {
    const at = new Date(element.dateTime);
    const inUtc = IN_UTC.exec(element.textContent);
    if (inUtc) element.textContent = local(at, inUtc);
    // What says "3 hours ago" has both times in its tooltip.
    else element.title = `${local(at)} (${element.title})`;
  }

  const wholeMinutes = (text) => text.replace(/(:00)?\.000$/, "");

  for (const field of document.querySelectorAll("input[data-utc]")) {
    for (const label of field.labels)
      for (const part of label.childNodes)
        if (part instanceof Text) part.data = part.data.replace("(UTC)", `(${timeZone})`);
    // The value of the page, whatever the browser has restored.
    const at = field.defaultValue && new Date(`${field.defaultValue}Z`);
    if (at) {
      const shifted = new Date(at.getTime() - at.getTimezoneOffset() * 60_000);
      field.value = wholeMinutes(shifted.toISOString().slice(0, -1));
    }
    field.form.addEventListener("formdata", ({ formData }) => {
      if (!field.value) return;
      const inUtc = new Date(field.value).toISOString().slice(0, -1);
      formData.set(field.name, `${wholeMinutes(inUtc)}Z`);
    });
  }
})();
