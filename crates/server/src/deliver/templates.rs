//! The words of what is sent: a subject and plain text, with places for what is known only when it is sent.
//!
//! Knows: every text, which places each has and which it can't do without, and which of several texts counts. Must
//! never know: where an operator's own texts are kept; they are handed in, and judged before they are used.
//!
//! Of a kind's texts that of a file counts, since whoever owns the machine wrote it; else the one that was set for all
//! nodes; else the product's own.

use std::borrow::Cow;
use std::fmt;

use zeroize::Zeroizing;

/// Longest text of an operator's own, in bytes.
pub const TEXT_BYTES_MAX: usize = 16 * 1024;

/// What a text is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Something happened to the account.
    Notice,
    /// A code to recover the account.
    Recovery,
    /// Two proofs were shown; the link calls the recovery off.
    RecoveryProven,
    /// A code to confirm an address.
    Address,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 4] = [Kind::Notice, Kind::Recovery, Kind::RecoveryProven, Kind::Address];

    /// Its name, for commands and records.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Notice => "notice",
            Kind::Recovery => "recovery",
            Kind::RecoveryProven => "recovery-proven",
            Kind::Address => "address",
        }
    }

    /// The kind of that name.
    pub fn parse(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// When it is sent.
    pub fn about(self) -> &'static str {
        match self {
            Kind::Notice => "Something happened to the account.",
            Kind::Recovery => "Somebody asked to recover the account; with the code.",
            Kind::RecoveryProven => "Two proofs were shown; with the link that calls the recovery off.",
            Kind::Address => "The owner gave this address; with the code that confirms it.",
        }
    }

    /// The name of the file with an operator's own text.
    pub fn file(self) -> &'static str {
        match self {
            Kind::Notice => "notice.txt",
            Kind::Recovery => "recovery.txt",
            Kind::RecoveryProven => "recovery-proven.txt",
            Kind::Address => "address.txt",
        }
    }

    fn own(self) -> &'static str {
        match self {
            Kind::Notice => include_str!("../../mail/notice.txt"),
            Kind::Recovery => include_str!("../../mail/recovery.txt"),
            Kind::RecoveryProven => include_str!("../../mail/recovery-proven.txt"),
            Kind::Address => include_str!("../../mail/address.txt"),
        }
    }

    /// The places a text may have.
    pub fn places(self) -> &'static [&'static str] {
        match self {
            Kind::Notice => &["name", "site", "time", "text"],
            Kind::Recovery => &["name", "site", "time", "code", "minutes", "network", "link"],
            Kind::RecoveryProven => &["name", "site", "time", "text", "ready", "link"],
            Kind::Address => &["name", "site", "time", "code", "minutes"],
        }
    }

    /// The places a text can't do without.
    pub fn needed(self) -> &'static [&'static str] {
        match self {
            Kind::Notice => &["text"],
            Kind::Recovery | Kind::Address => &["code"],
            Kind::RecoveryProven => &["link"],
        }
    }
}

/// What is wrong with a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError {
    /// The file.
    pub file: &'static str,
    /// What is wrong, and what to do.
    pub problem: String,
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mail_templates: {}: {}", self.file, self.problem)
    }
}

impl std::error::Error for TemplateError {}

/// A text, cut at its places.
#[derive(Clone, Debug)]
struct Template {
    subject: Vec<Piece>,
    text: Vec<Piece>,
}

#[derive(Clone, Debug)]
enum Piece {
    Words(String),
    Place(&'static str),
}

/// Where a text comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// It is the product's own.
    Product,
    /// It was set for all nodes.
    Set,
    /// It is a file of this node's.
    File,
}

/// The texts of this node: the product's, and its own where there is a file.
#[derive(Clone, Debug)]
pub struct Templates([Known; 4]);

#[derive(Clone, Debug)]
struct Known {
    template: Template,
    text: String,
    source: Source,
}

/// The text that counts for its kind.
#[derive(Clone, Debug)]
pub struct InForce<'a> {
    /// Where it comes from.
    pub source: Source,
    /// What it says, with its places.
    pub text: &'a str,
    /// Why a text that was set is not the one that counts.
    pub passed_over: Option<String>,
    template: Cow<'a, Template>,
}

/// What stands at the places of one message.
pub type Filling<'a> = [(&'a str, &'a str)];

impl Templates {
    /// The product's texts, each replaced by the operator's own where `read` finds one.
    ///
    /// # Errors
    /// Every [`TemplateError`] there is.
    pub fn load(read: impl Fn(&'static str) -> Option<String>) -> Result<Templates, Vec<TemplateError>> {
        let mut mistakes = Vec::new();
        let texts = Kind::ALL.map(|kind| {
            let (text, source) = match read(kind.file()) {
                Some(text) => (text, Source::File),
                None => (kind.own().to_owned(), Source::Product),
            };
            let parsed = parse(kind, &text);
            let known = parsed.map(|template| Known {
                template,
                text,
                source,
            });
            known.map_err(|problem| {
                let file = kind.file();
                mistakes.push(TemplateError { file, problem });
            })
        });
        match texts {
            [Ok(notice), Ok(recovery), Ok(proven), Ok(address)] => {
                Ok(Templates([notice, recovery, proven, address]))
            }
            _ => Err(mistakes),
        }
    }

    /// The product's texts alone.
    pub fn own() -> Templates {
        Templates::load(|_| None).expect("our own texts are right, as their test shows")
    }

    /// The text that counts for a kind, where `set` was set for all nodes.
    ///
    /// One that was right when it was set and is not any more is passed over: a message goes out in any case.
    pub fn in_force<'a>(&'a self, kind: Kind, set: Option<&'a str>) -> InForce<'a> {
        let at = Kind::ALL.iter().position(|known| *known == kind).unwrap_or(0);
        let known = &self.0[at];
        let here = InForce {
            source: known.source,
            text: &known.text,
            passed_over: None,
            template: Cow::Borrowed(&known.template),
        };
        let passed_over = match set.map(|text| tried(kind, text)) {
            None => return here,
            Some(_) if known.source == Source::File => {
                format!(
                    "this node has a file {} in mail_templates, which counts until it is removed",
                    kind.file()
                )
            }
            Some(Err(problem)) => problem,
            Some(Ok(set)) => return set,
        };
        InForce {
            passed_over: Some(passed_over),
            ..here
        }
    }

    /// Subject and text of one message, by the texts of this node alone.
    pub fn fill(&self, kind: Kind, filling: &Filling<'_>) -> (String, Zeroizing<String>) {
        self.in_force(kind, None).fill(filling)
    }
}

impl InForce<'_> {
    /// Subject and text of one message.
    pub fn fill(&self, filling: &Filling<'_>) -> (String, Zeroizing<String>) {
        let Template { subject, text } = &*self.template;
        (filled(subject, filling).to_string(), filled(text, filling))
    }
}

/// A text as it would count if it were set.
///
/// # Errors
/// What is wrong with it, and where.
pub fn tried(kind: Kind, text: &str) -> Result<InForce<'_>, String> {
    parse(kind, text).map(|template| InForce {
        source: Source::Set,
        text,
        passed_over: None,
        template: Cow::Owned(template),
    })
}

fn filled(pieces: &[Piece], filling: &Filling<'_>) -> Zeroizing<String> {
    let length = |piece: &Piece| match piece {
        Piece::Words(words) => words.len(),
        Piece::Place(place) => value(filling, place).len(),
    };
    // Of its whole length at once, so that no code stays behind in memory that was outgrown.
    let mut text = Zeroizing::new(String::with_capacity(pieces.iter().map(length).sum()));
    for piece in pieces {
        text.push_str(match piece {
            Piece::Words(words) => words,
            Piece::Place(place) => value(filling, place),
        });
    }
    text
}

fn value<'a>(filling: &Filling<'a>, place: &str) -> &'a str {
    filling
        .iter()
        .find(|(known, _)| *known == place)
        .map_or("", |(_, value)| value)
}

/// `Subject: …`, an empty line, and the text, with places as in `{name}`.
fn parse(kind: Kind, text: &str) -> Result<Template, String> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(format!("it is longer than {TEXT_BYTES_MAX} bytes; shorten it"));
    }
    let text = text.replace("\r\n", "\n");
    let unheaded = || "it does not begin with `Subject: …` and an empty line; write both".to_owned();
    let (head, body) = text.split_once("\n\n").ok_or_else(unheaded)?;
    let subject = head.strip_prefix("Subject: ").ok_or_else(unheaded)?;
    if subject.chars().any(char::is_control) {
        return Err("its subject has more than one line; write one".to_owned());
    }
    let (subject, text) = (cut(kind, subject, 1)?, cut(kind, body, 3)?);
    let has = |pieces: &[Piece], wanted: &str| {
        let is_it = |piece: &Piece| matches!(piece, Piece::Place(place) if *place == wanted);
        pieces.iter().any(is_it)
    };
    if let Some(missing) = kind.needed().iter().find(|place| !has(&text, place)) {
        return Err(format!(
            "its text lacks {{{missing}}}; without it the message is of no use"
        ));
    }
    if has(&subject, "code") {
        return Err("its subject holds {code}, and subjects are shown on locked screens; move it".to_owned());
    }
    Ok(Template { subject, text })
}

/// Cuts a text at its places; `line` is the number of its first line.
fn cut(kind: Kind, text: &str, line: usize) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let number = line + text[..text.len() - rest.len() + at].matches('\n').count();
        let (words, from) = rest.split_at(at);
        pieces.push(Piece::Words(words.to_owned()));
        let place = from.strip_prefix('{').and_then(|from| from.split_once('}'));
        let Some((name, after)) = place else {
            return Err(format!(
                "line {number} has a brace that opens or closes nothing; write {{name}}"
            ));
        };
        let known = kind.places().iter().find(|known| **known == name);
        let Some(known) = known else {
            let may = kind.places().join(", ");
            return Err(format!(
                "line {number} has the unknown place {{{name}}}; there are {may}"
            ));
        };
        pieces.push(Piece::Place(known));
        rest = after;
    }
    pieces.push(Piece::Words(rest.to_owned()));
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(kind: Kind, text: &str) -> Result<Templates, Vec<TemplateError>> {
        Templates::load(|file| (file == kind.file()).then(|| text.to_owned()))
    }

    #[test]
    fn own_texts_are_right_and_leave_no_place_open() {
        let templates = Templates::own();
        for kind in Kind::ALL {
            assert_eq!(Kind::parse(kind.name()), Some(kind));
            let filling: Vec<_> = kind.places().iter().map(|place| (*place, "FILLED")).collect();
            let (subject, text) = templates.fill(kind, &filling);
            assert!(!subject.contains(['{', '}', '\n']), "{subject}");
            assert!(
                !text.contains(['{', '}']) && text.contains("FILLED"),
                "{}",
                &*text
            );
            assert!(text.lines().all(|line| line.chars().count() <= 78), "{}", &*text);
        }
    }

    #[test]
    fn file_counts_before_what_was_set_and_what_was_set_before_the_product() {
        let set = "Subject: set\n\n{text}\n";
        let told = |templates: &Templates, set| {
            let in_force = templates.in_force(Kind::Notice, set);
            let (subject, _) = in_force.fill(&[("text", "x")]);
            (in_force.source, subject, in_force.passed_over)
        };
        let own = Templates::own();
        let (source, subject, _) = told(&own, None);
        assert_eq!(
            (source, subject.as_str()),
            (Source::Product, "About your account ")
        );
        assert_eq!(told(&own, Some(set)), (Source::Set, "set".into(), None));
        let file = with(Kind::Notice, "Subject: file\n\n{text}\n").expect("right");
        assert_eq!(told(&file, None), (Source::File, "file".into(), None));
        let (source, subject, passed_over) = told(&file, Some(set));
        assert_eq!((source, subject.as_str()), (Source::File, "file"));
        assert!(passed_over.is_some_and(|why| why.contains("notice.txt")));
        let (source, _, passed_over) = told(&own, Some("Subject: set\n\n{gone}\n"));
        assert_eq!(source, Source::Product, "a message goes out in any case");
        assert!(passed_over.is_some_and(|why| why.contains("line 3 has the unknown place {gone}")));
    }

    #[test]
    fn what_stands_at_a_place_is_not_read_as_a_text() {
        let templates = with(Kind::Notice, "Subject: {name}\n\n{text} {name}\n").expect("right");
        let (subject, text) = templates.fill(Kind::Notice, &[("name", "{text}"), ("text", "{site}")]);
        assert_eq!((subject.as_str(), text.as_str()), ("{text}", "{site} {text}\n"));
    }

    #[test]
    fn wrong_text_is_named_with_its_file_line_and_place() {
        for (text, expected) in [
            (
                "Subject: a\n\nb\n{txet}\n",
                "line 4 has the unknown place {txet}; there are name, site",
            ),
            ("Subject: a\n\n{text} }\n", "line 3 has a brace"),
            ("Subject: a\n\n{text\n", "line 3 has a brace"),
            ("Subject: a\n\nnothing\n", "lacks {text}"),
            ("About: a\n\n{text}\n", "does not begin with `Subject: …`"),
            ("Subject: a\nBcc: b\n\n{text}\n", "more than one line"),
        ] {
            let mistakes = with(Kind::Notice, text).expect_err(text);
            let told = mistakes[0].to_string();
            assert!(told.starts_with("mail_templates: notice.txt: "), "{told}");
            assert!(told.contains(expected), "{told}");
        }
        let shown = with(Kind::Recovery, "Subject: {code}\n\n{code}\n").expect_err("it is shown");
        assert!(shown[0].problem.contains("locked screens"), "{shown:?}");
        let long = format!("Subject: a\n\n{{text}}{}", "x".repeat(TEXT_BYTES_MAX));
        assert!(with(Kind::Notice, &long).is_err());
    }
}
