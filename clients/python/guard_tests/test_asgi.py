"""The guard in FastAPI and Starlette: what passes, what is answered, and whose routes must say who may pass."""

import unittest

from fastapi import APIRouter, Depends, FastAPI, WebSocket
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from countersign_guard import Session, WrongSetting
from countersign_guard.asgi import (
    Guard, allow_public, require_claim, require_elevated_claim, require_elevated_session, require_fresh,
    require_session)

from .world import OPAQUE, World, active, vectors

BEARER = {"authorization": "Bearer " + OPAQUE}
MISSING = {
    "error": "insufficient privileges", "code": "MISSING_CLAIM", "required_claim": "editor", "required_value": True}


def guard(changes=None, **more):
    """A guard for which everybody has this session."""
    world = World()
    world.transport.introspection = active(**(changes or {}))
    made = Guard(**{**world.settings, **more})
    made.world = world
    return made


def weak():
    """A guard whose people were elevated once."""
    return guard({"elevated": False, "acr": "cs:1"})


def plain():
    """A FastAPI application without routes of its own."""
    return FastAPI(openapi_url=None)


async def hello(request: Request):
    return PlainTextResponse("hello")


class Dependencies(unittest.TestCase):
    """What FastAPI's dependencies let through."""

    def ask(self, guarding, dependency, headers=None):
        app = plain()

        @app.get("/")
        async def show(session: Session = Depends(dependency)):
            return {"name": session.subject, "groups": session.groups, "publisher": session.claims.get("publisher")}
        with TestClient(guarding.protect(app)) as client:
            return client.get("/", headers=BEARER if headers is None else headers)

    def test_session_is_handed_on(self):
        guarding = guard()
        answer = self.ask(guarding, guarding.session)
        self.assertEqual(answer.json(), {"name": "alice", "groups": ["staff"], "publisher": True})

    def test_nobody_and_worthless_tokens_are_answered_as_every_guard_does(self):
        guarding = guard()
        for headers, challenge in [
                ({}, "Bearer"), ({"authorization": "Basic YTpi"}, "Bearer"),
                ({"authorization": "Bearer x"}, 'Bearer error="invalid_token"')]:
            answer = self.ask(guard(), guarding.elevated, headers)
            self.assertEqual(
                (answer.status_code, answer.json(), answer.headers["www-authenticate"], answer.headers["content-type"]),
                (401, {"error": "authentication required"}, challenge, "application/json"))

    def test_two_authorization_headers_are_worth_nothing(self):
        guarding = guard()
        answer = self.ask(guarding, guarding.session, [("authorization", BEARER["authorization"])] * 2)
        self.assertEqual(answer.status_code, 401)

    def test_whoever_is_not_elevated_is_told_how(self):
        for status in [403, 401]:
            guarding = guard({"elevated": False, "acr": "cs:1"}, step_up_status=status)
            answer = self.ask(guarding, guarding.elevated)
            self.assertEqual(answer.status_code, status)
            self.assertEqual(answer.json(), {
                "error": "elevated session expired", "code": "ELEVATION_EXPIRED", "step_up_url": "/auth/totp/step-up"})
            self.assertEqual(
                answer.headers["www-authenticate"],
                'Bearer error="insufficient_user_authentication", error_description="elevated session expired", '
                'acr_values="cs:2", max_age="900"')

    def test_claims_groups_age_and_elevation_are_asked_for_by_name(self):
        for make, status in [
                (lambda it: it.claim("publisher"), 200), (lambda it: it.claim("publisher", "true"), 403),
                (lambda it: it.claim("publisher", 1), 403), (lambda it: it.elevated_claim("publisher"), 200),
                (lambda it: it.elevated_claim("editor"), 403), (lambda it: it.group("staff"), 200),
                (lambda it: it.group("root"), 403), (lambda it: it.fresh(100), 200), (lambda it: it.fresh(99), 403),
                (lambda it: it.require(level="cs:2p"), 403), (lambda it: it.elevated, 200)]:
            guarding = guard()
            self.assertEqual(self.ask(guarding, make(guarding)).status_code, status)

    def test_claim_is_asked_for_before_an_elevation(self):
        guarding = weak()
        self.assertEqual(self.ask(guarding, guarding.elevated_claim("editor")).json(), MISSING)
        guarding = weak()
        self.assertEqual(self.ask(guarding, guarding.elevated_claim("publisher")).json()["code"], "ELEVATION_EXPIRED")

    def test_owner_and_participants_and_administrators_pass_by_their_exact_names(self):
        def names(value):
            async def of(_request):
                return value
            return of
        for kind, value, options, status in [
                ("owner", "alice", {}, 200), ("owner", "Alice", {}, 404), ("owner", "bob", {}, 404),
                ("owner", "", {}, 404), ("owner", None, {}, 404), ("owner", ["alice"], {}, 404),
                ("owner", "bob", {"otherwise": 403}, 403), ("owner", "bob", {"administrators": ["alice"]}, 200),
                ("owner", "bob", {"administrators": ["ALICE", "al"]}, 404),
                ("owner", "bob", {"administrators": []}, 404),
                ("participant", ["bob", "alice"], {}, 200), ("participant", {"alice"}, {}, 200),
                ("participant", [], {}, 404), ("participant", None, {}, 404), ("participant", "alice", {}, 404),
                ("participant", "malice", {}, 404)]:
            with self.subTest((kind, value, options)):
                guarding = guard()
                answer = self.ask(guarding, getattr(guarding, kind)(names(value), **options))
                self.assertEqual(answer.status_code, status)
        guarding = guard({"sub": ""})
        self.assertEqual(self.ask(guarding, guarding.owner(lambda _: "")).status_code, 404)

    def test_whose_it_is_is_asked_after_claims_and_before_an_elevation(self):
        for owner, options, code in [
                ("bob", {"claims": [("editor", True)]}, "MISSING_CLAIM"), ("bob", {"elevated": True}, None),
                ("alice", {"elevated": True}, "ELEVATION_EXPIRED")]:
            guarding = weak()
            answer = self.ask(guarding, guarding.owner(lambda _, owner=owner: owner, **options))
            self.assertEqual(answer.json().get("code"), code)

    def test_countersign_out_of_reach_is_503(self):
        guarding = guard()
        guarding.world.transport.is_reachable = False
        answer = self.ask(guarding, guarding.session)
        self.assertEqual((answer.status_code, answer.headers["retry-after"]), (503, "1"))
        self.assertEqual(answer.json(), {"error": "temporarily unavailable"})

    def test_web_socket_is_refused_before_it_opens(self):
        guarding, app = guard(), plain()

        @app.websocket("/")
        async def talk(socket: WebSocket, session: Session = Depends(guarding.session)):
            await socket.accept()
            await socket.send_text(session.subject)
        with TestClient(guarding.protect(app)) as client:
            with client.websocket_connect("/", headers=BEARER) as socket:
                self.assertEqual(socket.receive_text(), "alice")
            with self.assertRaises(WebSocketDisconnect), client.websocket_connect("/"):
                self.fail("it opened")

    def test_forged_and_stale_tokens_are_answered_401_in_whatever_bytes_they_come(self):
        guarding, app = guard(), plain()

        @app.get("/", dependencies=[Depends(guarding.session)])
        async def show():
            return "shown"
        guarding.world.transport.introspection = {"active": False}
        with TestClient(guarding.protect(app)) as client:
            for case in vectors("tokens/refused.json", 500)["cases"]:
                # Header values are latin-1 to the framework, whatever a client meant by them.
                if any(byte in case["token"] for byte in "\r\n\0"):
                    continue
                value = b"Bearer " + case["token"].encode()
                answer = client.get("/", headers=[(b"authorization", value)])
                self.assertEqual(answer.status_code, 401, case["rule"])


class Decorators(unittest.TestCase):
    """What decorators let through, on either framework."""

    handlers = [
        ("/public", allow_public, 200), ("/session", require_session, 200),
        ("/elevated", require_elevated_session, 403),
        ("/claim", require_claim("publisher", True), 200), ("/text", require_claim("publisher", "true"), 403),
        ("/both", require_elevated_claim("publisher", True), 403), ("/fresh", require_fresh(60), 403)]

    def check(self, app):
        with TestClient(weak().protect(app)) as client:
            for path, _, status in self.handlers:
                self.assertEqual(client.get(path, headers=BEARER).status_code, status, path)
                self.assertEqual(client.get(path).status_code, 200 if path == "/public" else 401, path)

    def test_starlette_handlers_are_guarded(self):
        async def show(request):
            return JSONResponse(request.state.countersign.subject if hasattr(request.state, "countersign") else None)
        self.check(Starlette(routes=[Route(path, decorate(show)) for path, decorate, _ in self.fresh_copies()]))

    def fresh_copies(self):
        """`allow_public` marks what it is given, so each handler gets a function of its own."""
        for path, decorate, status in self.handlers:
            yield path, lambda handler, decorate=decorate: decorate(copied(handler)), status

    def test_fastapi_handlers_are_guarded_and_plain_functions_too(self):
        app = plain()
        for path, decorate, _ in self.handlers:
            def show(request: Request, limit: int = 1):
                return {"limit": limit}
            app.get(path)(decorate(show))
        self.check(app)

    def test_method_of_an_endpoint_is_guarded(self):
        class Page(HTTPEndpoint):
            @require_session
            async def get(self, request):
                return PlainTextResponse(request.state.countersign.subject)
        with TestClient(guard().protect(Starlette(routes=[Route("/", Page)]))) as client:
            self.assertEqual(client.get("/", headers=BEARER).text, "alice")
            self.assertEqual(client.get("/").status_code, 401)

    def test_application_without_a_guard_lets_nobody_in(self):
        app = Starlette(routes=[Route("/", require_session(hello))])
        with TestClient(app) as client, self.assertRaises(WrongSetting):
            client.get("/", headers=BEARER)

    def test_claim_that_nobody_can_have_is_refused_where_it_is_written(self):
        with self.assertRaises(WrongSetting):
            require_claim("sub", "alice")(hello)


def copied(handler):
    """The same handler as another function."""
    async def copy(request):
        return await handler(request)
    return copy


class Routes(unittest.TestCase):
    """Which applications start."""

    def starts(self, app, guarding=None, public=()):
        with TestClient((guarding or guard()).protect(app, public)):
            return True

    def refused(self, app, *paths, guarding=None, public=()):
        with self.assertRaises(WrongSetting) as refused:
            self.starts(app, guarding, public)
        for path in paths:
            self.assertIn(path, str(refused.exception))

    def test_route_that_does_not_say_who_may_pass_stops_the_application(self):
        app = plain()
        app.get("/forgotten")(hello)
        self.refused(app, "GET /forgotten")
        self.refused(Starlette(routes=[Route("/forgotten", hello)]), "/forgotten")
        self.assertTrue(self.starts(Starlette(routes=[Route("/forgotten", hello)]), public=["/forgotten"]))

    def test_documents_of_fastapi_have_to_be_listed(self):
        self.refused(FastAPI(), "/docs", "/openapi.json")
        self.assertTrue(self.starts(
            FastAPI(), public=["/docs", "/openapi.json", "/redoc", "/docs/oauth2-redirect"]))

    def test_dependency_of_a_router_counts_for_its_routes_and_another_does_not(self):
        guarding = guard()
        for dependency, passes in [(guarding.session, True), (guarding.public, True), (hello, False)]:
            for where in ["router", "include", "outer"]:
                app, inner, outer = plain(), APIRouter(), APIRouter()
                given = {"dependencies": [Depends(dependency)]}
                inner = APIRouter(**given) if where == "router" else APIRouter()
                inner.get("/inner")(hello)
                outer.include_router(inner, prefix="/outer", **(given if where == "include" else {}))
                app.include_router(outer, **(given if where == "outer" else {}))
                with self.subTest((where, passes)):
                    if passes:
                        self.assertTrue(self.starts(app, guard()))
                    else:
                        self.refused(app, "/outer/inner")

    def test_dependency_of_the_application_counts_for_all(self):
        app = FastAPI(openapi_url=None, dependencies=[Depends(guard().session)])
        app.get("/")(hello)
        self.assertTrue(self.starts(app))

    def test_plain_route_in_a_guarded_router_is_found(self):
        app, router = plain(), APIRouter()
        router.routes.append(Route("/forgotten", hello))
        app.include_router(router, dependencies=[Depends(guard().session)])
        self.refused(app, "/forgotten")

    def test_mounts_are_looked_into_and_files_have_to_be_listed(self):
        inner = Route("/forgotten", hello)
        self.refused(Starlette(routes=[Mount("/within", routes=[inner])]), "/within/forgotten")
        self.refused(Starlette(routes=[Mount("/within", app=Starlette(routes=[inner]))]), "/within/forgotten")
        files = Mount("/static", app=StaticFiles(directory="."))
        self.refused(Starlette(routes=[files]), "/static")
        self.assertTrue(self.starts(Starlette(routes=[files]), public=["/static"]))

    def test_endpoint_of_which_one_method_is_open_is_found(self):
        class Page(HTTPEndpoint):
            @require_session
            async def get(self, request):
                return PlainTextResponse("")

            async def post(self, request):
                return PlainTextResponse("")
        self.refused(Starlette(routes=[Route("/page", Page)]), "/page")

    def test_web_socket_and_front_end_are_found(self):
        app = plain()

        @app.websocket("/socket")
        async def talk(socket: WebSocket):
            await socket.close()
        self.refused(app, "/socket")
        app = plain()
        if hasattr(app, "frontend"):
            app.frontend("/pages", directory=".")
            self.refused(app)

    def test_server_that_leaves_the_start_out_serves_nothing(self):
        guarding = guard()
        app = Starlette(routes=[Route("/", allow_public(copied(hello)))])
        client = TestClient(guarding.protect(app))
        with self.assertRaises(WrongSetting):
            client.get("/")

    def test_requirement_that_there_is_none_of_is_refused(self):
        guarding = guard()
        for make in [
                lambda: guarding.require(elevate=True), lambda: guarding.fresh(None), lambda: guarding.owner("alice"),
                lambda: guarding.owner(len, otherwise=200), lambda: guarding.participant(len, administrators="root"),
                lambda: guarding.claim("exp", 1)]:
            with self.assertRaises(WrongSetting):
                make()


if __name__ == "__main__":
    unittest.main()
