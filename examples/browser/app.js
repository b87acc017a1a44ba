// An application's page: it signs in, and has its payment confirmed by a code when the server asks for one.
"use strict";
const part = (id) => document.getElementById(id);
const tell = (text) => { part("told").textContent = text; };
let call;

async function post(path, body) {
  const headers = { "content-type": "application/json" };
  const response = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
  return { ok: response.ok, ...(await response.json()) };
}

/// Shows what may be done in a session. The session's token stays in the wrapper's memory.
function enter(opened) {
  call = countersign.fetch({ session: opened.session_token, purpose: "transfer 250 EUR" });
  part("sign-in").hidden = part("code").hidden = true;
  part("signed-in").hidden = false;
  tell("Signed in.");
}

let challenge = "";
part("sign-in").addEventListener("submit", async (event) => {
  event.preventDefault();
  const answer = await post("/api/auth/login", Object.fromEntries(new FormData(event.target)));
  if (!answer.ok) return tell(answer.message);
  if (answer.status === "success") return enter(answer);
  challenge = answer.challenge_token;
  part("sign-in").hidden = true;
  part("code").hidden = false;
});

part("code").addEventListener("submit", async (event) => {
  event.preventDefault();
  const code = new FormData(event.target).get("code");
  const answer = await post("/api/auth/verify", { challenge_token: challenge, totp_code: code });
  if (answer.ok) enter(answer);
  else tell(answer.message);
});

part("transfer").addEventListener("click", async () => {
  tell("One moment …");
  try {
    const response = await call("/payment/transfer", { method: "POST", body: JSON.stringify({ eur: 250 }) });
    const answer = await response.json();
    tell(response.ok ? answer.status : answer.error);
  } catch (error) {
    tell(error.name === "AbortError" ? "Nothing was transferred." : error.message);
  }
});
