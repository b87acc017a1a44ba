//! What administration shows, with its description.
//!
//! Knows: the members of each answer. Must never know: how they are asked for.

use countersign_auth::claim::Claims;
use serde::Serialize;
use utoipa::ToSchema;

use crate::service::operator as told;

/// What lets an account's owner set a password; shown once.
#[derive(Serialize, ToSchema)]
pub(super) struct Ticket {
    ticket: String,
    /// The page that redeems it.
    link: String,
    /// Seconds it lives.
    expires_in: u32,
}

impl From<told::Ticket> for Ticket {
    fn from(told: told::Ticket) -> Ticket {
        Ticket {
            ticket: told.ticket,
            link: told.link,
            expires_in: told.expires_in,
        }
    }
}

/// Somebody in a list.
#[derive(Serialize, ToSchema)]
pub(super) struct Person {
    name: String,
    /// `user`, `auditor`, `operator` or `administrator`.
    role: &'static str,
    /// Groups, the one of the role among them.
    groups: Vec<String>,
    #[schema(value_type = Object)]
    claims: Claims,
    disabled: bool,
    /// Whether there is a password.
    password: bool,
    /// How many second factors there are, backup codes aside.
    second_factors: usize,
    /// Open sessions.
    sessions: usize,
    /// The last complete sign-in, in seconds since 1970, as all times here.
    last_sign_in: Option<u64>,
}

impl From<told::User> for Person {
    fn from(told: told::User) -> Person {
        Person {
            name: told.name,
            role: told.role.name(),
            groups: told.groups,
            claims: told.claims,
            disabled: told.disabled,
            password: told.password,
            second_factors: told.second_factors,
            sessions: told.sessions,
            last_sign_in: told.last_sign_in,
        }
    }
}

/// Somebody, and what they sign in with.
#[derive(Serialize, ToSchema)]
pub(super) struct PersonShown {
    #[serde(flatten)]
    person: Person,
    created_at: u64,
    /// Complete sign-ins so far.
    sign_ins: u64,
    /// Failures counted against the account, ever.
    failures: u64,
    email: Option<String>,
    phone: Option<String>,
    factors: Vec<ShownFactor>,
    /// Open sessions, newest first.
    open: Vec<ShownSession>,
}

/// A confirmed second factor of somebody.
#[derive(Serialize, ToSchema)]
struct ShownFactor {
    id: String,
    label: String,
    /// Which provider it is of.
    kind: String,
    created_at: u64,
}

/// An open session of somebody.
#[derive(Serialize, ToSchema)]
struct ShownSession {
    id: String,
    label: String,
    created_at: u64,
    last_seen: u64,
    network: String,
    agent: String,
    acr: String,
    /// Until when it is elevated; none when it is not.
    elevated_until: Option<u64>,
    /// Protected hosts it is used at.
    hosts: Vec<String>,
}

impl From<told::UserShown> for PersonShown {
    fn from(told: told::UserShown) -> PersonShown {
        let factors = told.factors.into_iter().map(|factor| ShownFactor {
            id: factor.id,
            label: factor.label,
            kind: factor.kind,
            created_at: factor.created_at,
        });
        let open = told.open.into_iter().map(|session| ShownSession {
            id: session.id,
            label: session.label,
            created_at: session.created_at,
            last_seen: session.last_seen,
            network: session.network,
            agent: session.agent,
            acr: session.acr,
            elevated_until: session.elevated_until,
            hosts: session.hosts,
        });
        PersonShown {
            person: told.user.into(),
            created_at: told.created_at,
            sign_ins: told.sign_ins,
            failures: told.failures,
            email: told.email,
            phone: told.phone,
            factors: factors.collect(),
            open: open.collect(),
        }
    }
}

/// A sealing key.
#[derive(Serialize, ToSchema)]
pub(super) struct SealingKey {
    id: String,
    /// Whether it is the one that seals anew.
    current: bool,
    /// How many secrets are sealed under it.
    secrets: u64,
}

impl From<told::KeyUse> for SealingKey {
    fn from(told: told::KeyUse) -> SealingKey {
        SealingKey {
            id: told.id,
            current: told.current,
            secrets: told.secrets,
        }
    }
}

/// A key that signs tokens.
#[derive(Serialize, ToSchema)]
pub(super) struct SigningKey {
    /// Its `kid`.
    id: String,
    /// When it begins to sign.
    signs_from: u64,
    /// When its last token has ended; none while it is the newest.
    ends_at: Option<u64>,
}

impl From<told::SigningKeyView> for SigningKey {
    fn from(told: told::SigningKeyView) -> SigningKey {
        SigningKey {
            id: told.id,
            signs_from: told.signs_from,
            ends_at: told.ends_at,
        }
    }
}

/// An application that may ask about tokens.
#[derive(Serialize, ToSchema)]
pub(super) struct Application {
    /// Its name, which is its `client_id`.
    name: String,
    /// When it was added, or got its secret.
    created_at: u64,
}

impl From<told::ApplicationView> for Application {
    fn from(told: told::ApplicationView) -> Application {
        Application {
            name: told.name,
            created_at: told.created_at,
        }
    }
}
