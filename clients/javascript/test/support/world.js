/**
 * What the tests share: the vectors, a clock that stands, a Countersign that answers what it is told to, and requests.
 *
 * Knows: the wire. Must never know: how the guard judges.
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import http from 'node:http';

import { guard } from '../../src/index.js';
import { NoAnswer } from '../../src/transport.js';

/** A file of vectors; each has a least number of cases, so that none is lost unseen. */
export function vectors(path, least = 0) {
  const file = JSON.parse(readFileSync(new URL(`../../../../vectors/${path}`, import.meta.url), 'utf8'));
  assert.ok(file.source.length > 0);
  assert.ok((file.cases ?? []).length >= least, `${path} has ${file.cases?.length} cases`);
  return file;
}

export const INSTALLATION = vectors('tokens/installation.json');
export const GOOD = vectors('tokens/accepted.json').cases.find(({ rule }) => rule === 'elevation is on for 899 s');
export const SID = '5e'.repeat(32);
export const OPAQUE = '0123456789abcdef'.repeat(6);

/** A clock and timers that move when they are told to. */
export class StandingClock {
  #timers = new Map();
  #next = 1;
  now;
  elapsed = 0;

  constructor(now) {
    this.now = now;
  }

  unixSeconds() {
    return this.now;
  }

  elapsedMs() {
    return this.elapsed;
  }

  set(action, milliseconds) {
    this.#timers.set(this.#next, { action, at: this.elapsed + milliseconds });
    this.#next += 1;
    return this.#next - 1;
  }

  clear(timer) {
    this.#timers.delete(timer);
  }

  /** Lets time pass, and runs what falls due on the way. */
  pass(milliseconds) {
    const end = this.elapsed + milliseconds;
    for (;;) {
      const [first] = [...this.#timers].filter(([, { at }]) => at <= end).sort(([, a], [, b]) => a.at - b.at);
      if (first === undefined) break;
      const [timer, { action, at }] = first;
      this.#timers.delete(timer);
      this.elapsed = Math.max(this.elapsed, at);
      action();
    }
    this.elapsed = end;
  }
}

/** An introspection's answer about the session of the vectors' tokens. */
export function active(changes = {}) {
  return {
    active: true, token_type: 'Bearer', iss: INSTALLATION.issuer, sub: 'alice', username: 'alice',
    aud: INSTALLATION.audience, exp: 1_700_028_700, iat: 1_699_999_900, sid: SID, auth_time: 1_699_999_900, acr: 'cs:2',
    session_acr: 'cs:1', amr: ['pwd', 'otp', 'mfa'], elevated: true, elevation_time: 1_699_999_900,
    elevated_until: 1_700_000_800, groups: ['staff'], claims: { publisher: true }, ...changes,
  };
}

/** Countersign as the guard sees it, without a wire. */
export class StubTransport {
  jwks = INSTALLATION.jwks;
  /** The answer to every introspection, or a function of the token. */
  introspection = { active: false };
  isReachable = true;
  asked = [];
  streams = [];

  async exchange({ method, url, headers, body }) {
    this.asked.push(url.pathname);
    if (!this.isReachable) throw new NoAnswer('ECONNREFUSED');
    if (url.pathname === '/.well-known/jwks.json') return this.#json(this.jwks);
    assert.equal(`${method} ${url.pathname}`, 'POST /oauth/introspect');
    assert.equal(headers.authorization, `Basic ${btoa('shop:a-secret-of-the-shop')}`);
    const { introspection } = this;
    const said = typeof introspection === 'function' ? introspection(body.slice('token='.length)) : introspection;
    return this.#json(await said);
  }

  #json(value) {
    const body = Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
    return { status: value.status ?? 200, headers: {}, body };
  }

  stream(asked) {
    assert.equal(asked.url.pathname, '/oauth/revocations');
    assert.equal(asked.headers.authorization, `Basic ${btoa('shop:a-secret-of-the-shop')}`);
    const stream = { ...asked, isClosed: false, close: () => { stream.isClosed = true; } };
    this.streams.push(stream);
    return stream;
  }

  /** The feed that was opened last begins to speak. */
  speak(text = ': on\n\n') {
    const stream = this.streams.at(-1);
    stream.onAnswer({ status: 200, headers: { 'content-type': 'text/event-stream' } });
    stream.onText(text);
    return stream;
  }

  /** It has spoken for a while. */
  settle(clock) {
    const stream = this.speak();
    clock.elapsed += 1_001;
    stream.onText(': on\n\n');
    return stream;
  }

  count(path) {
    return this.asked.filter((asked) => asked === path).length;
  }

  close() {}
}

/** A guard, its Countersign and its clock. */
export function world({ now = 1_700_000_000, mode = 'introspect', ...more } = {}) {
  const clock = new StandingClock(now);
  const transport = new StubTransport();
  const reports = [];
  const guarding = guard({
    issuer: INSTALLATION.issuer, application: { name: 'shop', secret: 'a-secret-of-the-shop' }, mode, clock,
    timers: clock, transport, report: (message) => reports.push(message), ...more,
  });
  return { clock, transport, reports, guarding };
}

/** Runs a middleware for a request with these Authorization headers: what was answered, or the session that passed. */
export async function run(middleware, ...authorization) {
  const request = { headersDistinct: authorization.length > 0 ? { authorization } : {} };
  return new Promise((resolve, reject) => {
    const response = {
      headers: {},
      setHeader(name, value) { this.headers[name.toLowerCase()] = value; },
      end(body) { resolve({ status: this.statusCode, headers: this.headers, body: JSON.parse(body) }); },
    };
    middleware(request, response, (error) => {
      if (error === undefined) resolve({ session: request.countersign });
      else reject(error);
    });
  });
}

/** Runs it with a token. */
export const withToken = (middleware, token) => run(middleware, `Bearer ${token}`);

/** A server on a free port of this machine, and its address. */
export async function listening(handler) {
  const server = http.createServer(handler);
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  return { server, url: `http://127.0.0.1:${server.address().port}` };
}
