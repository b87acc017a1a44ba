//! The settings one by one: name, default, what it is for, and how its text is read.
//!
//! Knows: bounds of single values. Must never know: where a value was given. A new setting is an entry here;
//! flag, variable, file and example follow.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::str::FromStr;

use countersign_auth::contact::MailAddress;
use countersign_auth::policy::{Acceptance, SESSION_S_MAX, SecondFactor};
use countersign_core::limit::Budget;
use countersign_core::otp::{AcceptanceWindow, Digits};
use countersign_core::time::TimeStep;
use ipnet::IpNet;

use super::{Profile, Settings, TlsChoice, reached};
use crate::deliver::smtp::Relay;
use crate::deliver::webhook;
use crate::store::postgres;

/// One setting.
#[derive(Debug)]
pub struct Setting {
    /// Its name in the file; `COUNTERSIGN_NAME` in the environment, `--name` on the command line.
    pub name: &'static str,
    /// Its default as the file spells it.
    pub default: &'static str,
    /// What it is for, in whole sentences.
    pub about: &'static str,
    /// Reads its text.
    pub(super) apply: fn(&mut Settings, &str) -> Result<(), Wrong>,
}

/// What is wrong with a text, and what to do.
pub(super) type Wrong = (String, String);

impl Setting {
    /// The default as text.
    pub(super) fn default_text(&self) -> &'static str {
        match self.default {
            "[]" => "",
            quoted => quoted.trim_matches('"'),
        }
    }

    /// How the file spells it.
    pub(super) fn example(&self) -> String {
        format!("`{} = {}`", self.name, self.default)
    }
}

/// What the operator writes who wants sessions of more than a day.
pub(super) const LONG_SESSIONS: &str = "a stolen cookie is good for as long";

/// Every setting, in the order of the example file.
pub const TABLE: [Setting; 53] = [
    Setting {
        name: "data",
        default: "\"data\"",
        about: "The data folder: database, key ring, certificates. It is made when it is missing, readable by its \
                owner alone. A file that lies in it can't name it.",
        apply: |to, text| filled(text, "a folder").map(|text| to.data = text.into()),
    },
    Setting {
        name: "listen",
        default: "\"127.0.0.1:8443\"",
        about: "Address and port to listen on; port 0 picks a free one. unix:/PATH is a socket in the file system, \
                for its owner and group, without TLS.",
        apply: |to, text| reached::listen(text).map(|listen| to.listen = listen),
    },
    Setting {
        name: "profile",
        default: "\"production\"",
        about: "`production`, or `development` for trying out: a wide window and, unless this is a release build, \
                cheap password hashes; on loopback only, and said in every answer.",
        apply: |to, text| {
            let choices = [
                ("production", Profile::Production),
                ("development", Profile::Development),
            ];
            one_of(text, &choices).map(|profile| to.profile = profile)
        },
    },
    Setting {
        name: "public_url",
        default: "\"\"",
        about: "The address people type, as in https://id.example.org, when it is not the listening one: scheme, \
                host and perhaps a port. Links begin with it, and forms are taken from its pages alone.",
        apply: |to, text| reached::public_url(text).map(|url| to.public_url = url),
    },
    Setting {
        name: "trusted_proxies",
        default: "[]",
        about: "Networks and addresses of the proxies in front, and `unix` for whoever connects to the socket: \
                [\"192.0.2.10\", \"unix\"]. X-Forwarded-For is believed from them alone.",
        apply: |to, text| reached::proxies(text).map(|proxies| to.trusted_proxies = proxies),
    },
    Setting {
        name: "tls",
        default: "\"own\"",
        about: "`own`: a certificate of the installation's own authority, renewed by itself. `files`: yours, see \
                tls_chain and tls_key. `off`: none, on loopback, or for trusted_proxies alone.",
        apply: |to, text| {
            let choices = [
                ("own", TlsChoice::Own),
                ("files", TlsChoice::Files),
                ("off", TlsChoice::Off),
            ];
            one_of(text, &choices).map(|tls| to.tls = tls)
        },
    },
    Setting {
        name: "tls_chain",
        default: "\"\"",
        about: "PEM file of your certificate chain, leaf first. It is read again when it changes.",
        apply: |to, text| {
            to.tls_chain = optional(text).map(Into::into);
            Ok(())
        },
    },
    Setting {
        name: "tls_key",
        default: "\"\"",
        about: "PEM file of the key that belongs to tls_chain.",
        apply: |to, text| {
            to.tls_key = optional(text).map(Into::into);
            Ok(())
        },
    },
    Setting {
        name: "names",
        default: "[]",
        about: "Further names and addresses that the own certificate is good for. The machine's own name, \
                localhost and the loopback addresses always are.",
        apply: |to, text| host_names(text).map(|names| to.names = names),
    },
    Setting {
        name: "node",
        default: "\"main\"",
        about: "This node's name in the audit; every node has its own chain.",
        apply: |to, text| node_name(text).map(|node| to.node = node),
    },
    Setting {
        name: "keys",
        default: "\"\"",
        about: "Folder of the key ring, which is the file `ring` in it, when it is not `keys` in the data folder; \
                several nodes share one.",
        apply: |to, text| {
            to.keys = optional(text).map(Into::into);
            Ok(())
        },
    },
    Setting {
        name: "keys_file",
        default: "\"\"",
        about: "The key ring itself, in place of `keys`. A credential `countersign-keys` of the service manager is \
                found by itself.",
        apply: |to, text| {
            to.keys_file = optional(text).map(Into::into);
            Ok(())
        },
    },
    Setting {
        name: "store",
        default: "\"\"",
        about: "Where everything is kept: the data folder, or a PostgreSQL database that several nodes share, as in \
                postgres://countersign@db.example.org/countersign, without the password. Each node has a `node` name \
                of its own, and all have one key ring.",
        apply: |to, text| {
            to.store = optional(text).map(ToOwned::to_owned);
            match to.store.as_deref().map_or(Ok(()), postgres::check_address) {
                Ok(()) => Ok(()),
                Err(problem) => Err((
                    problem.to_owned(),
                    "write postgres://USER@HOST:PORT/DATABASE".to_owned(),
                )),
            }
        },
    },
    Setting {
        name: "store_password_file",
        default: "\"\"",
        about: "File with the password for the shared store.",
        apply: |to, text| {
            to.store_password_file = optional(text).map(Into::into);
            Ok(())
        },
    },
    Setting {
        name: "store_ca",
        default: "\"\"",
        about: "PEM file of the authorities that the shared store's server is trusted by. Without it only a server on \
                this machine is spoken to.",
        apply: |to, text| {
            to.store_ca = optional(text).map(Into::into);
            Ok(())
        },
    },
    Setting {
        name: "smtp_url",
        default: "\"\"",
        about: "Where mail is handed in: smtps://USER@mail.example.org, or smtp:// for STARTTLS, which is then \
                demanded. Plain text goes to this machine alone. Without it no mail is sent and nothing is recovered \
                by mail.",
        apply: |to, text| {
            let Some(text) = optional(text) else {
                to.smtp_url = None;
                return Ok(());
            };
            let relay = Relay::parse(text).map_err(|problem| {
                let remedy = "write smtps://USER@HOST:PORT, or smtp://HOST:PORT".to_owned();
                (problem.to_owned(), remedy)
            })?;
            to.smtp_url = Some(relay);
            Ok(())
        },
    },
    Setting {
        name: "smtp_password_file",
        default: "\"\"",
        about: "File with the password for the mail server.",
        apply: |to, text| {
            to.smtp_password_file = optional(text).map(Into::into);
            Ok(())
        },
    },
    Setting {
        name: "smtp_ca",
        default: "\"\"",
        about: "PEM file of the authority that the mail server is trusted by, beside those of this machine.",
        apply: |to, text| {
            to.smtp_ca = optional(text).map(Into::into);
            Ok(())
        },
    },
    Setting {
        name: "mail_from",
        default: "\"\"",
        about: "Whom mail comes from, as in countersign@example.org.",
        apply: |to, text| {
            let Some(text) = optional(text) else {
                to.mail_from = None;
                return Ok(());
            };
            let remedy = "write it as in countersign@example.org".to_owned();
            let address =
                MailAddress::parse(text).map_err(|_| (format!("{text:?} is no mail address"), remedy))?;
            to.mail_from = Some(address);
            Ok(())
        },
    },
    Setting {
        name: "mail_templates",
        default: "\"\"",
        about: "Folder of your own mail texts: notice.txt, recovery.txt, recovery-proven.txt, address.txt. What is not \
                there is worded as usual.",
        apply: |to, text| {
            to.mail_templates = optional(text).map(Into::into);
            Ok(())
        },
    },
    Setting {
        name: "sms_webhook",
        default: "\"\"",
        about: "Where text messages are posted, over HTTPS: recoveries are then told on an account's telephone as \
                well, and codes can be sent there; see sms_codes.",
        apply: |to, text| {
            to.sms_webhook = optional(text).map(ToOwned::to_owned);
            match to.sms_webhook.as_deref().map_or(Ok(()), webhook::check_url) {
                Ok(()) => Ok(()),
                Err(problem) => Err((problem.to_owned(), "write https://HOST/PATH".to_owned())),
            }
        },
    },
    Setting {
        name: "sms_webhook_secret_file",
        default: "\"\"",
        about: "File with the secret, of at least 32 bytes, that signs what is posted there.",
        apply: |to, text| {
            to.sms_webhook_secret_file = optional(text).map(Into::into);
            Ok(())
        },
    },
    Setting {
        name: "sms_codes",
        default: "\"never\"",
        about: "`allowed`: codes by text message, over sms_webhook, are a second factor for who wants them. Who can \
                read or redirect the messages has the codes: NIST SP 800-63B-4 restricts it, and an authenticator is \
                offered first. `never`: not even to who has such a factor.",
        apply: |to, text| {
            let choices = [("never", false), ("allowed", true)];
            one_of(text, &choices).map(|allowed| to.policy.sms_codes = allowed)
        },
    },
    Setting {
        name: "second_factor",
        default: "\"required\"",
        about: "`required`: who has no second factor can do nothing but enrol one. `optional`: passwords alone \
                sign in where no factor is enrolled, and must have 15 characters. `step_up`: passwords alone sign \
                in, to `cs:1`, and a code is asked for at a step-up.",
        apply: |to, text| {
            let choices = [
                ("required", SecondFactor::Required),
                ("optional", SecondFactor::Optional),
                ("step_up", SecondFactor::AtStepUp),
            ];
            one_of(text, &choices).map(|when| to.policy.second_factor = when)
        },
    },
    Setting {
        name: "totp_fallback",
        default: "\"allowed\"",
        about: "`allowed`: an application that asks a person to approve an action may let a one-time code do, which \
                says nothing of the action. `never`: only a response to the challenge, which covers the very action.",
        apply: |to, text| {
            let choices = [("allowed", true), ("never", false)];
            one_of(text, &choices).map(|allowed| to.policy.totp_fallback = allowed)
        },
    },
    Setting {
        name: "approve_by_number",
        default: "\"allowed\"",
        about: "`allowed`: a session may be stepped up by another of the same person that proved a code within the \
                hour, by typing there the number it shows. `never`: a step-up takes a code.",
        apply: |to, text| {
            let choices = [("allowed", true), ("never", false)];
            one_of(text, &choices).map(|allowed| to.policy.approve_by_number = allowed)
        },
    },
    Setting {
        name: "window",
        default: "1",
        about: "Time steps before and after now whose codes are accepted. Production takes 0 or 1.",
        apply: |to, text| {
            let steps = within(text, 0..=4)?;
            to.policy.window = AcceptanceWindow {
                past: steps,
                future: steps,
            };
            Ok(())
        },
    },
    Setting {
        name: "acceptance",
        default: "\"window\"",
        about: "`window`: codes of every step of the window; how far a clock is off is learned at enrolment. \
                `learned`: learned at every sign-in as well, up to 10 steps. `strict`: the current step alone, so \
                that a code lives no longer than its step, and one more where a clock was found to be off.",
        apply: |to, text| {
            let choices = [
                ("window", Acceptance::Window),
                ("learned", Acceptance::Learned),
                ("strict", Acceptance::Strict),
            ];
            one_of(text, &choices).map(|acceptance| to.policy.acceptance = acceptance)
        },
    },
    Setting {
        name: "look_ahead",
        default: "10",
        about: "Presses of a counter-based token that may be lost between two sign-ins, 0 to 50.",
        apply: |to, text| within(text, 0..=50).map(|counters| to.policy.look_ahead = counters),
    },
    Setting {
        name: "digits",
        default: "6",
        about: "Digits of the codes of factors enrolled from now on, 6 to 8. Every authenticator shows 6.",
        apply: |to, text| {
            let digits = within(text, 6u8..=8)?;
            to.policy.parameters.digits = Digits::new(digits).expect("6 to 8 are digits of a code");
            Ok(())
        },
    },
    Setting {
        name: "period_s",
        default: "30",
        about: "Seconds of a time step of factors enrolled from now on, 15 to 120. Some authenticators know only 30.",
        apply: |to, text| {
            let seconds = within(text, 15u32..=120)?;
            to.policy.parameters.time_step = TimeStep::new(seconds).expect("15 to 120 are seconds of a step");
            Ok(())
        },
    },
    Setting {
        name: "session_s",
        default: "3600",
        about: "Seconds after which a session ends whatever happens, here and at every protected host. More than a day \
                takes `long_sessions` as well.",
        apply: |to, text| within(text, 60..=SESSION_S_MAX).map(|seconds| to.policy.session_s = seconds),
    },
    Setting {
        name: "long_sessions",
        default: "\"\"",
        about: "What sessions of more than a day cost, in these words: \"a stolen cookie is good for as long\". \
                Without them 86400 is the most that `session_s` may be.",
        apply: |to, text| {
            let mut words = [("", false), (LONG_SESSIONS, true)].into_iter();
            let said = words.find(|(words, _)| *words == text);
            let wrong = || {
                (
                    format!("{text:?} does not say what it costs"),
                    format!("write {LONG_SESSIONS:?}, or leave it out"),
                )
            };
            said.map(|(_, is_said)| to.long_sessions = is_said)
                .ok_or_else(wrong)
        },
    },
    Setting {
        name: "session_idle_s",
        default: "1800",
        about: "Seconds without activity after which a session ends.",
        apply: |to, text| within(text, 60..=2_592_000).map(|seconds| to.policy.session_idle_s = seconds),
    },
    Setting {
        name: "elevation_s",
        default: "900",
        about: "Seconds for which a step-up elevates a session, 60 to 3600.",
        apply: |to, text| within(text, 60..=3_600).map(|seconds| to.policy.elevation_s = seconds),
    },
    Setting {
        name: "token_key_file",
        default: "\"\"",
        about: "For guards that can check HS256 alone: a file with the shared key of at least 32 bytes that elevated \
                tokens are signed under, in place of Ed25519 and the published keys. Whoever has it can make tokens.",
        apply: |to, text| {
            to.token_key_file = optional(text).map(Into::into);
            Ok(())
        },
    },
    Setting {
        name: "challenge_s",
        default: "300",
        about: "Seconds between password and code.",
        apply: |to, text| within(text, 30..=600).map(|seconds| to.policy.challenge_s = seconds),
    },
    Setting {
        name: "recovery_code_s",
        default: "600",
        about: "Seconds a mailed code lives, 300 to 86400.",
        apply: |to, text| within(text, 300..=86_400).map(|seconds| to.policy.recovery.code_s = seconds),
    },
    Setting {
        name: "recovery_delay_s",
        default: "0",
        about: "Seconds between the two proofs of a recovery and what they allow, up to a week, in which the owner may \
                call it off.",
        apply: |to, text| within(text, 0..=604_800).map(|seconds| to.policy.recovery.delay_s = seconds),
    },
    Setting {
        name: "throttle_window_s",
        default: "300",
        about: "Seconds for which a failure counts.",
        apply: |to, text| {
            let seconds = within(text, 60..=86_400)?;
            for_each_budget(to, |budget| budget.window_s = seconds);
            Ok(())
        },
    },
    Setting {
        name: "throttle_lockout_s",
        default: "300",
        about: "Seconds without a further try after which a closed budget opens; at least throttle_window_s.",
        apply: |to, text| {
            let seconds = within(text, 60..=86_400)?;
            for_each_budget(to, |budget| budget.lockout_s = seconds);
            Ok(())
        },
    },
    Setting {
        name: "throttle_pair",
        default: "5",
        about: "Failures of one account from one address.",
        apply: |to, text| within(text, 1..=20).map(|count| to.policy.budgets.pair.failures_max = count),
    },
    Setting {
        name: "throttle_strangers_password",
        default: "20",
        about: "Wrong passwords of one account from all addresses where nobody signed in before.",
        apply: |to, text| {
            within(text, 1..=50).map(|count| to.policy.budgets.strangers_password.failures_max = count)
        },
    },
    Setting {
        name: "throttle_strangers_code",
        default: "5",
        about: "Wrong codes of one account from all such addresses.",
        apply: |to, text| {
            within(text, 1..=10).map(|count| to.policy.budgets.strangers_code.failures_max = count)
        },
    },
    Setting {
        name: "throttle_source",
        default: "60",
        about: "Failures of one address over all names.",
        apply: |to, text| within(text, 1..=1000).map(|count| to.policy.budgets.source.failures_max = count),
    },
    Setting {
        name: "throttle_source_in",
        default: "[]",
        about: "The same for each address in some networks, as where many people share one: \
                [\"203.0.113.0/24=600\", \"2001:db8::/32=20\"]. The narrowest network counts.",
        apply: |to, text| network_budgets(text).map(|budgets| to.policy.budgets.source_in = budgets),
    },
    Setting {
        name: "throttle_lifetime_strangers",
        default: "50",
        about: "Failures from strangers since an account's last sign-in, after which strangers are no longer \
                heard.",
        apply: |to, text| within(text, 1..=100).map(|count| to.policy.budgets.lifetime_strangers = count),
    },
    Setting {
        name: "throttle_lifetime",
        default: "100",
        about: "Failures in all since an account's last sign-in, after which the credential is closed until \
                another factor or an operator opens it.",
        apply: |to, text| within(text, 1..=100).map(|count| to.policy.budgets.lifetime_all = count),
    },
    Setting {
        name: "rules",
        default: "\"\"",
        about: "File of the rules for protected applications, when it is not rules.toml in the data folder. It is read \
                again on SIGHUP; `countersign rules check` names its mistakes.",
        apply: |to, text| {
            to.rules = optional(text).map(Into::into);
            Ok(())
        },
    },
    Setting {
        name: "totp_enabled",
        default: "\"true\"",
        about: "true, 1, yes or on: codes are verified. Anything else: six equal digits are accepted for any code, in \
                the development profile alone. TOTP_ENABLED in the environment is the same.",
        apply: |to, text| {
            let is_on = ["true", "1", "yes", "on"].contains(&text.trim().to_ascii_lowercase().as_str());
            to.policy.dummy_codes = !is_on;
            Ok(())
        },
    },
    Setting {
        name: "dev_skip_elevation",
        default: "\"false\"",
        about: "`true`: guards take every session for an elevated one, in the development profile alone; each time is \
                audited.",
        apply: |to, text| {
            let choices = [("true", true), ("false", false)];
            one_of(text, &choices).map(|skips| to.policy.skip_elevation = skips)
        },
    },
    Setting {
        name: "hash_threads",
        default: "0",
        about: "Password hashes computed at once, each in 48 MiB; 0 for as many as there are processors.",
        apply: |to, text| within(text, 0..=256).map(|count| to.hash_threads = count),
    },
    Setting {
        name: "log",
        default: "\"info\"",
        about: "What is logged on standard error: error, warn, info, debug or trace, also by module. No log of any \
                level holds a secret.",
        apply: |to, text| {
            let filter = tracing_subscriber::EnvFilter::try_new(text);
            filter.map_err(|_| {
                let remedy = "write a level such as info, or module=level".to_owned();
                (format!("{text:?} is no filter"), remedy)
            })?;
            to.log = text.to_owned();
            Ok(())
        },
    },
];

/// The example file: every setting with its default, commented out.
pub fn example() -> String {
    let mut text = String::from(
        "# Settings of Countersign. A flag goes before the environment, that before this file.\n\
         # `countersign check` names every mistake.\n",
    );
    for setting in &TABLE {
        let variable = setting.name.to_ascii_uppercase();
        let flag = setting.name.replace('_', "-");
        text.push('\n');
        for line in wrapped(setting.about, 98) {
            let _ = writeln!(text, "# {line}");
        }
        let _ = writeln!(text, "# COUNTERSIGN_{variable}, --{flag}");
        let _ = writeln!(text, "#{} = {}", setting.name, setting.default);
    }
    text
}

fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_ascii_whitespace() {
        let last = lines.last_mut().expect("there is always a line");
        if last.is_empty() {
            last.push_str(word);
        } else if last.len() + 1 + word.len() <= columns {
            last.push(' ');
            last.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

fn parsed<T: FromStr>(text: &str, what: &str, remedy: &str) -> Result<T, Wrong> {
    text.parse()
        .map_err(|_| (format!("{text:?} is no {what}"), remedy.to_owned()))
}

fn within<T>(text: &str, bounds: std::ops::RangeInclusive<T>) -> Result<T, Wrong>
where
    T: FromStr + PartialOrd + std::fmt::Display,
{
    let number = text.parse().ok().filter(|number| bounds.contains(number));
    number.ok_or_else(|| {
        let (low, high) = (bounds.start(), bounds.end());
        let problem = format!("{text:?} is no number from {low} to {high}");
        (problem, "choose one within these bounds".to_owned())
    })
}

fn one_of<T: Copy>(text: &str, choices: &[(&str, T)]) -> Result<T, Wrong> {
    let found = choices.iter().find(|(name, _)| *name == text);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        (
            format!("{text:?} is no choice"),
            format!("write one of {}", names.join(", ")),
        )
    })
}

fn filled<'a>(text: &'a str, what: &str) -> Result<&'a str, Wrong> {
    optional(text).ok_or_else(|| ("it is empty".to_owned(), format!("name {what}, or leave it out")))
}

fn optional(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn host_names(text: &str) -> Result<Vec<String>, Wrong> {
    let is_host = |name: &str| name.parse::<IpAddr>().is_ok() || reached::is_host_name(name);
    let names: Vec<&str> = text
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect();
    match names.iter().find(|name| !is_host(name)) {
        Some(wrong) => Err((
            format!("{wrong:?} is no host name or address"),
            "write names without scheme and port".to_owned(),
        )),
        None => Ok(names.into_iter().map(str::to_ascii_lowercase).collect()),
    }
}

fn network_budgets(text: &str) -> Result<Vec<(IpNet, u16)>, Wrong> {
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    let budget = |entry: &str| {
        let (network, count) = entry.split_once('=').unwrap_or((entry, ""));
        let remedy = "write NETWORK/PREFIX=FAILURES, for example 203.0.113.0/24=600";
        let network: IpNet = parsed(network.trim(), "network", remedy)?;
        // What is throttled as one source is a /64, so nothing narrower can have a budget of its own.
        if network.trunc() != network || matches!(network, IpNet::V6(wide) if wide.prefix_len() > 64) {
            let remedy = format!("write {}, and for IPv6 a prefix of at most 64", network.trunc());
            return Err((format!("{entry:?} names part of a network"), remedy));
        }
        within(count.trim(), 1..=1000).map(|count| (network, count))
    };
    entries.map(budget).collect()
}

fn node_name(text: &str) -> Result<String, Wrong> {
    let is_known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if (1..=32).contains(&text.len()) && text.bytes().all(is_known) {
        return Ok(text.to_owned());
    }
    let remedy = "use 1 to 32 of the letters a to z, digits and hyphens".to_owned();
    Err((format!("{text:?} can't be a node's name"), remedy))
}

fn for_each_budget(to: &mut Settings, change: impl Fn(&mut Budget)) {
    let budgets = &mut to.policy.budgets;
    [
        &mut budgets.pair,
        &mut budgets.strangers_password,
        &mut budgets.strangers_code,
        &mut budgets.source,
    ]
    .into_iter()
    .for_each(change);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_file_is_the_one_in_the_repository() {
        let kept = include_str!("../../../../countersign.example.toml");
        assert!(
            kept == example(),
            "run `countersign check --example > countersign.example.toml`"
        );
    }

    #[test]
    fn example_file_without_its_marks_is_read_and_changes_nothing() {
        let is_value = |line: &&str| line.starts_with('#') && !line.starts_with("# ");
        let example = example();
        let lines: Vec<&str> = example.lines().filter(is_value).map(|line| &line[1..]).collect();
        assert_eq!(lines.len(), TABLE.len());
        let sources = crate::settings::Sources {
            file: Some(lines.join("\n")),
            ..Default::default()
        };
        let untouched = crate::settings::Sources::default().resolve().expect("right").0;
        assert_eq!(sources.resolve().expect("right").0, untouched);
    }

    #[test]
    fn budget_of_a_network_names_the_whole_network_and_a_number() {
        let budgets = network_budgets("203.0.113.0/24=600, 2001:db8::/32=20").expect("right");
        assert_eq!(budgets.len(), 2);
        assert_eq!(network_budgets(""), Ok(Vec::new()));
        for wrong in [
            "203.0.113.0/24",
            "203.0.113.0/24=0",
            "203.0.113.7/24=5",
            "203.0.113.0/33=5",
            "2001:db8::/96=5",
            "office=5",
        ] {
            assert!(network_budgets(wrong).is_err(), "{wrong}");
        }
    }
}
