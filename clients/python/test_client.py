"""The client against a real server over TLS; COUNTERSIGN_BIN names the binary."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import client

HERE = os.path.dirname(os.path.abspath(__file__))
BIN = os.environ["COUNTERSIGN_BIN"]


class AgainstServer(unittest.TestCase):
    """One server for all tests."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="countersign-client-")
        cls.data = os.path.join(cls.folder, "data")
        cls.password = cls.write("password", "correct horse battery staple")
        added = subprocess.run(
            [BIN, "user", "add", "alice", "--password-file", cls.password, "--totp", "--json", "--data", cls.data],
            check=True, capture_output=True, text=True).stdout
        cls.secret = cls.write("secret", json.loads(added)["totp_secret"])
        cls.server = subprocess.Popen(
            [BIN, "serve", "--data", cls.data, "--listen", "127.0.0.1:0"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        _, cls.url, cls.fingerprint = cls.server.stdout.readline().split()

    @classmethod
    def tearDownClass(cls):
        cls.server.terminate()
        cls.server.wait()
        cls.server.stdout.close()
        shutil.rmtree(cls.folder)

    @classmethod
    def write(cls, name, text):
        path = os.path.join(cls.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text + "\n")
        return path

    def run_client(self, *words):
        return subprocess.run(
            [sys.executable, os.path.join(HERE, "client.py"), *words], capture_output=True, text=True, check=False)

    def sign_in(self, *more, password=None):
        return self.run_client(
            "--url", self.url, "--username", "alice", "--password-file", password or self.password,
            "--secret-file", self.secret, *more)

    def test_1_signs_in_by_fingerprint_and_a_used_code_is_refused(self):
        ended = self.sign_in("--fingerprint", self.fingerprint)
        self.assertEqual(ended.returncode, 0, ended.stderr)
        for line in ["First factor verified", "Authentication successful!", "Access granted"]:
            self.assertIn(line, ended.stdout)
        secret = client.read_file(self.secret)
        self.assertNotIn(secret, ended.stdout + ended.stderr)
        self.assertNotRegex(ended.stdout + ended.stderr, r"[0-9a-f]{64}")
        again = self.sign_in("--fingerprint", self.fingerprint)
        if again.returncode != 0:
            self.assertEqual(again.returncode, 1)
            self.assertIn("Invalid 2FA code", again.stderr)

    def test_2_wrong_password_is_refused(self):
        wrong = self.write("wrong", "guess")
        ended = self.sign_in("--fingerprint", self.fingerprint, password=wrong)
        self.assertEqual(ended.returncode, 1)
        self.assertIn("Invalid credentials", ended.stderr)

    def test_3_unknown_certificate_is_refused(self):
        for trust in ([], ["--fingerprint", "0" * 64]):
            ended = self.sign_in(*trust)
            self.assertEqual(ended.returncode, 3, ended.stdout)
            self.assertNotIn("[2/3]", ended.stdout)

    def test_4_pinned_ca_file_is_trusted(self):
        context = client.trusted_context(
            client.urllib.parse.urlsplit(self.url), os.path.join(self.data, "tls/ca.pem"), None)
        status, _ = client.Client(client.urllib.parse.urlsplit(self.url), context).request("GET", "/api/dashboard")
        self.assertEqual(status, 401)

    def test_5_demo_shows_a_code(self):
        ended = self.run_client()
        self.assertEqual(ended.returncode, 0)
        self.assertRegex(ended.stdout, re.compile(r"^Demo TOTP: \d{6}$", re.MULTILINE))

    def test_6_codes_are_those_of_rfc_6238(self):
        secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
        for at, code in [(59, "94287082"), (1111111109, "07081804"), (20000000000, "65353130")]:
            self.assertEqual(client.totp(secret, at, digits=8), code)


if __name__ == "__main__":
    unittest.main()
