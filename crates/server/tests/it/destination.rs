//! Where links to us lead on to, against the fuzzers' corpus and seeded chance.

use countersign_server::door::http::fuzz_destination;
use countersign_testkit::Target;

const DESTINATIONS: Target = Target {
    name: "destination",
    run: fuzz_destination,
    pieces: &[
        "/",
        "//",
        "\\",
        "a",
        "..",
        ".",
        "@",
        ":",
        "?",
        "#",
        ";",
        " ",
        "\t",
        "\r\n",
        "\u{0}",
        "%2f",
        "%5c",
        "%2e",
        "%0d%0a",
        "%",
        "é",
        "https:",
        "javascript:",
        "elsewhere.example",
        "/.countersign/",
        "%2ecountersign",
    ],
};

#[test]
fn corpus_of_links_leads_nobody_to_another_site() {
    DESTINATIONS.run_corpus();
}

#[test]
fn chance_leads_nobody_to_another_site() {
    DESTINATIONS.run_chance(20_000);
}
