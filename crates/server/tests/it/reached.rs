//! How the server is reached: the public address counts, and what clients and proxies write as `Host` does not.

use axum::http::StatusCode;
use countersign_server::door::http::fuzz_forwarded;
use countersign_testkit::Target;

use crate::browser::Site;

const FORWARDED: Target = Target {
    name: "forwarded",
    run: fuzz_forwarded,
    pieces: &[
        "f",
        "m",
        "p",
        "h",
        "u",
        "\n",
        "mGET",
        "\npHTTPS",
        "\nhApp.Example.org",
        "\nu/",
        "\nf",
        "203.0.113.7",
        "::ffff:203.0.113.7",
        "2001:db8::1",
        "[",
        "]",
        ":",
        "443",
        ",",
        " ",
        "é",
    ],
};

#[test]
fn corpus_of_forwarded_requests_is_taken_in_one_spelling_or_refused() {
    FORWARDED.run_corpus();
}

#[test]
fn chance_finds_no_forwarded_request_of_two_spellings() {
    FORWARDED.run_chance(40_000);
}

#[tokio::test]
async fn form_is_taken_from_the_public_address_whatever_host_says() {
    let site = Site::open_at("https://id.example.org");
    let mut browser = site.browser();
    for (origin, expected) in [
        ("https://id.example.org", StatusCode::SEE_OTHER),
        // What these browsers say is the `Host` of their request as well.
        ("https://localhost:8443", StatusCode::FORBIDDEN),
        ("https://id.example.org:8443", StatusCode::FORBIDDEN),
        ("null", StatusCode::FORBIDDEN),
    ] {
        let from = [("origin", origin)];
        let answer = browser.post_from(&from, "/sign-out", &[]).await;
        assert_eq!(answer.status, expected, "{origin}");
    }
    let answer = browser
        .post_from(
            &[("origin", "https://elsewhere.example")],
            "https://elsewhere.example/sign-out",
            &[],
        )
        .await;
    assert_eq!(
        answer.status,
        StatusCode::FORBIDDEN,
        "a host in the request line is none either"
    );
}

#[tokio::test]
async fn host_that_a_client_wrote_is_in_no_answer() {
    for site in [Site::open(), Site::open_at("https://id.example.org")] {
        let mut browser = site.browser();
        for path in [
            "/",
            "/setup",
            "/sign-in",
            "/sign-in/code",
            "/enrol",
            "/account",
            "/account/factors",
            "/api/dashboard",
            "/healthz",
            "/readyz",
            "/openapi.json",
            "/nowhere",
            "http://elsewhere.example/account",
        ] {
            let answer = browser.get_as("elsewhere.example", path).await;
            assert!(!answer.status.is_server_error(), "{path}: {}", answer.status);
            let told = format!("{:?} {}", answer.headers, answer.body);
            assert!(!told.contains("elsewhere"), "{path}: {told}");
        }
    }
}
