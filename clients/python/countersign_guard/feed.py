"""The feed of ended sessions, kept open as long as the application runs.

Knows: server-sent events, silence, and how often a lost feed is opened again. Must never know: tokens. A feed that
opens anew begins with nothing known, so it is another `Hearing`; what was learned under one counts under no other.
"""

import re
import threading

from .transport import NoAnswer

# A feed that was silent for longer says nothing any more.
SILENCE_S_MAX = 1.0
# Ended sessions that are remembered. Beyond, the feed counts as opened at that moment.
ENDED_MAX = 100_000
_RETRY_S_MIN = 0.25
_RETRY_S_MAX = 5.0
_SESSION_ID = re.compile("[0-9a-f]{64}")


class Hearing:
    """What was heard since the feed was opened at a moment in Unix seconds."""

    def __init__(self, opened_at):
        self.opened_at = opened_at
        self.ended = set()


class Feed:
    """What the feed has said. One thread listens and others ask: they see one hearing or the next, and no mixture."""

    def __init__(self, clock):
        self._clock = clock
        self._heard = float("-inf")
        self._opened = float("inf")
        self._event = self._data = ""
        self.hearing = Hearing(float("inf"))

    def is_heard(self):
        """Whether it speaks for the sessions that end."""
        return self._clock.elapsed_s() - self._heard <= SILENCE_S_MAX

    def is_settled(self):
        """Whether it was opened longer ago than an answer of Countersign can be old."""
        return self._clock.elapsed_s() - self._opened > SILENCE_S_MAX

    def begin(self):
        """It was opened."""
        self._event = self._data = ""
        self._opened = self._clock.elapsed_s()
        self.hearing = Hearing(self._clock.unix_seconds())

    def lose(self):
        """It can't be heard any more."""
        self._heard = float("-inf")

    def take(self, line):
        """Takes one line; False where it is none that Countersign says."""
        self._heard = self._clock.elapsed_s()
        if line.startswith("event:"):
            self._event = line.removeprefix("event:").strip()
        elif line.startswith("data:"):
            self._data = line.removeprefix("data:").strip()
        if line:
            return True
        is_end, session_id = self._event == "ended", self._data
        self._event = self._data = ""
        return not is_end or self._end(session_id)

    def _end(self, session_id):
        if not _SESSION_ID.fullmatch(session_id):
            return False
        if len(self.hearing.ended) >= ENDED_MAX:
            self.begin()
        self.hearing.ended.add(session_id)
        return True


class Listener:
    """The thread that keeps the feed open."""

    def __init__(self, feed, authorization, transport, report):
        self._feed, self._transport, self._report = feed, transport, report
        self._headers = {"authorization": authorization, "accept": "text/event-stream"}
        self._is_closed = threading.Event()
        self._shut = None
        self._retry_s = _RETRY_S_MIN
        self._thread = threading.Thread(target=self._run, name="countersign-feed", daemon=True)

    def start(self):
        """Begins to listen."""
        self._thread.start()

    def close(self):
        """Ends the feed and waits until it has ended."""
        self._is_closed.set()
        if self._shut is not None:
            self._shut()
        self._thread.join()

    def _opened(self, shut):
        self._shut = shut
        if self._is_closed.is_set():
            shut()

    def _run(self):
        while not self._is_closed.is_set():
            try:
                self._listen()
            except NoAnswer as failure:
                if not self._is_closed.is_set():
                    self._report("revocation feed: %s" % failure)
            finally:
                self._feed.lose()
            self._is_closed.wait(self._retry_s)
            self._retry_s = min(2 * self._retry_s, _RETRY_S_MAX)

    def _listen(self):
        with self._transport.stream("/oauth/revocations", self._headers, SILENCE_S_MAX, self._opened) as answer:
            status, media_type, lines = answer
            if status != 200 or media_type != "text/event-stream":
                raise NoAnswer("answered %d" % status)
            self._feed.begin()
            for line in lines:
                if not self._feed.take(line):
                    raise NoAnswer("said what Countersign does not say")
                self._retry_s = _RETRY_S_MIN
