//! Sign-ins of one person over a store in memory, at a given time and with given chance, every change written out as
//! a store would keep it.
//!
//! Knows the rules of auth and the walk read → decide → commit. Must never know a clock or a source of randomness:
//! what two machines write is compared byte for byte.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::fmt::{self, Write};

use argon2::password_hash::phc;
use argon2::{Argon2, PasswordVerifier};
use countersign_auth::command::Onward;
use countersign_auth::command::code::{Verified, Verify};
use countersign_auth::command::operator::Add;
use countersign_auth::command::password::{Begin, Begun, Checked, Finish, Finished};
use countersign_auth::event::{Door, Origin};
use countersign_auth::id::Digest;
use countersign_auth::name::Name;
use countersign_auth::policy::Policy;
use countersign_auth::record::{Key, PasswordHash, Record};
use countersign_auth::rule::{Change, Rule, World};
use countersign_auth::seal::KeyRing;
use countersign_auth::snapshot::{Snapshot, Stored};
use countersign_core::otp::Totp;
use countersign_core::time::UnixSeconds;
use zeroize::Zeroizing;

/// The start of a time step.
const START: UnixSeconds = UnixSeconds(1_800_000_000);
const PASSWORD: &str = "correct horse battery";
/// Of that password, by libargon2, with the smallest parameters that Argon2 has (RFC 9106 §3.1): 8 KiB, one pass.
/// Boards have no room for those of the server.
const HASH: &str =
    "$argon2id$v=19$m=8,t=1,p=1$Y291bnRlcnNpZ24gYm9hcmQ$lx378756+Jow9oqd2gamdQZZ2k1p6G3a3Zzo+0rExQ4";

/// Adds a person, signs in, presents the same code again, and a wrong password; writes the changes of each decision.
/// Answers whether each decision was what the rules owe.
///
/// # Errors
/// That of the writer.
pub fn tell(out: &mut dyn Write) -> Result<bool, fmt::Error> {
    let mut board = Board::new();
    let told = board.walk();
    for line in &board.lines {
        writeln!(out, "{line}")?;
    }
    match told {
        Ok(()) => Ok(true),
        Err(what) => writeln!(out, "not owed: {what}").map(|()| false),
    }
}

struct Board {
    now: UnixSeconds,
    policy: Policy,
    keys: KeyRing,
    chance: u64,
    records: BTreeMap<Key, Record>,
    lines: Vec<String>,
}

impl Board {
    fn new() -> Board {
        let key = |fill| Zeroizing::new([fill; 32]);
        Board {
            now: START,
            policy: Policy::default(),
            keys: KeyRing::new(vec![("k1".into(), key(1))], key(2), key(3)).expect("one key is a ring"),
            chance: 1,
            records: BTreeMap::new(),
            lines: Vec::new(),
        }
    }

    fn walk(&mut self) -> Result<(), &'static str> {
        let name = Name::from_ascii("alice").map_err(|_| "alice is a name")?;
        let origin = |network: &str| Origin {
            door: Door::Http,
            network: network.into(),
            browser: None,
            remember: true,
            agent: "board".into(),
            request: String::new(),
            by: None,
        };
        let home = origin("192.0.2.1");
        let added = self.submit(
            "add",
            &Add {
                name: name.clone(),
                groups: vec!["admin".into()],
                hash: Some(PasswordHash(HASH.into())),
                totp: true,
                origin: origin("operator"),
            },
        )?;
        let enrolment = added
            .ok()
            .and_then(|added| added.enrolment)
            .ok_or("the name is free")?;
        let shown = enrolment.offer.authenticator.ok_or("its secret is shown")?;

        self.now = self.now.plus(30);
        let code = Totp::default().generate(&shown.secret, self.now).to_string();
        let challenge = self.challenge(&name, &home)?;
        let verified = self.present(challenge, &code, &home)?;
        matches!(verified, Verified::SignedIn(_))
            .then_some(())
            .ok_or("a right code signs in")?;

        let challenge = self.challenge(&name, &home)?;
        let verified = self.present(challenge, &code, &home)?;
        (verified == Verified::Refused)
            .then_some(())
            .ok_or("a used code is refused")?;

        let finished = self.password(&name, "wrong horse battery", &home)?;
        (finished == Finished::Refused)
            .then_some(())
            .ok_or("a wrong password is refused")
    }

    fn challenge(&mut self, name: &Name, origin: &Origin) -> Result<Digest, &'static str> {
        match self.password(name, PASSWORD, origin)? {
            Finished::Onward(Onward::CodeDue { challenge, .. }) => Ok(challenge.digest()),
            _ => Err("a right password leads to a challenge"),
        }
    }

    fn password(&mut self, name: &Name, password: &str, origin: &Origin) -> Result<Finished, &'static str> {
        let begun = self.submit(
            "password, begun",
            &Begin {
                name: name.clone(),
                origin: origin.clone(),
            },
        )?;
        let Begun::Check { hash: Some(hash), .. } = begun else {
            return Err("there is room to check a password");
        };
        let stored = phc::PasswordHash::new(&hash.0).map_err(|_| "the hash is in PHC form")?;
        let matched = Argon2::default()
            .verify_password(password.as_bytes(), &stored)
            .is_ok();
        self.submit(
            "password, finished",
            &Finish {
                name: name.clone(),
                origin: origin.clone(),
                checked: Checked {
                    hash: Some(hash),
                    matched,
                    rehash: None,
                },
            },
        )
    }

    fn present(&mut self, challenge: Digest, code: &str, origin: &Origin) -> Result<Verified, &'static str> {
        self.submit(
            "code",
            &Verify {
                challenge,
                code: Zeroizing::new(code.into()),
                origin: origin.clone(),
            },
        )
    }

    /// Reads what the rule asks for, lets it decide, stores the changes and notes them.
    fn submit<R: Rule>(&mut self, what: &str, rule: &R) -> Result<R::Outcome, &'static str> {
        let chance = &mut self.chance;
        let mut entropy = |buffer: &mut [u8]| buffer.iter_mut().for_each(|byte| *byte = drawn(chance));
        let mut world = World {
            now: self.now,
            policy: &self.policy,
            keys: &self.keys,
            entropy: &mut entropy,
        };
        let mut seen = Snapshot::default();
        loop {
            let keys = rule.reads(&seen, &world);
            let missing: Vec<Key> = keys.into_iter().filter(|key| !seen.holds(key)).collect();
            if missing.is_empty() {
                break;
            }
            for key in missing {
                let record = self.records.get(&key).cloned();
                let version = u64::from(record.is_some());
                seen.insert(key, Stored { version, record });
            }
        }
        let decision = rule.decide(&seen, &mut world).map_err(|_| "every secret opens")?;
        self.lines.push(alloc::format!("{what} at {}", self.now.0));
        for change in decision.changes {
            self.lines
                .push(spelt(&change).map_err(|_| "every change can be spelt")?);
            match change {
                Change::Put(key, record) => drop(self.records.insert(key, record)),
                Change::Delete(key) => drop(self.records.remove(&key)),
                Change::Audit(_) => {}
            }
        }
        Ok(decision.outcome)
    }
}

/// Chance that is the same on every machine (Knuth's MMIX generator), and protects nothing.
fn drawn(state: &mut u64) -> u8 {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    state.to_be_bytes()[0]
}

/// A change, whole: nothing of it is left out, so that equal lines are equal changes.
fn spelt(change: &Change) -> serde_json::Result<String> {
    Ok(match change {
        Change::Put(key, record) => {
            let (key, record) = (serde_json::to_string(key)?, serde_json::to_string(record)?);
            alloc::format!("put {key} {record}")
        }
        Change::Delete(key) => alloc::format!("delete {}", serde_json::to_string(key)?),
        Change::Audit(event) => alloc::format!("audit {}", serde_json::to_string(event)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sign_ins_are_what_the_rules_owe_and_the_same_each_time() {
        let (mut first, mut second) = (String::new(), String::new());
        assert_eq!(tell(&mut first), Ok(true), "{first}");
        assert_eq!(tell(&mut second), Ok(true));
        assert_eq!(first, second);
        assert!(first.contains("\nput {\"session\":"), "{first}");
    }
}
