/** A shop whose money moves only for people who proved who they are a moment ago. */

import { readFileSync } from 'node:fs';

import { guard } from 'countersign-guard';
import express from 'express';

const { env } = process;
const file = (path) => path && readFileSync(path, 'utf8').trim();

const guarding = guard({
  issuer: env.COUNTERSIGN_ISSUER,
  url: env.COUNTERSIGN_URL ?? env.COUNTERSIGN_ISSUER,
  application: { name: env.COUNTERSIGN_APPLICATION, secret: file(env.COUNTERSIGN_SECRET_FILE) },
  ca: file(env.COUNTERSIGN_CA_FILE),
  mode: env.COUNTERSIGN_MODE ?? 'feed',
});

const application = express();
const routes = guarding.routes(application);

routes.get('/', guarding.allowPublic(), (request, response) => response.json({ shop: 'open' }));
routes.get('/profile', guarding.requireSession(), ({ countersign }, response) => {
  response.json({ name: countersign.subject, groups: countersign.groups });
});
routes.post('/payment/transfer', guarding.requireElevated(), (request, response) => {
  response.json({ status: 'transfer initiated' });
});
routes.delete('/publisher/earnings', guarding.requireElevatedClaim('publisher', true), (request, response) => {
  response.json({ withdrawn: true });
});

const server = routes.listen(Number(env.PORT ?? 3000), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});
