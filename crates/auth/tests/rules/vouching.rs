//! An operator's word is one proof of a recovery, beside a code or a mailed code, and worth nothing alone.

use countersign_auth::command::Onward;
use countersign_auth::command::contact::{Contact, Set};
use countersign_auth::command::operator::{self, Action, Manage};
use countersign_auth::command::password::Checked;
use countersign_auth::command::recovery::finish::{Finish, Finished};
use countersign_auth::command::recovery::prove::{Left, Look, Prove, Proved, Shown};
use countersign_auth::command::recovery::vouch::{NotVouched, Vouch};
use countersign_auth::command::recovery::{By, Cancel, Request, Requested};
use countersign_auth::contact::MailAddress;
use countersign_auth::event::{Act, Reason};
use countersign_auth::id::Token;
use countersign_auth::name::Name;
use countersign_auth::record::{Account, Key, Lost, NoticeKind, Record};
use zeroize::Zeroizing;

use crate::world::{HOME, Installation, Person, hash, name, origin, signed_in, wrong_code};

fn vouch(installation: &mut Installation, who: &Name) -> Result<(Token, u32), NotVouched> {
    installation.submit(&Vouch {
        name: who.clone(),
        origin: origin("operator"),
    })
}

/// Alice, and an operator's word for her.
fn vouched() -> (Installation, Person, Token) {
    let mut installation = Installation::new();
    let alice = installation.person("alice");
    let (token, expires_in_s) = vouch(&mut installation, &alice.name).expect("she has two factors");
    assert_eq!(expires_in_s, installation.policy.ticket_s);
    (installation, alice, token)
}

fn prove(token: &Token, who: &Name, mailed: &str, left: Left) -> Prove {
    Prove {
        shown: Shown {
            recovery: token.digest(),
            name: who.clone(),
            code: Zeroizing::new(mailed.into()),
        },
        left,
        origin: origin(HOME),
    }
}

fn by_code(text: &str) -> Left {
    Left::Code(Zeroizing::new(text.into()))
}

fn finish(token: &Token, new: Option<&str>) -> Finish {
    Finish {
        recovery: token.digest(),
        hash: new.map(hash),
        origin: origin(HOME),
    }
}

/// A recovery by mail, and what was mailed for it.
fn mailed(installation: &mut Installation, who: &Name) -> (Token, Zeroizing<String>) {
    let address = MailAddress::parse("alice@example.org").expect("an address");
    installation.submit(&Set {
        name: who.clone(),
        contact: Contact::Email(Some(address)),
        origin: origin("operator"),
    });
    let request = Request {
        name: who.clone(),
        origin: origin(HOME),
    };
    match installation.submit(&request) {
        Requested::Accepted {
            recovery,
            to_send: Some(to_send),
            ..
        } => (recovery, to_send.code),
        _ => panic!("a code is mailed"),
    }
}

#[test]
fn word_beside_a_backup_code_sets_the_password_and_the_second_factor_is_owed_as_ever() {
    let (mut installation, alice, token) = vouched();
    assert!(
        installation
            .notices(&alice.name)
            .contains(&NoticeKind::RecoveryVouched)
    );
    assert_eq!(
        installation.audited(Act::RecoveryVouch, Some(Reason::ByOperator)),
        1
    );
    let rule = prove(&token, &alice.name, "", by_code(&alice.backup_codes[0]));
    let Proved::Proven(allowed) = installation.submit(&rule) else {
        panic!("both proofs are right");
    };
    assert_eq!(allowed.lost, Lost::Password);
    assert!(allowed.replacement_code.is_some());
    let Finished::Onward(Onward::CodeDue { challenge, .. }) =
        installation.submit(&finish(&token, Some("new")))
    else {
        panic!("a code is due");
    };
    let code = alice.code(installation.now, 0);
    signed_in(installation.verify(&challenge, &code, &origin(HOME)));
    assert_eq!(
        installation.submit(&finish(&token, Some("newer"))),
        Finished::NoRecovery,
        "it works once"
    );
    assert_eq!(installation.submit(&rule), Proved::NoRecovery);
}

#[test]
fn word_beside_a_mailed_code_sets_the_password_once() {
    let (mut installation, alice, _) = vouched();
    let (recovery, code) = mailed(&mut installation, &alice.name);
    let (word, _) = vouch(&mut installation, &alice.name).expect("she has two factors");
    let rule = prove(&recovery, &alice.name, &code, Left::Vouched(word.digest()));
    let Proved::Proven(allowed) = installation.submit(&rule) else {
        panic!("both proofs are right");
    };
    assert_eq!((allowed.lost, allowed.replacement_code), (Lost::Password, None));
    let again = prove(&word, &alice.name, "", by_code(&alice.backup_codes[0]));
    assert_eq!(
        installation.submit(&again),
        Proved::NoRecovery,
        "the word is used up"
    );
    let finished = installation.submit(&finish(&recovery, Some("new")));
    assert!(matches!(finished, Finished::Onward(Onward::CodeDue { .. })));
}

#[test]
fn word_is_no_proof_alone_beside_itself_or_beside_the_password() {
    let (mut installation, alice, token) = vouched();
    assert_eq!(
        installation.submit(&finish(&token, Some("new"))),
        Finished::NoRecovery
    );
    let (other, _) = vouch(&mut installation, &alice.name).expect("she has two factors");
    let password = Left::Password(Some(Checked {
        hash: Some(hash("alice")),
        matched: true,
        rehash: None,
    }));
    for left in [
        Left::Vouched(token.digest()),
        Left::Vouched(other.digest()),
        password,
    ] {
        let rule = prove(&token, &alice.name, "", left);
        assert_eq!(installation.submit(&rule), Proved::NotTogether);
    }
    let look = Look {
        shown: prove(&token, &alice.name, "", by_code("")).shown,
        origin: origin(HOME),
    };
    assert!(!installation.submit(&look), "no password is hashed beside it");
}

#[test]
fn wrong_proof_beside_a_word_is_counted_and_the_fifth_ends_it() {
    let (mut installation, alice, token) = vouched();
    installation.policy.budgets.strangers_code.failures_max = 100;
    installation.policy.budgets.pair.failures_max = 100;
    for _ in 0..5 {
        let wrong = wrong_code(&alice.secret, installation.now);
        let rule = prove(&token, &alice.name, "", by_code(&wrong));
        assert_eq!(installation.submit(&rule), Proved::Refused);
    }
    let rule = prove(&token, &alice.name, "", by_code(&alice.backup_codes[0]));
    assert_eq!(installation.submit(&rule), Proved::NoRecovery);
}

#[test]
fn wrong_word_beside_a_mailed_code_is_refused_and_counted() {
    let (mut installation, alice, _) = vouched();
    let bob = installation.person("bob");
    let (of_bob, _) = vouch(&mut installation, &bob.name).expect("he has two factors");
    let (recovery, code) = mailed(&mut installation, &alice.name);
    let (late, _) = vouch(&mut installation, &alice.name).expect("she has two factors");
    // The mailed recovery itself is no word of anybody's.
    for wrong in [of_bob.digest(), recovery.digest()] {
        let rule = prove(&recovery, &alice.name, &code, Left::Vouched(wrong));
        assert_eq!(installation.submit(&rule), Proved::Refused);
    }
    assert_eq!(
        installation.audited(Act::RecoveryProve, Some(Reason::NoTicket)),
        2
    );
    // Somebody in whose account everything is as in hers, but for the name.
    let twin = Account {
        name: name("twin"),
        ..installation.account(&alice.name).clone()
    };
    let key = Key::Account(twin.name.clone());
    installation.records.insert(key, Record::Account(twin.into()));
    let (of_twin, _) = vouch(&mut installation, &name("twin")).expect("two factors");
    let rule = prove(&recovery, &alice.name, &code, Left::Vouched(of_twin.digest()));
    assert_eq!(installation.submit(&rule), Proved::Refused);
    installation.policy.recovery.code_s = 86_400;
    let (recovery, code) = mailed(&mut installation, &alice.name);
    installation.pass(u64::from(installation.policy.ticket_s));
    let rule = prove(&recovery, &alice.name, &code, Left::Vouched(late.digest()));
    assert_eq!(
        installation.submit(&rule),
        Proved::Refused,
        "a ticket's life is over"
    );
}

#[test]
fn word_is_void_once_the_account_is_another_or_its_owner_calls_it_off() {
    let void = |what: &str, change: &dyn Fn(&mut Installation, &Person)| {
        let (mut installation, alice, token) = vouched();
        change(&mut installation, &alice);
        let rule = prove(&token, &alice.name, "", by_code(&alice.backup_codes[0]));
        assert_eq!(installation.submit(&rule), Proved::NoRecovery, "{what}");
    };
    void("disabled", &|installation, alice| {
        installation.submit(&Manage {
            name: alice.name.clone(),
            action: Action::Disable,
            origin: origin("operator"),
        });
    });
    void("called off", &|installation, alice| {
        let session = installation.sign_in(alice, &origin(HOME));
        let cancel = Cancel {
            by: By::Session(session.session.digest(), alice.name.clone()),
            origin: origin(HOME),
        };
        assert_eq!(installation.submit(&cancel), 1);
    });
    void("another address", &|installation, alice| {
        mailed(installation, &alice.name);
    });
    void("over", &|installation, _| {
        installation.pass(u64::from(installation.policy.ticket_s));
    });
}

#[test]
fn nobody_is_vouched_for_to_whom_another_proof_could_not_be_owed() {
    let mut installation = Installation::new();
    assert_eq!(
        vouch(&mut installation, &name("nobody")),
        Err(NotVouched::NoAccount)
    );
    let bob = installation.newcomer("bob");
    assert_eq!(
        vouch(&mut installation, &bob),
        Err(NotVouched::Because(Reason::NoFactor))
    );
}

#[test]
fn word_that_was_a_proof_already_or_is_of_before_a_change_is_none_beside_a_mailed_code() {
    let (mut installation, alice, used) = vouched();
    installation.policy.recovery.delay_s = 3_600;
    let (recovery, code) = mailed(&mut installation, &alice.name);
    let (used_beside_a_code, _) = vouch(&mut installation, &alice.name).expect("she has two factors");
    let rule = prove(
        &used_beside_a_code,
        &alice.name,
        "",
        by_code(&alice.backup_codes[0]),
    );
    assert!(matches!(installation.submit(&rule), Proved::Proven(_)));
    // The one of before there was an address, and the one that waits to be carried out.
    for word in [used, used_beside_a_code] {
        let rule = prove(&recovery, &alice.name, &code, Left::Vouched(word.digest()));
        assert_eq!(installation.submit(&rule), Proved::Refused);
    }

    let (of_before, _) = vouch(&mut installation, &alice.name).expect("she has two factors");
    let another = operator::Vouch {
        name: alice.name.clone(),
        label: String::new(),
        origin: origin("operator"),
    };
    assert!(installation.submit(&another).is_some());
    let (recovery, code) = mailed(&mut installation, &alice.name);
    let rule = prove(&recovery, &alice.name, &code, Left::Vouched(of_before.digest()));
    assert_eq!(
        installation.submit(&rule),
        Proved::Refused,
        "there is another factor"
    );
}
