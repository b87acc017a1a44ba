//! `countersign mail`: the words of what is sent.
//!
//! Knows: files that hold a text. Must never know: what a text must hold.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use countersign_server::deliver::templates::TEXT_BYTES_MAX;
use countersign_server::service::operator::{Ask, Reply, TextShown, spelt};
use serde_json::json;

use super::import::read_bounded;
use super::user::unexpected;
use crate::installation::Common;
use crate::out::{Failed, data, say, text};

/// See, try and set the words of what is mailed.
#[derive(Args)]
pub(crate) struct Mail {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// List the kinds of texts, and where the one that counts comes from
    Texts {
        #[command(flatten)]
        common: Common,
    },
    /// Print the text that counts, in the form in which `set` takes one
    Show(OfKind),
    /// Print a text with its places filled by what is made up
    Try {
        #[command(flatten)]
        of: OfKind,
        /// File with a text that is not set yet, `-` for standard input
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Set a text for all nodes
    Set {
        #[command(flatten)]
        of: OfKind,
        /// File with the text, `-` for standard input
        #[arg(long, value_name = "FILE")]
        file: PathBuf,
    },
    /// Take back a text that was set, and use the product's own
    Reset(OfKind),
}

#[derive(Args)]
struct OfKind {
    /// notice, recovery, recovery-proven or address
    kind: String,
    #[command(flatten)]
    common: Common,
}

impl Mail {
    pub(crate) fn run(self) -> Result<(), Failed> {
        match self.action {
            Action::Texts { common } => list(&common),
            Action::Show(of) => show(of),
            Action::Try { of, file } => try_out(of, file.as_deref()),
            Action::Set { of, file } => {
                let OfKind { kind, common } = of;
                let text = read(&file)?;
                done(&common, Ask::TextSet { kind, text })
            }
            Action::Reset(OfKind { kind, common }) => done(&common, Ask::TextReset { kind }),
        }
    }
}

/// A text, or the beginning of one that is too long, which whoever judges it then says.
fn read(file: &Path) -> Result<String, Failed> {
    read_bounded(file, TEXT_BYTES_MAX).map(|text| text.to_string())
}

fn done(common: &Common, ask: Ask) -> Result<(), Failed> {
    match common.data.ask(ask)? {
        Reply::Done if common.json => data(json!({ "done": true })),
        Reply::Done => say("done"),
        other => return Err(unexpected(&other)),
    }
    Ok(())
}

fn list(common: &Common) -> Result<(), Failed> {
    let (texts, is_mail_sent) = match common.data.ask(Ask::TextList)? {
        Reply::Texts { texts, is_mail_sent } => (texts, is_mail_sent),
        other => return Err(unexpected(&other)),
    };
    if common.json {
        data(json!({ "texts": texts, "is_mail_sent": is_mail_sent }));
        return Ok(());
    }
    for text in &texts {
        data(format_args!(
            "{:<16} {:<8} {}",
            text.kind, text.source, text.about
        ));
        if let Some(why) = &text.passed_over {
            say(format_args!(
                "{}: the text that was set is not used: {why}",
                text.kind
            ));
        }
    }
    if !is_mail_sent {
        say("no mail is sent here; see the settings smtp_url and mail_from");
    }
    Ok(())
}

fn show(of: OfKind) -> Result<(), Failed> {
    let OfKind { kind, common } = of;
    let shown: TextShown = match common.data.ask(Ask::TextShow { kind })? {
        Reply::Text(shown) => shown,
        other => return Err(unexpected(&other)),
    };
    if common.json {
        data(json!(shown));
        return Ok(());
    }
    text(&shown.text);
    let set_at = shown.set_at.map(|at| format!(", set {}", spelt(at)));
    say(format_args!(
        "comes from: {}{}",
        shown.source,
        set_at.unwrap_or_default()
    ));
    say(format_args!(
        "places: {}; it can't do without {}",
        shown.places.join(", "),
        shown.needed.join(", ")
    ));
    if let Some(why) = &shown.passed_over {
        say(format_args!("the text that was set is not used: {why}"));
    }
    Ok(())
}

fn try_out(of: OfKind, file: Option<&Path>) -> Result<(), Failed> {
    let OfKind { kind, common } = of;
    let given = file.map(read).transpose()?;
    let tried = match common.data.ask(Ask::TextTry { kind, text: given })? {
        Reply::TextTried(tried) => tried,
        other => return Err(unexpected(&other)),
    };
    if common.json {
        data(json!(tried));
    } else {
        text(&format!("Subject: {}\n\n{}", tried.subject, tried.text));
    }
    Ok(())
}
