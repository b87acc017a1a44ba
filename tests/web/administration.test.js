// The walk of an administrator through the pages of administration, with and without a script.
// Knows: what an administrator sees and types. Must never know: how a page is made.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";

import { look } from "./look.js";
import { PASSWORD, Server, browser, missing, totp } from "./world.js";

const skip = missing();
const STRANGE = "<i>a/b?c";
let chromium;

before(async () => { if (skip === "") chromium = await browser(); });
after(async () => { await chromium?.close(); });

for (const javaScriptEnabled of [true, false]) {
  const way = javaScriptEnabled ? "with a script" : "without a script";
  test(`an administrator looks after people, lists, applications and keys ${way}`, { skip: skip || false }, async () => {
    const server = await Server.start();
    const context = await chromium.newContext({ baseURL: server.url, javaScriptEnabled, locale: "en-GB" });
    context.setDefaultTimeout(10_000);
    try {
      const walker = new Walker(await context.newPage(), server, javaScriptEnabled);
      await walker.signIn("root", "administrator");
      await walker.add();
      await walker.person();
      await walker.help();
      await walker.strange();
      await walker.lists();
      await walker.applications();
      await walker.keys();
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

test("whoever has no role sees none of it", { skip: skip || false }, async () => {
  const server = await Server.start();
  const context = await chromium.newContext({ baseURL: server.url, locale: "en-GB" });
  try {
    const walker = new Walker(await context.newPage(), server, true);
    await walker.signIn("ulla", "user");
    assert.equal(await walker.page.getByRole("link", { name: "Administration" }).count(), 0);
    for (const path of ["/admin", "/admin/people", "/admin/lists", "/admin/applications", "/admin/keys"]) {
      await walker.page.goto(path);
      await walker.heading("Not permitted");
    }
    await walker.look("not-permitted");
  } finally {
    await context.close();
    await server.stop();
  }
});

/// Somebody at a browser who may have a role.
class Walker {
  constructor(page, server, script) {
    Object.assign(this, { page, server, script, complaints: [], secrets: [PASSWORD] });
    page.on("console", (message) => {
      // A form that is shown again with its problem is a 4xx, which the browser notes as an error.
      const shownAgain = /status of 4\d\d/.test(message.text());
      if (message.type() === "error" && !shownAgain) this.complaints.push(message.text());
    });
    page.on("pageerror", (error) => this.complaints.push(String(error)));
  }

  /// Audits the page once, in the walk with a script; the pages are the same in the other.
  async look(name) {
    if (this.script) await look(this.page, `admin-${name}`);
  }

  press(name) {
    return this.page.getByRole("button", { name, exact: true }).click();
  }

  follow(name) {
    return this.page.getByRole("link", { name, exact: true }).click();
  }

  menu(name) {
    return this.page.getByRole("navigation").getByRole("link", { name, exact: true }).click();
  }

  fill(label, text) {
    return this.page.getByLabel(label, { exact: true }).fill(text);
  }

  heading(name) {
    return this.page.getByRole("heading", { name, level: 1, exact: true }).waitFor();
  }

  said(text) {
    return this.page.getByRole("status").filter({ hasText: text }).waitFor();
  }

  /// The page says what is wrong, and the field that it lies in has the focus and names it.
  async refused(field, text) {
    await this.page.getByRole("alert").filter({ hasText: text }).waitFor();
    const label = this.page.getByLabel(field, { exact: true });
    assert.match(await label.getAttribute("aria-describedby"), /\bproblem\b/);
    assert.equal(await label.evaluate((element) => element === document.activeElement), true);
  }

  async signIn(name, role) {
    this.secret = this.server.person(name).totp_secret;
    this.server.operate("user", "role", name, role);
    await this.page.goto("/");
    await this.fill("Name", name);
    await this.fill("Password", PASSWORD);
    await this.press("Continue");
    await this.fill("Code", totp(this.secret));
    await this.press("Sign in");
    await this.heading(`Hello, ${name}`);
  }

  async add() {
    await this.look("home");
    await this.follow("Administration");
    await this.heading("People");
    await this.look("people");
    await this.fill("Name", "bob");
    await this.press("Add");
    await this.heading("Confirm it is you");
    await this.fill("Code", totp(this.secret, 1));
    await this.press("Confirm");
    await this.said("do it once more");
    await this.fill("Name", "root");
    await this.press("Add");
    await this.refused("Name", "There is an account named root already");
    await this.look("people-refused");
    await this.fill("Name", "bob");
    await this.fill("Groups", "staff");
    await this.press("Add");
    await this.heading("Added: bob");
    await this.look("added");
    const link = await this.page.locator(".once").textContent();
    assert.ok(link.includes("/setup#"));
    this.secrets.push(link.split("#")[1]);
    await this.follow("I have it");
    await this.heading("bob");
    await this.menu("People");
    await this.page.getByRole("searchbox").fill("STAFF");
    await this.press("Search");
    await this.page.getByRole("link", { name: "bob", exact: true }).waitFor();
    assert.equal(await this.page.getByRole("link", { name: "root", exact: true }).count(), 0);
    await this.follow("bob");
  }

  async person() {
    await this.look("person-new");
    await this.page.getByLabel("Role", { exact: true }).selectOption("operator");
    await this.press("Give the role");
    await this.said("The role was given.");
    await this.fill("Groups", "staff editors");
    await this.press("Save the groups");
    await this.said("The groups were changed.");
    await this.fill("Name of a claim", "publisher");
    await this.fill("Its value", "perhaps");
    await this.press("Save the claim");
    await this.refused("Its value", "Give true, false");
    await this.look("person-refused");
    await this.fill("Its value", "true");
    await this.press("Save the claim");
    await this.said("The claims were changed.");
    await this.fill("Mail address", "bob@example.org");
    await this.press("Save the address");
    await this.said("The mail address was changed.");
    await this.fill("Phone", "+491701234567");
    await this.press("Save the number");
    await this.said("The phone number was changed.");
    await this.look("person");
    await this.press("Remove the claim publisher");
    await this.said("The claims were changed.");
  }

  async help() {
    await this.press("Unlock");
    await this.said("The failures are forgotten.");
    await this.press("Make a link");
    await this.heading("A link: bob");
    await this.follow("I have it");
    await this.follow("Disable the account");
    await this.heading("Disable “bob”?");
    await this.look("disable");
    await this.follow("Leave it as it is");
    await this.follow("Disable the account");
    await this.press("Disable the account");
    await this.said("The account is disabled.");
    await this.look("disabled");
    await this.press("Enable");
    await this.said("The account is enabled.");
    await this.follow("Reset the account");
    await this.press("Reset the account");
    await this.heading("Reset: bob");
    // One's own page has authenticators and a session.
    await this.page.goto("/admin/people/root");
    await this.look("person-own");
    await this.page.getByRole("link", { name: /^Remove / }).first().click();
    await this.page.getByText("This is your own account").waitFor();
    await this.look("remove");
  }

  async strange() {
    this.server.operate("user", "add", STRANGE);
    await this.page.goto("/admin/people");
    await this.follow(STRANGE);
    await this.heading(STRANGE);
    await this.press("Give the role");
    await this.said("The role was given.");
    await this.heading(STRANGE);
    await this.look("strange");
  }

  async lists() {
    await this.menu("Lists");
    await this.heading("Lists of people");
    await this.look("lists");
    // A form that brings a file can be sent again.
    for (const [button, begin] of [["As CSV", "name,role,"], ["As JSON", "[\n{"]]) {
      const [download] = await Promise.all([this.page.waitForEvent("download"), this.press(button)]);
      assert.ok(readFileSync(await download.path(), "utf8").startsWith(begin));
    }
    const list = "name,role\nbob,user\ncarla,auditor\ndora,chief\n";
    if (this.script) {
      const file = { name: "people.csv", mimeType: "text/csv", buffer: Buffer.from(list) };
      await this.page.getByLabel("File", { exact: true }).setInputFiles(file);
      await this.page.waitForFunction(() => document.getElementById("list").value !== "");
      assert.equal(await this.page.getByLabel("List", { exact: true }).inputValue(), list);
    } else {
      assert.equal(await this.page.getByLabel("File", { exact: true }).isVisible(), false);
      await this.fill("List", list);
    }
    await this.press("See what would happen");
    await this.page.getByRole("heading", { name: "What would happen" }).waitFor();
    const fate = (place, what) => this.page.getByRole("row").filter({ hasText: place }).filter({ hasText: what }).waitFor();
    await fate("line 3", "would be added");
    await fate("line 4", "refused: role: give user");
    await this.look("list-tried");
    await this.press("Take it over");
    await this.said("The list was taken over");
    await fate("line 3", "added");
    await this.look("list-taken");
    await this.fill("List", "nothing");
    await this.press("See what would happen");
    await this.refused("List", "is not known");
    await this.look("list-refused");
  }

  async applications() {
    await this.menu("Applications");
    await this.heading("Applications");
    await this.look("applications-none");
    await this.fill("Name", "shop");
    await this.press("Add");
    await this.heading("Added: shop");
    this.secrets.push(await this.page.locator(".once").textContent());
    await this.follow("I have it");
    await this.look("applications");
    await this.follow("Give another secret to shop");
    await this.press("Make another secret");
    await this.heading("Another secret: shop");
    this.secrets.push(await this.page.locator(".once").textContent());
    await this.follow("I have it");
    await this.follow("Remove shop");
    await this.look("application-remove");
    await this.press("Remove it");
    await this.said("The application was removed.");
  }

  async keys() {
    await this.menu("Keys");
    await this.heading("Keys");
    await this.press("Add a key");
    await this.said("There is a new sealing key.");
    await this.look("keys");
    await this.press("Seal everything anew");
    await this.said("Everything is sealed under the newest key.");
    await this.page.getByRole("link", { name: /^Forget / }).click();
    await this.look("forget");
    await this.press("Forget it");
    await this.said("The key is forgotten.");
    await this.press("Add a signing key");
    await this.said("There is a new signing key.");
    await this.look("keys-rotated");
  }
}
