//! Rust text taken apart just far enough for the rules: code, literals, comments, and the parts only tests
//! see.
//!
//! Knows where comments, literals and `#[cfg(test)]` items begin and end, and what a path from `crate` or
//! `super` means. Must never know a rule. Read `words` next for what is looked for in each view.

/// A Rust file in the views the rules ask for. All views keep the line breaks of the file.
pub(crate) struct Source {
    /// From the workspace root, with forward slashes.
    pub(crate) path: String,
    /// As written.
    pub(crate) raw: String,
    /// Without comments.
    pub(crate) uncommented: String,
    /// Without comments and without the content of literals.
    pub(crate) code: String,
    /// `code` without what only tests compile; empty for files that only tests compile.
    pub(crate) shipped: String,
    /// What only tests compile; the whole `code` for files that only tests compile.
    pub(crate) tested: String,
}

impl Source {
    pub(crate) fn new(path: &str, raw: &str) -> Self {
        let (uncommented, code) = views(raw);
        let (shipped, tested) = if is_test_path(path) {
            (String::new(), code.clone())
        } else {
            split_tests(&code)
        };
        Self {
            path: path.to_owned(),
            raw: raw.to_owned(),
            uncommented,
            code,
            shipped,
            tested,
        }
    }
}

/// Whether a whole file belongs to tests: it lies in a `tests` folder or is a test module of its own,
/// `tests.rs`.
pub(crate) fn is_test_path(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.split('/').any(|part| part == "tests")
}

/// A word or a mark of punctuation with the line it stands on. `::` is one mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    pub(crate) text: &'a str,
    pub(crate) line: usize,
}

/// Splits text into words (letters, digits, `_`) and marks.
pub(crate) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut line = 1;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if is_word(first) {
            rest.find(|next| !is_word(next)).unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        let (token, after) = rest.split_at(length);
        if first == '\n' {
            line += 1;
        } else if !first.is_whitespace() {
            found.push(Token { text: token, line });
        }
        rest = after;
    }
    found
}

/// The lines on which `pattern` (split into tokens like the text) stands in `text`.
pub(crate) fn lines_with(text: &str, pattern: &str) -> Vec<usize> {
    let wanted = tokens(pattern);
    let present = tokens(text);
    let matches = present.windows(wanted.len().max(1)).filter(|window| {
        window.len() == wanted.len() && window.iter().zip(&wanted).all(|(a, b)| a.text == b.text)
    });
    matches.map(|window| window[0].line).collect()
}

/// Every path that starts at `crate` or `super`, as absolute module path inside the crate, groups spread out.
///
/// `module` is the path of the file's own module, such as `["store", "sqlite"]`.
pub(crate) fn inner_paths(code: &str, module: &[&str]) -> Vec<(usize, Vec<String>)> {
    let all = tokens(code);
    let mut found = Vec::new();
    for (index, token) in all.iter().enumerate() {
        let continues = index
            .checked_sub(1)
            .is_some_and(|before| all[before].text == "::");
        let base = match token.text {
            _ if continues => continue,
            "crate" => Vec::new(),
            "super" => parent(module),
            _ => continue,
        };
        if all.get(index + 1).is_some_and(|next| next.text == "::") {
            let base = base.into_iter().map(str::to_owned).collect();
            spread(&all, index + 2, base, token.line, &mut found);
        }
    }
    found
}

fn parent<'a>(module: &[&'a str]) -> Vec<&'a str> {
    module
        .split_last()
        .map(|(_, above)| above.to_vec())
        .unwrap_or_default()
}

/// Follows one path or group from `at`, where a segment is due; returns the position behind it.
fn spread(
    all: &[Token<'_>],
    mut at: usize,
    mut path: Vec<String>,
    line: usize,
    found: &mut Vec<(usize, Vec<String>)>,
) -> usize {
    while let Some(token) = all.get(at) {
        if token.text == "{" {
            at += 1;
            while let Some(member) = all.get(at) {
                match member.text {
                    "}" => return at + 1,
                    "," => at += 1,
                    _ => at = spread(all, at, path.clone(), member.line, found).max(at + 1),
                }
            }
            return at;
        }
        match token.text {
            "super" => drop(path.pop()),
            "self" => {}
            word if word.starts_with(is_word) => path.push(word.to_owned()),
            _ => break,
        }
        at += 1;
        if all.get(at).is_none_or(|next| next.text != "::") {
            break;
        }
        at += 1;
    }
    found.push((line, path));
    // `as Name` renames without naming another module.
    if all.get(at).is_some_and(|next| next.text == "as") {
        at + 2
    } else {
        at
    }
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// The text without comments, and the text without comments and literals.
fn views(raw: &str) -> (String, String) {
    let mut uncommented = String::with_capacity(raw.len());
    let mut code = String::with_capacity(raw.len());
    let mut before = ' ';
    let mut rest = raw;
    while !rest.is_empty() {
        let (kind, length) = piece(rest, before);
        let (text, after) = rest.split_at(length);
        let blank: String = text.chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
        uncommented.push_str(if kind == Piece::Comment { &blank } else { text });
        code.push_str(if kind == Piece::Code { text } else { &blank });
        before = text.chars().next_back().unwrap_or(before);
        rest = after;
    }
    (uncommented, code)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Piece {
    Code,
    Comment,
    Literal,
}

/// What the text begins with, and how long that is in bytes.
fn piece(rest: &str, before: char) -> (Piece, usize) {
    if rest.starts_with("//") {
        return (Piece::Comment, rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return (Piece::Comment, block_comment(rest));
    }
    if rest.starts_with('"') {
        return (Piece::Literal, quoted(rest, '"'));
    }
    let raw_at = rest.trim_start_matches(['b', 'c']);
    if !is_word(before) && rest.len() - raw_at.len() <= 1 && raw_at.starts_with('r') {
        let hashes = raw_at[1..].len() - raw_at[1..].trim_start_matches('#').len();
        if raw_at[1 + hashes..].starts_with('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            let opening = rest.len() - raw_at.len() + 1 + hashes + 1;
            let closing = rest[opening..]
                .find(&end)
                .map_or(rest.len(), |at| opening + at + end.len());
            return (Piece::Literal, closing);
        }
    }
    if rest.starts_with('\'') && is_character_literal(rest) {
        return (Piece::Literal, quoted(rest, '\''));
    }
    (Piece::Code, rest.chars().next().map_or(0, char::len_utf8))
}

/// A lifetime has no closing quote behind its first character.
fn is_character_literal(rest: &str) -> bool {
    let mut following = rest.chars().skip(1);
    following.next() == Some('\\') || following.next() == Some('\'')
}

fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, character) in rest.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if character == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        let here = &rest.as_bytes()[at..];
        if here.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// Parts code into what ships and what only `#[cfg(test)]` compiles.
fn split_tests(code: &str) -> (String, String) {
    let mut shipped = String::new();
    let mut tested = String::new();
    let mut rest = code;
    while let Some(start) = rest.find("#[cfg(test)]") {
        let length = item_length(&rest[start..]);
        let (before, item) = (&rest[..start], &rest[start..start + length]);
        shipped.push_str(before);
        shipped.extend(item.chars().filter(|c| *c == '\n'));
        tested.extend(before.chars().filter(|c| *c == '\n'));
        tested.push_str(item);
        rest = &rest[start + length..];
    }
    shipped.push_str(rest);
    (shipped, tested)
}

/// An item ends with its first `;` outside braces or with the brace that closes its first block.
fn item_length(item: &str) -> usize {
    let mut depth = 0_usize;
    for (at, character) in item.char_indices() {
        match character {
            '{' | '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            '}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            ';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    item.len()
}

#[test]
fn comments_and_literals_are_not_code() {
    let text = "let a = \"x // y\"; // tail\nlet b = r#\"raw \" inside\"#; /* one /* two */ */ let c = 'z';";
    let source = Source::new("crates/core/src/lib.rs", text);
    assert_eq!(
        source.code.split_whitespace().collect::<String>(),
        "leta=;letb=;letc=;"
    );
    assert!(source.uncommented.contains("x // y"));
    assert!(!source.uncommented.contains("tail"));
    assert!(!source.uncommented.contains("two"));
}

#[test]
fn lifetimes_and_escaped_quotes_do_not_open_literals() {
    let text = "fn f<'a>(x: &'a str) { g('\\'', '\"', b'x', \"\\\"\"); still_code() }";
    let source = Source::new("crates/core/src/lib.rs", text);
    assert_eq!(lines_with(&source.code, "still_code()"), [1]);
}

#[test]
fn test_items_are_parted_from_shipped_code() {
    let text =
        "fn a() {}\n#[cfg(test)]\nuse x::{y, z};\n#[cfg(test)]\nmod tests {\n fn b() { c() }\n}\nfn d() {}\n";
    let source = Source::new("crates/core/src/lib.rs", text);
    assert_eq!(lines_with(&source.shipped, "d"), [8]);
    assert!(lines_with(&source.shipped, "b").is_empty());
    assert!(lines_with(&source.shipped, "z").is_empty());
    assert_eq!(lines_with(&source.tested, "c"), [6]);
}

#[test]
fn words_are_found_whole_and_across_blanks() {
    assert_eq!(lines_with("a\nSystemTime :: now()", "SystemTime::now"), [2]);
    assert!(lines_with("forbid(unsafe_code)", "unsafe").is_empty());
}

#[test]
fn paths_are_spread_from_groups_and_resolved_from_super() {
    let code =
        "use crate::{store::Port, bus as b, risk::{self, Score}};\nfn f() { super::super::door::open() }";
    let found: Vec<String> = inner_paths(code, &["store", "sqlite"])
        .into_iter()
        .map(|(_, path)| path.join("::"))
        .collect();
    assert_eq!(found, ["store::Port", "bus", "risk", "risk::Score", "door::open"]);
}
