// The audit, who is held off, and what is mailed, as somebody who administers walks through them.
// Knows: labels and headings. Must never know: how a page is written.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { look } from "./look.js";
import { PASSWORD, Server, browser, missing, totp } from "./world.js";

const lacks = missing();
let chromium;
before(async () => { if (lacks === "") chromium = await browser(); });
after(async () => { await chromium?.close(); });

/// Somebody who administers, signed in and stepped up.
async function administrator(server, script) {
  const { totp_secret } = server.person("root");
  server.operate("user", "role", "root", "administrator");
  const context = await chromium.newContext({ baseURL: server.url, javaScriptEnabled: script });
  context.setDefaultTimeout(10_000);
  const page = await context.newPage();
  await page.goto("/sign-in");
  await page.getByLabel("Name", { exact: true }).fill("root");
  await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await page.getByRole("button", { name: "Continue", exact: true }).click();
  await page.getByLabel("Code", { exact: true }).fill(totp(totp_secret));
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await page.goto("/step-up?to=/admin/audit");
  await page.getByLabel("Code", { exact: true }).fill(totp(totp_secret, 1));
  await page.getByRole("button", { name: "Confirm", exact: true }).click();
  await page.getByRole("heading", { name: "Audit", level: 1 }).waitFor();
  return page;
}

for (const script of [true, false]) {
  const where = script ? "with a script" : "without a script";
  test(`what happened is found, and words are set, ${where}`, { skip: lacks || false }, async () => {
    const server = await Server.start();
    try {
      const page = await administrator(server, script);
      const press = (name) => page.getByRole("button", { name, exact: true }).click();
      const seen = async (name) => { if (script) await look(page, name); };
      await page.getByRole("img", { name: "What happened over time" }).waitFor();
      await page.getByText("The numbers").click();
      await seen("audit");
      await page.getByLabel("What", { exact: true }).selectOption("sign in");
      await press("Search");
      await page.getByRole("row", { name: /sign in.*root/ }).waitFor();
      await page.getByLabel("Since", { exact: true }).fill("soon");
      await press("Search");
      await page.getByRole("alert").filter({ hasText: "give how long ago" }).waitFor();
      await seen("audit-refused");

      await page.goto("/admin/throttles");
      await page.getByLabel("Address", { exact: true }).fill("203.0.113.7");
      await press("Let in again");
      await page.getByRole("alert").filter({ hasText: "Nothing is held against 203.0.113.7" }).waitFor();
      await seen("throttles");

      await page.goto("/admin/texts");
      await page.getByRole("link", { name: "notice", exact: true }).click();
      const text = page.getByLabel("Subject and text", { exact: true });
      const own = await text.inputValue();
      await text.fill(own.replace(/^Subject: .*/, "Subject: News about {nmae}"));
      await press("Try it");
      await page.getByRole("alert").filter({ hasText: "unknown place {nmae}" }).waitFor();
      await seen("text-refused");
      await text.fill(own.replace(/^Subject: .*/, "Subject: News about {name}"));
      await press("Try it");
      await page.getByText("News about alice").waitFor();
      await seen("text-tried");
      await press("Set it");
      await page.getByRole("status").filter({ hasText: "The text is set" }).waitFor();
      await seen("texts");
      assert.match(server.operate("mail", "show", "notice").text, /^Subject: News about \{name\}\n\nHello/);
    } finally {
      await server.stop();
    }
  });
}
