//! Rules of protected applications against the fuzzers' corpus and seeded chance.

use countersign_server::service::rules::fuzz;
use countersign_testkit::Target;

const RULES: Target = Target {
    name: "access_rules",
    run: fuzz,
    pieces: &[
        "/",
        "/admin",
        "admin",
        "users",
        "x",
        "..",
        ".",
        "%2e",
        "%2f",
        "%5c",
        "%00",
        "%25",
        "%3b",
        "%c0%af",
        "\\",
        ";",
        "?",
        "#",
        "%61",
        "%",
        "é",
        "http://a.example",
        "\n",
        "[[host]]\n",
        "[[host.rule]]\n",
        "name = 'a.example'\n",
        "path = '/admin/*'\n",
        "allow = 'public'\n",
        "methods = ['GET']\n",
        "networks = ['0.0.0.0/0']\n",
        "acr = 'cs:2'\n",
        "claims = { a = [1] }\n",
    ],
};

#[test]
fn corpus_of_rules_leads_nobody_past_them() {
    RULES.run_corpus();
}

#[test]
fn chance_leads_nobody_past_rules() {
    RULES.run_chance(3_000);
}
