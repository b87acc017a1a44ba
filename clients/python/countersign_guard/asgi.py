"""The guard in Starlette and FastAPI: dependencies, decorators, and routes of which none is open by oversight.

Knows: requests, answers and both frameworks' lists of routes. Must never know: how a token is judged; that is
`sessions`. FastAPI need not be installed.
"""

import contextlib
import functools
import inspect

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.websockets import WebSocket

from .guard import Core, Refused
from .requirement import demand_that, requirement_of
from .routes import check_routes, declare
from .session import Session

# Where an application's guard is found by decorators that were written before there was one.
_STATE = "countersign"
_POLICY_VIOLATION = 1008


class Posture:
    """Who may pass: a FastAPI dependency that answers the session."""

    def __init__(self, guard, requirement, further=None):
        self._guard, self._requirement, self._further = guard, requirement, further

    async def __call__(self, connection: HTTPConnection) -> Session:
        core = self._guard.core
        authorization = connection.headers.getlist("authorization")
        session = core.known(authorization)
        if session is None:
            session = await run_in_threadpool(core.find, authorization)
        core.check_privileges(session, self._requirement)
        if self._further is not None:
            await self._further(connection, session)
        core.check_strength(session, self._requirement)
        return session


class Open:
    """Everybody may pass, and the route says so."""

    async def __call__(self) -> None:
        return None


class Guard:
    """The guard of an application. Takes the settings of `Core`.

    `public`, `session` and `elevated` are dependencies as they stand; the others make one.
    """

    def __init__(self, **settings):
        self.core = Core(**settings)
        self.public = Open()
        self.session = self.require()
        self.elevated = self.require(elevated=True)

    def require(self, **requirement):
        """Lets through whom all of a requirement is met by."""
        return Posture(self, self._requirement(requirement))

    def claim(self, name, value=True):
        """Asks for a claim of this type and value."""
        return self.require(claims=[(name, value)])

    def elevated_claim(self, name, value=True):
        """Asks for a claim and an elevation."""
        return self.require(elevated=True, claims=[(name, value)])

    def group(self, name):
        """Asks for a group."""
        return self.require(groups=[name])

    def fresh(self, seconds):
        """Asks for a code of at most so many seconds of age, elevated or not."""
        demand_that(seconds is not None, "fresh: how many seconds old a code may be")
        return self.require(level="cs:2", max_age=seconds)

    def owner(self, owner_of, *, otherwise=404, administrators=(), **requirement):
        """Lets the owner through, whose name `owner_of(request)` tells, and the administrators named."""
        async def names_of(connection):
            return [await _called(owner_of, connection)]
        return self._one_of(names_of, owner_of, otherwise, administrators, requirement)

    def participant(self, participants_of, *, otherwise=404, administrators=(), **requirement):
        """Lets those through whose names `participants_of(request)` lists, and the administrators named."""
        async def names_of(connection):
            return await _called(participants_of, connection)
        return self._one_of(names_of, participants_of, otherwise, administrators, requirement)

    def _one_of(self, names_of, given, otherwise, administrators, requirement):
        demand_that(callable(given), "whose something is: a function of the request")
        demand_that(otherwise in (404, 403), "otherwise: 404 or 403")
        demand_that(isinstance(administrators, (list, tuple, set, frozenset)), "administrators: a list of names")

        async def further(connection, session):
            self.core.check_owner(session, await names_of(connection), administrators, otherwise)
        return Posture(self, self._requirement(requirement), further)

    def _requirement(self, asked):
        try:
            return requirement_of(**{"step_up_status": self.core.step_up_status, **asked})
        except TypeError as error:
            demand_that(False, "no such requirement: %s" % error)

    def protect(self, app, public=()):
        """Puts the guard before an application, and returns it.

        When the application starts, every route has to say who may pass; `public` lists paths of those that can't, such
        as `/docs` or a mount of static files. Call it last, so that no middleware answers in its place.
        """
        setattr(app.state, _STATE, self)
        app.add_exception_handler(Refused, _answer)
        app.router.lifespan_context = self._lifespan(app, app.router.lifespan_context, frozenset(public))
        app.add_middleware(_Started, guard=self)
        return app

    def _lifespan(self, app, inner, public):
        @contextlib.asynccontextmanager
        async def lifespan(scope_app):
            check_routes(app, public, (Posture, Open))
            self.core.start()
            self.is_started = True
            try:
                async with inner(scope_app) as state:
                    yield state
            finally:
                self.is_started = False
                await run_in_threadpool(self.core.close)
        return lifespan

    is_started = False


class _Started:
    """Lets no request through before the routes were checked, as where a server leaves the lifespan out."""

    def __init__(self, app, guard):
        self._app, self._guard = app, guard

    async def __call__(self, scope, receive, send):
        demand_that(
            scope["type"] == "lifespan" or self._guard.is_started,
            "the guard was not started: the server has to run the application's lifespan")
        await self._app(scope, receive, send)


async def _answer(connection, refused):
    answer = refused.answer
    if isinstance(connection, WebSocket):
        await connection.close(_POLICY_VIOLATION)
        return None
    return JSONResponse(answer.body, answer.status, answer.headers)


async def _called(function, *arguments):
    answer = function(*arguments)
    return await answer if inspect.isawaitable(answer) else answer


def allow_public(handler):
    """Says that a handler is for everybody."""
    return declare(handler)


def require_session(handler):
    """Lets through who is signed in."""
    return _guarded(handler, {})


def require_elevated_session(handler):
    """Lets through who is elevated."""
    return _guarded(handler, {"elevated": True})


def require_claim(name, value=True):
    """Lets through who has a claim of this type and value."""
    return lambda handler: _guarded(handler, {"claims": [(name, value)]})


def require_elevated_claim(name, value=True):
    """Lets through who has a claim and is elevated."""
    return lambda handler: _guarded(handler, {"elevated": True, "claims": [(name, value)]})


def require_fresh(seconds):
    """Lets through who proved it by a code at most so many seconds ago."""
    return lambda handler: _guarded(handler, {"level": "cs:2", "max_age": seconds})


def _guarded(handler, requirement):
    # Refused here and now where it could never be met; what the guard itself sets is not known yet.
    requirement_of(step_up_status=403, **requirement)

    @functools.wraps(handler)
    async def guarded(*arguments, **named):
        connections = [each for each in (*arguments, *named.values()) if isinstance(each, HTTPConnection)]
        demand_that(connections, "%s: the handler has to take the request" % handler.__qualname__)
        connection = connections[0]
        guard = getattr(connection.app.state, _STATE, None)
        demand_that(guard is not None, "the application has no guard; call guard.protect(app)")
        connection.state.countersign = await guard.require(**requirement)(connection)
        if inspect.iscoroutinefunction(handler):
            return await handler(*arguments, **named)
        return await run_in_threadpool(handler, *arguments, **named)
    return declare(guarded)
