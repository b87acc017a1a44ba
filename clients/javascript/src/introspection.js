/**
 * What Countersign says of a token at this moment (RFC 7662).
 *
 * Knows: the question, the answer, and for how long an answer holds. Must never know: requests, or what an operation
 * demands. Questions about one token that come together are asked once.
 */

import { parse, utf8 } from './json.js';
import { Recent, digest } from './recent.js';
import { ofAnswer } from './session.js';
import { NoAnswer } from './transport.js';

const HOLDS_MS = 500;
const ANSWERS_MAX = 10_000;
const BYTES_MAX = 65_536;
const TIMEOUT_MS = 3_000;

/** The one who asks. */
export class Introspection {
  #answers = new Recent(ANSWERS_MAX);

  constructor({ url, authorization, transport, clock }) {
    Object.assign(this, { url, authorization, transport, clock });
  }

  /** What is said of a token: `{issuer, audience, session}`, or null where it is worth nothing. Throws `NoAnswer`. */
  async ask(token) {
    const name = digest(token);
    const known = this.#answers.get(name);
    const now = this.clock.elapsedMs();
    if (known !== undefined && now - known.asked <= HOLDS_MS) return known.answer;
    const answer = this.#ask(token);
    const entry = { asked: now, answer };
    this.#answers.set(name, entry);
    // What failed is asked again by the next request.
    answer.catch(() => {
      if (this.#answers.get(name) === entry) this.#answers.delete(name);
    });
    return answer;
  }

  async #ask(token) {
    const { status, body } = await this.transport.exchange({
      method: 'POST',
      url: this.url,
      headers: {
        authorization: this.authorization,
        accept: 'application/json',
        'content-type': 'application/x-www-form-urlencoded',
      },
      body: `token=${token}`,
      bytesMax: BYTES_MAX,
      timeoutMs: TIMEOUT_MS,
    });
    if (status === 401) throw new NoAnswer('introspection: the application\'s name or secret is not known there');
    if (status !== 200) throw new NoAnswer(`introspection answered ${status}`);
    return read(body);
  }
}

function read(body) {
  let answer;
  try {
    answer = parse(utf8(body)).value;
  } catch {
    throw new NoAnswer('introspection answered no JSON');
  }
  if (answer?.active === false) return null;
  const session = answer?.active === true ? ofAnswer(answer) : null;
  if (session === null) throw new NoAnswer('introspection answered nothing that Countersign says');
  return { issuer: answer.iss, audience: answer.aud, session };
}
