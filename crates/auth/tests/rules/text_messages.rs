//! Codes by text message: offered where that is allowed, sent on request, worth one sign-in of one account for ten
//! minutes.

use countersign_auth::action::{Action as ToApprove, Field};
use countersign_auth::command::SignedIn;
use countersign_auth::command::approval::{Answer, Ask};
use countersign_auth::command::code::Verified;
use countersign_auth::command::enrol::{self, Confirm, Denied, Enrolment};
use countersign_auth::command::operator::{Action, Manage};
use countersign_auth::command::recovery::{Request, Requested};
use countersign_auth::command::send::{Asked, By, Look, Send};
use countersign_auth::command::step_up::StepUp;
use countersign_auth::contact::PhoneNumber;
use countersign_auth::credential::{Factor, ToText, Wish};
use countersign_auth::event::{Act, Origin, Reason};
use countersign_auth::id::Token;
use countersign_auth::name::Name;
use countersign_auth::policy::Policy;
use countersign_auth::record::{Key, Record};
use countersign_auth::session::Level;
use countersign_core::otp::Digits;

use crate::world::{HOME, Installation, asker, from_browser, granted, name, origin, signed_in};

const NUMBER: &str = "+41791234567";

fn wish() -> Wish {
    Wish::TextMessages(PhoneNumber::parse(NUMBER).expect("a number"))
}

fn allowing() -> Installation {
    let mut installation = Installation::new();
    installation.policy.sms_codes = true;
    installation
}

fn begin(installation: &mut Installation, session: &SignedIn, code: &str) -> Result<Enrolment, Denied> {
    let rule = enrol::Begin {
        asker: asker(session, code),
        wish: wish(),
        label: String::new(),
    };
    installation.submit(&rule).map(|granted| granted.given)
}

fn text_of(enrolment: Enrolment) -> ToText {
    enrolment.offer.to_text.expect("a code is on its way")
}

/// Somebody whose one second factor is a telephone, and a session of theirs. An hour has passed since it was confirmed.
fn with_telephone(installation: &mut Installation, who: &str) -> (Name, SignedIn) {
    let who = installation.newcomer(who);
    let session = installation.first_session(&who, &origin(HOME));
    let enrolment = granted(begin(installation, &session, ""));
    let asker = asker(&session, &text_of(enrolment).code);
    let session = installation
        .submit(&Confirm { asker })
        .expect("the code is right");
    installation.pass(3_600);
    (who, session)
}

fn send(installation: &mut Installation, by: By, from: &Origin) -> Asked {
    installation.submit(&Send {
        by,
        origin: from.clone(),
    })
}

fn sent(asked: Asked) -> ToText {
    match asked {
        Asked::Accepted(Some((_, to_text))) => to_text,
        Asked::Accepted(None) => panic!("there is a telephone, yet nothing was sent"),
        Asked::Throttled { retry_after_s } => panic!("there is room, yet {retry_after_s}"),
        Asked::Over => panic!("it is not over"),
    }
}

/// A challenge of somebody's, and the code that was sent for it.
fn challenged(installation: &mut Installation, who: &Name) -> (Token, ToText) {
    let challenge = installation.challenge(who, &origin(HOME));
    let to_text = sent(send(
        installation,
        By::Challenge(challenge.digest()),
        &origin(HOME),
    ));
    (challenge, to_text)
}

fn other_than(code: &str) -> String {
    let first = if code.starts_with('0') { '1' } else { '0' };
    format!("{first}{}", &code[1..])
}

#[test]
fn telephone_is_enrolled_without_anything_to_show_and_confirmed_by_the_code_that_was_sent() {
    let mut installation = allowing();
    let bob = installation.newcomer("bob");
    let session = installation.first_session(&bob, &origin(HOME));
    let enrolment = granted(begin(&mut installation, &session, ""));
    assert!(enrolment.offer.authenticator.is_none());
    assert_eq!((enrolment.backup_codes.len(), enrolment.expires_in_s), (10, 600));
    let to_text = text_of(enrolment);
    assert_eq!((to_text.number.as_str(), to_text.code.len()), (NUMBER, 6));
    let confirm = |code: &str| Confirm {
        asker: asker(&session, code),
    };
    let wrong = installation.submit(&confirm(&other_than(&to_text.code)));
    assert_eq!(wrong, Err(Denied::Refused));
    assert!(!installation.account(&bob).has_second_factor());
    let confirmed = installation.submit(&confirm(&to_text.code)).expect("it is right");
    assert_eq!((confirmed.level, confirmed.must_enrol), (Level::Two, false));
    match installation
        .records
        .get(&Key::Session(confirmed.session.digest()))
    {
        Some(Record::Session(session)) => assert_eq!(session.methods, ["pwd", "sms", "mfa"]),
        other => panic!("no session: {other:?}"),
    }
    let challenge = installation.challenge(&bob, &origin(HOME));
    let again = installation.verify(&challenge, &to_text.code, &origin(HOME));
    assert_eq!(again, Verified::Refused, "the confirming code is used up");
}

#[test]
fn telephone_is_not_offered_where_text_messages_are_not_allowed() {
    let mut installation = Installation::new();
    assert!(!Policy::default().sms_codes, "it is off by default");
    let bob = installation.newcomer("bob");
    let session = installation.first_session(&bob, &origin(HOME));
    assert_eq!(
        begin(&mut installation, &session, "").err(),
        Some(Denied::NotOffered)
    );
}

#[test]
fn code_signs_in_and_steps_up_at_the_ordinary_strength() {
    let mut installation = allowing();
    let (bob, _) = with_telephone(&mut installation, "bob");
    let (challenge, to_text) = challenged(&mut installation, &bob);
    let session = signed_in(installation.verify(&challenge, &to_text.code, &origin(HOME)));
    assert_eq!(session.level, Level::Two);
    let by = By::Session(session.session.digest(), bob.clone());
    let to_text = sent(send(&mut installation, by, &origin(HOME)));
    let rule = StepUp {
        asker: asker(&session, &to_text.code),
        purpose: String::new(),
    };
    let stepped_up = granted(installation.submit(&rule));
    let elevation = stepped_up.session.standing.elevation.expect("it is elevated");
    assert_eq!(elevation.level, Level::Two);
    assert!(stepped_up.session.methods.iter().any(|method| method == "sms"));
    assert_eq!(
        installation.audited(Act::CodeSend, None),
        3,
        "each sent code is an entry"
    );
}

#[test]
fn code_lives_ten_minutes_and_not_a_second_longer() {
    for (age_s, is_right) in [(599, true), (600, false)] {
        let mut installation = allowing();
        installation.policy.challenge_s = 3_600;
        let (bob, _) = with_telephone(&mut installation, "bob");
        let (challenge, to_text) = challenged(&mut installation, &bob);
        assert_eq!(to_text.expires_in_s, 600);
        installation.pass(age_s);
        let verified = installation.verify(&challenge, &to_text.code, &origin(HOME));
        assert_eq!(
            matches!(verified, Verified::SignedIn(_)),
            is_right,
            "after {age_s} s"
        );
    }
}

#[test]
fn code_is_used_up_by_its_acceptance_and_void_once_another_was_sent() {
    let mut installation = allowing();
    let (bob, _) = with_telephone(&mut installation, "bob");
    let (first, older) = challenged(&mut installation, &bob);
    let (second, newer) = challenged(&mut installation, &bob);
    assert_ne!(older.code, newer.code);
    assert_eq!(
        installation.verify(&first, &older.code, &origin(HOME)),
        Verified::Refused
    );
    signed_in(installation.verify(&first, &newer.code, &origin(HOME)));
    assert_eq!(
        installation.verify(&second, &newer.code, &origin(HOME)),
        Verified::Refused
    );
    let used = installation.audited(Act::CodeCheck, Some(Reason::CodeAlreadyUsed));
    assert_eq!(used, 1, "a used code is no guess, and is named as what it is");
}

#[test]
fn five_wrong_guesses_void_a_code_wherever_they_were_made() {
    for (guesses, is_right) in [(4, true), (5, false)] {
        let mut installation = allowing();
        let (bob, _) = with_telephone(&mut installation, "bob");
        let (_, to_text) = challenged(&mut installation, &bob);
        let wrong = other_than(&to_text.code);
        for guess in 0..guesses {
            // Each from elsewhere and at a challenge of its own, so that neither bears the five.
            installation.policy.budgets.strangers_code.failures_max = 100;
            let from = origin(&format!("192.0.2.{}", 10 + guess));
            let challenge = installation.challenge(&bob, &from);
            assert_eq!(installation.verify(&challenge, &wrong, &from), Verified::Refused);
        }
        let challenge = installation.challenge(&bob, &origin(HOME));
        let verified = installation.verify(&challenge, &to_text.code, &origin(HOME));
        let is_accepted = matches!(verified, Verified::SignedIn(_));
        assert_eq!(is_accepted, is_right, "after {guesses} wrong ones");
    }
}

#[test]
fn code_of_another_account_or_another_factor_is_worth_nothing() {
    let mut installation = allowing();
    let (alice, _) = with_telephone(&mut installation, "alice");
    let (bob, _) = with_telephone(&mut installation, "bob");
    let (challenge, _) = challenged(&mut installation, &alice);
    let (_, of_bob) = challenged(&mut installation, &bob);
    assert_eq!(
        installation.verify(&challenge, &of_bob.code, &origin(HOME)),
        Verified::Refused
    );

    // What is kept of alice's code, in a factor of another identifier, and in another account.
    let (challenge, of_alice) = challenged(&mut installation, &alice);
    let telephone = |installation: &Installation, who: &Name| -> Factor {
        let factors = &installation.account(who).factors;
        factors
            .iter()
            .find(|factor| !factor.is_backup())
            .expect("one")
            .clone()
    };
    let taken = telephone(&installation, &alice);
    let (renamed, moved) = ("00000000", taken.clone());
    set_telephone(
        &mut installation,
        &alice,
        Factor {
            id: renamed.into(),
            ..taken.clone()
        },
    );
    assert_eq!(
        installation.verify(&challenge, &of_alice.code, &origin(HOME)),
        Verified::Refused
    );
    set_telephone(&mut installation, &bob, moved);
    let of_bob = installation.challenge(&bob, &origin(HOME));
    assert_eq!(
        installation.verify(&of_bob, &of_alice.code, &origin(HOME)),
        Verified::Refused
    );
    set_telephone(&mut installation, &alice, taken);
    signed_in(installation.verify(&challenge, &of_alice.code, &origin(HOME)));
}

fn set_telephone(installation: &mut Installation, who: &Name, telephone: Factor) {
    match installation.records.get_mut(&Key::Account(who.clone())) {
        Some(Record::Account(account)) => {
            account.factors.retain(Factor::is_backup);
            account.factors.push(telephone);
        }
        other => panic!("no account: {other:?}"),
    }
}

#[test]
fn switched_off_means_off_for_what_is_under_way_too() {
    let mut installation = allowing();
    let (bob, _) = with_telephone(&mut installation, "bob");
    let (challenge, to_text) = challenged(&mut installation, &bob);
    let look = Look {
        challenge: challenge.digest(),
    };
    assert!(installation.submit(&look));
    installation.policy.sms_codes = false;
    assert!(!installation.submit(&look));
    let verified = installation.verify(&challenge, &to_text.code, &origin(HOME));
    assert_eq!(verified, Verified::Refused);
    let by = By::Challenge(challenge.digest());
    let asked = send(&mut installation, by, &origin(HOME));
    assert!(matches!(asked, Asked::Accepted(None)));
}

#[test]
fn asking_is_answered_and_counted_alike_whether_or_not_there_is_a_telephone() {
    let mut installation = allowing();
    let alice = installation.person("alice").name;
    let (bob, _) = with_telephone(&mut installation, "bob");
    for who in [&alice, &bob] {
        let challenge = installation.challenge(who, &origin(HOME));
        for _ in 0..3 {
            let by = By::Challenge(challenge.digest());
            let asked = send(&mut installation, by, &origin(HOME));
            assert_eq!(matches!(asked, Asked::Accepted(Some(_))), who == &bob);
            assert!(matches!(asked, Asked::Accepted(_)), "{who}");
        }
        let by = By::Challenge(challenge.digest());
        let asked = send(&mut installation, by, &origin(HOME));
        assert!(
            matches!(asked, Asked::Throttled { retry_after_s: 3_600 }),
            "a fourth of an hour: {who}"
        );
    }
    assert_eq!(installation.audited(Act::CodeSend, Some(Reason::NoFactor)), 3);
}

#[test]
fn one_telephone_is_sent_ten_messages_an_hour_from_however_many_known_browsers() {
    let mut installation = allowing();
    let (bob, _) = with_telephone(&mut installation, "bob");
    let mut browsers = Vec::new();
    for _ in 0..3 {
        let (challenge, to_text) = challenged(&mut installation, &bob);
        let opened = signed_in(installation.verify(&challenge, &to_text.code, &origin(HOME)));
        browsers.push(opened.browser.expect("it is known from now on"));
    }
    let mut sent = 3;
    for browser in &browsers {
        let from = from_browser(HOME, browser);
        let challenge = installation.challenge(&bob, &from);
        for _ in 0..3 {
            let by = By::Challenge(challenge.digest());
            if let Asked::Accepted(Some(_)) = send(&mut installation, by, &from) {
                sent += 1;
            }
        }
    }
    assert_eq!(sent, 10);
}

#[test]
fn nobody_without_a_challenge_or_a_session_is_sent_anything() {
    let mut installation = allowing();
    let (bob, session) = with_telephone(&mut installation, "bob");
    let (alice, of_alice) = with_telephone(&mut installation, "alice");
    let unknown = Token::draw(&mut |bytes: &mut [u8]| bytes.fill(7)).digest();
    for by in [
        By::Challenge(unknown),
        By::Session(unknown, bob.clone()),
        By::Session(of_alice.session.digest(), bob.clone()),
        By::Session(session.session.digest(), alice),
    ] {
        assert!(matches!(send(&mut installation, by, &origin(HOME)), Asked::Over));
    }
    let challenge = installation.challenge(&bob, &origin(HOME));
    let rule = Manage {
        name: name("bob"),
        action: Action::Disable,
        origin: origin("operator"),
    };
    installation.submit(&rule);
    let by = By::Challenge(challenge.digest());
    assert!(matches!(send(&mut installation, by, &origin(HOME)), Asked::Over));
}

#[test]
fn code_has_as_many_digits_as_the_policy_says_and_is_stored_as_nothing_that_shows_it() {
    for digits in [Digits::SIX, Digits::EIGHT] {
        let mut installation = allowing();
        installation.policy.parameters.digits = digits;
        let (bob, _) = with_telephone(&mut installation, "bob");
        let (challenge, to_text) = challenged(&mut installation, &bob);
        assert_eq!(to_text.code.len(), usize::from(digits.count()));
        let stored = format!("{:?}", installation.account(&bob));
        assert!(stored.contains("SmsCredential"), "{stored}");
        assert!(!stored.contains(to_text.code.as_str()), "{stored}");
        assert!(!stored.contains(NUMBER), "{stored}");
        signed_in(installation.verify(&challenge, &to_text.code, &origin(HOME)));
    }
}

#[test]
fn enrolling_a_telephone_is_counted_like_asking_for_a_code() {
    let mut installation = allowing();
    let bob = installation.newcomer("bob");
    let session = installation.first_session(&bob, &origin(HOME));
    for _ in 0..3 {
        granted(begin(&mut installation, &session, ""));
    }
    assert_eq!(
        begin(&mut installation, &session, "").err(),
        Some(Denied::Throttled { retry_after_s: 3_600 })
    );
}

#[test]
fn recoveries_that_strangers_ask_for_leave_the_codes_of_whoever_knows_the_password_alone() {
    let mut installation = allowing();
    let (bob, _) = with_telephone(&mut installation, "bob");
    let recovery = Request {
        name: bob.clone(),
        origin: origin("203.0.113.9"),
    };
    for _ in 0..3 {
        let asked = installation.submit(&recovery);
        assert!(matches!(asked, Requested::Accepted { .. }));
    }
    let asked = installation.submit(&recovery);
    assert!(
        matches!(asked, Requested::Throttled { .. }),
        "strangers' budget is used up"
    );
    let (challenge, to_text) = challenged(&mut installation, &bob);
    signed_in(installation.verify(&challenge, &to_text.code, &origin(HOME)));
}

#[test]
fn code_that_was_sent_approves_no_action_though_a_one_time_code_may() {
    let mut installation = allowing();
    let (bob, session) = with_telephone(&mut installation, "bob");
    let field = Field {
        name: "to".into(),
        value: "Mallory".into(),
    };
    let (id, _) = granted(installation.submit(&Ask {
        application: name("shop"),
        name: bob.clone(),
        action: ToApprove::new("payment".into(), vec![field]).expect("an action"),
        expires_in_s: 120,
        totp_fallback: true,
        origin: origin("198.51.100.7"),
    }));
    let by = By::Session(session.session.digest(), bob);
    let to_text = sent(send(&mut installation, by, &origin(HOME)));
    let answered = installation.submit(&Answer {
        asker: asker(&session, &to_text.code),
        id,
        deny: false,
    });
    assert_eq!(answered, Err(Denied::Refused));
}
