//! Fenced blocks of the documents, and the commands and outputs inside those marked `console`.
//!
//! Knows the text of a document. Must never run anything; that is `console`.

/// Languages whose blocks are shown and not run. Shell is not among them: commands belong into `console`. JavaScript
/// and Python are pieces of the example applications, whose tests compare them.
const SHOWN: [&str; 10] = [
    "text",
    "toml",
    "json",
    "http",
    "rust",
    "html",
    "nginx",
    "ini",
    "javascript",
    "python",
];

/// Blocks in this language are run.
const RUN: &str = "console";

/// A command of a document, with the output its reader is promised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Example {
    pub(crate) line: usize,
    pub(crate) command: String,
    pub(crate) expected: String,
}

#[derive(Debug)]
struct Fence<'a> {
    language: &'a str,
    line: usize,
    content: Vec<(usize, &'a str)>,
}

/// Reads the examples of a document.
///
/// # Errors
/// Names the line of a block whose language is not known, so that nothing escapes the run by accident.
pub(crate) fn examples(text: &str) -> Result<Vec<Example>, String> {
    let mut found = Vec::new();
    for fence in fences(text)? {
        match fence.language {
            RUN => found.extend(commands(&fence)?),
            shown if SHOWN.contains(&shown) => {}
            "" => return Err(format!("line {}: a block without a language", fence.line)),
            other => {
                let known = SHOWN.join(", ");
                return Err(format!(
                    "line {}: `{other}` is neither {RUN} nor one of {known}",
                    fence.line
                ));
            }
        }
    }
    Ok(found)
}

fn fences(text: &str) -> Result<Vec<Fence<'_>>, String> {
    let mut found = Vec::new();
    let mut open: Option<(Fence<'_>, &str)> = None;
    for (index, line) in text.lines().enumerate() {
        let start = line.trim_start();
        let marks = &start[..start.len() - start.trim_start_matches(['`', '~']).len()];
        open = match open.take() {
            Some((fence, mark)) if start.trim_end() == mark => {
                found.push(fence);
                None
            }
            Some((mut fence, mark)) => {
                fence.content.push((index + 1, line));
                Some((fence, mark))
            }
            None if marks.len() >= 3 => {
                let language = start[marks.len()..].trim();
                Some((
                    Fence {
                        language,
                        line: index + 1,
                        content: Vec::new(),
                    },
                    marks,
                ))
            }
            None => None,
        };
    }
    match open {
        Some((fence, _)) => Err(format!("line {}: the block is not closed", fence.line)),
        None => Ok(found),
    }
}

/// `$ ` begins a command, `> ` right behind it carries it on, everything else is output.
fn commands(fence: &Fence<'_>) -> Result<Vec<Example>, String> {
    let mut found: Vec<Example> = Vec::new();
    for &(line, content) in &fence.content {
        if let Some(command) = content.strip_prefix("$ ") {
            found.push(Example {
                line,
                command: command.to_owned(),
                expected: String::new(),
            });
            continue;
        }
        let last = found
            .last_mut()
            .ok_or_else(|| format!("line {line}: output before the first command"))?;
        match content.strip_prefix("> ").filter(|_| last.expected.is_empty()) {
            Some(more) => last.command = format!("{}\n{more}", last.command),
            None => last.expected.push_str(&format!("{content}\n")),
        }
    }
    if found.is_empty() {
        return Err(format!("line {}: a console block without a command", fence.line));
    }
    Ok(found)
}

/// Whether output is what was promised; `…` stands for any text, over several lines too.
pub(crate) fn agrees(expected: &str, found: &str) -> bool {
    let parts: Vec<&str> = expected.trim_end().split('…').collect();
    let found = found.trim_end();
    let [first, middle @ .., last] = parts.as_slice() else {
        return expected.trim_end() == found;
    };
    let Some(mut rest) = found.strip_prefix(first) else {
        return false;
    };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Workshop;
    use crate::console::documents;

    #[test]
    fn commands_and_outputs_are_parted() {
        let text = "Words.\n```console\n$ one \\\n> --two\nout\nput\n$ three\n```\n```json\n{}\n```\n";
        let found = examples(text).expect("the languages are known");
        let first = Example {
            line: 3,
            command: "one \\\n--two".to_owned(),
            expected: "out\nput\n".to_owned(),
        };
        let second = Example {
            line: 7,
            command: "three".to_owned(),
            expected: String::new(),
        };
        assert_eq!(found, [first, second]);
    }

    #[test]
    fn unknown_languages_and_broken_blocks_are_refused() {
        for fence in ["sh\n$ rm", "bash\n$ x", "\nx", "console\nonly output", "console"] {
            assert!(examples(&format!("```{fence}\n```\n")).is_err(), "{fence}");
        }
        assert!(examples("```text\nnever closed\n").is_err());
        assert!(examples("~~~sh\nls\n~~~\n").is_err());
        assert!(examples("````text\n```sh\n```\n````\n").is_ok());
    }

    #[test]
    fn ellipsis_stands_for_any_text() {
        assert!(agrees("a … c\n", "a b c\n"));
        assert!(agrees("…\nend", "one\ntwo\nend\n"));
        assert!(agrees("", "\n"));
        assert!(agrees("a…b…c", "a1b2c"));
        assert!(!agrees("a … c", "a b d"));
        assert!(!agrees("ab…ba", "aba"));
        assert!(!agrees("", "unexpected"));
        assert!(!agrees("exact", "exact and more"));
    }

    #[test]
    fn every_block_of_the_documents_is_run_or_known_to_be_only_shown() {
        let documents = documents(&Workshop::open()).expect("the documents are readable");
        assert!(!documents.is_empty());
        for (path, text) in documents {
            let read = examples(&text);
            assert!(read.is_ok(), "{}: {read:?}", path.display());
        }
    }
}
