/**
 * A map that holds so many entries and no more; the oldest goes first.
 *
 * Knows: order of arrival. Must never know: what it holds. Tokens are kept as digests, so that a dump of the memory
 * shows none that nobody uses any more.
 */

import { createHash } from 'node:crypto';

/** A token's name in a map. */
export const digest = (token) => createHash('sha256').update(token).digest('base64url');

/** The bounded map. */
export class Recent {
  #entries = new Map();
  #most;

  constructor(most) {
    this.#most = most;
  }

  get size() {
    return this.#entries.size;
  }

  get(name) {
    return this.#entries.get(name);
  }

  has(name) {
    return this.#entries.has(name);
  }

  set(name, value) {
    this.#entries.delete(name);
    if (this.#entries.size >= this.#most) this.#entries.delete(this.#entries.keys().next().value);
    this.#entries.set(name, value);
  }

  delete(name) {
    this.#entries.delete(name);
  }

  clear() {
    this.#entries.clear();
  }
}
