//! The licences of everything that is built into the product and into the images for boards, which are examples of it.
//!
//! Knows which licences are welcome and how Cargo describes the graph. Must never know what a crate does. Read `spdx`
//! for expressions.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::Workshop;
use crate::process::Task;
use crate::spdx;
use crate::tally::Tally;
use crate::targets::TARGETS;

/// Licences that ask no more of an operator than to keep their text.
const WELCOME: [&str; 11] = [
    "MIT",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "Unicode-3.0",
    "Unlicense",
    "0BSD",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
];

/// Checks the graphs of normal and build dependencies: the product's for this machine, the images' for boards as well.
pub(crate) fn check(workshop: &Workshop) -> Result<Tally, String> {
    let compiler = Task::new("rustc", &["-vV"]).ask(workshop)?.output;
    let host = compiler.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.ok_or("rustc -vV names no host")?;
    let product = checked("Cargo.toml", &[host], workshop)?;
    let mut platforms = vec![host];
    platforms.extend(TARGETS);
    Ok(product + checked("boards/Cargo.toml", &platforms, workshop)?)
}

fn checked(manifest: &str, platforms: &[&str], workshop: &Workshop) -> Result<Tally, String> {
    let mut question = vec![
        "metadata",
        "--format-version",
        "1",
        "--locked",
        "--all-features",
        "--manifest-path",
        manifest,
    ];
    for platform in platforms {
        question.extend(["--filter-platform", platform]);
    }
    let answer = Task::cargo(&question).ask(workshop)?;
    answer.success(&answer.errors)?;
    let graph: Value =
        serde_json::from_str(&answer.output).map_err(|error| format!("cargo metadata: {error}"))?;
    let (count, unwelcome) = unwelcome(&graph);
    if count == 0 {
        return Err(format!(
            "cargo metadata of {manifest} shows no crate, so nothing was checked"
        ));
    }
    println!(
        "{manifest}: {count} crates, {} of them without a welcome licence",
        unwelcome.len()
    );
    if unwelcome.is_empty() {
        Ok(Tally::one(true))
    } else {
        Err(unwelcome.join("\n"))
    }
}

/// The number of crates the workspace's own are built from, and those whose licence is not welcome.
fn unwelcome(graph: &Value) -> (usize, Vec<String>) {
    let built = built(graph);
    let mut found = Vec::new();
    for package in list(&graph["packages"])
        .iter()
        .filter(|package| built.contains(text(&package["id"])))
    {
        let (name, licence) = (text(&package["name"]), text(&package["license"]));
        match spdx::is_satisfied(licence, &|name| WELCOME.contains(&name)) {
            Ok(true) => {}
            Ok(false) => found.push(format!("{name}: `{licence}` is not welcome")),
            Err(reason) => found.push(format!("{name}: `{licence}`: {reason}")),
        }
    }
    (built.len(), found)
}

/// Everything reachable from the workspace's crates without development dependencies.
fn built(graph: &Value) -> BTreeSet<&str> {
    let nodes: BTreeMap<&str, &Value> = list(&graph["resolve"]["nodes"])
        .iter()
        .map(|node| (text(&node["id"]), node))
        .collect();
    let mut reached = BTreeSet::new();
    let mut waiting: Vec<&str> = list(&graph["workspace_members"]).iter().map(text).collect();
    while let Some(id) = waiting.pop() {
        if let (true, Some(node)) = (reached.insert(id), nodes.get(id)) {
            let needed = list(&node["deps"]).iter().filter(|dependency| {
                list(&dependency["dep_kinds"])
                    .iter()
                    .any(|kind| kind["kind"].as_str() != Some("dev"))
            });
            waiting.extend(needed.map(|dependency| text(&dependency["pkg"])));
        }
    }
    reached
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn graph(kind: Value, licence: Value) -> Value {
        json!({
            "workspace_members": ["ours"],
            "packages": [
                { "id": "ours", "name": "ours", "license": "MIT OR Apache-2.0" },
                { "id": "theirs", "name": "theirs", "license": licence },
            ],
            "resolve": { "nodes": [
                { "id": "ours", "deps": [{ "pkg": "theirs", "dep_kinds": [{ "kind": kind }] }] },
                { "id": "theirs", "deps": [] },
            ] },
        })
    }

    #[test]
    fn unwelcome_licence_is_named() {
        let (count, found) = unwelcome(&graph(Value::Null, json!("GPL-3.0-only")));
        assert_eq!(
            (count, found),
            (2, vec!["theirs: `GPL-3.0-only` is not welcome".to_owned()])
        );
        assert_eq!(
            unwelcome(&graph(json!("build"), json!("GPL-3.0-only"))).1.len(),
            1
        );
    }

    #[test]
    fn crate_without_a_licence_is_refused() {
        assert_eq!(unwelcome(&graph(Value::Null, Value::Null)).1.len(), 1);
    }

    #[test]
    fn development_dependencies_are_not_part_of_the_product() {
        assert_eq!(
            unwelcome(&graph(json!("dev"), json!("GPL-3.0-only"))),
            (1, Vec::new())
        );
    }
}
