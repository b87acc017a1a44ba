/**
 * How strongly and how lately somebody proved who they are, and whether that is enough.
 *
 * Knows: levels, the end of an elevation, the age of a proof, and when a claim is the one wanted. Must never know:
 * tokens or requests. The same table judges guards in every language: vectors/elevation.
 */

/** All levels, the weakest first. */
export const LEVELS = ['cs:clear', 'cs:1', 'cs:2', 'cs:2p'];

/** Seconds that the clocks of machines may differ. What is dated further ahead counts as never. */
export const AHEAD_SECONDS_MAX = 60;

const rank = (level) => LEVELS.indexOf(level);
const greater = (one, other) => (rank(other) > rank(one) ? other : one);
const isAhead = (moment, now) => moment - now > AHEAD_SECONDS_MAX;

function isOn(elevation, now) {
  return !isAhead(elevation.since, now) && now < elevation.until;
}

/** The level at a moment: an elevation drops back by itself. */
export function levelAt({ level, elevation }, now) {
  return elevation !== null && isOn(elevation, now) ? greater(level, elevation.level) : level;
}

/**
 * Judges a standing `{level, authenticatedAt, elevation: {level, since, until} | null}` against a demand
 * `{elevated, level, maxAge}`, of which each part may be missing: 'met', 'required' or 'expired'.
 */
export function judge(standing, demand, now) {
  const { elevation, authenticatedAt } = standing;
  const suffices = (level) => demand.level === undefined || rank(level) >= rank(demand.level);
  const isElevated = elevation !== null && isOn(elevation, now);
  const isYoung = demand.maxAge === undefined
    || (!isAhead(authenticatedAt, now) && now - authenticatedAt <= demand.maxAge);
  if ((isElevated || !demand.elevated) && suffices(levelAt(standing, now)) && isYoung) return 'met';
  return elevation !== null && suffices(greater(standing.level, elevation.level)) ? 'expired' : 'required';
}

/** Whether an object has a claim of this very type and value. */
export function hasClaim(claims, name, wanted) {
  return Object.hasOwn(claims, name) && isSame(claims[name], wanted);
}

function isSame(one, other) {
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) return one === other;
  if (Array.isArray(one) !== Array.isArray(other)) return false;
  const names = Object.keys(one);
  return names.length === Object.keys(other).length && names.every((name) => hasClaim(other, name, one[name]));
}
