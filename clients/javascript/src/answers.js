/**
 * What a guard answers: docs/protocol/step-up.md, "A refused operation". Vectors: vectors/elevation/answers.json.
 *
 * Knows: statuses, headers and bodies. Must never know: how they are sent, or who asked.
 */

import { LEVELS, hasClaim, judge } from './judgement.js';

const ELEVATION_AGE_SECONDS = 900;
const STEP_UP = {
  required: { error: 'elevated session required', code: 'ELEVATION_REQUIRED' },
  expired: { error: 'elevated session expired', code: 'ELEVATION_EXPIRED' },
};

const answer = (status, body, headers = {}) => ({ status, headers, body });

/** Nobody is signed in. */
export const nobody = () => answer(401, { error: 'authentication required' }, { 'WWW-Authenticate': 'Bearer' });

/** A token came that is worth nothing. */
export const worthless = () =>
  answer(401, { error: 'authentication required' }, { 'WWW-Authenticate': 'Bearer error="invalid_token"' });

/** Nothing can be decided now. */
export const undecidable = () => answer(503, { error: 'temporarily unavailable' }, { 'Retry-After': '1' });

/** It is somebody else's. 404 does not even say that there is something. */
export const notOwner = (status) => answer(status, { error: status === 404 ? 'not found' : 'forbidden' });

/** The answer to whoever lacks a claim or a group, or null. */
export function unprivileged(session, { claims = [], groups = [] }) {
  const lacking = claims.find(([name, value]) => !hasClaim(session.claims, name, value))
    ?? groups.filter((group) => !session.groups.includes(group)).map((group) => ['groups', group])[0];
  if (lacking === undefined) return null;
  const [name, value] = lacking;
  const body = {
    error: 'insufficient privileges', code: 'MISSING_CLAIM', required_claim: name, required_value: value,
  };
  return answer(403, body);
}

/** The answer to whoever has to prove it again, or null. */
export function stepUp(session, demand, now, { stepUpStatus, stepUpUrl }) {
  const verdict = judge(session, demand, now);
  if (verdict === 'met') return null;
  const body = { ...STEP_UP[verdict], step_up_url: stepUpUrl };
  return answer(stepUpStatus, body, { 'WWW-Authenticate': challenge(body.error, demand) });
}

/** RFC 9470 §3. */
function challenge(description, { elevated, level, maxAge }) {
  const parts = ['Bearer error="insufficient_user_authentication"', `error_description="${description}"`];
  const least = elevated && LEVELS.indexOf(level) < LEVELS.indexOf('cs:2') ? 'cs:2' : level;
  if (least !== undefined) parts.push(`acr_values="${least}"`);
  const age = maxAge ?? (elevated ? ELEVATION_AGE_SECONDS : undefined);
  if (age !== undefined) parts.push(`max_age="${age}"`);
  return parts.join(', ');
}
