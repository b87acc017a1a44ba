#!/usr/bin/env python3
"""Signs in to a Countersign server with a password and a one-time code, and shows the dashboard.

Standard library only. TLS is always verified: against the system's authorities, a CA file, or the fingerprint that
`countersign serve` prints. Plain http is spoken to this machine alone, and no redirect is followed. Without a URL it
shows what a code looks like, `Demo TOTP: nnnnnn`, from a secret that no server accepts, and then asks for a server.
Exit status: 0 signed in or demo shown, 1 refused, 2 wrong call, 3 server out of reach, not trusted or unable to decide,
4 unexpected answer.
"""

import argparse
import base64
import contextlib
import getpass
import hashlib
import hmac
import http.client
import ipaddress
import json
import re
import ssl
import struct
import sys
import time
import urllib.parse
from argparse import ArgumentTypeError as WrongCall

DEMO_SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
TRIES = 3
RETRY_DELAY_S = 2
TIMEOUT_S = 10
ANSWER_BYTES_MAX = 64 * 1024


class Failure(Exception):
    """Why there is no dashboard; the text may be shown."""


class Refused(Failure):
    """The server refused."""

    exit_status = 1


class Unusable(Failure):
    """The server is there, but is not the one that was pinned, or could not decide."""

    exit_status = 3


class Unexpected(Failure):
    """The answer is none that Countersign gives."""

    exit_status = 4


def decode(secret):
    """The bytes of a Base32 secret as people copy it: any case, in groups, with or without padding."""
    text = re.sub(rb"[\s-]", b"", secret.encode("ascii")).upper()
    key = base64.b32decode(text + b"=" * (-len(text) % 8))
    # Python overlooks left-over bits and wrong padding; the server does not, since they betray a copy cut short.
    whole = base64.b32encode(key)
    if not key or text not in (whole, whole.rstrip(b"=")):
        raise ValueError("empty, or cut short")
    return key


def totp(secret, at, digits=6, period=30):
    """The code of a Base32 secret at a time in seconds since 1970 (RFC 6238)."""
    digest = hmac.new(decode(secret), struct.pack(">Q", int(at) // period), hashlib.sha1).digest()
    offset = digest[-1] & 15
    value = struct.unpack(">I", digest[offset:offset + 4])[0] & 0x7FFFFFFF
    return str(value % 10**digits).zfill(digits)


def connected(make):
    """A connection from `make`, opened in a few tries.

    Nothing after this is tried again: a request that was sent may have used up its code, and a second would be refused.
    """
    for attempt in range(1, TRIES + 1):
        connection = make()
        try:
            connection.connect()
            return connection
        except OSError as error:
            connection.close()
            # What TLS refuses now it refuses in two seconds too; a handshake broken off is a lost connection.
            is_final = isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError)
            if is_final or attempt == TRIES:
                raise
            time.sleep(RETRY_DELAY_S)


def pinned_context(url, fingerprint):
    """A TLS context that trusts the one CA whose SHA-256 fingerprint is given."""
    return ssl.create_default_context(cadata=authority(url, fingerprint))


def authority(url, fingerprint):
    """Fetches the chain without trusting it or sending anything, and returns the wanted certificate as PEM."""
    probe = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    probe.check_hostname = False
    probe.verify_mode = ssl.CERT_NONE
    with contextlib.closing(connected(Client(url, probe).connection)) as connection:
        # Public from Python 3.13 on, where it returns DER.
        chain = getattr(connection.sock, "get_unverified_chain", None) or connection.sock._sslobj.get_unverified_chain
        for shown in chain():
            der = shown if isinstance(shown, bytes) else ssl.PEM_cert_to_DER_cert(shown.public_bytes())
            if hmac.compare_digest(hashlib.sha256(der).hexdigest(), fingerprint):
                return ssl.DER_cert_to_PEM_cert(der)
    raise Unusable("The server does not show the certificate that was pinned")


class Client:
    """One server, and requests to it."""

    def __init__(self, url, context):
        self.url, self.context = url, context

    def connection(self):
        """A connection that is still to be opened."""
        if self.url.scheme == "https":
            return http.client.HTTPSConnection(
                self.url.hostname, self.url.port or 443, timeout=TIMEOUT_S, context=self.context)
        return http.client.HTTPConnection(self.url.hostname, self.url.port or 80, timeout=TIMEOUT_S)

    def request(self, method, path, body=None, token=None):
        """Sends one request and returns status and JSON object; http.client follows no redirect."""
        headers = {"content-type": "application/json"}
        if token is not None:
            headers["authorization"] = "Bearer " + token
        with contextlib.closing(connected(self.connection)) as connection:
            connection.request(method, path, body=None if body is None else json.dumps(body), headers=headers)
            with connection.getresponse() as response:
                return response.status, json_object(response.status, response.read(ANSWER_BYTES_MAX + 1))

    def sign_in(self, username, password, code):
        """Both factors; `code` is called when it is due. Returns the session's token."""
        print("[1/3] Password")
        answer = granted(*self.request("POST", "/api/auth/login", {"username": username, "password": password}))
        if answer.get("status") == "success":
            return token_in(answer, "session_token")
        challenge = token_in(answer, "challenge_token")
        print("First factor verified")
        print("[2/3] One-time code")
        proof = {"challenge_token": challenge, "totp_code": code()}
        print("[3/3] Verification")
        answer = granted(*self.request("POST", "/api/auth/verify", proof))
        session = token_in(answer, "session_token")
        print("Authentication successful!")
        print("Session token acquired")
        if "replacement_backup_code" in answer:
            print("New backup code: %s" % answer["replacement_backup_code"])
        return session

    def dashboard(self, token):
        """What the session may see."""
        status, answer = self.request("GET", "/api/dashboard", token=token)
        if status == 401:
            raise Refused("Session expired or invalid")
        answer = granted(status, answer)
        if not isinstance(answer.get("data"), dict):
            raise Unexpected("The server's answer has no data")
        return {"username": answer.get("username"), **answer["data"]}


def json_object(status, body):
    """The JSON object in a body; an empty body is an empty object."""
    if len(body) > ANSWER_BYTES_MAX:
        raise Unexpected("The server's answer (%d) is longer than %d bytes" % (status, ANSWER_BYTES_MAX))
    try:
        answer = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise Unexpected("The server's answer (%d) is no JSON object; is this a Countersign server?" % status)
    return answer


def granted(status, answer):
    """The answer, when it is a good one."""
    if status == 200:
        return answer
    if status < 400:
        raise Unexpected("The server answers %d instead of deciding; redirects are not followed" % status)
    if status >= 500:
        raise Unusable("The server can't decide (%d): %s" % (status, answer.get("title", "it does not say why")))
    raise Refused(answer.get("message", "Access denied: %d" % status))


def token_in(answer, name):
    """A token that must be there, and that fits into a header."""
    token = answer.get(name)
    if not (isinstance(token, str) and token.isascii() and token.isprintable()):
        raise Unexpected("The server's answer has no %s" % name)
    return token


def server_url(text):
    """The server's address; plain http only where nobody can listen."""
    try:
        url = urllib.parse.urlsplit(text)
        host = (url.hostname or "").encode("idna")
        is_complete = url.scheme in ("https", "http") and re.fullmatch(rb"[\w.:%-]+", host) and url.port != 0
    except ValueError:
        is_complete = False
    if not is_complete:
        raise WrongCall("a server is named as https://HOST:PORT")
    if url.scheme == "http" and not is_loopback(url.hostname):
        raise WrongCall("http:// would show password and code to whoever listens: use https:// "
                        "(http:// is for this machine alone: localhost, 127.0.0.0/8, [::1])")
    return url


def is_loopback(host):
    """Whether a host is this machine by its spelling alone, without asking a resolver that others may control."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def text_file(path):
    """A file's text without its trailing line end."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read().rstrip("\r\n")
    except OSError as error:
        raise WrongCall("%r can't be read: %s" % (path, error.strerror)) from None
    except UnicodeDecodeError:
        # Its own message shows a piece of the file.
        raise WrongCall("%r is not UTF-8 text" % path) from None
    if not text:
        raise WrongCall("%r is empty" % path)
    return text


def secret_file(path):
    """The Base32 secret in a file. What is wrong with it is said without showing any of it."""
    secret = text_file(path)
    try:
        decode(secret)
    except ValueError:
        raise WrongCall("%r holds no Base32 secret; copy it whole: A-Z and 2-7, no 0, 1, 8 or 9" % path) from None
    return secret


def ca_file(path):
    """A TLS context that trusts the authorities in a PEM file alone."""
    # ssl.create_default_context would take an empty path for none, and trust the system.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(path)
    except OSError as error:
        raise WrongCall("%r shows no authority: %s" % (path, error.strerror)) from None
    return context


def sha256_fingerprint(text):
    """A fingerprint as 64 lower-case digits."""
    digits = text.removeprefix("sha256:").replace(":", "").lower()
    if not re.fullmatch("[0-9a-f]{64}", digits):
        raise WrongCall("a fingerprint is 64 hexadecimal digits, as `countersign serve` prints them")
    return digits


def code_source(secret):
    """Where the code comes from: a secret, or whoever sits at the terminal."""
    if secret is None:
        return lambda: input("Code: ").strip()

    def generate():
        now = time.time()
        print("Valid for: %d seconds" % (30 - int(now) % 30))
        return totp(secret, now)
    return generate


def parse(arguments):
    """The command line. All files are read here: who calls wrongly learns it before any connection is made."""
    parser = argparse.ArgumentParser(description="Sign in to a Countersign server.")
    parser.add_argument("--url", type=server_url, metavar="https://HOST:PORT")
    parser.add_argument("--username")
    parser.add_argument("--password-file", type=text_file, metavar="FILE", dest="password")
    parser.add_argument(
        "--secret-file", type=secret_file, metavar="FILE", dest="secret", help="Base32 secret to compute the code from")
    trust = parser.add_mutually_exclusive_group()
    trust.add_argument("--ca-file", type=ca_file, metavar="FILE", dest="context", help="the authority to trust, in PEM")
    trust.add_argument(
        "--fingerprint", type=sha256_fingerprint, metavar="SHA256", help="fingerprint of the authority to trust")
    return parser.parse_args(arguments)


def demonstrate(asked):
    """Shows what a code looks like, then asks for a server; whether one was named."""
    print("Demo TOTP: " + totp(DEMO_SECRET, time.time()))
    try:
        named = input("Server, as https://HOST:PORT (nothing: end here): ").strip()
    except EOFError:
        named = ""
    if not named:
        return False
    asked.url = server_url(named)
    if asked.url.scheme == "https" and asked.context is None and asked.fingerprint is None:
        pinned = input("Fingerprint of its authority (nothing: trust the system's authorities): ").strip()
        asked.fingerprint = sha256_fingerprint(pinned) if pinned else None
    return True


def show_dashboard(asked):
    """The three steps, and what they lead to."""
    username = input("Name: ").strip() if asked.username is None else asked.username
    password = getpass.getpass("Password: ") if asked.password is None else asked.password
    if asked.url.scheme == "http":
        if asked.context is not None or asked.fingerprint is not None:
            raise WrongCall("--ca-file and --fingerprint are for https://")
        context = None
    elif asked.fingerprint is not None:
        context = pinned_context(asked.url, asked.fingerprint)
    else:
        context = asked.context or ssl.create_default_context()
    client = Client(asked.url, context)
    session = client.sign_in(username, password, code_source(asked.secret))
    print("Access granted: %s" % json.dumps(client.dashboard(session)))


def main(arguments):
    """Returns the exit status."""
    asked = parse(arguments)
    try:
        if asked.url is not None or demonstrate(asked):
            show_dashboard(asked)
        return 0
    except WrongCall as wrong:
        status, reason = 2, wrong
    except (EOFError, KeyboardInterrupt):
        status, reason = 2, "Given up before the end"
    except Failure as failure:
        status, reason = failure.exit_status, failure
    except OSError as error:
        status, reason = 3, "The server can't be reached or is not trusted: %s" % error
    except http.client.HTTPException:
        status, reason = 4, "The server does not speak HTTP as it should; is this a Countersign server?"
    print(reason, file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
