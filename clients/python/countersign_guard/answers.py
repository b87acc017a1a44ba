"""What a guard answers: docs/protocol/step-up.md, "A refused operation". Vectors: vectors/elevation/answers.json.

Knows: statuses, headers and bodies. Must never know: how they are sent, or who asked.
"""

from dataclasses import dataclass, field

from .judgement import LEVELS, has_claim, judge

_ELEVATION_AGE_S = 900
_STEP_UP = {
    "required": {"error": "elevated session required", "code": "ELEVATION_REQUIRED"},
    "expired": {"error": "elevated session expired", "code": "ELEVATION_EXPIRED"}}


@dataclass(frozen=True)
class Answer:
    """A refusal, ready to be sent as JSON."""

    status: int
    body: dict
    headers: dict = field(default_factory=dict)


NOBODY = Answer(401, {"error": "authentication required"}, {"WWW-Authenticate": "Bearer"})
WORTHLESS = Answer(401, {"error": "authentication required"}, {"WWW-Authenticate": 'Bearer error="invalid_token"'})
UNDECIDABLE = Answer(503, {"error": "temporarily unavailable"}, {"Retry-After": "1"})


def not_owner(status):
    """It is somebody else's. 404 does not even say that there is something."""
    return Answer(status, {"error": "not found" if status == 404 else "forbidden"})


def unprivileged(session, requirement):
    """The answer to whoever lacks a claim or a group, or None."""
    lacking = [claim for claim in requirement.claims if not has_claim(session.claims, *claim)]
    lacking += [("groups", group) for group in requirement.groups if group not in session.groups]
    if not lacking:
        return None
    name, value = lacking[0]
    return Answer(403, {
        "error": "insufficient privileges", "code": "MISSING_CLAIM", "required_claim": name, "required_value": value})


def step_up(session, requirement, now, step_up_url):
    """The answer to whoever has to prove it again, or None."""
    verdict = judge(session, requirement.demand, now)
    if verdict == "met":
        return None
    body = {**_STEP_UP[verdict], "step_up_url": step_up_url}
    return Answer(
        requirement.step_up_status, body, {"WWW-Authenticate": _challenge(body["error"], requirement.demand)})


def _challenge(description, demand):
    """RFC 9470 §3."""
    parts = ['Bearer error="insufficient_user_authentication"', 'error_description="%s"' % description]
    levels = [level for level in (demand.level, "cs:2" if demand.elevated else None) if level is not None]
    if levels:
        parts.append('acr_values="%s"' % max(levels, key=LEVELS.index))
    age = _ELEVATION_AGE_S if demand.max_age is None and demand.elevated else demand.max_age
    if age is not None:
        parts.append('max_age="%d"' % age)
    return ", ".join(parts)
