//! Shape: blanks, columns, unfinished work, module docs, and files no crate would compile.
//!
//! Knows lines and `mod` declarations. Must never know words with a meaning of their own; those are `words`.

use std::collections::BTreeSet;

use crate::Violation;
use crate::source::{Source, tokens};

/// Columns a line of Rust may have; the formatter stays below it, comments and literals are ours to break.
const COLUMNS_MAX: usize = 120;

/// Marks of unfinished work, put together here so that this file keeps its own rule.
const UNFINISHED: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX")];

/// Rules for every written file.
pub(crate) fn text(path: &str, text: &str) -> Vec<Violation> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let mut note = |what: &str| found.push(Violation::new(path, index + 1, what));
        if line.contains('\t') {
            note("a tab; indent with blanks");
        }
        if line.ends_with(char::is_whitespace) {
            note("blanks at the end of the line");
        }
        let words = line.split(|character: char| !character.is_ascii_alphanumeric() && character != '_');
        if words.into_iter().any(|word| UNFINISHED.contains(&word)) {
            note("unfinished work belongs in an issue");
        }
        if holds_a_key(line) {
            note("a key; keys are drawn where they are used and never kept here");
        }
    }
    if !text.is_empty() && !text.ends_with('\n') {
        found.push(Violation::new(
            path,
            text.lines().count(),
            "no line end at the end of the file",
        ));
    }
    found
}

/// Whether a line begins a private key in PEM, or is a line of a key ring (`use id hexadecimal`).
fn holds_a_key(line: &str) -> bool {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let is_hexadecimal = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_of_a_ring =
        matches!(words[..], ["seal" | "index" | "audit", _, key] if key.len() == 64 && is_hexadecimal(key));
    is_of_a_ring || line.contains(concat!("PRIVATE", " KEY-----"))
}

/// Rules for every Rust file.
pub(crate) fn rust(path: &str, text: &str) -> Vec<Violation> {
    let long = text
        .lines()
        .enumerate()
        .filter(|(_, line)| line.chars().count() > COLUMNS_MAX);
    let mut found: Vec<Violation> = long
        .map(|(index, _)| Violation::new(path, index + 1, format!("more than {COLUMNS_MAX} columns")))
        .collect();
    if !text.starts_with("//!") {
        found.push(Violation::new(
            path,
            1,
            "the file begins with its module doc (//!)",
        ));
    }
    found
}

/// Files below a `src` folder that no chain of `mod` leads to from `lib.rs`, `main.rs` or a file in `bin`.
pub(crate) fn unreachable(sources: &[Source]) -> Vec<Violation> {
    let inside: Vec<&Source> = sources
        .iter()
        .filter(|source| root_folder(&source.path).is_some())
        .collect();
    let mut reached: BTreeSet<&str> = BTreeSet::new();
    let mut waiting: Vec<&Source> = inside
        .iter()
        .copied()
        .filter(|source| is_root(&source.path))
        .collect();
    while let Some(source) = waiting.pop() {
        if !reached.insert(&source.path) {
            continue;
        }
        let places = declared_modules(&source.code)
            .into_iter()
            .flat_map(|name| places(&source.path, name));
        let places: Vec<String> = places.collect();
        waiting.extend(
            inside
                .iter()
                .copied()
                .filter(|other| places.contains(&other.path)),
        );
    }
    let lost = inside
        .iter()
        .filter(|source| !reached.contains(source.path.as_str()));
    lost.map(|source| Violation::new(&source.path, 1, "no `mod` leads here from lib.rs or main.rs"))
        .collect()
}

/// The path up to and with `src/`, for files of a crate's own source.
fn root_folder(path: &str) -> Option<&str> {
    path.find("/src/")
        .map(|at| &path[..at + "/src/".len()])
        .filter(|root| !root.contains("/tests/"))
}

fn is_root(path: &str) -> bool {
    let inside = root_folder(path).map_or(path, |root| &path[root.len()..]);
    matches!(inside, "lib.rs" | "main.rs")
        || inside
            .strip_prefix("bin/")
            .is_some_and(|name| !name.contains('/') || name.ends_with("/main.rs"))
}

/// Names declared as `mod name;`.
fn declared_modules(code: &str) -> Vec<&str> {
    let tokens = tokens(code);
    let declarations = tokens
        .windows(3)
        .filter(|three| three[0].text == "mod" && three[2].text == ";");
    declarations.map(|three| three[1].text).collect()
}

/// The two files a declared module may stand in.
fn places(declared_in: &str, name: &str) -> [String; 2] {
    let (folder, file) = declared_in.rsplit_once('/').unwrap_or(("", declared_in));
    let folder = if is_root(declared_in) || file == "mod.rs" {
        folder.to_owned()
    } else {
        format!("{folder}/{}", file.trim_end_matches(".rs"))
    };
    [format!("{folder}/{name}.rs"), format!("{folder}/{name}/mod.rs")]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost(files: &[(&str, &str)]) -> Vec<String> {
        let sources: Vec<Source> = files.iter().map(|(path, text)| Source::new(path, text)).collect();
        unreachable(&sources)
            .into_iter()
            .map(|found| found.path)
            .collect()
    }

    #[test]
    fn blanks_and_tabs_are_refused() {
        assert_eq!(text("a.md", "one\n\ttwo\nthree \n").len(), 2);
        assert_eq!(text("a.md", "one").len(), 1);
        assert!(text("a.md", "one\n\n  two\n").is_empty());
    }

    #[test]
    fn unfinished_work_is_refused_as_a_word_of_its_own() {
        for mark in UNFINISHED {
            assert_eq!(text("a.rs", &format!("// {mark}: later\n")).len(), 1);
            assert!(text("a.rs", &format!("mktemp {mark}{mark}\n")).is_empty());
        }
    }

    #[test]
    fn columns_are_counted_in_characters() {
        let full = "é".repeat(COLUMNS_MAX - 4);
        assert!(rust("a.rs", &format!("//! {full}\n")).is_empty());
        assert_eq!(rust("a.rs", &format!("//! {full}x\n")).len(), 1);
    }

    #[test]
    fn file_without_module_doc_is_refused() {
        assert_eq!(rust("a.rs", "use b;\n").len(), 1);
        assert_eq!(rust("a.rs", "/// Not a module doc.\n").len(), 1);
    }

    #[test]
    fn file_without_a_declaration_is_lost() {
        let lib = ("crates/a/src/lib.rs", "mod one;\n// mod two;\n");
        let one = ("crates/a/src/one/mod.rs", "pub mod three;");
        let two = ("crates/a/src/two.rs", "");
        let three = ("crates/a/src/one/three.rs", "#[cfg(test)]\nmod tests;");
        let tests = ("crates/a/src/one/three/tests.rs", "");
        assert_eq!(lost(&[lib, one, two, three, tests]), ["crates/a/src/two.rs"]);
    }

    #[test]
    fn binaries_and_tests_are_roots_or_out_of_sight() {
        let main = ("crates/a/src/main.rs", "mod one;");
        let one = ("crates/a/src/one.rs", "");
        let tool = ("crates/a/src/bin/tool.rs", "");
        let helper = ("crates/a/src/bin/tool/helper.rs", "");
        let test = ("crates/a/tests/story.rs", "");
        assert!(lost(&[main, one, tool, test]).is_empty());
        assert_eq!(
            lost(&[main, one, tool, helper]),
            ["crates/a/src/bin/tool/helper.rs"]
        );
    }

    #[test]
    fn same_name_in_another_crate_does_not_reach() {
        let lib = ("crates/a/src/lib.rs", "mod one;");
        let other = ("crates/b/src/one.rs", "");
        assert_eq!(lost(&[lib, other]), ["crates/b/src/one.rs"]);
    }
}
