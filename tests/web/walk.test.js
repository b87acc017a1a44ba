// The walk of a person through the pages, with and without a script.
// Knows: what a person sees and types. Must never know: how a page is made.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { look, scan, violations } from "./look.js";
import { PASSWORD, Server, browser, missing, totp } from "./world.js";

const skip = missing();
const NEW_PASSWORD = "a quieter horse than the first";
const CODE_REFUSED = /That code was not accepted/;
let chromium;

before(async () => { if (skip === "") chromium = await browser(); });
after(async () => { await chromium?.close(); });

for (const javaScriptEnabled of [true, false]) {
  const way = javaScriptEnabled ? "with a script" : "without a script";
  test(`a person sets up, enrols, signs in and keeps house ${way}`, { skip: skip || false }, async () => {
    const server = await Server.start();
    const context = await chromium.newContext({ baseURL: server.url, javaScriptEnabled, locale: "en-GB" });
    context.setDefaultTimeout(10_000);
    try {
      const walker = new Walker(await context.newPage(), server, javaScriptEnabled);
      await walker.setUp();
      await walker.enrol();
      await walker.signInByCode();
      await walker.sessions(chromium);
      await walker.browsers();
      await walker.stepUp();
      await walker.factors();
      await walker.backupCodes();
      await walker.apiTokens();
      await walker.password();
      assert.deepEqual(walker.complaints, [], "the browser had nothing to complain about");
      for (const secret of walker.secrets) {
        assert.ok(!server.log.includes(secret), "no secret, ticket, code or password is in the log");
      }
    } finally {
      await context.close();
      await server.stop();
    }
  });
}

test("the audit sees a label that is missing and a text that is too pale", { skip: skip || false }, async () => {
  const page = await chromium.newPage();
  await page.setContent('<main><h1 style="color:#bbb;background:#fff">Pale</h1><input></main>');
  const found = (await violations(page)).map((line) => line.split(":")[0]);
  assert.deepEqual(found.filter((rule) => rule === "color-contrast" || rule === "label"), ["color-contrast", "label"]);
  await page.close();
});

/// A person at a browser.
class Walker {
  constructor(page, server, script) {
    Object.assign(this, { page, server, script, complaints: [], secrets: [PASSWORD, NEW_PASSWORD] });
    page.on("console", (message) => {
      // A form that is shown again with its problem is a 4xx, which the browser notes as an error.
      const shownAgain = /status of 4\d\d/.test(message.text());
      if (message.type() === "error" && !shownAgain) this.complaints.push(message.text());
    });
    page.on("pageerror", (error) => this.complaints.push(String(error)));
  }

  /// Audits the page once, in the walk with a script; the pages are the same in the other.
  async look(name) {
    if (this.script) await look(this.page, name);
  }

  async press(name) {
    await this.page.getByRole("button", { name, exact: true }).click();
  }

  async heading(name) {
    await this.page.getByRole("heading", { name, level: 1 }).waitFor();
  }

  /// The page says what is wrong, and the field that it lies in has the focus and names it.
  async refused(field, text) {
    const alert = this.page.getByRole("alert");
    await alert.filter({ hasText: text }).waitFor();
    const label = this.page.getByLabel(field, { exact: true });
    assert.match(await label.getAttribute("aria-describedby"), /\bproblem\b/);
    assert.equal(await label.evaluate((element) => element === document.activeElement), true);
  }

  async setUp() {
    const { ticket } = this.server.operate("setup-link");
    this.secrets.push(ticket);
    await this.page.goto(this.script ? `/setup#${ticket}` : "/setup");
    if (!this.script) {
      await this.page.getByLabel("Set-up link").fill(`${this.server.url}/setup#${ticket}`);
      await this.press("Continue");
    }
    await this.heading("Set up the first administrator");
    assert.ok(!this.page.url().includes(ticket), "the ticket has left the address");
    await this.look("set-up");
    await this.page.getByLabel("Name", { exact: true }).fill("Alice");
    await this.page.getByLabel("Password", { exact: true }).fill("password1");
    await this.press("Continue");
    await this.refused("Password", "well-known");
    await this.look("set-up-refused");
    await this.page.getByLabel("Password", { exact: true }).fill(PASSWORD);
    await this.press("Continue");
    await this.heading("Connect an authenticator");
    const spent = await this.page.context().newPage();
    await spent.goto("/setup");
    if (this.script) await look(spent, "ticket");
    await spent.getByLabel("Set-up link").fill(ticket);
    await spent.getByRole("button", { name: "Continue" }).click();
    await spent.getByRole("alert").filter({ hasText: "unknown, over or used" }).waitFor();
    await spent.close();
  }

  async enrol() {
    await this.page.goto("/account/sessions");
    await this.heading("Connect an authenticator");
    await this.look("enrol");
    await this.page.getByLabel("Name of the authenticator").fill("Phone");
    await this.press("Show the QR code");
    await this.heading("Connect your authenticator");
    await this.look("scan");
    const shown = await this.shownSecret("phone");
    this.secret = shown.secret;
    this.backup = await this.page.locator(".codes code").allTextContents();
    assert.equal(this.backup.length, 10);
    this.secrets.push(this.secret, ...this.backup);
    await this.page.getByLabel("Code", { exact: true }).fill("000000");
    await this.press("Confirm");
    await this.refused("Code", CODE_REFUSED);
    await this.look("confirm-refused");
    await this.page.getByLabel("Code", { exact: true }).fill(totp(this.secret));
    await this.press("Confirm");
    await this.heading("Hello, alice");
    await this.look("home");
  }

  /// The secret as text, as link and as a camera reads it: all the same.
  async shownSecret(name) {
    const secret = (await this.page.locator("#secret").textContent()).replaceAll(" ", "");
    assert.match(secret, /^[A-Z2-7]{32}$/);
    const link = await this.page.getByRole("link", { name: "open it with this link" }).getAttribute("href");
    assert.ok(link.startsWith("otpauth://totp/Countersign:alice?") && link.includes(secret));
    for (const colorScheme of ["light", "dark"]) {
      await this.page.emulateMedia({ colorScheme });
      const file = join(this.server.folder, `${name}-${colorScheme}.png`);
      assert.equal(await scan(this.page.locator(".qr"), file), link);
    }
    return { secret, link };
  }

  async signIn(password) {
    await this.page.goto("/");
    await this.heading("Sign in");
    await this.page.getByLabel("Name", { exact: true }).fill("alice");
    await this.page.getByLabel("Password", { exact: true }).fill(password);
    await this.press("Continue");
  }

  async signInByCode() {
    await this.press("Sign out");
    await this.heading("Sign in");
    await this.look("sign-in");
    await this.signIn("wrong password");
    await this.refused("Password", "That did not work. Check name and password.");
    await this.look("sign-in-refused");
    await this.signIn(PASSWORD);
    await this.heading("Enter your code");
    await this.look("code");
    await this.code("000000");
    await this.refused("Code", CODE_REFUSED);
    await this.look("code-refused");
    await this.code("not a code");
    await this.refused("Code", "A code has 6 to 8 digits");
    const code = totp(this.secret, 1);
    await this.code(code);
    await this.heading("Hello, alice");
    await this.press("Sign out");
    await this.signIn(PASSWORD);
    await this.code(code);
    await this.refused("Code", CODE_REFUSED);
    await this.page.getByRole("link", { name: "Use a backup code" }).click();
    await this.heading("Enter a backup code");
    await this.look("backup-code");
    await this.page.getByLabel("Backup code", { exact: true }).fill(this.backup.pop());
    await this.press("Sign in");
    await this.heading("You are signed in");
    await this.look("replacement");
    this.backup.push(await this.page.locator(".codes code").textContent());
    await this.page.getByRole("link", { name: "Continue" }).click();
    await this.heading("Hello, alice");
  }

  async code(text) {
    await this.page.getByLabel("Code", { exact: true }).fill(text);
    await this.press("Sign in");
  }

  async sessions(chromium) {
    const elsewhere = await chromium.newContext({ baseURL: this.server.url, javaScriptEnabled: this.script });
    const other = new Walker(await elsewhere.newPage(), this.server, false);
    await other.signIn(PASSWORD);
    await other.code(this.backup.pop());
    await other.heading("You are signed in");
    await this.open("Sessions");
    assert.equal(await this.page.getByText("this one").count(), 1);
    await this.page.getByText("Name it").first().click();
    await this.page.getByLabel(/^Name of the session/).first().fill("<b>Library</b> computer");
    await this.press("Save");
    await this.page.getByRole("heading", { name: "<b>Library</b> computer" }).waitFor();
    await this.look("sessions");
    await this.press("End all other sessions");
    await this.page.getByRole("status").filter({ hasText: "Every other session has ended" }).waitFor();
    await other.page.goto("/account");
    await other.heading("Sign in");
    await elsewhere.close();
  }

  async browsers() {
    await this.open("Browsers", "Remembered browsers");
    assert.equal(await this.page.getByText("this one").count(), 1);
    assert.equal(await this.page.getByRole("button", { name: "Forget the browser" }).count(), 2);
    await this.look("browsers");
    await this.press("Forget all browsers");
    await this.page.getByRole("status").filter({ hasText: "All browsers are forgotten." }).waitFor();
    await this.look("browsers-none");
  }

  async stepUp() {
    await this.open("Home", "Hello, alice");
    await this.page.getByRole("link", { name: "Confirm it is you" }).click();
    await this.heading("Confirm it is you");
    await this.look("step-up");
    await this.page.getByRole("link", { name: "Use a backup code" }).click();
    await this.look("step-up-backup");
    await this.page.getByLabel("Backup code", { exact: true }).fill("not a code");
    await this.press("Confirm");
    await this.refused("Code", "A code has 6 to 8 digits");
    await this.look("step-up-refused");
    await this.page.getByLabel("Code", { exact: true }).fill(this.backup.pop());
    await this.press("Confirm");
    await this.heading("Confirmed");
    await this.look("step-up-replacement");
    this.backup.push(await this.page.locator(".codes code").textContent());
    await this.page.getByRole("link", { name: "Continue" }).click();
    await this.page.getByText("Confirmed by a code at").waitFor();
    await this.look("home-confirmed");
    await this.press("End it now");
    await this.page.getByRole("status").filter({ hasText: "The confirmation has ended." }).waitFor();
  }

  /// Follows the menu to a page, by its entry and its heading.
  async open(name, heading = name) {
    await this.page.getByRole("navigation").getByRole("link", { name, exact: true }).click();
    await this.heading(heading);
  }

  async factors() {
    await this.open("Authenticators");
    await this.look("authenticators");
    await this.page.getByRole("link", { name: "Add an authenticator" }).click();
    await this.heading("Connect an authenticator");
    await this.look("enrol-another");
    await this.page.getByLabel("Name of the authenticator").fill("Tablet");
    await this.page.getByLabel("Code of an authenticator you have").fill(this.backup.pop());
    await this.press("Show the QR code");
    await this.heading("Connect your authenticator");
    const { secret } = await this.shownSecret("tablet");
    await this.page.getByLabel("Code", { exact: true }).fill(totp(secret));
    await this.press("Confirm");
    await this.heading("Hello, alice");
    await this.open("Authenticators");
    await this.page.getByRole("link", { name: "Remove Phone" }).click();
    await this.heading("Remove “Phone”?");
    await this.look("remove");
    await this.page.getByLabel("Code", { exact: true }).fill(totp(secret, 1));
    await this.press("Remove");
    await this.page.getByRole("status").filter({ hasText: "The authenticator was removed." }).waitFor();
    assert.equal(await this.page.getByRole("link", { name: "Remove Phone" }).count(), 0);
  }

  async backupCodes() {
    await this.open("Backup codes");
    await this.look("backup-codes");
    const old = this.backup.pop();
    await this.page.getByLabel("Code", { exact: true }).fill(old);
    await this.press("Replace the backup codes");
    await this.heading("Your new backup codes");
    await this.look("new-codes");
    this.backup = await this.page.locator(".codes code").allTextContents();
    assert.equal(this.backup.length, 10);
    await this.page.getByRole("link", { name: "Done" }).click();
    await this.heading("Hello, alice");
  }

  async apiTokens() {
    await this.open("API tokens");
    await this.look("api-tokens");
    const wish = async (code, hosts = "") => {
      await this.page.getByLabel("Name of the token", { exact: true }).fill("Nightly build");
      await this.page.getByLabel("Only for these hosts (optional)", { exact: true }).fill(hosts);
      await this.page.getByLabel("Code", { exact: true }).fill(code);
      await this.press("Make the token");
    };
    await wish("000000");
    await this.refused("Code", CODE_REFUSED);
    await this.look("api-tokens-refused");
    await wish("000000", "https://app.example.org");
    await this.refused("Only for these hosts (optional)", "A host is written as app.example.org");
    await wish(this.backup.pop(), "app.example.org");
    await this.heading("Your new API token");
    await this.look("new-api-token");
    const [token, code] = await this.page.locator(".codes code").allTextContents();
    assert.match(token, /^cs_api_[0-9a-f]{64}$/);
    this.secrets.push(token);
    this.backup.push(code);
    await this.page.getByRole("link", { name: "Done" }).click();
    await this.page.getByRole("heading", { name: "Nightly build" }).waitFor();
    await this.look("api-tokens-one");
    assert.ok(!(await this.page.content()).includes(token), "it is shown once");
    await this.press("Revoke Nightly build");
    await this.page.getByRole("status").filter({ hasText: "The token is revoked." }).waitFor();
    assert.equal(await this.page.getByRole("button", { name: /^Revoke/ }).count(), 0);
  }

  async password() {
    await this.open("Password", "Change your password");
    await this.look("password");
    await this.change("wrong", NEW_PASSWORD, this.backup[0]);
    await this.refused("Current password", "was not accepted");
    await this.look("password-refused");
    await this.change(PASSWORD, NEW_PASSWORD, this.backup.pop());
    await this.page.getByRole("status").filter({ hasText: "Your password was changed." }).waitFor();
    await this.look("home-later");
    await this.press("Sign out");
    await this.signIn(PASSWORD);
    await this.refused("Password", "That did not work.");
    await this.signIn(NEW_PASSWORD);
    await this.code(this.backup.pop());
    await this.heading("You are signed in");
  }

  async change(current, next, code) {
    await this.page.getByLabel("Current password", { exact: true }).fill(current);
    await this.page.getByLabel("New password", { exact: true }).fill(next);
    await this.page.getByLabel("Code", { exact: true }).fill(code);
    await this.press("Change the password");
  }
}
