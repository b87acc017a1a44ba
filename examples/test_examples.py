"""Every example application against a real Countersign over TLS: sign in, be asked for a code, step up, sign out.

COUNTERSIGN_BIN names the binary, COUNTERSIGN_SHOP_BIN that of examples/axum. Needs pyotp, what examples/fastapi/requirements.txt lists, and examples/express's npm
packages. Without the binary, only what needs none is run.
"""

import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.parse

import pyotp

HERE = pathlib.Path(__file__).resolve().parent
BIN = os.environ["COUNTERSIGN_BIN"]
PASSWORD = "correct horse battery staple"
PATIENCE_S = 30
# What the contract allows between a sign-out and the last answer that does not know of it.
SIGN_OUT_S = 1

PROGRAMS = {
    "express": (["node", "server.js"], {"PORT": "0"}),
    "fastapi": ([sys.executable, "-m", "uvicorn", "shop:app", "--host", "127.0.0.1", "--port", "0"],
                {"PYTHONPATH": str(HERE.parent / "clients/python"), "PYTHONDONTWRITEBYTECODE": "1"}),
    "axum": ([os.environ["COUNTERSIGN_SHOP_BIN"]], {"PORT": "0"}),
}
GUARDED = [("GET", "/profile"), ("POST", "/payment/transfer"), ("DELETE", "/publisher/earnings")]


def started(case, command, announced, **options):
    """A program that runs until the tests end, and what its first line of a kind says."""
    program = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True, **options)
    case.addClassCleanup(program.stdout.close)
    case.addClassCleanup(program.wait)
    case.addClassCleanup(program.send_signal, signal.SIGTERM)
    said = []
    # One that announces nothing is ended, and what it said instead is shown.
    patience = threading.Timer(PATIENCE_S, program.kill)
    patience.start()
    case.addClassCleanup(patience.cancel)
    for line in program.stdout:
        said.append(line)
        found = re.search(announced, line)
        if found:
            patience.cancel()
            return program, found
    raise AssertionError("%s ended: %s" % (command[0], "".join(said)))


def asked(url, method, path, token=None, body=None, context=None):
    """Status, headers and JSON of an answer."""
    address = urllib.parse.urlsplit(url)
    kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
    options = {"context": context} if address.scheme == "https" else {}
    connection = kind(address.hostname, address.port, timeout=PATIENCE_S, **options)
    headers = {} if token is None else {"authorization": "Bearer " + token}
    if body is not None:
        headers["content-type"] = "application/json"
    try:
        connection.request(method, path, body=None if body is None else json.dumps(body), headers=headers)
        response = connection.getresponse()
        data = response.read()
        return response.status, response.headers, json.loads(data) if data else None
    finally:
        connection.close()


class World(unittest.TestCase):
    """One Countersign, and each example application beside it, by the feed and by introspection."""

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="countersign-examples-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.data = cls.folder / "data"
        password = cls.folder / "password"
        password.write_text(PASSWORD + "\n")
        cls.server, ready = started(
            cls, [BIN, "serve", "--data", cls.data, "--listen", "127.0.0.1:0"], r"^listening (https://\S+)")
        cls.url = ready[1]
        cls.context = ssl.create_default_context(cafile=cls.data / "tls/ca.pem")
        added = cls.run_countersign("user", "add", "alice", "--password-file", password, "--totp", "--json")
        cls.totp = pyotp.TOTP(json.loads(added)["totp_secret"])
        cls.last_step = 0
        secret = cls.folder / "secret"
        secret.write_text(cls.run_countersign("app", "add", "shop"))
        _, _, metadata = cls.countersign("GET", "/.well-known/oauth-authorization-server")
        cls.environment = {
            **os.environ, "COUNTERSIGN_ISSUER": metadata["issuer"], "COUNTERSIGN_URL": cls.url,
            "COUNTERSIGN_APPLICATION": "shop", "COUNTERSIGN_SECRET_FILE": str(secret),
            "COUNTERSIGN_CA_FILE": str(cls.data / "tls/ca.pem")}
        cls.shops = {
            "%s, %s" % (name, mode): cls.shop(name, mode) for name in PROGRAMS for mode in ["feed", "introspect"]}

    @classmethod
    def run_countersign(cls, *words):
        return subprocess.run(
            [BIN, *words, "--data", cls.data], check=True, capture_output=True, text=True).stdout

    @classmethod
    def countersign(cls, method, path, token=None, body=None):
        return asked(cls.url, method, path, token, body, cls.context)

    @classmethod
    def shop(cls, name, mode):
        command, more = PROGRAMS[name]
        _, announced = started(
            cls, command, r"(http://127\.0\.0\.1:\d+)", cwd=HERE / name,
            env={**cls.environment, **more, "COUNTERSIGN_MODE": mode})
        return announced[1]

    def code(self):
        """A code above all that were used, of a time step that is accepted now: the last, this or the next."""
        current = int(time.time()) // self.totp.interval
        step = max(type(self).last_step + 1, current - 1)
        self.assertLessEqual(step, current + 1, "more codes than the window has")
        type(self).last_step = step
        return self.totp.at(step * self.totp.interval)

    def sign_in(self):
        """A session token."""
        _, _, answer = self.countersign("POST", "/api/auth/login", body={"username": "alice", "password": PASSWORD})
        proof = {"challenge_token": answer["challenge_token"], "totp_code": self.code()}
        status, _, answer = self.countersign("POST", "/api/auth/verify", body=proof)
        self.assertEqual(status, 200, answer)
        return answer["session_token"]

    def step_up(self, session):
        """The answer to a step-up, with both tokens."""
        status, _, stepped = self.countersign("POST", "/auth/totp/step-up", session, {"code": self.code()})
        self.assertEqual((status, stepped["elevated"], stepped["expires_in"]), (200, True, 900), stepped)
        return stepped

    def assert_nobody(self, answer, challenge):
        status, headers, body = answer
        self.assertEqual(
            (status, headers["www-authenticate"], body), (401, challenge, {"error": "authentication required"}))

    def assert_step_up(self, answer):
        status, headers, body = answer
        self.assertEqual((status, body), (403, {
            "error": "elevated session required", "code": "ELEVATION_REQUIRED", "step_up_url": "/auth/totp/step-up"}))
        self.assertEqual(
            headers["www-authenticate"], 'Bearer error="insufficient_user_authentication", '
            'error_description="elevated session required", acr_values="cs:2", max_age="900"')

    def assert_missing_claim(self, answer):
        status, headers, body = answer
        self.assertEqual((status, headers["www-authenticate"], body), (403, None, {
            "error": "insufficient privileges", "code": "MISSING_CLAIM", "required_claim": "publisher",
            "required_value": True}))


class Walk(World):
    """From the front door to the money and out again."""

    def test_people_sign_in_step_up_and_sign_out_in_front_of_every_application(self):
        session = self.sign_in()
        for name, shop in self.shops.items():
            with self.subTest(application=name):
                for method, path in GUARDED:
                    self.assert_nobody(asked(shop, method, path), "Bearer")
                    self.assert_nobody(asked(shop, method, path, "0" * 96), 'Bearer error="invalid_token"')
                    self.assert_nobody(asked(shop, method, path, "a.b.c"), 'Bearer error="invalid_token"')
                self.assertEqual(asked(shop, "GET", "/")[2], {"shop": "open"})
                self.assertEqual(asked(shop, "GET", "/profile", session)[2]["name"], "alice")
                self.assert_step_up(asked(shop, "POST", "/payment/transfer", session))
                self.assert_missing_claim(asked(shop, "DELETE", "/publisher/earnings", session))
        stepped = self.step_up(session)
        for token in [stepped["token"], stepped["session_token"]]:
            for name, shop in self.shops.items():
                with self.subTest(application=name):
                    # Twice, so that the feed's guards answer the second time by what they know.
                    for _ in range(2):
                        status, _, answer = asked(shop, "POST", "/payment/transfer", token)
                        self.assertEqual((status, answer), (200, {"status": "transfer initiated"}))
                    self.assert_missing_claim(asked(shop, "DELETE", "/publisher/earnings", token))
        status, _, _ = self.countersign("POST", "/api/auth/logout", stepped["session_token"], {})
        self.assertIn(status, (200, 204))
        signed_out = time.monotonic()
        for token in [stepped["token"], stepped["session_token"]]:
            for name, shop in self.shops.items():
                with self.subTest(application=name):
                    while asked(shop, "POST", "/payment/transfer", token)[0] == 200:
                        self.assertLess(time.monotonic() - signed_out, SIGN_OUT_S)
                    self.assert_nobody(asked(shop, "POST", "/payment/transfer", token), 'Bearer error="invalid_token"')


class Away(World):
    """What applications do when Countersign is gone."""

    def test_nobody_is_let_through_because_nobody_could_be_asked(self):
        stepped = self.step_up(self.sign_in())
        tokens = [stepped["token"], stepped["session_token"]]
        for name, shop in self.shops.items():
            with self.subTest(application=name):
                for token in tokens:
                    self.assertEqual(asked(shop, "POST", "/payment/transfer", token)[0], 200)
        self.server.kill()
        gone = time.monotonic()
        for name, shop in self.shops.items():
            with self.subTest(application=name):
                for token in tokens:
                    while asked(shop, "POST", "/payment/transfer", token)[0] == 200:
                        self.assertLess(time.monotonic() - gone, 2 * SIGN_OUT_S)
                    status, headers, body = asked(shop, "POST", "/payment/transfer", token)
                    self.assertEqual(
                        (status, headers["retry-after"], body), (503, "1", {"error": "temporarily unavailable"}))
                self.assertEqual(asked(shop, "GET", "/")[2], {"shop": "open"})
                self.assert_nobody(asked(shop, "GET", "/profile", "a.b"), 'Bearer error="invalid_token"')


class Documents(unittest.TestCase):
    """What documents show is what runs."""

    sources = {"javascript": HERE / "express/server.js", "python": HERE / "fastapi/shop.py",
               "rust": HERE / "axum/src/main.rs"}
    documents = ["docs/guard.md", "clients/javascript/README.md", "clients/python/GUARD.md"]

    def test_every_block_of_code_is_a_piece_of_an_example_application(self):
        shown = 0
        for document in self.documents:
            text = (HERE.parent / document).read_text("utf-8")
            for language, block in re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
                if language in self.sources:
                    shown += 1
                    self.assertIn("\n" + block, self.sources[language].read_text("utf-8"), document)
        self.assertGreater(shown, 5)


if __name__ == "__main__":
    unittest.main()
