//! What is stored: one record a key, the account being the aggregate that everything of a person hangs on.
//!
//! Knows: the fields and bounds of each record. Must never know: tables, encodings, or how keys are spelt on
//! disk. Whoever adds or removes something that belongs to an account writes the account too, so that its
//! version orders them.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use countersign_core::elevation::Standing;
use countersign_core::time::UnixSeconds;
use serde::{Deserialize, Serialize};

use crate::asks::Ask;
use crate::claim::Claims;
use crate::contact::{Email, EmailPending, MailAddress, PhoneNumber};
use crate::credential::Factor;
use crate::credential::removed::Removed;
use crate::id::Digest;
use crate::name::Name;
use crate::role::Role;
use crate::seal::Sealed;

mod api_token;
mod approval;

pub use api_token::ApiToken;
pub use approval::{Approval, ApprovalState, NumberRequest, NumberState};

/// The key of a record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Key {
    /// An account by its mapped name.
    Account(Name),
    /// A sign-in challenge by its token's digest.
    Challenge(Digest),
    /// A session by its token's digest.
    Session(Digest),
    /// A known browser by its cookie's digest.
    Browser(Digest),
    /// A set-up, invitation or recovery ticket by its token's digest.
    Ticket(Digest),
    /// Who administered first; there is one such record or none.
    Founder,
    /// One bucket of the throttle's table.
    Bucket(u16),
    /// The keys that sign tokens; there is one such record or none.
    Signing,
    /// An application that asks about tokens, by its name.
    Application(Name),
    /// An action that an application asks a person to approve, by its identifier.
    Approval(Digest),
    /// A session's wish to be stepped up by another of the same person, by its token's digest.
    NumberRequest(Digest),
    /// A notice to an account's owner: a row of the outbox until it is delivered, a line on their page until
    /// it is old.
    Notice(Digest),
    /// A recovery that was asked for, by its token's digest.
    Recovery(Digest),
    /// A token for programs, by its digest.
    ApiToken(Digest),
    /// A text of the installation's own, by its kind.
    Text(String),
}

/// A stored record; spelt as what it holds, since its key says of which kind it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Record {
    /// See [`Account`].
    Account(Box<Account>),
    /// See [`Challenge`].
    Challenge(Challenge),
    /// See [`Session`].
    Session(Box<Session>),
    /// See [`Browser`].
    Browser(Browser),
    /// See [`Ticket`].
    Ticket(Ticket),
    /// See [`Founder`].
    Founder(Founder),
    /// See [`Bucket`].
    Bucket(Bucket),
    /// See [`Signing`].
    Signing(Signing),
    /// See [`Application`].
    Application(Application),
    /// See [`Approval`].
    Approval(Box<Approval>),
    /// See [`NumberRequest`].
    NumberRequest(NumberRequest),
    /// See [`Notice`].
    Notice(Notice),
    /// See [`Recovery`].
    Recovery(Recovery),
    /// See [`ApiToken`].
    ApiToken(Box<ApiToken>),
    /// See [`Text`].
    Text(Text),
}

impl Record {
    /// When the record is of no more use and may be swept away.
    pub fn expires_at(&self) -> Option<UnixSeconds> {
        match self {
            Record::Account(_) | Record::Founder(_) | Record::Bucket(_) => None,
            Record::Signing(_) | Record::Application(_) | Record::Text(_) => None,
            Record::Challenge(challenge) => Some(challenge.expires_at),
            Record::Session(session) => Some(session.expires_at),
            Record::Browser(browser) => Some(browser.expires_at),
            Record::Ticket(ticket) => Some(ticket.expires_at),
            Record::Approval(approval) => Some(approval.expires_at),
            Record::NumberRequest(request) => Some(request.expires_at),
            Record::Notice(notice) => Some(notice.at.plus(NOTICE_KEPT_S)),
            Record::Recovery(recovery) => Some(recovery.expires_at),
            Record::ApiToken(token) => Some(token.expires_at),
        }
    }
}

/// Seconds a notice stays on its owner's page.
pub const NOTICE_KEPT_S: u64 = 30 * 86_400;

/// A person's account: password, second factors and the ends of everything that is open in their name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// The mapped name.
    pub name: Name,
    /// When it was made.
    pub created_at: UnixSeconds,
    /// A disabled account refuses every sign-in like an unknown one.
    #[serde(default)]
    pub disabled: bool,
    /// Groups, for the applications behind; some stand for a [`Role`].
    #[serde(default)]
    pub groups: Vec<String>,
    /// Claims of its own, for the applications behind.
    #[serde(default, skip_serializing_if = "Claims::is_empty")]
    pub claims: Claims,
    /// The password, once set.
    pub password: Option<Password>,
    /// Second factors, pending and active.
    #[serde(default)]
    pub factors: Vec<Factor>,
    /// Secrets that left the account, the one that left first in front.
    #[serde(default)]
    pub removed: Vec<Removed>,
    /// Open sessions, oldest first.
    #[serde(default)]
    pub sessions: Vec<Open>,
    /// Open challenges, oldest first.
    #[serde(default)]
    pub challenges: Vec<Open>,
    /// Known browsers, the one unused for longest first.
    #[serde(default)]
    pub browsers: Vec<Open>,
    /// Tickets to set a password; a newer one voids the older.
    #[serde(default)]
    pub tickets: Vec<Open>,
    /// Notices, oldest first.
    #[serde(default)]
    pub notices: Vec<Open>,
    /// Recoveries that were proven or vouched for, oldest first.
    #[serde(default)]
    pub recoveries: Vec<Open>,
    /// Where its owner is written to.
    #[serde(default)]
    pub email: Option<Email>,
    /// Where its owner wants to be written to.
    #[serde(default)]
    pub email_pending: Option<EmailPending>,
    /// Where its owner is sent text messages.
    #[serde(default)]
    pub phone: Option<PhoneNumber>,
    /// Actions that it was asked to approve and that were not redeemed yet, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<Open>,
    /// The one wish of a session to be stepped up by another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number_request: Option<Open>,
    /// Tokens for programs, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub api_tokens: Vec<Open>,
    /// Who asked its owner for something within the last hour, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asks: Vec<Ask>,
    /// Complete sign-ins so far.
    #[serde(default)]
    pub sign_ins: u64,
    /// Counted failures that the throttle no longer holds: those before the last complete sign-in or lift.
    #[serde(default)]
    pub failures: u64,
    /// Time of the last complete sign-in.
    #[serde(default)]
    pub last_sign_in: Option<UnixSeconds>,
}

impl Account {
    /// An account with nothing but its name.
    pub fn new(name: Name, created_at: UnixSeconds) -> Account {
        Account {
            name,
            created_at,
            disabled: false,
            groups: Vec::new(),
            claims: Claims::new(),
            password: None,
            factors: Vec::new(),
            removed: Vec::new(),
            sessions: Vec::new(),
            challenges: Vec::new(),
            browsers: Vec::new(),
            tickets: Vec::new(),
            notices: Vec::new(),
            recoveries: Vec::new(),
            email: None,
            email_pending: None,
            phone: None,
            approvals: Vec::new(),
            number_request: None,
            api_tokens: Vec::new(),
            asks: Vec::new(),
            sign_ins: 0,
            failures: 0,
            last_sign_in: None,
        }
    }

    /// Whether a confirmed one-time-password factor exists.
    pub fn has_second_factor(&self) -> bool {
        self.factors
            .iter()
            .any(|factor| factor.is_active() && !factor.is_backup())
    }

    /// What the account's owner is to this installation.
    pub fn role(&self) -> Role {
        Role::of(&self.groups)
    }

    /// Whether the account may administer Countersign.
    pub fn is_admin(&self) -> bool {
        self.role() == Role::Administrator
    }
}

/// Something that is open in an account's name: its digest and when it ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    /// Digest of its token.
    pub id: Digest,
    /// When it ends by itself.
    pub expires_at: UnixSeconds,
}

/// A password as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Password {
    /// The hash in PHC form.
    pub hash: PasswordHash,
    /// When it was set.
    pub changed_at: UnixSeconds,
}

/// An Argon2id hash in PHC form (`$argon2id$v=19$m=…,t=…,p=…$salt$hash`).
///
/// # Security
/// Debug prints nothing of it: a hash invites guessing offline.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PasswordHash(pub String);

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// A sign-in that has proven the password and owes a code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge {
    /// Whose sign-in it is; a code of anybody else is never tried.
    pub account: Name,
    /// When the password was proven.
    pub created_at: UnixSeconds,
    /// When it ends by itself.
    pub expires_at: UnixSeconds,
    /// Wrong codes so far.
    pub wrong_codes: u8,
}

/// A signed-in session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Whose it is.
    pub account: Name,
    /// When it began.
    pub created_at: UnixSeconds,
    /// When it ends at the latest, whatever the activity.
    pub expires_at: UnixSeconds,
    /// Last activity as stored; newer activity may be in memory.
    pub last_seen: UnixSeconds,
    /// Its handle, with which every token of it begins.
    pub handle: String,
    /// How strongly and how lately it was proven.
    pub standing: Standing,
    /// Methods used, as RFC 8176 names them.
    pub methods: Vec<String>,
    /// What opens it, one for each place, and those that were replaced a moment ago.
    pub keys: Vec<SessionKey>,
    /// When its owner gave an elevation back; what was elevated until then is elevated no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stepped_down_at: Option<UnixSeconds>,
    /// Tickets by which it is entered at a protected host, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tickets: Vec<HostTicket>,
    /// The account's groups: a copy, so that whoever checks a session reads one record.
    #[serde(default)]
    pub groups: Vec<String>,
    /// The account's own claims: a copy, like the groups.
    #[serde(default, skip_serializing_if = "Claims::is_empty")]
    pub claims: Claims,
    /// A name its owner gave it.
    #[serde(default)]
    pub label: String,
    /// The network it was opened from.
    pub network: String,
    /// The client's own description of itself, cut to a bound.
    #[serde(default)]
    pub agent: String,
    /// Whether it was opened by a recovery: it may enrol a second factor in place of the lost ones, and nothing else.
    #[serde(default)]
    pub recovers: bool,
}

/// A key to a session: what is kept of one token.
///
/// # Security
/// An elevation is worth something with the key that was made at it, or later, alone: a token that was copied before is
/// not elevated by its owner's step-up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionKey {
    /// Digest of the token.
    pub digest: Digest,
    /// The protected host it opens the session at; none at Countersign itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// What whoever shows it has proven.
    pub standing: Standing,
    /// When it ends, where it was replaced by another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<UnixSeconds>,
}

/// A single-use ticket by which a session is entered at a protected host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostTicket {
    /// Digest of the ticket.
    pub digest: Digest,
    /// The host it is for.
    pub host: String,
    /// Digest of what the browser holds at that host, so that a ticket that was sent to somebody else opens nothing.
    pub state: Digest,
    /// When it ends by itself.
    pub expires_at: UnixSeconds,
}

/// A browser that completed a sign-in and holds a cookie no stranger can copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Browser {
    /// The account it is known for.
    pub account: Name,
    /// When it is forgotten.
    pub expires_at: UnixSeconds,
    /// When it became known; none where that was not noted yet.
    #[serde(default)]
    pub created_at: Option<UnixSeconds>,
    /// When a sign-in was completed in it last.
    #[serde(default)]
    pub last_used: Option<UnixSeconds>,
    /// The network that sign-in came from.
    #[serde(default)]
    pub network: String,
    /// The browser's own description of itself then, cut to a bound.
    #[serde(default)]
    pub agent: String,
}

/// A single-use ticket that lets its holder set a password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// What it is for.
    pub purpose: TicketPurpose,
    /// When it was issued.
    pub created_at: UnixSeconds,
    /// When it ends by itself.
    pub expires_at: UnixSeconds,
}

/// What a ticket lets its holder do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TicketPurpose {
    /// Make the first administrator. Void once there is a [`Founder`].
    FirstAdministrator,
    /// Set the password of an existing account: an invitation, or a reset that an operator began but never
    /// chooses.
    Account(Name),
}

/// Who administered first. Whoever would be the first reads and writes this record, so that of two only one is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Founder {
    /// The account's name.
    pub name: Name,
}

/// One bucket of the throttle's fixed table; see [`crate::throttle`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    /// The entries whose tags fall into this bucket.
    pub entries: Vec<crate::throttle::Entry>,
}

/// The keys that sign tokens, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Signing {
    /// Those whose tokens are accepted, or soon will be.
    pub keys: Vec<SigningKey>,
}

/// A key that signs tokens (Ed25519, RFC 8032).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SigningKey {
    /// Its name in `kid`.
    pub id: String,
    /// Its secret seed, sealed.
    pub seed: Sealed,
    /// Its public half in hexadecimal.
    pub public: String,
    /// It is published at once, and signs from then on, so that whoever keeps a copy of the set knows it by then.
    pub signs_from: UnixSeconds,
    /// When the last token it signed has ended; none while it is the newest.
    pub ends_at: Option<UnixSeconds>,
}

/// An application that asks about tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Application {
    /// Its name, which is its `client_id`.
    pub name: Name,
    /// When it was added.
    pub created_at: UnixSeconds,
    /// Digest of its secret, which has 256 bits.
    pub secret: Digest,
}

/// Something the owner of an account is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Who is told.
    pub account: Name,
    /// When it happened.
    pub at: UnixSeconds,
    /// What happened.
    pub kind: NoticeKind,
    /// Whether the outbox has handed it on.
    #[serde(default)]
    pub delivered: bool,
    /// The address that is told as well, because it no longer is the account's.
    #[serde(default)]
    pub former: Option<MailAddress>,
    /// The recovery it is about; whoever is told may call that off.
    #[serde(default)]
    pub recovery: Option<Digest>,
}

/// A recovery that somebody asked for.
///
/// One is made for a name that nobody has, too, so that neither answer nor work tell which names exist; its code is
/// known to nobody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    /// Keyed hash of the name it was asked for, in hexadecimal: what was typed may be a password.
    pub name: String,
    /// When it was asked for.
    pub created_at: UnixSeconds,
    /// When it ends by itself.
    pub expires_at: UnixSeconds,
    /// Keyed hash of the code that was sent, in hexadecimal.
    pub code: String,
    /// Keyed hash of what the account was when it was asked for; void when that changed.
    pub standing: String,
    /// Proofs that were not accepted so far.
    pub refused: u8,
    /// Whether an operator vouched for its owner, who holds the token; no code was sent then.
    #[serde(default)]
    pub vouched: bool,
    /// What was proven, once it was.
    #[serde(default)]
    pub proven: Option<Proven>,
}

/// A text of the installation's own, in place of the product's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    /// What it says, with its places.
    pub text: String,
    /// When it was set.
    pub set_at: UnixSeconds,
}

/// Two proofs of a recovery were accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proven {
    /// Whose account it is.
    pub account: Name,
    /// What is to be set anew.
    pub lost: Lost,
    /// From when on it may be.
    pub ready_at: UnixSeconds,
}

/// What its owner lost. The other factor was proven, and stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lost {
    /// The password.
    Password,
    /// Every second factor.
    SecondFactor,
}

/// What an owner is told about (NIST SP 800-63B-4 §4.2.3, §4.6 in spirit; ASVS 6.3.5, 6.3.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NoticeKind {
    /// A second factor was added.
    FactorAdded,
    /// A second factor was removed.
    FactorRemoved,
    /// A second factor was found again by two consecutive codes.
    FactorResynchronised,
    /// A backup code was used, and replaced.
    BackupCodeUsed,
    /// All backup codes were replaced.
    BackupCodesReplaced,
    /// The password was changed.
    PasswordChanged,
    /// An operator reset the account.
    AccountReset,
    /// An operator made a link by which the password can be set anew.
    LinkIssued,
    /// The account was given another role.
    RoleChanged,
    /// An operator removed all second factors.
    FactorsRemovedByOperator,
    /// A credential reached its limit of failures.
    CredentialClosed,
    /// A password was right but the code wrong five times: someone else may know the password.
    PasswordKnownToStranger,
    /// A sign-in was completed from a browser never seen before.
    NewBrowser,
    /// Notices go to another mail address from now on.
    EmailChanged,
    /// An operator vouched for its owner, who may recover the account by that and one more proof.
    RecoveryVouched,
    /// Somebody proved enough to recover the account, and may do so now or after the delay.
    RecoveryProven,
    /// A recovery was called off.
    RecoveryCancelled,
    /// The password was set anew by a recovery.
    PasswordRecovered,
    /// The second factors were replaced by a recovery.
    FactorsRecovered,
    /// An action that an application asked about was denied.
    ApprovalDenied,
    /// A session's wish to be stepped up by another was denied.
    NumberDenied,
    /// A token for programs was made.
    ApiTokenMade,
}

impl NoticeKind {
    /// One sentence for the owner.
    pub fn text(self) -> &'static str {
        match self {
            NoticeKind::FactorAdded => "A second factor was added to your account.",
            NoticeKind::FactorRemoved => "A second factor was removed from your account.",
            NoticeKind::FactorResynchronised => "A second factor was resynchronised by two of its codes.",
            NoticeKind::BackupCodeUsed => {
                "A backup code was used to sign in, and a new one was issued in its place."
            }
            NoticeKind::BackupCodesReplaced => "Your backup codes were replaced by new ones.",
            NoticeKind::PasswordChanged => "Your password was changed.",
            NoticeKind::AccountReset => "An operator reset your account.",
            NoticeKind::LinkIssued => {
                "An operator made a link by which your password can be set anew. If you did not ask for it, tell them."
            }
            NoticeKind::RoleChanged => "What you may administer here was changed.",
            NoticeKind::FactorsRemovedByOperator => {
                "An operator removed your second factors; set one up when you sign in. If you did not ask for it, \
                 tell them."
            }
            NoticeKind::CredentialClosed => {
                "Too many wrong attempts were made; strangers are kept out until you sign in."
            }
            NoticeKind::PasswordKnownToStranger => {
                "Someone gave your password and then five wrong codes. If it was not you, change the password."
            }
            NoticeKind::NewBrowser => "You signed in from a browser that was not known before.",
            NoticeKind::EmailChanged => "Mail about your account goes to another address from now on.",
            NoticeKind::RecoveryVouched => {
                "Someone who runs the server vouched for you, so that you can recover your account by one more proof. \
                 If you did not ask for it, tell them."
            }
            NoticeKind::RecoveryProven => {
                "Someone showed two proofs to recover your account. If it was not you, call it off at once."
            }
            NoticeKind::RecoveryCancelled => "A recovery of your account was called off.",
            NoticeKind::PasswordRecovered => {
                "Your password was set anew by a recovery, and every session was ended."
            }
            NoticeKind::FactorsRecovered => {
                "A recovery replaced your second factors by a new one; the old ones no longer work."
            }
            NoticeKind::ApprovalDenied => {
                "An application asked you to approve an action, and it was denied. If you did not begin it, tell \
                 whoever runs the application."
            }
            NoticeKind::NumberDenied => {
                "A session of yours asked another to confirm it, and it was denied. If you did not begin it, end that \
                 session and change your password."
            }
            NoticeKind::ApiTokenMade => {
                "An API token was made for your account. If it was not you, revoke it and change your password."
            }
        }
    }
}
