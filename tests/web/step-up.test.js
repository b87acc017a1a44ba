// Step-up in a browser: by the script that applications load, and by forms alone.
// Knows: what a person sees and presses. Must never know: how a code is judged.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";

import { look } from "./look.js";
import { Application, PASSWORD, Server, browser, missing, totp } from "./world.js";

const skip = missing() || false;
let chromium;
let server;
let trial;
let application;

before(async () => {
  if (skip) return;
  chromium = await browser();
  server = await Server.start();
  // It has an operation to try, and leaves the second factor to the step-up.
  trial = await Server.start("--profile", "development");
  application = await Application.start(trial);
});
after(async () => {
  await chromium?.close();
  await application?.stop();
  await trial?.stop();
  await server?.stop();
});

/// A page with nothing but the script, and a wrapper around `fetch` whose prompt is played.
async function scripted(routes) {
  const page = await chromium.newPage({ baseURL: application.url });
  const sent = [];
  for (const [path, answer] of Object.entries(routes)) {
    await page.route(`**${path}`, (route) => {
      sent.push(`${path} ${route.request().headers().authorization}`);
      return route.fulfill(answer(sent.filter((line) => line.startsWith(`${path} `)).length));
    });
  }
  await page.goto("/");
  return { page, sent };
}

const json = (status, body, headers = {}) => {
  return { status, headers, contentType: "application/json", body: JSON.stringify(body) };
};
const REFUSED = { error: "elevated session required", code: "ELEVATION_REQUIRED", step_up_url: "/up" };
const GRANTED = json(200, { success: true, token: "elevated", session_token: "second" });

test("an application's operation is confirmed by keyboard alone", { skip }, async () => {
  const person = trial.person("alice");
  const context = await chromium.newContext({ baseURL: application.url });
  context.setDefaultTimeout(10_000);
  const page = await context.newPage();
  const told = (text) => page.getByRole("status").filter({ hasText: text }).waitFor();
  await page.goto("/");
  await page.getByLabel("Name").fill("alice");
  await page.getByLabel("Password").fill(PASSWORD);
  await page.keyboard.press("Enter");
  await told("Signed in.");
  await page.getByRole("button", { name: "Transfer" }).focus();
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("dialog", { name: "Confirm it is you" });
  await dialog.filter({ hasText: "transfer 250 EUR" }).waitFor();
  const field = dialog.getByLabel("Code");
  const isFocused = (element) => element === document.activeElement;
  assert.equal(await field.evaluate(isFocused), true, "the field has the focus");
  const kind = await field.evaluate((element) => [element.autocomplete, element.inputMode]);
  assert.deepEqual(kind, ["one-time-code", "numeric"]);
  // Six equal digits would do in the development profile.
  await page.keyboard.type("000001");
  await page.keyboard.press("Enter");
  await dialog.getByRole("alert").filter({ hasText: "Wrong or used code." }).waitFor();
  assert.equal(await field.evaluate(isFocused), true, "it has the focus again");
  const described = await field.getAttribute("aria-describedby");
  assert.equal(await page.locator(`#${described}`).textContent(), "Wrong or used code.");
  await look(page, "step-up-dialog");
  await page.keyboard.press("Escape");
  await told("Nothing was transferred.");
  assert.equal(await page.locator("dialog").count(), 0, "the prompt is gone");
  await page.getByRole("button", { name: "Transfer" }).focus();
  await page.keyboard.press("Enter");
  await dialog.waitFor();
  await page.keyboard.type(totp(person.totp_secret));
  await page.keyboard.press("Enter");
  await told("transfer initiated");
  assert.equal(await page.locator("dialog").count(), 0);
  await page.getByRole("button", { name: "Transfer" }).press("Enter");
  await told("transfer initiated");
  assert.equal(await page.locator("dialog").count(), 0, "an elevated session is not asked again");
  const kept = await page.evaluate(() => [localStorage.length, sessionStorage.length, document.cookie]);
  assert.deepEqual(kept, [0, 0, ""], "tokens are kept in memory alone");
  await context.close();
});

test("requests that are refused at once share one prompt, and each is sent once more", { skip }, async () => {
  const operation = (time) => time <= 3 ? json(403, REFUSED) : json(200, { done: true });
  const { page, sent } = await scripted({ "/operation": operation, "/up": () => GRANTED });
  const seen = await page.evaluate(async () => {
    let prompts = 0;
    const sessions = [];
    const call = countersign.fetch({
      session: "first",
      prompt: async () => { prompts += 1; return "123456"; },
      onSession: (session) => sessions.push(session),
    });
    const post = () => call("/operation", { method: "POST", body: "a body" });
    const answers = await Promise.all([post(), post(), post()]);
    return { prompts, sessions, statuses: answers.map((answer) => answer.status) };
  });
  assert.deepEqual(seen, { prompts: 1, sessions: ["second"], statuses: [200, 200, 200] });
  assert.deepEqual(sent.sort(), [
    ...Array(3).fill("/operation Bearer elevated"), ...Array(3).fill("/operation Bearer first"), "/up Bearer first",
  ]);
  await page.close();
});

test("an operation that stays refused is not sent a third time", { skip }, async () => {
  for (const status of [401, 403]) {
    const expired = { ...REFUSED, code: "ELEVATION_EXPIRED" };
    const { page, sent } = await scripted({ "/operation": () => json(status, expired), "/up": () => GRANTED });
    const answered = await page.evaluate(async () => {
      const call = countersign.fetch({ session: "first", prompt: async () => "123456" });
      const answer = await call("/operation");
      return [answer.status, (await answer.json()).code];
    });
    assert.deepEqual(answered, [status, "ELEVATION_EXPIRED"]);
    assert.deepEqual(sent, ["/operation Bearer first", "/up Bearer first", "/operation Bearer elevated"]);
    await page.close();
  }
});

test("the prompt says that a code was wrong, how long to wait, and a cancelled one rejects", { skip }, async () => {
  const up = (time) => [
    json(401, { error: "Invalid code", code: "refused" }),
    json(429, { status: "error" }, { "retry-after": "30" }),
    json(400, { code: "malformed_code" }),
  ][time - 1];
  const { page, sent } = await scripted({ "/operation": () => json(403, REFUSED), "/up": up });
  const seen = await page.evaluate(async () => {
    const problems = [];
    const prompt = async (problem) => problems.push(problem) < 4 ? "123456" : null;
    const call = countersign.fetch({ session: "first", prompt });
    const ended = await call("/operation").catch((error) => error.name);
    return { problems, ended };
  });
  const problems = ["", "Wrong or used code.", "Try again in 30 seconds.", "Wrong or used code."];
  assert.deepEqual(seen, { problems, ended: "AbortError" });
  assert.equal(sent.filter((line) => line.startsWith("/operation")).length, 1, "nothing is sent again");
  await page.close();
});

test("a session that is over ends the prompt", { skip }, async () => {
  const over = () => json(401, { message: "Unauthorized - please login", code: "unauthorized" });
  const { page } = await scripted({ "/operation": () => json(403, REFUSED), "/up": over });
  const ended = await page.evaluate(async () => {
    const call = countersign.fetch({ session: "first", prompt: async () => "123456" });
    return call("/operation").catch((error) => error.message);
  });
  assert.equal(ended, "Unauthorized - please login");
  await page.close();
});

test("no token goes to an origin that was not named", { skip }, async () => {
  const elsewhere = { ...REFUSED, step_up_url: "https://elsewhere.example/up" };
  const refused = () => json(403, elsewhere);
  const { page, sent } = await scripted({ "/operation": refused, "elsewhere.example/**": () => GRANTED });
  const seen = await page.evaluate(async () => {
    let prompts = 0;
    const call = countersign.fetch({ session: "first", prompt: async () => { prompts += 1; return "123456"; } });
    const refused = await call("https://elsewhere.example/").catch((error) => error.name);
    return { prompts, refused, status: (await call("/operation")).status };
  });
  assert.deepEqual(seen, { prompts: 0, refused: "TypeError", status: 403 });
  assert.deepEqual(sent, ["/operation Bearer first"]);
  await page.close();
});

test("a backup code that was used is replaced before the operation goes on", { skip }, async () => {
  const operation = (time) => time === 1 ? json(403, REFUSED) : json(200, {});
  const granted = () => json(200, { token: "elevated", session_token: "second", replacement_backup_code: "NEW CODE" });
  const { page } = await scripted({ "/operation": operation, "/up": granted });
  await page.evaluate(() => {
    globalThis.done = countersign.fetch({ session: "first" })("/operation").then((answer) => answer.status);
  });
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Code").fill("OLD CODE");
  await page.keyboard.press("Enter");
  await dialog.filter({ hasText: "NEW CODE" }).waitFor();
  await look(page, "step-up-dialog-code");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => globalThis.done), 200);
  await page.close();
});

test("a person confirms without a script and is led on within the host alone", { skip }, async () => {
  const person = server.person("bob");
  const context = await chromium.newContext({ baseURL: server.url, javaScriptEnabled: false });
  context.setDefaultTimeout(10_000);
  const page = await context.newPage();
  const heading = (name) => page.getByRole("heading", { name, level: 1 }).waitFor();
  const token = async () => (await context.cookies()).find((cookie) => cookie.name === "__Host-cs_session")?.value;
  await page.goto("/sign-in");
  await page.getByLabel("Name", { exact: true }).fill("bob");
  await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await page.keyboard.press("Enter");
  await heading("Enter your code");
  await page.goto("/sign-in/code?with=backup");
  await page.getByLabel("Backup code").fill(person.backup_codes[0]);
  await page.getByRole("checkbox", { name: "Remember this browser" }).uncheck();
  await page.keyboard.press("Enter");
  await heading("You are signed in");
  await page.goto("/account/browsers");
  await page.getByText("There is none.").waitFor();
  await page.goto("/step-up?to=/account/sessions&purpose=pay%20%3Cb%3E250%3C/b%3E%20EUR");
  await heading("Confirm it is you");
  await page.getByText("pay <b>250</b> EUR").waitFor();
  const before = await token();
  await page.keyboard.type("000000");
  await page.keyboard.press("Enter");
  await page.getByRole("alert").filter({ hasText: "That code was not accepted." }).waitFor();
  await page.keyboard.type(totp(person.totp_secret));
  await page.keyboard.press("Enter");
  await heading("Sessions");
  assert.notEqual(await token(), before, "the session has a new token");
  await page.goto("/account");
  await page.getByText("Confirmed by a code at").waitFor();
  await page.getByRole("button", { name: "End it now" }).press("Enter");
  await page.getByRole("status").filter({ hasText: "The confirmation has ended." }).waitFor();
  await page.goto("/step-up?to=//elsewhere.example/");
  await page.keyboard.type(totp(person.totp_secret, 1));
  await page.keyboard.press("Enter");
  await heading("Hello, bob");
  assert.equal(new URL(page.url()).pathname, "/account");
  await context.close();
});

test("every piece of a script in the document stands in the example application", () => {
  const text = (path) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
  const blocks = [...text("docs/step-up-in-the-browser.md").matchAll(/^```(html|javascript)\n([^]*?)\n```$/gm)];
  assert.ok(blocks.length >= 3);
  const sources = { html: text("examples/browser/index.html"), javascript: text("examples/browser/app.js") };
  for (const [, language, block] of blocks) assert.ok(sources[language].includes(block), block);
});
