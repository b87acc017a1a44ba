#!/usr/bin/env python3
"""Signs in to a Countersign server with a password and a one-time code, and shows the dashboard.

Standard library only. TLS is always verified: against the system's authorities, a CA file, or the fingerprint that
`countersign serve` prints. Exit status: 0 signed in, 1 refused, 2 wrong call, 3 server out of reach or not trusted.
Without a URL it shows what a code looks like: `Demo TOTP: nnnnnn`, from a secret that no server accepts.
"""

import argparse
import base64
import getpass
import hashlib
import hmac
import http.client
import json
import ssl
import struct
import sys
import time
import urllib.parse

DEMO_SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
TRIES = 3
RETRY_DELAY_S = 2
TIMEOUT_S = 10


class Refused(Exception):
    """The server refused; its message may be shown."""


class NotTrusted(Exception):
    """The server's certificate is not the one that was pinned."""


def totp(secret, at, digits=6, period=30):
    """The code of a Base32 secret at a time in seconds since 1970 (RFC 6238)."""
    text = secret.replace(" ", "").upper()
    key = base64.b32decode(text + "=" * (-len(text) % 8))
    digest = hmac.new(key, struct.pack(">Q", int(at) // period), hashlib.sha1).digest()
    offset = digest[-1] & 15
    value = struct.unpack(">I", digest[offset:offset + 4])[0] & 0x7FFFFFFF
    return str(value % 10**digits).zfill(digits)


def trusted_context(url, ca_file, fingerprint):
    """A TLS context that trusts the system, one CA file, or the one CA whose SHA-256 fingerprint is given."""
    context = ssl.create_default_context(cafile=ca_file)
    if fingerprint is None:
        return context
    wanted = fingerprint.removeprefix("sha256:").replace(":", "").lower()
    context = ssl.create_default_context(cadata=authority(url, wanted))
    return context


def authority(url, wanted):
    """Fetches the chain without trusting it, and returns its certificate of the wanted fingerprint as PEM."""
    probe = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    probe.check_hostname = False
    probe.verify_mode = ssl.CERT_NONE
    connection = http.client.HTTPSConnection(url.hostname, url.port or 443, timeout=TIMEOUT_S, context=probe)
    connection.connect()
    try:
        chain = getattr(connection.sock, "get_unverified_chain", None) or connection.sock._sslobj.get_unverified_chain
        for certificate in chain():
            der = certificate if isinstance(certificate, bytes) else ssl.PEM_cert_to_DER_cert(certificate.public_bytes())
            if hmac.compare_digest(hashlib.sha256(der).hexdigest(), wanted):
                return ssl.DER_cert_to_PEM_cert(der)
    finally:
        connection.close()
    raise NotTrusted("the server does not show the certificate that was pinned")


class Client:
    """One server, and requests to it that are tried again only when it could not be reached."""

    def __init__(self, url, context):
        self.url, self.context = url, context

    def request(self, method, path, body=None, token=None):
        """Sends one request and returns status and JSON body."""
        headers = {"content-type": "application/json"}
        if token is not None:
            headers["authorization"] = "Bearer " + token
        data = None if body is None else json.dumps(body)
        for attempt in range(1, TRIES + 1):
            try:
                return self.once(method, path, data, headers)
            except ssl.SSLError:
                raise
            except OSError:
                if attempt == TRIES:
                    raise
                time.sleep(RETRY_DELAY_S)

    def once(self, method, path, data, headers):
        """One try."""
        if self.url.scheme == "https":
            connection = http.client.HTTPSConnection(
                self.url.hostname, self.url.port or 443, timeout=TIMEOUT_S, context=self.context)
        else:
            connection = http.client.HTTPConnection(self.url.hostname, self.url.port or 80, timeout=TIMEOUT_S)
        try:
            connection.request(method, path, body=data, headers=headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read() or b"{}")
        finally:
            connection.close()

    def sign_in(self, username, password, code):
        """Both factors; `code` is called when it is due. Returns the session's token."""
        print("[1/3] Password")
        status, body = self.request("POST", "/api/auth/login", {"username": username, "password": password})
        if status != 200:
            raise Refused(body.get("message", "Access denied: %d" % status))
        if body["status"] == "success":
            return body["session_token"]
        print("First factor verified")
        print("[2/3] One-time code")
        answer = {"challenge_token": body["challenge_token"], "totp_code": code()}
        print("[3/3] Verification")
        status, body = self.request("POST", "/api/auth/verify", answer)
        if status != 200:
            raise Refused(body.get("message", "Access denied: %d" % status))
        print("Authentication successful!")
        print("Session token acquired")
        if "replacement_backup_code" in body:
            print("New backup code: " + body["replacement_backup_code"])
        return body["session_token"]

    def dashboard(self, token):
        """What the session may see."""
        status, body = self.request("GET", "/api/dashboard", token=token)
        if status == 401:
            raise Refused("Session expired or invalid")
        if status != 200:
            raise Refused("Access denied: %d" % status)
        return body


def read_file(path):
    """A file's text without its trailing line end."""
    with open(path, encoding="utf-8") as file:
        return file.read().rstrip("\r\n")


def code_source(secret_file):
    """Where the code comes from: a secret in a file, or whoever sits at the terminal."""
    if secret_file is None:
        return lambda: input("Code: ").strip()

    def generate():
        now = time.time()
        print("Valid for: %d seconds" % (30 - int(now) % 30))
        return totp(read_file(secret_file), now)
    return generate


def parse(arguments):
    """The command line."""
    parser = argparse.ArgumentParser(description="Sign in to a Countersign server.")
    parser.add_argument("--url", help="https://HOST:PORT")
    parser.add_argument("--username")
    parser.add_argument("--password-file", metavar="FILE")
    parser.add_argument("--secret-file", metavar="FILE", help="secret in Base32 to compute the code from")
    trust = parser.add_mutually_exclusive_group()
    trust.add_argument("--ca-file", metavar="FILE", help="the authority to trust, in PEM")
    trust.add_argument("--fingerprint", metavar="SHA256", help="fingerprint of the authority to trust")
    return parser.parse_args(arguments)


def main(arguments):
    """Runs the three steps; returns the exit status."""
    asked = parse(arguments)
    if asked.url is None:
        print("Demo TOTP: " + totp(DEMO_SECRET, time.time()))
        print("Give --url to sign in.")
        return 0
    url = urllib.parse.urlsplit(asked.url)
    if url.scheme not in ("https", "http") or not url.hostname:
        print("--url is https://HOST:PORT", file=sys.stderr)
        return 2
    try:
        username = asked.username or input("Name: ")
        password = read_file(asked.password_file) if asked.password_file else getpass.getpass("Password: ")
        context = trusted_context(url, asked.ca_file, asked.fingerprint) if url.scheme == "https" else None
        client = Client(url, context)
        token = client.sign_in(username, password, code_source(asked.secret_file))
        shown = client.dashboard(token)
        print("Access granted: %s" % json.dumps({"username": shown["username"], **shown["data"]}))
        return 0
    except Refused as refused:
        print(str(refused), file=sys.stderr)
        return 1
    except NotTrusted as untrusted:
        print(str(untrusted), file=sys.stderr)
        return 3
    except (OSError, http.client.HTTPException) as unreachable:
        print("The server can't be reached or is not trusted: %s" % unreachable, file=sys.stderr)
        return 3


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
