// A protected application in a browser: by a real nginx, from the first request to the sign-out that ends all.
// Knows: what a person sees at three hosts, and which cookies stay. Must never know: how a proxy asks.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { HOSTS, Nginx, application, missing as lacking } from "./nginx.js";
import { PASSWORD, Server, browser, missing, totp } from "./world.js";

const skip = missing() || lacking() || false;
const RULES = HOSTS.map((host) => `
[[host]]
name = "${host}"
[[host.rule]]
path = "/admin/*"
elevated = true
[[host.rule]]
path = "/*"
`).join("");
const [APP, OTHER] = HOSTS.map((host) => `https://${host}`);
const ID = "https://id.example.org";
const SESSION = "__Host-cs_session";

let chromium;
let folder;
let behind;
let server;
let nginx;

before(async () => {
  if (skip) return;
  folder = mkdtempSync(join(tmpdir(), "countersign-rules-"));
  writeFileSync(join(folder, "rules.toml"), RULES);
  behind = await application();
  const options = ["--trusted-proxies", "127.0.0.1", "--public-url", ID, "--rules", join(folder, "rules.toml")];
  server = await Server.start(...options);
  nginx = await Nginx.start(new URL(server.url).port, behind.port);
  // Names and port of the addresses that people type, at the port that this machine gives.
  chromium = await browser(`--host-resolver-rules=MAP *.example.org:443 127.0.0.1:${nginx.port}`);
});
after(async () => {
  await chromium?.close();
  await nginx?.stop();
  await server?.stop();
  await behind?.stop();
  if (folder) rmSync(folder, { recursive: true });
});

for (const javaScriptEnabled of [true, false]) {
  const way = javaScriptEnabled ? "with a script" : "without a script";
  test(`one sign-in opens two hosts, each by a cookie of its own, and one sign-out ends all ${way}`, { skip }, async () => {
    const name = javaScriptEnabled ? "alice" : "bob";
    const secret = server.person(name).totp_secret;
    const context = await chromium.newContext({ ignoreHTTPSErrors: true, javaScriptEnabled });
    context.setDefaultTimeout(10_000);
    const page = await context.newPage();
    const press = (button) => page.getByRole("button", { name: button, exact: true }).click();
    const fill = (label, text) => page.getByLabel(label, { exact: true }).fill(text);
    const heading = (text) => page.getByRole("heading", { name: text, level: 1 }).waitFor();
    /// The application is reached at this very address, and was told of her.
    const reached = async (address, acr) => {
      await page.waitForURL(address);
      await heading(`${name} by ${acr}`);
      const { pathname, search } = new URL(address);
      assert.equal(await page.locator("#at").textContent(), pathname + search);
    };

    await page.goto(`${APP}/reports?page=2`);
    await heading("Sign in");
    assert.ok(page.url().startsWith(`${ID}/`), "codes are typed at Countersign alone");
    await fill("Name", name);
    await fill("Password", PASSWORD);
    await press("Continue");
    await fill("Code", totp(secret));
    await press("Sign in");
    await reached(`${APP}/reports?page=2`, "cs:2");

    await page.goto(`${OTHER}/`);
    await reached(`${OTHER}/`, "cs:2");
    const kept = await context.cookies();
    const sessions = kept.filter((cookie) => cookie.name === SESSION);
    const hosts = sessions.map((cookie) => cookie.domain).sort();
    assert.deepEqual(hosts, ["app.example.org", "id.example.org", "other.example.org"], "none spans hosts");
    assert.equal(new Set(sessions.map((cookie) => cookie.value)).size, 3, "each has its own");
    for (const { name: cookie, secure, httpOnly } of kept) {
      assert.deepEqual([cookie.startsWith("__Host-"), secure, httpOnly], [true, true, true], cookie);
    }
    assert.ok(!kept.some((cookie) => cookie.name === "__Host-cs_begin"), "the way in is over");

    await page.goto(`${APP}/admin/users`);
    await heading("Prove it again");
    await fill("Code", totp(secret, 1));
    await press("Go on");
    await reached(`${APP}/admin/users`, "cs:2");
    await page.goto(`${OTHER}/admin/`);
    await reached(`${OTHER}/admin/`, "cs:2");

    await page.goto(`${ID}/account`);
    await press("Sign out");
    await heading("Sign in");
    for (const host of [APP, OTHER]) {
      await page.goto(`${host}/reports`);
      await heading("Sign in");
      assert.ok(page.url().startsWith(`${ID}/`), host);
    }
    await context.close();
  });
}

/// What nginx answers a program.
function asked(host, path, token) {
  const headers = { host, accept: "text/html", ...(token ? { authorization: `Bearer ${token}` } : {}) };
  const options = { host: "127.0.0.1", port: nginx.port, servername: host, path, headers, rejectUnauthorized: false };
  return new Promise((resolve, reject) => {
    const sent = request(options, async (response) => {
      let body = "";
      for await (const part of response) body += part;
      resolve({ status: response.statusCode, headers: response.headers, body });
    });
    sent.once("error", reject).end();
  });
}

test("a program passes by its token, and is told what it lacks where a browser would be sent on", { skip }, async () => {
  server.person("carol");
  const { token, id } = server.operate("user", "token", "add", "carol", "nightly", "--host", HOSTS[0]);
  const passed = await asked(HOSTS[0], "/reports", token);
  assert.equal(passed.status, 200);
  assert.ok(passed.body.includes("carol by cs:1"), passed.body);
  const stepUp = await asked(HOSTS[0], "/admin/users", token);
  assert.deepEqual([stepUp.status, JSON.parse(stepUp.body).code], [403, "ELEVATION_REQUIRED"]);
  assert.equal((await asked(HOSTS[1], "/reports", token)).status, 401, "it is for the other host");
  server.operate("user", "token", "revoke", "carol", id);
  const revoked = await asked(HOSTS[0], "/reports", token);
  assert.deepEqual([revoked.status, revoked.headers.location], [401, undefined]);
  assert.equal((await asked(HOSTS[0], "/reports")).status, 302, "a browser is sent on");
});
