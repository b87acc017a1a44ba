"""Finds routes that do not say who may pass.

Knows: the kinds of routes that Starlette and FastAPI have. Must never know: sessions. A kind that it does not know
counts as undeclared: what can't be read is not open.
"""

import inspect

from starlette.endpoints import HTTPEndpoint
from starlette.routing import Host, Mount, Route, WebSocketRoute

from .requirement import WrongSetting

_MARK = "__countersign_declared__"
_METHODS = ("get", "head", "post", "put", "patch", "delete", "options")


def declare(handler):
    """Marks a handler as one that says who may pass."""
    setattr(handler, _MARK, True)
    return handler


def check_routes(app, public, postures):
    """Refuses an application with a route that is neither declared nor listed as public."""
    undeclared = [name for name in _undeclared(app.router, "", public, postures)]
    if undeclared:
        raise WrongSetting(
            "these routes do not say who may pass: %s; give each a dependency or decorator of the guard, or "
            "list its path under `public`" % ", ".join(undeclared))


def _undeclared(router, prefix, public, postures):
    # FastAPI keeps front ends beside the other routes.
    routes = [*router.routes, *getattr(router, "_low_priority_routes", ())]
    for route in routes:
        path = prefix + getattr(route, "path", "")
        included = getattr(route, "original_router", None)
        if path in public and path:
            continue
        if included is not None:
            yield from _included(route, included, prefix, public, postures)
        elif isinstance(route, (Mount, Host)) and route.routes:
            yield from _undeclared(route, path, public, postures)
        elif not _is_declared(route, postures):
            yield "%s %s" % ("/".join(sorted(getattr(route, "methods", None) or ["any"])), path or type(route).__name__)


def _included(route, router, prefix, public, postures):
    """A router within, as newer FastAPI keeps it; its dependencies count for all that is in it."""
    context = route.include_context
    is_guarded = any(isinstance(dependency.dependency, postures) for dependency in context.dependencies)
    if not is_guarded:
        yield from _undeclared(router, prefix + context.prefix, public, postures)
        return
    # They are dependencies of FastAPI's own routes alone; plain ones within are declared by themselves.
    for name, inner in _plain(router, prefix + context.prefix):
        if not _is_declared(inner, postures) and name not in public:
            yield name


def _plain(router, prefix):
    for route in [*router.routes, *getattr(router, "_low_priority_routes", ())]:
        included = getattr(route, "original_router", None)
        if included is not None:
            yield from _plain(included, prefix + route.include_context.prefix)
        elif not hasattr(route, "dependant"):
            yield prefix + getattr(route, "path", type(route).__name__), route


def _is_declared(route, postures):
    dependant = getattr(route, "dependant", None)
    if dependant is not None and _has_posture(dependant, postures):
        return True
    endpoint = getattr(route, "endpoint", None) if isinstance(route, (Route, WebSocketRoute)) else None
    if inspect.isclass(endpoint) and issubclass(endpoint, HTTPEndpoint):
        handlers = [getattr(endpoint, method) for method in _METHODS if hasattr(endpoint, method)]
        return bool(handlers) and all(hasattr(handler, _MARK) for handler in handlers)
    return endpoint is not None and hasattr(endpoint, _MARK)


def _has_posture(dependant, postures):
    return any(
        isinstance(inner.call, postures) or _has_posture(inner, postures) for inner in dependant.dependencies)
