/**
 * What an operation asks for, as its author wrote it, checked when the application starts.
 *
 * Knows: the spelling of requirements. Must never know: sessions. A requirement that could never be met, or that means
 * something else than it says, throws at once: nobody finds out by a request.
 */

import { LEVELS } from './judgement.js';
import { RESERVED } from './token.js';

const MEMBERS = new Set(['elevated', 'level', 'maxAge', 'claims', 'groups', 'stepUpStatus']);
const AGE_SECONDS_MAX = 2 ** 32 - 1;

/** Thrown for a guard that is set up wrongly. */
export class WrongSetting extends Error {
  constructor(what) {
    super(what);
    this.name = 'WrongSetting';
  }
}

/** Throws where something does not hold. */
export function demandThat(holds, what) {
  if (!holds) throw new WrongSetting(what);
}

/** The requirement, complete and frozen. */
export function requirementOf(asked, defaults) {
  for (const name of Object.keys(asked)) {
    demandThat(MEMBERS.has(name), `${name}: no such requirement; there are ${[...MEMBERS].join(', ')}`);
  }
  const { elevated = false, level, maxAge, claims = [], groups = [], stepUpStatus = defaults.stepUpStatus } = asked;
  demandThat(typeof elevated === 'boolean', 'elevated: true or false');
  demandThat(level === undefined || LEVELS.includes(level), `level: one of ${LEVELS.join(', ')}`);
  demandThat(maxAge === undefined || isAge(maxAge), 'maxAge: whole seconds, 0 or more');
  demandThat(stepUpStatus === 403 || stepUpStatus === 401, 'stepUpStatus: 403 or 401');
  demandThat(Array.isArray(claims), 'claims: a list of [name, value]');
  claims.forEach(checkClaim);
  demandThat(Array.isArray(groups) && groups.every(isName), 'groups: a list of names');
  return Object.freeze({ demand: { elevated, level, maxAge }, claims, groups, stepUpStatus });
}

function checkClaim(claim) {
  demandThat(Array.isArray(claim) && claim.length === 2 && isName(claim[0]), 'claims: a list of [name, value]');
  const [name, value] = claim;
  demandThat(!RESERVED.has(name), `claim ${name}: no account has a claim of its own by this name`);
  demandThat(JSON.stringify(value) !== undefined, `claim ${name}: the value it must have is missing`);
}

function isAge(value) {
  return Number.isInteger(value) && value >= 0 && value <= AGE_SECONDS_MAX;
}

function isName(value) {
  return typeof value === 'string' && value !== '';
}
