/**
 * Which session a token speaks of, and whether it lives: the way from a text to a `Session`.
 *
 * Knows: docs/protocol/tokens.md, "The session behind it". Must never know: requests and answers; those are `express`
 * and `answers`. Throws `Worthless` for a token that counts for nothing and `Undecidable` where nobody can say.
 */

import { AHEAD_SECONDS_MAX } from './judgement.js';
import { NoKeys } from './keys.js';
import { Recent, digest } from './recent.js';
import { ofClaims } from './session.js';
import { Worthless, isCompact, keyId, read } from './token.js';
import { NoAnswer } from './transport.js';

/** A session token, or an API token. */
const OPAQUE = /^(?:[0-9a-f]{96}|cs_api_[0-9a-f]{64})$/;
const VOUCHED_MAX = 10_000;

/** Thrown where Countersign is out of reach or can't say. */
export class Undecidable extends Error {
  constructor() {
    super('nothing can be decided now');
    this.name = 'Undecidable';
  }
}

/** Where tokens are turned into sessions. Without `feed` each token is introspected. */
export class Sessions {
  // Tokens that were introspected once since the feed was opened.
  #vouched = new Recent(VOUCHED_MAX);
  #generation = 0;

  constructor({ issuer, audience, sharedKey, keys, introspection, feed, clock, report }) {
    Object.assign(this, { issuer, audience, sharedKey, keys, introspection, feed, clock, report });
  }

  /** The living session of a token. */
  async find(token) {
    if (OPAQUE.test(token)) return this.#ask(token);
    if (!isCompact(token)) throw new Worthless('no token');
    if (this.feed === null) return this.#ask(token);
    const claims = await this.#claims(token);
    if (claims === null || !this.feed.isHeard()) return this.#ask(token);
    if (this.feed.hasEnded(claims.sid)) throw new Worthless('the session is over');
    return this.#isVouched(token, claims) ? ofClaims(claims) : this.#vouch(token, claims);
  }

  /** The claims of a token that is good by itself, or null where there are no keys to say so. */
  async #claims(token) {
    const expected = { issuer: this.issuer, audience: this.audience, now: this.clock.unixSeconds() };
    if (this.sharedKey !== null) {
      keyId(token, 'HS256');
      return read(token, this.sharedKey, expected);
    }
    let key;
    try {
      key = await this.keys.find(keyId(token, 'EdDSA'));
    } catch (error) {
      if (error instanceof NoKeys) return null;
      throw error;
    }
    if (key === undefined) throw new Worthless('of an unknown key');
    return read(token, key, expected);
  }

  #isVouched(token, claims) {
    if (this.#generation !== this.feed.generation) {
      this.#generation = this.feed.generation;
      this.#vouched.clear();
    }
    // Its maker's clock may be ahead of ours; only what is younger by more than that was made under this feed's eyes.
    return claims.iat > this.feed.openedAt + AHEAD_SECONDS_MAX || this.#vouched.has(digest(token));
  }

  async #vouch(token, claims) {
    const generation = this.feed.generation;
    // Before, the answer may be of a moment before the feed was opened.
    const isSettled = this.feed.isSettled();
    const session = await this.#ask(token);
    if (isSettled && this.feed.generation === generation && this.#generation === generation && session.id === claims.sid) {
      this.#vouched.set(digest(token), true);
    }
    return session;
  }

  async #ask(token) {
    let said;
    try {
      said = await this.introspection.ask(token);
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      this.report(error.message);
      throw new Undecidable();
    }
    if (said === null) throw new Worthless('not active');
    if (said.issuer !== this.issuer) throw new Worthless('of another issuer');
    if (!OPAQUE.test(token) && said.audience !== this.audience) throw new Worthless('for another audience');
    if (said.session.expiresAt <= this.clock.unixSeconds()) throw new Worthless('over');
    if (this.feed?.hasEnded(said.session.id)) throw new Worthless('the session is over');
    return said.session;
  }
}
