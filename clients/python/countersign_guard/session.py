"""Who is signed in, as an application sees it, made of a token's claims or of an introspection's answer.

Knows: both shapes. Must never know: whether either is true; that is `token` and `introspection`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from .judgement import LEVELS, Elevation, level_at
from .token import RESERVED, is_moment


@dataclass(frozen=True)
class Session:
    """A signed-in person."""

    subject: str
    id: str
    level: str
    authenticated_at: int
    elevation: Elevation | None
    methods: tuple[str, ...]
    groups: tuple[str, ...]
    purpose: str | None
    claims: Mapping[str, Any]
    expires_at: int

    def level_at(self, now):
        """The level at a moment in Unix seconds."""
        return level_at(self, now)


def of_claims(claims):
    """The session that an elevated token speaks of."""
    return _session(
        claims, Elevation(claims["acr"], claims["elevation_time"], claims["elevated_until"]),
        {name: value for name, value in claims.items() if name not in RESERVED})


def of_answer(answer):
    """The session of an introspection's answer that is active, or None where it is none that Countersign gives."""
    is_whole = (
        isinstance(answer.get("sub"), str) and isinstance(answer.get("sid"), str) and is_moment(answer.get("exp"))
        and is_moment(answer.get("auth_time")) and _is_level(answer.get("acr"))
        and _is_level(answer.get("session_acr")))
    was_elevated = is_moment(answer.get("elevation_time")) and is_moment(answer.get("elevated_until"))
    is_elevated = answer.get("elevated") is True
    if not is_whole or (is_elevated and not was_elevated):
        return None
    own = answer.get("claims")
    elevation = _elevation(answer, is_elevated) if was_elevated else None
    return _session(answer, elevation, own if isinstance(own, dict) else {})


def _elevation(answer, is_elevated):
    since, until = answer["elevation_time"], answer["elevated_until"]
    if is_elevated:
        return Elevation(answer["acr"], since, until)
    # Over, whatever its end was to be. Its level is no longer told; every elevation there is reaches two factors.
    return Elevation("cs:2", since, min(since, until))


def _session(said, elevation, own):
    purpose = said.get("purpose")
    return Session(
        subject=said["sub"], id=said["sid"], level=said["session_acr"], authenticated_at=said["auth_time"],
        elevation=elevation, methods=_texts(said.get("amr")), groups=_texts(said.get("groups")),
        purpose=purpose if isinstance(purpose, str) else None, claims=MappingProxyType(own), expires_at=said["exp"])


def _is_level(value):
    return isinstance(value, str) and value in LEVELS


def _texts(value):
    is_list = isinstance(value, list) and all(isinstance(item, str) for item in value)
    return tuple(value) if is_list else ()
