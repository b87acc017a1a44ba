"""Strict JSON (RFC 8259): no member twice, no lone surrogate, no number out of range, no great depth.

Knows: the grammar. Must never know: what a value is for. Python's own reader takes the last of two members of one name,
where another takes the first; who checks and who uses a token would then read two different ones.
"""

import json
import math

# Levels of nesting; tokens of this kind need a handful.
DEPTH_MAX = 64


class MalformedJson(ValueError):
    """What is no strict JSON. Says nothing of the text, which may be somebody's token."""

    def __init__(self):
        super().__init__("not strict JSON")


def parse(data):
    """The value of UTF-8 bytes. A number is an integer only where it is written as one."""
    try:
        value = json.loads(
            data.decode("utf-8"), object_pairs_hook=_members, parse_int=_integer, parse_float=_fraction,
            parse_constant=_refuse)
    except (ValueError, RecursionError):
        # Without a cause, whose message would show a piece of the text.
        raise MalformedJson from None
    _check(value, 1)
    return value


def _members(pairs):
    members = dict(pairs)
    if len(members) != len(pairs):
        raise MalformedJson
    return members


def _integer(text):
    return -0.0 if text == "-0" else int(text)


def _fraction(text):
    value = float(text)
    if not math.isfinite(value):
        raise MalformedJson
    return value


def _refuse(_constant):
    raise MalformedJson


def _check(value, depth):
    """Refuses what Python's reader lets through: depth, and halves of a surrogate pair."""
    if depth > DEPTH_MAX:
        raise MalformedJson
    if isinstance(value, str):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise MalformedJson from None
    elif isinstance(value, dict):
        for name, member in value.items():
            _check(name, depth)
            _check(member, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _check(item, depth + 1)
