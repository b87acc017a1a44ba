/**
 * Guards an Express application by Countersign: who is signed in, how strongly, how lately, and with which claims.
 *
 * Knows: the settings and what they are put together to. Must never know: how anything is judged. Read `express` for
 * the middleware, `sessions` for the way of a token, `token` for what makes one worthless.
 */

import { Guard } from './express.js';
import { Feed } from './feed.js';
import { Introspection } from './introspection.js';
import { Keys } from './keys.js';
import { Recent } from './recent.js';
import { WrongSetting, demandThat } from './requirement.js';
import { Sessions } from './sessions.js';
import { Transport, isLoopback } from './transport.js';

export { Guard, WrongSetting };

const SETTINGS = new Set([
  'issuer', 'audience', 'url', 'application', 'mode', 'sharedKey', 'ca', 'stepUpStatus', 'stepUpUrl', 'report', 'clock',
  'timers', 'transport',
]);
const SHARED_KEY_BYTES_MIN = 32;
const REPORTS_MAX = 100;

const MACHINE_CLOCK = {
  unixSeconds: () => Math.floor(Date.now() / 1000),
  elapsedMs: () => performance.now(),
};
const MACHINE_TIMERS = {
  set: (action, milliseconds) => setTimeout(action, milliseconds).unref(),
  clear: (timer) => clearTimeout(timer),
};

/** The guard of an application; throws `WrongSetting` where it can't be one. */
export function guard(settings) {
  for (const name of Object.keys(settings)) demandThat(SETTINGS.has(name), `${name}: no such setting`);
  const {
    issuer, audience = issuer, url = issuer, application, mode = 'feed', sharedKey, ca, stepUpStatus = 403,
    stepUpUrl = '/auth/totp/step-up', report = warnOnce(), clock = MACHINE_CLOCK, timers = MACHINE_TIMERS,
  } = settings;
  demandThat(typeof issuer === 'string' && isBase(issuer), 'issuer: https://HOST, without a slash at the end');
  demandThat(typeof audience === 'string' && audience !== '', 'audience: a text');
  demandThat(mode === 'feed' || mode === 'introspect', 'mode: feed or introspect');
  demandThat(stepUpStatus === 403 || stepUpStatus === 401, 'stepUpStatus: 403 or 401');
  const base = address(url);
  const transport = settings.transport ?? new Transport(base, ca);
  const at = (path) => new URL(base.href.replace(/\/$/, '') + path);
  const authorization = basic(application);
  const introspection = new Introspection({ url: at('/oauth/introspect'), authorization, transport, clock });
  const feed = mode === 'feed'
    ? new Feed({ url: at('/oauth/revocations'), authorization, transport, clock, timers, report })
    : null;
  const keys = new Keys({ url: at('/.well-known/jwks.json'), transport, clock, report });
  const sessions = new Sessions({
    issuer, audience, sharedKey: keyOf(sharedKey), keys, introspection, feed, clock, report,
  });
  feed?.open();
  const close = () => {
    feed?.close();
    transport.close();
  };
  return new Guard({ sessions, clock, settings: { stepUpStatus, stepUpUrl }, close });
}

function isBase(text) {
  return URL.canParse(text) && !text.endsWith('/');
}

/** Where Countersign is reached: its secrets go over TLS, or do not leave the machine. */
function address(text) {
  demandThat(typeof text === 'string' && URL.canParse(text), 'url: https://HOST:PORT');
  const url = new URL(text);
  const isPrivate = url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname));
  demandThat(isPrivate, 'url: https://, for http:// would show the application\'s secret to whoever listens; '
    + 'http:// is for this machine alone (localhost, 127.0.0.0/8, [::1])');
  return url;
}

/** RFC 7617; a colon would end the name early. */
function basic(application) {
  const { name, secret } = application ?? {};
  const isGiven = [name, secret].every((text) => typeof text === 'string' && /^[!-~]+$/.test(text));
  demandThat(isGiven && !name.includes(':'), 'application: {name, secret}, as `countersign app add` prints them');
  return `Basic ${Buffer.from(`${name}:${secret}`).toString('base64')}`;
}

function keyOf(sharedKey) {
  if (sharedKey === undefined) return null;
  demandThat(sharedKey instanceof Uint8Array, 'sharedKey: bytes');
  demandThat(sharedKey.length >= SHARED_KEY_BYTES_MIN, `sharedKey: at least ${SHARED_KEY_BYTES_MIN} bytes`);
  return Buffer.from(sharedKey);
}

/** Says each thing once, for whoever operates the application. */
function warnOnce() {
  const said = new Recent(REPORTS_MAX);
  return (message) => {
    if (said.has(message)) return;
    said.set(message, true);
    process.emitWarning(message, 'CountersignWarning');
  };
}
