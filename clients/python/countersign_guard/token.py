"""Whether a text is an elevated token that counts now: docs/protocol/tokens.md, "When to refuse it", rules 1 to 6.

Knows: the form, the signature and the claims. Must never know: where keys come from, or whether the session still
lives; that is `sessions`. Every refusal is one `Worthless`, whatever its reason, and no input makes any other error.
"""

import base64
import hmac
import re

from .judgement import AHEAD_SECONDS_MAX, LEVELS
from .strict_json import MalformedJson, parse

TOKEN_BYTES_MAX = 8192

_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)
_HEADER = {"alg", "kid", "typ"}
_MOMENT_MAX = 2**53 - 1
_SIGNATURE_BYTES = 64
_TIMES = ("exp", "iat", "auth_time", "elevation_time", "elevated_until")
_TEXTS = ("iss", "sub", "aud", "jti", "sid", "acr", "session_acr")
_NEVER_AHEAD = ("iat", "auth_time", "elevation_time", "nbf")

# Names that mean something to us; no account has a claim of its own under them.
RESERVED = frozenset((
    *_TIMES, *_TEXTS, "amr", "elevated", "purpose", "groups", "nbf", "scope", "client_id", "username", "active",
    "token_type"))


class Worthless(Exception):
    """A token that counts for nothing. It says why to developers, and nothing of the token."""


def _refuse_unless(holds, why):
    if not holds:
        raise Worthless(why)


def is_compact(token):
    """Whether a text has the form of a compact token within bounds; all that can be said without a key."""
    return len(token) <= TOKEN_BYTES_MAX and _COMPACT.fullmatch(token) is not None


def decode(segment):
    """Bytes of canonical unpadded base64url, or `Worthless`."""
    try:
        data = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except ValueError:
        raise Worthless("not base64url") from None
    # Python overlooks left-over bits; written again they show.
    _refuse_unless(base64.urlsafe_b64encode(data).rstrip(b"=").decode() == segment, "not canonical base64url")
    return data


def key_id(token, alg):
    """The header's `kid`, after rules 1 and 2 but for whether it is known."""
    _refuse_unless(is_compact(token), "not three segments of base64url, or too long")
    header = _json(decode(token.partition(".")[0]))
    _refuse_unless(isinstance(header, dict) and header.keys() == _HEADER, "header with too much or too little")
    _refuse_unless(header["alg"] == alg, "alg is not the one expected")
    _refuse_unless(header["typ"] == "at+jwt", "typ is not at+jwt")
    _refuse_unless(isinstance(header["kid"], str), "no kid")
    return header["kid"]


def read(token, key, issuer, audience, now):
    """The claims of a token that `key_id` has let through. The key is a shared one in bytes, or a function that tells
    whether a signature over a text verifies."""
    signed, _, signature = token.rpartition(".")
    _refuse_unless(_is_signed(signed.encode(), decode(signature), key), "the signature does not verify")
    claims = _shaped(_json(decode(signed.partition(".")[2])))
    _refuse_unless(claims["iss"] == issuer, "of another issuer")
    _refuse_unless(claims["aud"] == audience, "for another audience")
    _refuse_unless(now < claims["exp"], "over")
    _refuse_unless(all(claims.get(name, 0) - now <= AHEAD_SECONDS_MAX for name in _NEVER_AHEAD), "dated ahead")
    return claims


def _is_signed(text, signature, key):
    if isinstance(key, bytes):
        return hmac.compare_digest(hmac.digest(key, text, "sha256"), signature)
    return len(signature) == _SIGNATURE_BYTES and key(signature, text)


def _shaped(claims):
    """Rule 4."""
    _refuse_unless(isinstance(claims, dict), "claims are no object")
    _refuse_unless(all(is_moment(claims.get(name)) for name in _TIMES), "a time is missing or none")
    _refuse_unless(is_moment(claims.get("nbf", 0)), "nbf is no time")
    _refuse_unless(all(isinstance(claims.get(name), str) for name in _TEXTS), "a text is missing or none")
    _refuse_unless(claims.get("elevated") is True, "not an elevated token")
    _refuse_unless(claims["acr"] in LEVELS and claims["session_acr"] in LEVELS, "an unknown level")
    return claims


def is_moment(value):
    """Whether a value is Unix seconds that every language can hold. To Python a truth is an integer, too."""
    return type(value) is int and 0 <= value <= _MOMENT_MAX


def _json(data):
    try:
        return parse(data)
    except MalformedJson:
        raise Worthless("not strict JSON") from None
