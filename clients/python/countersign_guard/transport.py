"""How Countersign is reached: HTTPS with the authorities that are trusted, and plain HTTP on this machine alone.

Knows: sockets, limits and the time an answer may take. Must never know: what is asked. No redirect is followed, because
credentials go along. Tests and other networks put something with the same methods in its place.
"""

import contextlib
import http.client
import queue
import ssl
import time

_IDLE_MAX = 16
_TIMEOUT_S = 3
# The feed may take this long to open; afterwards silence is judged by the second.
_OPENING_S = 5
LINE_BYTES_MAX = 4096


class NoAnswer(Exception):
    """No whole answer came."""


class Transport:
    """The way to one server."""

    def __init__(self, url, ca=None):
        self._url = url
        self._context = None
        if url.scheme == "https":
            self._context = ssl.create_default_context(cadata=ca)
        self._idle = queue.LifoQueue(_IDLE_MAX)

    def exchange(self, method, path, headers, body=None, bytes_max=65_536):
        """One exchange: status and body, or `NoAnswer`."""
        asked = method, self._url.path.rstrip("/") + path, body, headers
        try:
            with contextlib.suppress(queue.Empty, ConnectionError, http.client.BadStatusLine):
                # A kept connection may be closed by the other side in the very moment it is used again.
                return self._exchange(self._idle.get_nowait(), asked, bytes_max)
            return self._exchange(self._connection(_TIMEOUT_S), asked, bytes_max)
        except (OSError, http.client.HTTPException) as error:
            raise NoAnswer(type(error).__name__) from None

    def _exchange(self, connection, asked, bytes_max):
        with contextlib.ExitStack() as stack:
            stack.callback(connection.close)
            connection.request(*asked)
            with connection.getresponse() as response:
                data = _whole(response, bytes_max)
            # It is given back only where nothing of this answer is left in it.
            if not response.will_close:
                with contextlib.suppress(queue.Full):
                    self._idle.put_nowait(connection)
                    stack.pop_all()
            return response.status, data

    @contextlib.contextmanager
    def stream(self, path, headers, silence_s, opened):
        """An answer without end: status, media type, and an iterator of its lines, which ends with `NoAnswer`.

        `opened` is given what closes it from another thread.
        """
        connection = self._connection(_OPENING_S)
        try:
            connection.connect()
            sock = connection.sock
            opened(lambda: _shut(sock))
            connection.request("GET", self._url.path.rstrip("/") + path, headers=headers)
            with connection.getresponse() as response:
                sock.settimeout(silence_s)
                yield response.status, response.headers.get_content_type(), _lines(response)
        except (OSError, http.client.HTTPException) as error:
            raise NoAnswer(type(error).__name__) from None
        finally:
            connection.close()

    def _connection(self, timeout_s):
        host, port = self._url.hostname, self._url.port
        if self._context is None:
            return http.client.HTTPConnection(host, port or 80, timeout=timeout_s)
        return http.client.HTTPSConnection(host, port or 443, timeout=timeout_s, context=self._context)

    def close(self):
        """Lets go of all idle connections."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._idle.get_nowait().close()


def _whole(response, bytes_max):
    """The whole body, or `NoAnswer` where it is too long or too slow."""
    deadline = time.monotonic() + _TIMEOUT_S
    data = b""
    while piece := response.read1(bytes_max):
        data += piece
        if len(data) > bytes_max:
            raise NoAnswer("an answer of more than %d bytes" % bytes_max)
        if time.monotonic() > deadline:
            raise NoAnswer("an answer of more than %d s" % _TIMEOUT_S)
    if response.length not in (0, None):
        raise http.client.IncompleteRead(data)
    return data


def _shut(sock):
    with contextlib.suppress(OSError):
        sock.shutdown(2)


def _lines(response):
    while True:
        line = response.readline(LINE_BYTES_MAX)
        if not line.endswith(b"\n"):
            raise NoAnswer("closed" if len(line) < LINE_BYTES_MAX else "a line without end")
        yield line.decode("latin-1").rstrip("\r\n")
