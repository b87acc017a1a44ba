//! The examples of the documents, run as a reader would type them.
//!
//! Knows where documents stand and how a shell is driven. Read `fences` for how examples are found.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::Workshop;
use crate::fences::{Example, agrees, examples};
use crate::process::Task;
use crate::tally::Tally;

/// The longest the examples of one document may take.
const SECONDS_MAX: &str = "300";

/// Stands between the outputs of two commands, followed by the exit status of the first.
const MARK: &str = "--countersign-example-ended--";

/// Runs the examples of all documents against the release binary; each example counts.
pub(crate) fn check(workshop: &Workshop) -> Result<Tally, String> {
    let build = Task::cargo(&["build", "--release", "-p", "countersign"]).run(workshop)?;
    build.success("the binary does not build")?;
    let mut tally = Tally::default();
    for (path, text) in documents(workshop)? {
        let shown = path
            .strip_prefix(&workshop.root)
            .unwrap_or(&path)
            .display()
            .to_string();
        let examples = examples(&text).map_err(|reason| format!("{shown}: {reason}"))?;
        if !examples.is_empty() {
            tally = tally + document(&shown, &examples, workshop)?;
        }
    }
    if tally == Tally::default() {
        return Err("no document holds a console block, so nothing was shown to work".to_owned());
    }
    Ok(tally)
}

/// The documents beside the README, below docs and of the clients, in a fixed order.
pub(crate) fn documents(workshop: &Workshop) -> Result<Vec<(PathBuf, String)>, String> {
    let mut paths = Vec::new();
    collect(&workshop.root, false, &mut paths)?;
    for folder in ["docs", "clients"].map(|name| workshop.root.join(name)) {
        if folder.is_dir() {
            collect(&folder, true, &mut paths)?;
        }
    }
    paths.sort();
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok((path, text))
    };
    paths.into_iter().map(read).collect()
}

fn collect(folder: &Path, deep: bool, paths: &mut Vec<PathBuf>) -> Result<(), String> {
    let unreadable = |error: std::io::Error| format!("{}: {error}", folder.display());
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.is_dir() && deep {
            collect(&path, deep, paths)?;
        } else if path.extension().is_some_and(|ending| ending == "md") {
            paths.push(path);
        }
    }
    Ok(())
}

/// Runs the examples of one document in one shell, in an empty folder, as one reader would.
fn document(shown: &str, examples: &[Example], workshop: &Workshop) -> Result<Tally, String> {
    let name = shown.replace(['/', '.'], "-");
    let folder = std::env::temp_dir().join(format!("countersign-docs-{}-{name}", std::process::id()));
    let output = folder.with_extension("output");
    let script = folder.with_extension("bash");
    let prepare =
        fs::create_dir(&folder).and_then(|()| fs::write(&script, shell(examples, workshop, &output)));
    prepare.map_err(|error| format!("{}: {error}", folder.display()))?;
    // Into a file and not a pipe: a server left running in the background would hold a pipe open.
    let arguments = [
        "--kill-after=5",
        SECONDS_MAX,
        "bash",
        "--norc",
        &script.to_string_lossy(),
    ];
    let ended = Task::new("timeout", &arguments)
        .inside(folder.clone())
        .run(workshop);
    let written = fs::read(&output).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    // A server that a document stopped in its last line may still be closing its files; the folder is
    // temporary anyway.
    let _ = fs::remove_dir_all(&folder);
    let removed = fs::remove_file(&script).and_then(|()| fs::remove_file(&output));
    ended?;
    removed.map_err(|error| format!("{}: {error}", folder.display()))?;
    let written = written.map_err(|error| format!("{}: {error}", output.display()))?;
    let failures = compare(examples, &written);
    for failure in &failures {
        println!("{shown}:{failure}");
    }
    let failed = failures.len() as u64;
    println!("{shown}: {} examples, {failed} failed", examples.len());
    Ok(Tally {
        passed: examples.len() as u64 - failed,
        failed,
        ignored: 0,
    })
}

/// One script, so that variables, the folder and background jobs carry on from one command to the next.
fn shell(examples: &[Example], workshop: &Workshop, output: &Path) -> String {
    let binary = quoted(&workshop.target.join("release").to_string_lossy());
    let output = quoted(&output.to_string_lossy());
    let mut script = format!("exec >{output} 2>&1\nexport PATH={binary}:\"$PATH\"\n");
    script.push_str("trap 'kill $(jobs -p) 2>/dev/null' EXIT\n");
    for example in examples {
        // The status is handed on, so that the next example may show it with `echo $?`.
        writeln!(
            script,
            "{}\nstatus=$?; printf '\\n{MARK}%d\\n' $status; (exit $status)",
            example.command
        )
        .expect("writing to a string cannot fail");
    }
    script
}

fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// What does not agree, one text for each example that failed.
///
/// A command must succeed, unless the next one shows its status with `echo $?`.
fn compare(examples: &[Example], written: &str) -> Vec<String> {
    let mut failures = Vec::new();
    let mut rest = written;
    for (index, example) in examples.iter().enumerate() {
        let Some((found, after)) = rest.split_once(MARK) else {
            failures.push(format!(
                "{}: `{}` did not end:\n{rest}",
                example.line, example.command
            ));
            rest = "";
            continue;
        };
        let (status, after) = after.split_once('\n').unwrap_or((after, ""));
        rest = after;
        let is_shown = examples
            .get(index + 1)
            .is_some_and(|next| next.command.trim() == "echo $?");
        if status != "0" && !is_shown {
            let news = format!(
                "{}: `{}` ended with status {status}:\n{found}",
                example.line, example.command
            );
            failures.push(news);
        } else if !agrees(&example.expected, found) {
            let (command, expected) = (&example.command, &example.expected);
            failures.push(format!(
                "{}: `{command}` promised\n{expected}and wrote\n{found}",
                example.line
            ));
        }
    }
    failures
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(command: &str, expected: &str) -> Example {
        Example {
            line: 1,
            command: command.to_owned(),
            expected: expected.to_owned(),
        }
    }

    #[test]
    fn examples_share_a_shell_in_an_empty_folder() {
        let examples = [
            example("x=1; ls -A", ""),
            example("echo $x", "1\n"),
            example("cat <<'END'\n$x\nEND", "$x\n"),
            example("sleep 60 &", ""),
            example("(exit 4)", ""),
            example("echo $?", "4\n"),
            example("echo wrong", "right\n"),
            example("false", "…\n"),
            example("echo last", "last\n"),
        ];
        let tally = document("test", &examples, &Workshop::open());
        assert_eq!(
            tally,
            Ok(Tally {
                passed: 7,
                failed: 2,
                ignored: 0
            })
        );
    }

    #[test]
    fn example_that_ends_the_shell_is_a_failure() {
        let examples = [
            example("echo a", "a\n"),
            example("exit 0", ""),
            example("echo b", "b\n"),
        ];
        let found = compare(&examples, &format!("a\n\n{MARK}0\n"));
        assert_eq!(found.len(), 2);
    }
}
