"""Tokens under a shared key, for guards that are set up for HS256, and for no other algorithm then.

Knows: the compatibility setting of docs/protocol/tokens.md. Must never know: any guard's code.
"""

import hashlib

from tokens import KEYS, NOW, SHARED_KEY, claims, header, token, with_mac, with_member, with_signature


def case(rule, made, status):
    """One case: 200 or 401."""
    return {"rule": rule, "now": NOW, "token": made, "status": status}


def cases():
    """All of them."""
    key, sha256, sha512 = SHARED_KEY, hashlib.sha256, hashlib.sha512
    yield case("under the shared key", with_mac(key, sha256, "HS256"), 200)
    yield case("elevation over, session alive", with_mac(key, sha256, "HS256", None, claims(elevated_until=NOW)), 200)
    for rule, made in [
            ("EdDSA, by the installation's own key", token()),
            ("EdDSA by label alone", with_mac(key, sha256, "EdDSA")), ("HS512", with_mac(key, sha512, "HS512")),
            ("HS384", with_mac(key, hashlib.sha384, "HS384")), ("HS256 by label alone", with_mac(key, sha512, "HS256")),
            ("alg none", with_mac(key, sha256, "none")), ("alg hs256", with_mac(key, sha256, "hs256")),
            ("no signature", with_signature(b"", header(alg="HS256"))),
            ("a signature of zeros", with_signature(bytes(32), header(alg="HS256"))),
            ("under another key", with_mac(bytes(32), sha256, "HS256")),
            ("under no key", with_mac(b"", sha256, "HS256")),
            ("under the key cut short", with_mac(key[:31], sha256, "HS256")),
            ("under the public key", with_mac(KEYS["one"].public, sha256, "HS256")),
            ("typ JWT", with_mac(key, sha256, "HS256", header(alg="HS256", typ="JWT"))),
            ("without kid", with_mac(key, sha256, "HS256", header(alg="HS256", kid=...))),
            ("kid of a number", with_mac(key, sha256, "HS256", header(alg="HS256", kid=1))),
            ("crit", with_mac(key, sha256, "HS256", header(alg="HS256", crit=["x"]))),
            ("alg twice", with_mac(key, sha256, "HS256", with_member(header(alg="HS256"), '"alg":"HS256"'))),
            ("without exp", with_mac(key, sha256, "HS256", None, claims(exp=...))),
            ("exp now", with_mac(key, sha256, "HS256", None, claims(exp=NOW)))]:
        yield case(rule, made, 401)
    made = with_mac(key, sha256, "HS256")
    for rule, text in [("signature cut short", made[:-3]), ("signature extended", made + "AAAA"),
                       ("last digit changed", made[:-1] + ("B" if made[-1] != "B" else "C"))]:
        yield case(rule, text, 401)
