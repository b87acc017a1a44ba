"""Guards a web application by Countersign: who is signed in, how strongly, how lately, with which claims.

Knows: what stands by itself, on the standard library. Must never know: any web framework; for Starlette and FastAPI
there is `asgi`. Read `guard` for the settings, `sessions` for the way of a token.
"""

from .guard import Core, Refused
from .requirement import WrongSetting
from .session import Session

__all__ = ["Core", "Refused", "Session", "WrongSetting"]
