/**
 * The public keys that sign elevated tokens, as the installation publishes them.
 *
 * Knows: the JWKS (RFC 7517, RFC 8037) and when it is asked for again. Must never know: tokens. A key is published
 * 300 s before it signs, so a set of that age is the last that may be relied on.
 */

import { createPublicKey } from 'node:crypto';

import { parse, utf8 } from './json.js';
import { decode } from './token.js';
import { NoAnswer } from './transport.js';

const REFRESH_AFTER_MS = 150_000;
const AGE_MS_MAX = 300_000;
const ASK_AGAIN_AFTER_MS = 10_000;
const KEYS_MAX = 32;
const BYTES_MAX = 65_536;
const TIMEOUT_MS = 3_000;

const P = 2n ** 255n - 19n;
// The y of the eight points whose order divides 8: under such a key one signature fits many messages.
const SMALL_ORDER = new Set([
  0n, 1n, P - 1n,
  0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n,
  0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7n,
]);

/** Thrown where there are no keys to rely on. */
export class NoKeys extends Error {
  constructor() {
    super('the key set is out of reach');
    this.name = 'NoKeys';
  }
}

/** The keys by their id. Throws where the text is no key set; leaves out what is no Ed25519 key for signatures. */
export function keysOf(text) {
  const set = parse(text).value;
  if (!Array.isArray(set?.keys) || set.keys.length > KEYS_MAX) throw new NoAnswer('no key set');
  const keys = new Map();
  for (const jwk of set.keys) {
    if (!isUsable(jwk)) continue;
    if (keys.has(jwk.kid)) throw new NoAnswer('two keys of one kid');
    keys.set(jwk.kid, createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: jwk.x }, format: 'jwk' }));
  }
  return keys;
}

function isUsable(jwk) {
  const isForUs = jwk?.kty === 'OKP' && jwk.crv === 'Ed25519' && typeof jwk.kid === 'string'
    && (jwk.use === undefined || jwk.use === 'sig') && (jwk.alg === undefined || jwk.alg === 'EdDSA');
  return isForUs && isSound(jwk.x);
}

/** Whether an `x` is 32 canonical bytes of a point that is not of small order. */
function isSound(x) {
  let bytes;
  try {
    bytes = decode(x);
  } catch {
    return false;
  }
  if (bytes.length !== 32) return false;
  const y = BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`) & (2n ** 255n - 1n);
  return y < P && !SMALL_ORDER.has(y);
}

/** The installation's keys, fetched when they are needed. */
export class Keys {
  #asked = -Infinity;
  #fetched = -Infinity;
  #keys = new Map();
  #pending = null;

  constructor({ url, transport, clock, report }) {
    Object.assign(this, { url, transport, clock, report });
  }

  /** The key of this id, or undefined where there is none. Throws `NoKeys` where that can't be said. */
  async find(kid) {
    const age = this.#age();
    if (age > AGE_MS_MAX || !this.#keys.has(kid)) {
      await this.#refresh();
    } else if (age > REFRESH_AFTER_MS) {
      this.#refresh();
    }
    if (this.#age() > AGE_MS_MAX) throw new NoKeys();
    return this.#keys.get(kid);
  }

  #age() {
    return this.clock.elapsedMs() - this.#fetched;
  }

  /** Fetches the set, at most once in a while; never throws. */
  #refresh() {
    if (this.#pending !== null) return this.#pending;
    const now = this.clock.elapsedMs();
    if (now - this.#asked < ASK_AGAIN_AFTER_MS) return Promise.resolve();
    this.#asked = now;
    this.#pending = this.#fetch(now)
      .catch((error) => this.report(`key set: ${error.message}`))
      .finally(() => { this.#pending = null; });
    return this.#pending;
  }

  async #fetch(now) {
    const answer = await this.transport.exchange({
      method: 'GET', url: this.url, headers: { accept: 'application/json' }, bytesMax: BYTES_MAX, timeoutMs: TIMEOUT_MS,
    });
    if (answer.status !== 200) throw new NoAnswer(`answered ${answer.status}`);
    this.#keys = keysOf(utf8(answer.body));
    this.#fetched = now;
  }
}
