// Makes docs/walkthrough: every page in light, dark and narrow, of a throw-away installation.
// Knows: how a page is pictured so that no working secret and no time is in the picture. Must never know: how it is
// reached; that stands in `scenes`. Usage: node walkthrough.js FOLDER

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import { Mailbox } from "./mailbox.js";
import { shrink } from "./png.js";
import { CHAPTERS } from "./scenes.js";
import { Server, browser, missing } from "./world.js";

const folder = process.argv[2];
assert.ok(folder, "usage: node walkthrough.js FOLDER");
assert.equal(missing(), "", "something is missing");

/// The ways in which each page is shown, and what its file's name ends with.
const VIEWS = [
  { ending: "", words: "light", width: 960, colorScheme: "light" },
  { ending: "-dark", words: "dark", width: 960, colorScheme: "dark" },
  { ending: "-narrow", words: "narrow", width: 360, colorScheme: "light" },
];

/// Takes out of the page what differs from run to run, or opens something.
function mask() {
  const each = (what, act) => document.querySelectorAll(what).forEach(act);
  each("time", (time) => { time.textContent = "1 January 2027, 08:00"; });
  each(".plot :is(.tick, .grid)", (mark) => mark.remove());
  each("pre.letter", (letter) => {
    letter.textContent = letter.textContent.replace(/\d+ \w+ \d{4}, [\d:]+ UTC/, "1 January 2027, 08:00 UTC");
  });
  each("#secret span", (group) => { group.textContent = "••••"; });
  each(".challenge", (code) => { code.textContent = "•••• ••••"; });
  each(".once", (secret) => { secret.textContent = "••••••••••••••••••••••••"; });
  each("code.key", (key) => { key.textContent = "0123456789abcdef"; });
  each(".codes code:not(.once)", (code) => { code.textContent = "•••• •••• •••• •••• •••• ••••"; });
  each(".qr svg", (svg) => {
    const text = document.createElementNS(svg.namespaceURI, "text");
    const place = { x: 50, y: 54, "text-anchor": "middle", "font-size": 11, fill: "#56615d" };
    for (const [name, value] of Object.entries(place)) text.setAttribute(name, value);
    text.textContent = "the QR code";
    svg.setAttribute("viewBox", "0 0 100 100");
    svg.replaceChildren(text);
  });
}

async function picture(page, name) {
  for (const { ending, width, colorScheme } of VIEWS) {
    await page.setViewportSize({ width, height: 600 });
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    const png = await page.screenshot({ fullPage: true, caret: "hide", animations: "disabled" });
    writeFileSync(join(folder, `${name}${ending}.png`), shrink(png));
  }
}

function index() {
  const lines = [
    "# Walk-through", "",
    "Every page, in light, dark and narrow. Made by `cargo xtask walkthrough` of a throw-away installation; times are the",
    "same everywhere, and no secret, code or QR code is shown.", "",
  ];
  for (const { title, scenes } of CHAPTERS) {
    lines.push(`## ${title}`, "");
    for (const scene of scenes) {
      lines.push(`### ${scene.title}`, "", `Route \`${scene.route}\`.`, "");
      for (const { ending, words } of VIEWS) lines.push(`![${words}](${scene.name}${ending}.png)`);
      lines.push("");
    }
  }
  return `${lines.join("\n").trimEnd()}\n`;
}

const mailbox = await Mailbox.listen();
const mail = ["--smtp-url", mailbox.url, "--mail-from", "countersign@example.org"];
const rules = join(mkdtempSync(join(tmpdir(), "countersign-rules-")), "rules.toml");
writeFileSync(rules, '[[host]]\nname = "app.example.org"\n');
const secret = join(dirname(rules), "secret");
writeFileSync(secret, "0123456789abcdef0123456789abcdef");
// Nobody listens there: no scene needs what is texted.
const texts = ["--sms-webhook", "http://127.0.0.1:9/", "--sms-webhook-secret-file", secret, "--sms-codes", "allowed"];
const site = ["--public-url", "https://id.example.org", "--rules", rules];
const server = await Server.start(...mail, ...texts, ...site);
const chromium = await browser();
try {
  mkdirSync(folder, { recursive: true });
  for (const file of readdirSync(folder)) if (file.endsWith(".png")) rmSync(join(folder, file));
  const context = await chromium.newContext({ baseURL: server.url, locale: "en-GB", timezoneId: "UTC" });
  context.setDefaultTimeout(10_000);
  const stage = { page: await context.newPage(), server, mailbox };
  for (const scene of CHAPTERS.flatMap((chapter) => chapter.scenes)) {
    await scene.go(stage);
    await stage.page.evaluate(mask);
    await picture(stage.page, scene.name);
  }
  writeFileSync(join(folder, "index.md"), index());
} finally {
  await chromium.close();
  await server.stop();
  mailbox.stop();
  rmSync(dirname(rules), { recursive: true });
}
