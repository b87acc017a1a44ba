//! Action-bound approval: a code covers one action, once, and the application hears of it once.

use countersign_auth::action::{Action, ActionError, FIELDS_MAX, Field, SUITE, VALUE_CHARS_MAX};
use countersign_auth::asks::{ASKS_MAX, ASKS_OF_ONE_MAX};
use countersign_auth::command::SignedIn;
use countersign_auth::command::approval::{Answer, Answered, Ask, NotAsked, Redeem, Redeemed, Waiting};
use countersign_auth::command::enrol::Denied;
use countersign_auth::command::operator::{Action as OperatorAct, Manage};
use countersign_auth::command::upkeep::Sweep;
use countersign_auth::event::{Act, Ending, Reason};
use countersign_auth::id::Digest;
use countersign_auth::policy::{APPROVALS_MAX, APPROVALS_OF_ONE_MAX, REDEEM_S};
use countersign_auth::record::{Approval, Key, NoticeKind, Record};
use countersign_core::otp::SharedSecret;
use countersign_core::otp::ocra::{Input, Suite};

use crate::world::{HOME, Installation, Person, asker, granted, name, origin, wrong_code};

fn action(amount: &str, to: &str) -> Action {
    let field = |name: &str, value: &str| Field {
        name: name.into(),
        value: value.into(),
    };
    let fields = vec![field("to", to), field("amount", amount)];
    Action::new("payment".into(), fields).expect("an action")
}

/// What a token shows when a question is typed into it.
fn response(secret: &SharedSecret, question: &str) -> String {
    let suite: Suite = SUITE.parse().expect("a suite");
    let input = Input {
        question,
        ..Input::default()
    };
    suite.respond(secret, &input).expect("it fits").to_string()
}

/// A response that is not the right one.
fn wrong_response(secret: &SharedSecret, question: &str) -> String {
    let right: u32 = response(secret, question).parse().expect("digits");
    format!("{:08}", (right + 1) % 100_000_000)
}

fn ask_by(application: &str, to: &str, totp_fallback: bool) -> Ask {
    Ask {
        application: name(application),
        name: name("alice"),
        action: action("250.00 EUR", to),
        expires_in_s: 120,
        totp_fallback,
        origin: origin("198.51.100.7"),
    }
}

fn asked(installation: &mut Installation, to: &str, totp_fallback: bool) -> (Digest, Approval) {
    granted(installation.submit(&ask_by("shop", to, totp_fallback)))
}

fn answer(
    installation: &mut Installation,
    session: &SignedIn,
    id: Digest,
    code: &str,
) -> Result<Answered, Denied> {
    installation.submit(&Answer {
        asker: asker(session, code),
        id,
        deny: false,
    })
}

fn redeem_by(installation: &mut Installation, application: &str, id: Digest) -> Option<Redeemed> {
    installation.submit(&Redeem {
        application: name(application),
        id,
        origin: origin("198.51.100.7"),
    })
}

fn redeem(installation: &mut Installation, id: Digest) -> Option<Redeemed> {
    redeem_by(installation, "shop", id)
}

fn one_session() -> (Installation, Person, SignedIn) {
    let mut installation = Installation::new();
    let person = installation.person("alice");
    let session = installation.sign_in(&person, &origin(HOME));
    installation.pass(30);
    (installation, person, session)
}

#[test]
fn response_approves_the_action_it_covers_once_and_the_application_hears_it_once() {
    let (mut installation, alice, session) = one_session();
    let (id, approval) = asked(&mut installation, "Bob", false);
    assert!(matches!(
        redeem(&mut installation, id),
        Some(Redeemed::Waiting(_))
    ));
    let code = response(&alice.secret, &approval.question);
    assert_eq!(
        answer(&mut installation, &session, id, &code),
        Ok(Answered::Approved)
    );
    assert_eq!(
        answer(&mut installation, &session, id, &code),
        Ok(Answered::Gone),
        "it is answered"
    );
    assert_eq!(
        redeem_by(&mut installation, "other", id),
        None,
        "another application"
    );
    match redeem(&mut installation, id) {
        Some(Redeemed::Approved { approval, at, bound }) => {
            assert_eq!((at, bound), (installation.now, true));
            assert_eq!(approval.action.digest(), action("250.00 EUR", "Bob").digest());
        }
        other => panic!("it was approved, yet {other:?}"),
    }
    assert_eq!(redeem(&mut installation, id), None, "told once");
    assert!(installation.account(&alice.name).approvals.is_empty());
    let digest = action("250.00 EUR", "Bob").digest().to_string();
    for act in [Act::ApprovalAsk, Act::ApprovalAnswer, Act::ApprovalRedeem] {
        let events: Vec<_> = installation
            .audit
            .iter()
            .filter(|event| event.act == act)
            .collect();
        assert_eq!(events.len(), 1, "{act:?}");
        assert_eq!(events[0].result, Ending::Success);
        assert_eq!(events[0].object, format!("shop: sha256:{digest}"));
    }
}

#[test]
fn captured_response_is_worthless_for_any_other_action_and_any_other_approval_of_the_same() {
    let (mut installation, alice, session) = one_session();
    let (_, honest) = asked(&mut installation, "Bob", false);
    let captured = response(&alice.secret, &honest.question);
    for to in ["Mallory", "Bob"] {
        let (id, other) = asked(&mut installation, to, false);
        assert_ne!(other.question, honest.question);
        assert_eq!(
            answer(&mut installation, &session, id, &captured),
            Err(Denied::Refused),
            "{to}"
        );
        let waiting = redeem(&mut installation, id);
        assert!(matches!(waiting, Some(Redeemed::Waiting(_))), "{waiting:?}");
    }
}

#[test]
fn one_time_code_approves_only_where_application_and_policy_let_it() {
    for (asked_for, policy, approves) in [
        (true, true, true),
        (true, false, false),
        (false, true, false),
        (false, false, false),
    ] {
        let (mut installation, alice, session) = one_session();
        installation.policy.totp_fallback = policy;
        let (id, approval) = asked(&mut installation, "Bob", asked_for);
        assert_eq!(approval.totp_fallback, approves);
        let code = alice.code(installation.now, 0);
        let expected = match approves {
            true => Ok(Answered::Approved),
            false => Err(Denied::Malformed),
        };
        assert_eq!(
            answer(&mut installation, &session, id, &code),
            expected,
            "{asked_for} {policy}"
        );
        if approves {
            let redeemed = redeem(&mut installation, id);
            assert!(
                matches!(redeemed, Some(Redeemed::Approved { bound: false, .. })),
                "{redeemed:?}"
            );
            let (second, _) = asked(&mut installation, "Bob", true);
            assert_eq!(
                answer(&mut installation, &session, second, &code),
                Err(Denied::Refused),
                "the code is used up"
            );
        }
    }
}

#[test]
fn what_is_no_response_is_not_counted_and_a_backup_code_approves_nothing() {
    let (mut installation, alice, session) = one_session();
    let (id, approval) = asked(&mut installation, "Bob", true);
    let backup = alice.backup_codes[0].clone();
    for code in ["", "12345", "123456789", "１２３４５６７８", &backup] {
        assert_eq!(
            answer(&mut installation, &session, id, code),
            Err(Denied::Malformed),
            "{code}"
        );
    }
    assert_eq!(
        installation.audited(Act::ApprovalAnswer, Some(Reason::WrongCode)),
        0
    );
    let code = response(&alice.secret, &approval.question);
    let spaced = format!("{} {}", &code[..4], &code[4..]);
    assert_eq!(
        answer(&mut installation, &session, id, &spaced),
        Ok(Answered::Approved)
    );
}

#[test]
fn fifth_wrong_code_denies_and_the_budget_of_codes_is_one_over_all_doors() {
    let (mut installation, alice, session) = one_session();
    let (id, approval) = asked(&mut installation, "Bob", false);
    let wrong = wrong_response(&alice.secret, &approval.question);
    for _ in 0..5 {
        assert_eq!(
            answer(&mut installation, &session, id, &wrong),
            Err(Denied::Refused)
        );
    }
    assert!(matches!(redeem(&mut installation, id), Some(Redeemed::Denied(_))));
    assert_eq!(
        installation.notices(&alice.name).last(),
        Some(&NoticeKind::ApprovalDenied)
    );
    let (id, approval) = asked(&mut installation, "Bob", false);
    let right = response(&alice.secret, &approval.question);
    let denied = answer(&mut installation, &session, id, &right);
    assert!(matches!(denied, Err(Denied::Throttled { .. })), "{denied:?}");
}

#[test]
fn wrong_code_of_a_step_up_and_of_an_approval_share_the_budget() {
    let (mut installation, alice, session) = one_session();
    let (id, _) = asked(&mut installation, "Bob", true);
    for _ in 0..4 {
        let wrong = wrong_code(&alice.secret, installation.now);
        assert_eq!(
            answer(&mut installation, &session, id, &wrong),
            Err(Denied::Refused)
        );
    }
    let step_up = |installation: &mut Installation, code: String| {
        installation
            .submit(&countersign_auth::command::step_up::StepUp {
                asker: asker(&session, &code),
                purpose: String::new(),
            })
            .map(drop)
    };
    let wrong = wrong_code(&alice.secret, installation.now);
    assert_eq!(step_up(&mut installation, wrong), Err(Denied::Refused));
    let right = alice.code(installation.now, 0);
    assert!(matches!(
        step_up(&mut installation, right),
        Err(Denied::Throttled { .. })
    ));
}

#[test]
fn owner_denies_without_a_code_and_nobody_else_answers() {
    let (mut installation, alice, session) = one_session();
    let bob = installation.person("bob");
    let stranger = installation.sign_in(&bob, &origin(HOME));
    let (id, approval) = asked(&mut installation, "Bob", false);
    let code = response(&bob.secret, &approval.question);
    assert_eq!(
        answer(&mut installation, &stranger, id, &code),
        Ok(Answered::Gone)
    );
    let deny = |session: &SignedIn| Answer {
        asker: asker(session, ""),
        id,
        deny: true,
    };
    assert_eq!(installation.submit(&deny(&stranger)), Ok(Answered::Gone));
    assert_eq!(installation.submit(&deny(&session)), Ok(Answered::Denied));
    let code = response(&alice.secret, &approval.question);
    assert_eq!(answer(&mut installation, &session, id, &code), Ok(Answered::Gone));
    assert!(matches!(redeem(&mut installation, id), Some(Redeemed::Denied(_))));
    assert_eq!(
        installation.audited(Act::ApprovalAnswer, Some(Reason::ByOwner)),
        1
    );
}

#[test]
fn approval_is_answered_before_its_last_second_and_redeemed_a_minute_longer() {
    for (after_s, answered) in [(119, Ok(Answered::Approved)), (120, Ok(Answered::Gone))] {
        let (mut installation, alice, session) = one_session();
        let (id, approval) = asked(&mut installation, "Bob", false);
        installation.pass(after_s);
        let code = response(&alice.secret, &approval.question);
        assert_eq!(answer(&mut installation, &session, id, &code), answered);
        installation.pass(120 + REDEEM_S - 1 - after_s);
        let redeemed = redeem(&mut installation, id);
        let is_told = match answered {
            Ok(Answered::Approved) => matches!(redeemed, Some(Redeemed::Approved { .. })),
            _ => matches!(redeemed, Some(Redeemed::Expired(_))),
        };
        assert!(is_told, "{redeemed:?}");
    }
    let (mut installation, alice, session) = one_session();
    let (id, approval) = asked(&mut installation, "Bob", false);
    let code = response(&alice.secret, &approval.question);
    assert_eq!(
        answer(&mut installation, &session, id, &code),
        Ok(Answered::Approved)
    );
    installation.pass(120 + REDEEM_S);
    assert_eq!(redeem(&mut installation, id), None, "nobody came for it");
}

#[test]
fn what_nobody_answered_is_swept_and_audited() {
    let (mut installation, _, _) = one_session();
    let (id, approval) = asked(&mut installation, "Bob", false);
    installation.now = approval.expires_at;
    let keys = vec![Key::Approval(id)];
    assert_eq!(installation.submit(&Sweep { keys }), 1);
    assert!(!installation.records.contains_key(&Key::Approval(id)));
    assert_eq!(
        installation.audited(Act::ApprovalAnswer, Some(Reason::TimedOut)),
        1
    );
}

#[test]
fn times_asked_for_are_brought_within_bounds() {
    for (asked_s, given_s) in [(0, 30), (30, 30), (300, 300), (301, 300), (u32::MAX, 300)] {
        let (mut installation, _, _) = one_session();
        let mut ask = ask_by("shop", "Bob", false);
        ask.expires_in_s = asked_s;
        let (_, approval) = granted(installation.submit(&ask));
        assert_eq!(approval.answer_until.since(installation.now), given_s);
    }
}

#[test]
fn so_many_wait_at_once_for_one_application_and_for_all() {
    let (mut installation, alice, _) = one_session();
    for application in ["shop", "bank"] {
        for _ in 0..APPROVALS_OF_ONE_MAX {
            granted(installation.submit(&ask_by(application, "Bob", false)));
        }
        let beyond = installation.submit(&ask_by(application, "Bob", false));
        assert!(matches!(beyond, Err(NotAsked::TooMany { .. })), "{beyond:?}");
    }
    assert_eq!(installation.account(&alice.name).approvals.len(), APPROVALS_MAX);
    let beyond = installation.submit(&ask_by("third", "Bob", false));
    assert!(matches!(beyond, Err(NotAsked::TooMany { .. })), "{beyond:?}");
    let waiting = Waiting {
        name: alice.name.clone(),
    };
    assert_eq!(installation.submit(&waiting).len(), APPROVALS_MAX);
    installation.pass(120 + REDEEM_S);
    assert!(installation.submit(&ask_by("third", "Bob", false)).is_ok());
}

#[test]
fn flood_of_one_application_is_throttled_for_an_hour_and_of_all_together() {
    let (mut installation, alice, session) = one_session();
    let begun = installation.now;
    let flood = |installation: &mut Installation, application: &str| -> Option<u32> {
        let asked = installation.submit(&ask_by(application, "Bob", false));
        let (id, _) = match asked {
            Ok(asked) => asked,
            Err(NotAsked::TooMany { retry_after_s }) => return Some(retry_after_s),
            Err(other) => panic!("{other:?}"),
        };
        let deny = Answer {
            asker: asker(&session, ""),
            id,
            deny: true,
        };
        assert_eq!(installation.submit(&deny), Ok(Answered::Denied));
        assert!(redeem_by(installation, application, id).is_some());
        None
    };
    for application in ["shop", "bank", "club"] {
        for _ in 0..ASKS_OF_ONE_MAX {
            assert_eq!(flood(&mut installation, application), None);
        }
        assert_eq!(flood(&mut installation, application), Some(3_600));
    }
    assert_eq!(ASKS_MAX, 3 * ASKS_OF_ONE_MAX);
    assert_eq!(flood(&mut installation, "fourth"), Some(3_600), "over all");
    assert_eq!(installation.account(&alice.name).asks.len(), ASKS_MAX);
    installation.now = begun.plus(3_599);
    assert_eq!(flood(&mut installation, "shop"), Some(1));
    installation.now = begun.plus(3_600);
    assert_eq!(flood(&mut installation, "shop"), None);
}

#[test]
fn nobody_is_asked_who_is_unknown_disabled_or_without_a_second_factor() {
    let mut installation = Installation::new();
    assert_eq!(
        installation.submit(&ask_by("shop", "Bob", false)),
        Err(NotAsked::Nobody)
    );
    installation.newcomer("alice");
    assert_eq!(
        installation.submit(&ask_by("shop", "Bob", false)),
        Err(NotAsked::Nobody)
    );
}

#[test]
fn disabling_an_account_ends_what_it_approved_and_nobody_redeemed() {
    let (mut installation, alice, session) = one_session();
    let (id, approval) = asked(&mut installation, "Bob", false);
    let code = response(&alice.secret, &approval.question);
    assert_eq!(
        answer(&mut installation, &session, id, &code),
        Ok(Answered::Approved)
    );
    installation.submit(&Manage {
        name: alice.name.clone(),
        action: OperatorAct::Disable,
        origin: origin("operator"),
    });
    assert_eq!(redeem(&mut installation, id), None);
    assert_eq!(
        installation.submit(&ask_by("shop", "Bob", false)),
        Err(NotAsked::Nobody)
    );
}

#[test]
fn no_record_of_an_approval_holds_a_code() {
    let (mut installation, alice, session) = one_session();
    let (id, approval) = asked(&mut installation, "Bob", false);
    let code = response(&alice.secret, &approval.question);
    assert_eq!(
        answer(&mut installation, &session, id, &code),
        Ok(Answered::Approved)
    );
    let Some(Record::Approval(kept)) = installation.records.get(&Key::Approval(id)) else {
        panic!("it is kept until it is redeemed");
    };
    assert!(!format!("{kept:?}{:?}", installation.audit).contains(&code));
}

#[test]
fn every_change_of_an_action_is_another_digest_and_order_is_none() {
    let base = action("250.00 EUR", "Bob");
    let field = |name: &str, value: &str| Field {
        name: name.into(),
        value: value.into(),
    };
    let of = |kind: &str, fields: Vec<Field>| Action::new(kind.into(), fields).expect("an action");
    let reordered = of("payment", vec![field("amount", "250.00 EUR"), field("to", "Bob")]);
    assert_eq!(reordered.digest(), base.digest());
    assert_eq!(
        base.canonical(),
        r#"{"fields":{"amount":"250.00 EUR","to":"Bob"},"kind":"payment"}"#
    );
    for other in [
        action("250.01 EUR", "Bob"),
        action("250.00 EUR", "bob"),
        of(
            "payments",
            vec![field("amount", "250.00 EUR"), field("to", "Bob")],
        ),
        of("payment", vec![field("amount", "Bob"), field("to", "250.00 EUR")]),
        of("payment", vec![field("amount", r#"250.00 EUR","to":"Bob"#)]),
    ] {
        assert_ne!(other.digest(), base.digest(), "{}", other.canonical());
    }
}

#[test]
fn action_has_the_bounds_that_it_is_shown_in() {
    let field = |name: &str, value: &str| Field {
        name: name.into(),
        value: value.into(),
    };
    let of = |kind: &str, fields: Vec<Field>| Action::new(kind.into(), fields);
    let many = |count: usize| (0..count).map(|at| field(&format!("f{at}"), "x")).collect();
    assert!(of("k", many(FIELDS_MAX)).is_ok());
    for fields in [many(0), many(FIELDS_MAX + 1)] {
        assert_eq!(of("k", fields), Err(ActionError::Fields));
    }
    for wrong in ["", "Kind", "1st", "two words", &"k".repeat(33), "é"] {
        assert_eq!(of(wrong, many(1)), Err(ActionError::Name), "{wrong}");
        assert_eq!(
            of("k", vec![field(wrong, "x")]),
            Err(ActionError::Name),
            "{wrong}"
        );
    }
    let twice = vec![field("to", "Bob"), field("to", "Mallory")];
    assert_eq!(of("k", twice), Err(ActionError::Twice("to".into())));
    assert!(of("k", vec![field("to", &"ß".repeat(VALUE_CHARS_MAX))]).is_ok());
    let long = "ß".repeat(VALUE_CHARS_MAX + 1);
    for wrong in ["", " Bob", "Bob ", "Bob  Smith", &long] {
        let error = ActionError::Length("to".into());
        assert_eq!(of("k", vec![field("to", wrong)]), Err(error), "{wrong}");
    }
    let error = ActionError::Character("to".into());
    assert_eq!(of("k", vec![field("to", "Bob\nMallory")]), Err(error));
}
