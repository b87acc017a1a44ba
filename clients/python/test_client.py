"""The client's rules, and the client against a real server over TLS.

COUNTERSIGN_BIN names the binary; COUNTERSIGN_SEED repeats a run with its random cases. Needs pyotp.
"""

import base64
import contextlib
import datetime
import http.server
import io
import json
import os
import random
import shutil
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from unittest import mock

import pyotp

import client

HERE = os.path.dirname(os.path.abspath(__file__))
BIN = os.environ["COUNTERSIGN_BIN"]
SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
PASSWORD = "correct horse battery staple"
RANDOM_CASES = 10_000
# Two sign-ins take a few of a time step's 30 seconds; where none of so many pairs fits into one, something is off.
PAIRS_MAX = 5


class Case(unittest.TestCase):
    """A folder for files, and ways to run the client."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="countersign-client-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.password = cls.write("password", PASSWORD)

    @classmethod
    def write(cls, name, text):
        path = os.path.join(cls.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text + "\n")
        return path

    def call(self, *words):
        """Runs the client in this process, where an exception that escapes it fails the test."""
        output, errors = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
            try:
                status = client.main(list(words))
            except SystemExit as ended:
                status = ended.code
        return subprocess.CompletedProcess(words, status, output.getvalue(), errors.getvalue())

    def start(self, *words, answers=""):
        """Runs the client as a program; away from the terminal, it reads even the password from standard input."""
        return subprocess.run(
            [sys.executable, os.path.join(HERE, "client.py"), *words],
            input=answers, start_new_session=True, capture_output=True, text=True, check=False)

    def assert_ended(self, ended, status, *texts):
        """Checks the exit status and that what was said holds these texts, and no traceback."""
        said = ended.stdout + ended.stderr
        self.assertEqual(ended.returncode, status, said)
        for text in texts:
            self.assertIn(text, said)
        self.assertNotIn("Traceback", said)


class Codes(Case):
    """What a secret's code is."""

    def test_codes_are_those_of_rfc_6238_appendix_b(self):
        for at, code in [
                (59, "94287082"), (1111111109, "07081804"), (1111111111, "14050471"), (1234567890, "89005924"),
                (2000000000, "69279037"), (20000000000, "65353130")]:
            self.assertEqual(client.totp(SECRET, at, digits=8), code)

    def test_codes_are_those_of_pyotp(self):
        seed = int(os.environ.get("COUNTERSIGN_SEED") or random.SystemRandom().getrandbits(64))
        print("COUNTERSIGN_SEED=%d" % seed, file=sys.stderr)
        chance = random.Random(seed)
        for _ in range(RANDOM_CASES):
            secret = base64.b32encode(chance.randbytes(chance.randint(10, 64))).decode().rstrip("=")
            at, digits, period = chance.randrange(1 << 33), chance.randint(6, 8), chance.randint(15, 120)
            # A moment without a time zone would be local time to pyotp, which summer time makes ambiguous.
            moment = datetime.datetime.fromtimestamp(at, datetime.timezone.utc)
            self.assertEqual(
                client.totp(secret, at, digits, period), pyotp.TOTP(secret, digits, interval=period).at(moment),
                "seed %d: %s at %d, %d digits, %d s" % (seed, secret, at, digits, period))

    def test_two_tokens_with_one_secret_show_equal_codes_in_the_same_second(self):
        ours = client.secret_file(self.write("ours", "gezd gnbv gy3t qojq gezd gnbv gy3t qojq"))
        other = client.secret_file(self.write("other", SECRET[::-1]))
        theirs = self.write("theirs", SECRET)
        for at in [0, 29, 30, 59, 60, 1_700_000_009, 1_700_000_010]:
            shown = subprocess.run(
                [BIN, "code", "--secret-file", theirs, "--time", str(at)], check=True, capture_output=True, text=True)
            with mock.patch("time.time", return_value=at), contextlib.redirect_stdout(io.StringIO()):
                self.assertEqual(client.code_source(ours)(), shown.stdout.strip(), at)
                self.assertNotEqual(client.code_source(other)(), shown.stdout.strip(), at)

    def test_secret_is_read_as_the_server_reads_it(self):
        for spelling in ["mzxw-6ytb oi", "MZXW6YTBOI======", "\tMZXW6YTBOI\r\n"]:
            self.assertEqual(client.decode(spelling), b"foobar", spelling)
        for spelling in ["", "=", "MZXW6YTB0I", "MZXW6YTBO1", "MZXW6YTBOJ", "MZXW6YTBOI=", "MZXW6YTBO", "MZXW6YTBOı"]:
            with self.assertRaises(ValueError, msg=spelling):
                client.decode(spelling)


@mock.patch("socket.create_connection")
class Calls(Case):
    """What is refused before any connection is made."""

    def sign_in(self, url, *more):
        return self.call("--url", url, "--username", "alice", "--password-file", self.password, *more)

    def test_plain_http_is_refused_off_the_machine(self, connect):
        for host in ["192.0.2.1", "id.example.org", "localhost.example.org", "127.0.0.1.example.org", "0.0.0.0",
                     "localhost@192.0.2.1", "[2001:db8::1]", "128.0.0.1:8080"]:
            self.assert_ended(self.sign_in("http://" + host), 2, "use https://")
        connect.assert_not_called()

    def test_plain_http_is_refused_off_the_machine_when_asked_for(self, connect):
        with mock.patch("builtins.input", side_effect=["http://192.0.2.1"]):
            self.assert_ended(self.call("--username", "alice", "--password-file", self.password), 2, "use https://")
        connect.assert_not_called()

    def test_plain_http_reaches_the_machine_itself(self, connect):
        connect.side_effect = ConnectionRefusedError
        with mock.patch("time.sleep"):
            for host in ["localhost", "127.0.0.1:8080", "127.255.255.254", "[::1]"]:
                connect.reset_mock()
                self.assert_ended(self.sign_in("http://" + host), 3)
                connect.assert_called()

    def test_pin_is_not_overlooked_where_there_is_no_tls(self, connect):
        ended = self.sign_in("http://localhost", "--fingerprint", "0" * 64)
        self.assert_ended(ended, 2, "--fingerprint", "https://")
        connect.assert_not_called()

    def test_address_that_is_none_is_refused(self, connect):
        for url in ["", "id.example.org", "ftp://id.example.org", "https://", "https://[::1", "https://host:port",
                    "https://host:65536", "https://two words", "https://a..b"]:
            self.assert_ended(self.sign_in(url), 2, "https://HOST:PORT")
        connect.assert_not_called()

    def test_file_that_can_not_be_read_is_named(self, connect):
        for option in ["--password-file", "--secret-file", "--ca-file"]:
            for path in [os.path.join(self.folder, "missing"), ""]:
                self.assert_ended(self.sign_in("https://host", option, path), 2, option, repr(path))
        connect.assert_not_called()

    def test_file_that_holds_something_else_is_named_and_not_shown(self, connect):
        for option, text in [
                ("--secret-file", "MZXW6YTBOI0189"), ("--secret-file", "MZXW6YTBOJ"), ("--secret-file", ""),
                ("--password-file", ""), ("--ca-file", "MZXW6YTBOI")]:
            path = self.write("something-else", text)
            ended = self.sign_in("https://host", option, path)
            self.assert_ended(ended, 2, option, path)
            self.assertNotIn("MZXW", ended.stdout + ended.stderr)
        with open(path, "wb") as file:
            file.write(b"MZXW\xff")
        for option in ["--secret-file", "--password-file"]:
            ended = self.sign_in("https://host", option, path)
            self.assert_ended(ended, 2, option, path, "UTF-8")
            self.assertNotIn("MZXW", ended.stdout + ended.stderr)
        connect.assert_not_called()

    def test_fingerprint_that_is_none_is_refused(self, connect):
        for fingerprint in ["", "sha256:", "0" * 63, "g" * 64]:
            self.assert_ended(self.sign_in("https://host", "--fingerprint", fingerprint), 2, "--fingerprint")
        connect.assert_not_called()

    def test_question_without_an_answer_is_no_sign_in(self, connect):
        with mock.patch("builtins.input", side_effect=EOFError):
            self.assert_ended(self.call("--url", "https://host"), 2)
        connect.assert_not_called()


class Tries(Case):
    """What is tried again, and what never."""

    def setUp(self):
        self.sleep = self.enterContext(mock.patch("time.sleep"))
        self.connection = mock.Mock()
        self.response = self.connection.getresponse.return_value = mock.MagicMock(status=200)
        self.response.__enter__.return_value = self.response
        self.response.read.return_value = b'{"status":"ok"}'
        self.client = client.Client(client.server_url("https://host"), None)
        self.client.connection = lambda: self.connection

    def enterContext(self, context):
        """unittest has it from Python 3.11 on."""
        self.addCleanup(context.__exit__, None, None, None)
        return context.__enter__()

    def assert_tries(self, tries):
        self.assertEqual(self.connection.connect.call_count, tries)
        self.assertEqual(self.sleep.mock_calls, [mock.call(2)] * (tries - 1))

    def test_third_try_may_still_succeed(self):
        self.connection.connect.side_effect = [ConnectionRefusedError, TimeoutError, None]
        self.assertEqual(self.client.request("GET", "/"), (200, {"status": "ok"}))
        self.assert_tries(3)

    def test_fourth_try_is_not_made(self):
        for lost in [ConnectionRefusedError, TimeoutError, ConnectionResetError, ssl.SSLEOFError]:
            self.connection.reset_mock()
            self.sleep.reset_mock()
            self.connection.connect.side_effect = lost
            with self.assertRaises(lost):
                self.client.request("GET", "/")
            self.assert_tries(3)
            self.connection.request.assert_not_called()

    def test_certificate_that_is_not_trusted_is_not_asked_for_again(self):
        for refused in [ssl.SSLCertVerificationError, ssl.SSLError]:
            self.connection.reset_mock()
            self.connection.connect.side_effect = refused
            with self.assertRaises(refused):
                self.client.request("GET", "/")
            self.assert_tries(1)

    def test_no_answer_is_asked_for_again(self):
        for status in [200, 302, 401, 429, 500, 503]:
            self.connection.reset_mock()
            self.response.status = status
            self.assertEqual(self.client.request("GET", "/")[0], status)
            self.assert_tries(1)

    def test_request_that_was_sent_is_not_sent_again(self):
        self.connection.getresponse.side_effect = ConnectionResetError
        with self.assertRaises(ConnectionResetError):
            self.client.request("POST", "/")
        self.assert_tries(1)
        self.connection.request.assert_called_once()

    def test_pinned_certificate_is_fetched_in_as_many_tries(self):
        with mock.patch("http.client.HTTPSConnection", return_value=self.connection):
            self.connection.connect.side_effect = ConnectionRefusedError
            ended = self.call("--url", "https://host", "--username", "alice", "--password-file", self.password,
                              "--fingerprint", "0" * 64)
        self.assert_ended(ended, 3, "can't be reached")
        self.assert_tries(3)


class Stub(http.server.HTTPServer):
    """A server of plain HTTP on this machine that gives one answer to everything and keeps what it was sent."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.server.seen.append(self.rfile.read(int(self.headers["content-length"])))
            status, headers, body = self.server.answer
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST

        def log_message(self, *_):
            pass

    def __init__(self, case):
        super().__init__(("127.0.0.1", 0), self.Handler)
        self.answer, self.seen = (200, {}, b"{}"), []
        self.url = "http://127.0.0.1:%d" % self.server_port
        listener = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})
        listener.start()
        case.addCleanup(self.server_close)
        case.addCleanup(listener.join)
        case.addCleanup(self.shutdown)


class Answers(Case):
    """What becomes of an answer."""

    def setUp(self):
        self.server = Stub(self)

    def answered(self, status, body, **headers):
        self.server.answer = (status, headers, body)
        ended = self.call("--url", self.server.url, "--username", "alice", "--password-file", self.password)
        self.assertTrue(self.server.seen.pop())
        self.assertEqual(self.server.seen, [])
        return ended

    def test_answer_that_is_not_countersigns_is_unexpected(self):
        for body in [b"<html>", b"[]", b'"2fa_required"', b"\xff", b"{", b"[" * 60_000, b"", b"{}",
                     b'{"challenge_token":7}', b'{"status":"success","session_token":"a\\r\\nb: c"}',
                     b" " * client.ANSWER_BYTES_MAX + b"{}"]:
            self.assert_ended(self.answered(200, body), 4, "The server's answer")
        for status in [401, 404, 502]:
            self.assert_ended(self.answered(status, b"<html>"), 4, "no JSON object")

    def test_longest_answer_is_read(self):
        body = b'{"message":"no"}'
        self.assert_ended(self.answered(401, body.rjust(client.ANSWER_BYTES_MAX)), 1, "no")
        self.assert_ended(self.answered(401, body.rjust(client.ANSWER_BYTES_MAX + 1)), 4, "longer")

    def test_what_is_not_http_is_unexpected(self):
        with mock.patch.object(Stub.Handler, "do_POST", lambda handler: handler.wfile.write(b"SSH-2.0-x\r\n")):
            ended = self.call("--url", self.server.url, "--username", "alice", "--password-file", self.password)
        self.assert_ended(ended, 4, "does not speak HTTP")

    def test_redirect_is_not_followed(self):
        elsewhere = Stub(self)
        for status in [301, 302, 303, 307, 308]:
            ended = self.answered(status, b"{}", location=elsewhere.url + "/api/auth/login")
            self.assert_ended(ended, 4, "redirects are not followed")
        self.assertEqual(elsewhere.seen, [])

    def test_refusal_and_failure_to_decide_differ(self):
        self.assert_ended(self.answered(429, b'{"message":"Account temporarily locked"}'), 1, "locked")
        self.assert_ended(self.answered(403, b"{}"), 1, "Access denied: 403")
        self.assert_ended(self.answered(503, b'{"title":"The store is away"}'), 3, "can't decide", "store is away")


class AgainstServer(Case):
    """One server for all tests, with an account for each."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.data = os.path.join(cls.folder, "data")
        server = subprocess.Popen(
            [BIN, "serve", "--data", cls.data, "--listen", "127.0.0.1:0"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        cls.addClassCleanup(server.stdout.close)
        cls.addClassCleanup(server.wait)
        cls.addClassCleanup(server.terminate)
        _, cls.url, cls.fingerprint = server.stdout.readline().split()

    def enrol(self, name):
        """Adds an account and returns the file with its secret."""
        added = subprocess.run(
            [BIN, "user", "add", name, "--password-file", self.password, "--totp", "--json", "--data", self.data],
            check=True, capture_output=True, text=True).stdout
        return self.write(name, json.loads(added)["totp_secret"])

    def sign_in(self, name, *more):
        return self.start("--url", self.url, "--username", name, "--password-file", self.password,
                          "--secret-file", os.path.join(self.folder, name), *more)

    def test_signs_in_and_shows_no_secret(self):
        secret = client.text_file(self.enrol("alice"))
        ended = self.sign_in("alice", "--fingerprint", self.fingerprint)
        self.assert_ended(
            ended, 0, "First factor verified", "Valid for: ", "Authentication successful!", "Session token acquired",
            'Access granted: {"username": "alice", ')
        for hidden in [secret, PASSWORD]:
            self.assertNotIn(hidden, ended.stdout + ended.stderr)
        self.assertNotRegex(ended.stdout + ended.stderr, r"[0-9a-f]{64}")

    def test_used_code_is_refused(self):
        for number in range(PAIRS_MAX):
            # A fresh account each time: the refused code of the last pair may be the first one of this.
            name = "replay%d" % number
            self.enrol(name)
            step = int(time.time()) // 30
            first = self.sign_in(name, "--fingerprint", self.fingerprint)
            again = self.sign_in(name, "--fingerprint", self.fingerprint)
            self.assert_ended(first, 0)
            if int(time.time()) // 30 == step:
                break
        else:
            self.fail("no two sign-ins fell within one time step")
        self.assert_ended(again, 1, "First factor verified", "Invalid 2FA code")
        self.assertNotIn("Access granted", again.stdout)

    def test_wrong_password_is_refused(self):
        self.enrol("bob")
        ended = self.sign_in("bob", "--fingerprint", self.fingerprint, "--password-file", self.write("wrong", "guess"))
        self.assert_ended(ended, 1, "Invalid credentials")

    def test_unknown_certificate_is_refused(self):
        self.enrol("carol")
        for trust in [[], ["--fingerprint", "0" * 64]]:
            ended = self.sign_in("carol", *trust)
            self.assert_ended(ended, 3)
            self.assertNotIn("First factor verified", ended.stdout)

    def test_ca_file_is_trusted(self):
        self.enrol("dave")
        self.assert_ended(self.sign_in("dave", "--ca-file", os.path.join(self.data, "tls/ca.pem")), 0, "Access granted")

    def test_without_a_url_it_shows_a_code_then_asks_for_credentials_and_code(self):
        secret = client.text_file(self.enrol("erin"))
        answers = [self.url, self.fingerprint, "erin", PASSWORD, client.totp(secret, time.time())]
        ended = self.start(answers="".join(answer + "\n" for answer in answers))
        self.assert_ended(ended, 0, "Authentication successful!", 'Access granted: {"username": "erin", ')
        self.assertRegex(ended.stdout, r"^Demo TOTP: \d{6}\n")

    def test_without_a_url_failure_is_told_by_the_exit_status(self):
        self.enrol("frank")
        answers = [self.url, self.fingerprint, "frank", PASSWORD, "000000x"]
        self.assert_ended(self.start(answers="\n".join(answers)), 1, "Demo TOTP: ", "First factor verified")
        for missing in range(1, 5):
            self.assert_ended(self.start(answers="\n".join(answers[:missing])), 2, "Demo TOTP: ")

    def test_demo_alone_is_a_success(self):
        with mock.patch("time.time", return_value=59):
            with mock.patch("builtins.input", return_value=""):
                self.assert_ended(self.call(), 0, "Demo TOTP: 287082\n")
        self.assert_ended(self.start(), 0, "Demo TOTP: ")


if __name__ == "__main__":
    unittest.main()
