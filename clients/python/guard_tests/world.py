"""What the tests share: the vectors, a clock that stands, and a Countersign that answers what it is told to.

Knows: the wire. Must never know: how the guard judges.
"""

import base64
import contextlib
import json
import pathlib

from countersign_guard.guard import Core
from countersign_guard.transport import NoAnswer

VECTORS = pathlib.Path(__file__).resolve().parents[3] / "vectors"
NOW = 1_700_000_000
SID = "5e" * 32
OPAQUE = "0123456789abcdef" * 6
APPLICATION = ("shop", "a-secret-of-the-shop")
BASIC = "Basic " + base64.b64encode(":".join(APPLICATION).encode()).decode()


def vectors(path, least=0):
    """A file of vectors; each has a least number of cases, so that none is lost unseen."""
    with open(VECTORS / path, encoding="utf-8") as file:
        read = json.load(file)
    assert read["source"] and len(read.get("cases", ())) >= least, path
    return read


INSTALLATION = vectors("tokens/installation.json")
GOOD = next(case for case in vectors("tokens/accepted.json")["cases"] if case["rule"] == "elevation is on for 899 s")


def active(**changes):
    """An introspection's answer about the session of the vectors' tokens; `...` leaves a member out."""
    answer = {
        "active": True, "token_type": "Bearer", "iss": INSTALLATION["issuer"], "sub": "alice", "username": "alice",
        "aud": INSTALLATION["audience"], "exp": NOW + 28_700, "iat": NOW - 100, "sid": SID, "auth_time": NOW - 100,
        "acr": "cs:2", "session_acr": "cs:1", "amr": ["pwd", "otp", "mfa"], "elevated": True,
        "elevation_time": NOW - 100, "elevated_until": NOW + 800, "groups": ["staff"], "claims": {"publisher": True}}
    return {name: value for name, value in {**answer, **changes}.items() if value is not ...}


class StandingClock:
    """A clock that moves when it is told to."""

    def __init__(self, now=NOW):
        self.now, self.elapsed = now, 0.0

    def unix_seconds(self):
        return self.now

    def elapsed_s(self):
        return self.elapsed


class StubTransport:
    """Countersign as the guard sees it, without a wire."""

    def __init__(self):
        self.jwks = INSTALLATION["jwks"]
        # The answer to every introspection, or a function of the token.
        self.introspection = {"active": False}
        self.status = 200
        self.is_reachable = True
        self.asked = []

    def exchange(self, method, path, headers, body=None, bytes_max=65_536):
        self.asked.append(path)
        if not self.is_reachable:
            raise NoAnswer("ConnectionRefusedError")
        if path == "/.well-known/jwks.json":
            return self.status, json.dumps(self.jwks).encode()
        assert (method, path, headers["authorization"]) == ("POST", "/oauth/introspect", BASIC)
        answer = self.introspection
        if callable(answer):
            answer = answer(body.removeprefix("token="))
        return self.status, answer if isinstance(answer, bytes) else json.dumps(answer).encode()

    @contextlib.contextmanager
    def stream(self, path, headers, silence_s, opened):
        raise AssertionError("no feed is opened where it was not started")
        yield

    def count(self, path):
        return self.asked.count(path)

    def close(self):
        pass


class World:
    """A guard's core, its Countersign and its clock; the feed says what it is told to."""

    def __init__(self, now=NOW, mode="introspect", **more):
        self.clock, self.transport, self.reports = StandingClock(now), StubTransport(), []
        self.settings = {
            "issuer": INSTALLATION["issuer"], "application": APPLICATION, "mode": mode, "clock": self.clock,
            "transport": self.transport, "report": self.reports.append, **more}
        self.core = Core(**self.settings)

    @classmethod
    def heard(cls, **more):
        """One whose feed has begun to speak, and whose Countersign says that all is well."""
        world = cls(mode="feed", **more)
        world.transport.introspection = active()
        world.clock.elapsed = -1.001
        world.core.feed.begin()
        world.clock.elapsed = 0.0
        world.hear()
        return world

    def hear(self, *lines):
        """The feed says this."""
        return [self.core.feed.take(line) for line in lines or (": on", "")]

    def end(self, session_id=SID):
        """The feed names a session."""
        return self.hear("event: ended", "data: " + session_id, "")[-1]
