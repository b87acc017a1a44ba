//! What is to be put together: the settings, with what the machine itself knows.
//!
//! Knows: which setting leads to which part. Must never know: how a part is made.

use std::path::PathBuf;

use countersign_auth::contact::MailAddress;
use countersign_auth::policy::Policy;

use crate::deliver::smtp::Relay;
use crate::edge::host;
use crate::service::hashing::Cost;
use crate::settings::{Listen, Profile, Proxies, Settings, TlsChoice};

/// How a server is to run; see the settings for what each is called outside.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The data folder.
    pub data: PathBuf,
    /// Where to listen.
    pub listen: Listen,
    /// How connections are secured.
    pub tls: Tls,
    /// Names and addresses the server is reached by.
    pub names: Vec<String>,
    /// The address people type, without a trailing slash; none for `https://localhost:PORT`.
    pub public_url: Option<String>,
    /// Who is believed about where a request came from.
    pub trusted_proxies: Proxies,
    /// The rules' numbers.
    pub policy: Policy,
    /// Whether every answer says that this server protects nobody.
    pub development: bool,
    /// Cost of a password hash.
    pub cost: Cost,
    /// Password hashes computed at once.
    pub hash_threads: usize,
    /// File of the rules for protected applications, when it is not in the data folder.
    pub rules: Option<PathBuf>,
    /// This node's name.
    pub node: String,
    /// The key ring, when it is kept outside of the data folder.
    pub keys_file: Option<PathBuf>,
    /// The store that several nodes share; none for the embedded one.
    pub store: Option<Shared>,
    /// File with the shared key that elevated tokens are signed under, in place of signing keys.
    pub token_key_file: Option<PathBuf>,
    /// How mail is sent; none where none is.
    pub mail: Option<Mail>,
    /// Whether a person watches the start and may be shown a set-up link.
    pub attended: bool,
}

impl Plan {
    /// The plan that settings stand for, with nobody watching.
    pub fn of(settings: &Settings) -> Plan {
        let threads = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let path = |path: &Option<PathBuf>| path.clone().unwrap_or_default();
        Plan {
            data: settings.data.clone(),
            listen: settings.listen.clone(),
            tls: match (&settings.listen, settings.tls) {
                (Listen::Socket(_), _) | (_, TlsChoice::Off) => Tls::Off,
                (_, TlsChoice::Own) => Tls::Own,
                (_, TlsChoice::Files) => Tls::Files {
                    chain: path(&settings.tls_chain),
                    key: path(&settings.tls_key),
                },
            },
            names: names(settings),
            public_url: settings.public_url.clone(),
            trusted_proxies: settings.trusted_proxies.clone(),
            policy: settings.policy.clone(),
            development: settings.profile == Profile::Development,
            cost: settings.cost(),
            hash_threads: match settings.hash_threads {
                0 => threads(),
                count => count,
            },
            rules: settings.rules.clone(),
            node: settings.node.clone(),
            keys_file: settings.keys_file.clone().or_else(|| {
                let folder = settings.keys.as_ref();
                folder.map(|folder| folder.join("ring"))
            }),
            store: settings.store.clone().map(|address| Shared {
                address,
                password_file: settings.store_password_file.clone(),
                authority: settings.store_ca.clone(),
            }),
            token_key_file: settings.token_key_file.clone(),
            mail: mail(settings),
            attended: false,
        }
    }

    /// Where the key ring is kept.
    pub fn ring(&self) -> PathBuf {
        let inside = || self.data.join("keys/ring");
        self.keys_file.clone().unwrap_or_else(inside)
    }

    /// The address people type: the operator's word, or this machine at the port it really listens on.
    pub fn public_url(&self, bound: &Listen) -> String {
        let scheme = if self.tls == Tls::Off { "http" } else { "https" };
        match (&self.public_url, bound) {
            (Some(url), _) => url.clone(),
            (None, Listen::Address(address)) => format!("{scheme}://localhost:{}", address.port()),
            (None, Listen::Socket(_)) => format!("{scheme}://localhost"),
        }
    }

    /// Whether whoever is no trusted proxy is turned away: without TLS, beyond this machine.
    pub fn serves_proxies_alone(&self) -> bool {
        self.tls == Tls::Off && self.listen.is_beyond_this_machine()
    }
}

/// The machine's own names, the public one, and what was set besides, each once.
fn names(settings: &Settings) -> Vec<String> {
    let public = settings.public_url.as_deref().and_then(|url| {
        let host = url.split("://").nth(1)?.split('/').next()?;
        let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
        let host = host
            .rsplit_once(':')
            .filter(|(_, port)| is_port(port))
            .map_or(host, |(host, _)| host);
        Some(host.trim_matches(['[', ']']).to_ascii_lowercase())
    });
    let mut names = host::names();
    for name in public.iter().chain(&settings.names) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

fn mail(settings: &Settings) -> Option<Mail> {
    let texts = settings
        .sms_webhook
        .clone()
        .zip(settings.sms_webhook_secret_file.clone());
    Some(Mail {
        relay: settings.smtp_url.clone()?,
        from: settings.mail_from.clone()?,
        password_file: settings.smtp_password_file.clone(),
        authority: settings.smtp_ca.clone(),
        templates: settings.mail_templates.clone(),
        texts: texts.map(|(url, secret_file)| Texts { url, secret_file }),
    })
}

/// How mail is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Where it is handed in.
    pub relay: Relay,
    /// Whom it comes from.
    pub from: MailAddress,
    /// File with the password for the relay.
    pub password_file: Option<PathBuf>,
    /// PEM file of the authority that it is trusted by.
    pub authority: Option<PathBuf>,
    /// Folder of the operator's own texts.
    pub templates: Option<PathBuf>,
    /// How text messages are sent beside it, if they are.
    pub texts: Option<Texts>,
}

/// How text messages are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Texts {
    /// Where they are posted.
    pub url: String,
    /// File with the secret that signs them.
    pub secret_file: PathBuf,
}

/// A store that several nodes share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared {
    /// Its address, without a password.
    pub address: String,
    /// File with the password.
    pub password_file: Option<PathBuf>,
    /// PEM file of the authorities that its server is trusted by.
    pub authority: Option<PathBuf>,
}

/// How connections are secured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tls {
    /// By our own authority in the data folder.
    Own,
    /// By a certificate chain and key of the operator's.
    Files {
        /// PEM file of the chain, leaf first.
        chain: PathBuf,
        /// PEM file of the key.
        key: PathBuf,
    },
    /// Not at all; on loopback, at a socket, or for trusted proxies alone.
    Off,
}
