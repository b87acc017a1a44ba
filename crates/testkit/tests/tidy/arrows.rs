//! Arrows: which crate may depend on which, and which module of the server may name which.
//!
//! Knows the floors of the workspace and the rooms of the server. Must never know a file's content beyond
//! its dependencies and paths. Read ARCHITECTURE.md for the reasons behind the arrows.

use crate::Violation;
use crate::source::{Source, inner_paths, lines_with};

/// Each crate of the workspace and the crates below it. Development dependencies are free.
const CRATES: [(&str, &[&str]); 7] = [
    ("crates/core", &[]),
    ("crates/auth", &["countersign-core"]),
    ("crates/client", &["countersign-core"]),
    ("crates/server", &["countersign-auth", "countersign-core"]),
    (
        "crates/cli",
        &[
            "countersign-server",
            "countersign-client",
            "countersign-auth",
            "countersign-core",
        ],
    ),
    ("crates/testkit", &["countersign-core", "countersign-auth"]),
    ("xtask", &[]),
];

/// What needs an operating system or a wire, and therefore never reaches the two lower floors.
const UPPER_FLOOR: [&str; 9] = [
    "tokio",
    "serde_json",
    "rusqlite",
    "axum",
    "hyper",
    "rustls",
    "tracing",
    "getrandom",
    "argon2",
];

/// Checks one manifest: its arrows, its floor, and that it takes the workspace's lints (no unsafe code among
/// them).
pub(crate) fn manifest(path: &str, text: &str) -> Vec<Violation> {
    let Some(folder) = path.strip_suffix("/Cargo.toml") else {
        return Vec::new();
    };
    let Some((_, below)) = CRATES.iter().find(|(name, _)| *name == folder) else {
        let news = format!("the crate {folder} has no arrows yet: state them in the tidy test");
        let is_member = folder.starts_with("crates/");
        return if is_member {
            vec![Violation::new(path, 1, news)]
        } else {
            Vec::new()
        };
    };
    let mut found = Vec::new();
    for (line, name) in dependencies(text) {
        if name.starts_with("countersign") && !below.contains(&name.as_str()) {
            found.push(Violation::new(
                path,
                line,
                format!("{folder} must not depend on {name}"),
            ));
        }
        if is_lower_floor(path) && UPPER_FLOOR.contains(&name.as_str()) {
            found.push(Violation::new(
                path,
                line,
                format!("{name} stays above the floor of {folder}"),
            ));
        }
    }
    if !inherits_lints(text) {
        found.push(Violation::new(
            path,
            1,
            "the manifest takes the workspace's lints: [lints] workspace = true",
        ));
    }
    found
}

/// Whether the path belongs to core or auth, the crates that run without an operating system.
pub(crate) fn is_lower_floor(path: &str) -> bool {
    path.starts_with("crates/core/") || path.starts_with("crates/auth/")
}

/// The names in every table of dependencies that ship or run at build time.
fn dependencies(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut collecting = false;
    for (index, line) in text.lines().map(str::trim).enumerate() {
        if let Some(header) = line.strip_prefix('[') {
            let header = header.trim_end_matches(']');
            let table = header
                .rsplit_once("dependencies")
                .filter(|(before, _)| !before.ends_with("dev-"));
            collecting = table.is_some_and(|(_, after)| after.is_empty());
            let single = table.and_then(|(_, after)| after.strip_prefix('.'));
            found.extend(single.map(|name| (index + 1, name.to_owned())));
        } else if collecting && !line.is_empty() && !line.starts_with('#') {
            let name: String = line
                .chars()
                .take_while(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
                .collect();
            found.push((index + 1, name));
        }
    }
    found
}

fn inherits_lints(text: &str) -> bool {
    let mut lines = text
        .lines()
        .map(str::trim)
        .skip_while(|line| *line != "[lints]")
        .skip(1);
    lines.next() == Some("workspace = true")
}

/// The rooms of the server that know one thing of the world each, and so never meet.
const ROOMS: [&str; 4] = ["store", "deliver", "bus", "risk"];

/// The one file that joins the rooms.
pub(crate) const WIRING: &str = "crates/server/src/wiring.rs";

/// Checks the paths one file of the server names.
pub(crate) fn module(source: &Source) -> Vec<Violation> {
    let Some(module) = server_module(&source.path) else {
        return Vec::new();
    };
    let from = module.first().copied().unwrap_or("lib");
    if matches!(from, "lib" | "wiring") {
        return Vec::new();
    }
    let named = inner_paths(&source.shipped, &module);
    let forbidden = named.iter().filter_map(|(line, path)| {
        let to = path.first()?;
        let why = refusal(from, to)?;
        Some(Violation::new(
            &source.path,
            *line,
            format!("{from} names {to}: {why}"),
        ))
    });
    forbidden.chain(floor_words(source)).collect()
}

/// Why module `from` must not name module `to`, where it must not.
fn refusal(from: &str, to: &str) -> Option<&'static str> {
    match (from, to) {
        _ if from == to => None,
        (_, "door") => Some("nobody knows the doors but the wiring"),
        (_, "edge") => Some("clock and entropy are handed in by the wiring"),
        (_, "wiring") => Some("the wiring stands above all rooms"),
        ("door", "store") => Some("the service stands between doors and stores"),
        (room, other) if ROOMS.contains(&room) && (ROOMS.contains(&other) || other == "service") => {
            Some("store, deliver, bus and risk never meet each other or the service")
        }
        _ => None,
    }
}

/// The crate's own name would be a way around the paths from `crate`.
fn floor_words(source: &Source) -> impl Iterator<Item = Violation> {
    let lines = lines_with(&source.shipped, "countersign_server").into_iter();
    lines.map(|line| {
        Violation::new(
            &source.path,
            line,
            "inside the server, paths begin with crate or super",
        )
    })
}

/// The module path of a file below `crates/server/src`; empty for the crate's root.
fn server_module(path: &str) -> Option<Vec<&str>> {
    let inside = path.strip_prefix("crates/server/src/")?.strip_suffix(".rs")?;
    let mut parts: Vec<&str> = inside.split('/').collect();
    if matches!(parts.last(), Some(&("mod" | "lib"))) {
        parts.pop();
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINTS: &str = "[lints]\nworkspace = true\n";

    fn manifest_with(path: &str, tables: &str) -> Vec<String> {
        manifest(path, &format!("{LINTS}{tables}"))
            .into_iter()
            .map(|found| found.what)
            .collect()
    }

    fn named_from(path: &str, text: &str) -> usize {
        module(&Source::new(path, text)).len()
    }

    #[test]
    fn core_depends_on_no_crate_of_the_workspace() {
        let tables = "[dependencies]\nsha2 = \"1\"\ncountersign-auth = { workspace = true }\n";
        assert_eq!(manifest_with("crates/core/Cargo.toml", tables).len(), 1);
        assert_eq!(
            manifest_with("crates/core/Cargo.toml", "[dependencies.countersign-auth]\n").len(),
            1
        );
        let target = "[target.'cfg(unix)'.dependencies]\ncountersign-auth.workspace = true\n";
        assert_eq!(manifest_with("crates/core/Cargo.toml", target).len(), 1);
        assert!(
            manifest_with(
                "crates/auth/Cargo.toml",
                "[dependencies]\ncountersign-core = \"1\"\n"
            )
            .is_empty()
        );
    }

    #[test]
    fn development_dependencies_are_free() {
        let tables = "[dev-dependencies]\ncountersign-testkit = { workspace = true }\nserde_json = \"1\"\n";
        assert!(manifest_with("crates/core/Cargo.toml", tables).is_empty());
    }

    #[test]
    fn lower_floors_take_nothing_that_needs_an_operating_system() {
        assert_eq!(
            manifest_with("crates/auth/Cargo.toml", "[dependencies]\ntokio = \"1\"\n").len(),
            1
        );
        assert!(manifest_with("crates/server/Cargo.toml", "[dependencies]\ntokio = \"1\"\n").is_empty());
    }

    #[test]
    fn manifest_without_the_workspace_lints_is_refused() {
        assert_eq!(manifest("crates/core/Cargo.toml", "[package]\n").len(), 1);
    }

    #[test]
    fn crate_without_arrows_is_refused() {
        assert_eq!(manifest("crates/new/Cargo.toml", LINTS).len(), 1);
        assert!(manifest("bench/Cargo.toml", "").is_empty());
    }

    #[test]
    fn doors_and_stores_never_meet() {
        assert_eq!(
            named_from(
                "crates/server/src/door/http/mod.rs",
                "use crate::{service, store::Port};"
            ),
            1
        );
        assert_eq!(
            named_from("crates/server/src/door/mod.rs", "use super::store;"),
            1
        );
        assert_eq!(
            named_from("crates/server/src/door/mod.rs", "use crate::service::Service;"),
            0
        );
    }

    #[test]
    fn rooms_never_name_each_other_or_what_stands_above() {
        for other in ["deliver", "bus", "risk", "door", "service", "edge", "wiring"] {
            assert_eq!(
                named_from(
                    "crates/server/src/store/sqlite.rs",
                    &format!("use crate::{other}::X;")
                ),
                1
            );
        }
        assert_eq!(
            named_from(
                "crates/server/src/store/sqlite.rs",
                "use crate::store::X; use super::Y;"
            ),
            0
        );
    }

    #[test]
    fn only_wiring_and_root_name_the_doors_and_the_edge() {
        assert_eq!(
            named_from("crates/server/src/service/mod.rs", "use crate::door;"),
            1
        );
        assert_eq!(
            named_from("crates/server/src/settings.rs", "fn f() { crate::edge::now() }"),
            1
        );
        assert_eq!(named_from(WIRING, "use crate::{door, edge, store};"), 0);
        assert_eq!(
            named_from("crates/server/src/lib.rs", "pub use crate::door::Door;"),
            0
        );
    }

    #[test]
    fn own_crate_name_is_no_way_around() {
        assert_eq!(
            named_from(
                "crates/server/src/service/mod.rs",
                "use countersign_server::door;"
            ),
            1
        );
    }

    #[test]
    fn test_modules_may_name_what_they_compare() {
        let text = "#[cfg(test)]\nmod tests { use crate::store::Memory; }";
        assert_eq!(named_from("crates/server/src/door/mod.rs", text), 0);
    }
}
