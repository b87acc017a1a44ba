"""How strongly and how lately somebody proved who they are, and whether that is enough.

Knows: levels, the end of an elevation, the age of a proof, and when a claim is the one wanted. Must never know: tokens
or requests. The same table judges guards in every language: vectors/elevation.
"""

from dataclasses import dataclass

# All levels, the weakest first.
LEVELS = ("cs:clear", "cs:1", "cs:2", "cs:2p")

# Seconds that the clocks of machines may differ. What is dated further ahead counts as never.
AHEAD_SECONDS_MAX = 60


@dataclass(frozen=True)
class Elevation:
    """A proof given again, more strongly, for a while."""

    level: str
    since: int
    until: int

    def is_on(self, now):
        """Whether it lasts at a moment."""
        return not is_ahead(self.since, now) and now < self.until


@dataclass(frozen=True)
class Demand:
    """What an operation demands; nothing by default."""

    elevated: bool = False
    level: str | None = None
    max_age: int | None = None


def is_ahead(moment, now):
    """Whether a moment lies further ahead than clocks may differ."""
    return moment - now > AHEAD_SECONDS_MAX


def greater(one, other):
    """The greater of two levels."""
    return max(one, other, key=LEVELS.index)


def level_at(standing, now):
    """The level at a moment: an elevation drops back by itself."""
    elevation = standing.elevation
    return greater(standing.level, elevation.level) if elevation and elevation.is_on(now) else standing.level


def judge(standing, demand, now):
    """Judges what has `level`, `authenticated_at` and `elevation`: "met", "required" or "expired"."""
    def suffices(level):
        return demand.level is None or LEVELS.index(level) >= LEVELS.index(demand.level)

    elevation, proven = standing.elevation, standing.authenticated_at
    is_elevated = elevation is not None and elevation.is_on(now)
    is_young = demand.max_age is None or (not is_ahead(proven, now) and now - proven <= demand.max_age)
    if (is_elevated or not demand.elevated) and suffices(level_at(standing, now)) and is_young:
        return "met"
    was_enough = elevation is not None and suffices(greater(standing.level, elevation.level))
    return "expired" if was_enough else "required"


def has_claim(claims, name, wanted):
    """Whether there is a claim of this very type and value."""
    return name in claims and _is_same(claims[name], wanted)


def _is_same(one, other):
    # To Python, 1 == True == 1.0; to an application, they are not the same claim.
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return len(one) == len(other) and all(has_claim(other, name, value) for name, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_is_same, one, other))
    return one == other
