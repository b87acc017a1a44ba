//! Turns the files under `vectors` into tables of texts that a machine without a file system can carry.
//!
//! Knows JSON. Must never know what a field means.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use serde_json::Value;

/// Folders of what the floors above core read, whose own tests run them: forms of actions, containers of tokens, JSON
/// web tokens.
const ELSEWHERE: [&str; 3] = ["approvals", "pskc", "tokens"];

fn main() {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors");
    println!("cargo::rerun-if-changed={}", vectors.display());
    let mut files = Vec::new();
    for folder in entries(&vectors) {
        if ELSEWHERE.iter().all(|elsewhere| !folder.ends_with(elsewhere)) {
            files.extend(entries(&folder));
        }
    }
    let mut tables = String::from("&[\n");
    for path in files {
        let text = fs::read_to_string(&path).expect("a vector file can be read");
        let file: Value = serde_json::from_str(&text).expect("vectors are JSON");
        let name = path
            .strip_prefix(&vectors)
            .expect("the path was made of the folder");
        writeln!(tables, "File {{ name: {:?}, cases: &[", name.with_extension("")).expect("a text takes all");
        for case in file["cases"].as_array().expect("cases are a list") {
            let mut fields = Vec::new();
            flatten("", case, &mut fields);
            writeln!(tables, "Case(&{fields:?}),").expect("a text takes all");
        }
        tables.push_str("]},\n");
    }
    tables.push(']');
    let out = env::var_os("OUT_DIR").expect("cargo names the folder");
    fs::write(Path::new(&out).join("vectors.rs"), tables).expect("cargo's folder can be written");
}

fn entries(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder of the vectors can be read");
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("an entry can be read").path())
        .collect();
    paths.sort();
    paths
}

/// `{"expected": {"step": 1}}` becomes `expected.step` and `1`, `{"codes": ["a"]}` becomes `codes.0` and `a`; what
/// is null is absent.
fn flatten(name: &str, value: &Value, fields: &mut Vec<(String, String)>) {
    let below = |key: &str| match name {
        "" => key.to_owned(),
        name => format!("{name}.{key}"),
    };
    match value {
        Value::Null => {}
        Value::Object(map) => {
            fields.push((name.to_owned(), String::new()));
            map.iter()
                .for_each(|(key, value)| flatten(&below(key), value, fields));
        }
        Value::Array(list) => {
            for (number, value) in list.iter().enumerate() {
                flatten(&below(&number.to_string()), value, fields);
            }
        }
        Value::String(text) => fields.push((name.to_owned(), text.clone())),
        other => fields.push((name.to_owned(), other.to_string())),
    }
}
