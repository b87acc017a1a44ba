"""What Countersign says of a token at this moment (RFC 7662).

Knows: the question, the answer, and for how long an answer holds. Must never know: requests, or what an operation
demands. Questions about one token that come together are asked once.
"""

import threading
from concurrent.futures import Future
from dataclasses import dataclass

from .recent import Recent, digest
from .session import Session, of_answer
from .strict_json import MalformedJson, parse
from .transport import NoAnswer

HOLDS_S = 0.5
_ANSWERS_MAX = 10_000


@dataclass(frozen=True)
class Said:
    """What was said of a token that is worth something."""

    issuer: object
    audience: object
    session: Session


class Introspection:
    """The one who asks."""

    def __init__(self, authorization, transport, clock):
        self._headers = {
            "authorization": authorization, "accept": "application/json",
            "content-type": "application/x-www-form-urlencoded"}
        self._transport, self._clock = transport, clock
        self._lock = threading.Lock()
        self._answers = Recent(_ANSWERS_MAX)

    def known(self, token):
        """The future of an answer that still holds, or None."""
        asked, answer = self._answers.get(digest(token), (float("-inf"), None))
        return answer if self._clock.elapsed_s() - asked <= HOLDS_S else None

    def ask(self, token):
        """What is said of a token, or None where it is worth nothing. Raises `NoAnswer`. Blocks."""
        with self._lock:
            answer = self.known(token)
            if answer is None:
                mine = Future()
                self._answers[digest(token)] = (self._clock.elapsed_s(), mine)
        if answer is not None:
            return answer.result()
        try:
            mine.set_result(self._ask(token))
        except BaseException as failure:
            # What failed is asked again by the next request.
            with self._lock:
                if self._answers.get(digest(token), (0, None))[1] is mine:
                    del self._answers[digest(token)]
            mine.set_exception(failure)
        return mine.result()

    def _ask(self, token):
        status, data = self._transport.exchange("POST", "/oauth/introspect", self._headers, "token=" + token)
        if status == 401:
            raise NoAnswer("introspection: the application's name or secret is not known there")
        if status != 200:
            raise NoAnswer("introspection answered %d" % status)
        try:
            answer = parse(data)
        except MalformedJson:
            raise NoAnswer("introspection answered no JSON") from None
        active = answer.get("active") if isinstance(answer, dict) else None
        if active is False:
            return None
        session = of_answer(answer) if active is True else None
        if session is None:
            raise NoAnswer("introspection answered nothing that Countersign says")
        return Said(answer.get("iss"), answer.get("aud"), session)
