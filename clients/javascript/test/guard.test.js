import assert from 'node:assert/strict';
import { test } from 'node:test';

import { WrongSetting, guard } from '../src/index.js';
import { OPAQUE, INSTALLATION, active, listening, run, withToken, world } from './support/world.js';

const NOBODY = {
  status: 401,
  headers: { 'www-authenticate': 'Bearer', 'content-type': 'application/json' },
  body: { error: 'authentication required' },
};

/** A guard for which everybody has this session. */
function signedIn(changes = {}, more = {}) {
  const made = world(more);
  made.transport.introspection = active(changes);
  return made.guarding;
}

const status = async (middleware) => (await withToken(middleware, OPAQUE)).status ?? 200;

test('nobody is signed in without a bearer token, whatever else is shown', async () => {
  const { guarding, transport } = world();
  for (const header of [[], [''], ['Basic YTpi'], [OPAQUE], ['BearerX'], ['Token x'], [' Bearer x']]) {
    assert.deepEqual(await run(guarding.requireElevated(), ...header), NOBODY, header[0]);
  }
  assert.equal(transport.asked.length, 0);
});

test('a bearer token that could be read in two ways is worth nothing', async () => {
  const guarding = signedIn();
  const worthless = [
    ['Bearer'], ['Bearer '], [`Bearer  ${OPAQUE}`], [`Bearer ${OPAQUE} `], [`Bearer ${OPAQUE},Bearer ${OPAQUE}`],
    [`Bearer ${OPAQUE}`, `Bearer ${OPAQUE}`], [`Bearer ${OPAQUE}`, 'Basic YTpi'], [`Bearer ${OPAQUE.toUpperCase()}`],
    [`Bearer ${OPAQUE}\n`], [`Bearer ${OPAQUE.slice(1)}`],
  ];
  for (const headers of worthless) {
    const given = await run(guarding.requireSession(), ...headers);
    assert.equal(given.headers?.['www-authenticate'], 'Bearer error="invalid_token"', JSON.stringify(headers));
  }
  for (const scheme of ['Bearer', 'bearer', 'BEARER']) {
    assert.equal((await run(guarding.requireSession(), `${scheme} ${OPAQUE}`)).session.subject, 'alice');
  }
});

test('the session is handed on, and nobody can change it', async () => {
  const { session } = await withToken(signedIn().requireSession(), OPAQUE);
  assert.equal(session.subject, 'alice');
  assert.deepEqual(session.groups, ['staff']);
  assert.equal(session.claims.publisher, true);
  assert.equal(session.claims.constructor, undefined);
  assert.throws(() => { session.subject = 'root'; }, TypeError);
});

test('whoever may not pass is not in the request', async () => {
  const given = await withToken(signedIn({ elevated: false, acr: 'cs:1' }).requireElevated(), OPAQUE);
  assert.equal(given.session, undefined);
  assert.equal(given.body.code, 'ELEVATION_EXPIRED');
});

test('claims, groups, age and elevation are asked for by name', async () => {
  const guarding = signedIn();
  assert.equal(await status(guarding.requireClaim('publisher')), 200);
  assert.equal(await status(guarding.requireClaim('publisher', 'true')), 403);
  assert.equal(await status(guarding.requireElevatedClaim('publisher')), 200);
  assert.equal(await status(guarding.requireElevatedClaim('editor')), 403);
  assert.equal(await status(guarding.requireGroup('staff')), 200);
  assert.equal(await status(guarding.requireGroup('root')), 403);
  assert.equal(await status(guarding.requireFresh(100)), 200);
  assert.equal(await status(guarding.requireFresh(99)), 403);
  assert.equal(await status(guarding.allowPublic()), 200);
});

test('an owner passes, others are told that there is nothing, and administrators by their exact names', async () => {
  const guarding = signedIn();
  for (const [owner, options, expected] of [
    ['alice', {}, 200], ['Alice', {}, 404], ['alice ', {}, 404], ['bob', {}, 404], ['', {}, 404], [null, {}, 404],
    [undefined, {}, 404], [['alice'], {}, 404], [{ alice: true }, {}, 404], ['bob', { otherwise: 403 }, 403],
    ['bob', { administrators: ['alice'] }, 200], ['bob', { administrators: ['ALICE', 'al', 'alice2'] }, 404],
    ['bob', { administrators: [] }, 404], ['bob', { administrators: [''] }, 404],
  ]) {
    const middleware = guarding.requireOwner(async () => owner, options);
    assert.equal(await status(middleware), expected, JSON.stringify([owner, options]));
  }
  const nobody = signedIn({ sub: '' }).requireOwner(() => '', { administrators: [''] });
  assert.equal(await status(nobody), 404);
});

test('participants pass by their exact names, and an empty list is nobody', async () => {
  const guarding = signedIn();
  for (const [names, expected] of [
    [['bob', 'alice'], 200], [[], 404], [['bob'], 404], [null, 404], [undefined, 404], ['alice', 404], ['malice', 404],
    [new Set(['alice']), 404], [[['alice']], 404],
  ]) {
    assert.equal(await status(guarding.requireParticipant(() => names)), expected, String(names));
  }
});

test('whose it is is asked after claims and before an elevation, and never of strangers', async () => {
  const weak = signedIn({ elevated: false, acr: 'cs:1' });
  let asked = 0;
  const ownerOf = (owner) => () => {
    asked += 1;
    return owner;
  };
  const body = async (middleware) => (await withToken(middleware, OPAQUE)).body;
  assert.equal((await body(weak.requireOwner(ownerOf('bob'), { claims: [['editor', true]] }))).code, 'MISSING_CLAIM');
  assert.deepEqual(await run(weak.requireOwner(ownerOf('bob'))), NOBODY);
  assert.equal(asked, 0);
  assert.deepEqual(await body(weak.requireOwner(ownerOf('bob'), { elevated: true })), { error: 'not found' });
  assert.equal((await body(weak.requireOwner(ownerOf('alice'), { elevated: true }))).code, 'ELEVATION_EXPIRED');
  assert.equal(asked, 2);
});

test('an owner that can\'t be found out goes to the application\'s own error handling', async () => {
  const failing = signedIn().requireOwner(async () => { throw new Error('the database is away'); });
  await assert.rejects(withToken(failing, OPAQUE), /database/);
});

test('a guard or a requirement that is set up wrongly throws at the start and says what to do', () => {
  const settings = { issuer: INSTALLATION.issuer, application: { name: 'shop', secret: 'x' }, mode: 'introspect' };
  const secret = 'a-secret-that-is-not-shown';
  for (const [changes, said] of [
    [{ issuer: undefined }, /issuer/], [{ issuer: 'id.example.org' }, /issuer/],
    [{ issuer: `${INSTALLATION.issuer}/` }, /issuer/], [{ audience: '' }, /audience/], [{ mode: 'off' }, /mode/],
    [{ url: 'http://192.0.2.1' }, /url/], [{ url: 'http://localhost.example.org' }, /url/], [{ url: 'ftp://x' }, /url/],
    [{ url: 'http://127.0.0.1.example.org' }, /url/], [{ application: undefined }, /countersign app add/],
    [{ application: { name: 'a:b', secret } }, /application/],
    [{ application: { name: 'shop', secret: '' } }, /application/],
    [{ application: { name: 'shop', secret: `${secret}\n` } }, /application/],
    [{ sharedKey: 'x'.repeat(32) }, /sharedKey/], [{ sharedKey: Buffer.alloc(31) }, /32 bytes/],
    [{ stepUpStatus: 200 }, /stepUpStatus/], [{ sharedkey: 1 }, /sharedkey/],
  ]) {
    assert.throws(() => guard({ ...settings, ...changes }), (error) => {
      assert.ok(error instanceof WrongSetting && said.test(error.message), `${JSON.stringify(changes)}: ${error}`);
      return !error.message.includes(secret);
    });
  }
  const { guarding } = world();
  for (const asked of [
    { elevate: true }, { elevated: 'true' }, { level: 'cs:3' }, { maxAge: -1 }, { maxAge: 1.5 }, { maxAge: '60' },
    { stepUpStatus: 404 }, { claims: ['publisher'] }, { claims: [['publisher']] }, { claims: [['', true]] },
    { claims: [['publisher', undefined]] }, { claims: [['sub', 'alice']] }, { groups: [''] }, { groups: 'staff' },
  ]) {
    assert.throws(() => guarding.require(asked), WrongSetting, JSON.stringify(asked));
  }
  assert.throws(() => guarding.requireFresh(), (error) => error instanceof WrongSetting);
  assert.throws(() => guarding.requireOwner('alice'), WrongSetting);
  assert.throws(() => guarding.requireOwner(() => '', { otherwise: 200 }), WrongSetting);
  assert.throws(() => guarding.requireOwner(() => '', { administrators: 'root' }), WrongSetting);
});

/** Countersign over a real wire. */
async function served(answer, use) {
  const { server, url } = await listening(answer);
  const reports = [];
  const guarding = guard({
    issuer: INSTALLATION.issuer, url, application: { name: 'shop', secret: 'x' }, mode: 'introspect',
    report: (message) => reports.push(message),
    clock: { unixSeconds: () => 1_700_000_000, elapsedMs: () => performance.now() },
  });
  try {
    await use(guarding, reports);
  } finally {
    guarding.close();
    server.closeAllConnections();
    server.close();
  }
}

test('over the wire a token is asked about by form, and its answer read', async () => {
  let seen;
  const answer = (request, response) => {
    let body = '';
    request.on('data', (piece) => { body += piece; }).on('end', () => {
      const { authorization, 'content-type': type } = request.headers;
      seen = { line: `${request.method} ${request.url}`, authorization, type, body };
      response.end(JSON.stringify(active()));
    });
  };
  await served(answer, async (guarding) => {
    assert.equal((await withToken(guarding.requireSession(), OPAQUE)).session.subject, 'alice');
  });
  assert.deepEqual(seen, {
    line: 'POST /oauth/introspect', authorization: `Basic ${btoa('shop:x')}`,
    type: 'application/x-www-form-urlencoded', body: `token=${OPAQUE}`,
  });
});

test('over the wire, broken, endless and redirecting answers decide nothing', async () => {
  const answers = {
    redirect: (request, response) => response.writeHead(307, { location: 'http://127.0.0.1:1/' }).end(),
    broken: (request, response) => response.destroy(),
    half: (request, response) => {
      response.writeHead(200, { 'content-length': 1000 }).write('{"active":true,', () => response.destroy());
    },
    endless: (request, response) => {
      const more = () => { while (!response.destroyed && response.write(' '.repeat(4096))); };
      response.on('drain', more);
      more();
    },
  };
  for (const [name, answer] of Object.entries(answers)) {
    await served(answer, async (guarding, reports) => {
      assert.equal((await withToken(guarding.requireSession(), OPAQUE)).status, 503, name);
      if (name === 'endless') assert.deepEqual(reports, ['an answer of more than 65536 bytes']);
    });
  }
});

test('over the wire the feed is heard, and a kept connection that was closed is no failure', async () => {
  const { server, url } = await listening((request, response) => {
    if (request.url === '/oauth/revocations') {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write(': on\n\n');
      return;
    }
    response.end(JSON.stringify(active()), () => setImmediate(() => request.socket.destroy()));
  });
  const guarding = guard({ issuer: INSTALLATION.issuer, url, application: { name: 'shop', secret: 'x' }, report() {},
    clock: { unixSeconds: () => 1_700_000_000, elapsedMs: () => performance.now() } });
  for (let n = 0; n < 10; n += 1) {
    const token = n.toString(16).padStart(96, '0');
    assert.equal((await withToken(guarding.requireSession(), token)).session?.subject, 'alice');
  }
  guarding.close();
  server.closeAllConnections();
  server.close();
});
