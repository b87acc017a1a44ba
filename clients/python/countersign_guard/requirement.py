"""What an operation asks for, as its author wrote it, checked when the application starts.

Knows: the spelling of requirements. Must never know: sessions. A requirement that could never be met, or that means
something else than it says, is refused at once: nobody finds out by a request.
"""

import json
from dataclasses import dataclass

from .judgement import LEVELS, Demand
from .token import RESERVED

_AGE_S_MAX = 2**32 - 1


class WrongSetting(ValueError):
    """A guard, a requirement or a route that is set up wrongly."""


def demand_that(holds, what):
    """Refuses a setting."""
    if not holds:
        raise WrongSetting(what)


@dataclass(frozen=True)
class Requirement:
    """All that an operation asks for."""

    demand: Demand
    claims: tuple
    groups: tuple
    step_up_status: int


def requirement_of(*, elevated=False, level=None, max_age=None, claims=(), groups=(), step_up_status):
    """The requirement, complete."""
    is_list = isinstance(claims, (list, tuple)) and isinstance(groups, (list, tuple))
    demand_that(isinstance(elevated, bool), "elevated: True or False")
    demand_that(level is None or level in LEVELS, "level: one of " + ", ".join(LEVELS))
    demand_that(max_age is None or _is_age(max_age), "max_age: whole seconds, 0 or more")
    demand_that(step_up_status in (403, 401), "step_up_status: 403 or 401")
    demand_that(is_list, "claims: a list of (name, value); groups: a list of names")
    for claim in claims:
        demand_that(isinstance(claim, (list, tuple)) and len(claim) == 2, "claims: a list of (name, value)")
        _check_claim(*claim)
    demand_that(all(_is_name(group) for group in groups), "groups: a list of names")
    return Requirement(Demand(elevated, level, max_age), tuple(map(tuple, claims)), tuple(groups), step_up_status)


def _check_claim(name, value):
    demand_that(_is_name(name), "claims: a list of (name, value)")
    demand_that(name not in RESERVED, "claim %s: no account has a claim of its own by this name" % name)
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        raise WrongSetting("claim %s: a value that JSON has" % name) from None


def _is_age(value):
    return type(value) is int and 0 <= value <= _AGE_S_MAX


def _is_name(value):
    return isinstance(value, str) and value != ""
