"""Whether the session behind a token lives, by the feed and by introspection, and how Countersign is reached."""

import contextlib
import http.server
import json
import threading
import unittest
import urllib.parse
from unittest import mock

from countersign_guard import Core, Refused, WrongSetting
from countersign_guard.answers import UNDECIDABLE
from countersign_guard.feed import ENDED_MAX, Feed, Listener
from countersign_guard.guard import MachineClock
from countersign_guard.introspection import Introspection
from countersign_guard.requirement import requirement_of
from countersign_guard.transport import Transport

from .test_vectors import Case
from .world import APPLICATION, BASIC, GOOD, INSTALLATION, NOW, OPAQUE, SID, World, active, vectors

INTROSPECT, JWKS = "/oauth/introspect", "/.well-known/jwks.json"
PATIENCE_S = 10


class Sessions(Case):
    """Whether a session lives."""

    def status(self, world, token=GOOD["token"]):
        return getattr(self.answer(world.core, token), "status", 200)

    def test_token_older_than_the_feed_is_introspected_once(self):
        world = World.heard()
        for _ in range(5):
            self.assertEqual(self.status(world), 200)
        self.assertEqual(world.transport.count(INTROSPECT), 1)

    def test_token_made_under_the_eyes_of_the_feed_is_not_introspected(self):
        for opened, asked in [(NOW - 161, 0), (NOW - 160, 1)]:
            world = World.heard(now=opened)
            world.clock.now = NOW
            self.assertEqual(self.status(world), 200)
            self.assertEqual(world.transport.count(INTROSPECT), asked)

    def test_what_is_told_in_the_first_second_of_a_feed_is_not_remembered(self):
        world = World(mode="feed")
        world.transport.introspection = active()
        world.core.feed.begin()
        for elapsed, asked in [(0.0, 1), (1.0, 2), (1.001, 2), (1.6, 2), (2.2, 2), (3.0, 2)]:
            world.clock.elapsed = elapsed
            world.hear()
            self.assertEqual(self.status(world), 200)
            self.assertEqual(world.transport.count(INTROSPECT), asked, elapsed)

    def test_session_that_the_feed_names_is_over_at_once_for_both_kinds_of_token(self):
        for token in [GOOD["token"], OPAQUE]:
            world = World.heard()
            self.assertEqual(self.status(world, token), 200)
            self.assertTrue(world.end("0" * 64))
            self.assertEqual(self.status(world, token), 200)
            self.assertTrue(world.end())
            self.assertEqual(self.status(world, token), 401)
            self.assertEqual(world.transport.count(INTROSPECT), 1)

    def test_api_token_is_asked_about_like_a_session_token_and_nothing_else_of_its_length_is(self):
        world = World.heard()
        token = "cs_api_" + "5e" * 32
        self.assertEqual(self.status(world, token), 200)
        self.assertTrue(world.end())
        self.assertEqual(self.status(world, token), 401)
        for other in [token.upper(), token + "0", token[:-1], "x" + token[1:]]:
            self.assertEqual(self.status(world, other), 401, other)
        self.assertEqual(world.transport.count(INTROSPECT), 1)

    def test_session_that_ends_while_it_is_asked_about_is_over(self):
        world = World.heard()
        world.transport.introspection = lambda _token: active() if world.end() else None
        self.assertEqual(self.status(world), 401)

    def test_feed_that_was_silent_for_a_second_still_counts_and_for_longer_no_more(self):
        world = World.heard()
        self.assertEqual(self.status(world), 200)
        world.clock.elapsed = 1.0
        self.assertEqual(self.status(world), 200)
        self.assertEqual(world.transport.count(INTROSPECT), 1)
        world.clock.elapsed = 1.001
        self.assertEqual(self.status(world), 200)
        self.assertEqual(world.transport.count(INTROSPECT), 2)

    def test_while_the_feed_is_silent_every_token_is_introspected_and_refused_where_that_fails_too(self):
        world = World.heard()
        self.assertEqual(self.status(world), 200)
        world.clock.elapsed = 1.001
        world.transport.introspection = {"active": False}
        self.assertEqual(self.status(world), 401)
        world.clock.elapsed = 1.502
        world.transport.is_reachable = False
        answer = self.answer(world.core, GOOD["token"])
        self.assertIs(answer, UNDECIDABLE)
        self.assertEqual((answer.status, answer.headers), (503, {"Retry-After": "1"}))

    def test_what_was_known_before_a_feed_was_lost_is_asked_again_once_it_is_back(self):
        world = World.heard()
        self.assertEqual(self.status(world), 200)
        world.core.feed.lose()
        world.core.feed.begin()
        world.hear()
        world.clock.elapsed = 0.501
        world.transport.introspection = {"active": False}
        self.assertEqual(self.status(world), 401)

    def test_answer_that_was_asked_for_before_the_feed_was_lost_vouches_for_nothing_after_it(self):
        world = World.heard()
        other = next(
            case["token"] for case in vectors("tokens/accepted.json")["cases"] if case["rule"] == "in no group")

        def meanwhile(token):
            if token == GOOD["token"]:
                world.core.feed.begin()
                world.hear()
                self.assertEqual(self.status(world, other), 200)
            return active()
        world.transport.introspection = meanwhile
        self.assertEqual(self.status(world), 200)
        world.clock.elapsed = 0.501
        world.transport.introspection = {"active": False}
        self.assertEqual(self.status(world), 401)

    def test_ended_sessions_are_remembered_up_to_a_number_and_beyond_it_all_is_asked_anew(self):
        world = World.heard()
        self.assertEqual(self.status(world), 200)
        for number in range(ENDED_MAX):
            world.end("%064x" % number)
        self.assertEqual(self.status(world), 200)
        self.assertEqual(world.transport.count(INTROSPECT), 1)
        world.end("f" * 64)
        world.clock.elapsed = 0.501
        world.transport.introspection = {"active": False}
        self.assertEqual(self.status(world), 401)

    def test_feed_says_what_countersign_says(self):
        world = World.heard()
        self.assertFalse(world.end("nobody"))
        self.assertFalse(all(world.hear("event: ended", "")))
        self.assertTrue(all(world.hear("event: other", "data: nobody", "", "id: 7", "")))

    def test_by_introspection_each_token_is_asked_about_and_an_answer_holds_for_500_ms(self):
        for token in [GOOD["token"], OPAQUE]:
            world = World()
            world.transport.introspection = active()
            for elapsed, asked in [(0, 1), (0.5, 1), (0.501, 2)]:
                world.clock.elapsed = elapsed
                self.assertEqual(self.status(world, token), 200)
                self.assertEqual(world.transport.count(INTROSPECT), asked)

    def test_many_questions_about_one_token_at_once_are_asked_once(self):
        world, threads, statuses = World(), 20, []
        looked, known = threading.Semaphore(0), Introspection.known

        def looking(introspection, token):
            answer = known(introspection, token)
            looked.release()
            return answer

        def say(_token):
            # Each thread looks once before it asks and once when it asks; then all others wait for this answer.
            for _ in range(2 * threads):
                self.assertTrue(looked.acquire(timeout=PATIENCE_S))
            return active()
        world.transport.introspection = say
        with mock.patch.object(Introspection, "known", looking):
            asking = [
                threading.Thread(target=lambda: statuses.append(self.status(world, OPAQUE))) for _ in range(threads)]
            for thread in asking:
                thread.start()
            for thread in asking:
                thread.join()
        self.assertEqual(statuses, [200] * threads)
        self.assertEqual(world.transport.count(INTROSPECT), 1)

    def test_question_that_failed_is_asked_again_by_the_next_request(self):
        world = World()
        world.transport.is_reachable = False
        self.assertEqual(self.status(world, OPAQUE), 503)
        world.transport.is_reachable = True
        world.transport.introspection = active()
        self.assertEqual(self.status(world, OPAQUE), 200)
        self.assertEqual(world.reports, ["ConnectionRefusedError"])

    def test_introspection_that_is_none_of_countersign_s_is_no_answer(self):
        for answer in [
                b"", b"x", b"[]", b"null", b"{}", b'{"active":"true"}', b'{"active":1}', b'{"active":true}',
                b'{"active":true,"active":true}', active(sub=1), active(sid=None), active(exp="1"), active(exp=-1),
                active(exp=True), active(acr="cs:9"), active(acr=[]), active(session_acr=...), active(auth_time=1.5),
                active(elevation_time=...)]:
            with self.subTest(answer):
                world = World()
                world.transport.introspection = answer
                self.assertEqual(self.status(world, OPAQUE), 503)
        for status in [500, 401, 302, 204]:
            world = World()
            world.transport.introspection, world.transport.status = active(), status
            self.assertEqual(self.status(world, OPAQUE), 503)

    def test_introspection_of_another_installation_audience_or_time_is_worth_nothing(self):
        for token, changes in [
                (OPAQUE, {"iss": "https://id.example.com"}), (OPAQUE, {"exp": NOW}), (GOOD["token"], {"iss": ...}),
                (GOOD["token"], {"aud": "https://shop.example.org"}),
                (GOOD["token"], {"aud": [INSTALLATION["audience"]]})]:
            with self.subTest(changes):
                world = World()
                world.transport.introspection = active(**changes)
                self.assertEqual(self.status(world, token), 401)

    def test_elevation_ends_at_900_s_and_where_introspection_says_so(self):
        elevated = requirement_of(elevated=True, step_up_status=403)
        for now, changes, code in [
                (NOW + 799, {}, None), (NOW + 800, {}, "ELEVATION_EXPIRED"),
                (NOW, {"elevated": False, "acr": "cs:1"}, "ELEVATION_EXPIRED")]:
            world = World(now=now)
            world.transport.introspection = active(**changes)
            answer = self.answer(world.core, OPAQUE, elevated)
            self.assertEqual(getattr(answer, "body", {}).get("code"), code)

    def test_keys_are_fetched_once_and_for_an_unknown_key_at_most_once_in_10_s(self):
        world = World.heard()
        unknown = next(
            case["token"] for case in vectors("tokens/refused.json")["cases"] if case["rule"] == "kid unknown")
        self.assertEqual(self.status(world), 200)
        for elapsed, fetched in [(0, 1), (9.9, 1), (10, 2), (19.9, 2), (20, 3)]:
            world.clock.elapsed = elapsed
            for _ in range(5):
                self.assertEqual(self.status(world, unknown), 401)
            self.assertEqual(world.transport.count(JWKS), fetched)

    def test_new_key_is_found_by_the_token_that_it_signed(self):
        world = World.heard()
        second = next(case["token"] for case in vectors("tokens/accepted.json")["cases"]
                      if case["rule"] == "the second key of the set")
        world.transport.jwks = {"keys": INSTALLATION["jwks"]["keys"][:1]}
        self.assertEqual(self.status(world, second), 401)
        world.transport.jwks = INSTALLATION["jwks"]
        world.clock.elapsed = 10
        self.assertEqual(self.status(world, second), 200)

    def test_keys_are_relied_on_for_300_s_and_fetched_anew_before(self):
        world = World.heard()
        for elapsed, fetched, asked in [(0, 1, 1), (150, 1, 1), (150.1, 2, 1)]:
            world.clock.elapsed = elapsed
            world.hear()
            self.assertEqual(self.status(world), 200)
            self.assertEqual((world.transport.count(JWKS), world.transport.count(INTROSPECT)), (fetched, asked))
        world.transport.jwks = []
        for elapsed, asked in [(450, 1), (450.2, 2)]:
            world.clock.elapsed = elapsed
            world.hear()
            self.assertEqual(self.status(world), 200)
            self.assertEqual(world.transport.count(INTROSPECT), asked)
        world.transport.introspection = {"active": False}
        world.clock.elapsed = 451
        world.hear()
        self.assertEqual(self.status(world), 401)


class Settings(unittest.TestCase):
    """What is refused at the start."""

    def test_guard_that_is_set_up_wrongly_says_what_to_do_and_shows_no_secret(self):
        secret = "a-secret-that-is-not-shown"
        good = {"issuer": INSTALLATION["issuer"], "application": APPLICATION, "mode": "introspect"}
        Core(**good).close()
        for changes, said in [
                ({"issuer": None}, "issuer"), ({"issuer": "id.example.org"}, "issuer"),
                ({"issuer": INSTALLATION["issuer"] + "/"}, "issuer"), ({"audience": ""}, "audience"),
                ({"mode": "off"}, "mode"), ({"url": "http://192.0.2.1"}, "url"), ({"url": "ftp://x"}, "url"),
                ({"url": "http://localhost.example.org"}, "url"), ({"url": "http://127.0.0.1.example.org"}, "url"),
                ({"application": None}, "countersign app add"), ({"application": ("a:b", secret)}, "application"),
                ({"application": ("shop", "")}, "application"),
                ({"application": ("shop", secret + "\n")}, "application"),
                ({"shared_key": b"x" * 31}, "32 bytes"), ({"shared_key": "x" * 32}, "32 bytes"),
                ({"step_up_status": 200}, "step_up_status")]:
            with self.subTest(changes), self.assertRaises(WrongSetting) as refused:
                Core(**{**good, **changes})
            self.assertIn(said, str(refused.exception))
            self.assertNotIn(secret, str(refused.exception))

    def test_feed_without_the_package_for_signatures_is_refused_at_the_start_and_introspection_needs_none(self):
        good = {"issuer": INSTALLATION["issuer"], "application": APPLICATION}
        with mock.patch("countersign_guard.guard.find_spec", return_value=None):
            with self.assertRaises(WrongSetting) as refused:
                Core(**good)
            self.assertIn("cryptography", str(refused.exception))
            Core(**good, mode="introspect").close()
            Core(**good, shared_key=bytes(32))

    def test_requirement_that_could_never_be_met_is_refused(self):
        for asked in [
                {"elevated": "true"}, {"level": "cs:3"}, {"max_age": -1}, {"max_age": 1.5}, {"max_age": True},
                {"step_up_status": 404}, {"claims": ["publisher"]}, {"claims": [["publisher"]]},
                {"claims": "publisher"}, {"claims": [("", True)]}, {"claims": [("publisher", object())]},
                {"claims": [("sub", "alice")]}, {"claims": [("x", float("nan"))]}, {"groups": [""]}, {"groups": "staff"}]:
            with self.subTest(asked), self.assertRaises(WrongSetting):
                requirement_of(**{"step_up_status": 403, **asked})


class Countersign(http.server.BaseHTTPRequestHandler):
    """A server that answers what its test told it to."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.body = self.rfile.read(int(self.headers.get("content-length", 0)))
        with contextlib.suppress(ConnectionError):
            self.server.answer(self)

    do_POST = do_GET

    def log_message(self, *_arguments):
        pass

    def reply(self, status, body, media_type="application/json"):
        self.send_response(status)
        self.send_header("content-type", media_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextlib.contextmanager
def served(answer):
    """A server's URL."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Countersign)
    server.answer = answer
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield urllib.parse.urlsplit("http://127.0.0.1:%d" % server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class WatchedFeed(Feed):
    """A feed that tells when it has taken a line."""

    def __init__(self):
        super().__init__(MachineClock())
        self.taken = threading.Semaphore(0)

    def take(self, line):
        is_ours = super().take(line)
        self.taken.release()
        return is_ours


class Wire(unittest.TestCase):
    """How Countersign is reached."""

    def test_token_is_asked_about_by_form_and_the_connection_is_kept(self):
        seen = []

        def answer(request):
            seen.append(
                (request.command, request.path, request.headers["authorization"], request.body, request.client_address))
            request.reply(200, json.dumps(active()).encode())
        with served(answer) as url:
            core = Core(
                issuer=INSTALLATION["issuer"], application=APPLICATION, url=url.geturl() + "/", mode="introspect",
                clock=World().clock)
            for token in [OPAQUE, OPAQUE[::-1]]:
                self.assertEqual(core.find(["Bearer " + token]).subject, "alice")
            core.close()
        self.assertEqual(seen[0][:4], ("POST", INTROSPECT, BASIC, b"token=" + OPAQUE.encode()))
        self.assertEqual(seen[0][4], seen[1][4])

    def test_kept_connection_that_was_closed_is_no_failure(self):
        def answer(request):
            request.close_connection = True
            request.reply(200, b"{}")
        with served(answer) as url:
            transport = Transport(url)
            for _ in range(5):
                self.assertEqual(transport.exchange("GET", "/", {}), (200, b"{}"))
            transport.close()

    def test_redirecting_broken_half_and_endless_answers_are_none(self):
        def redirect(request):
            request.send_response(307)
            request.send_header("location", "http://127.0.0.1:1/")
            request.send_header("content-length", "0")
            request.end_headers()

        def half(request):
            request.send_response(200)
            request.send_header("content-length", "1000")
            request.end_headers()
            request.wfile.write(b'{"active":true')
            request.close_connection = True

        def endless(request):
            request.send_response(200)
            request.end_headers()
            while True:
                request.wfile.write(b" " * 4096)

        def broken(request):
            request.close_connection = True
        for answer, said in [
                (redirect, "introspection answered 307"), (half, "IncompleteRead"),
                (endless, "an answer of more than 65536 bytes"), (broken, "RemoteDisconnected")]:
            with self.subTest(answer.__name__), served(answer) as url:
                reports = []
                core = Core(
                    issuer=INSTALLATION["issuer"], application=APPLICATION, url=url.geturl(), mode="introspect",
                    report=reports.append)
                with self.assertRaises(Refused) as refused:
                    core.find(["Bearer " + OPAQUE])
                self.assertIs(refused.exception.answer, UNDECIDABLE)
                self.assertEqual(reports, [said])
                core.close()

    @mock.patch("countersign_guard.feed.SILENCE_S_MAX", PATIENCE_S)
    def test_feed_is_heard_over_the_wire_and_opened_again_when_it_is_lost(self):
        lines, said = [b": on\n\n", b"event: ended\ndata: " + SID.encode() + b"\n\n"], threading.Semaphore(0)
        may_go = threading.Semaphore(0)

        def answer(request):
            request.send_response(200)
            request.send_header("content-type", "text/event-stream")
            request.end_headers()
            for line in lines:
                may_go.acquire()
                request.wfile.write(line)
                said.release()
            request.close_connection = True
        with served(answer) as url:
            feed, reports, changed = WatchedFeed(), [], threading.Event()
            listener = Listener(feed, BASIC, Transport(url), lambda message: (reports.append(message), changed.set()))
            listener.start()
            for _ in range(2):
                may_go.release()
                self.assertTrue(feed.taken.acquire(timeout=PATIENCE_S) and feed.taken.acquire(timeout=PATIENCE_S))
                self.assertTrue(feed.is_heard())
                may_go.release()
                self.assertTrue(changed.wait(PATIENCE_S))
                changed.clear()
                while feed.taken.acquire(blocking=False):
                    pass
            listener.close()
            self.assertFalse(feed.is_heard())
            self.assertEqual(reports, ["revocation feed: closed"] * 2)
            self.assertIn(SID, feed.hearing.ended)
