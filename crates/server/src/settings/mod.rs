//! The settings: one table of names, from which file, environment, flags and the example file are derived.
//!
//! Knows: what each setting may be, and that a flag goes before the environment, that before the file, that
//! before the default. Must never know: how files or the environment are read; the texts are handed in. Every
//! mistake is found before any is reported.
//!
//! Read next: [`table`] for the settings themselves, [`Sources::resolve`] for how they come together.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use countersign_auth::contact::MailAddress;
use countersign_auth::policy::{Policy, SESSION_S_PLAIN_MAX};

pub mod reached;
mod sources;
pub mod table;

pub use reached::{Listen, Proxies};
pub use sources::{Given, Shown, Sources};
use table::LONG_SESSIONS;
pub use table::TABLE;

use crate::deliver::smtp::Relay;
use crate::service::hashing::Cost;

/// How an installation is to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The data folder.
    pub data: PathBuf,
    /// Where to listen.
    pub listen: Listen,
    /// How strict to be.
    pub profile: Profile,
    /// The address people type, without a trailing slash.
    pub public_url: Option<String>,
    /// Who is believed about where a request came from.
    pub trusted_proxies: Proxies,
    /// How connections are secured.
    pub tls: TlsChoice,
    /// PEM file of the operator's certificate chain.
    pub tls_chain: Option<PathBuf>,
    /// PEM file of its key.
    pub tls_key: Option<PathBuf>,
    /// Names and addresses the server is reached by, besides the machine's own.
    pub names: Vec<String>,
    /// This node's name.
    pub node: String,
    /// The key ring, when it is kept elsewhere.
    pub keys_file: Option<PathBuf>,
    /// The folder of the key ring, when it is not in the data folder.
    pub keys: Option<PathBuf>,
    /// The address of the store that several nodes share; none for the embedded one.
    pub store: Option<String>,
    /// File with the password for it.
    pub store_password_file: Option<PathBuf>,
    /// File with the shared key of elevated tokens, in place of signing keys.
    pub token_key_file: Option<PathBuf>,
    /// PEM file of the authorities that its server is trusted by.
    pub store_ca: Option<PathBuf>,
    /// Where mail is handed in.
    pub smtp_url: Option<Relay>,
    /// File with the password for it.
    pub smtp_password_file: Option<PathBuf>,
    /// PEM file of the authorities that its server is trusted by, beside the machine's.
    pub smtp_ca: Option<PathBuf>,
    /// Whom mail comes from.
    pub mail_from: Option<MailAddress>,
    /// Folder of the operator's own mail texts.
    pub mail_templates: Option<PathBuf>,
    /// Where text messages are posted.
    pub sms_webhook: Option<String>,
    /// File with the secret that signs them.
    pub sms_webhook_secret_file: Option<PathBuf>,
    /// The rules' numbers.
    pub policy: Policy,
    /// Whether the operator said what sessions of more than a day cost.
    pub long_sessions: bool,
    /// File of the rules for protected applications, when it is not in the data folder.
    pub rules: Option<PathBuf>,
    /// Password hashes computed at once; 0 for as many as there are processors.
    pub hash_threads: usize,
    /// What is logged.
    pub log: String,
}

/// How strict an installation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// For people.
    Production,
    /// For trying out, on loopback only.
    Development,
}

/// How connections are secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsChoice {
    /// By the installation's own authority.
    Own,
    /// By the operator's certificate.
    Files,
    /// Not at all, on loopback or for trusted proxies alone.
    Off,
}

impl Settings {
    /// Before anything was set; [`Sources::resolve`] sets every default from the table.
    fn blank() -> Settings {
        Settings {
            data: PathBuf::new(),
            listen: Listen::Address(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
            profile: Profile::Production,
            public_url: None,
            trusted_proxies: Proxies::default(),
            tls: TlsChoice::Own,
            tls_chain: None,
            tls_key: None,
            names: Vec::new(),
            node: String::new(),
            keys_file: None,
            keys: None,
            store: None,
            store_password_file: None,
            token_key_file: None,
            store_ca: None,
            smtp_url: None,
            smtp_password_file: None,
            smtp_ca: None,
            mail_from: None,
            mail_templates: None,
            sms_webhook: None,
            sms_webhook_secret_file: None,
            policy: Policy::default(),
            long_sessions: false,
            rules: None,
            hash_threads: 0,
            log: String::new(),
        }
    }

    /// What a password hash costs: less than in production only in a build for development.
    pub fn cost(&self) -> Cost {
        match self.profile {
            Profile::Development if cfg!(debug_assertions) => Cost::DEVELOPMENT,
            Profile::Development | Profile::Production => Cost::PRODUCTION,
        }
    }

    /// What is wrong with settings that are each right by themselves.
    fn disagreements(&self) -> Vec<Mistake> {
        let mut found = Vec::new();
        let mut note = |setting: &str, problem: String, remedy: &str| {
            found.push(Mistake {
                setting: setting.to_owned(),
                given: Given::Together,
                problem,
                remedy: remedy.to_owned(),
            });
        };
        self.reach_disagreements(&mut note);
        let has_files = (self.tls_chain.is_some(), self.tls_key.is_some());
        if self.tls == TlsChoice::Files && has_files != (true, true) {
            let problem = "`files` needs both a chain and its key".to_owned();
            note("tls", problem, "set `tls_chain` and `tls_key`");
        }
        if self.tls != TlsChoice::Files && has_files != (false, false) {
            let problem = "a certificate is set that would not be used".to_owned();
            note(
                "tls",
                problem,
                "set `tls` to `files`, or remove `tls_chain` and `tls_key`",
            );
        }
        if self.store.is_none() && (self.store_password_file.is_some() || self.store_ca.is_some()) {
            let problem = "the embedded store takes neither password nor authority".to_owned();
            note(
                "store",
                problem,
                "set `store`, or remove `store_password_file` and `store_ca`",
            );
        }
        if self.keys.is_some() && self.keys_file.is_some() {
            let problem = "a folder of the key ring and the ring itself are both named".to_owned();
            note("keys", problem, "set `keys` or `keys_file`, and remove the other");
        }
        if self.profile == Profile::Production && self.policy.dummy_codes {
            let problem = "production verifies codes".to_owned();
            note(
                "totp_enabled",
                problem,
                "write true, 1, yes or on, or use the profile `development`",
            );
        }
        if self.profile == Profile::Production && self.policy.skip_elevation {
            let problem = "production skips no elevation".to_owned();
            note(
                "dev_skip_elevation",
                problem,
                "remove it, or use the profile `development`",
            );
        }
        self.mail_disagreements(&mut note);
        let window = self.policy.window;
        if self.profile == Profile::Production && (window.past > 1 || window.future > 1) {
            let problem = format!(
                "production accepts at most 1 time step around now, not {}",
                window.past
            );
            note("window", problem, "use 1 or 0, and set the clocks right");
        }
        if self.policy.session_s > SESSION_S_PLAIN_MAX && !self.long_sessions {
            let problem = format!("sessions of more than a day have a cost: {LONG_SESSIONS}");
            let remedy = "write those words into `long_sessions`, or use at most 86400";
            note("session_s", problem, remedy);
        }
        if self.policy.session_idle_s > self.policy.session_s {
            let problem = "a session would end before it is idle for so long".to_owned();
            note("session_idle_s", problem, "use at most the value of `session_s`");
        }
        if !countersign_auth::throttle::are_consistent(&self.policy) {
            let problem = "the throttle would forget failures before it could act on them".to_owned();
            let remedy = "keep `throttle_lockout_s` at least `throttle_window_s`, and \
                          `throttle_lifetime_strangers` at most `throttle_lifetime`";
            note("throttle_lockout_s", problem, remedy);
        }
        found
    }

    /// What is wrong with the settings of mail and text messages together.
    fn mail_disagreements(&self, note: &mut impl FnMut(&str, String, &str)) {
        if self.policy.sms_codes && self.sms_webhook.is_none() {
            let problem = "there is nothing that codes could be sent by".to_owned();
            note("sms_codes", problem, "set `sms_webhook`, or write never");
        }
        let Some(relay) = &self.smtp_url else {
            let depend = [
                ("mail_from", self.mail_from.is_some()),
                ("smtp_password_file", self.smtp_password_file.is_some()),
                ("smtp_ca", self.smtp_ca.is_some()),
                ("mail_templates", self.mail_templates.is_some()),
                ("sms_webhook", self.sms_webhook.is_some()),
                ("sms_webhook_secret_file", self.sms_webhook_secret_file.is_some()),
            ];
            for (setting, _) in depend.into_iter().filter(|(_, is_set)| *is_set) {
                let problem = "it is of no use while no mail is sent".to_owned();
                note(setting, problem, "set `smtp_url`, or remove it");
            }
            return;
        };
        if self.mail_from.is_none() {
            let problem = "mail needs a sender".to_owned();
            note(
                "smtp_url",
                problem,
                "set `mail_from`, as in countersign@example.org",
            );
        }
        if self.public_url.is_none() {
            let problem = "mail holds links that people open elsewhere".to_owned();
            note("smtp_url", problem, "set `public_url` to the address people type");
        }
        if relay.user.is_some() != self.smtp_password_file.is_some() {
            let problem =
                "a name without a password, or a password without a name, is set for the mail server";
            note(
                "smtp_url",
                problem.to_owned(),
                "write USER@ into it and set `smtp_password_file`, or neither",
            );
        }
        if self.sms_webhook.is_some() != self.sms_webhook_secret_file.is_some() {
            let problem =
                "a webhook needs a secret that signs what is posted, and a secret a webhook".to_owned();
            note(
                "sms_webhook",
                problem,
                "set `sms_webhook` and `sms_webhook_secret_file`, or neither",
            );
        }
    }

    /// The same of how the server is reached.
    fn reach_disagreements(&self, note: &mut impl FnMut(&str, String, &str)) {
        let beyond = self.listen.is_beyond_this_machine();
        if self.profile == Profile::Development && beyond {
            let problem = format!(
                "the development profile listens on loopback only, not on {}",
                self.listen
            );
            note("profile", problem, "use `production`, or listen on 127.0.0.1");
        }
        let plain_beyond = self.tls == TlsChoice::Off && beyond;
        if plain_beyond && self.trusted_proxies.have_no_network() {
            let problem = format!("without TLS only loopback is served, not {}", self.listen);
            let remedy = "use `own` or `files`, listen on 127.0.0.1, or name the proxy that speaks TLS in \
                          `trusted_proxies`";
            note("tls", problem, remedy);
        }
        let is_socket = matches!(self.listen, Listen::Socket(_));
        if is_socket && self.tls == TlsChoice::Files {
            let problem = "a socket in the file system carries no TLS".to_owned();
            note(
                "tls",
                problem,
                "leave `tls` out, and let the proxy have the certificate",
            );
        }
        match &self.public_url {
            None if is_socket || (plain_beyond && !self.trusted_proxies.have_no_network()) => {
                let problem = "nobody types the address between a proxy and this server".to_owned();
                let remedy = "set it to what people type, as in https://id.example.org";
                note("public_url", problem, remedy);
            }
            Some(url) if url.starts_with("http:") && self.profile == Profile::Production => {
                let problem = format!("{url} is not https, and production is reached over TLS alone");
                note(
                    "public_url",
                    problem,
                    "write https://, or use the development profile",
                );
            }
            _ => {}
        }
    }
}

/// One thing that is wrong with the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Which setting.
    pub setting: String,
    /// Where it was given.
    pub given: Given,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Mistake {
            setting,
            given,
            problem,
            remedy,
        } = self;
        match given {
            Given::Together => write!(f, "{setting}: {problem}; {remedy}"),
            given => write!(f, "{setting} ({given}): {problem}; {remedy}"),
        }
    }
}
