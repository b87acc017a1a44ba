//! `countersign rules`: whether a file of rules is right, and which rule counts for a request.
//!
//! Knows: how to tell it. Must never know: how rules are judged; that is the server's.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use countersign_core::elevation::{Demand, Elevation, Level, Standing};
use countersign_core::time::UnixSeconds;
use countersign_server::service::operator::{Ask, Reply, User};
use countersign_server::service::rules::{
    Allow, Found, Host, NoQuestion, Question, Rule, Rules as Read, Terms, Verdict, Who,
};
use countersign_server::wiring::{self, Plan};
use serde_json::{Value, json};

use super::user::unexpected;
use crate::installation::Data;
use crate::out::{Failed, data};

/// The rules of protected applications.
#[derive(Args)]
pub(crate) struct Rules {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Name every mistake of a file by line and field, or say that there is none
    Check {
        /// The file
        file: PathBuf,
    },
    /// Say which rule counts for a request, and what it asks
    Explain(Explain),
}

#[derive(Args)]
struct Explain {
    /// Address of the request, as in `https://app.example.org/admin`
    url: String,
    /// Its method
    #[arg(long, default_value = "GET")]
    method: String,
    /// The address it comes from
    #[arg(long, value_name = "ADDRESS", default_value = "192.0.2.1")]
    network: IpAddr,
    /// Whether this account passes, and with what
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// The file, instead of the installation's own
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: Data,
}

impl Rules {
    pub(crate) fn run(self) -> Result<(), Failed> {
        match self.command {
            Command::Check { file } => {
                let rules = read(&file, &text(&file)?)?;
                data(format_args!("{}: right, {} hosts", file.display(), rules.hosts()));
                Ok(())
            }
            Command::Explain(explain) => explain.run(),
        }
    }
}

impl Explain {
    fn run(self) -> Result<(), Failed> {
        let rules = self.rules()?;
        let lines = match self.question() {
            Ok(question) => self.lines(rules.find(&question))?,
            Err(NoQuestion::Path(unclear)) => vec![
                ("allow", json!("deny")),
                ("why", json!(format!("the path: {unclear}"))),
            ],
            Err(NoQuestion::Host) => {
                return Err(usage(
                    "the address names no host; write https://app.example.org/path",
                ));
            }
            Err(NoQuestion::Method) => {
                return Err(usage("the method is none; write upper-case letters, as GET"));
            }
        };
        if self.json {
            let members = lines.into_iter().map(|(name, value)| (name.to_owned(), value));
            data(Value::Object(members.collect()));
            return Ok(());
        }
        for (name, value) in lines {
            match value {
                Value::String(text) => data(format_args!("{name:10} {text}")),
                value => data(format_args!("{name:10} {value}")),
            }
        }
        Ok(())
    }

    fn rules(&self) -> Result<Read, Failed> {
        match &self.file {
            Some(file) => read(file, &text(file)?),
            None => {
                let plan = Plan::of(&self.data.settings()?);
                let (path, text) = wiring::read_rules(&plan).map_err(Failed::unavailable)?;
                read(&path, &text.unwrap_or_default())
            }
        }
    }

    fn question(&self) -> Result<Question, NoQuestion> {
        let url = self.url.as_str();
        let rest = url
            .strip_prefix("https://")
            .or_else(|| url.strip_prefix("http://"))
            .unwrap_or(url);
        let at = rest.find(['/', '?']).unwrap_or(rest.len());
        let (host, uri) = rest.split_at(at);
        let uri = if uri.starts_with('/') {
            uri.to_owned()
        } else {
            format!("/{uri}")
        };
        Question::read(host, &uri, &self.method, self.network)
    }

    fn lines(&self, found: Found<'_>) -> Result<Vec<(&'static str, Value)>, Failed> {
        let (host, rule) = match found {
            Found::UnknownHost => {
                return Ok(vec![
                    ("allow", json!("deny")),
                    ("why", json!("no rule names the host")),
                ]);
            }
            Found::NoRule(host) => {
                let why = "no rule of the host is for path, method and network";
                return Ok(vec![
                    ("host", json!(host.name)),
                    ("allow", json!("deny")),
                    ("why", json!(why)),
                ]);
            }
            Found::Rule(host, rule) => (host, rule),
        };
        let mut lines = vec![("host", json!(host.name)), ("line", json!(rule.line))];
        lines.extend(asked(host, rule));
        if let (Some(name), Allow::SignedIn(terms)) = (&self.user, &rule.allow) {
            let user = self.user(name)?;
            lines.push(("user", json!(passes(host, terms, &user))));
        }
        Ok(lines)
    }

    fn user(&self, name: &str) -> Result<User, Failed> {
        let desk = self.data.open_existing()?;
        let name = name.to_owned();
        let reply = desk.ask(&Ask::UserShow { name });
        desk.close()?;
        match reply? {
            Reply::User(shown) => Ok(shown.user),
            other => Err(unexpected(&other)),
        }
    }
}

/// What a rule asks, only where it asks something.
fn asked(host: &Host, rule: &Rule) -> Vec<(&'static str, Value)> {
    let terms = match &rule.allow {
        Allow::Public => return vec![("allow", json!("public"))],
        Allow::Deny => return vec![("allow", json!("deny"))],
        Allow::SignedIn(terms) => terms,
    };
    let mut lines = vec![("allow", json!("signed_in"))];
    if !terms.groups.is_empty() {
        lines.push(("groups", json!(terms.groups)));
    }
    if !terms.claims.is_empty() {
        lines.push(("claims", json!(terms.claims)));
    }
    if let Some(level) = terms.demand.level {
        lines.push(("acr", json!(level.acr())));
    }
    if let Some(age) = terms.demand.age_s_max {
        lines.push(("max_age", json!(age)));
    }
    if terms.demand.elevated {
        lines.push(("elevated", json!(true)));
    }
    lines.push(("session_s", json!(host.session_s)));
    lines
}

/// The least that an account has to prove to pass, or why it does not whatever it proves.
fn passes(host: &Host, terms: &Terms, user: &User) -> String {
    const NOW: UnixSeconds = UnixSeconds(1_000_000);
    let elevation = Elevation {
        level: Level::Two,
        since: NOW,
        until: NOW.plus(1),
    };
    let ways = [
        (Level::One, None, "passes with one factor"),
        (Level::Two, None, "passes with two factors"),
        (Level::Two, Some(elevation), "passes with a step-up"),
    ];
    let mut why = "does not pass".to_owned();
    for (level, elevation, told) in ways {
        let who = Who {
            groups: &user.groups,
            claims: &user.claims,
            standing: Standing {
                level,
                authenticated_at: NOW,
                elevation,
            },
            signed_in_at: None,
        };
        match host.judge(terms, &who, Demand::default(), NOW) {
            Verdict::Pass => return told.to_owned(),
            Verdict::NoGroup => why = "does not pass: in none of the groups".to_owned(),
            Verdict::NoClaim(name, value) => why = format!("does not pass: has no claim {name} = {value}"),
            Verdict::StepUp { .. } | Verdict::SignInAgain => {}
        }
    }
    why
}

fn text(file: &Path) -> Result<String, Failed> {
    std::fs::read_to_string(file).map_err(|error| Failed::Usage(format!("{}: {error}", file.display())))
}

fn read(file: &Path, text: &str) -> Result<Read, Failed> {
    Read::parse(text).map_err(|mistakes| {
        let lines: Vec<String> = mistakes
            .iter()
            .map(|mistake| format!("{}: {mistake}", file.display()))
            .collect();
        Failed::Usage(lines.join("\n"))
    })
}

fn usage(text: &str) -> Failed {
    Failed::Usage(text.to_owned())
}
