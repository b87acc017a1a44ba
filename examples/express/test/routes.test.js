/** The guard in a real Express: whose routes must say who may pass, and what passes. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { WrongSetting, guard } from 'countersign-guard';
import express from 'express';

import { INSTALLATION, OPAQUE, active, world } from '../../../clients/javascript/test/support/world.js';

const hello = (request, response) => response.json({ name: request.countersign?.subject ?? null });

function shop() {
  const { guarding, transport } = world();
  transport.introspection = active();
  const application = express();
  return { guarding, application, routes: guarding.routes(application) };
}

async function asked(server, path, headers = {}) {
  const response = await fetch(`http://127.0.0.1:${server.address().port}${path}`, { headers });
  return { status: response.status, body: await response.text(), challenge: response.headers.get('www-authenticate') };
}

const undeclared = (path) => (error) => error instanceof WrongSetting && error.message.includes(path);

test('a route that does not say who may pass throws when it is added', () => {
  const { guarding, routes } = shop();
  for (const method of ['get', 'head', 'post', 'put', 'patch', 'delete', 'options', 'all']) {
    assert.throws(() => routes[method]('/open', hello), undeclared('/open'), method);
    assert.throws(() => routes[method]('/late', hello, guarding.requireSession()), undeclared('/late'));
    assert.throws(() => routes[method]('/empty'), undeclared('/empty'));
    const late = [express.json(), guarding.requireSession(), hello];
    assert.throws(() => routes[method]('/other', ...late), undeclared('/other'));
    routes[method]('/guarded', [guarding.requireSession(), hello]);
  }
  routes.check();
});

test('a route that was added past the guard stops the application from listening', () => {
  const { guarding, application, routes } = shop();
  routes.get('/guarded', guarding.requireSession(), hello);
  application.post('/forgotten', hello);
  assert.throws(() => routes.listen(0), undeclared('POST /forgotten'));
});

test('a route of a router within is found as well', () => {
  const { guarding, application, routes } = shop();
  const outer = express.Router();
  const inner = express.Router();
  guarding.routes(inner).get('/guarded', guarding.requireSession(), hello);
  application.use('/outer', outer.use('/inner', inner));
  routes.check();
  inner.route('/forgotten').get(guarding.requireSession(), hello).delete(hello);
  assert.throws(() => routes.check(), undeclared('/forgotten'));
  assert.throws(() => guarding.routes(inner).check(), undeclared('/forgotten'));
});

test('what passes is answered by the application, the rest by the guard', async (context) => {
  const { guarding, routes } = shop();
  routes.get('/open', guarding.allowPublic(), hello);
  routes.get('/profile', guarding.requireSession(), hello);
  routes.get('/editor', guarding.requireClaim('editor', true), hello);
  const server = routes.listen(0, '127.0.0.1');
  await new Promise((resolve) => { server.on('listening', resolve); });
  context.after(() => server.close());
  const bearer = { authorization: `Bearer ${OPAQUE}` };
  assert.deepEqual(await asked(server, '/open'), { status: 200, body: '{"name":null}', challenge: null });
  assert.deepEqual(await asked(server, '/profile', bearer), { status: 200, body: '{"name":"alice"}', challenge: null });
  assert.deepEqual(await asked(server, '/profile'), {
    status: 401, body: '{"error":"authentication required"}', challenge: 'Bearer',
  });
  assert.deepEqual(await asked(server, '/profile', { authorization: 'Bearer x' }), {
    status: 401, body: '{"error":"authentication required"}', challenge: 'Bearer error="invalid_token"',
  });
  assert.deepEqual(await asked(server, '/editor', bearer), {
    status: 403, challenge: null,
    body: '{"error":"insufficient privileges","code":"MISSING_CLAIM","required_claim":"editor","required_value":true}',
  });
  assert.equal((await asked(server, '/nowhere', bearer)).status, 404);
});

test('a guard that can\'t be one keeps the application from starting', () => {
  assert.throws(() => guard({ issuer: INSTALLATION.issuer }), WrongSetting);
});
