//! The words of what is sent, as whoever runs the installation reads, tries and sets them.
//!
//! Knows: which text counts, and where it comes from. Must never know: how a message travels.

use std::sync::Arc;

use countersign_auth::command::text::{Reset, Set};
use countersign_auth::record::NoticeKind;
use serde::{Deserialize, Serialize};

use super::super::post::moment;
use super::super::{Failure, Service};
use super::{By, Operator, Refusal, Reply, Stop, malformed, missing, refused};
use crate::deliver::templates::{Kind, Source, Templates, tried};

/// This node's texts, or why they can't be used.
pub type Words = Result<Arc<Templates>, String>;

/// A kind of text, and the text that counts for it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TextShown {
    /// Its kind.
    pub kind: String,
    /// When it is sent.
    pub about: String,
    /// Where the text that counts comes from: `product`, `set` or `file`.
    pub source: String,
    /// The text that counts, with its places.
    pub text: String,
    /// When a text was set for all nodes, if one was, in seconds since 1970.
    pub set_at: Option<u64>,
    /// Why the text that was set is not the one that counts.
    pub passed_over: Option<String>,
    /// The places it may have.
    pub places: Vec<String>,
    /// The places it can't do without.
    pub needed: Vec<String>,
}

/// A text filled with what is made up.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TextTried {
    /// Its subject.
    pub subject: String,
    /// What it says.
    pub text: String,
}

impl Service {
    /// Words messages with these from now on; the first ones stay.
    pub fn word_with(&self, words: Words) {
        let _ = self.words.set(words);
    }

    fn words(&self) -> &Words {
        self.words.get_or_init(|| Ok(Arc::new(Templates::own())))
    }
}

impl Operator {
    pub(super) async fn list_texts(&self) -> Result<Reply, Stop> {
        let words = match self.service.words() {
            Ok(words) => words,
            Err(why) => return Ok(refused(why)),
        };
        let mut texts = Vec::new();
        for kind in Kind::ALL {
            texts.push(self.text_shown(kind, words).await?);
        }
        let is_mail_sent = self.service.outbox.is_open();
        Ok(Reply::Texts { texts, is_mail_sent })
    }

    pub(super) async fn show_text(&self, kind: &str) -> Result<Reply, Stop> {
        let (kind, words) = match self.kind_and_words(kind) {
            Ok(found) => found,
            Err((what, why)) => return Ok(Reply::Refused { what, why }),
        };
        Ok(Reply::Text(self.text_shown(kind, words).await?))
    }

    /// Fills a text that is not set yet, or the one that counts.
    pub(super) async fn try_text(&self, kind: &str, text: Option<String>) -> Result<Reply, Stop> {
        let (kind, words) = match self.kind_and_words(kind) {
            Ok(found) => found,
            Err((what, why)) => return Ok(Reply::Refused { what, why }),
        };
        let set = self.service.text_set(kind).await?;
        let in_force = match &text {
            Some(text) => tried(kind, text),
            None => Ok(words.in_force(kind, set.as_ref().map(|set| set.text.as_str()))),
        };
        let in_force = match in_force {
            Ok(in_force) => in_force,
            Err(problem) => return Ok(malformed(format!("{}: {problem}", kind.name()))),
        };
        let now = moment(self.service.clock.shown());
        let link = format!("{}/recover/cancel#example", self.service.issuer());
        let (subject, text) = in_force.fill(&[
            ("name", "alice"),
            ("site", self.service.issuer()),
            ("time", &now),
            ("text", NoticeKind::PasswordChanged.text()),
            ("code", "EXAMP-LECOD"),
            ("minutes", "10"),
            ("network", "192.0.2.1"),
            ("ready", "at once"),
            ("link", &link),
        ]);
        let text = text.to_string();
        Ok(Reply::TextTried(TextTried { subject, text }))
    }

    pub(super) async fn set_text(&self, kind: &str, text: String, by: &By) -> Result<Reply, Stop> {
        let (kind, words) = match self.kind_and_words(kind) {
            Ok(found) => found,
            Err((what, why)) => return Ok(Reply::Refused { what, why }),
        };
        let in_force = words.in_force(kind, Some(&text));
        if let Some(problem) = in_force.passed_over {
            let told = format!("{}: {problem}", kind.name());
            return Ok(match in_force.source {
                Source::File => refused(told),
                _ => malformed(told),
            });
        }
        let rule = Set {
            kind: kind.name().to_owned(),
            text,
            origin: by.origin.clone(),
        };
        self.submit(by, rule).await.map(|()| Reply::Done)
    }

    pub(super) async fn reset_text(&self, kind: &str, by: &By) -> Result<Reply, Stop> {
        let (kind, _) = match self.kind_and_words(kind) {
            Ok(found) => found,
            Err((what, why)) => return Ok(Reply::Refused { what, why }),
        };
        let rule = Reset {
            kind: kind.name().to_owned(),
            origin: by.origin.clone(),
        };
        Ok(match self.submit(by, rule).await? {
            true => Reply::Done,
            false => missing(format!("{}: no text was set", kind.name())),
        })
    }

    fn kind_and_words(&self, kind: &str) -> Result<(Kind, &Templates), (Refusal, String)> {
        let unknown = || {
            let known = Kind::ALL.map(Kind::name).join(", ");
            let why = format!("there is no text of that kind; there are {known}");
            (Refusal::Missing, why)
        };
        let kind = Kind::parse(kind).ok_or_else(unknown)?;
        match self.service.words() {
            Ok(words) => Ok((kind, words)),
            Err(why) => Err((Refusal::Conflict, why.clone())),
        }
    }

    async fn text_shown(&self, kind: Kind, words: &Templates) -> Result<TextShown, Failure> {
        let set = self.service.text_set(kind).await?;
        let in_force = words.in_force(kind, set.as_ref().map(|set| set.text.as_str()));
        let source = match in_force.source {
            Source::Product => "product",
            Source::Set => "set",
            Source::File => "file",
        };
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Ok(TextShown {
            kind: kind.name().to_owned(),
            about: kind.about().to_owned(),
            source: source.to_owned(),
            text: in_force.text.to_owned(),
            set_at: set.as_ref().map(|set| set.set_at.0),
            passed_over: in_force.passed_over,
            places: owned(kind.places()),
            needed: owned(kind.needed()),
        })
    }
}
