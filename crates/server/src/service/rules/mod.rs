//! What protected applications ask of whoever comes: rules by host, path, method and network.
//!
//! Knows: which rule counts for a request, and whether who asks may pass. Must never know: headers and cookies, or how
//! a session is found; the door hands in what a proxy said and who was found.
//!
//! Read next: [`Rules::find`] and [`Host::judge`], which decide; `file` for how rules are written; `path` for the one
//! spelling in which paths are compared.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, RwLock};

use countersign_auth::claim::{ClaimValue, Claims};
use countersign_core::elevation::{Demand, ElevationVerdict, Level, Standing, judge};
use countersign_core::time::UnixSeconds;
use ipnet::IpNet;

mod file;
mod fuzz;
mod path;
#[cfg(test)]
mod tests;

pub use file::{FILE_BYTES_MAX, HOSTS_MAX, LIST_MAX, Mistake, RULES_MAX};
pub use fuzz::fuzz;
pub use path::{OWN_PREFIX, Path, TARGET_BYTES_MAX, Target, URI_BYTES_MAX, Unclear};

/// How long a sign-in of one factor is good for on a host, whatever its `session_s` says.
pub const ONE_FACTOR_SESSION_S_MAX: u32 = 3600;

/// Longest name of a host in bytes (RFC 1035 §2.3.4).
const HOST_BYTES_MAX: usize = 253;

/// Longest method in bytes.
const METHOD_BYTES_MAX: usize = 32;

/// All rules. The default knows no host, so nothing passes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules {
    /// Hosts by their names.
    exact: HashMap<String, Host>,
    /// Hosts by what follows `*.`; the star stands for one label.
    wildcard: HashMap<String, Host>,
}

/// A protected host.
#[derive(Clone, Debug, PartialEq)]
pub struct Host {
    /// Its name as the file spells it.
    pub name: String,
    /// Seconds after a sign-in for which its session is good here, if it lives so long.
    pub session_s: u32,
    ignores_case: bool,
    rules: Vec<Rule>,
}

/// One rule of a host.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Where it stands in the file.
    pub line: usize,
    /// Whom it lets through.
    pub allow: Allow,
    pattern: Pattern,
    /// None for every method.
    methods: Vec<String>,
    /// None for every network.
    networks: Vec<IpNet>,
}

/// Whom a rule lets through.
#[derive(Clone, Debug, PartialEq)]
pub enum Allow {
    /// Everybody; nobody is asked about.
    Public,
    /// Who is signed in and meets these terms.
    SignedIn(Terms),
    /// Nobody.
    Deny,
}

/// What is asked of who is signed in. The default asks nothing more.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Terms {
    /// One of these groups; none for whatever groups.
    pub groups: Vec<String>,
    /// All of these claims, each of this JSON type and value.
    pub claims: Claims,
    /// Strength, age and elevation.
    pub demand: Demand,
    /// Whether a step-up is asked for by 401, as RFC 9470 §3 has it, in place of 403.
    pub strict_step_up: bool,
}

/// Which paths a rule is for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    /// This one, with or without a slash at its end.
    Exact(String),
    /// This one and all below it; empty for every path.
    Below(String),
}

/// What a proxy says of a request, read and bounded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    host: String,
    path: Path,
    method: String,
    network: IpAddr,
}

/// Why what a proxy said is no question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoQuestion {
    /// The host is no name, or has a port that is none.
    Host,
    /// The method is no token of upper-case letters.
    Method,
    /// The path could be read in more than one way. That is its sender's fault, and not the proxy's.
    Path(Unclear),
}

/// What was found for a question.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Found<'a> {
    /// No rule names the host.
    UnknownHost,
    /// No rule of the host is for the path, the method and the network: nobody passes.
    NoRule(&'a Host),
    /// The first that is.
    Rule(&'a Host, &'a Rule),
}

/// Who is signed in.
#[derive(Clone, Copy, Debug)]
pub struct Who<'a> {
    /// Groups of the account.
    pub groups: &'a [String],
    /// Its claims.
    pub claims: &'a Claims,
    /// What was proven.
    pub standing: Standing,
    /// When the session was opened; none for a token that is no session.
    pub signed_in_at: Option<UnixSeconds>,
}

/// Whether somebody passes, and if not, why.
#[derive(Clone, Copy, Debug, PartialEq)]
#[must_use]
pub enum Verdict<'a> {
    /// They do.
    Pass,
    /// Their session is older than this host takes.
    SignInAgain,
    /// They are in none of the groups.
    NoGroup,
    /// This claim is missing, or of another type or value.
    NoClaim(&'a str, &'a ClaimValue),
    /// This must be proven first.
    StepUp {
        /// All that is demanded.
        demand: Demand,
        /// Whether what once was enough is too old now.
        is_expired: bool,
    },
}

impl Question {
    /// Reads a question.
    ///
    /// # Errors
    /// [`NoQuestion`].
    pub fn read(host: &str, uri: &str, method: &str, network: IpAddr) -> Result<Question, NoQuestion> {
        let host = host_name(host).ok_or(NoQuestion::Host)?;
        let is_known = |byte: u8| byte.is_ascii_uppercase() || byte == b'-';
        if !(1..=METHOD_BYTES_MAX).contains(&method.len()) || !method.bytes().all(is_known) {
            return Err(NoQuestion::Method);
        }
        Ok(Question {
            host,
            path: Path::of_request(uri).map_err(NoQuestion::Path)?,
            method: method.to_owned(),
            network: network.to_canonical(),
        })
    }

    /// The host, in lower case and without port.
    pub fn host(&self) -> &str {
        &self.host
    }
}

impl Rules {
    /// The first rule for a question.
    pub fn find(&self, question: &Question) -> Found<'_> {
        let Some(host) = self.host(&question.host) else {
            return Found::UnknownHost;
        };
        // Where case does not matter, rules hold lower case.
        let lower;
        let path = if host.ignores_case {
            lower = question.path.as_str().to_lowercase();
            &lower
        } else {
            question.path.as_str()
        };
        let rule = host.rules.iter().find(|rule| {
            rule.pattern.matches(path)
                && rule.takes_method(&question.method)
                && (rule.networks.is_empty()
                    || rule.networks.iter().any(|net| net.contains(&question.network)))
        });
        rule.map_or(Found::NoRule(host), |rule| Found::Rule(host, rule))
    }

    /// A host by its name in lower case, without port.
    pub fn host(&self, name: &str) -> Option<&Host> {
        let wide = || {
            name.split_once('.')
                .and_then(|(_, parent)| self.wildcard.get(parent))
        };
        self.exact.get(name).or_else(wide)
    }

    /// How many hosts are named.
    pub fn hosts(&self) -> usize {
        self.exact.len() + self.wildcard.len()
    }
}

impl Terms {
    /// Nothing is asked but to be signed in.
    pub const NONE: Terms = Terms {
        groups: Vec::new(),
        claims: Claims::new(),
        demand: Demand {
            elevated: false,
            level: None,
            age_s_max: None,
        },
        strict_step_up: false,
    };
}

impl Rule {
    /// Whether it is for a method. Who may GET may HEAD, since applications answer both by the same code.
    fn takes_method(&self, method: &str) -> bool {
        let is_named = |name: &str| self.methods.iter().any(|known| known == name);
        self.methods.is_empty() || is_named(method) || (method == "HEAD" && is_named("GET"))
    }

    /// Whether it is for everything that another is for, which therefore never counts behind it.
    fn covers(&self, other: &Rule) -> bool {
        let has_methods = self.methods.is_empty()
            || (!other.methods.is_empty() && other.methods.iter().all(|method| self.takes_method(method)));
        let holds = |net: &IpNet| self.networks.iter().any(|wide| wide.contains(net));
        let has_networks =
            self.networks.is_empty() || (!other.networks.is_empty() && other.networks.iter().all(holds));
        has_methods && has_networks && self.pattern.covers(&other.pattern)
    }
}

impl Pattern {
    fn matches(&self, path: &str) -> bool {
        match self {
            Pattern::Exact(whole) => path == whole || path.strip_suffix('/') == Some(whole),
            Pattern::Below(base) => path
                .strip_prefix(base.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
        }
    }

    fn covers(&self, other: &Pattern) -> bool {
        match other {
            Pattern::Exact(whole) => self.matches(whole),
            Pattern::Below(base) => matches!(self, Pattern::Below(_)) && self.matches(base),
        }
    }
}

impl Host {
    /// Whether a session of this age and level has to be opened anew for this host.
    fn is_too_old(&self, who: &Who<'_>, now: UnixSeconds) -> bool {
        let Some(at) = who.signed_in_at else {
            return false;
        };
        let most = if who.standing.level >= Level::Two {
            self.session_s
        } else {
            self.session_s.min(ONE_FACTOR_SESSION_S_MAX)
        };
        at.is_ahead_of(now) || now.since(at) >= u64::from(most)
    }

    /// Judges who is signed in: the session first, then groups and claims, then strength, so that a demand is told to
    /// those alone who could meet it. `more` is what the proxy demands besides.
    pub fn judge<'a>(&self, terms: &'a Terms, who: &Who<'_>, more: Demand, now: UnixSeconds) -> Verdict<'a> {
        if self.is_too_old(who, now) {
            return Verdict::SignInAgain;
        }
        if !terms.groups.is_empty() && !terms.groups.iter().any(|group| who.groups.contains(group)) {
            return Verdict::NoGroup;
        }
        let missing = terms
            .claims
            .iter()
            .find(|(name, value)| who.claims.get(*name) != Some(value));
        if let Some((name, value)) = missing {
            return Verdict::NoClaim(name, value);
        }
        let demand = terms.demand.and(more);
        let is_expired = match judge(&who.standing, &demand, now) {
            ElevationVerdict::Met => return Verdict::Pass,
            ElevationVerdict::Expired => true,
            ElevationVerdict::Required => false,
        };
        Verdict::StepUp { demand, is_expired }
    }
}

/// A host's name in lower case, without its port; none when it is no name.
pub fn host_name(text: &str) -> Option<String> {
    let name = match text.split_once(':') {
        None => text,
        Some((name, port)) => {
            let is_port = (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit());
            is_port.then_some(name)?
        }
    };
    let is_label = |label: &str| {
        let is_known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        !label.is_empty() && label.bytes().all(is_known)
    };
    let is_name = name.len() <= HOST_BYTES_MAX && name.split('.').all(is_label);
    is_name.then(|| name.to_ascii_lowercase())
}

/// The rules in use: replaced whole, so that a request is judged by one file from beginning to end.
#[derive(Debug, Default)]
pub struct RulesInUse(RwLock<Arc<Rules>>);

impl RulesInUse {
    /// The rules as they are now.
    pub fn now(&self) -> Arc<Rules> {
        self.0
            .read()
            .expect("no thread panics while it replaces the rules")
            .clone()
    }

    /// Works with these from the next request on.
    pub fn replace(&self, rules: Rules) {
        *self.0.write().expect("no thread panics while it holds the rules") = Arc::new(rules);
    }

    /// Reads a file's text and works with it from the next request on; one with mistakes changes nothing.
    ///
    /// # Errors
    /// Every [`Mistake`].
    pub fn reload(&self, text: &str) -> Result<usize, Vec<Mistake>> {
        let rules = Rules::parse(text)?;
        let hosts = rules.hosts();
        self.replace(rules);
        Ok(hosts)
    }
}
