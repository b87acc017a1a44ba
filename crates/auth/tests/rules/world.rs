//! An installation without a machine: records in a map, a time the test turns, chance that repeats.

use std::collections::BTreeMap;

use countersign_auth::command::code::{Verified, Verify};
use countersign_auth::command::enrol::{self, Asker, Denied, Enrolment, Granted};
use countersign_auth::command::password::{Begin, Begun, Checked, Finish, Finished};
use countersign_auth::command::{Onward, SignedIn, operator};
use countersign_auth::credential::Wish;
use countersign_auth::event::{Act, Door, Event, Origin, Reason};
use countersign_auth::id::{Digest, Token};
use countersign_auth::name::Name;
use countersign_auth::policy::Policy;
use countersign_auth::record::{Account, Key, NoticeKind, PasswordHash, Record};
use countersign_auth::rule::{Change, Decision, Fault, Rule, World};
use countersign_auth::seal::KeyRing;
use countersign_auth::snapshot::{Snapshot, Stored};
use countersign_core::otp::{SharedSecret, Totp};
use countersign_core::time::UnixSeconds;
use countersign_testkit::SeededChance;
use zeroize::Zeroizing;

/// The start of a time step.
pub const START: UnixSeconds = UnixSeconds(1_800_000_000);
/// Where somebody sits whom nobody knows.
pub const HOME: &str = "192.0.2.1";

pub struct Installation {
    pub now: UnixSeconds,
    pub policy: Policy,
    pub keys: KeyRing,
    pub records: BTreeMap<Key, Record>,
    pub audit: Vec<Event>,
    chance: SeededChance,
}

/// What deciding took: how many keys were read and what was changed.
#[derive(Debug, PartialEq, Eq)]
pub struct Work {
    pub reads: usize,
    pub puts: usize,
    pub deletes: usize,
    pub entries: usize,
}

pub struct Person {
    pub name: Name,
    pub secret: SharedSecret,
    pub backup_codes: Vec<Zeroizing<String>>,
}

impl Person {
    /// The code of so many time steps away from a moment.
    pub fn code(&self, now: UnixSeconds, steps: i64) -> String {
        code(&self.secret, now, steps)
    }
}

pub fn code(secret: &SharedSecret, now: UnixSeconds, steps: i64) -> String {
    let at = UnixSeconds(now.0.saturating_add_signed(30 * steps));
    Totp::default().generate(secret, at).to_string()
}

/// A code of the right shape that is none of the secret's within a wide window.
pub fn wrong_code(secret: &SharedSecret, now: UnixSeconds) -> String {
    let near: Vec<_> = (-11..=11).map(|steps| code(secret, now, steps)).collect();
    let candidates = (0..1_000_000).map(|number| format!("{number:06}"));
    candidates
        .into_iter()
        .find(|candidate| !near.contains(candidate))
        .expect("23 codes are not all codes")
}

/// The secret that an enrolment offered.
pub fn secret(enrolment: &Enrolment) -> SharedSecret {
    let authenticator = enrolment.offer.authenticator.as_ref();
    let shown = &authenticator.expect("it is shown").secret;
    SharedSecret::from_bytes(shown.expose()).expect("it is a secret")
}

pub fn name(text: &str) -> Name {
    Name::from_ascii(text).expect("a name")
}

pub fn hash(text: &str) -> PasswordHash {
    PasswordHash(format!("$argon2id${text}"))
}

pub fn origin(network: &str) -> Origin {
    Origin {
        door: Door::Http,
        network: network.into(),
        browser: None,
        remember: true,
        agent: String::new(),
        request: String::new(),
        by: None,
    }
}

pub fn from_browser(network: &str, browser: &Token) -> Origin {
    Origin {
        browser: Some(browser.digest()),
        ..origin(network)
    }
}

fn ring() -> KeyRing {
    let key = |fill| Zeroizing::new([fill; 32]);
    KeyRing::new(vec![("k1".into(), key(1))], key(2), key(3)).expect("one key")
}

impl Installation {
    pub fn new() -> Installation {
        Installation {
            now: START,
            policy: Policy::default(),
            keys: ring(),
            records: BTreeMap::new(),
            audit: Vec::new(),
            chance: SeededChance::from_environment_or(1),
        }
    }

    pub fn pass(&mut self, seconds: u64) {
        self.now = self.now.plus(seconds);
    }

    /// Reads what the rule asks for and lets it decide; nothing is stored.
    pub fn decide<R: Rule>(&mut self, rule: &R) -> Result<(Decision<R::Outcome>, usize), Fault> {
        let (records, chance) = (&self.records, &mut self.chance);
        let mut entropy = |buffer: &mut [u8]| chance.fill(buffer);
        let mut world = World {
            now: self.now,
            policy: &self.policy,
            keys: &self.keys,
            entropy: &mut entropy,
        };
        let mut seen = Snapshot::default();
        loop {
            let missing: Vec<_> = rule
                .reads(&seen, &world)
                .into_iter()
                .filter(|key| !seen.holds(key))
                .collect();
            if missing.is_empty() {
                break;
            }
            for key in missing {
                let record = records.get(&key).cloned();
                let version = u64::from(record.is_some());
                seen.insert(key, Stored { version, record });
            }
        }
        let reads = seen.versions().count();
        rule.decide(&seen, &mut world).map(|decision| (decision, reads))
    }

    /// Decides and stores, and says what it took.
    pub fn weigh<R: Rule>(&mut self, rule: &R) -> (R::Outcome, Work) {
        let (decision, reads) = self.decide(rule).expect("every secret opens");
        let mut work = Work {
            reads,
            puts: 0,
            deletes: 0,
            entries: 0,
        };
        for change in decision.changes {
            match change {
                Change::Put(key, record) => {
                    work.puts += 1;
                    self.records.insert(key, record);
                }
                Change::Delete(key) => {
                    work.deletes += 1;
                    self.records.remove(&key);
                }
                Change::Audit(event) => {
                    work.entries += 1;
                    self.audit.push(event);
                }
            }
        }
        (decision.outcome, work)
    }

    pub fn submit<R: Rule>(&mut self, rule: &R) -> R::Outcome {
        self.weigh(rule).0
    }

    /// An account with a password and a second factor that an operator vouched for.
    pub fn person(&mut self, text: &str) -> Person {
        let rule = operator::Add {
            name: name(text),
            groups: Vec::new(),
            hash: Some(hash(text)),
            totp: true,
            origin: origin("operator"),
        };
        let added = granted(self.submit(&rule));
        let enrolment = added.enrolment.expect("a factor was asked for");
        Person {
            name: name(text),
            secret: secret(&enrolment),
            backup_codes: enrolment.backup_codes,
        }
    }

    /// An account with a password alone.
    pub fn newcomer(&mut self, text: &str) -> Name {
        let rule = operator::Add {
            name: name(text),
            groups: Vec::new(),
            hash: Some(hash(text)),
            totp: false,
            origin: origin("operator"),
        };
        assert!(self.submit(&rule).is_ok(), "the name is free");
        name(text)
    }

    pub fn account(&self, name: &Name) -> &Account {
        match self.records.get(&Key::Account(name.clone())) {
            Some(Record::Account(account)) => account,
            other => panic!("no account {name}: {other:?}"),
        }
    }

    /// A password, right or wrong, from somewhere: the walk around the hash, without the hash.
    pub fn password(&mut self, name: &Name, matched: bool, origin: &Origin) -> Finished {
        let begin = Begin {
            name: name.clone(),
            origin: origin.clone(),
        };
        match self.submit(&begin) {
            Begun::Throttled { retry_after_s } => Finished::Throttled { retry_after_s },
            Begun::Check { hash, .. } => {
                let finish = self.finish(name, hash, matched, origin);
                self.submit(&finish)
            }
        }
    }

    pub fn finish(&self, name: &Name, hash: Option<PasswordHash>, matched: bool, origin: &Origin) -> Finish {
        Finish {
            name: name.clone(),
            origin: origin.clone(),
            checked: Checked {
                hash,
                matched,
                rehash: None,
            },
        }
    }

    pub fn challenge(&mut self, name: &Name, origin: &Origin) -> Token {
        match self.password(name, true, origin) {
            Finished::Onward(Onward::CodeDue { challenge, .. }) => challenge,
            other => panic!("the password of {name} is right, yet {other:?}"),
        }
    }

    pub fn verify(&mut self, challenge: &Token, code: &str, origin: &Origin) -> Verified {
        self.submit(&Verify {
            challenge: challenge.digest(),
            code: Zeroizing::new(code.into()),
            origin: origin.clone(),
        })
    }

    /// A whole sign-in with a code of a time step of its own.
    pub fn sign_in(&mut self, person: &Person, origin: &Origin) -> SignedIn {
        self.pass(30);
        let challenge = self.challenge(&person.name, origin);
        let code = person.code(self.now, 0);
        signed_in(self.verify(&challenge, &code, origin))
    }

    /// A session with a password alone.
    pub fn first_session(&mut self, name: &Name, origin: &Origin) -> SignedIn {
        match self.password(name, true, origin) {
            Finished::Onward(Onward::SignedIn(signed_in)) => signed_in,
            other => panic!("the password of {name} is right, yet {other:?}"),
        }
    }

    pub fn begin_enrolment(&mut self, asker: Asker) -> Result<Granted<Enrolment>, Denied> {
        self.submit(&enrol::Begin {
            asker,
            wish: Wish::Authenticator,
            label: "phone".into(),
        })
    }

    pub fn notices(&self, name: &Name) -> Vec<NoticeKind> {
        let of = |id: Digest| match self.records.get(&Key::Notice(id)) {
            Some(Record::Notice(notice)) => notice.kind,
            other => panic!("a notice of {name} is missing: {other:?}"),
        };
        self.account(name)
            .notices
            .iter()
            .map(|open| of(open.id))
            .collect()
    }

    /// How often the audit holds an act that ended for a reason.
    pub fn audited(&self, act: Act, reason: Option<Reason>) -> usize {
        let same = |event: &&Event| event.act == act && event.reason == reason;
        self.audit.iter().filter(same).count()
    }
}

pub fn asker(session: &SignedIn, code: &str) -> Asker {
    Asker {
        session: session.session.digest(),
        name: session.name.clone(),
        code: Zeroizing::new(code.into()),
        origin: origin(HOME),
    }
}

/// What was asked for; the types that carry secrets have no Debug, so `expect` can't say it.
pub fn granted<T, E: std::fmt::Debug>(result: Result<T, E>) -> T {
    match result {
        Ok(given) => given,
        Err(denied) => panic!("it was owed, yet {denied:?}"),
    }
}

pub fn signed_in(verified: Verified) -> SignedIn {
    match verified {
        Verified::SignedIn(signed_in) => signed_in,
        other => panic!("the code is right, yet {other:?}"),
    }
}
