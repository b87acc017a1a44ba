"""The vectors that every guard has."""

import base64
import json
import subprocess
import sys
import unittest

from countersign_guard import Refused
from countersign_guard.answers import NOBODY, WORTHLESS
from countersign_guard.judgement import Demand, Elevation, has_claim, judge, level_at
from countersign_guard.keys import keys_of
from countersign_guard.requirement import requirement_of
from countersign_guard.session import of_claims
from countersign_guard.token import Worthless, key_id, read
from countersign_guard.transport import NoAnswer

from .world import INSTALLATION, SID, VECTORS, World, active, vectors

KEYS = keys_of(json.dumps(INSTALLATION["jwks"]).encode())
ANY = requirement_of(step_up_status=403)


def claims_of(case):
    key = KEYS.get(key_id(case["token"], "EdDSA"))
    if key is None:
        raise Worthless("of an unknown key")
    return read(case["token"], key, INSTALLATION["issuer"], INSTALLATION["audience"], case["now"])


class Case(unittest.TestCase):
    """Ways to ask a guard."""

    def answer(self, core, token, requirement=ANY):
        """The session of whoever shows a token, or the refusal's answer."""
        headers = [] if token is None else ["Bearer " + token]
        try:
            session = core.known(headers) or core.find(headers)
            core.check_privileges(session, requirement)
            core.check_strength(session, requirement)
            return session
        except Refused as refused:
            return refused.answer


class Tokens(Case):
    """Which tokens count."""

    def test_forged_and_stale_tokens_are_worthless_by_themselves_and_none_is_a_fault(self):
        for case in vectors("tokens/refused.json", 500)["cases"]:
            with self.subTest(case["rule"]), self.assertRaises(Worthless):
                claims_of(case)

    def test_forged_and_stale_tokens_are_answered_401_and_the_feed_guard_does_not_ask(self):
        for case in vectors("tokens/refused.json", 500)["cases"]:
            with self.subTest(case["rule"]):
                heard, asking = World.heard(now=case["now"]), World(now=case["now"])
                is_session_token = len(case["token"]) == 96
                heard.transport.introspection = active(active=not is_session_token)
                self.assertIs(self.answer(heard.core, case["token"]), WORTHLESS)
                self.assertEqual(heard.transport.count("/oauth/introspect"), 1 if is_session_token else 0)
                self.assertIs(self.answer(asking.core, case["token"]), WORTHLESS)

    def test_good_tokens_are_read_as_they_are_meant(self):
        for case in vectors("tokens/accepted.json", 30)["cases"]:
            with self.subTest(case["rule"]):
                session = of_claims(claims_of(case))
                self.assertEqual((session.subject, session.id), (case["subject"], SID))
                self.assertEqual(session.level_at(case["now"]), case["acr"])
                self.assertEqual(judge(session, Demand(elevated=True), case["now"]), case["elevated"])
                self.assertEqual(session.claims, case["claims"])
                self.assertEqual(session.purpose, case.get("purpose"))
                self.assertEqual(list(session.groups), case.get("groups", ["staff"]))

    def test_good_tokens_pass_and_an_elevation_that_is_over_asks_for_another(self):
        elevated = requirement_of(elevated=True, step_up_status=403)
        for case in vectors("tokens/accepted.json", 30)["cases"]:
            with self.subTest(case["rule"]):
                world = World.heard(now=case["now"])
                world.transport.introspection = active(exp=2**53 - 1)
                self.assertEqual(self.answer(world.core, case["token"]).subject, "alice")
                answer = self.answer(world.core, case["token"], elevated)
                code = None if case["elevated"] == "met" else "ELEVATION_EXPIRED"
                self.assertEqual(getattr(answer, "body", {}).get("code"), code)
                self.assertEqual(world.transport.count("/oauth/introspect"), 1)

    def test_guard_with_a_shared_key_takes_that_algorithm_and_no_other(self):
        shared_key = bytes.fromhex(INSTALLATION["shared_key_hex"])
        for case in vectors("tokens/hs256.json", 20)["cases"]:
            with self.subTest(case["rule"]):
                world = World.heard(now=case["now"], shared_key=shared_key)
                answer = self.answer(world.core, case["token"])
                self.assertEqual(getattr(answer, "status", 200), case["status"])
                self.assertEqual(world.transport.count("/.well-known/jwks.json"), 0)

    def test_vectors_are_what_their_generator_makes(self):
        made = subprocess.run(
            [sys.executable, "-B", str(VECTORS / "tokens" / "generator"), "--check"], capture_output=True, text=True,
            check=False)
        self.assertEqual((made.returncode, made.stdout), (0, ""), made.stderr)


class Judgement(Case):
    """Who may do what."""

    def test_standing_is_judged_as_in_every_language(self):
        for case in vectors("elevation/judgement.json", 80)["cases"]:
            with self.subTest(case["rule"]):
                standing, demand = Standing(case["standing"]), case["demand"]
                asked = Demand(demand.get("elevated", False), demand.get("acr"), demand.get("max_age"))
                self.assertEqual(judge(standing, asked, case["now"]), case["verdict"])
                self.assertEqual(level_at(standing, case["now"]), case["acr"])

    def test_claim_is_met_by_the_same_type_and_value_alone(self):
        for case in vectors("elevation/claims.json", 50)["cases"]:
            with self.subTest(case["rule"]):
                claims = {"tier": case["have"]} if "have" in case else {}
                self.assertIs(has_claim(claims, "tier", case["want"]), case["met"])
        self.assertFalse(has_claim({"tier": 1.0}, "tier", 1))

    def test_whoever_may_not_pass_is_answered_as_in_every_language(self):
        for case in vectors("elevation/answers.json", 45)["cases"]:
            with self.subTest(case["rule"]):
                who, asked = case["who"], case["requirement"]
                world = World(now=case["now"])
                if isinstance(who, dict):
                    world.transport.introspection = introspected(who, case["now"])
                requirement = requirement_of(
                    elevated=asked.get("elevated", False), level=asked.get("acr"), max_age=asked.get("max_age"),
                    claims=asked.get("claims", ()), groups=asked.get("groups", ()),
                    step_up_status=case["step_up_status"])
                answer = self.answer(world.core, None if who == "nobody" else "ab" * 48, requirement)
                if case["answer"] is None:
                    self.assertEqual(answer.subject, "alice")
                    continue
                given = {
                    "status": answer.status, "www_authenticate": answer.headers.get("WWW-Authenticate"),
                    "body": answer.body}
                self.assertEqual(given, case["answer"])

    def test_nobody_is_signed_in_without_a_bearer_token(self):
        world = World()
        for headers in [[], [""], ["Basic YTpi"], ["BearerX"], [" Bearer x"], ["Token x"]]:
            with self.assertRaises(Refused, msg=headers) as refused:
                world.core.known(headers)
            self.assertIs(refused.exception.answer, NOBODY)
        self.assertEqual(world.transport.asked, [])

    def test_bearer_token_that_could_be_read_in_two_ways_is_worth_nothing(self):
        world, token = World(), "ab" * 48
        world.transport.introspection = active()
        for headers in [["Bearer"], ["Bearer "], ["Bearer  " + token], ["Bearer %s " % token], ["Bearer %s\n" % token],
                        ["Bearer " + token] * 2, ["Bearer %s,%s" % (token, token)], ["Bearer " + token.upper()]]:
            with self.assertRaises(Refused, msg=headers) as refused:
                world.core.find(headers)
            self.assertIs(refused.exception.answer, WORTHLESS)
        self.assertEqual(world.core.find(["bEARER " + token]).subject, "alice")


class Standing:
    """A standing as the vectors have it."""

    def __init__(self, fields):
        elevation = fields["elevation"]
        self.level, self.authenticated_at = fields["acr"], fields["auth_time"]
        self.elevation = elevation and Elevation(
            elevation["acr"], elevation["elevation_time"], elevation["elevated_until"])


def introspected(who, now):
    """What introspection says of a standing."""
    standing, elevation = who["standing"], who["standing"]["elevation"] or {}
    is_on = now < elevation.get("elevated_until", 0)
    return active(
        auth_time=standing["auth_time"], session_acr=standing["acr"], elevated=is_on,
        acr=elevation["acr"] if is_on else standing["acr"], elevation_time=elevation.get("elevation_time", ...),
        elevated_until=elevation.get("elevated_until", ...), claims=who["claims"], groups=who["groups"])


class KeySets(unittest.TestCase):
    """Which keys count."""

    good = INSTALLATION["jwks"]["keys"][0]

    def keys(self, *keys):
        return keys_of(json.dumps({"keys": keys}).encode())

    def test_keys_of_small_order_and_of_other_kinds_are_left_out(self):
        self.assertEqual(len(KEYS), 2)
        changes = [
            {"kty": "EC"}, {"crv": "X25519"}, {"use": "enc"}, {"alg": "ES256"}, {"kid": 1},
            {"x": self.good["x"] + "="}, {"x": self.good["x"][1:]}, {"x": 1}]
        self.assertEqual(self.keys(*({**self.good, **change} for change in changes), None, 7, []), {})
        for public in ["00" * 32, "01" + "00" * 31, "01" + "00" * 30 + "80", "ec" + "ff" * 30 + "7f",
                       "f0" + "ff" * 30 + "7f", "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
                       "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
                       "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"]:
            x = base64.urlsafe_b64encode(bytes.fromhex(public)).rstrip(b"=").decode()
            self.assertEqual(self.keys({**self.good, "x": x}), {}, public)

    def test_two_keys_of_one_id_and_too_many_and_none_are_refused_whole(self):
        many = [{**self.good, "kid": str(number)} for number in range(33)]
        for keys in [[self.good] * 2, many]:
            with self.assertRaises(NoAnswer):
                self.keys(*keys)
        for text in [b"", b"{}", b"[]", b"null", b'{"keys":{}}', b'{"keys":[],"keys":[]}', b"\xff"]:
            with self.assertRaises(NoAnswer, msg=text):
                keys_of(text)
