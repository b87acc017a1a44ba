//! People taken over from a list and written into one, a page at a time.
//!
//! Knows: what of a person travels, and that nothing secret ever leaves. Must never know: which file a list came from
//! or goes to.

use std::fmt;
use std::sync::Arc;

use countersign_auth::claim::Claims;
use countersign_auth::command::authority::Authorised;
use countersign_auth::command::import::Import;
use countersign_auth::command::people::{Listed, NotTakenOver, Take, TakenOver, Took};
use countersign_auth::event::{Act, Ending, Event};
use countersign_auth::record::{Account, Record};
use countersign_auth::role::Role;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use zeroize::Zeroizing;

use super::super::{Failure, Service, names};
use super::accounts::not_amended;
use super::import::{seeded, told};
use super::{By, Operator, Reply, Seed, Stop, Taken, malformed};
use crate::store::Kind;

/// Most people of one request, and of one page.
pub const PEOPLE_MAX: usize = 64;

/// A person as a list has them. What is absent stays as it is, or as a new account has it.
///
/// # Security
/// Debug prints nothing but the name: a hash invites guessing offline, and the seed spells out its secret.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Person {
    /// The account's name.
    pub name: String,
    /// Its role.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub role: Option<Role>,
    /// All its groups but the one of its role.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub groups: Option<Vec<String>>,
    /// All its claims.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub claims: Option<Claims>,
    /// Whether it is disabled.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub disabled: Option<bool>,
    /// A hash of its password in one of the forms of [`take_over`](crate::service::hashing::Hashing::take_over), for
    /// whoever has no password yet. Never exported.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub password_hash: Option<Zeroizing<String>>,
    /// Its authenticator. Never exported.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub seed: Option<Seed>,
}

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Person({})", self.name)
    }
}

/// What came of a person of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PersonOutcome {
    /// The account was added.
    Added,
    /// It existed, and something was different.
    Updated,
    /// It existed, and was like that already.
    Same,
    /// It existed, and is left alone.
    LeftAlone,
    /// Nothing of it was taken.
    Refused,
}

/// What came of a person of a list; shown once.
#[derive(Clone, Serialize, Deserialize)]
pub struct PersonTaken {
    /// The account's name.
    pub name: String,
    /// What came of it.
    pub outcome: PersonOutcome,
    /// Why it was refused, beginning with the field.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub why: Option<String>,
    /// What came of its authenticator.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub factor: Option<Taken>,
    /// The backup codes that came with it; none in a dry run.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub backup_codes: Vec<String>,
}

impl fmt::Debug for PersonTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PersonTaken({}, {:?})", self.name, self.outcome)
    }
}

impl Operator {
    /// Takes over people, each account whole or not at all.
    pub(super) async fn import_people(
        &self,
        people: Vec<Person>,
        (update, dry_run): (bool, bool),
        by: &By,
    ) -> Result<Reply, Stop> {
        if people.len() > PEOPLE_MAX {
            return Ok(malformed(format!("at most {PEOPLE_MAX} people at a time")));
        }
        let mut taken: Vec<Option<PersonTaken>> = Vec::new();
        // Handed in together, so that the committer writes them in few groups.
        let mut tasks = JoinSet::new();
        for (at, person) in people.into_iter().enumerate() {
            let name = person.name.clone();
            taken.push(match self.rule(person, (update, dry_run), by).await? {
                Err(why) => Some(PersonTaken::refused(name, why)),
                Ok((rule, seeds)) => {
                    let (service, authority) = (self.service.clone(), by.authority.clone());
                    let rule = Authorised { authority, rule };
                    tasks.spawn(async move { (at, carry_out(service, rule, &seeds).await) });
                    None
                }
            });
        }
        while let Some(done) = tasks.join_next().await {
            let (at, person) = done.map_err(|_| Failure::Internal)?;
            taken[at] = Some(person?);
        }
        Ok(Reply::PeopleImported {
            people: taken.into_iter().flatten().collect(),
        })
    }

    /// The rule that takes a person over, or why there can be none.
    async fn rule(
        &self,
        person: Person,
        (update, dry_run): (bool, bool),
        by: &By,
    ) -> Result<Result<(Take, Vec<Seed>), String>, Failure> {
        let name = match names::parse(&person.name) {
            Ok(name) => name,
            Err(error) => return Ok(Err(format!("name: {error}"))),
        };
        let seeds: Vec<Seed> = person.seed.into_iter().collect();
        let read = match seeded(&seeds) {
            Ok(read) => read,
            Err(why) => return Ok(Err(why)),
        };
        let hash = match person.password_hash {
            None => None,
            Some(text) => {
                let salt = self.service.salt();
                match self.service.hashing.take_over(&text, salt).await? {
                    Ok(hash) => Some(hash),
                    Err(malformed) => return Ok(Err(format!("password_hash: {malformed}"))),
                }
            }
        };
        let rule = Take {
            import: Import {
                name,
                add: true,
                seeds: read,
                again: false,
                dry_run,
                origin: by.origin.clone(),
            },
            listed: Listed {
                role: person.role,
                groups: person.groups,
                claims: person.claims,
                disabled: person.disabled,
                hash,
            },
            update,
        };
        Ok(Ok((rule, seeds)))
    }

    /// A page of people; that a list is taken out is in the audit.
    pub(super) async fn export_people(&self, after: String, by: &By) -> Result<Reply, Stop> {
        if after.is_empty() {
            let event = Event::plain(Act::AccountsExport, Ending::Success, &by.origin);
            self.note(by, event).await?;
        }
        let page = self
            .service
            .read(move |store| {
                store
                    .list(Kind::Account, Some(&after), PEOPLE_MAX)
                    .map_err(Failure::Store)
            })
            .await?;
        let people: Vec<Person> = page
            .into_iter()
            .filter_map(|(_, record)| match record {
                Record::Account(account) => Some(Person::of(*account)),
                _ => None,
            })
            .collect();
        let next = (people.len() == PEOPLE_MAX)
            .then(|| people.last().map(|person| person.name.clone()))
            .flatten();
        Ok(Reply::People { people, next })
    }
}

impl Person {
    fn of(account: Account) -> Person {
        let role = account.role();
        let mut groups = account.groups;
        groups.retain(|group| Role::of_group(group).is_none());
        groups.sort_unstable();
        Person {
            name: account.name.to_string(),
            role: Some(role),
            groups: Some(groups),
            claims: Some(account.claims),
            disabled: Some(account.disabled),
            password_hash: None,
            seed: None,
        }
    }
}

impl PersonTaken {
    fn refused(name: String, why: String) -> PersonTaken {
        PersonTaken {
            name,
            outcome: PersonOutcome::Refused,
            why: Some(why),
            factor: None,
            backup_codes: Vec::new(),
        }
    }

    fn done(name: String, done: TakenOver) -> PersonTaken {
        let imported = done.imported.as_ref();
        let codes = imported.iter().flat_map(|imported| imported.backup_codes.iter());
        PersonTaken {
            name,
            outcome: match done.took {
                Took::Added => PersonOutcome::Added,
                Took::Updated => PersonOutcome::Updated,
                Took::Same => PersonOutcome::Same,
                Took::LeftAlone => PersonOutcome::LeftAlone,
            },
            why: None,
            factor: imported.and_then(|imported| imported.taken.first().copied().map(Taken::from)),
            backup_codes: codes.map(|code| code.to_string()).collect(),
        }
    }
}

async fn carry_out(
    service: Arc<Service>,
    rule: Authorised<Take>,
    seeds: &[Seed],
) -> Result<PersonTaken, Stop> {
    let import = &rule.rule.import;
    let name = import.name.to_string();
    // A dry run changes nothing, so it is asked beside the committer.
    let outcome = match import.dry_run {
        true => service.ask(rule).await?,
        false => service.submit(rule).await?,
    };
    let why = match outcome.map_err(Stop::NotAllowed)? {
        Ok(done) => return Ok(PersonTaken::done(name, done)),
        Err(NotTakenOver::Listed(why)) => not_amended(&why),
        Err(NotTakenOver::Import(why)) => told(why, &name, seeds),
        Err(NotTakenOver::Removed) => {
            "otpauth: it was removed from this account; leave it out, or use `countersign import --again`"
                .to_owned()
        }
        Err(_) => "the account can't be taken over".to_owned(),
    };
    Ok(PersonTaken::refused(name, why))
}
