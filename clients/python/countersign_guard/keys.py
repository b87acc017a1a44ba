"""The public keys that sign elevated tokens, as the installation publishes them.

Knows: the JWKS (RFC 7517, RFC 8037) and when it is asked for again. Must never know: tokens. A key is published 300 s
before it signs, so a set of that age is the last that may be relied on.
"""

import threading

from .strict_json import MalformedJson, parse
from .token import Worthless, decode
from .transport import NoAnswer

REFRESH_AFTER_S = 150
AGE_S_MAX = 300
ASK_AGAIN_AFTER_S = 10
_KEYS_MAX = 32
_P = 2**255 - 19
# The y of the eight points whose order divides 8: under such a key one signature fits many messages.
_SMALL_ORDER = frozenset((
    0, 1, _P - 1,
    0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,
    0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7))


class NoKeys(Exception):
    """There are no keys to rely on."""


def verifier(public):
    """What tells whether a signature over a text verifies under 32 bytes of a public key."""
    # The only dependency, and one of this kind of check alone: introspection needs none.
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    key = Ed25519PublicKey.from_public_bytes(public)

    def verifies(signature, text):
        try:
            key.verify(signature, text)
        except InvalidSignature:
            return False
        return True
    return verifies


def keys_of(data):
    """The keys by their id. Refuses what is no key set; leaves out what is no Ed25519 key for signatures."""
    try:
        jwks = parse(data)
    except MalformedJson:
        raise NoAnswer("no key set") from None
    listed = jwks.get("keys") if isinstance(jwks, dict) else None
    if not isinstance(listed, list) or len(listed) > _KEYS_MAX:
        raise NoAnswer("no key set")
    keys = {}
    for jwk in filter(_is_for_us, listed):
        public = _sound(jwk.get("x"))
        if public is None:
            continue
        if jwk["kid"] in keys:
            raise NoAnswer("two keys of one kid")
        keys[jwk["kid"]] = verifier(public)
    return keys


def _is_for_us(jwk):
    return (
        isinstance(jwk, dict) and jwk.get("kty") == "OKP" and jwk.get("crv") == "Ed25519"
        and isinstance(jwk.get("kid"), str) and jwk.get("use", "sig") == "sig" and jwk.get("alg", "EdDSA") == "EdDSA")


def _sound(text):
    """32 canonical bytes of a point that is not of small order, or None."""
    try:
        public = decode(text) if isinstance(text, str) else b""
    except Worthless:
        return None
    y = int.from_bytes(public, "little") & (1 << 255) - 1
    return public if len(public) == 32 and y < _P and y not in _SMALL_ORDER else None


class Keys:
    """The installation's keys, fetched when they are needed."""

    def __init__(self, transport, clock, report):
        self._transport, self._clock, self._report = transport, clock, report
        self._lock = threading.Lock()
        self._asked = self._fetched = float("-inf")
        self._keys = {}

    def known(self, kid):
        """The key of this id where it can be told without asking, else None."""
        return self._keys.get(kid) if self._age() <= REFRESH_AFTER_S else None

    def find(self, kid):
        """The key of this id, or None where there is none. Raises `NoKeys` where that can't be said. Blocks."""
        with self._lock:
            if self.known(kid) is None:
                self._refresh()
            if self._age() > AGE_S_MAX:
                raise NoKeys
            return self._keys.get(kid)

    def _age(self):
        return self._clock.elapsed_s() - self._fetched

    def _refresh(self):
        """Fetches the set, at most once in a while."""
        now = self._clock.elapsed_s()
        if now - self._asked < ASK_AGAIN_AFTER_S:
            return
        self._asked = now
        try:
            status, data = self._transport.exchange("GET", "/.well-known/jwks.json", {"accept": "application/json"})
            if status != 200:
                raise NoAnswer("answered %d" % status)
            self._keys = keys_of(data)
            self._fetched = now
        except NoAnswer as failure:
            self._report("key set: %s" % failure)
