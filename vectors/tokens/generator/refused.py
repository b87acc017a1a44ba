"""Tokens that are worth nothing, each for one reason alone: everything else about it is right.

Knows: docs/protocol/tokens.md, by the numbers of its rules. Must never know: any guard's code. Unless a case is about
the signature, what it says is truly signed, so that no guard refuses it for that.
"""

import base64
import hashlib

import ed25519
from tokens import (
    IDENTITY, ISSUER, JWKS, KEYS, KID, NOW, WEAK_KID, base64url, claims, dense, encoded, header, jwk, of_length, signed,
    token, with_mac, with_member, with_signature)

TIMES = ["exp", "iat", "auth_time", "elevation_time", "elevated_until"]
TEXTS = ["iss", "sub", "aud", "jti", "sid", "acr", "session_acr"]


def case(rule, made, now=NOW):
    """One case; every guard answers 401."""
    return {"rule": rule, "now": now, "token": made, "status": 401}


def shown(value):
    """A value as a case's name shows it."""
    return "missing" if value is ... else value if isinstance(value, str) and value else dense(value)


def form():
    """Rule 1: length, ASCII, three segments of canonical base64url."""
    good = token()
    head, body, signature = good.split(".")
    yield case("8,193 bytes, truly signed", of_length(8193)[0])
    yield case("100,001 bytes", of_length(100_001)[0])
    yield case("a session token where an elevated one is due", "0123456789abcdef" * 6)
    for rule, text in [
            ("nothing", ""), ("one segment", head), ("two segments", head + "." + body),
            ("two segments, the second a signature", head + "." + signature), ("four segments", good + "." + signature),
            ("five segments, as encrypted tokens have", good + "." + body + "." + signature), ("two dots", ".."),
            ("first segment empty", "." + body + "." + signature), ("second segment empty", head + ".." + signature),
            ("third segment empty", head + "." + body + "."), ("a dot at the front", "." + good),
            ("a dot at the end", good + "."), ("two dots between", head + ".." + body + "." + signature),
            ("blank at the front", " " + good), ("blank at the end", good + " "), ("line end", good + "\n"),
            ("carriage return and line end", good + "\r\n"), ("tab at the end", good + "\t"),
            ("blank in the middle", good[:200] + " " + good[200:]), ("NUL at the end", good + "\0"),
            ("NUL in the middle", good[:200] + "\0" + good[200:]), ("in quotes", '"' + good + '"'),
            ("with a scheme in front", "Bearer " + good), ("two tokens", good + "," + good),
            ("percent-encoded dots", good.replace(".", "%2E")), ("colons between", good.replace(".", ":")),
            ("as the JSON form of RFC 7515 §7.2",
             dense({"protected": head, "payload": body, "signature": signature}))]:
        yield case(rule, text)
    for rule, character in [
            ("é", "é"), ("a full-width letter", "Ａ"), ("a zero-width blank", "\u200b"),
            ("a no-break blank", "\u00a0"), ("a byte-order mark", "\ufeff"),
            ("a letter beyond 16 bits", "🦉"), ("a byte of 128", "\u0080")]:
        yield case("at the end " + rule, good + character)
        yield case("in the claims " + rule, head + "." + body[:9] + character + body[9:] + "." + signature)
    yield case("full-width dots", good.replace(".", "．"))
    yield from base64_forms(head, body, signature)


def base64_forms(head, body, signature):
    """Segments that a lenient decoder takes; the first two are signed as they stand."""
    padded_body, padded_head = (
        base64.urlsafe_b64encode(blank_until(1, part)).decode() for part in [claims(), header()])
    yield case("padded header", signed(padded_head + "." + body))
    yield case("padded claims", signed(head + "." + padded_body))
    yield case("padded signature", head + "." + body + "." + signature + "==")
    other = encoded(claims(x="~~~???")).replace("-", "+").replace("_", "/")
    assert "+" in other or "/" in other
    yield case("standard alphabet in the claims", signed(head + "." + other))
    odd = next(made for n in range(99) for made in [token(None, claims(n=n))] if set("-_") & set(made.split(".")[2]))
    front, tail = odd.rsplit(".", 1)
    yield case("standard alphabet in the signature", front + "." + tail.replace("-", "+").replace("_", "/"))
    yield case("left-over bits in the header", signed(with_left_over_bits(padded_head.rstrip("=")) + "." + body))
    yield case("left-over bits in the claims", signed(head + "." + with_left_over_bits(padded_body.rstrip("="))))
    yield case("left-over bits in the signature", head + "." + body + "." + with_left_over_bits(signature))
    yield case("a lone digit at the end of the header", signed(
        encoded(blank_until(0, header())) + "A" + "." + body))
    yield case("blank inside the claims, signed", signed(head + "." + body[:40] + " " + body[40:]))
    yield case("line end inside the claims, signed", signed(head + "." + body[:40] + "\n" + body[40:]))


def blank_until(remainder, value):
    """JSON with as many blanks behind as give its bytes a remainder by 3."""
    text = dense(value).encode()
    return text + b" " * ((remainder - len(text)) % 3)


def with_left_over_bits(segment):
    """The segment with a bit set that no byte has."""
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    assert len(segment) % 4 in (2, 3)
    return segment[:-1] + digits[digits.index(segment[-1]) + 1]


def headers():
    """Rule 2: the header's three members."""
    for alg in ["none", "None", "NONE", "nOnE", "HS256", "HS384", "HS512", "ES256", "ES512", "RS256", "PS512",
                "Ed25519", "Ed448", "eddsa", "EDDSA", "EdDSA ", "", None, True, 1, ["EdDSA"], {"EdDSA": True}, ...]:
        yield case("alg %s over a true signature" % shown(alg), token(header(alg=alg)))
    for alg in ["none", "None", "NONE"]:
        yield case("alg %s and no signature" % alg, with_signature(b"", header(alg=alg)))
    public = KEYS["one"].public
    for alg, digest in [("HS256", hashlib.sha256), ("HS512", hashlib.sha512), ("EdDSA", hashlib.sha512)]:
        yield case("%s under the public key as secret" % alg, with_mac(public, digest, alg))
        yield case("%s under the public key's text as secret" % alg, with_mac(base64url(public).encode(), digest, alg))
    yield case("HS256 under the key set as secret", with_mac(dense(JWKS).encode(), hashlib.sha256, "HS256"))
    yield case("HS256 under an empty secret", with_mac(b"", hashlib.sha256, "HS256"))
    for kid in ["unknown", "", KID["one"].upper(), KID["one"] + " ", KID["one"] + "\0", "../../../../dev/null",
                "x' UNION SELECT 'secret", "__proto__", "constructor", "toString", "1", None, 0, True, [KID["one"]],
                {"kid": KID["one"]}, ...]:
        yield case("kid %s" % shown(kid), token(header(kid=kid)))
    yield case("kid of the other key", token(header(kid=KID["two"])))
    for typ in ["JWT", "at+JWT", "AT+JWT", "application/at+jwt", "at+jwt ", "at", "logout+jwt", "", None, 1, ["at+jwt"],
                ...]:
        yield case("typ %s" % shown(typ), token(header(typ=typ)))
    stranger = jwk(KEYS["stranger"].public, KID["one"])
    for rule, more in [
            ("crit, empty", {"crit": []}), ("crit of something unknown", {"crit": ["x"], "x": 1}),
            ("crit of exp", {"crit": ["exp"], "exp": NOW + 900}), ("b64 true", {"b64": True}),
            ("b64 false", {"b64": False}), ("b64 false and crit", {"b64": False, "crit": ["b64"]}),
            ("cty", {"cty": "JWT"}), ("zip", {"zip": "DEF"}), ("enc", {"enc": "A256GCM"}),
            ("x5t", {"x5t": "AAAAAAAAAAAAAAAAAAAAAAAAAAA"}), ("Alg beside alg", {"Alg": "none"}),
            ("iss, as encrypted tokens may repeat it", {"iss": ISSUER}), ("an empty name", {"": 1}),
            ("__proto__", {"__proto__": {"alg": "EdDSA"}}), ("nonce", {"nonce": "x"})]:
        yield case("header with " + rule, token(header(**more)))
    for name, value in [("jwk", stranger), ("jku", "https://evil.example/jwks.json"), ("x5c", ["MIIB"]),
                        ("x5u", "https://evil.example/chain.pem")]:
        yield case("header with %s" % name, token(header(**{name: value})))
        yield case("header with %s, signed by a stranger" % name, token(header(**{name: value}), key="stranger"))
    yield from header_texts()


def header_texts():
    """Headers that are twice something, or no JSON object."""
    for raw in ['"alg":"EdDSA"', '"alg":"none"', r'"\u0061lg":"EdDSA"', r'"\u0061\u006cg":"none"',
                '"kid":"%s"' % KID["one"], '"kid":"unknown"', r'"k\u0069d":"%s"' % KID["one"],
                '"typ":"at+jwt"', '"typ":"JWT"']:
        yield case("header again with " + raw, token(with_member(header(), raw)))
    yield case("alg none first, then EdDSA", token('{"alg":"none",' + dense(header())[1:]))
    good = dense(header())
    for rule, raw in [
            ("an empty object", "{}"), ("a list", "[" + good + "]"), ("a list of pairs", dense(list(header().items()))),
            ("text", dense(good)), ("null", "null"), ("a number", "1"), ("blank", " "), ("cut short", good[:-1]),
            ("with a comma too many", good[:-1] + ",}"), ("twice", good + good), ("with something behind", good + "x"),
            ("with a NUL behind", good + "\0"), ("in single quotes", good.replace('"', "'")),
            ("with a comment", "/**/" + good), ("with a byte-order mark", "\ufeff" + good),
            ("in UTF-16", good.encode("utf-16")), ("in UTF-16 without a mark", good.encode("utf-16-le")),
            ("with a broken UTF-8 byte", good.encode()[:-2] + b'\xff"}')]:
        yield case("header " + rule, token(raw))


def signatures():
    """Rule 3: 64 bytes that verify."""
    true = KEYS["one"].sign
    half = (1 << 256) - 1
    for rule, made in [
            ("of zeros", bytes(64)), ("of ones", b"\xff" * 64), ("cut to 63 bytes", lambda text: true(text)[:63]),
            ("without its first byte", lambda text: true(text)[1:]), ("cut to its half", lambda text: true(text)[:32]),
            ("of one byte", b"\0"), ("with a byte more", lambda text: true(text) + b"\0"),
            ("with a byte in front", lambda text: b"\0" + true(text)), ("twice", lambda text: true(text) * 2),
            ("with its halves swapped", lambda text: true(text)[32:] + true(text)[:32]),
            ("in hexadecimal", lambda text: true(text).hex().encode()),
            ("in base64 twice", lambda text: base64url(true(text)).encode()),
            ("of a stranger", KEYS["stranger"].sign), ("of the other key", KEYS["two"].sign),
            ("over the bytes and not their text", lambda text: true((dense(header()) + dense(claims())).encode())),
            ("over the claims alone", lambda text: true(text.split(b".")[1])),
            ("over the text and a dot", lambda text: true(text + b".")), ("over nothing", lambda text: true(b"")),
            ("of Ed25519ctx", lambda text: true(text, b"SigEd25519 no Ed25519 collisions\x00\x01x")),
            ("of Ed25519ph", lambda text: true(
                hashlib.sha512(text).digest(), b"SigEd25519 no Ed25519 collisions\x01\x00")),
            ("with S + L, which is the same number (§5.1.7)", lambda text: plus_order(true(text), 1)),
            ("with S + 2 L", lambda text: plus_order(true(text), 2)),
            ("with S + 15 L", lambda text: plus_order(true(text), 15)),
            ("with S = L", lambda text: true(text)[:32] + ed25519.L.to_bytes(32, "little")),
            ("with S of all ones", lambda text: true(text)[:32] + half.to_bytes(32, "little")),
            ("with S = 0", lambda text: true(text)[:32] + bytes(32)),
            ("with R = 0", lambda text: bytes(32) + true(text)[32:]),
            ("with the key for R", lambda text: KEYS["one"].public + true(text)[32:]),
            ("with R the identity, spelt as p + 1", lambda text: KEYS["one"].sign_with_commitment_of_zero(
                text, (ed25519.P + 1).to_bytes(32, "little"))),
            ("with R the identity, of the wrong sign", lambda text: KEYS["one"].sign_with_commitment_of_zero(
                text, (1 | 1 << 255).to_bytes(32, "little"))),
            ("under a key of small order in the set", None)]:
        if made is None:
            yield case("signature " + rule, with_signature(IDENTITY + bytes(32), header(kid=WEAK_KID)))
        else:
            yield case("signature " + rule, with_signature(made))
    for byte in [0, 15, 31, 32, 47, 63]:
        yield case("signature with byte %d changed" % byte, with_signature(
            lambda text, byte=byte: true(text)[:byte] + bytes([true(text)[byte] ^ 1]) + true(text)[byte + 1:]))
    yield from tampered()


def plus_order(signature, times):
    """The same signature with S raised by the group's order."""
    number = int.from_bytes(signature[32:], "little") + times * ed25519.L
    return signature[:32] + number.to_bytes(32, "little")


def tampered():
    """A true token's signature under something else."""
    head, body, signature = token().split(".")
    for rule, change in [
            ("another subject", {"sub": "admin"}), ("a longer elevation", {"elevated_until": NOW + 86_400}),
            ("a later end", {"exp": NOW + 864_000}), ("another session", {"sid": "5f" * 32}),
            ("a claim more", {"admin": True}), ("a claim less", {"publisher": ...}),
            ("a higher level", {"acr": "cs:2p"}), ("a later proof", {"auth_time": NOW})]:
        yield case("tampered: " + rule, head + "." + encoded(claims(**change)) + "." + signature)
    yield case("tampered: a blank in the claims", head + "." + encoded(dense(claims()) + " ") + "." + signature)
    yield case("tampered: a blank in the header", encoded(dense(header()) + " ") + "." + body + "." + signature)
    yield case("tampered: the other key's id", encoded(header(kid=KID["two"])) + "." + body + "." + signature)


def contents():
    """Rule 4: the claims' shape."""
    for name in TIMES:
        for value in [..., None, str(NOW + 100), -1, 0.5, True, [NOW], {"n": NOW}, 2**53, 2**64, 10**400]:
            yield case("%s %s" % (name, "of 401 digits" if value == 10**400 else shown(value)),
                       token(None, claims(**{name: value})))
        for raw in ["%d.0" % (NOW - 50), "1.0e9", "+1", "01", "0x10", "1_000", "1e400", "NaN", "Infinity"]:
            if name != "exp" and raw in ("+1", "01", "0x10", "1_000"):
                continue
            body = with_member(claims(**{name: ...}), '"%s":%s' % (name, raw))
            yield case("%s written as %s" % (name, raw), token(None, body))
    for value in ["soon", -1, 0.5, None]:
        yield case("nbf %s" % shown(value), token(None, claims(nbf=value)))
    for name in TEXTS:
        for value in [..., None, 1, True, [claims()[name]], {}]:
            yield case("%s %s" % (name, shown(value)), token(None, claims(**{name: value})))
    for value in [..., False, None, 1, "true", "", [], {}, [True]]:
        yield case("elevated %s" % shown(value), token(None, claims(elevated=value)))
    for name in ["acr", "session_acr"]:
        for value in ["cs:3", "CS:2", "cs:2P", "cs:2 ", "cs:", "", "aal2", "2", "urn:cs:2", "constructor"]:
            yield case("%s %s" % (name, shown(value)), token(None, claims(**{name: value})))
    yield from twins()
    yield from texts()


def twins():
    """A member twice, at any depth and in any spelling."""
    for raw in ['"iss":"%s"' % ISSUER, '"sub":"alice"', '"sub":"admin"', '"aud":"%s"' % ISSUER,
                '"exp":%d' % (NOW + 28_700), '"iat":%d' % NOW, '"sid":"%s"' % ("5e" * 32), '"elevated":true',
                '"elevated":false', '"publisher":true', '"groups":["root"]', r'"\u0065xp":%d' % (NOW + 9),
                r'"e\u0078p":%d' % (NOW + 9), r'"su\u0062":"admin"',
                '"own":{"a":1,"a":1}', '"own":{"a":1,"b":2,"a":3}', '"own":[{"a":1,"a":1}]',
                r'"own":{"a":1,"\u0061":1}',
                '"own":{"b":{"c":[[{"d":{"e":1,"e":2}}]]}}', '"own":{"":1,"":2}', '"own":{"__proto__":1,"__proto__":2}',
                '"own":{"é":1,"\\u00e9":2}', '"own":{"/":1,"\\/":2}']:
        yield case("claims again with " + raw, token(None, with_member(claims(), raw)))
    yield case("exp past first, then good", token(None, '{"exp":1,' + dense(claims())[1:]))
    yield case("__proto__ twice", token(None, with_member(claims(), '"__proto__":{},"__proto__":{}')))


def texts():
    """Claims that are no JSON object, or none that JSON's grammar has."""
    good = dense(claims())
    for rule, raw in [
            ("an empty object", "{}"), ("a list", "[" + good + "]"), ("text", dense(good)), ("null", "null"),
            ("a number", str(NOW)), ("true", "true"), ("blank", " "), ("cut short", good[:-1]), ("twice", good + good),
            ("with something behind", good + "x"), ("with a comma behind", good + ","),
            ("with a NUL behind", good + "\0"), ("with a comma too many", good[:-1] + ",}"),
            ("without a comma", good.replace(',"sub"', ' "sub"')),
            ("in single quotes", good.replace('"', "'")), ("with a comment", good + "//"),
            ("with a byte-order mark", "\ufeff" + good), ("in UTF-16", good.encode("utf-16")),
            ("with a broken UTF-8 byte", good.replace("alice", "al\0ice").encode().replace(b"\0", b"\xff")),
            ("with an overlong UTF-8 byte pair", good.encode().replace(b"alice", b"\xc1\xa1lice")),
            ("with a surrogate in UTF-8", good.replace("alice", "\ud800")),
            ("with a vertical tab around", "\v" + good), ("with a form feed around", good + "\f"),
            ("with a no-break blank around", good + "\u00a0"), ("with a line separator around", good + "\u2028")]:
        yield case("claims " + rule, token(None, raw))
    for raw in ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "01", "+1", "-", ".5", "1.", "1e", "0x1",
                "undefined", "True", "nul", "'a'", '"a', r'"\x41"', r'"\u12"', r'"\u12g4"', r'"\ud800"', r'"\udc00x"',
                r'"\ud800A"',
                '"a\tb"', '"a\nb"', '"a\0b"', "[1,]", "[,1]", "[1 2]", "{1:2}", "{a:1}", '{"a"}', '{"a":}',
                '{"a":1,}', "[", "]", "{", ""]:
        yield case("claims with own=%s" % dense(raw), token(None, with_member(claims(), '"own":' + raw)))
    for levels, left, right in [(1000, "[", "]"), (2900, "[", "]"), (800, '{"a":', "}")]:
        middle = "1" if left != "[" else ""
        yield case("claims nested %d levels deep by %s" % (levels, left),
                   token(None, with_member(claims(), '"own":' + left * levels + middle + right * levels)))
    yield case("claims with 2,900 lists that never end", token(None, with_member(claims(), '"own":' + "[" * 2900)))


def parties():
    """Rule 5: whose it is, and for whom."""
    for value in ["https://id.example.com", "http://id.example.org", ISSUER + "/", ISSUER.upper(), ISSUER + ":443",
                  ISSUER[:-1], ISSUER + ".evil.example", "https://id.example.org@evil.example", " " + ISSUER,
                  ISSUER + "\0", "", "id.example.org"]:
        yield case("iss %s" % shown(value), token(None, claims(iss=value)))
        yield case("aud %s" % shown(value), token(None, claims(aud=value)))
    for value in [[ISSUER, "https://shop.example.org"], [], [[ISSUER]], {ISSUER: True}]:
        yield case("aud %s" % dense(value), token(None, claims(aud=value)))


def moments():
    """Rule 6: when."""
    end = NOW + 28_700
    yield case("exp in this second", token(), end)
    yield case("exp a second ago", token(), end + 1)
    yield case("exp a day ago", token(), end + 86_400)
    yield case("exp at 1970", token(None, claims(exp=0)))
    yield case("exp now, while the elevation is on", token(None, claims(exp=NOW)))
    for name in ["iat", "auth_time", "elevation_time", "nbf"]:
        yield case("%s 61 s ahead" % name, token(None, claims(**{name: NOW + 61})))
        yield case("%s at the end of time" % name, token(None, claims(**{name: 2**53 - 1})))
    yield case("all of it 61 s ahead", token(None, claims(iat=NOW + 61, auth_time=NOW + 61, elevation_time=NOW + 61)))


def cases():
    """All of them."""
    yield from form()
    yield from headers()
    yield from signatures()
    yield from contents()
    yield from parties()
    yield from moments()
