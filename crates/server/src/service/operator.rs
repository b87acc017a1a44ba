//! What an operator asks of a running or resting installation: accounts, tickets, keys, the audit, the clock.
//!
//! Knows: requests and replies as values, so that the command line runs the same service in its own process
//! or over the control socket. Must never know: which of the two it is.

use countersign_auth::command::operator::{Action, Add, Added, Manage, Managed, NotAdded};
use countersign_auth::command::{enrol, ticket};
use countersign_auth::credential::password::acceptable;
use countersign_auth::event::{Act, Door, Ending, Event, Origin};
use countersign_auth::id::hex;
use countersign_auth::name::Name;
use countersign_auth::policy::Policy;
use countersign_auth::record::{Account, Key, Record, TicketPurpose};
use countersign_auth::seal::KeyRing;
use countersign_auth::snapshot::Snapshot;
use countersign_auth::throttle::{Gate, Source, reads};
use countersign_core::otp::otpauth::OtpauthUri;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::audit::{self, Checkpoint};
use super::{Failure, Service, names};
use crate::store::{AuditRow, Kind, Store};

/// What an operator can ask.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Ask {
    /// Add an account.
    UserAdd {
        /// Its name, as typed.
        name: String,
        /// Its groups.
        groups: Vec<String>,
        /// Its password; without one an invitation is issued.
        password: Option<Zeroizing<String>>,
        /// Whether to make a confirmed second factor.
        totp: bool,
    },
    /// List accounts.
    UserList,
    /// Disable an account and end its sessions.
    UserDisable {
        /// Its name.
        name: String,
    },
    /// Enable an account.
    UserEnable {
        /// Its name.
        name: String,
    },
    /// Reset an account: factors, sessions, throttle; a ticket lets its owner begin anew.
    UserReset {
        /// Its name.
        name: String,
    },
    /// Forget the failures counted against an account.
    UserUnlock {
        /// Its name.
        name: String,
    },
    /// A new set-up link, while no administrator exists.
    SetupLink,
    /// The nodes that have an audit chain.
    AuditNodes,
    /// Entries of one chain.
    AuditPage {
        /// The node.
        node: String,
        /// Number after which to begin.
        after: u64,
    },
    /// Walk all chains and name what is damaged.
    AuditVerify {
        /// What the chains must still hold.
        checkpoint: Option<Checkpoint>,
    },
    /// Believe the clock as it stands.
    ClockAccept,
    /// Whether requests can be answered.
    Status,
}

/// Entries in one page of the audit.
const AUDIT_PAGE: usize = 500;

/// What an operator is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reply {
    /// An account was added.
    UserAdded(UserAdded),
    /// The accounts.
    Users {
        /// In the order of their names.
        users: Vec<User>,
    },
    /// The nodes that have an audit chain.
    AuditNodes {
        /// Their names.
        nodes: Vec<String>,
    },
    /// Entries of one chain, in order; empty at its end.
    AuditPage {
        /// The entries.
        entries: Vec<Entry>,
    },
    /// What the walk over all chains found.
    AuditVerified {
        /// Entries walked.
        entries: u64,
        /// What is damaged, a sentence each; empty when all is whole.
        damages: Vec<String>,
    },
    /// How the server stands.
    Status {
        /// What stands in the way of answering; none when nothing does.
        trouble: Option<String>,
    },
    /// Done.
    Done,
    /// Done, and here is a ticket for the account's owner.
    Ticket(Ticket),
    /// It can't be done; nothing was changed.
    Refused {
        /// Why, and what to do.
        why: String,
    },
    /// The service could not decide; nothing is known to have changed.
    Failed {
        /// Why, and what to do.
        why: String,
    },
}

/// An account that was just added.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct UserAdded {
    /// The mapped name.
    pub name: String,
    /// The otpauth URI of its second factor.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub otpauth_uri: Option<String>,
    /// The secret of its second factor in Base32.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub totp_secret: Option<String>,
    /// Its backup codes.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub backup_codes: Vec<String>,
    /// Its invitation.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub invitation: Option<Ticket>,
}

/// An entry of the audit.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// The node whose chain it belongs to.
    pub node: String,
    /// Its number there.
    pub number: u64,
    /// When, in seconds since 1970.
    pub at: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: serde_json::Value,
    /// What binds it to its predecessor, in hexadecimal.
    pub mac: String,
}

/// A ticket, for a link.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ticket {
    /// The ticket's token.
    pub ticket: String,
    /// The link that carries it, when the asker can know it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub link: Option<String>,
    /// Seconds it lives.
    pub expires_in: u32,
}

/// An account in a list.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct User {
    /// The mapped name.
    pub name: String,
    /// Its groups.
    pub groups: Vec<String>,
    /// Whether it is disabled.
    pub disabled: bool,
    /// Whether it has a password.
    pub password: bool,
    /// How many second factors it has, backup codes aside.
    pub second_factors: usize,
    /// Open sessions.
    pub sessions: usize,
    /// Time of the last complete sign-in, in seconds since 1970.
    pub last_sign_in: Option<u64>,
}

impl Service {
    /// Answers an operator.
    pub async fn operate(&self, ask: Ask, who: &str) -> Reply {
        match self.answer(ask, &origin(who)).await {
            Ok(reply) => reply,
            Err(failure) => Reply::Failed {
                why: failure.to_string(),
            },
        }
    }

    async fn answer(&self, ask: Ask, origin: &Origin) -> Result<Reply, Failure> {
        match ask {
            Ask::UserAdd {
                name,
                groups,
                password,
                totp,
            } => self.add_user(&name, groups, password, totp, origin).await,
            Ask::UserList => self.list_users().await,
            Ask::UserDisable { name } => self.manage(&name, Action::Disable, origin).await,
            Ask::UserEnable { name } => self.manage(&name, Action::Enable, origin).await,
            Ask::UserReset { name } => self.manage(&name, Action::Reset, origin).await,
            Ask::UserUnlock { name } => self.manage(&name, Action::Lift, origin).await,
            Ask::SetupLink => self.setup_link(origin).await,
            Ask::AuditNodes => self.audit_nodes().await,
            Ask::AuditPage { node, after } => self.audit_page(node, after).await,
            Ask::AuditVerify { checkpoint } => self.audit_verify(checkpoint).await,
            Ask::ClockAccept => {
                self.clock.accept();
                self.note(vec![Event::plain(Act::ClockAccept, Ending::Success, origin)])
                    .await?;
                Ok(Reply::Done)
            }
            Ask::Status => {
                let trouble = self.ready().await.err().map(|failure| failure.to_string());
                Ok(Reply::Status { trouble })
            }
        }
    }

    async fn audit_nodes(&self) -> Result<Reply, Failure> {
        let heads = self
            .read(|store| store.audit_heads().map_err(Failure::Store))
            .await?;
        Ok(Reply::AuditNodes {
            nodes: heads.into_iter().map(|row| row.node).collect(),
        })
    }

    async fn audit_page(&self, node: String, after: u64) -> Result<Reply, Failure> {
        let rows = self
            .read(move |store| store.audit(&node, after, AUDIT_PAGE).map_err(Failure::Store))
            .await?;
        let entry = |row: AuditRow| Entry {
            node: row.node,
            number: row.number,
            at: row.at.0,
            event: serde_json::from_str(&row.body).unwrap_or(serde_json::Value::Null),
            mac: hex(&row.mac),
        };
        Ok(Reply::AuditPage {
            entries: rows.into_iter().map(entry).collect(),
        })
    }

    async fn audit_verify(&self, checkpoint: Option<Checkpoint>) -> Result<Reply, Failure> {
        let keys = self.ring();
        self.read(move |store| {
            let (entries, damages) =
                audit::verify(store, &keys, checkpoint.as_ref()).map_err(Failure::Store)?;
            let damages = damages.iter().map(ToString::to_string).collect();
            Ok(Reply::AuditVerified { entries, damages })
        })
        .await
    }

    async fn add_user(
        &self,
        typed: &str,
        groups: Vec<String>,
        password: Option<Zeroizing<String>>,
        totp: bool,
        origin: &Origin,
    ) -> Result<Reply, Failure> {
        let name = match names::parse(typed) {
            Ok(name) => name,
            Err(error) => return Ok(refused(error)),
        };
        let hash = match password.as_ref().map(|typed| names::password(typed)) {
            None => None,
            Some(prepared) => match acceptable(&prepared, &name, self.policy()) {
                Ok(()) => Some(self.hashing.hash(&prepared, self.salt()).await?),
                Err(problem) => return Ok(refused(problem)),
            },
        };
        let rule = Add {
            name: name.clone(),
            groups,
            hash,
            totp,
            origin: origin.clone(),
        };
        Ok(match self.submit(rule).await? {
            Err(NotAdded::NameTaken) => refused(format!("there is an account named {name} already")),
            Err(NotAdded::TooManyGroups) => refused("an account can be in at most 32 groups"),
            Ok(Added {
                enrolment,
                invitation,
            }) => Reply::UserAdded(UserAdded {
                otpauth_uri: enrolment.as_ref().map(|enrolment| uri(enrolment, &name)),
                totp_secret: enrolment
                    .as_ref()
                    .map(|enrolment| enrolment.secret.to_base32().as_str().to_owned()),
                backup_codes: enrolment
                    .iter()
                    .flat_map(|made| made.backup_codes.iter())
                    .map(|code| code.to_string())
                    .collect(),
                invitation: invitation.map(|(token, expires_in)| Ticket {
                    ticket: token.expose().to_owned(),
                    link: None,
                    expires_in,
                }),
                name: name.to_string(),
            }),
        })
    }

    async fn list_users(&self) -> Result<Reply, Failure> {
        let users = self
            .read(|store| {
                let mut users = Vec::new();
                each_account(store, |account| {
                    users.push(describe(account));
                    true
                })?;
                Ok(users)
            })
            .await?;
        Ok(Reply::Users { users })
    }

    async fn manage(&self, typed: &str, action: Action, origin: &Origin) -> Result<Reply, Failure> {
        let name = match names::parse(typed) {
            Ok(name) => name,
            Err(error) => return Ok(refused(error)),
        };
        let rule = Manage {
            name: name.clone(),
            action,
            origin: origin.clone(),
        };
        Ok(match self.submit(rule).await? {
            Managed::NoAccount => refused(format!(
                "there is no account named {name}; `countersign user list` shows them"
            )),
            Managed::Done => Reply::Done,
            Managed::Ticket(token, expires_in) => Reply::Ticket(Ticket {
                ticket: token.expose().to_owned(),
                link: None,
                expires_in,
            }),
        })
    }

    async fn setup_link(&self, origin: &Origin) -> Result<Reply, Failure> {
        if self.administrator_exists().await? {
            return Ok(refused(
                "an administrator exists already; `countersign user reset NAME` issues a new link for one",
            ));
        }
        let rule = ticket::Issue {
            purpose: TicketPurpose::FirstAdministrator,
            origin: origin.clone(),
        };
        Ok(match self.submit(rule).await? {
            None => refused("no link could be issued"),
            Some((token, expires_in)) => Reply::Ticket(Ticket {
                ticket: token.expose().to_owned(),
                link: None,
                expires_in,
            }),
        })
    }
}

/// Where an operator's commands come from.
pub fn origin(who: &str) -> Origin {
    Origin {
        door: Door::Operator,
        network: who.to_owned(),
        browser: None,
        agent: String::new(),
        request: String::new(),
    }
}

fn refused(why: impl ToString) -> Reply {
    Reply::Refused { why: why.to_string() }
}

/// The otpauth URI of an enrolment, as the QR code carries it.
pub fn uri(enrolment: &enrol::Enrolment, name: &Name) -> String {
    OtpauthUri::totp(
        "Countersign",
        name.as_str(),
        &enrolment.secret,
        &enrolment.parameters,
    )
    .to_string()
}

fn describe(account: &Account) -> User {
    User {
        name: account.name.to_string(),
        groups: account.groups.clone(),
        disabled: account.disabled,
        password: account.password.is_some(),
        second_factors: account
            .factors
            .iter()
            .filter(|factor| factor.is_active() && !factor.is_backup())
            .count(),
        sessions: account.sessions.len(),
        last_sign_in: account.last_sign_in.map(|at| at.0),
    }
}

/// Walks all accounts in the order of their names until the visitor says false.
pub(super) fn each_account(
    store: &dyn Store,
    mut visit: impl FnMut(&Account) -> bool,
) -> Result<(), Failure> {
    const PAGE: usize = 256;
    let mut after = String::new();
    loop {
        let page = store.list(Kind::Account, &after, PAGE).map_err(Failure::Store)?;
        let last_page = page.len() < PAGE;
        for (_, record) in page {
            if let Record::Account(account) = record {
                after = account.name.to_string();
                if !visit(&account) {
                    return Ok(());
                }
            }
        }
        if last_page {
            return Ok(());
        }
    }
}

/// Failures counted against an account since its last complete sign-in.
pub(super) fn failures_since_sign_in(name: &Name, keys: &KeyRing, store: &dyn Store) -> Result<u32, Failure> {
    let source = Source::Stranger("");
    let wanted: Vec<Key> = reads(name, source, keys);
    let mut seen = Snapshot::default();
    for (key, stored) in wanted.iter().zip(store.load(&wanted).map_err(Failure::Store)?) {
        seen.insert(key.clone(), stored);
    }
    Ok(Gate::new(name, true, source, &seen, keys).lifetime_failures())
}

/// Whether the policy is one the rules can go by.
pub fn is_sound(policy: &Policy) -> bool {
    countersign_auth::throttle::are_consistent(policy)
}
