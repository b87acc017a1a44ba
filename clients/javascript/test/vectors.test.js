import assert from 'node:assert/strict';
import { createPublicKey } from 'node:crypto';
import { test } from 'node:test';

import { stepUp, unprivileged } from '../src/answers.js';
import { hasClaim, judge, levelAt } from '../src/judgement.js';
import { keysOf } from '../src/keys.js';
import { ofClaims } from '../src/session.js';
import { Worthless, keyId, read } from '../src/token.js';
import { INSTALLATION, SID, active, run, vectors, withToken, world } from './support/world.js';

const KEYS = keysOf(JSON.stringify(INSTALLATION.jwks));
const plain = (value) => JSON.parse(JSON.stringify(value));

function claimsOf({ token, now }) {
  const key = KEYS.get(keyId(token, 'EdDSA'));
  if (key === undefined) throw new Worthless('of an unknown key');
  return read(token, key, { ...INSTALLATION, now });
}

const INVALID = {
  status: 401,
  headers: { 'www-authenticate': 'Bearer error="invalid_token"', 'content-type': 'application/json' },
  body: { error: 'authentication required' },
};

test('forged and stale tokens are worthless by themselves, and none is a fault', () => {
  for (const vector of vectors('tokens/refused.json', 500).cases) {
    assert.throws(() => claimsOf(vector), Worthless, vector.rule);
  }
});

test('forged and stale tokens are answered 401, by the feed and by introspection', async () => {
  for (const vector of vectors('tokens/refused.json', 500).cases) {
    const heard = world({ mode: 'feed', now: vector.now });
    heard.transport.introspection = (token) => active({ active: token !== vector.token });
    heard.transport.speak();
    assert.deepEqual(await withToken(heard.guarding.requireSession(), vector.token), INVALID, vector.rule);
    const asking = world({ now: vector.now });
    assert.deepEqual(await withToken(asking.guarding.requireSession(), vector.token), INVALID, vector.rule);
  }
});

test('forged and stale tokens never make a feed guard ask but where they are session tokens', async () => {
  for (const vector of vectors('tokens/refused.json', 500).cases) {
    const { transport, guarding } = world({ mode: 'feed', now: vector.now });
    transport.introspection = active();
    transport.speak();
    const answer = await withToken(guarding.requireSession(), vector.token);
    const isOpaque = /^[0-9a-f]{96}$/.test(vector.token);
    assert.equal(transport.count('/oauth/introspect'), isOpaque ? 1 : 0, vector.rule);
    if (!isOpaque) assert.deepEqual(answer, INVALID, vector.rule);
  }
});

test('good tokens are read as they are meant', async () => {
  for (const vector of vectors('tokens/accepted.json', 30).cases) {
    const session = ofClaims(claimsOf(vector));
    assert.equal(session.subject, vector.subject, vector.rule);
    assert.equal(session.id, SID);
    assert.equal(session.levelAt(vector.now), vector.acr, vector.rule);
    assert.equal(judge(session, { elevated: true }, vector.now), vector.elevated, vector.rule);
    assert.deepEqual(plain(session.claims), vector.claims, vector.rule);
    assert.deepEqual(session.purpose, vector.purpose ?? null);
    assert.deepEqual(session.groups, vector.groups ?? ['staff']);
  }
});

test('good tokens pass the guard, and an elevation that is over asks for another', async () => {
  for (const vector of vectors('tokens/accepted.json', 30).cases) {
    const { clock, transport, guarding } = world({ mode: 'feed', now: vector.now });
    transport.introspection = active({ exp: 2 ** 53 - 1 });
    transport.settle(clock);
    assert.equal((await withToken(guarding.requireSession(), vector.token)).session?.subject, 'alice', vector.rule);
    const answer = await withToken(guarding.requireElevated(), vector.token);
    assert.equal(answer.body?.code, vector.elevated === 'met' ? undefined : 'ELEVATION_EXPIRED', vector.rule);
    assert.equal(transport.count('/oauth/introspect'), 1, 'the second request knows the session already');
  }
});

test('a guard with a shared key takes that algorithm and no other', async () => {
  const sharedKey = Buffer.from(INSTALLATION.shared_key_hex, 'hex');
  for (const { rule, now, token, status } of vectors('tokens/hs256.json', 20).cases) {
    const { transport, guarding } = world({ mode: 'feed', now, sharedKey });
    transport.introspection = active();
    transport.speak();
    const answer = await withToken(guarding.requireSession(), token);
    assert.equal(answer.status ?? 200, status, rule);
    assert.equal(transport.count('/.well-known/jwks.json'), 0);
  }
});

test('a standing is judged as in every language', () => {
  for (const { rule, standing, demand, now, verdict, acr } of vectors('elevation/judgement.json', 80).cases) {
    const { elevation } = standing;
    const ours = {
      level: standing.acr,
      authenticatedAt: standing.auth_time,
      elevation: elevation && {
        level: elevation.acr, since: elevation.elevation_time, until: elevation.elevated_until,
      },
    };
    const asked = { elevated: demand.elevated, level: demand.acr, maxAge: demand.max_age };
    assert.equal(judge(ours, asked, now), verdict, rule);
    assert.equal(levelAt(ours, now), acr, rule);
  }
});

test('a claim is met by the same type and value alone', () => {
  for (const { rule, have, want, met } of vectors('elevation/claims.json', 50).cases) {
    const claims = have === undefined ? {} : { tier: have };
    assert.equal(hasClaim(claims, 'tier', want), met, rule);
  }
});

test('whoever may not pass is answered as in every language', async () => {
  for (const vector of vectors('elevation/answers.json', 45).cases) {
    const { rule, who, requirement, answer, now } = vector;
    const { transport, guarding } = world({ now });
    transport.introspection = who.standing === undefined ? { active: false } : introspected(who, now);
    const middleware = guarding.require({
      elevated: requirement.elevated, level: requirement.acr, maxAge: requirement.max_age, claims: requirement.claims,
      groups: requirement.groups, stepUpStatus: vector.step_up_status,
    });
    const given = await (who === 'nobody' ? run(middleware) : withToken(middleware, 'ab'.repeat(48)));
    if (answer === null) {
      assert.equal(given.session?.subject, 'alice', rule);
      continue;
    }
    assert.equal(given.status, answer.status, rule);
    assert.equal(given.headers['www-authenticate'] ?? null, answer.www_authenticate, rule);
    assert.deepEqual(given.body, answer.body, rule);
  }
});

function introspected({ standing, claims, groups }, now) {
  const { elevation } = standing;
  const isOn = elevation !== null && now < elevation.elevated_until;
  return active({
    auth_time: standing.auth_time, session_acr: standing.acr, acr: isOn ? elevation.acr : standing.acr, elevated: isOn,
    elevation_time: elevation?.elevation_time, elevated_until: elevation?.elevated_until, claims, groups,
  });
}

test('answers to the unprivileged and the weak are null where nothing is missing', () => {
  const session = { claims: {}, groups: [], level: 'cs:1', authenticatedAt: 0, elevation: null };
  assert.equal(unprivileged(session, {}), null);
  assert.equal(stepUp(session, {}, 0, {}), null);
});

test('the key of small order in the set is left out, and other shapes of key with it', () => {
  assert.equal(KEYS.size, 2);
  const [good] = INSTALLATION.jwks.keys;
  const others = [
    { ...good, kty: 'EC' }, { ...good, crv: 'X25519' }, { ...good, use: 'enc' }, { ...good, alg: 'ES256' },
    { ...good, kid: 1 }, { ...good, x: `${good.x}=` }, { ...good, x: good.x.slice(1) }, { ...good, x: 1 }, null, 7, [],
    // y = p + 3, which is 3 again.
    { ...good, x: Buffer.from(`f0${'ff'.repeat(30)}7f`, 'hex').toString('base64url') },
  ];
  assert.equal(keysOf(JSON.stringify({ keys: others })).size, 0);
  for (const hex of [
    `00${'00'.repeat(31)}`, `01${'00'.repeat(31)}`, `01${'00'.repeat(30)}80`, `ec${'ff'.repeat(30)}7f`,
    '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
    '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85',
    'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  ]) {
    const x = Buffer.from(hex, 'hex').toString('base64url');
    assert.equal(keysOf(JSON.stringify({ keys: [{ ...good, x }] })).size, 0, hex);
    assert.doesNotThrow(() => createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' }));
  }
});

test('two keys of one id, too many keys, and no key set at all are refused whole', () => {
  const [good] = INSTALLATION.jwks.keys;
  const many = Array.from({ length: 33 }, (_, n) => ({ ...good, kid: String(n) }));
  for (const set of [{ keys: [good, good] }, { keys: many }, {}, { keys: {} }, null, []]) {
    assert.throws(() => keysOf(JSON.stringify(set)), JSON.stringify(set));
  }
});
