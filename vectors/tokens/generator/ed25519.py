"""Ed25519 (RFC 8032 §5.1) as the standard writes it, over Python's integers.

Knows: signing, and the arithmetic that forgeries need. Must never know: tokens. It is slow and leaks its keys by time,
which is no harm where every key is public; nothing but these vectors may use it.
"""

import hashlib

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)
IDENTITY = (0, 1)


def add(a, b):
    """The sum of two points, by the complete formulas of §5.1.4 in affine form."""
    (x1, y1), (x2, y2) = a, b
    product = D * x1 * x2 * y1 * y2 % P
    x = (x1 * y2 + x2 * y1) * pow(1 + product, -1, P)
    y = (y1 * y2 + x1 * x2) * pow(1 - product, -1, P)
    return x % P, y % P


def times(scalar, point):
    """A multiple of a point."""
    result = IDENTITY
    while scalar:
        if scalar & 1:
            result = add(result, point)
        point = add(point, point)
        scalar >>= 1
    return result


def x_of(y, sign):
    """The x of a point (§5.1.3), or None where the curve has none."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * ROOT_OF_MINUS_ONE % P
    if x * x % P != square or (x == 0 and sign):
        return None
    return P - x if x & 1 != sign else x


BASE_Y = 4 * pow(5, -1, P) % P
BASE = (x_of(BASE_Y, 0), BASE_Y)


def encode(point):
    """A point in 32 bytes (§5.1.2)."""
    x, y = point
    return (y | (x & 1) << 255).to_bytes(32, "little")


def number(*parts):
    """SHA-512 as a scalar."""
    return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little") % L


class Key:
    """A private key, made of its 32 bytes."""

    def __init__(self, seed):
        digest = hashlib.sha512(seed).digest()
        scalar = int.from_bytes(digest[:32], "little")
        self.scalar = scalar & (1 << 254) - 8 | 1 << 254
        self.prefix = digest[32:]
        self.public = encode(times(self.scalar, BASE))

    def sign(self, message, domain=b""):
        """The signature; a domain makes it one of Ed25519ctx (§5.1), which is not Ed25519."""
        nonce = number(domain, self.prefix, message)
        commitment = encode(times(nonce, BASE))
        challenge = number(domain, commitment, self.public, message)
        return commitment + ((nonce + challenge * self.scalar) % L).to_bytes(32, "little")

    def sign_with_commitment_of_zero(self, message, commitment):
        """A signature whose R is the identity in some spelling: S is then k times the key."""
        challenge = number(commitment, self.public, message)
        return commitment + (challenge * self.scalar % L).to_bytes(32, "little")
