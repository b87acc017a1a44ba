import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ENDED_MAX } from '../src/feed.js';
import { GOOD, INSTALLATION, OPAQUE, SID, active, vectors, withToken, world } from './support/world.js';

const NOW = 1_700_000_000;
const ended = (id) => `event: ended\ndata: ${id}\n\n`;
const INTROSPECT = '/oauth/introspect';
const JWKS = '/.well-known/jwks.json';

/** A guard by the feed, which has begun to speak, and what a token gets from it. */
function fed(more = {}) {
  const made = world({ mode: 'feed', ...more });
  made.transport.introspection = active();
  made.transport.settle(made.clock);
  const ask = (token = GOOD.token) => withToken(made.guarding.requireSession(), token);
  const status = async (token) => (await ask(token)).status ?? 200;
  return { ...made, ask, status };
}

test('what is told in the first second of a feed is not remembered', async () => {
  const { clock, transport, guarding } = world({ mode: 'feed' });
  transport.introspection = active();
  const stream = transport.speak();
  const status = async () => (await withToken(guarding.requireSession(), GOOD.token)).status ?? 200;
  assert.equal(await status(), 200);
  clock.elapsed += 1_000;
  stream.onText(': on\n\n');
  assert.equal(await status(), 200);
  assert.equal(transport.count(INTROSPECT), 2);
  clock.elapsed += 1;
  stream.onText(': on\n\n');
  for (let n = 0; n < 3; n += 1) {
    assert.equal(await status(), 200);
    clock.elapsed += 501;
    stream.onText(': on\n\n');
  }
  assert.equal(transport.count(INTROSPECT), 2, 'the answer of a moment ago, then none');
});

test('a token older than the feed is introspected once', async () => {
  const { transport, status } = fed();
  for (let n = 0; n < 5; n += 1) assert.equal(await status(), 200);
  assert.equal(transport.count(INTROSPECT), 1);
});

test('a token made under the eyes of the feed is not introspected', async () => {
  const { clock, transport, status } = fed({ now: NOW - 161 });
  clock.now = NOW;
  transport.isReachable = true;
  assert.equal(await status(), 200);
  assert.equal(transport.count(INTROSPECT), 0);
});

test('a token that is not younger than the feed by more than clocks differ is introspected', async () => {
  const { clock, transport, status } = fed({ now: NOW - 160 });
  clock.now = NOW;
  assert.equal(await status(), 200);
  assert.equal(transport.count(INTROSPECT), 1);
});

test('a session that the feed names is over at once', async () => {
  const { transport, ask, status } = fed();
  assert.equal(await status(), 200);
  transport.streams.at(-1).onText(ended(SID));
  const answer = await ask();
  assert.equal(answer.status, 401);
  assert.equal(answer.headers['www-authenticate'], 'Bearer error="invalid_token"');
});

test('a session token is over at once too, though its answer would still hold', async () => {
  const { transport, status } = fed();
  assert.equal(await status(OPAQUE), 200);
  transport.streams.at(-1).onText(ended(SID));
  assert.equal(await status(OPAQUE), 401);
  assert.equal(transport.count(INTROSPECT), 1);
});

test('an API token is asked about like a session token, and nothing else of its length is', async () => {
  const { transport, status } = fed();
  const token = `cs_api_${'5e'.repeat(32)}`;
  assert.equal(await status(token), 200);
  assert.equal(transport.count(INTROSPECT), 1);
  transport.streams.at(-1).onText(ended(SID));
  assert.equal(await status(token), 401);
  for (const other of [token.toUpperCase(), `${token}0`, token.slice(0, -1), `xs_api_${'5e'.repeat(32)}`]) {
    assert.equal(await status(other), 401, other);
  }
  assert.equal(transport.count(INTROSPECT), 1);
});

test('a session that ends while it is asked about is over', async () => {
  const { transport, status } = fed();
  transport.introspection = () => {
    transport.streams.at(-1).onText(ended(SID));
    return active();
  };
  assert.equal(await status(), 401);
});

test('another session that ends changes nothing', async () => {
  const { transport, status } = fed();
  assert.equal(await status(), 200);
  transport.streams.at(-1).onText(ended('0'.repeat(64)));
  assert.equal(await status(), 200);
});

test('the feed is read in whatever pieces it comes', async () => {
  const { transport, status } = fed();
  assert.equal(await status(), 200);
  for (const piece of `: on\r\n\r\nevent: other\ndata: ${'x'.repeat(9)}\n\n${ended(SID)}`) {
    transport.streams.at(-1).onText(piece);
  }
  assert.equal(await status(), 401);
});

test('a feed that was silent for a second still counts, and for longer no more', async () => {
  const { clock, transport, status } = fed();
  assert.equal(await status(), 200);
  clock.elapsed += 1_000;
  assert.equal(await status(), 200);
  assert.equal(transport.count(INTROSPECT), 1);
  clock.elapsed += 1;
  assert.equal(await status(), 200);
  assert.equal(transport.count(INTROSPECT), 2);
});

test('while the feed is silent every token is introspected, and refused where that fails too', async () => {
  const { clock, transport, ask, status } = fed();
  assert.equal(await status(), 200);
  clock.pass(1_001);
  transport.introspection = { active: false };
  assert.equal(await status(), 401);
  clock.pass(501);
  transport.isReachable = false;
  const answer = await ask();
  assert.equal(answer.status, 503);
  assert.deepEqual(answer.headers, { 'retry-after': '1', 'content-type': 'application/json' });
  assert.deepEqual(answer.body, { error: 'temporarily unavailable' });
});

test('a silent feed is cut and opened again, later and later', () => {
  const { clock, transport, reports } = fed();
  clock.pass(1_000);
  assert.ok(transport.streams[0].isClosed);
  for (const [waits, count] of [[249, 1], [1, 2], [5_000, 2], [500, 3], [5_000, 3], [1_000, 4]]) {
    clock.pass(waits);
    assert.equal(transport.streams.length, count);
  }
  assert.ok(reports.every((report) => report === 'revocation feed: silent'));
});

test('what was known before a feed was lost is asked again once it is back', async () => {
  const { clock, transport, status } = fed();
  assert.equal(await status(), 200);
  transport.streams[0].onEnd('closed');
  clock.pass(600);
  transport.introspection = { active: false };
  transport.speak();
  assert.equal(await status(), 401);
});

test('a feed that was lost is not heard, not even for the second that silence may last', async () => {
  const { clock, transport, status } = fed();
  assert.equal(await status(), 200);
  transport.streams[0].onEnd('closed');
  clock.elapsed += 501;
  transport.introspection = { active: false };
  assert.equal(await status(), 401);
});

test('an answer that was asked for before the feed was lost vouches for nothing after it', async () => {
  const { clock, transport, ask, status } = fed();
  const other = vectors('tokens/accepted.json').cases.find(({ rule }) => rule === 'in no group').token;
  transport.introspection = async (token) => {
    if (token === GOOD.token) {
      transport.streams[0].onEnd('closed');
      clock.pass(600);
      transport.speak();
      assert.equal((await ask(other)).session.subject, 'alice');
    }
    return active();
  };
  assert.equal(await status(), 200);
  clock.elapsed += 501;
  transport.introspection = { active: false };
  assert.equal(await status(), 401);
});

test('a feed that is none, or says what Countersign does not, is not heard', async () => {
  for (const begin of [
    (stream) => stream.onAnswer({ status: 401, headers: { 'content-type': 'text/event-stream' } }),
    (stream) => stream.onAnswer({ status: 200, headers: { 'content-type': 'text/html' } }),
    (stream) => stream.onAnswer({ status: 200, headers: {} }),
  ]) {
    const { transport, guarding } = world({ mode: 'feed' });
    begin(transport.streams[0]);
    transport.streams[0].onText(': on\n\n');
    transport.introspection = { active: false };
    assert.equal((await withToken(guarding.requireSession(), GOOD.token)).status, 401);
    assert.ok(transport.streams[0].isClosed);
  }
  for (const text of [ended('nobody'), 'event: ended\n\n', `data: ${'x'.repeat(5_000)}`]) {
    const { transport } = fed();
    transport.streams[0].onText(text);
    assert.ok(transport.streams[0].isClosed, text.slice(0, 20));
  }
});

test('ended sessions are remembered up to a number, and beyond it all is asked anew', async () => {
  const { clock, transport, status } = fed();
  const feed = transport.streams[0];
  assert.equal(await status(), 200);
  for (let n = 0; n < ENDED_MAX; n += 1) feed.onText(ended(n.toString(16).padStart(64, '0')));
  assert.equal(await status(), 200);
  assert.equal(transport.count(INTROSPECT), 1);
  feed.onText(ended('f'.repeat(64)));
  transport.introspection = { active: false };
  // The answer from before holds for half a second.
  clock.elapsed += 501;
  assert.equal(await status(), 401);
});

test('by introspection each token is asked about, and an answer holds for 500 ms', async () => {
  const { clock, transport, guarding } = world();
  transport.introspection = active();
  const status = async (token) => (await withToken(guarding.requireSession(), token)).status ?? 200;
  for (const token of [GOOD.token, OPAQUE]) {
    transport.asked.length = 0;
    assert.equal(await status(token), 200);
    clock.pass(500);
    assert.equal(await status(token), 200);
    assert.equal(transport.count(INTROSPECT), 1);
    clock.pass(1);
    assert.equal(await status(token), 200);
    assert.equal(transport.count(INTROSPECT), 2);
  }
  assert.equal(transport.streams.length, 0, 'no feed is opened');
});

test('many questions about one token at once are asked once', async () => {
  const { transport, guarding } = world();
  transport.introspection = active();
  const answers = await Promise.all(Array.from({ length: 50 }, () => withToken(guarding.requireSession(), OPAQUE)));
  assert.ok(answers.every(({ session }) => session.subject === 'alice'));
  assert.equal(transport.count(INTROSPECT), 1);
});

test('a question that failed is asked again by the next request', async () => {
  const { transport, guarding, reports } = world();
  transport.isReachable = false;
  assert.equal((await withToken(guarding.requireSession(), OPAQUE)).status, 503);
  transport.isReachable = true;
  transport.introspection = active();
  assert.equal((await withToken(guarding.requireSession(), OPAQUE)).session.subject, 'alice');
  assert.deepEqual(reports, ['ECONNREFUSED']);
});

test('an introspection that is none of Countersign\'s is no answer', async () => {
  for (const answer of [
    '', 'x', '[]', 'null', '{}', '{"active":"true"}', '{"active":true}', active({ sub: 1 }), active({ sid: null }),
    active({ exp: '1' }), active({ exp: -1 }), active({ acr: 'cs:9' }), active({ session_acr: undefined }),
    active({ auth_time: 1.5 }), active({ elevation_time: undefined }), '{"active":true,"active":true}',
    { ...active(), status: 500 }, { ...active(), status: 401 }, { ...active(), status: 302 },
  ]) {
    const { transport, guarding } = world();
    transport.introspection = answer;
    const given = await withToken(guarding.requireSession(), OPAQUE);
    assert.equal(given.status, 503, JSON.stringify(answer));
  }
});

test('an introspection of another installation, audience or time is worth nothing', async () => {
  for (const [token, changes] of [
    [OPAQUE, { iss: 'https://id.example.com' }], [OPAQUE, { exp: NOW }], [GOOD.token, { iss: undefined }],
    [GOOD.token, { aud: 'https://shop.example.org' }], [GOOD.token, { aud: [INSTALLATION.audience] }],
  ]) {
    const { transport, guarding } = world();
    transport.introspection = active(changes);
    const given = await withToken(guarding.requireSession(), token);
    assert.equal(given.status, 401, JSON.stringify(changes));
  }
});

test('an elevation ends at 900 s for session tokens as for elevated ones', async () => {
  for (const [now, status] of [[NOW + 799, 200], [NOW + 800, 403]]) {
    const { transport, guarding } = world({ now });
    transport.introspection = active();
    const given = await withToken(guarding.requireElevated(), OPAQUE);
    assert.equal(given.status ?? 200, status);
  }
});

test('keys are fetched once, and for an unknown key at most once in 10 s', async () => {
  const { clock, transport, status } = fed();
  const unknown = vectors('tokens/refused.json').cases.find(({ rule }) => rule === 'kid unknown').token;
  assert.equal(await status(), 200);
  assert.equal(transport.count(JWKS), 1);
  for (let n = 0; n < 20; n += 1) assert.equal(await status(unknown), 401);
  assert.equal(transport.count(JWKS), 1);
  clock.elapsed += 10_000;
  for (let n = 0; n < 20; n += 1) assert.equal(await status(unknown), 401);
  assert.equal(transport.count(JWKS), 2);
});

test('a new key is found by the token that it signed', async () => {
  const { clock, transport, guarding } = world({ mode: 'feed' });
  const second = vectors('tokens/accepted.json').cases.find(({ rule }) => rule === 'the second key of the set');
  transport.introspection = active();
  transport.jwks = { keys: INSTALLATION.jwks.keys.slice(0, 1) };
  transport.speak();
  assert.equal((await withToken(guarding.requireSession(), second.token)).status, 401);
  transport.jwks = INSTALLATION.jwks;
  clock.elapsed += 10_000;
  transport.streams[0].onText(': on\n\n');
  assert.equal((await withToken(guarding.requireSession(), second.token)).session.subject, 'alice');
});

test('keys are relied on for 300 s, and fetched anew before', async () => {
  const { clock, transport, status } = fed();
  const hear = () => transport.streams.at(-1).onText(': on\n\n');
  assert.equal(await status(), 200);
  clock.elapsed += 150_000;
  hear();
  assert.equal(await status(), 200);
  assert.equal(transport.count(JWKS), 1);
  clock.elapsed += 1;
  hear();
  assert.equal(await status(), 200);
  assert.equal(transport.count(JWKS), 2);
});

test('where keys are too old and out of reach, Countersign is asked about each token', async () => {
  const { clock, transport, status } = fed();
  const hear = () => transport.streams.at(-1).onText(': on\n\n');
  assert.equal(await status(), 200);
  transport.jwks = { status: 500, keys: [] };
  clock.elapsed += 300_000;
  hear();
  assert.equal(await status(), 200);
  assert.equal(transport.count(INTROSPECT), 1);
  clock.elapsed += 1;
  hear();
  assert.equal(await status(), 200);
  assert.equal(transport.count(INTROSPECT), 2);
  transport.introspection = { active: false };
  clock.elapsed += 501;
  hear();
  assert.equal(await status(), 401);
});
