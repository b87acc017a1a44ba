// Somebody whose codes come by text message: enrolled, signed in, stepped up; who gives a mail address, and loses the
// password.
// Knows: what a person sees and types. Must never know: how a page is made.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { Gateway } from "./gateway.js";
import { look } from "./look.js";
import { Mailbox } from "./mailbox.js";
import { BINARY, PASSWORD, Server, browser, missing } from "./world.js";

const skip = missing();
let chromium;

before(async () => { if (skip === "") chromium = await browser(); });
after(async () => { await chromium?.close(); });

/// Somebody with a password alone.
function add(server, name) {
  const words = ["user", "add", name, "--password-file", "-", "--json", "--data", server.data];
  execFileSync(BINARY, words, { encoding: "utf8", input: `${PASSWORD}\n` });
}

async function press(page, name) {
  await page.getByRole("button", { name, exact: true }).click();
}

async function fill(page, label, text) {
  await page.getByLabel(label, { exact: true }).fill(text);
}

async function heading(page, name) {
  await page.getByRole("heading", { name, level: 1 }).waitFor();
}

async function password(page) {
  await page.goto("/sign-in");
  await fill(page, "Name", "alice");
  await fill(page, "Password", PASSWORD);
  await press(page, "Continue");
}

for (const javaScriptEnabled of [true, false]) {
  const way = javaScriptEnabled ? "with a script" : "without a script";
  test(`codes by text message go all the way ${way}`, { skip: skip || false }, async () => {
    const [gateway, mailbox] = [await Gateway.listen(), await Mailbox.listen()];
    const folder = mkdtempSync(join(tmpdir(), "countersign-secret-"));
    const secret = join(folder, "secret");
    writeFileSync(secret, "0123456789abcdef0123456789abcdef");
    const server = await Server.start(
      "--smtp-url", mailbox.url, "--mail-from", "countersign@example.org", "--public-url", "https://id.example.org",
      "--sms-webhook", gateway.url, "--sms-webhook-secret-file", secret, "--sms-codes", "allowed",
    );
    const context = await chromium.newContext({ baseURL: server.url, javaScriptEnabled, locale: "en-GB" });
    context.setDefaultTimeout(10_000);
    const audit = (page, name) => (javaScriptEnabled ? look(page, name) : undefined);
    try {
      add(server, "alice");
      const page = await context.newPage();
      await password(page);
      await heading(page, "Connect an authenticator");
      await page.getByLabel("Text messages", { exact: true }).check();
      await audit(page, "enrol-by-text");
      await fill(page, "Telephone number (for text messages)", "+41 79 123 45 67");
      await press(page, "Continue");
      await heading(page, "Confirm your telephone");
      await audit(page, "texted");
      const backup = await page.locator(".codes code").allTextContents();
      await fill(page, "Code", await gateway.code());
      await press(page, "Confirm");
      await heading(page, "Hello, alice");
      await press(page, "Sign out");

      await password(page);
      await heading(page, "Enter your code");
      await press(page, "Text me a code");
      await page.getByRole("status").filter({ hasText: "on its way to your telephone" }).waitFor();
      await audit(page, "code-by-text");
      await fill(page, "Code", await gateway.code());
      await press(page, "Sign in");
      await heading(page, "Hello, alice");

      await page.getByRole("link", { name: "Confirm it is you" }).click();
      await press(page, "Text me a code");
      await page.getByRole("status").filter({ hasText: "on its way to your telephone" }).waitFor();
      await fill(page, "Code", await gateway.code());
      await press(page, "Confirm");
      await page.getByText("Confirmed by a code at").waitFor();

      await page.getByRole("link", { name: "Mail", exact: true }).click();
      await heading(page, "Mail address");
      await audit(page, "email");
      await fill(page, "Mail address", "alice@example.org");
      await fill(page, "Code", backup.pop());
      await press(page, "Mail me a code");
      await heading(page, "A code is on its way");
      await page.getByRole("link", { name: "Continue" }).click();
      await audit(page, "email-pending");
      await fill(page, "Mailed code", await mailbox.code());
      await press(page, "Confirm the address");
      await page.getByRole("status").filter({ hasText: "goes to the new address" }).waitFor();
      await page.getByText("goes to alice@example.org").waitFor();
      await press(page, "Sign out");

      const { ticket } = server.operate("user", "vouch", "alice");
      await page.goto(javaScriptEnabled ? `/recover/vouched#${ticket}` : "/recover/vouched");
      if (!javaScriptEnabled) {
        await fill(page, "Link", `${server.url}/recover/vouched#${ticket}`);
        await press(page, "Continue");
      }
      await page.getByLabel("Name", { exact: true }).waitFor();
      assert.ok(!page.url().includes(ticket), "the ticket has left the address");
      await audit(page, "vouched");
      await fill(page, "Name", "alice");
      await fill(page, "Code", backup.pop());
      await press(page, "Continue");
      await heading(page, "Choose a new password");
      assert.ok(!server.log.includes(ticket), "no ticket is in the log");
    } finally {
      await context.close();
      await server.stop();
      gateway.stop();
      mailbox.stop();
      rmSync(folder, { recursive: true });
    }
  });
}
