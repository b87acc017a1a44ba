//! The tidy test: the shape of the tree, kept by plain `cargo test`, strict and without an exception list.
//!
//! Knows the paths and the text of every file below the workspace root. Must never know what the code does:
//! each rule is a pure function over a path and a text, with tests beside it that show it can fail. Read
//! `source` first (how Rust text is split into code, literals and comments), then `arrows`, `words`, `shape`.

mod arrows;
mod shape;
mod source;
mod words;

use std::fmt;
use std::fs;
use std::path::Path;

use countersign_testkit::workspace_root;
use source::Source;

/// One place where the tree breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Violation {
    path: String,
    line: usize,
    what: String,
}

impl Violation {
    pub(crate) fn new(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            what: what.into(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: {}", self.path, self.line, self.what)
    }
}

#[test]
fn crates_and_modules_point_only_downward() {
    let tree = Tree::read();
    let manifests = tree.files.iter().filter(|(path, _)| path.ends_with("Cargo.toml"));
    let mut found: Vec<Violation> = manifests
        .flat_map(|(path, text)| arrows::manifest(path, text))
        .collect();
    found.extend(tree.sources.iter().flat_map(arrows::module));
    assert_tidy(found);
}

#[test]
fn words_stay_in_their_folders() {
    assert_tidy(Tree::read().sources.iter().flat_map(words::check).collect());
}

#[test]
fn lower_floors_are_built_without_the_standard_library() {
    assert_tidy(
        Tree::read()
            .sources
            .iter()
            .flat_map(words::floor_is_no_std)
            .collect(),
    );
}

#[test]
fn files_keep_their_shape() {
    let tree = Tree::read();
    let mut found: Vec<Violation> = tree
        .files
        .iter()
        .flat_map(|(path, text)| shape::text(path, text))
        .collect();
    found.extend(
        tree.sources
            .iter()
            .flat_map(|source| shape::rust(&source.path, &source.raw)),
    );
    assert_tidy(found);
}

#[test]
fn every_test_that_a_document_cites_exists() {
    let tree = Tree::read();
    let cited = tree
        .files
        .iter()
        .filter(|(path, _)| path.starts_with("docs/") && path.ends_with(".md"));
    assert_tidy(
        cited
            .flat_map(|(path, text)| words::missing_tests(path, text, &tree.sources))
            .collect(),
    );
}

#[test]
fn every_file_is_reachable_from_its_crate() {
    assert_tidy(shape::unreachable(&Tree::read().sources));
}

fn assert_tidy(mut found: Vec<Violation>) {
    found.sort();
    found.dedup();
    let lines: Vec<String> = found.iter().map(Violation::to_string).collect();
    assert!(
        lines.is_empty(),
        "{} untidy places:\n{}",
        lines.len(),
        lines.join("\n")
    );
}

/// Every file a rule looks at, by its path from the workspace root with forward slashes.
struct Tree {
    files: Vec<(String, String)>,
    sources: Vec<Source>,
}

impl Tree {
    fn read() -> Self {
        let mut files = Vec::new();
        collect(&workspace_root(), "", &mut files);
        let rust = files.iter().filter(|(path, _)| path.ends_with(".rs"));
        let sources: Vec<Source> = rust.map(|(path, text)| Source::new(path, text)).collect();
        let found = sources
            .iter()
            .any(|source| source.path == "crates/core/src/lib.rs");
        assert!(
            found,
            "the walk did not meet crates/core/src/lib.rs, so it proves nothing"
        );
        Self { files, sources }
    }
}

/// Written by hand, so held to the rules. Everything else (locks, corpora, pictures) is data.
const WRITTEN: [&str; 11] = [
    "rs", "toml", "md", "html", "css", "js", "mjs", "py", "sql", "yaml", "yml",
];

/// Made by programs, never by hand, wherever they stand.
const GENERATED: [&str; 5] = ["target", ".git", "node_modules", ".venv", "__pycache__"];

fn collect(root: &Path, below: &str, files: &mut Vec<(String, String)>) {
    let entries = fs::read_dir(root.join(below)).expect("the walk only enters folders it was shown");
    for entry in entries {
        let entry = entry.expect("the folder stays readable during the walk");
        let name = entry
            .file_name()
            .into_string()
            .expect("names in the tree are UTF-8");
        let path = if below.is_empty() {
            name.clone()
        } else {
            format!("{below}/{name}")
        };
        let kind = entry.file_type().expect("an entry knows its own kind");
        if kind.is_dir() {
            // `data` is what a server started in the root leaves there; elsewhere the name is free.
            if !GENERATED.contains(&name.as_str()) && path != "data" {
                collect(root, &path, files);
            }
        } else if kind.is_file() && WRITTEN.iter().any(|ending| name.ends_with(&format!(".{ending}"))) {
            let text = fs::read_to_string(entry.path());
            // A file may vanish between listing and reading when an editor saves it.
            files.extend(text.ok().map(|text| (path, text)));
        }
    }
}
