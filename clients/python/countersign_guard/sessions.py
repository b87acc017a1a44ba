"""Which session a token speaks of, and whether it lives: the way from a text to a `Session`.

Knows: docs/protocol/tokens.md, "The session behind it". Must never know: requests and answers; those are `asgi` and
`answers`. Raises `Worthless` for a token that counts for nothing and `Undecidable` where nobody can say.
"""

import re
import threading

from .judgement import AHEAD_SECONDS_MAX
from .keys import NoKeys
from .recent import Recent, digest
from .session import of_claims
from .token import Worthless, is_compact, key_id, read
from .transport import NoAnswer

# A session token, or an API token.
_OPAQUE = re.compile("[0-9a-f]{96}|cs_api_[0-9a-f]{64}")
_VOUCHED_MAX = 10_000


class Undecidable(Exception):
    """Countersign is out of reach or can't say."""


class Sessions:
    """Where tokens are turned into sessions. Without a feed each token is introspected."""

    def __init__(self, issuer, audience, shared_key, keys, introspection, feed, clock, report):
        self._issuer, self._audience, self._shared_key = issuer, audience, shared_key
        self._keys, self._introspection, self._feed = keys, introspection, feed
        self._clock, self._report = clock, report
        self._lock = threading.Lock()
        # Tokens that were introspected once in this hearing.
        self._vouched = Recent(_VOUCHED_MAX)
        self._hearing = None

    def known(self, token):
        """The living session of a token where that can be told without asking, else None. Never blocks."""
        if self._is_offline(token):
            key = self._shared_key or self._keys.known(key_id(token, "EdDSA"))
            return None if key is None else self._vouched_for(token, self._claims(token, key))
        answer = self._introspection.known(token)
        is_there = answer is not None and answer.done() and answer.exception() is None
        return self._judged(token, answer.result()) if is_there else None

    def find(self, token):
        """The living session of a token. Blocks."""
        if not self._is_offline(token):
            return self._ask(token)
        try:
            key = self._shared_key or self._keys.find(key_id(token, "EdDSA"))
        except NoKeys:
            return self._ask(token)
        if key is None:
            raise Worthless("of an unknown key")
        claims = self._claims(token, key)
        session = self._vouched_for(token, claims)
        if session is not None:
            return session
        hearing, is_heard = self._feed.hearing, self._feed.is_heard()
        # Before, the answer may be of a moment before the feed was opened.
        is_settled = self._feed.is_settled()
        session = self._ask(token)
        with self._lock:
            if is_heard and is_settled and self._hearing is hearing is self._feed.hearing and session.id == claims["sid"]:
                self._vouched[digest(token)] = True
        return session

    def _is_offline(self, token):
        """Whether a token is checked by itself; refuses what can't be a token."""
        is_opaque = _OPAQUE.fullmatch(token) is not None
        if not is_opaque and not is_compact(token):
            raise Worthless("no token")
        return not is_opaque and self._feed is not None

    def _claims(self, token, key):
        if self._shared_key is not None:
            key_id(token, "HS256")
        return read(token, key, self._issuer, self._audience, self._clock.unix_seconds())

    def _vouched_for(self, token, claims):
        """The session of good claims where the feed speaks for it, else None."""
        if not self._feed.is_heard():
            return None
        hearing = self._feed.hearing
        if claims["sid"] in hearing.ended:
            raise Worthless("the session is over")
        with self._lock:
            if self._hearing is not hearing:
                self._hearing = hearing
                self._vouched.clear()
            # Its maker's clock may be ahead of ours; only what is younger by more was made under this feed's eyes.
            is_vouched = claims["iat"] > hearing.opened_at + AHEAD_SECONDS_MAX or digest(token) in self._vouched
        return of_claims(claims) if is_vouched else None

    def _ask(self, token):
        try:
            said = self._introspection.ask(token)
        except NoAnswer as failure:
            self._report(str(failure))
            raise Undecidable from None
        return self._judged(token, said)

    def _judged(self, token, said):
        if said is None:
            raise Worthless("not active")
        if said.issuer != self._issuer:
            raise Worthless("of another issuer")
        if not _OPAQUE.fullmatch(token) and said.audience != self._audience:
            raise Worthless("for another audience")
        if said.session.expires_at <= self._clock.unix_seconds():
            raise Worthless("over")
        if self._feed is not None and said.session.id in self._feed.hearing.ended:
            raise Worthless("the session is over")
        return said.session
