//! Accounts as an operator manages them: the first administrator, adding, listing, ending, recovering.
//!
//! Knows: which rule carries out which request. Must never know: how the operator was recognised.

use countersign_auth::claim::Claims;
use countersign_auth::command::contact::{Contact, Set};
use countersign_auth::command::operator::{Action, Add, Added, Manage, Managed, NotAdded, Vouch};
use countersign_auth::command::people::{Amend, Amended, Amendment, NotAmended};
use countersign_auth::command::{bounded, ticket};
use countersign_auth::contact::ContactError;
use countersign_auth::credential::password::acceptable;
use countersign_auth::credential::{Factor, Offer};
use countersign_auth::id::Digest;
use countersign_auth::name::Name;
use countersign_auth::policy::LABEL_CHARS_MAX;
use countersign_auth::record::{Account, Key, PasswordHash, Record, Session, TicketPurpose};
use countersign_auth::role::Role;
use countersign_auth::seal::KeyRing;
use countersign_auth::snapshot::Snapshot;
use countersign_auth::throttle::{Gate, Source, reads};
use countersign_core::otp::otpauth::OtpauthUri;
use countersign_core::time::UnixSeconds;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::super::{Failure, names};
use super::{By, FirstPassword, Operator, Reply, Stop, Ticket, malformed, missing, refused};
use crate::store::{Kind, Store};

/// Accounts in one page of a list.
const USERS_MAX: usize = 100;
/// Accounts that are looked at for one page.
const LOOKED_AT_MAX: usize = 20_000;

/// An account or factor that was just added; shown once.
#[derive(Clone, Serialize, Deserialize)]
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

impl std::fmt::Debug for UserAdded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "UserAdded({})", self.name)
    }
}

/// An account in a list.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct User {
    /// The mapped name.
    pub name: String,
    /// Its role.
    #[serde(default)]
    pub role: Role,
    /// Its groups, the one of its role among them.
    pub groups: Vec<String>,
    /// Its own claims.
    #[serde(default)]
    pub claims: Claims,
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

/// An account and what it signs in with.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct UserShown {
    /// As in a list.
    #[serde(flatten)]
    pub user: User,
    /// When it was added, in seconds since 1970.
    pub created_at: u64,
    /// Complete sign-ins so far.
    pub sign_ins: u64,
    /// Failures counted against it, ever.
    pub failures: u64,
    /// Where its owner is written to.
    #[serde(default)]
    pub email: Option<String>,
    /// Where its owner is sent text messages.
    #[serde(default)]
    pub phone: Option<String>,
    /// Its confirmed factors.
    pub factors: Vec<FactorShown>,
    /// Its open sessions, newest first.
    #[serde(default)]
    pub open: Vec<SessionShown>,
}

/// An open session in a list.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SessionShown {
    /// Its short identifier.
    pub id: String,
    /// The name its owner gave it.
    pub label: String,
    /// When it began, in seconds since 1970.
    pub created_at: u64,
    /// When something was last asked in it.
    pub last_seen: u64,
    /// The network it was opened from.
    pub network: String,
    /// What the client calls itself.
    pub agent: String,
    /// How strongly it was opened, as in `acr`.
    pub acr: String,
    /// Until when it is elevated; none when it is not.
    pub elevated_until: Option<u64>,
    /// The protected hosts it is used at.
    pub hosts: Vec<String>,
}

/// A factor in a list.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FactorShown {
    /// Its short identifier.
    pub id: String,
    /// The name its owner gave it.
    pub label: String,
    /// `totp`, `hotp`, `sms` or `backup`.
    pub kind: String,
    /// When it was added, in seconds since 1970.
    pub created_at: u64,
}

impl Operator {
    pub(super) async fn init(
        &self,
        name: &str,
        password: Option<FirstPassword>,
        totp: bool,
        by: &By,
    ) -> Result<Reply, Stop> {
        if self.service.administrator_exists().await? {
            return Ok(refused(
                "an administrator exists already; `countersign user add NAME --group admin` adds another",
            ));
        }
        let mut groups = Vec::new();
        Role::Administrator.take_hold(&mut groups);
        self.add_user(name, groups, password, totp, by).await
    }

    pub(super) async fn add_user(
        &self,
        typed: &str,
        groups: Vec<String>,
        password: Option<FirstPassword>,
        totp: bool,
        by: &By,
    ) -> Result<Reply, Stop> {
        let name = match names::parse(typed) {
            Ok(name) => name,
            Err(error) => return Ok(malformed(error)),
        };
        let (hashing, salt) = (&self.service.hashing, self.service.salt());
        let hash = match password {
            None => None,
            Some(FirstPassword::Typed(typed)) => {
                let prepared = names::password(&typed);
                if let Err(problem) = acceptable(&prepared, &name, self.service.policy()) {
                    return Ok(malformed(problem));
                }
                Some(hashing.hash(&prepared, salt).await?)
            }
            Some(FirstPassword::Hash(text)) => match hashing.take_over(&text, salt).await? {
                Ok(hash) => Some(hash),
                Err(problem) => return Ok(malformed(problem)),
            },
        };
        let rule = Add {
            name: name.clone(),
            groups,
            hash,
            totp,
            origin: by.origin.clone(),
        };
        Ok(match self.submit(by, rule).await? {
            Err(NotAdded::NameTaken) => refused(format!("there is an account named {name} already")),
            Err(NotAdded::TooManyGroups) => malformed("an account can be in at most 32 groups"),
            Err(NotAdded::Group) => {
                refused("a group's name has 1 to 64 characters out of A-Z a-z 0-9 _ . : -")
            }
            Ok(Added {
                enrolment,
                invitation,
            }) => Reply::UserAdded(UserAdded {
                otpauth_uri: enrolment.as_ref().map(|made| uri(&made.offer, &name).to_string()),
                totp_secret: enrolment
                    .as_ref()
                    .map(|made| secret_text(&made.offer).to_string()),
                backup_codes: enrolment
                    .iter()
                    .flat_map(|made| made.backup_codes.iter())
                    .map(|code| code.to_string())
                    .collect(),
                invitation: invitation.map(|(token, expires_in)| self.ticket(&token, expires_in)),
                name: name.to_string(),
            }),
        })
    }

    /// The hash of a password that nobody judged, for accounts to try out with.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn hash_unjudged(&self, password: &str) -> Result<PasswordHash, Failure> {
        let (hashing, salt) = (&self.service.hashing, self.service.salt());
        hashing.hash(&names::password(password), salt).await
    }

    pub(super) async fn enrol(&self, typed: &str, label: String, by: &By) -> Result<Reply, Stop> {
        let name = match names::parse(typed) {
            Ok(name) => name,
            Err(error) => return Ok(malformed(error)),
        };
        let rule = Vouch {
            name: name.clone(),
            label: bounded(&label, LABEL_CHARS_MAX),
            origin: by.origin.clone(),
        };
        Ok(match self.submit(by, rule).await? {
            None => refused(format!(
                "there is no account named {name}, or it has as many factors as it can have"
            )),
            Some(enrolment) => Reply::UserAdded(UserAdded {
                otpauth_uri: Some(uri(&enrolment.offer, &name).to_string()),
                totp_secret: Some(secret_text(&enrolment.offer).to_string()),
                backup_codes: enrolment
                    .backup_codes
                    .iter()
                    .map(|code| code.to_string())
                    .collect(),
                invitation: None,
                name: name.to_string(),
            }),
        })
    }

    pub(super) async fn list_users(&self, after: String, matching: String) -> Result<Reply, Stop> {
        let wanted = matching.trim().to_lowercase();
        let read = self.service.read(move |store| {
            let (mut users, mut looked_at, mut next) = (Vec::new(), 0, None);
            each_account_after(after, store, |account| {
                if matches(account, &wanted) {
                    users.push(describe(account));
                }
                looked_at += 1;
                let goes_on = users.len() < USERS_MAX && looked_at < LOOKED_AT_MAX;
                next = (!goes_on).then(|| account.name.to_string());
                goes_on
            })?;
            Ok(Reply::Users { users, next })
        });
        read.await.map_err(Stop::Failed)
    }

    pub(super) async fn show_user(&self, typed: &str) -> Result<Reply, Stop> {
        let name = match names::parse(typed) {
            Ok(name) => name,
            Err(error) => return Ok(malformed(error)),
        };
        let Some(view) = self.service.view(&name).await? else {
            return Ok(missing(no_account(&name)));
        };
        let now = self.service.now()?;
        let factors = view.account.factors.iter().filter(|factor| factor.is_active());
        Ok(Reply::User(UserShown {
            user: User {
                sessions: view.sessions.len(),
                ..describe(&view.account)
            },
            created_at: view.account.created_at.0,
            sign_ins: view.account.sign_ins,
            failures: view.failures,
            email: view
                .account
                .email
                .as_ref()
                .map(|email| email.address.as_str().to_owned()),
            phone: view.account.phone.as_ref().map(|phone| phone.as_str().to_owned()),
            factors: factors.map(FactorShown::of).collect(),
            open: view
                .sessions
                .iter()
                .map(|(id, session, seen)| SessionShown::of(*id, session, *seen, now))
                .collect(),
        }))
    }

    pub(super) async fn amend(
        &self,
        typed: &str,
        amendments: Vec<Amendment>,
        by: &By,
    ) -> Result<Reply, Stop> {
        let name = match names::parse(typed) {
            Ok(name) => name,
            Err(error) => return Ok(malformed(error)),
        };
        let rule = Amend {
            name: name.clone(),
            amendments,
            origin: by.origin.clone(),
        };
        Ok(match self.submit(by, rule).await? {
            Ok(Amended::Changed | Amended::Same) => Reply::Done,
            Err(NotAmended::NoAccount) => missing(no_account(&name)),
            Err(why) => malformed(not_amended(&why)),
        })
    }

    pub(super) async fn manage(&self, typed: &str, action: Action, by: &By) -> Result<Reply, Stop> {
        let name = match names::parse(typed) {
            Ok(name) => name,
            Err(error) => return Ok(malformed(error)),
        };
        let rule = Manage {
            name: name.clone(),
            action,
            origin: by.origin.clone(),
        };
        Ok(match self.submit(by, rule).await? {
            Managed::NoAccount => missing(no_account(&name)),
            Managed::Disabled => refused(format!(
                "{name} is disabled; run `countersign user enable {name}` first"
            )),
            Managed::NoFactor => missing(format!("{name} has no such second factor")),
            Managed::NoSession => missing(format!("{name} has no such session")),
            Managed::Done => Reply::Done,
            Managed::Ticket(token, expires_in) => Reply::Ticket(self.ticket(&token, expires_in)),
        })
    }

    /// Sets where an account's owner is reached.
    pub(super) async fn set_contact(
        &self,
        typed: &str,
        contact: Result<Contact, ContactError>,
        by: &By,
    ) -> Result<Reply, Stop> {
        let name = match names::parse(typed) {
            Ok(name) => name,
            Err(error) => return Ok(malformed(error)),
        };
        let contact = match contact {
            Ok(contact) => contact,
            Err(error) => return Ok(malformed(error)),
        };
        let rule = Set {
            name: name.clone(),
            contact,
            origin: by.origin.clone(),
        };
        Ok(match self.submit(by, rule).await? {
            true => Reply::Done,
            false => missing(no_account(&name)),
        })
    }

    pub(super) async fn setup_link(&self, by: &By) -> Result<Reply, Stop> {
        let rule = ticket::Issue {
            purpose: TicketPurpose::FirstAdministrator,
            origin: by.origin.clone(),
        };
        Ok(match self.submit(by, rule).await? {
            None => refused(
                "an administrator exists already; `countersign admin recover NAME` lets one begin anew",
            ),
            Some((token, expires_in)) => Reply::Ticket(self.ticket(&token, expires_in)),
        })
    }

    /// A link by which an account's owner sets a password, the factors staying what they are.
    pub(super) async fn invite(&self, typed: &str, by: &By) -> Result<Reply, Stop> {
        let name = match names::parse(typed) {
            Ok(name) => name,
            Err(error) => return Ok(malformed(error)),
        };
        let rule = ticket::Issue {
            purpose: TicketPurpose::Account(name.clone()),
            origin: by.origin.clone(),
        };
        Ok(match self.submit(by, rule).await? {
            None => missing(format!(
                "there is no account named {name} that may sign in; `countersign user list` shows them"
            )),
            Some((token, expires_in)) => Reply::Ticket(self.ticket(&token, expires_in)),
        })
    }

    /// Resets an account that administers; whoever holds none of its factors any more begins with this.
    pub(super) async fn recover(&self, typed: &str, by: &By) -> Result<Reply, Stop> {
        let name = match names::parse(typed) {
            Ok(name) => name,
            Err(error) => return Ok(malformed(error)),
        };
        match self.service.view(&name).await?.map(|view| view.account) {
            None => Ok(missing(no_account(&name))),
            Some(account) if !account.is_admin() => Ok(refused(format!(
                "{name} is no administrator; use `countersign user reset {name}`"
            ))),
            Some(_) => self.manage(name.as_str(), Action::Reset, by).await,
        }
    }
}

pub(super) fn no_account(name: &Name) -> String {
    format!("there is no account named {name}; `countersign user list` shows them")
}

/// Why an account can't be amended, beginning with what it is about.
pub(super) fn not_amended(why: &NotAmended) -> String {
    const GROUP: &str = "a group's name has 1 to 64 characters out of A-Z a-z 0-9 _ . : -";
    match why {
        NotAmended::Group(group) => format!("group {group:?}: {GROUP}"),
        NotAmended::RoleGroup(group) => format!(
            "group {group:?} stands for a role; give the role itself, by `countersign user role` or in the column role"
        ),
        NotAmended::TooManyGroups => "groups: an account can be in at most 32".to_owned(),
        NotAmended::Claim(name, why) => format!("claim {name:?}: {why}"),
        NotAmended::TooManyClaims => "claims: an account can have at most 32".to_owned(),
        NotAmended::NoAccount => "there is no such account".to_owned(),
        _ => "the account can't be so".to_owned(),
    }
}

impl FactorShown {
    fn of(factor: &Factor) -> FactorShown {
        FactorShown {
            id: factor.id.clone(),
            label: factor.label.clone(),
            kind: factor.credential.provider().kind().to_owned(),
            created_at: factor.created_at.0,
        }
    }
}

impl SessionShown {
    fn of(id: Digest, session: &Session, seen: UnixSeconds, now: UnixSeconds) -> SessionShown {
        let elevation = session
            .standing
            .elevation
            .filter(|elevation| elevation.is_on(now));
        let mut hosts: Vec<String> = session.keys.iter().filter_map(|key| key.host.clone()).collect();
        hosts.sort_unstable();
        hosts.dedup();
        SessionShown {
            id: id.short(),
            label: session.label.clone(),
            created_at: session.created_at.0,
            last_seen: seen.0,
            network: session.network.clone(),
            agent: session.agent.clone(),
            acr: session.standing.level.acr().to_owned(),
            elevated_until: elevation.map(|elevation| elevation.until.0),
            hosts,
        }
    }
}

/// The otpauth URI of what is offered, as the QR code carries it; empty where there is nothing to show.
pub fn uri(offer: &Offer, name: &Name) -> Zeroizing<String> {
    let uri = offer.authenticator.as_ref().map(|shown| {
        OtpauthUri::totp("Countersign", name.as_str(), &shown.secret, &shown.parameters).to_string()
    });
    Zeroizing::new(uri.unwrap_or_default())
}

/// The secret of what is offered, in Base32; empty where there is nothing to show.
pub fn secret_text(offer: &Offer) -> Zeroizing<String> {
    let shown = offer.authenticator.as_ref();
    Zeroizing::new(shown.map_or_else(String::new, |shown| shown.secret.to_base32().to_string()))
}

/// Whether the name, the mail address or a group of an account holds a text in lower case.
fn matches(account: &Account, wanted: &str) -> bool {
    let email = account.email.as_ref().map(|email| email.address.as_str());
    let mut texts = [Some(account.name.as_str()), email]
        .into_iter()
        .flatten()
        .chain(account.groups.iter().map(String::as_str));
    wanted.is_empty() || texts.any(|text| text.to_lowercase().contains(wanted))
}

fn describe(account: &Account) -> User {
    User {
        name: account.name.to_string(),
        role: account.role(),
        groups: account.groups.clone(),
        claims: account.claims.clone(),
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
pub(super) fn each_account(store: &dyn Store, visit: impl FnMut(&Account) -> bool) -> Result<(), Failure> {
    each_account_after(String::new(), store, visit)
}

/// The same, after a name.
pub(super) fn each_account_after(
    mut after: String,
    store: &dyn Store,
    mut visit: impl FnMut(&Account) -> bool,
) -> Result<(), Failure> {
    const PAGE: usize = 256;
    loop {
        let page = store
            .list(Kind::Account, Some(&after), PAGE)
            .map_err(Failure::Store)?;
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

/// As many accounts as `most` after a name, in the order of their names.
pub(super) fn accounts_after(store: &dyn Store, after: &str, most: usize) -> Result<Vec<Account>, Failure> {
    let page = store
        .list(Kind::Account, Some(after), most)
        .map_err(Failure::Store)?;
    let account = |(_, record)| match record {
        Record::Account(account) => Some(*account),
        _ => None,
    };
    Ok(page.into_iter().filter_map(account).collect())
}

/// Failures counted against an account since its last complete sign-in.
pub(in crate::service) fn failures_since_sign_in(
    name: &Name,
    keys: &KeyRing,
    store: &dyn Store,
) -> Result<u32, Failure> {
    let source = Source::Stranger("");
    let wanted: Vec<Key> = reads(name, source, keys);
    let mut seen = Snapshot::default();
    for (key, stored) in wanted.iter().zip(store.load(&wanted).map_err(Failure::Store)?) {
        seen.insert(key.clone(), stored);
    }
    Ok(Gate::new(name, true, source, &seen, keys).lifetime_failures())
}
