"""Tokens that every guard takes, and what it reads in them.

Knows: docs/protocol/tokens.md. Must never know: any guard's code.
"""

from tokens import KID, NOW, claims, dense, header, of_length, token

OWN_CLAIMS = {
    "publisher": True, "suspended": False, "nothing": None, "floor": 3, "debt": -12, "share": 0.25, "name": "Åsa 🦉",
    "empty": "", "shops": ["a", 1, None, [True]], "limits": {"day": 100, "night": {"day": 10}},
    "__proto__": {"polluted": True}, "constructor": "plain", "hasOwnProperty": 1}


def nested(levels):
    """Lists in lists."""
    return [] if levels == 1 else [nested(levels - 1)]


def case(rule, made, verdict="met", acr="cs:2", now=NOW, own=None, **more):
    """One case; `elevated` is the verdict upon a demand for an elevation."""
    return {"rule": rule, "now": now, "token": made, "subject": "alice", "acr": acr, "elevated": verdict,
            "claims": {"publisher": True} if own is None else own, **more}


def times():
    """Every bound, from its good side."""
    begun = NOW - 100
    yield case("elevation is on for its first second", token(), now=begun)
    yield case("elevation is on for 899 s", token(), now=begun + 899)
    yield case("elevation is over at 900 s, the session is not", token(), "expired", "cs:1", begun + 900)
    yield case("an hour later the session still stands", token(), "expired", "cs:1", begun + 3600)
    yield case("one second before its end", token(), "expired", "cs:1", NOW + 28_699)
    yield case("made now", token(None, claims(iat=NOW)))
    for name in ["iat", "auth_time", "elevation_time", "nbf"]:
        yield case(name + " 60 s ahead, as clocks may differ", token(None, claims(**{name: NOW + 60})))
    yield case("nbf now", token(None, claims(nbf=NOW)))
    yield case("nbf long ago", token(None, claims(nbf=0)))
    yield case("auth_time at 1970", token(None, claims(auth_time=0)))
    yield case("the latest end there is", token(None, claims(exp=2**53 - 1)))
    yield case(
        "an elevation that ends before it begins", token(None, claims(elevated_until=NOW - 200)), "expired", "cs:1")


def levels():
    """Each level of a session and of an elevation."""
    yield case("a session of two factors keeps its level", token(None, claims(session_acr="cs:2")), "expired", "cs:2",
               NOW + 800)
    clear = token(None, claims(session_acr="cs:clear"))
    yield case("a session over a clear line, elevated", clear)
    yield case("and when that is over", clear, "expired", "cs:clear", NOW + 800)
    yield case("the level that nothing reaches yet", token(None, claims(acr="cs:2p")), acr="cs:2p")
    weaker = token(None, claims(acr="cs:1", session_acr="cs:2"))
    yield case("an elevation never lowers a level", weaker, acr="cs:2")


def shapes():
    """Spellings that are JSON, and sizes up to the bounds."""
    swapped = '{ "typ": "at+jwt",\n\t"kid": "%s",\r\n "alg": "EdDSA" }' % KID["one"]
    yield case("header in another order, with blanks", token(swapped))
    yield case("claims with blanks around", token(None, " \t\r\n" + dense(claims()) + " \n"))
    yield case("the second key of the set", token(header(kid=KID["two"]), key="two"))
    yield case("claims of every type and of awkward names", token(None, claims(**OWN_CLAIMS)), own=OWN_CLAIMS)
    escaped = dense(claims(owl="?")).replace('"?"', r'"\ud83e\udd89 \u00e9\/\n"')
    yield case("escapes and a pair of surrogates", token(None, escaped), own={"publisher": True, "owl": "🦉 é/\n"})
    twins = {"left": {"name": 1}, "right": {"name": 1}, "list": [{"name": 1}, {"name": 2}]}
    yield case("one name in several objects", token(None, claims(**twins)), own={"publisher": True, **twins})
    deep = nested(31)
    yield case("nested 32 levels deep", token(None, claims(deep=deep)), own={"publisher": True, "deep": deep})
    yield case("for a purpose", token(None, claims(purpose="pay an invoice")), purpose="pay an invoice")
    yield case("in no group", token(None, claims(groups=[])), groups=[])
    groups = ["group %d" % n for n in range(100)] + ["Zürich"]
    yield case("in many groups", token(None, claims(groups=groups)), groups=groups)
    made, filler = of_length(8192)
    yield case("8,192 bytes", made, own={"publisher": True, "filler": filler})


def cases():
    """All of them."""
    yield from times()
    yield from levels()
    yield from shapes()
