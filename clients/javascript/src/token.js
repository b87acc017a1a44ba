/**
 * Whether a text is an elevated token that counts now: docs/protocol/tokens.md, "When to refuse it", rules 1 to 6.
 *
 * Knows: the form, the signature and the claims. Must never know: where keys come from, or whether the session still
 * lives; that is `sessions`. Every refusal is one `Worthless`, whatever its reason, and no input makes any other error.
 */

import { createHmac, timingSafeEqual, verify } from 'node:crypto';

import { AHEAD_SECONDS_MAX, LEVELS } from './judgement.js';
import { parse, utf8 } from './json.js';

/** Bytes of a token. */
export const TOKEN_BYTES_MAX = 8192;

const COMPACT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;
const WHOLE_NUMBER = /^(?:0|[1-9][0-9]{0,15})$/;
const SIGNATURE_BYTES = 64;
const HEADER_MEMBERS = 3;
const TIMES = ['exp', 'iat', 'auth_time', 'elevation_time', 'elevated_until'];
const TEXTS = ['iss', 'sub', 'aud', 'jti', 'sid', 'acr', 'session_acr'];
const NEVER_AHEAD = ['iat', 'auth_time', 'elevation_time', 'nbf'];

/** Names that mean something to us; no account has a claim of its own under them. */
export const RESERVED = new Set([
  ...TIMES, ...TEXTS, 'amr', 'elevated', 'purpose', 'groups', 'nbf', 'scope', 'client_id', 'username', 'active',
  'token_type',
]);

/** Thrown for a token that is worth nothing. It says why to developers, and nothing of the token. */
export class Worthless extends Error {
  constructor(why) {
    super(why);
    this.name = 'Worthless';
  }
}

const refuseUnless = (holds, why) => {
  if (!holds) throw new Worthless(why);
};

/** Whether a text has the form of a compact token within bounds; all that can be said without a key. */
export function isCompact(token) {
  return token.length <= TOKEN_BYTES_MAX && COMPACT.test(token);
}

/** Bytes of canonical unpadded base64url, or `Worthless`. */
export function decode(segment) {
  const bytes = Buffer.from(segment, 'base64url');
  // Buffer overlooks left-over bits and odd digits; written again they show.
  refuseUnless(bytes.toString('base64url') === segment, 'not canonical base64url');
  return bytes;
}

/**
 * The header's `kid`, after rules 1 and 2 but for whether it is known. The caller finds the key and goes on by `read`.
 */
export function keyId(token, alg) {
  refuseUnless(isCompact(token), 'not three segments of base64url, or too long');
  const { value: header } = json(decode(token.slice(0, token.indexOf('.'))));
  refuseUnless(isObject(header) && Object.keys(header).length === HEADER_MEMBERS, 'header with too much or too little');
  refuseUnless(header.alg === alg, 'alg is not the one expected');
  refuseUnless(header.typ === 'at+jwt', 'typ is not at+jwt');
  refuseUnless(typeof header.kid === 'string', 'no kid');
  return header.kid;
}

/** The claims of a token that `keyId` has let through: signature, shape, parties and times. */
export function read(token, key, { issuer, audience, now }) {
  const end = token.lastIndexOf('.');
  refuseUnless(isSigned(token.slice(0, end), decode(token.slice(end + 1)), key), 'the signature does not verify');
  const claims = shaped(json(decode(token.slice(token.indexOf('.') + 1, end))));
  refuseUnless(claims.iss === issuer, 'of another issuer');
  refuseUnless(claims.aud === audience, 'for another audience');
  refuseUnless(now < claims.exp, 'over');
  refuseUnless(NEVER_AHEAD.every((name) => !(claims[name] - now > AHEAD_SECONDS_MAX)), 'dated ahead');
  return claims;
}

function isSigned(text, signature, key) {
  if (Buffer.isBuffer(key)) {
    const mac = createHmac('sha256', key).update(text).digest();
    return signature.length === mac.length && timingSafeEqual(signature, mac);
  }
  return signature.length === SIGNATURE_BYTES && verify(null, Buffer.from(text), key, signature);
}

/** Rule 4. */
function shaped({ value: claims, written }) {
  refuseUnless(isObject(claims), 'claims are no object');
  // 1.0 and 1e9 are numbers like any to this language, and none to others; what is written decides.
  const isMoment = (name) => WHOLE_NUMBER.test(written.get(name)) && Number.isSafeInteger(claims[name]);
  refuseUnless(TIMES.every(isMoment), 'a time is missing or none');
  refuseUnless(!('nbf' in claims) || isMoment('nbf'), 'nbf is no time');
  refuseUnless(TEXTS.every((name) => typeof claims[name] === 'string'), 'a text is missing or none');
  refuseUnless(claims.elevated === true, 'not an elevated token');
  refuseUnless(LEVELS.includes(claims.acr) && LEVELS.includes(claims.session_acr), 'an unknown level');
  return claims;
}

function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function json(bytes) {
  try {
    return parse(utf8(bytes));
  } catch {
    throw new Worthless('not strict JSON');
  }
}
