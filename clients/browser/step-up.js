// Step-up for a front end: a refusal that asks for a code -> ask the person -> send the request once more.
// docs/step-up-in-the-browser.md describes it. It is served without these lines and without indentation.
{
globalThis.countersign = { fetch({ session, purpose = "", origins = [location.origin], onSession, prompt, keep }) {
  let token = session, busy;

  const send = (asked) => {
    const sent = asked.clone();
    sent.headers.set("authorization", "Bearer " + token);
    return fetch(sent);
  };

  // Where a step-up is asked for, when that is what a response wants; never anywhere the token must not go.
  const owed = async (reply) => {
    const told = [401, 403].includes(reply.status) && await reply.clone().json().catch(() => {});
    if (!/^ELEVATION_(REQUIRED|EXPIRED)$/.test(told?.code)) return;
    const url = new URL(told.step_up_url, reply.url);
    return origins.includes(url.origin) && url;
  };

  const stepUp = async (url) => {
    const own = !prompt && dialog(purpose);
    try {
      for (let problem = ""; ;) {
        const code = await (prompt ?? own.ask)(problem);
        if (code == null) throw new DOMException("", "AbortError");
        const told = await fetch(url, {
          method: "POST",
          headers: { authorization: "Bearer " + session, "content-type": "application/json" },
          body: JSON.stringify({ code, purpose }),
        });
        const body = await told.json().catch(() => ({}));
        const wait = told.headers.get("retry-after");
        if (told.ok) {
          token = body.token;
          session = body.session_token;
          onSession?.(session);
          const spare = body.replacement_backup_code;
          if (spare) await (keep ?? own.keep)?.(spare);
          return;
        }
        if (wait) problem = `Try again in ${wait} seconds.`;
        else if (body.code === "refused" || told.status === 400) problem = "Wrong or used code.";
        else throw Error(body.message);
      }
    } finally { own && own.box.remove(); }
  };

  return async (input, init) => {
    const asked = new Request(input, init);
    if (!origins.includes(new URL(asked.url).origin)) throw TypeError("origin");
    const used = token;
    const reply = await send(asked);
    const url = await owed(reply);
    if (!url) return reply;
    // Whoever was refused with an older token has only to send the newer one.
    if (used === token) await (busy ??= stepUp(url).finally(() => busy = null));
    return send(asked);
  };
} };

const dialog = (purpose) => {
  const add = (to, tag, more) => to.appendChild(Object.assign(document.createElement(tag), more));
  const box = add(document.body, "dialog", { className: "step-up", ariaLabel: "Confirm it is you" });
  const form = add(box, "form");
  const title = add(form, "h2", { textContent: box.ariaLabel });
  add(form, "p", { textContent: purpose });
  const label = add(form, "label", { textContent: "Code " });
  const field = add(label, "input", { autocomplete: "one-time-code", inputMode: "numeric" });
  const error = add(form, "p", { id: "step-up-problem", role: "alert" });
  const go = add(form, "button", { textContent: "Confirm" });
  const no = add(form, "button", { textContent: "Cancel", type: "button" });
  field.setAttribute("aria-describedby", error.id);
  box.showModal();
  const next = () => new Promise((done) => {
    form.onsubmit = (e) => done(field.value, e.preventDefault());
    no.onclick = () => done();
    box.oncancel = (e) => done(e.preventDefault());
  });
  return {
    box,
    ask(problem) {
      error.textContent = problem;
      field.value = "";
      field.focus();
      return next();
    },
    keep(code) {
      title.textContent = "Your new backup code";
      error.textContent = code;
      label.hidden = no.hidden = true;
      go.focus();
      return next();
    },
  };
};
}
