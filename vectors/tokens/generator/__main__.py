"""Writes vectors/tokens: `python3 vectors/tokens/generator`; with `--check`, says whether the files are as it would.

Knows: the files. Must never know: why a token is good or not; that is `accepted`, `refused` and `compatibility`.
"""

import json
import pathlib
import sys

import accepted
import compatibility
import refused
import tokens

FOLDER = pathlib.Path(__file__).resolve().parent.parent
SOURCE = "docs/protocol/tokens.md; made by vectors/tokens/generator, whose Ed25519 is its own"


def lines(members, cases=()):
    """A file's text, one case a line."""
    head = json.dumps(members, indent=2)
    if not cases:
        return head + "\n"
    rows = ",\n".join("    " + json.dumps(case) for case in cases)
    return head[:-2] + ',\n  "cases": [\n' + rows + "\n  ]\n}\n"


def files():
    """Each file's name and text."""
    about = {"source": SOURCE}
    yield "installation.json", lines({
        **about, "description": "The installation that the tokens are of, and its keys; the third is of small order.",
        "issuer": tokens.ISSUER, "audience": tokens.ISSUER, "jwks": tokens.JWKS,
        "shared_key_hex": tokens.SHARED_KEY.hex()})
    for name, description, module in [
            ("accepted", "Good tokens, what they say, and whether an elevation is on.", accepted),
            ("refused", "Forged and stale tokens: 401 each, for one reason alone.", refused),
            ("hs256", "Tokens for a guard that has the shared key and no other.", compatibility)]:
        cases = list(module.cases())
        rules = [case["rule"] for case in cases]
        twice = {rule for rule in rules if rules.count(rule) > 1}
        assert not twice, "cases of one name: %s" % twice
        yield name + ".json", lines({**about, "description": description}, cases)


def main(arguments):
    """Returns the exit status."""
    status = 0
    for name, text in files():
        path = FOLDER / name
        if arguments == ["--check"]:
            if not path.is_file() or path.read_text("ascii") != text:
                print("%s is not what the generator makes; run it without --check" % path.name)
                status = 1
        else:
            path.write_text(text, "ascii")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
