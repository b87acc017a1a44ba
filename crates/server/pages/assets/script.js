// Every page works without this; with it, a few things are more pleasant.
"use strict";

// The ticket of a set-up link stands behind its #, which no browser sends; it goes on in a form's body.
const ticket = document.getElementById("ticket");
if (ticket && location.hash.length > 1) {
  ticket.value = location.hash.slice(1);
  history.replaceState(null, "", location.pathname);
  ticket.form.requestSubmit();
}

// A form is sent once: a code that is sent twice is refused the second time. One that brings a file leaves its page standing.
for (const form of document.querySelectorAll("form:not([data-again])")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
  });
}
addEventListener("pageshow", () => {
  for (const form of document.forms) delete form.dataset.sent;
});

// Times are shown in the reader's own zone and language.
const style = { dateStyle: "medium", timeStyle: "short" };
for (const time of document.querySelectorAll("time[datetime]")) {
  const moment = new Date(time.dateTime);
  if (!Number.isNaN(moment.valueOf())) time.textContent = moment.toLocaleString(undefined, style);
}

// What is shown once can be copied at once.
for (const button of document.querySelectorAll("button[data-copy]")) {
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    const lines = document.querySelectorAll(button.dataset.copy);
    const text = Array.from(lines, (line) => line.textContent.trim()).join("\n");
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Copying is not allowed here";
    }
  });
}

// A password can be looked at while it is typed.
for (const button of document.querySelectorAll("button[data-show]")) {
  const field = document.getElementById(button.dataset.show);
  button.hidden = false;
  button.addEventListener("click", () => {
    const hide = field.type === "text";
    field.type = hide ? "password" : "text";
    button.textContent = hide ? "Show" : "Hide";
    button.setAttribute("aria-pressed", String(!hide));
  });
}

// A list can be read out of a file.
for (const input of document.querySelectorAll("input[data-into]")) {
  input.closest("[data-file]").hidden = false;
  input.addEventListener("change", async () => {
    const [file] = input.files;
    if (file) document.getElementById(input.dataset.into).value = await file.text();
  });
}
