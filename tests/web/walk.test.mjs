// A person's walk through the pages in a real browser: set up, scan, sign in, recover; each page audited by axe in light and
// dark, wide and narrow; and once more without JavaScript. COUNTERSIGN_BIN names the binary, CHROMIUM the browser.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';

const BIN = process.env.COUNTERSIGN_BIN;
const PASSWORD = 'correct horse battery staple';
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const ARGUMENTS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync'];

let folder, server, base, browser;

before(async () => {
  assert.ok(BIN, 'COUNTERSIGN_BIN names the binary');
  folder = mkdtempSync(join(tmpdir(), 'countersign-web-'));
  server = spawn(BIN, ['serve', '--data', join(folder, 'data'), '--listen', '127.0.0.1:0', '--tls', 'off'],
    { stdio: ['ignore', 'pipe', 'ignore'] });
  const line = await new Promise((resolve, reject) => {
    server.stdout.once('data', (data) => resolve(String(data)));
    server.once('exit', () => reject(new Error('the server did not start')));
  });
  base = line.split(/\s+/)[1].replace('127.0.0.1', 'localhost');
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ARGUMENTS });
});

after(async () => {
  await browser?.close();
  const ended = new Promise((resolve) => server.once('exit', resolve));
  server.kill('SIGTERM');
  await ended;
  rmSync(folder, { recursive: true, force: true });
});

function countersign(...words) {
  return JSON.parse(execFileSync(BIN, [...words, '--json', '--data', join(folder, 'data')], { encoding: 'utf8' }));
}

/** The code of a Base32 secret, so many steps from now (RFC 6238). */
function code(secret, steps = 0) {
  const bits = [...secret].map((c) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c).toString(2).padStart(5, '0')).join('');
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30000) + steps));
  const hash = createHmac('sha1', key).update(counter).digest();
  return String((hash.readUInt32BE(hash[19] & 15) & 0x7fffffff) % 1e6).padStart(6, '0');
}

/** Nothing that axe knows of is wrong, in light and dark, wide and narrow, and nothing sticks out at the side. */
async function audit(page, name) {
  for (const colorScheme of ['light', 'dark']) {
    for (const width of [1280, 360]) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 900 });
      await page.evaluate(AXE);
      const { violations } = await page.evaluate(() => axe.run());
      assert.deepEqual(violations.map((v) => `${v.id}: ${v.nodes[0].html}`), [], `${name}, ${colorScheme}, ${width}`);
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(overflow <= 0, `${name} is ${overflow} pixels too wide at ${width}`);
    }
  }
}

async function submit(page, fields, button = 'main form button') {
  for (const [id, value] of Object.entries(fields)) await page.fill(`#${id}`, value);
  await Promise.all([page.waitForLoadState('load'), page.locator(button).first().click()]);
  await page.waitForLoadState('load');
}

test('a person sets up, scans, signs in and recovers', async () => {
  const context = await browser.newContext({ bypassCSP: true });
  const page = await context.newPage();
  await page.goto(`${base}/account`);
  assert.equal(new URL(page.url()).pathname, '/sign-in');
  await audit(page, 'sign-in');

  const { ticket } = countersign('setup-link');
  await page.goto(`${base}/setup#${ticket}`);
  assert.ok(!page.url().includes(ticket), 'the ticket leaves the address bar');
  await audit(page, 'setup');
  await submit(page, { username: 'root', password: PASSWORD });
  await page.waitForURL('**/enrol');
  await audit(page, 'enrol');
  await submit(page, { label: 'My phone' });
  await page.waitForSelector('.qr');
  await audit(page, 'pending');
  const secret = (await page.textContent('.secret')).replaceAll(' ', '');
  const backup = await page.$$eval('.codes code', (codes) => codes.map((code) => code.textContent));
  assert.equal(backup.length, 10);
  writeFileSync(join(folder, 'qr.png'), await page.locator('.qr').screenshot());
  const scanned = execFileSync('zbarimg', ['--quiet', '--raw', join(folder, 'qr.png')],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  assert.equal(new URL(scanned.trim()).searchParams.get('secret'), secret, 'the picture holds the secret');

  await submit(page, { code: '000000' });
  assert.equal(await page.evaluate(() => document.activeElement.id), 'problem', 'what went wrong is focused');
  const confirming = code(secret);
  await submit(page, { code: confirming });
  await page.waitForURL('**/account');
  for (const path of ['/account', '/account/sessions', '/account/backup-codes', '/account/password', '/enrol']) {
    await page.goto(base + path);
    await audit(page, path);
  }

  await submit(page, {}, 'nav button');
  await page.waitForURL('**/sign-in');
  await submit(page, { username: 'ROOT', password: PASSWORD });
  await page.waitForURL('**/sign-in/code');
  await audit(page, 'code');
  await submit(page, { code: confirming });
  assert.match(await page.textContent('#problem'), /not accepted/, 'the confirming code is used up');
  await submit(page, { code: backup[0] });
  await page.waitForSelector('.codes');
  await audit(page, 'replacement');
  await context.close();
});

test('everything works without JavaScript', async () => {
  const { invitation } = countersign('user', 'add', 'carol');
  const context = await browser.newContext({ javaScriptEnabled: false });
  const page = await context.newPage();
  await page.goto(`${base}/setup`);
  await submit(page, { ticket: invitation.ticket, password: PASSWORD });
  await submit(page, { label: 'Tablet' });
  const secret = (await page.textContent('.secret')).replaceAll(' ', '');
  await submit(page, { code: code(secret) });
  assert.equal(new URL(page.url()).pathname, '/account');
  await submit(page, {}, 'nav button');
  await submit(page, { username: 'carol', password: PASSWORD });
  await submit(page, { code: code(secret, 1) });
  assert.equal(new URL(page.url()).pathname, '/account');
  await context.close();
});
