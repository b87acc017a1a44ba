"""The installation that the vectors speak of, and how a token is put together, rightly or not.

Knows: the keys, the claims and the compact form. Must never know: which tokens are good; that is `accepted` and
`refused`. Everything is fixed, so that the same files come out every time.
"""

import base64
import hashlib
import hmac
import json

from ed25519 import Key

ISSUER = "https://id.example.org"
NOW = 1_700_000_000
KEYS = {name: Key(hashlib.sha256(b"countersign vectors, key " + name.encode()).digest())
        for name in ["one", "two", "stranger"]}
KID = {"one": "2026-01-one", "two": "2026-02-two"}
WEAK_KID = "2026-03-weak"
# The identity in its one right spelling: every message "verifies" under it with R = identity and S = 0.
IDENTITY = (1).to_bytes(32, "little")
SHARED_KEY = hashlib.sha256(b"countersign vectors, shared key").digest()


def base64url(data):
    """Canonical base64url without padding (RFC 4648 §5)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def jwk(public, kid):
    """A public key as the JWKS has it (RFC 8037 §2)."""
    return {"kty": "OKP", "crv": "Ed25519", "x": base64url(public), "kid": kid, "use": "sig", "alg": "EdDSA"}


JWKS = {"keys": [jwk(KEYS["one"].public, KID["one"]), jwk(KEYS["two"].public, KID["two"]), jwk(IDENTITY, WEAK_KID)]}


def dense(value):
    """JSON without spaces, as tokens are made."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def header(**changes):
    """The header, with members changed; `...` removes one."""
    return changed({"alg": "EdDSA", "kid": KID["one"], "typ": "at+jwt"}, changes)


def claims(**changes):
    """The claims of somebody who stepped up 100 s ago, with members changed; `...` removes one."""
    return changed({
        "iss": ISSUER, "sub": "alice", "aud": ISSUER, "exp": NOW + 28_700, "iat": NOW - 100,
        "jti": "00112233445566778899aabbccddeeff", "sid": "5e" * 32, "auth_time": NOW - 100, "acr": "cs:2",
        "session_acr": "cs:1", "amr": ["pwd", "otp", "mfa"], "elevated": True, "elevation_time": NOW - 100,
        "elevated_until": NOW + 800, "groups": ["staff"], "publisher": True}, changes)


def changed(members, changes):
    """Members with some replaced, added or removed."""
    return {name: value for name, value in {**members, **changes}.items() if value is not ...}


def encoded(part):
    """A segment: JSON of a value, text or bytes as they are."""
    if not isinstance(part, (str, bytes)):
        part = dense(part)
    return base64url(part if isinstance(part, bytes) else part.encode("utf-8", "surrogatepass"))


def signed(signing_input, key="one"):
    """A text with its signature as the third segment."""
    return signing_input + "." + base64url(KEYS[key].sign(signing_input.encode()))


def token(head=None, body=None, key="one"):
    """A token with a true signature, whatever it says."""
    head = header() if head is None else head
    body = claims() if body is None else body
    return signed(encoded(head) + "." + encoded(body), key)


def with_signature(signature, head=None, body=None):
    """A token with a signature that is made of the signing input, or given."""
    signing_input = encoded(header() if head is None else head) + "." + encoded(claims() if body is None else body)
    made = signature(signing_input.encode()) if callable(signature) else signature
    return signing_input + "." + base64url(made)


def with_mac(key, digest, alg, head=None, body=None):
    """A token under a shared key."""
    head = header(alg=alg) if head is None else head
    return with_signature(lambda text: hmac.new(key, text, digest).digest(), head, body)


def with_member(members, raw):
    """An object's JSON with one more member as raw text at its end."""
    return dense(members)[:-1] + "," + raw + "}"


def of_length(length):
    """A good token of exactly so many bytes, and the claim `filler` that makes it so long."""
    # Base64 has no text of 4n + 1 digits; there a blank in the header moves the claims by one or two.
    for blanks in range(4):
        head = dense(header()) + " " * blanks
        room = length - len(encoded(head)) - len(base64url(bytes(64))) - 2
        filler = "x" * (room * 3 // 4 - len(dense(claims(filler=""))))
        made = token(head, claims(filler=filler))
        if len(made) == length:
            return made, filler
    raise ValueError("no token has %d bytes" % length)
