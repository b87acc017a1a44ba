// The pages of the walk-through, in the order in which a person meets them. A new page is a new entry of a list.
// Knows: how each page is reached. Must never know: how it is pictured.
//
// A scene has `name` (of its pictures), `route` (as the server declares it), `title`, and `go`, which leaves the page
// open.
// The stage it is given has the page, the server, its mailbox, and what was learned on the way: `secret`, `spare`
// codes.

import { PASSWORD, totp } from "./world.js";

const open = (path) => ({ page }) => page.goto(path);
const press = (page, name) => page.getByRole("button", { name, exact: true }).click();
const fill = (page, label, text) => page.getByLabel(label, { exact: true }).fill(text);
const heading = (page, name) => page.getByRole("heading", { name, level: 1 }).waitFor();

async function password({ page }, text = PASSWORD) {
  await page.goto("/sign-in");
  await fill(page, "Name", "alice");
  await fill(page, "Password", text);
  await press(page, "Continue");
}

/// The first administrator sets up and enrols.
export const FIRST = [
  { name: "ticket", route: "/setup", title: "A set-up link is asked for", go: open("/setup") },
  {
    name: "set-up", route: "/setup", title: "The first administrator chooses name and password",
    async go({ page, server }) {
      await fill(page, "Set-up link", server.operate("setup-link").ticket);
      await press(page, "Continue");
      await heading(page, "Set up the first administrator");
    },
  },
  {
    name: "enrol", route: "/enrol", title: "An authenticator is announced",
    async go({ page }) {
      await fill(page, "Name", "alice");
      await fill(page, "Password", PASSWORD);
      await press(page, "Continue");
      await heading(page, "Connect an authenticator");
    },
  },
  {
    name: "scan", route: "/enrol", title: "Its secret is shown once, with backup codes",
    async go(stage) {
      const { page } = stage;
      await fill(page, "Name of the authenticator (optional)", "Phone");
      await press(page, "Continue");
      await heading(page, "Connect your authenticator");
      stage.secret = (await page.locator("#secret").textContent()).replaceAll(" ", "");
      stage.spare = await page.locator(".codes code").allTextContents();
    },
  },
  {
    name: "confirm", route: "/enrol/confirm", title: "A wrong code does not confirm it",
    async go({ page }) {
      await fill(page, "Code", "000000");
      await press(page, "Confirm");
      await page.getByRole("alert").waitFor();
    },
  },
];

/// Somebody signs in and keeps house.
export const ACCOUNT = [
  {
    name: "sign-in", route: "/sign-in", title: "Name and password",
    async go(stage) {
      const { page, secret } = stage;
      await fill(page, "Code", totp(secret));
      await press(page, "Confirm");
      await heading(page, "Hello, alice");
      await press(page, "Sign out");
      await heading(page, "Sign in");
    },
  },
  {
    name: "sign-in-refused", route: "/sign-in", title: "A wrong password",
    go: (stage) => password(stage, "not the password"),
  },
  { name: "code", route: "/sign-in/code", title: "The code that is due", go: (stage) => password(stage) },
  { name: "backup-code", route: "/sign-in/code", title: "A backup code instead", go: open("/sign-in/code?with=backup") },
  {
    name: "replacement", route: "/sign-in/code", title: "The backup code that replaces the used one",
    async go({ page, spare }) {
      await fill(page, "Backup code", spare.pop());
      await press(page, "Sign in");
      await heading(page, "You are signed in");
    },
  },
  { name: "home", route: "/account", title: "Home", go: open("/account") },
  {
    name: "step-up", route: "/step-up", title: "A code is asked again for what matters",
    go: open("/step-up?to=/account&purpose=transfer%20250%20EUR"),
  },
  {
    name: "elevated", route: "/account", title: "Home while that confirmation counts",
    async go({ page, secret }) {
      await fill(page, "Code", totp(secret, 1));
      await press(page, "Confirm");
      await heading(page, "Hello, alice");
    },
  },
  { name: "sessions", route: "/account/sessions", title: "Sessions", go: open("/account/sessions") },
  { name: "browsers", route: "/account/browsers", title: "Remembered browsers", go: open("/account/browsers") },
  { name: "authenticators", route: "/account/factors", title: "Authenticators", go: open("/account/factors") },
  {
    name: "remove", route: "/account/factors/{id}/remove", title: "An authenticator is removed",
    async go({ page }) {
      await page.getByRole("link", { name: "Remove Phone" }).click();
      await heading(page, "Remove “Phone”?");
    },
  },
  { name: "enrol-another", route: "/enrol", title: "A further authenticator", go: open("/enrol") },
  {
    name: "texted", route: "/enrol", title: "A telephone, to which codes are texted",
    async go({ page, spare }) {
      await page.getByLabel("Text messages", { exact: true }).check();
      await fill(page, "Telephone number (for text messages)", "+41791234567");
      await fill(page, "Code of an authenticator you have", spare.pop());
      await press(page, "Continue");
      await heading(page, "Confirm your telephone");
    },
  },
  { name: "backup-codes", route: "/account/backup-codes", title: "Backup codes", go: open("/account/backup-codes") },
  {
    name: "new-codes", route: "/account/backup-codes", title: "New backup codes, shown once",
    async go(stage) {
      const { page, spare } = stage;
      await fill(page, "Code", spare.pop());
      await press(page, "Replace the backup codes");
      await heading(page, "Your new backup codes");
      stage.spare = await page.locator(".codes code").allTextContents();
    },
  },
  { name: "api-tokens", route: "/account/tokens", title: "Tokens for programs", go: open("/account/tokens") },
  {
    name: "new-api-token", route: "/account/tokens", title: "A new token, shown once",
    async go({ page, spare }) {
      await fill(page, "Name of the token", "Nightly build");
      await fill(page, "Only for these hosts (optional)", "app.example.org");
      await fill(page, "Code", spare.pop());
      await press(page, "Make the token");
      await heading(page, "Your new API token");
    },
  },
  { name: "password", route: "/account/password", title: "A new password", go: open("/account/password") },
  { name: "email", route: "/account/email", title: "The mail address", go: open("/account/email") },
  {
    name: "email-confirm", route: "/account/email", title: "A mail address that owes the code sent there",
    async go({ page, mailbox, spare }) {
      await fill(page, "Mail address", "alice@example.com");
      await fill(page, "Code", spare.pop());
      await press(page, "Mail me a code");
      await mailbox.code();
      await page.goto("/account/email");
    },
  },
  {
    name: "gone", route: "/account/factors/{id}/remove", title: "Something that is not there any more",
    go: open("/account/factors/00000000/remove"),
  },
];

/// An application asks for an approval, and a session for a confirmation by another.
export const APPROVALS = [
  { name: "approvals", route: "/account/approvals", title: "Nothing waits to be approved", go: open("/account/approvals") },
  {
    name: "approval", route: "/account/approvals/{id}", title: "An application asks for one action",
    async go({ page, server }) {
      const { name, secret } = server.operate("app", "add", "shop");
      const fields = { amount: "250.00 EUR", to: "Erika Mustermann" };
      const asked = await fetch(`${server.url}/api/approvals`, {
        method: "POST",
        headers: {
          authorization: `Basic ${Buffer.from(`${name}:${secret}`).toString("base64")}`,
          "content-type": "application/json",
        },
        body: JSON.stringify({ account: "alice", action: { kind: "payment", fields }, totp_fallback: true }),
      });
      const { id } = await asked.json();
      await page.goto(`/account/approvals/${id}`);
      await heading(page, "shop asks: payment");
    },
  },
  {
    name: "number", route: "/account/approvals/waiting", title: "The number to type on another device",
    async go({ page }) {
      await page.goto("/account/approvals");
      await press(page, "Show a number");
      await page.waitForURL("**/account/approvals/waiting");
    },
  },
];

/// Somebody is on the way to a protected application.
export const HOSTS = [
  {
    name: "host-step-up", route: "/for", title: "A protected application asks for a code",
    async go({ page }) {
      await page.goto("/account");
      await press(page, "End it now");
      await page.goto(`/for?host=app.example.org&to=%2Fpay&state=${"0".repeat(64)}&elevated=true`);
      await heading(page, "Prove it again");
    },
  },
];

/// Somebody who lost the password recovers the account by mail and a backup code.
export const RECOVERY = [
  { name: "recover", route: "/recover", title: "A code is asked for by mail", go: open("/recover") },
  {
    name: "recover-prove", route: "/recover", title: "The mailed code, and what was not lost",
    async go({ page, server }) {
      server.operate("user", "email", "alice", "alice@example.org");
      await fill(page, "Name", "alice");
      await press(page, "Mail me a code");
      await heading(page, "Two proofs");
    },
  },
  {
    name: "recover-finish", route: "/recover/finish", title: "What both proofs allow",
    async go({ page, mailbox, spare }) {
      await fill(page, "Mailed code", await mailbox.code());
      await fill(page, "What you still have", spare.pop());
      await press(page, "Continue");
      await heading(page, "Choose a new password");
    },
  },
  {
    name: "vouched", route: "/recover/vouched", title: "An operator's link is one of two proofs",
    async go({ page, server }) {
      await page.goto("/recover/vouched");
      await fill(page, "Link", server.operate("user", "vouch", "alice").link);
      await press(page, "Continue");
      await page.getByLabel("Name", { exact: true }).waitFor();
    },
  },
  { name: "recover-cancel", route: "/recover/cancel", title: "A recovery is called off", go: open("/recover/cancel") },
];

/// Somebody else, whose password is known, is tried so many codes.
async function guess({ server }, name, times) {
  server.person(name);
  const post = async (path, body) => {
    const headers = { "content-type": "application/json" };
    const answer = await fetch(`${server.url}${path}`, { method: "POST", headers, body: JSON.stringify(body) });
    return answer.json();
  };
  const { challenge_token } = await post("/api/auth/login", { username: name, password: PASSWORD });
  for (let time = 0; time < times; time += 1) {
    await post("/api/auth/verify", { challenge_token, totp_code: "00000000" });
  }
}

/// Somebody acts for others by a role.
export const ADMINISTRATION = [
  {
    name: "people", route: "/admin/people", title: "People",
    async go({ page, server }) {
      const bob = server.person("bob");
      for (const group of ["staff", "editors"]) server.operate("user", "group", bob.name, "--join", group);
      server.operate("user", "claim", "bob", "publisher=true");
      server.operate("user", "add", "carol", "--group", "operator");
      await page.goto("/admin/people");
      await heading(page, "People");
    },
  },
  {
    name: "person-added", route: "/admin/people", title: "The link for somebody new is shown once",
    async go({ page }) {
      await fill(page, "Name", "dave");
      await fill(page, "Groups", "staff");
      await press(page, "Add");
      await heading(page, "Added: dave");
    },
  },
  { name: "person", route: "/admin/people/{name}", title: "One person", go: open("/admin/people/bob") },
  {
    name: "person-disable", route: "/admin/people/{name}/{act}", title: "What takes something away asks first",
    async go({ page }) {
      await page.getByRole("link", { name: "Disable the account" }).click();
      await heading(page, "Disable “bob”?");
    },
  },
  {
    name: "person-factor", route: "/admin/people/{name}/factors/{id}/remove", title: "One authenticator of theirs is removed",
    async go({ page }) {
      await page.goto("/admin/people/bob");
      await page.getByRole("link", { name: /^Remove / }).first().click();
      await heading(page, /^Remove the authenticator/);
    },
  },
  { name: "lists", route: "/admin/lists", title: "Lists of people go out and in", go: open("/admin/lists") },
  {
    name: "list-tried", route: "/admin/lists", title: "What a list would do, line by line",
    async go({ page }) {
      await fill(page, "List", "name,role,groups\nbob,user,staff\nerin,auditor,\nfrank,chief,staff\n");
      await press(page, "See what would happen");
      await page.getByRole("heading", { name: "What would happen" }).waitFor();
    },
  },
  { name: "applications", route: "/admin/applications", title: "Applications", go: open("/admin/applications") },
  {
    name: "application-added", route: "/admin/applications", title: "An application’s secret is shown once",
    async go({ page }) {
      await fill(page, "Name", "library");
      await press(page, "Add");
      await heading(page, "Added: library");
    },
  },
  {
    name: "application-renew", route: "/admin/applications/{name}/{act}", title: "Another secret",
    go: open("/admin/applications/library/renew"),
  },
  { name: "keys", route: "/admin/keys", title: "Keys", go: open("/admin/keys") },
  {
    name: "key-forget", route: "/admin/keys/{id}/forget", title: "A key that seals nothing any more is forgotten",
    async go({ page }) {
      await press(page, "Add a key");
      await page.getByRole("status").waitFor();
      await press(page, "Seal everything anew");
      await page.getByRole("link", { name: /^Forget / }).click();
      await heading(page, /^Forget the sealing key/);
    },
  },
  {
    name: "throttles", route: "/admin/throttles", title: "Who is held off",
    async go(stage) {
      await guess(stage, "dora", 3);
      await stage.page.goto("/admin/throttles");
      await heading(stage.page, "Who is held off");
    },
  },
  {
    name: "audit", route: "/admin/audit", title: "The audit, searched and over time",
    go: open("/admin/audit?act=code_check"),
  },
  { name: "texts", route: "/admin/texts", title: "What is mailed", go: open("/admin/texts") },
  {
    name: "text", route: "/admin/texts/{kind}", title: "A text of one’s own, tried",
    async go({ page }) {
      await page.goto("/admin/texts/notice");
      const text = page.getByLabel("Subject and text", { exact: true });
      await text.fill((await text.inputValue()).replace(/^Subject: .*/, "Subject: {site}: news about {name}"));
      await press(page, "Try it");
      await page.getByRole("heading", { name: "How it reads" }).waitFor();
    },
  },
];

/// Chapters of the walk-through.
export const CHAPTERS = [
  { title: "Setting up", scenes: FIRST },
  { title: "Signing in and keeping house", scenes: ACCOUNT },
  { title: "Approving", scenes: APPROVALS },
  { title: "Administering", scenes: ADMINISTRATION },
  { title: "On the way to a protected application", scenes: HOSTS },
  { title: "Recovering by mail", scenes: RECOVERY },
];
