//! Bodies of the API against the fuzzers' corpus and seeded chance.

use countersign_server::door::http::fuzz_body;
use countersign_testkit::Target;

const BODIES: Target = Target {
    name: "json_body",
    run: fuzz_body,
    pieces: &[
        "\0",
        "\u{1}",
        "\u{2}",
        "\u{3}",
        "\u{4}",
        "\u{5}",
        "\u{6}",
        "\u{9}",
        "\u{a}",
        "\u{c}",
        "{",
        "}",
        "[",
        "]",
        "\"username\":",
        "\"password\":",
        "\"challenge_token\":",
        "\"totp_code\":",
        "\"ticket\":",
        "\"code\":",
        "\"label\":",
        "\"action\":",
        "\"fields\":",
        "\"kind\":",
        "\"deny\":true",
        "\"x\":",
        "\"\\u0000\"",
        "\"\\ud800\"",
        "\"123456\"",
        "null",
        "1e999",
        ",",
        " ",
        "\"",
    ],
};

#[test]
fn corpus_of_bodies_is_taken_or_refused_without_repeating_it() {
    BODIES.run_corpus();
}

#[test]
fn chance_finds_no_body_that_is_repeated() {
    BODIES.run_chance(40_000);
}
