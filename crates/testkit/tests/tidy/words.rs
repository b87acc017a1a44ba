//! Words and the only folders they may stand in: SQL, HTTP, clocks, entropy, panics, output.
//!
//! Knows words and paths. Must never know what a file is for beyond the folder it lies in. Integration tests
//! look at the product from outside, so rules about shipped code leave `tests` folders alone; every such
//! limit is stated in its rule. Read `source` for the views, `shape` for the form of files.

use crate::Violation;
use crate::arrows::{WIRING, is_lower_floor};
use crate::source::{Source, is_test_path, lines_with};

/// Fewest underlines of a test's name, which says a rule in words; shorter names in a document are other things.
const UNDERLINES_MIN: usize = 3;

/// Tests that a document names between backticks, and that no source has.
pub(crate) fn missing_tests(path: &str, text: &str, sources: &[Source]) -> Vec<Violation> {
    let is_name = |word: &str| {
        word.bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
            && word.matches('_').count() >= UNDERLINES_MIN
    };
    let is_there = |name: &str| {
        let declared = format!("fn {name}(");
        sources.iter().any(|source| source.code.contains(&declared))
    };
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let cited = line.split('`').skip(1).step_by(2);
        let missing = cited.filter(|word| is_name(word) && !is_there(word));
        found
            .extend(missing.map(|name| Violation::new(path, index + 1, format!("no test is called {name}"))));
    }
    found
}

/// Where the guard reads the time.
const GUARD_CLOCK: &str = "crates/client/src/guard/clock.rs";

/// Words, the part of a file they are looked for in, the files they are forbidden in, and why.
struct Rule {
    words: &'static [&'static str],
    view: fn(&Source) -> &str,
    forbidden_in: fn(&str) -> bool,
    why: &'static str,
}

const RULES: [Rule; 13] = [
    Rule {
        words: &["rusqlite", "tokio_postgres", "sqlx"],
        view: |source| &source.code,
        forbidden_in: |path| is_shipped(path) && !path.starts_with("crates/server/src/store/"),
        why: "databases are spoken to under server/src/store only",
    },
    Rule {
        words: &[
            "SELECT",
            "INSERT INTO",
            "DELETE FROM",
            "CREATE TABLE",
            "CREATE INDEX",
            "PRAGMA",
        ],
        view: |source| &source.uncommented,
        forbidden_in: |path| is_shipped(path) && !path.starts_with("crates/server/src/store/"),
        why: "SQL stands under server/src/store only",
    },
    Rule {
        words: &[
            "axum",
            "hyper",
            "hyper_util",
            "http_body_util",
            "utoipa",
            "tower",
            "StatusCode",
            "HeaderMap",
        ],
        view: |source| &source.code,
        // The client crate is the other end of the wire, so the words of HTTP are its trade too.
        forbidden_in: |path| {
            let speaks_http = ["crates/server/src/door/", "crates/client/src/"];
            is_shipped(path) && path != WIRING && !speaks_http.iter().any(|folder| path.starts_with(folder))
        },
        why: "HTTP is spoken under server/src/door and in the wiring only",
    },
    Rule {
        words: &["axum"],
        view: |source| &source.code,
        // The guard stands inside other people's servers; its examples and tests are such servers.
        forbidden_in: |path| {
            path.starts_with("crates/client/src/") && !path.starts_with("crates/client/src/guard/")
        },
        why: "the client has no server inside; only its guard stands in one",
    },
    Rule {
        words: &["tokio", "serde_json", "rusqlite", "axum", "hyper", "rustls"],
        view: |source| &source.shipped,
        forbidden_in: is_lower_floor,
        why: "below the server nobody knows tokio, JSON, HTTP or SQL",
    },
    Rule {
        words: &["std::", "extern crate std"],
        view: |source| &source.shipped,
        forbidden_in: is_lower_floor,
        why: "core and auth run without an operating system; only their tests may use std",
    },
    Rule {
        words: &["alloc::", "extern crate alloc"],
        view: |source| &source.shipped,
        forbidden_in: |path| path.starts_with("crates/core/"),
        why: "core runs without a heap",
    },
    Rule {
        words: &[
            "SystemTime::now",
            "Instant::now",
            "getrandom",
            "OsRng",
            "thread_rng",
            "SystemRandom",
        ],
        view: |source| &source.code,
        // Free where there is no product: xtask, bench, the testkit and every tests folder. Test modules
        // inside src are not free, because a test of a rule needs a virtual clock and seeded chance. The guard is
        // built into other people's programs, so it has a clock of its own, in one file.
        forbidden_in: |path| {
            let reads_clocks = path.starts_with("crates/server/src/edge") || path == GUARD_CLOCK;
            is_shipped(path) && !reads_clocks
        },
        why: "clock and entropy are read under server/src/edge only and handed in from there",
    },
    Rule {
        words: &[".unwrap()"],
        view: |source| &source.shipped,
        forbidden_in: |_| true,
        why: "outside tests an error is answered, or `expect` names the invariant",
    },
    Rule {
        words: &["unsafe"],
        view: |source| &source.code,
        forbidden_in: |path| !path.starts_with("crates/core/src/otp/lanes/"),
        why: "unsafe code stands under core/src/otp/lanes only",
    },
    Rule {
        words: &["sleep("],
        view: |source| &source.tested,
        forbidden_in: |_| true,
        why: "tests wait for an event or turn a virtual clock, they never sleep",
    },
    Rule {
        words: &["println!", "eprintln!", "print!", "eprint!", "dbg!"],
        view: |source| &source.code,
        // Tests print into the capture of their runner; bench and fuzz are no product.
        forbidden_in: |path| path.starts_with("crates/") && in_src(path) && !path.starts_with("crates/cli/"),
        why: "only the binary and xtask write to the terminal",
    },
    Rule {
        words: &[
            "sqlite",
            "Sqlite",
            "SQLite",
            "SQLITE",
            "postgres",
            "Postgres",
            "PostgreSQL",
            "postgresql",
        ],
        view: |source| &source.raw,
        forbidden_in: |path| {
            let may = [
                "crates/server/src/store/",
                "crates/server/src/settings",
                // The wiring and its folder.
                "crates/server/src/wiring",
            ];
            is_shipped(path) && !is_test_path(path) && !may.iter().any(|folder| path.starts_with(folder))
        },
        why: "which stores exist is known to store, settings and wiring only",
    },
];

/// Code of the product: the `src` folders of all crates but the testkit.
fn is_shipped(path: &str) -> bool {
    path.starts_with("crates/") && in_src(path) && !path.starts_with("crates/testkit/")
}

fn in_src(path: &str) -> bool {
    path.split('/').nth(2) == Some("src")
}

/// Checks one file against every rule of words.
pub(crate) fn check(source: &Source) -> Vec<Violation> {
    let mut found = Vec::new();
    for rule in RULES.iter().filter(|rule| (rule.forbidden_in)(&source.path)) {
        for word in rule.words {
            let lines = lines_with((rule.view)(source), word);
            let news = format!("`{word}`: {}", rule.why);
            found.extend(
                lines
                    .into_iter()
                    .map(|line| Violation::new(&source.path, line, news.clone())),
            );
        }
    }
    found
}

/// The roots of core and auth say themselves that they need no standard library.
pub(crate) fn floor_is_no_std(source: &Source) -> Vec<Violation> {
    let is_root = is_lower_floor(&source.path) && source.path.ends_with("/src/lib.rs");
    let declarations = ["#![no_std]", "#![cfg_attr(not(test), no_std)]"];
    let says_so = declarations
        .iter()
        .any(|words| !lines_with(&source.code, words).is_empty());
    if is_root && !says_so {
        return vec![Violation::new(
            &source.path,
            1,
            "the root of a lower floor declares #![no_std]",
        )];
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(path: &str, text: &str) -> usize {
        check(&Source::new(path, text)).len()
    }

    const RULE: &str = "crates/auth/src/session.rs";
    const SERVICE: &str = "crates/server/src/service/mod.rs";
    const STORE: &str = "crates/server/src/store/sqlite.rs";
    const DOOR: &str = "crates/server/src/door/http/mod.rs";
    const EDGE: &str = "crates/server/src/edge/mod.rs";
    const OUTSIDE: &str = "crates/server/tests/story.rs";

    #[test]
    fn sql_stands_in_the_store_only() {
        let text = "fn f() { rusqlite::open(\"SELECT name FROM people\") }";
        assert_eq!(count(SERVICE, text), 2);
        assert_eq!(count(STORE, text), 0);
        assert_eq!(count(OUTSIDE, text), 0);
    }

    #[test]
    fn http_stands_in_the_doors_and_the_wiring_only() {
        let text = "use axum::http::StatusCode;";
        assert_eq!(count(SERVICE, text), 2);
        assert_eq!(count("crates/cli/src/main.rs", text), 2);
        assert_eq!(count(DOOR, text), 0);
        assert_eq!(count(WIRING, text), 0);
        assert_eq!(count("crates/client/src/lib.rs", text), 1);
        assert_eq!(count("crates/client/src/guard/routes.rs", text), 0);
    }

    #[test]
    fn lower_floors_know_no_tokio_json_http_or_sql() {
        assert_eq!(count(RULE, "use serde_json::Value;"), 1);
        assert_eq!(count("crates/auth/tests/vectors.rs", "use serde_json::Value;"), 0);
    }

    #[test]
    fn lower_floors_use_std_in_tests_only() {
        assert_eq!(count(RULE, "use std::vec::Vec;"), 1);
        assert_eq!(count(RULE, "extern crate std;"), 1);
        assert_eq!(count(RULE, "#[cfg(test)]\nmod tests { use std::vec::Vec; }"), 0);
        assert_eq!(count(RULE, "// std::vec is not for us\nuse alloc::vec::Vec;"), 0);
        assert_eq!(count("crates/core/src/time.rs", "use alloc::vec::Vec;"), 1);
    }

    #[test]
    fn clock_and_entropy_are_read_at_the_edge_only() {
        for word in [
            "SystemTime::now()",
            "Instant::now()",
            "getrandom::fill(b)",
            "OsRng",
            "SystemRandom",
        ] {
            let text = format!("fn f() {{ {word}; }}");
            assert_eq!(count(SERVICE, &text), 1, "{word}");
            assert_eq!(count(EDGE, &text), 0, "{word}");
            assert_eq!(count(OUTSIDE, &text), 0, "{word}");
        }
        assert_eq!(
            count(RULE, "#[cfg(test)]\nmod tests { fn f() { Instant::now(); } }"),
            1
        );
    }

    #[test]
    fn unwrap_stands_in_tests_only() {
        assert_eq!(count(SERVICE, "fn f() { g().unwrap(); }"), 1);
        assert_eq!(count("xtask/src/main.rs", "fn f() { g().unwrap (); }"), 1);
        assert_eq!(count(OUTSIDE, "fn f() { g().unwrap(); }"), 0);
        assert_eq!(
            count(SERVICE, "fn f() { g().unwrap_or(1); h(\".unwrap()\"); }"),
            0
        );
    }

    #[test]
    fn unsafe_stands_in_lanes_only() {
        assert_eq!(count(OUTSIDE, "fn f() { unsafe { g() } }"), 1);
        assert_eq!(
            count("crates/core/src/otp/lanes/wide.rs", "fn f() { unsafe { g() } }"),
            0
        );
        assert_eq!(count(SERVICE, "#![forbid(unsafe_code)]"), 0);
    }

    #[test]
    fn tests_never_sleep() {
        assert_eq!(count(OUTSIDE, "fn f() { thread::sleep(d); }"), 1);
        assert_eq!(
            count(RULE, "#[cfg(test)]\nmod tests { fn f() { sleep (d); } }"),
            1
        );
        assert_eq!(count(SERVICE, "async fn f() { time::sleep(d).await; }"), 0);
    }

    #[test]
    fn only_the_binary_writes_to_the_terminal() {
        assert_eq!(count(SERVICE, "fn f() { eprintln!(\"x\"); }"), 1);
        assert_eq!(count("crates/cli/src/main.rs", "fn f() { println!(\"x\"); }"), 0);
        assert_eq!(count("crates/testkit/src/clock.rs", "fn f() { dbg!(1); }"), 1);
        assert_eq!(count(OUTSIDE, "fn f() { println!(\"x\"); }"), 0);
    }

    #[test]
    fn store_names_are_known_to_few_even_in_comments() {
        assert_eq!(count(RULE, "// as SQLite does it\n"), 1);
        assert_eq!(count(DOOR, "mod a { const NAME: &str = \"postgres\"; }"), 1);
        assert_eq!(count("crates/server/src/settings.rs", "enum Store { Sqlite }"), 0);
        assert_eq!(count(STORE, "struct Sqlite;"), 0);
    }

    #[test]
    fn floor_without_its_declaration_is_refused() {
        let missing = |path: &str, text: &str| floor_is_no_std(&Source::new(path, text)).len();
        assert_eq!(missing("crates/core/src/lib.rs", "//! Core.\n"), 1);
        assert_eq!(missing("crates/core/src/lib.rs", "//! Core.\n// #![no_std]\n"), 1);
        assert_eq!(missing("crates/core/src/lib.rs", "//! Core.\n#![no_std]\n"), 0);
        assert_eq!(missing("crates/server/src/lib.rs", "//! Server.\n"), 0);
    }
}
