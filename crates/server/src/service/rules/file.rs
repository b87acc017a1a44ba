//! The file of rules: TOML, of which every mistake is named by its line and field.
//!
//! Knows: how rules are written, and which make no sense. Must never know: where the file lies, or what is asked of
//! the rules afterwards.

use std::collections::BTreeMap;
use std::fmt;

use countersign_auth::claim::{self, ClaimValue};
use countersign_auth::policy::{SESSION_S_MAX, SESSION_S_PLAIN_MAX};
use countersign_core::elevation::{Demand, Level};
use ipnet::IpNet;
use serde::Deserialize;
use toml::Spanned;

use super::path::{OWN_PREFIX, Path};
use super::{Allow, Host, Pattern, Rule, Rules, Terms, host_name};

/// Longest file in bytes.
pub const FILE_BYTES_MAX: usize = 1024 * 1024;
/// Most hosts of a file.
pub const HOSTS_MAX: usize = 1000;
/// Most rules of a host.
pub const RULES_MAX: usize = 500;
/// Most entries of one list in a rule.
pub const LIST_MAX: usize = 100;

/// How long a sign-in is good for on a host unless it says otherwise: a day, if a session lives so long.
const HOST_SESSION_S: u32 = SESSION_S_PLAIN_MAX;
/// The greatest age of a proof that can be asked for, in seconds: no session lives longer.
const AGE_S_MAX: u32 = SESSION_S_MAX;

/// One thing that is wrong with a file of rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where, counted from 1.
    pub line: usize,
    /// In which field, as `host.rule.path`; empty when it is not TOML.
    pub field: String,
    /// What is wrong, and what to do.
    pub problem: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Mistake { line, field, problem } = self;
        match field.as_str() {
            "" => write!(f, "line {line}: {problem}"),
            field => write!(f, "line {line}: {field}: {problem}"),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    host: Vec<Spanned<FileHost>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileHost {
    name: Spanned<String>,
    session_s: Option<Spanned<u32>>,
    #[serde(default)]
    ignore_case: bool,
    step_up_status: Option<Spanned<u16>>,
    #[serde(default)]
    rule: Vec<Spanned<FileRule>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileRule {
    path: Spanned<String>,
    #[serde(default)]
    methods: Vec<Spanned<String>>,
    #[serde(default)]
    networks: Vec<Spanned<String>>,
    #[serde(default)]
    allow: FileAllow,
    #[serde(default)]
    groups: Vec<Spanned<String>>,
    #[serde(default)]
    claims: BTreeMap<String, Spanned<toml::Value>>,
    acr: Option<Spanned<String>>,
    max_age: Option<Spanned<u32>>,
    #[serde(default)]
    elevated: bool,
    step_up_status: Option<Spanned<u16>>,
}

#[derive(Clone, Copy, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum FileAllow {
    Public,
    #[default]
    SignedIn,
    Deny,
}

impl Rules {
    /// Reads a file's text, for whatever settings there may be.
    ///
    /// # Errors
    /// Every [`Mistake`]; where the text is not of the file's shape at all, the first.
    pub fn parse(text: &str) -> Result<Rules, Vec<Mistake>> {
        Rules::parse_for(text, SESSION_S_MAX)
    }

    /// Reads a file's text for an installation whose sessions live so long.
    ///
    /// # Errors
    /// As [`parse`](Rules::parse), and where a host wants longer ones, which it would never see.
    pub fn parse_for(text: &str, session_s: u32) -> Result<Rules, Vec<Mistake>> {
        if text.len() > FILE_BYTES_MAX {
            return Err(vec![Mistake {
                line: 1,
                field: String::new(),
                problem: format!(
                    "the file is longer than {FILE_BYTES_MAX} bytes; split it among several installations"
                ),
            }]);
        }
        let mut reading = Reading {
            text,
            session_s,
            mistakes: Vec::new(),
        };
        let file: File = match toml::from_str(text) {
            Ok(file) => file,
            Err(error) => {
                let at = error.span().map_or(0, |span| span.start);
                reading.note(at, "", error.message().replace('\n', "; "));
                return Err(reading.mistakes);
            }
        };
        let rules = reading.file(file);
        if reading.mistakes.is_empty() {
            Ok(rules)
        } else {
            Err(reading.mistakes)
        }
    }
}

/// What a host says of all its rules.
#[derive(Clone, Copy)]
struct Common {
    ignores_case: bool,
    strict_step_up: Option<bool>,
}

/// A file while it is read.
struct Reading<'a> {
    text: &'a str,
    /// How long any session lives.
    session_s: u32,
    mistakes: Vec<Mistake>,
}

impl Reading<'_> {
    fn line(&self, at: usize) -> usize {
        self.text
            .get(..at)
            .map_or(1, |before| before.matches('\n').count() + 1)
    }

    fn note(&mut self, at: usize, field: &str, problem: impl Into<String>) {
        self.mistakes.push(Mistake {
            line: self.line(at),
            field: field.to_owned(),
            problem: problem.into(),
        });
    }

    fn file(&mut self, file: File) -> Rules {
        let mut rules = Rules::default();
        if file.host.len() > HOSTS_MAX {
            self.note(
                0,
                "host",
                format!("there are more than {HOSTS_MAX} hosts; write one with a star"),
            );
            return rules;
        }
        for host in file.host {
            let at = host.get_ref().name.span().start;
            let Some((name, host)) = self.host(host.into_inner()) else {
                continue;
            };
            let (table, name) = match name.strip_prefix("*.") {
                Some(parent) => (&mut rules.wildcard, parent.to_owned()),
                None => (&mut rules.exact, name),
            };
            if table.insert(name, host).is_some() {
                self.note(
                    at,
                    "host.name",
                    "it is named twice; write all its rules below one [[host]]",
                );
            }
        }
        rules
    }

    fn host(&mut self, host: FileHost) -> Option<(String, Host)> {
        let at = host.name.span().start;
        let name = host.name.into_inner();
        let lower = name.to_ascii_lowercase();
        let plain = lower.strip_prefix("*.").unwrap_or(&lower);
        let is_known = host_name(plain).is_some_and(|known| known == plain);
        if !is_known {
            let problem = format!(
                "{name:?} is no host; write app.example.org or *.example.org, without scheme and port"
            );
            self.note(at, "host.name", problem);
        }
        let session_s = host
            .session_s
            .map_or(HOST_SESSION_S, |seconds| self.session_s(&seconds));
        if host.rule.len() > RULES_MAX {
            self.note(
                at,
                "host.rule",
                format!("there are more than {RULES_MAX} rules of one host; write wider paths"),
            );
            return None;
        }
        let common = Common {
            ignores_case: host.ignore_case,
            strict_step_up: self.strict_step_up(host.step_up_status.as_ref(), "host.step_up_status"),
        };
        let mut rules: Vec<Rule> = Vec::new();
        for rule in host.rule {
            let at = rule.span().start;
            let Some(rule) = self.rule(rule, common) else {
                continue;
            };
            if let Some(before) = rules.iter().find(|before| before.covers(&rule)) {
                let problem = format!(
                    "the rule of line {} is for all of it already; write this one first",
                    before.line
                );
                self.note(at, "host.rule", problem);
            }
            rules.push(rule);
        }
        let host = Host {
            name,
            session_s,
            ignores_case: common.ignores_case,
            rules,
        };
        Some((lower, host))
    }

    fn session_s(&mut self, seconds: &Spanned<u32>) -> u32 {
        let (at, seconds) = (seconds.span().start, *seconds.get_ref());
        let problem = if !(60..=SESSION_S_MAX).contains(&seconds) {
            format!("{seconds} is no number from 60 to {SESSION_S_MAX}")
        } else if seconds > self.session_s {
            format!(
                "no session lives so long; write at most {}, which is the setting `session_s`, or raise that",
                self.session_s
            )
        } else {
            return seconds;
        };
        self.note(at, "host.session_s", problem);
        seconds
    }

    fn rule(&mut self, rule: Spanned<FileRule>, common: Common) -> Option<Rule> {
        let (at, rule) = (rule.span().start, rule.into_inner());
        let pattern = self.pattern(&rule.path, common.ignores_case);
        self.bound(at, "host.rule.methods", rule.methods.len());
        self.bound(at, "host.rule.networks", rule.networks.len());
        self.bound(at, "host.rule.groups", rule.groups.len());
        self.bound(at, "host.rule.claims", rule.claims.len());
        let methods = rule.methods.iter().map(|method| self.method(method)).collect();
        let networks = rule
            .networks
            .iter()
            .filter_map(|network| self.network(network))
            .collect();
        let asks = !rule.groups.is_empty()
            || !rule.claims.is_empty()
            || rule.acr.is_some()
            || rule.max_age.is_some()
            || rule.elevated
            || rule.step_up_status.is_some();
        if asks && rule.allow != FileAllow::SignedIn {
            let problem =
                "only `signed_in` asks for groups, claims, acr, max_age or elevated; remove them, or `allow`";
            self.note(at, "host.rule.allow", problem);
        }
        let line = self.line(at);
        let allow = match rule.allow {
            FileAllow::Public => Allow::Public,
            FileAllow::Deny => Allow::Deny,
            FileAllow::SignedIn => Allow::SignedIn(self.terms(rule, common)),
        };
        Some(Rule {
            line,
            allow,
            pattern: pattern?,
            methods,
            networks,
        })
    }

    fn bound(&mut self, at: usize, field: &str, count: usize) {
        if count > LIST_MAX {
            self.note(at, field, format!("there are more than {LIST_MAX} entries"));
        }
    }

    fn pattern(&mut self, path: &Spanned<String>, ignores_case: bool) -> Option<Pattern> {
        const FIELD: &str = "host.rule.path";
        let (at, text) = (path.span().start, path.get_ref());
        let (base, is_below) = match text.strip_suffix("/*") {
            Some(base) => (base, true),
            None => (text.as_str(), false),
        };
        let base = if ignores_case {
            base.to_lowercase()
        } else {
            base.to_owned()
        };
        if base.contains(['*', '%']) {
            let problem =
                "write the path as it is after decoding, with no star but one at the end, as in /admin/*";
            self.note(at, FIELD, problem);
            return None;
        }
        let whole = if is_below {
            format!("{base}/")
        } else {
            base.clone()
        };
        match Path::of_decoded(whole) {
            Err(unclear) => {
                self.note(at, FIELD, format!("{text:?} matches nothing: {unclear}"));
                None
            }
            Ok(path) if path.is_own() => {
                self.note(
                    at,
                    FIELD,
                    format!("{OWN_PREFIX} is Countersign's own on every host; remove the rule"),
                );
                None
            }
            Ok(_) if is_below => Some(Pattern::Below(base)),
            // Either spelling stands for both, but for the front page, which has one.
            Ok(_) if base == "/" => Some(Pattern::Exact(base)),
            Ok(_) => Some(Pattern::Exact(base.trim_end_matches('/').to_owned())),
        }
    }

    fn method(&mut self, method: &Spanned<String>) -> String {
        let text = method.get_ref();
        let is_known = |byte: u8| byte.is_ascii_uppercase() || byte == b'-';
        if text.is_empty() || !text.bytes().all(is_known) {
            let problem = format!("{text:?} is no method; write upper-case letters, as GET");
            self.note(method.span().start, "host.rule.methods", problem);
        }
        text.clone()
    }

    fn network(&mut self, network: &Spanned<String>) -> Option<IpNet> {
        const FIELD: &str = "host.rule.networks";
        let (at, text) = (network.span().start, network.get_ref());
        match text.parse::<IpNet>() {
            Ok(network) if network.trunc() == network => Some(network),
            Ok(network) => {
                self.note(
                    at,
                    FIELD,
                    format!("{text:?} names part of a network; write {}", network.trunc()),
                );
                None
            }
            Err(_) => {
                self.note(
                    at,
                    FIELD,
                    format!("{text:?} is no network; write NETWORK/PREFIX, as 10.0.0.0/8"),
                );
                None
            }
        }
    }

    fn terms(&mut self, rule: FileRule, common: Common) -> Terms {
        let level = rule.acr.and_then(|acr| self.level(&acr));
        if let Some(age) = rule
            .max_age
            .as_ref()
            .filter(|age| *age.get_ref() > AGE_S_MAX || *age.get_ref() == 0)
        {
            let problem = format!("{} is no number from 1 to {AGE_S_MAX}", age.get_ref());
            self.note(age.span().start, "host.rule.max_age", problem);
        }
        if let Some(empty) = rule.groups.iter().find(|group| group.get_ref().is_empty()) {
            self.note(empty.span().start, "host.rule.groups", "a group has a name");
        }
        let own = self.strict_step_up(rule.step_up_status.as_ref(), "host.rule.step_up_status");
        let mut claims = BTreeMap::new();
        for (name, value) in rule.claims {
            let at = value.span().start;
            match claim_value(&name, value.into_inner()) {
                Some(value) => drop(claims.insert(name, value)),
                None => {
                    let field = format!("host.rule.claims.{name}");
                    self.note(
                        at,
                        &field,
                        "no account has such a claim; write a text, a whole number, true or false",
                    );
                }
            }
        }
        Terms {
            groups: rule.groups.into_iter().map(Spanned::into_inner).collect(),
            claims,
            demand: Demand {
                elevated: rule.elevated,
                level,
                age_s_max: rule.max_age.map(Spanned::into_inner),
            },
            strict_step_up: own.or(common.strict_step_up).unwrap_or(false),
        }
    }

    /// Whether a step-up is asked for by 401; none where nothing is said of it.
    fn strict_step_up(&mut self, status: Option<&Spanned<u16>>, field: &str) -> Option<bool> {
        let status = status?;
        if ![401, 403].contains(status.get_ref()) {
            self.note(status.span().start, field, "write 401 or 403");
        }
        Some(*status.get_ref() == 401)
    }

    fn level(&mut self, acr: &Spanned<String>) -> Option<Level> {
        let level = Level::parse(acr.get_ref());
        let problem = match level {
            Some(level) if level <= Level::REACHABLE => return Some(level),
            Some(level) => format!("nothing reaches {level} yet, so nobody would pass; write cs:2"),
            None => format!("{:?} is no level; write cs:1 or cs:2", acr.get_ref()),
        };
        self.note(acr.span().start, "host.rule.acr", problem);
        None
    }
}

/// The value of a claim; none where no account could have it.
fn claim_value(name: &str, value: toml::Value) -> Option<ClaimValue> {
    let value = match value {
        toml::Value::String(text) => ClaimValue::Text(text),
        toml::Value::Integer(number) => ClaimValue::Integer(number),
        toml::Value::Boolean(truth) => ClaimValue::Bool(truth),
        _ => return None,
    };
    claim::check(name, &value).is_ok().then_some(value)
}
