//! What the audit says of each act: who, from where, what, how it ended and why.
//!
//! Knows: the inward truth about every decision. Must never know: any secret. An event has no field that a
//! password, code, token or key could be put into; an unknown name appears only as a keyed tag, since people
//! type passwords into name fields.

use alloc::format;
use alloc::string::String;

use serde::{Deserialize, Serialize};

use crate::id::{Digest, hex};
use crate::name::Name;
use crate::seal::KeyRing;

/// Who asks and how: travels with every command into its audit entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The door.
    pub door: Door,
    /// IPv4 address, IPv6 /64, or the operator's uid.
    pub network: String,
    /// Digest of the known-browser cookie, if one was shown.
    pub browser: Option<Digest>,
    /// Whether a sign-in that is completed by this makes the browser known.
    pub remember: bool,
    /// What the client calls itself, cut to a bound.
    pub agent: String,
    /// Identifier of the request, to find it in the log.
    pub request: String,
    /// Who acts, where somebody acts for others by a role.
    pub by: Option<Name>,
}

impl Origin {
    /// The server itself.
    pub fn server() -> Origin {
        Origin {
            door: Door::Server,
            network: String::new(),
            browser: None,
            remember: false,
            agent: String::new(),
            request: String::new(),
            by: None,
        }
    }
}

/// A way in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Door {
    /// API and pages.
    Http,
    /// The operator's commands.
    Operator,
    /// The server itself.
    Server,
}

/// One entry of the audit, before it is numbered and chained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// What was done or tried.
    pub act: Act,
    /// How it ended.
    pub result: Ending,
    /// Why, where that says more.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<Reason>,
    /// The account's name, or `unknown:` and a tag.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub subject: String,
    /// Who did it, where somebody acts for others by a role.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub by: String,
    /// The door.
    pub door: Door,
    /// Where it came from.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub source: String,
    /// The request.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub request: String,
    /// What the act was about: a session's or factor's short id, a key id, a group, an action's digest.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub object: String,
    /// How many attempts this entry stands for.
    #[serde(skip_serializing_if = "is_one", default = "one")]
    pub count: u32,
}

fn one() -> u32 {
    1
}

fn is_one(count: &u32) -> bool {
    *count == 1
}

/// How an act ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// It was done.
    Success,
    /// It was refused.
    Refused,
}

/// What was done or tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum Act {
    PasswordCheck,
    CodeCheck,
    CodeSend,
    SignIn,
    SignOut,
    SessionEnd,
    SessionName,
    FactorAdd,
    FactorConfirm,
    FactorRemove,
    FactorImport,
    FactorResynchronise,
    StepUp,
    StepDown,
    ElevationSkip,
    HostEnter,
    BrowserForget,
    BackupCodesReplace,
    BackupCodeUse,
    PasswordChange,
    AccountAdd,
    AccountsExport,
    AccountDisable,
    AccountEnable,
    AccountReset,
    FactorsRemove,
    SessionsEnd,
    RoleSet,
    GroupJoin,
    GroupLeave,
    ClaimSet,
    ClaimRemove,
    ThrottleLift,
    CredentialClose,
    TicketIssue,
    TicketRedeem,
    ServerStart,
    ServerStop,
    KeyRotate,
    KeyForget,
    KeyReseal,
    SigningKeyAdd,
    ApplicationAdd,
    ApplicationRemove,
    ApplicationCheck,
    ApprovalAsk,
    ApprovalAnswer,
    ApprovalRedeem,
    NumberAsk,
    NumberAnswer,
    ApiTokenMake,
    ApiTokenRevoke,
    ClockAccept,
    BackupMake,
    StoreReturn,
    EmailSet,
    PhoneSet,
    RecoveryAsk,
    RecoveryVouch,
    RecoveryProve,
    RecoveryFinish,
    RecoveryCancel,
    RulesReload,
    Administer,
    TextSet,
    TextReset,
}

/// Why something was refused, inwardly. Outwardly most of these are one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// No such account.
    UnknownName,
    /// The account is disabled.
    Disabled,
    /// The account has no password yet.
    NoPassword,
    /// The password is wrong.
    WrongPassword,
    /// The code is wrong.
    WrongCode,
    /// The code was accepted before.
    CodeAlreadyUsed,
    /// What was given can't be a code.
    Malformed,
    /// The challenge is unknown, over or dead.
    NoChallenge,
    /// A budget had no room; the guess was not evaluated.
    Throttled,
    /// The account has no factor that could be proven.
    NoFactor,
    /// The ticket is unknown, over or void.
    NoTicket,
    /// The hash queue was full.
    Busy,
    /// The proof owed for this act was missing.
    ProofMissing,
    /// The bound on how many there may be is reached.
    TooMany,
    /// The session ended through idleness or age.
    TimedOut,
    /// Its owner asked for it.
    ByOwner,
    /// An operator asked for it.
    ByOperator,
    /// The recovery is unknown, over, or was asked for another name.
    NoRecovery,
    /// The account has no mail address.
    NoEmail,
    /// The role does not suffice, or the other account has rights it lacks.
    NotPermitted,
}

/// What stands in the audit in place of a name that no account has.
pub fn unknown(name: &Name, keys: &KeyRing) -> String {
    let tag = keys.index("unknown name", &[name.as_str().as_bytes()]);
    format!("unknown:{}", hex(&tag[..6]))
}

impl Event {
    /// An event about a named account.
    pub fn about(act: Act, result: Ending, subject: &Name, origin: &Origin) -> Event {
        Event {
            subject: subject.as_str().into(),
            ..Event::plain(act, result, origin)
        }
    }

    /// An event about a name that no account has: the audit keeps a tag by which attempts can be grouped, not
    /// the text.
    pub fn about_unknown(act: Act, result: Ending, name: &Name, origin: &Origin, keys: &KeyRing) -> Event {
        Event {
            subject: unknown(name, keys),
            ..Event::plain(act, result, origin)
        }
    }

    /// An event about nobody in particular.
    pub fn plain(act: Act, result: Ending, origin: &Origin) -> Event {
        Event {
            act,
            result,
            reason: None,
            subject: String::new(),
            by: origin
                .by
                .as_ref()
                .map_or_else(String::new, |by| by.as_str().into()),
            door: origin.door,
            source: origin.network.clone(),
            request: origin.request.clone(),
            object: String::new(),
            count: 1,
        }
    }

    /// Adds the reason.
    #[must_use]
    pub fn because(mut self, reason: Reason) -> Event {
        self.reason = Some(reason);
        self
    }

    /// Adds what the act was about.
    #[must_use]
    pub fn on(mut self, object: impl Into<String>) -> Event {
        self.object = object.into();
        self
    }
}
