//! Recovery by a mailed code and the factor that is left, and the address such a code is sent to.

use countersign_auth::command::contact::{self, Contact, Set};
use countersign_auth::command::enrol::{self, Denied};
use countersign_auth::command::operator::{Action, Manage};
use countersign_auth::command::password::Checked;
use countersign_auth::command::recovery::finish::{Finish, Finished};
use countersign_auth::command::recovery::prove::{Allowed, Left, Look, Prove, Proved, Shown};
use countersign_auth::command::recovery::{By, Cancel, Request, Requested, cancel_token};
use countersign_auth::command::{Onward, SignedIn};
use countersign_auth::contact::MailAddress;
use countersign_auth::event::{Act, Origin, Reason};
use countersign_auth::id::{Digest, Token};
use countersign_auth::name::Name;
use countersign_auth::record::{Key, Lost, NoticeKind, Record};
use countersign_auth::session::Level;
use zeroize::Zeroizing;

use crate::world::{
    HOME, Installation, Person, asker, code, from_browser, granted, hash, name, origin, secret, signed_in,
    wrong_code,
};

const ADDRESS: &str = "alice@example.org";

/// A recovery under way, and what was mailed for it.
struct UnderWay {
    token: Token,
    mailed: Option<Zeroizing<String>>,
}

fn address(text: &str) -> MailAddress {
    MailAddress::parse(text).expect("an address")
}

fn set_email(installation: &mut Installation, name: &Name, text: Option<&str>) -> bool {
    installation.submit(&Set {
        name: name.clone(),
        contact: Contact::Email(text.map(address)),
        origin: origin("operator"),
    })
}

/// Alice, who has a mail address.
fn with_alice() -> (Installation, Person) {
    let mut installation = Installation::new();
    let alice = installation.person("alice");
    assert!(set_email(&mut installation, &alice.name, Some(ADDRESS)));
    installation.pass(30);
    (installation, alice)
}

fn ask(installation: &mut Installation, name: &Name, origin: &Origin) -> Result<UnderWay, u32> {
    let request = Request {
        name: name.clone(),
        origin: origin.clone(),
    };
    match installation.submit(&request) {
        Requested::Throttled { retry_after_s } => Err(retry_after_s),
        Requested::Accepted {
            recovery, to_send, ..
        } => Ok(UnderWay {
            token: recovery,
            mailed: to_send.map(|to_send| {
                assert_eq!(to_send.address, address(ADDRESS));
                to_send.code
            }),
        }),
    }
}

fn asked(installation: &mut Installation, name: &Name) -> UnderWay {
    ask(installation, name, &origin(HOME)).unwrap_or_else(|wait| panic!("there is room, yet {wait}"))
}

impl UnderWay {
    fn mailed(&self) -> &str {
        self.mailed.as_ref().expect("a code was mailed")
    }

    fn prove(&self, name: &Name, mailed: &str, left: Left) -> Prove {
        Prove {
            shown: Shown {
                recovery: self.token.digest(),
                name: name.clone(),
                code: Zeroizing::new(mailed.into()),
            },
            left,
            origin: origin(HOME),
        }
    }

    fn finish(&self, new: Option<&str>) -> Finish {
        Finish {
            recovery: self.token.digest(),
            hash: new.map(hash),
            origin: origin(HOME),
        }
    }
}

fn by_code(text: &str) -> Left {
    Left::Code(Zeroizing::new(text.into()))
}

fn by_password(name: &Name, matched: bool) -> Left {
    Left::Password(Some(Checked {
        hash: Some(hash(name.as_str())),
        matched,
        rehash: None,
    }))
}

fn proven(proved: Proved) -> Allowed {
    match proved {
        Proved::Proven(allowed) => allowed,
        other => panic!("both proofs are right, yet {other:?}"),
    }
}

/// Alice lost every second factor, and proved the password.
fn enrolling(installation: &mut Installation, alice: &Person) -> SignedIn {
    let recovery = asked(installation, &alice.name);
    let prove = recovery.prove(&alice.name, recovery.mailed(), by_password(&alice.name, true));
    assert_eq!(proven(installation.submit(&prove)).lost, Lost::SecondFactor);
    match installation.submit(&recovery.finish(None)) {
        Finished::Onward(Onward::SignedIn(signed_in)) => signed_in,
        other => panic!("it is proven, yet {other:?}"),
    }
}

#[test]
fn lost_password_is_set_anew_by_mailed_code_and_second_factor_and_a_code_is_owed_after_it() {
    let (mut installation, alice) = with_alice();
    let before = installation.sign_in(&alice, &origin(HOME));
    installation.pass(30);
    let recovery = asked(&mut installation, &alice.name);
    let code_now = alice.code(installation.now, 0);
    let prove = recovery.prove(&alice.name, recovery.mailed(), by_code(&code_now));
    let allowed = proven(installation.submit(&prove));
    assert_eq!((allowed.lost, allowed.ready_in_s), (Lost::Password, 0));
    let factors = installation.account(&alice.name).factors.len();

    assert_eq!(
        installation.submit(&recovery.finish(None)),
        Finished::PasswordMissing
    );
    let Finished::Onward(Onward::CodeDue { challenge, .. }) =
        installation.submit(&recovery.finish(Some("new")))
    else {
        panic!("no session comes of mail, but a challenge");
    };
    let account = installation.account(&alice.name);
    assert_eq!(account.password.as_ref().map(|set| &set.hash), Some(&hash("new")));
    assert!(account.sessions.is_empty() && account.recoveries.is_empty());
    assert_eq!(account.factors.len(), factors, "the factors stay");
    assert!(
        !installation
            .records
            .contains_key(&Key::Session(before.session.digest()))
    );
    // The code that was the proof is used up.
    let again = installation.verify(&challenge, &code_now, &origin(HOME));
    assert_eq!(again, countersign_auth::command::code::Verified::Refused);
    let notices = installation.notices(&alice.name);
    assert!(notices.contains(&NoticeKind::RecoveryProven), "{notices:?}");
    assert!(notices.contains(&NoticeKind::PasswordRecovered), "{notices:?}");
    for act in [Act::RecoveryAsk, Act::RecoveryProve, Act::RecoveryFinish] {
        assert_eq!(installation.audited(act, None), 1, "{act:?}");
    }
    assert_eq!(
        installation.submit(&recovery.finish(Some("newer"))),
        Finished::NoRecovery
    );
}

#[test]
fn backup_code_is_the_second_proof_and_is_replaced() {
    let (mut installation, alice) = with_alice();
    let recovery = asked(&mut installation, &alice.name);
    let prove = recovery.prove(&alice.name, recovery.mailed(), by_code(&alice.backup_codes[0]));
    assert!(proven(installation.submit(&prove)).replacement_code.is_some());
    assert_eq!(installation.audited(Act::BackupCodeUse, None), 1);
}

#[test]
fn lost_second_factors_stay_until_the_new_one_is_confirmed() {
    let (mut installation, alice) = with_alice();
    let other = installation.sign_in(&alice, &origin("192.0.2.9"));
    let before = installation.account(&alice.name).factors.clone();
    let session = enrolling(&mut installation, &alice);
    assert_eq!(session.level, Level::One);
    assert_eq!(installation.account(&alice.name).factors, before);

    let begun = granted(installation.begin_enrolment(asker(&session, "")));
    assert_eq!(
        begun.given.backup_codes.len(),
        10,
        "the old set may be lost as well"
    );
    let account = installation.account(&alice.name);
    assert_eq!(
        account.factors.iter().filter(|factor| factor.is_active()).count(),
        before.len()
    );
    assert!(
        account
            .sessions
            .iter()
            .any(|open| open.id == other.session.digest())
    );

    let now = installation.now;
    let confirm = enrol::Confirm {
        asker: asker(&session, &code(&secret(&begun.given), now, 0)),
    };
    let whole = installation.submit(&confirm).expect("the code is right");
    assert_eq!(whole.level, Level::Two);
    let account = installation.account(&alice.name);
    assert!(
        account
            .factors
            .iter()
            .all(|factor| before.iter().all(|old| old.id != factor.id))
    );
    assert_eq!(account.factors.len(), 2, "an authenticator and its backup codes");
    assert_eq!(account.sessions.len(), 1, "whoever holds the lost factor is out");
    let notices = installation.notices(&alice.name);
    assert!(notices.contains(&NoticeKind::FactorsRecovered), "{notices:?}");
    assert_eq!(
        installation.audited(Act::FactorRemove, Some(Reason::ByOwner)),
        before.len()
    );
}

#[test]
fn session_of_a_recovery_enrols_and_does_nothing_else() {
    let (mut installation, alice) = with_alice();
    let session = enrolling(&mut installation, &alice);
    let factor = installation.account(&alice.name).factors[0].id.clone();
    let right = alice.code(installation.now, 0);
    let remove = enrol::Remove {
        asker: asker(&session, &right),
        factor,
    };
    assert_eq!(installation.submit(&remove).err(), Some(Denied::NoSession));
    let replace = enrol::ReplaceBackupCodes {
        asker: asker(&session, &right),
    };
    assert_eq!(installation.submit(&replace).err(), Some(Denied::NoSession));
    let begin = contact::Begin {
        asker: asker(&session, &right),
        address: address("eve@example.net"),
    };
    assert_eq!(installation.submit(&begin).err(), Some(Denied::NoSession));
    let cancel = Cancel {
        by: By::Session(session.session.digest(), alice.name.clone()),
        origin: origin(HOME),
    };
    assert_eq!(installation.submit(&cancel), 0);
    assert_eq!(
        installation.account(&alice.name).factors.len(),
        2,
        "nothing was touched"
    );
}

#[test]
fn mailed_code_alone_and_either_wrong_proof_lead_nowhere() {
    let (mut installation, alice) = with_alice();
    let now = installation.now;
    let recovery = asked(&mut installation, &alice.name);
    let mailed = recovery.mailed().to_owned();
    let wrong = wrong_code(&alice.secret, now);
    let tries = [
        (mailed.as_str(), by_code(&wrong)),
        (mailed.as_str(), by_password(&alice.name, false)),
        ("aaaaa-aaaaa", by_password(&alice.name, true)),
        ("aaaaa-aaaaa", by_code(&alice.code(now, 0))),
    ];
    for (mailed, left) in tries {
        let proved = installation.submit(&recovery.prove(&alice.name, mailed, left));
        assert_eq!(proved, Proved::Refused);
        assert_eq!(
            installation.submit(&recovery.finish(Some("new"))),
            Finished::NoRecovery
        );
    }
    // A mailed code that is no code, and a recovery asked for somebody else, are no guesses.
    let malformed = recovery.prove(&alice.name, "123456", by_code("123456"));
    assert_eq!(installation.submit(&malformed), Proved::Malformed);
    let bob = installation.person("bob");
    let others = recovery.prove(&bob.name, &mailed, by_code(&bob.code(now, 0)));
    assert_eq!(installation.submit(&others), Proved::NoRecovery);
    // The fifth refusal is the last.
    let last = recovery.prove(&alice.name, &mailed, by_code(&wrong));
    assert_eq!(installation.submit(&last), Proved::Refused);
    let right = recovery.prove(&alice.name, &mailed, by_code(&alice.code(now, 0)));
    assert_eq!(installation.submit(&right), Proved::NoRecovery);
}

#[test]
fn what_is_left_is_not_looked_at_before_the_mailed_code_was_right() {
    let (mut installation, alice) = with_alice();
    let right = alice.code(installation.now, 0);
    let recovery = asked(&mut installation, &alice.name);
    let prove = recovery.prove(&alice.name, "aaaaa-aaaaa", by_code(&right));
    assert_eq!(installation.submit(&prove), Proved::Refused);
    let look = |mailed: &str| Look {
        shown: recovery.prove(&alice.name, mailed, by_code("")).shown,
        origin: origin(HOME),
    };
    assert!(!installation.submit(&look("aaaaa-aaaaa")));
    assert!(installation.submit(&look(recovery.mailed())));
    // The code was not used up by the first try.
    let prove = recovery.prove(&alice.name, recovery.mailed(), by_code(&right));
    assert_eq!(proven(installation.submit(&prove)).lost, Lost::Password);
}

#[test]
fn mailed_code_is_over_after_ten_minutes_and_works_once() {
    let (mut installation, alice) = with_alice();
    let recovery = asked(&mut installation, &alice.name);
    let prove = recovery.prove(&alice.name, recovery.mailed(), by_password(&alice.name, true));
    installation.pass(599);
    assert_eq!(proven(installation.submit(&prove)).lost, Lost::SecondFactor);
    assert_eq!(installation.submit(&prove), Proved::NoRecovery);

    let late = asked(&mut installation, &alice.name);
    let prove = late.prove(&alice.name, late.mailed(), by_password(&alice.name, true));
    installation.pass(600);
    assert_eq!(installation.submit(&prove), Proved::NoRecovery);
}

#[test]
fn request_for_an_unknown_name_takes_the_same_work_and_gets_the_same_answer() {
    let (mut installation, alice) = with_alice();
    let plain = installation.person("bob");
    installation.newcomer("carol");
    let mut works = Vec::new();
    for name in [&alice.name, &plain.name, &name("carol"), &name("nobody")] {
        let request = Request {
            name: name.clone(),
            origin: origin(&format!("198.51.100.{}", works.len())),
        };
        let (outcome, work) = installation.weigh(&request);
        let Requested::Accepted {
            recovery, to_send, ..
        } = outcome
        else {
            panic!("there is room");
        };
        assert_eq!(to_send.is_some(), *name == alice.name);
        let Some(Record::Recovery(record)) = installation.records.get(&Key::Recovery(recovery.digest()))
        else {
            panic!("a recovery is recorded for {name}");
        };
        works.push((work, record.code.len(), record.standing.len(), record.name.len()));
    }
    assert!(works.windows(2).all(|pair| pair[0] == pair[1]), "{works:?}");

    // Nor do proofs tell: a wrong code is counted alike.
    for name in [&alice.name, &name("nobody")] {
        let recovery = asked(&mut installation, name);
        let wrong = recovery.prove(name, "aaaaa-aaaaa", Left::Password(None));
        let refused: Vec<_> = (0..6).map(|_| installation.submit(&wrong)).collect();
        assert_eq!(refused[..5], [const { Proved::Refused }; 5], "{name}");
        assert_eq!(refused[5], Proved::NoRecovery);
    }
}

#[test]
fn unknown_name_of_a_request_stands_nowhere_as_text() {
    let mut installation = Installation::new();
    asked(&mut installation, &name("hunter2"));
    let records = format!("{:?} {:?}", installation.records, installation.audit);
    assert!(!records.contains("hunter2"), "{records}");
    assert_eq!(
        installation.audited(Act::RecoveryAsk, Some(Reason::UnknownName)),
        1
    );
}

#[test]
fn requests_are_counted_for_each_name_and_source_whether_or_not_there_is_anybody() {
    for text in ["alice", "nobody"] {
        let (mut installation, alice) = with_alice();
        let browser = installation
            .sign_in(&alice, &origin(HOME))
            .browser
            .expect("a new browser");
        for host in 0..3 {
            let from = origin(&format!("198.51.100.{host}"));
            assert!(ask(&mut installation, &name(text), &from).is_ok());
        }
        let wait = ask(&mut installation, &name(text), &origin("203.0.113.5")).err();
        assert_eq!(wait, Some(3600), "{text}");
        // Whoever is known is not kept out by strangers.
        let known = ask(&mut installation, &alice.name, &from_browser(HOME, &browser));
        assert!(known.is_ok());
        installation.pass(3600);
        assert!(ask(&mut installation, &name(text), &origin("203.0.113.5")).is_ok());
    }
    let mut installation = Installation::new();
    for number in 0..20 {
        assert!(ask(&mut installation, &name(&format!("name{number}")), &origin(HOME)).is_ok());
    }
    assert!(ask(&mut installation, &name("another"), &origin(HOME)).is_err());
}

#[test]
fn delay_holds_what_was_proven_back_and_its_owner_calls_it_off() {
    let (mut installation, alice) = with_alice();
    installation.policy.recovery.delay_s = 7200;
    let recovery = asked(&mut installation, &alice.name);
    let prove = recovery.prove(&alice.name, recovery.mailed(), by_password(&alice.name, true));
    let allowed = proven(installation.submit(&prove));
    assert_eq!((allowed.ready_in_s, allowed.expires_in_s), (7200, 7200 + 86_400));
    installation.pass(7199);
    let finish = recovery.finish(None);
    assert_eq!(installation.submit(&finish), Finished::NotYet { ready_in_s: 1 });

    // A link that was altered, or made for another recovery, is none.
    let keys = &installation.keys;
    let link = cancel_token(recovery.token.digest(), keys);
    let others = cancel_token(Digest::of("another"), keys);
    let altered = Zeroizing::new(format!("{}{}", &link[..64], &others[64..]));
    for wrong in [Zeroizing::new(String::new()), altered, others] {
        let cancel = Cancel {
            by: By::Link(wrong),
            origin: origin(HOME),
        };
        assert_eq!(installation.submit(&cancel), 0);
    }
    assert_eq!(installation.account(&alice.name).recoveries.len(), 1);
    let cancel = Cancel {
        by: By::Link(link),
        origin: origin("198.51.100.7"),
    };
    assert_eq!(installation.submit(&cancel), 1);
    assert_eq!(installation.submit(&cancel), 0);
    installation.pass(1);
    assert_eq!(installation.submit(&finish), Finished::NoRecovery);
    assert!(
        installation
            .notices(&alice.name)
            .contains(&NoticeKind::RecoveryCancelled)
    );
    assert_eq!(
        installation.audited(Act::RecoveryCancel, Some(Reason::ByOwner)),
        1
    );
}

#[test]
fn live_session_calls_a_recovery_off_and_a_password_change_voids_it() {
    let (mut installation, alice) = with_alice();
    installation.policy.recovery.delay_s = 7200;
    let session = installation.sign_in(&alice, &origin(HOME));
    let recovery = asked(&mut installation, &alice.name);
    let prove = recovery.prove(&alice.name, recovery.mailed(), by_password(&alice.name, true));
    proven(installation.submit(&prove));
    let by = |name: &Name| Cancel {
        by: By::Session(session.session.digest(), name.clone()),
        origin: origin(HOME),
    };
    let bob = installation.person("bob");
    assert_eq!(installation.submit(&by(&bob.name)), 0);
    assert_eq!(installation.submit(&by(&alice.name)), 1);

    let recovery = asked(&mut installation, &alice.name);
    let prove = recovery.prove(&alice.name, recovery.mailed(), by_password(&alice.name, true));
    proven(installation.submit(&prove));
    let disable = Manage {
        name: alice.name.clone(),
        action: Action::Disable,
        origin: origin("operator"),
    };
    installation.submit(&disable);
    installation.pass(7200);
    assert_eq!(installation.submit(&recovery.finish(None)), Finished::NoRecovery);
}

#[test]
fn request_is_void_once_the_address_or_the_factors_changed() {
    let (mut installation, alice) = with_alice();
    let recovery = asked(&mut installation, &alice.name);
    let prove = recovery.prove(&alice.name, recovery.mailed(), by_password(&alice.name, true));
    assert!(set_email(&mut installation, &alice.name, Some("new@example.org")));
    assert_eq!(installation.submit(&prove), Proved::NoRecovery);
    assert!(set_email(&mut installation, &alice.name, None));
    assert!(!set_email(&mut installation, &name("nobody"), None));
    assert!(asked(&mut installation, &alice.name).mailed.is_none());
}

#[test]
fn wrong_passwords_of_a_recovery_are_counted_like_those_of_a_sign_in() {
    let (mut installation, alice) = with_alice();
    let recovery = asked(&mut installation, &alice.name);
    let wrong = recovery.prove(&alice.name, recovery.mailed(), by_password(&alice.name, false));
    for _ in 0..4 {
        assert_eq!(installation.submit(&wrong), Proved::Refused);
    }
    let again = asked(&mut installation, &alice.name);
    let wrong = again.prove(&alice.name, again.mailed(), by_password(&alice.name, false));
    assert_eq!(installation.submit(&wrong), Proved::Refused);
    let right = again.prove(&alice.name, again.mailed(), by_password(&alice.name, true));
    assert_eq!(
        installation.submit(&right),
        Proved::Throttled { retry_after_s: 300 }
    );
}

#[test]
fn own_address_owes_a_code_and_then_the_code_sent_there_and_the_old_one_is_told() {
    let (mut installation, alice) = with_alice();
    let session = installation.sign_in(&alice, &origin(HOME));
    let begin = |code: &str| contact::Begin {
        asker: asker(&session, code),
        address: address("new@example.org"),
    };
    let confirm = |code: &str| contact::Confirm {
        asker: asker(&session, code),
    };
    assert_eq!(installation.submit(&begin("")).err(), Some(Denied::Malformed));
    installation.pass(30);
    let right = alice.code(installation.now, 0);
    let sent = granted(installation.submit(&begin(&right))).given;
    assert_eq!(sent.address, address("new@example.org"));
    let held = |installation: &Installation| {
        let email = installation.account(&alice.name).email.clone();
        email.expect("there is an address").address
    };
    assert_eq!(
        held(&installation),
        address(ADDRESS),
        "nothing changes before the code"
    );
    assert_eq!(installation.submit(&confirm("aaaaa-aaaaa")), Err(Denied::Refused));
    assert_eq!(installation.submit(&confirm("123456")), Err(Denied::Malformed));
    assert_eq!(installation.submit(&confirm(&sent.code)), Ok(()));
    assert_eq!(held(&installation), address("new@example.org"));
    let told = installation.records.values().any(|record| {
        matches!(record, Record::Notice(notice)
            if notice.kind == NoticeKind::EmailChanged && notice.former == Some(address(ADDRESS)))
    });
    assert!(told, "the old address is told");
    assert_eq!(installation.submit(&confirm(&sent.code)), Err(Denied::NoFactor));
}

#[test]
fn code_for_an_address_dies_after_five_wrong_ones_and_ten_minutes() {
    let (mut installation, alice) = with_alice();
    let session = installation.sign_in(&alice, &origin(HOME));
    for late in [false, true] {
        installation.pass(30);
        let begin = contact::Begin {
            asker: asker(&session, &alice.code(installation.now, 0)),
            address: address("new@example.org"),
        };
        let sent = granted(installation.submit(&begin)).given;
        let confirm = |code: &str| contact::Confirm {
            asker: asker(&session, code),
        };
        if late {
            installation.pass(600);
        } else {
            for _ in 0..5 {
                assert_eq!(installation.submit(&confirm("aaaaa-aaaaa")), Err(Denied::Refused));
            }
        }
        assert_eq!(installation.submit(&confirm(&sent.code)), Err(Denied::NoFactor));
    }
}

#[test]
fn recovery_reopens_what_wrong_codes_had_closed() {
    let (mut installation, alice) = with_alice();
    let from = origin(HOME);
    let challenge = installation.challenge(&alice.name, &from);
    for _ in 0..5 {
        let wrong = wrong_code(&alice.secret, installation.now);
        installation.verify(&challenge, &wrong, &from);
    }
    let recovery = asked(&mut installation, &alice.name);
    let code_now = alice.backup_codes[1].clone();
    installation.pass(300);
    let prove = recovery.prove(&alice.name, recovery.mailed(), by_code(&code_now));
    proven(installation.submit(&prove));
    let Finished::Onward(Onward::CodeDue { challenge, .. }) =
        installation.submit(&recovery.finish(Some("new")))
    else {
        panic!("a code is due");
    };
    let right = alice.code(installation.now, 0);
    assert_eq!(
        signed_in(installation.verify(&challenge, &right, &from)).level,
        Level::Two
    );
}
