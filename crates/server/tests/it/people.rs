//! Lists of people against the fuzzers' corpus and seeded chance.

use countersign_server::people::fuzz;
use countersign_testkit::Target;

const LISTS: Target = Target {
    name: "people",
    run: fuzz,
    pieces: &[
        "name,role,groups,claims,disabled\n",
        "username,totp_secret,totp_enabled\n",
        "alice",
        "'=",
        ",",
        "\"",
        "\"\"",
        "\r\n",
        "\n",
        "{\"a\":1}",
        "\"{\"\"a\"\":\"\"-\"\"}\"",
        "[{\"name\":\"a\",\"claims\":{\"b\":true}}",
        "]",
        "operator",
        "true",
        "bIUUz4z//vY2euS4T3cGLeOM4DlsZjoNt+1zmLWDx8g=",
        "\0",
        "é",
    ],
};

#[test]
fn corpus_and_chance_break_no_list() {
    LISTS.run_corpus();
    LISTS.run_chance(200);
}
