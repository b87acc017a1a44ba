/**
 * Who is signed in, as an application sees it, made of a token's claims or of an introspection's answer.
 *
 * Knows: both shapes. Must never know: whether either is true; that is `token` and `introspection`.
 */

import { LEVELS, levelAt } from './judgement.js';
import { RESERVED } from './token.js';

/** A signed-in person at one moment. */
export class Session {
  constructor(members) {
    Object.assign(this, members);
    Object.freeze(this);
  }

  /** The level at a moment in Unix seconds. */
  levelAt(now) {
    return levelAt(this, now);
  }
}

/** The session that an elevated token speaks of. */
export function ofClaims(claims) {
  const own = Object.create(null);
  for (const [name, value] of Object.entries(claims)) {
    if (!RESERVED.has(name)) own[name] = value;
  }
  return new Session({
    subject: claims.sub,
    id: claims.sid,
    level: claims.session_acr,
    authenticatedAt: claims.auth_time,
    elevation: { level: claims.acr, since: claims.elevation_time, until: claims.elevated_until },
    methods: texts(claims.amr),
    groups: texts(claims.groups),
    purpose: typeof claims.purpose === 'string' ? claims.purpose : null,
    claims: own,
    expiresAt: claims.exp,
  });
}

/** The session of an introspection's answer that is active, or null where the answer is none that Countersign gives. */
export function ofAnswer(answer) {
  const isTime = (value) => Number.isSafeInteger(value) && value >= 0;
  const isWhole = typeof answer.sub === 'string' && typeof answer.sid === 'string' && isTime(answer.exp)
    && isTime(answer.auth_time) && LEVELS.includes(answer.acr) && LEVELS.includes(answer.session_acr);
  if (!isWhole) return null;
  const wasElevated = isTime(answer.elevation_time) && isTime(answer.elevated_until);
  if (answer.elevated === true && !wasElevated) return null;
  return new Session({
    subject: answer.sub,
    id: answer.sid,
    level: answer.session_acr,
    authenticatedAt: answer.auth_time,
    elevation: wasElevated ? elevationOf(answer) : null,
    methods: texts(answer.amr),
    groups: texts(answer.groups),
    purpose: typeof answer.purpose === 'string' ? answer.purpose : null,
    claims: Object.assign(Object.create(null), isPlain(answer.claims) ? answer.claims : {}),
    expiresAt: answer.exp,
  });
}

function elevationOf(answer) {
  const since = answer.elevation_time;
  if (answer.elevated === true) return { level: answer.acr, since, until: answer.elevated_until };
  // Over, whatever its end was to be. Its level is no longer told; every elevation there is reaches two factors.
  return { level: 'cs:2', since, until: Math.min(since, answer.elevated_until) };
}

function texts(value) {
  return Array.isArray(value) && value.every((item) => typeof item === 'string') ? [...value] : [];
}

function isPlain(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
