"""A mapping that holds so many entries and no more; the oldest goes first.

Knows: order of arrival. Must never know: what it holds. Tokens are kept as digests, so that a dump of the memory shows
none that nobody uses any more.
"""

import hashlib


def digest(token):
    """A token's name in a mapping."""
    return hashlib.sha256(token.encode()).digest()


class Recent(dict):
    """The bounded mapping. Whoever shares it between threads holds a lock."""

    def __init__(self, most):
        super().__init__()
        self._most = most

    def __setitem__(self, name, value):
        self.pop(name, None)
        if len(self) >= self._most:
            del self[next(iter(self))]
        super().__setitem__(name, value)
