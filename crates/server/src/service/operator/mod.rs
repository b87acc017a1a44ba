//! What an operator asks of a running or resting installation: accounts, tickets, keys, the audit, the clock.
//!
//! Knows: requests and replies as values, so that the command line runs the same service in its own process
//! or over the control socket, and the pages and the API for whoever has a role. Must never know: which of them it is.
//!
//! Read next: [`Ask`] for what can be asked, then the file of its family.

use std::path::PathBuf;
use std::sync::Arc;

use countersign_auth::command::contact::Contact;
use countersign_auth::command::people::Amendment;
use countersign_auth::contact::{MailAddress, PhoneNumber};
use countersign_auth::event::{Act, Door, Ending, Event, Origin};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

mod accounts;
mod api_tokens;
mod applications;
mod audit;
mod authority;
mod import;
mod keys;
mod people;
mod search;
mod texts;
mod throttles;
mod timeline;
mod vouch;
mod when;

use super::audit::Checkpoint;
use super::{Failure, Service};
pub(super) use accounts::failures_since_sign_in;
pub use accounts::{FactorShown, SessionShown, User, UserAdded, UserShown, secret_text, uri};
pub use api_tokens::{ApiTokenMade, ApiTokenView};
pub use applications::{ApplicationSecret, ApplicationView, SigningKeyView};
pub use audit::Entry;
use authority::{By, Stop};
pub use import::{Imported, Seed, Taken};
pub use keys::KeyUse;
pub use people::{PEOPLE_MAX, Person, PersonOutcome, PersonTaken};
pub use search::{FOUND_MAX, Found, Search, variants};
pub use texts::{TextShown, TextTried, Words};
pub use throttles::{Throttled, ThrottledCredential, Throttles};
pub use timeline::{BUCKETS_MAX, Counts, Timeline};
pub use when::spelt;

/// How an operator gives an account its first password.
///
/// # Security
/// It has no Debug: both are as good as the password, or nearly.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FirstPassword {
    /// The password itself.
    Typed(Zeroizing<String>),
    /// A hash of it that an older system made, in one of the forms of
    /// [`take_over`](super::hashing::Hashing::take_over).
    Hash(Zeroizing<String>),
}

/// What an operator can ask.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Ask {
    /// Make the first administrator without a browser.
    Init {
        /// Its name, as typed.
        name: String,
        /// Its password; without one an invitation is issued.
        password: Option<Zeroizing<String>>,
        /// Whether to make a confirmed second factor.
        totp: bool,
    },
    /// Add an account.
    UserAdd {
        /// Its name, as typed.
        name: String,
        /// Its groups.
        groups: Vec<String>,
        /// Its password; without one an invitation is issued.
        password: Option<FirstPassword>,
        /// Whether to make a confirmed second factor.
        totp: bool,
    },
    /// Make a further second factor, confirmed at once because the operator vouches for it.
    UserEnrol {
        /// The account's name.
        name: String,
        /// A name for the factor.
        label: String,
    },
    /// Take over the authenticators that another system seeded for an account: all of them or none.
    Import {
        /// The account's name.
        account: String,
        /// Whether to add the account when there is none.
        add: bool,
        /// The authenticators.
        seeds: Vec<Seed>,
        /// Whether secrets that were removed from the account come back.
        #[serde(default)]
        again: bool,
        /// Whether only to say what would happen.
        dry_run: bool,
    },
    /// Take over a list's people, each account whole or not at all.
    PeopleImport {
        /// At most [`PEOPLE_MAX`] of them, no two of one name.
        people: Vec<Person>,
        /// Whether accounts that exist are made like the list says; otherwise they are left alone.
        update: bool,
        /// Whether only to say what would happen.
        dry_run: bool,
    },
    /// A page of people, without anything secret.
    PeopleExport {
        /// Name of the account after which to begin.
        after: String,
    },
    /// A page of accounts.
    UserList {
        /// Name of the account after which to begin.
        #[serde(default)]
        after: String,
        /// What the name, the mail address or a group holds; everybody when it is empty.
        #[serde(default)]
        matching: String,
    },
    /// Show one account.
    UserShow {
        /// Its name.
        name: String,
    },
    /// Change an account's role, groups and claims.
    UserAmend {
        /// Its name.
        name: String,
        /// What is to be so: all of it or nothing.
        amendments: Vec<Amendment>,
    },
    /// Remove an account's second factors; the password stays.
    UserRemoveFactors {
        /// Its name.
        name: String,
    },
    /// Remove one of an account's second factors.
    UserRemoveFactor {
        /// The account's name.
        name: String,
        /// The factor's identifier.
        factor: String,
    },
    /// End an account's sessions.
    UserEndSessions {
        /// Its name.
        name: String,
    },
    /// End one of an account's sessions.
    UserEndSession {
        /// The account's name.
        name: String,
        /// The session's short identifier.
        session: String,
    },
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
    /// A link by which an account's owner sets a password; the factors stay.
    UserInvite {
        /// Its name.
        name: String,
    },
    /// Vouch for an account's owner: one proof of a recovery, beside another.
    UserVouch {
        /// Its name.
        name: String,
    },
    /// Forget the failures counted against an account.
    UserUnlock {
        /// Its name.
        name: String,
    },
    /// Where an account's owner is written to; none takes the address away.
    UserEmail {
        /// The account's name.
        name: String,
        /// The address.
        address: Option<String>,
    },
    /// Where an account's owner is sent text messages; none takes the number away.
    UserPhone {
        /// The account's name.
        name: String,
        /// The number.
        number: Option<String>,
    },
    /// Make a token for programs, to be handed to an account's owner.
    UserTokenAdd {
        /// The account's name.
        name: String,
        /// What the token is called.
        label: String,
        /// Days that it lives.
        days: u32,
        /// The protected hosts it is good at; all of them when empty.
        hosts: Vec<String>,
    },
    /// List an account's tokens for programs.
    UserTokenList {
        /// The account's name.
        name: String,
    },
    /// Revoke a token for programs.
    UserTokenRevoke {
        /// The account's name.
        name: String,
        /// The token's short identifier.
        id: String,
    },
    /// A new set-up link, while no administrator exists.
    SetupLink,
    /// Reset an administrator who lost password or second factor.
    AdminRecover {
        /// Its name.
        name: String,
    },
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
    /// Entries of all chains to which something applies, the latest first.
    AuditSearch(Search),
    /// How often something happened over time.
    AuditTimeline {
        /// From when on; a day before the end where it is not given.
        since: Option<String>,
        /// Until when; now where it is not given.
        until: Option<String>,
        /// Into how many stretches that is cut, at most [`BUCKETS_MAX`].
        buckets: Option<u32>,
    },
    /// Accounts of which something is closed, or nearly, a page.
    ThrottleList {
        /// Name of the account after which to begin.
        after: String,
    },
    /// Forget what is held against a source over all names; [`Ask::UserUnlock`] does it for an account.
    ThrottleLift {
        /// The source: an address or a network.
        source: String,
    },
    /// The words of what is sent.
    TextList,
    /// The text that counts for one kind.
    TextShow {
        /// The kind.
        kind: String,
    },
    /// A text filled with what is made up: one that is not set yet, or the one that counts.
    TextTry {
        /// The kind.
        kind: String,
        /// The text.
        text: Option<String>,
    },
    /// Set a text for all nodes.
    TextSet {
        /// The kind.
        kind: String,
        /// The text.
        text: String,
    },
    /// Take back a text that was set.
    TextReset {
        /// The kind.
        kind: String,
    },
    /// The sealing keys and what depends on them.
    KeyList,
    /// Add a sealing key; what is sealed from now on is sealed under it.
    KeyRotate,
    /// Seal a page of accounts under the current key.
    KeyReseal {
        /// Name of the account after which to begin.
        after: String,
    },
    /// Forget a sealing key that nothing depends on.
    KeyForget {
        /// Its id.
        id: String,
    },
    /// Add an application that may ask about tokens, or give one another secret.
    AppAdd {
        /// Its name, as typed.
        name: String,
        /// Whether it is there already.
        renew: bool,
    },
    /// Remove an application.
    AppRemove {
        /// Its name.
        name: String,
    },
    /// List applications.
    AppList,
    /// The keys that sign tokens.
    SigningList,
    /// Publish another signing key, which takes over from the newest.
    SigningRotate,
    /// Copy the database to an empty file, for a backup.
    Copy {
        /// The file, inside the data folder.
        file: PathBuf,
    },
    /// Believe the clock as it stands.
    ClockAccept,
    /// Whether requests can be answered.
    Status,
}

/// What an operator is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reply {
    /// An account or a factor was added.
    UserAdded(UserAdded),
    /// Authenticators were taken over, or would be.
    Imported(Imported),
    /// What came of a list's people, in their order.
    PeopleImported {
        /// One for each.
        people: Vec<PersonTaken>,
    },
    /// A page of people.
    People {
        /// In the order of their names.
        people: Vec<Person>,
        /// Where the next page begins; none after the last.
        next: Option<String>,
    },
    /// One account.
    User(UserShown),
    /// A page of accounts.
    Users {
        /// In the order of their names.
        users: Vec<User>,
        /// Where the next page begins; none after the last.
        next: Option<String>,
    },
    /// A token for programs was made.
    ApiToken(ApiTokenMade),
    /// An account's tokens for programs.
    ApiTokens {
        /// The newest in front.
        tokens: Vec<ApiTokenView>,
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
    /// What a search found.
    AuditFound(Found),
    /// How often something happened over time.
    AuditTimeline(Timeline),
    /// Accounts of which something is closed, or nearly.
    Throttles(Throttles),
    /// The words of what is sent.
    Texts {
        /// One for each kind.
        texts: Vec<TextShown>,
        /// Whether this node sends mail at all.
        is_mail_sent: bool,
    },
    /// The text that counts for one kind.
    Text(TextShown),
    /// A text filled with what is made up.
    TextTried(TextTried),
    /// The sealing keys, oldest first.
    Keys {
        /// The keys.
        keys: Vec<KeyUse>,
        /// How many accounts there are.
        accounts: u64,
    },
    /// A sealing key was added.
    KeyAdded {
        /// Its id.
        id: String,
    },
    /// A page of accounts was sealed anew.
    Resealed {
        /// How many accounts were looked at.
        accounts: u64,
        /// How many secrets were sealed under another key before.
        secrets: u64,
        /// Where the next page begins; none after the last.
        next: Option<String>,
    },
    /// An application's secret.
    Application(ApplicationSecret),
    /// The applications.
    Applications {
        /// In the order of their names.
        applications: Vec<ApplicationView>,
    },
    /// The keys that sign tokens, oldest first.
    SigningKeys {
        /// The keys.
        keys: Vec<SigningKeyView>,
    },
    /// How the server stands.
    Status {
        /// Whether it is the clock that stands in the way.
        clock_doubted: bool,
        /// What stands in the way of answering; none when nothing does.
        trouble: Option<String>,
        /// The clock, in seconds since 1970.
        now: u64,
        /// The highest time any decision was made at.
        high_water: u64,
    },
    /// Done.
    Done,
    /// Done, and here is a ticket for the account's owner.
    Ticket(Ticket),
    /// It can't be done; nothing was changed.
    Refused {
        /// What stands in the way.
        what: Refusal,
        /// Why, and what to do.
        why: String,
    },
    /// The service could not decide; nothing is known to have changed.
    Failed {
        /// Why, and what to do.
        why: String,
    },
}

/// What stands in the way of something that is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// What was asked can't mean anything.
    Malformed,
    /// It is about something that is not there.
    Missing,
    /// How things stand.
    Conflict,
}

/// A ticket and the link that carries it; shown once.
#[derive(Clone, Serialize, Deserialize)]
pub struct Ticket {
    /// The ticket's token.
    pub ticket: String,
    /// The page that redeems it.
    pub link: String,
    /// Seconds it lives.
    pub expires_in: u32,
}

impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ticket(for {} s)", self.expires_in)
    }
}

/// Answers operators on behalf of one service.
pub struct Operator {
    service: Arc<Service>,
}

impl Operator {
    /// Answers for a service; links lead to the address in whose name it issues tokens.
    pub fn new(service: Arc<Service>) -> Operator {
        Operator { service }
    }

    /// Answers an operator; `who` goes into the audit.
    pub async fn answer(&self, ask: Ask, who: &str) -> Reply {
        let by = By {
            origin: origin(who),
            authority: None,
        };
        match self.dispatch(ask, &by).await {
            Ok(reply) => reply,
            Err(Stop::Failed(failure)) => Reply::Failed {
                why: failure.to_string(),
            },
            Err(Stop::NotAllowed(_)) => {
                refused("this installation's owner may everything, and yet was refused")
            }
        }
    }

    async fn dispatch(&self, ask: Ask, by: &By) -> Result<Reply, Stop> {
        use countersign_auth::command::operator::Action;
        match ask {
            Ask::Init { name, password, totp } => {
                let password = password.map(FirstPassword::Typed);
                self.init(&name, password, totp, by).await
            }
            Ask::UserAdd {
                name,
                groups,
                password,
                totp,
            } => self.add_user(&name, groups, password, totp, by).await,
            Ask::UserEnrol { name, label } => self.enrol(&name, label, by).await,
            Ask::Import {
                account,
                add,
                seeds,
                again,
                dry_run,
            } => self.import(&account, add, seeds, (again, dry_run), by).await,
            Ask::PeopleImport {
                people,
                update,
                dry_run,
            } => self.import_people(people, (update, dry_run), by).await,
            Ask::PeopleExport { after } => self.export_people(after, by).await,
            Ask::UserList { after, matching } => self.list_users(after, matching).await,
            Ask::UserShow { name } => self.show_user(&name).await,
            Ask::UserAmend { name, amendments } => self.amend(&name, amendments, by).await,
            Ask::UserRemoveFactors { name } => self.manage(&name, Action::RemoveFactors, by).await,
            Ask::UserRemoveFactor { name, factor } => {
                self.manage(&name, Action::RemoveFactor(factor), by).await
            }
            Ask::UserEndSession { name, session } => {
                self.manage(&name, Action::EndSession(session), by).await
            }
            Ask::UserEndSessions { name } => self.manage(&name, Action::EndSessions, by).await,
            Ask::UserDisable { name } => self.manage(&name, Action::Disable, by).await,
            Ask::UserEnable { name } => self.manage(&name, Action::Enable, by).await,
            Ask::UserReset { name } => self.manage(&name, Action::Reset, by).await,
            Ask::UserInvite { name } => self.invite(&name, by).await,
            Ask::UserVouch { name } => self.vouch(&name, by).await,
            Ask::UserUnlock { name } => self.manage(&name, Action::Lift, by).await,
            Ask::UserEmail { name, address } => {
                let address = address.as_deref().map(MailAddress::parse).transpose();
                self.set_contact(&name, address.map(Contact::Email), by).await
            }
            Ask::UserPhone { name, number } => {
                let number = number.as_deref().map(PhoneNumber::parse).transpose();
                self.set_contact(&name, number.map(Contact::Phone), by).await
            }
            Ask::UserTokenAdd {
                name,
                label,
                days,
                hosts,
            } => self.add_api_token(&name, (&label, days, &hosts), by).await,
            Ask::UserTokenList { name } => self.list_api_tokens(&name).await,
            Ask::UserTokenRevoke { name, id } => self.revoke_api_token(&name, id, by).await,
            Ask::SetupLink => self.setup_link(by).await,
            Ask::AdminRecover { name } => self.recover(&name, by).await,
            Ask::AuditNodes => self.audit_nodes().await,
            Ask::AuditPage { node, after } => self.audit_page(node, after).await,
            Ask::AuditVerify { checkpoint } => self.audit_verify(checkpoint).await,
            Ask::AuditSearch(search) => self.search_audit(search).await,
            Ask::AuditTimeline {
                since,
                until,
                buckets,
            } => self.audit_timeline(since, until, buckets).await,
            Ask::ThrottleList { after } => self.list_throttles(after).await,
            Ask::ThrottleLift { source } => self.lift_source(&source, by).await,
            Ask::TextList => self.list_texts().await,
            Ask::TextShow { kind } => self.show_text(&kind).await,
            Ask::TextTry { kind, text } => self.try_text(&kind, text).await,
            Ask::TextSet { kind, text } => self.set_text(&kind, text, by).await,
            Ask::TextReset { kind } => self.reset_text(&kind, by).await,
            Ask::KeyList => self.list_keys().await,
            Ask::KeyRotate => self.rotate_keys(by).await,
            Ask::KeyReseal { after } => self.reseal(after, by).await,
            Ask::KeyForget { id } => self.forget_key(id, by).await,
            Ask::AppAdd { name, renew } => self.add_application(&name, renew, by).await,
            Ask::AppRemove { name } => self.remove_application(&name, by).await,
            Ask::AppList => self.list_applications().await,
            Ask::SigningList => self.list_signing_keys().await,
            Ask::SigningRotate => self.rotate_signing_key(by).await,
            Ask::Copy { file } => self.copy(file, by).await,
            Ask::ClockAccept => self.accept_clock(by).await,
            Ask::Status => self.status().await,
        }
    }

    /// A set-up link, when nobody administers this installation yet.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn first_link(&self) -> Result<Option<Ticket>, Failure> {
        match self.answer(Ask::SetupLink, "start").await {
            Reply::Ticket(ticket) => Ok(Some(ticket)),
            _ => Ok(None),
        }
    }

    /// Whether somebody administers this installation.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn is_set_up(&self) -> Result<bool, Failure> {
        self.service.administrator_exists().await
    }

    /// Copies the database; the copy already says that it was made.
    async fn copy(&self, file: PathBuf, by: &By) -> Result<Reply, Stop> {
        let event = Event::plain(Act::BackupMake, Ending::Success, &by.origin);
        self.note(by, event).await?;
        let copied = self
            .service
            .read(move |store| store.copy_to(&file).map_err(Failure::Store))
            .await;
        copied.map(|()| Reply::Done).map_err(Stop::Failed)
    }

    fn ticket(&self, token: &countersign_auth::id::Token, expires_in: u32) -> Ticket {
        Ticket {
            ticket: token.expose().to_owned(),
            // Behind the hash sign, so that no log of any server or proxy ever holds it.
            link: format!("{}/setup#{}", self.service.issuer(), token.expose()),
            expires_in,
        }
    }
}

/// Where an operator's commands come from.
pub fn origin(who: &str) -> Origin {
    Origin {
        door: Door::Operator,
        network: who.to_owned(),
        browser: None,
        remember: false,
        agent: String::new(),
        request: String::new(),
        by: None,
    }
}

fn refused(why: impl ToString) -> Reply {
    let (what, why) = (Refusal::Conflict, why.to_string());
    Reply::Refused { what, why }
}

fn malformed(why: impl ToString) -> Reply {
    let (what, why) = (Refusal::Malformed, why.to_string());
    Reply::Refused { what, why }
}

fn missing(why: impl ToString) -> Reply {
    let (what, why) = (Refusal::Missing, why.to_string());
    Reply::Refused { what, why }
}
