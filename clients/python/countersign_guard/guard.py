"""The guard of one application: its settings, and the one question that every operation asks.

Knows: the settings and what they are put together to. Must never know: any web framework; that is `asgi`. Read
`sessions` for the way of a token, `token` for what makes one worthless.
"""

import base64
import logging
import re
import time
import urllib.parse
from importlib.util import find_spec

from .answers import NOBODY, UNDECIDABLE, WORTHLESS, not_owner, step_up, unprivileged
from .feed import Feed, Listener
from .introspection import Introspection
from .keys import Keys
from .recent import Recent
from .requirement import demand_that
from .sessions import Sessions, Undecidable
from .token import Worthless
from .transport import Transport

_SHARED_KEY_BYTES_MIN = 32
_REPORTS_MAX = 100
_VISIBLE = re.compile(r"[!-~]+")
_BEARER = re.compile(r"bearer(?: (.*))?", re.IGNORECASE | re.DOTALL | re.ASCII)


class MachineClock:
    """The machine's clocks."""

    @staticmethod
    def unix_seconds():
        """What time it is."""
        return int(time.time())

    @staticmethod
    def elapsed_s():
        """Seconds since some moment, whoever sets the time meanwhile."""
        return time.monotonic()


class Refused(Exception):
    """Who asks may not; `answer` is what they are told."""

    def __init__(self, answer):
        super().__init__(answer.body["error"])
        self.answer = answer


class Core:
    """Judges the headers of requests. `start` opens the feed, `close` ends it."""

    def __init__(
            self, *, issuer, application, audience=None, url=None, mode="feed", shared_key=None, ca=None,
            step_up_status=403, step_up_url="/auth/totp/step-up", report=None, clock=None, transport=None):
        audience = issuer if audience is None else audience
        demand_that(_is_base(issuer), "issuer: https://HOST, without a slash at the end")
        demand_that(isinstance(audience, str) and audience != "", "audience: a text")
        demand_that(mode in ("feed", "introspect"), "mode: feed or introspect")
        demand_that(step_up_status in (403, 401), "step_up_status: 403 or 401")
        is_long = shared_key is None or (isinstance(shared_key, bytes) and len(shared_key) >= _SHARED_KEY_BYTES_MIN)
        demand_that(is_long, "shared_key: at least %d bytes" % _SHARED_KEY_BYTES_MIN)
        demand_that(
            mode == "introspect" or shared_key is not None or find_spec("cryptography") is not None,
            "mode: feed checks signatures by the package cryptography, which is not installed; install it, or choose "
            "introspect")
        address = _address(issuer if url is None else url)
        self.step_up_status, self._step_up_url = step_up_status, step_up_url
        self._clock = MachineClock() if clock is None else clock
        self._transport = Transport(address, ca) if transport is None else transport
        report = _warn_once() if report is None else report
        authorization = _basic(application)
        self.feed = Feed(self._clock) if mode == "feed" else None
        self._sessions = Sessions(
            issuer, audience, shared_key, Keys(self._transport, self._clock, report),
            Introspection(authorization, self._transport, self._clock), self.feed, self._clock, report)
        self._listener = None
        if self.feed is not None:
            self._listener = Listener(self.feed, authorization, self._transport, report)

    def start(self):
        """Begins to listen to the feed, where there is one."""
        if self._listener is not None:
            self._listener.start()

    def close(self):
        """Ends the feed and lets go of all connections."""
        if self._listener is not None:
            self._listener.close()
        self._transport.close()

    def known(self, authorization):
        """The session of a request's Authorization headers where nobody has to be asked, else None. Never blocks."""
        return _outcome(self._sessions.known, authorization)

    def find(self, authorization):
        """The session of a request's Authorization headers, or `Refused`. Blocks."""
        return _outcome(self._sessions.find, authorization)

    def check_privileges(self, session, requirement):
        """Refuses whom a claim or a group is missing."""
        _refuse(unprivileged(session, requirement))

    def check_strength(self, session, requirement):
        """Refuses who has to prove it again."""
        _refuse(step_up(session, requirement, self._clock.unix_seconds(), self._step_up_url))

    @staticmethod
    def check_owner(session, names, administrators, otherwise):
        """Refuses who is none of these; an empty list is nobody."""
        def is_one(listed):
            is_list = isinstance(listed, (list, tuple, set, frozenset))
            return is_list and session.subject != "" and session.subject in listed
        if not is_one(names) and not is_one(administrators):
            raise Refused(not_owner(otherwise))


def _refuse(answer):
    if answer is not None:
        raise Refused(answer)


def _outcome(find, authorization):
    try:
        if len(authorization) > 1:
            raise Worthless("two Authorization headers")
        bearer = _BEARER.fullmatch(authorization[0]) if authorization else None
        if bearer is None:
            raise Refused(NOBODY)
        return find(bearer[1] or "")
    except Worthless:
        raise Refused(WORTHLESS) from None
    except Undecidable:
        raise Refused(UNDECIDABLE) from None


def _is_base(text):
    try:
        url = urllib.parse.urlsplit(text if isinstance(text, str) else "")
    except ValueError:
        return False
    return url.scheme in ("https", "http") and bool(url.hostname) and not text.endswith("/")


def _address(text):
    """Where Countersign is reached: its secrets go over TLS, or do not leave the machine."""
    demand_that(_is_base(text.rstrip("/") if isinstance(text, str) else text), "url: https://HOST:PORT")
    url = urllib.parse.urlsplit(text)
    is_here = url.hostname in ("localhost", "::1") or re.fullmatch(r"127(\.\d{1,3}){3}", url.hostname)
    demand_that(
        url.scheme == "https" or is_here,
        "url: https://, for http:// would show the application's secret to whoever listens; "
        "http:// is for this machine alone (localhost, 127.0.0.0/8, [::1])")
    return url


def _basic(application):
    """RFC 7617; a colon would end the name early."""
    is_pair = isinstance(application, (list, tuple)) and len(application) == 2
    is_given = is_pair and all(isinstance(text, str) and _VISIBLE.fullmatch(text) for text in application)
    demand_that(
        is_given and ":" not in application[0],
        "application: (name, secret), as `countersign app add` prints them")
    return "Basic " + base64.b64encode(":".join(application).encode()).decode()


def _warn_once():
    """Says each thing once, for whoever operates the application."""
    said = Recent(_REPORTS_MAX)
    logger = logging.getLogger("countersign_guard")

    def report(message):
        if message not in said:
            said[message] = True
            logger.warning(message)
    return report
