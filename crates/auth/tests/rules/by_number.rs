//! Approve by number: a session is stepped up when its number is typed in another one, and what that is worth.

use countersign_auth::asks::ASKS_OF_ONE_MAX;
use countersign_auth::command::SignedIn;
use countersign_auth::command::enrol::Denied;
use countersign_auth::command::number::{
    Answer, Answered, Begin, Begun, Collect, Collected, LENDER, Look, Looked, Waiting,
};
use countersign_auth::command::session::{End, Which};
use countersign_auth::command::step_up::{StepUp, SteppedUp};
use countersign_auth::command::upkeep::Sweep;
use countersign_auth::event::{Act, Reason};
use countersign_auth::id::{Digest, Presented};
use countersign_auth::policy::{LENDER_S, NUMBER_S, REDEEM_S, SecondFactor};
use countersign_auth::record::{Key, NoticeKind, Record};
use countersign_auth::session::{Level, opened};
use countersign_core::elevation::{Demand, ElevationVerdict, Standing, judge};
use zeroize::Zeroizing;

use crate::world::{HOME, Installation, Person, asker, granted, name, origin};

/// One person, signed in twice: where it is asked, and where it is answered.
fn two_sessions() -> (Installation, Person, SignedIn, SignedIn) {
    let mut installation = Installation::new();
    let person = installation.person("alice");
    let asking = installation.sign_in(&person, &origin(HOME));
    let answering = installation.sign_in(&person, &origin("192.0.2.9"));
    installation.pass(60);
    (installation, person, asking, answering)
}

fn standing_of(installation: &Installation, session: &SignedIn) -> Standing {
    match installation.records.get(&Key::Session(session.session.digest())) {
        Some(Record::Session(kept)) => kept.standing,
        other => panic!("no session: {other:?}"),
    }
}

fn begin(installation: &mut Installation, session: &SignedIn) -> Result<Begun, Denied> {
    installation.submit(&Begin {
        asker: asker(session, ""),
        purpose: "pay an invoice".into(),
    })
}

fn answer_to(
    installation: &mut Installation,
    session: &SignedIn,
    id: Digest,
    number: Option<&str>,
) -> Result<Answered, Denied> {
    let standing = standing_of(installation, session);
    installation.submit(&Answer {
        asker: asker(session, ""),
        standing,
        id,
        number: number.map(|number| Zeroizing::new(number.into())),
    })
}

fn collect(installation: &mut Installation, session: &SignedIn, begun: &Begun) -> Collected {
    granted(installation.submit(&Collect {
        asker: asker(session, ""),
        request: begun.token.digest(),
    }))
}

fn stepped_up(collected: Collected) -> SteppedUp {
    match collected {
        Collected::SteppedUp(stepped_up) => *stepped_up,
        other => panic!("it was approved, yet {other:?}"),
    }
}

fn other_number(number: &str) -> String {
    let number: u32 = number.parse().expect("digits");
    format!("{:06}", (number + 1) % 1_000_000)
}

#[test]
fn number_typed_in_another_session_elevates_the_asking_one_once_with_its_new_token_alone() {
    let (mut installation, _, asking, answering) = two_sessions();
    let begun = granted(begin(&mut installation, &asking));
    assert!(matches!(
        collect(&mut installation, &asking, &begun),
        Collected::Waiting
    ));
    let waiting = installation.submit(&Waiting {
        asker: asker(&answering, ""),
    });
    let (id, request) = waiting.expect("it is shown to the other session");
    assert_eq!(
        (request.network.as_str(), request.purpose.as_str()),
        (HOME, "pay an invoice")
    );
    assert_eq!(
        answer_to(&mut installation, &answering, id, Some(begun.number.expose())),
        Ok(Answered::Approved)
    );
    let elevated = stepped_up(collect(&mut installation, &asking, &begun));
    let opens = |token: &str| {
        let presented = Presented::of(token).expect("a token");
        let standing = opened(&elevated.session, presented.key, None, installation.now)?;
        Some(judge(&standing, &Demand::ELEVATED, installation.now))
    };
    assert_eq!(opens(elevated.token.expose()), Some(ElevationVerdict::Met));
    assert_eq!(
        opens(asking.session.expose()),
        Some(ElevationVerdict::Required),
        "a copy of the old token gains nothing"
    );
    let amr = &elevated.session.methods;
    assert!(amr.iter().any(|method| method == "mca"), "{amr:?}");
    assert!(matches!(
        collect(&mut installation, &asking, &begun),
        Collected::Gone
    ));
    assert_eq!(installation.audited(Act::NumberAsk, None), 1);
    assert_eq!(installation.audited(Act::NumberAnswer, None), 1);
    assert_eq!(installation.audited(Act::StepUp, None), 1);
}

#[test]
fn nobody_answers_for_their_own_session_or_for_another_person() {
    let (mut installation, _, asking, _) = two_sessions();
    let bob = installation.person("bob");
    let stranger = installation.sign_in(&bob, &origin(HOME));
    let begun = granted(begin(&mut installation, &asking));
    let id = begun.token.digest();
    for session in [&asking, &stranger] {
        let waiting = Waiting {
            asker: asker(session, ""),
        };
        assert_eq!(installation.submit(&waiting), None);
        for number in [Some(begun.number.expose()), None] {
            assert_eq!(
                answer_to(&mut installation, session, id, number),
                Ok(Answered::Gone)
            );
        }
    }
    assert!(matches!(
        collect(&mut installation, &asking, &begun),
        Collected::Waiting
    ));
}

#[test]
fn third_wrong_number_denies_and_its_owner_is_told() {
    let (mut installation, alice, asking, answering) = two_sessions();
    let begun = granted(begin(&mut installation, &asking));
    let (id, wrong) = (begun.token.digest(), other_number(begun.number.expose()));
    for shapeless in ["", "12", "1234567", "abcdef"] {
        assert_eq!(
            answer_to(&mut installation, &answering, id, Some(shapeless)),
            Err(Denied::Malformed)
        );
    }
    for expected in [Answered::Wrong, Answered::Wrong, Answered::Denied, Answered::Gone] {
        assert_eq!(
            answer_to(&mut installation, &answering, id, Some(&wrong)),
            Ok(expected)
        );
    }
    assert_eq!(
        answer_to(&mut installation, &answering, id, Some(begun.number.expose())),
        Ok(Answered::Gone)
    );
    assert!(matches!(
        collect(&mut installation, &asking, &begun),
        Collected::Denied
    ));
    assert_eq!(
        installation.audited(Act::NumberAnswer, Some(Reason::WrongCode)),
        3
    );
    assert_eq!(
        installation.notices(&alice.name).last(),
        Some(&NoticeKind::NumberDenied)
    );
    assert_eq!(installation.audited(Act::StepUp, None), 0);
}

#[test]
fn no_is_an_answer_and_any_session_of_the_person_may_give_it() {
    let (mut installation, alice, asking, answering) = two_sessions();
    installation.pass(u64::from(LENDER_S) - 200);
    let begun = granted(begin(&mut installation, &asking));
    let id = begun.token.digest();
    assert_eq!(
        answer_to(&mut installation, &answering, id, None),
        Ok(Answered::Denied)
    );
    assert!(matches!(
        collect(&mut installation, &asking, &begun),
        Collected::Denied
    ));
    assert_eq!(installation.audited(Act::NumberAnswer, Some(Reason::ByOwner)), 1);
    assert_eq!(
        installation.notices(&alice.name).last(),
        Some(&NoticeKind::NumberDenied)
    );
}

#[test]
fn ninety_seconds_without_an_answer_are_no() {
    for (after_s, answered) in [(NUMBER_S - 1, Answered::Approved), (NUMBER_S, Answered::Gone)] {
        let (mut installation, _, asking, answering) = two_sessions();
        let begun = granted(begin(&mut installation, &asking));
        installation.pass(after_s);
        let id = begun.token.digest();
        assert_eq!(
            answer_to(&mut installation, &answering, id, Some(begun.number.expose())),
            Ok(answered)
        );
        let collected = collect(&mut installation, &asking, &begun);
        if answered == Answered::Gone {
            assert!(matches!(collected, Collected::Expired), "{collected:?}");
            assert_eq!(installation.audited(Act::NumberAnswer, Some(Reason::TimedOut)), 1);
        } else {
            stepped_up(collected);
        }
    }
    let (mut installation, _, asking, _) = two_sessions();
    let begun = granted(begin(&mut installation, &asking));
    installation.pass(NUMBER_S + REDEEM_S);
    assert!(matches!(
        collect(&mut installation, &asking, &begun),
        Collected::Gone
    ));
    let keys = vec![Key::NumberRequest(begun.token.digest())];
    assert_eq!(installation.submit(&Sweep { keys }), 1);
    assert_eq!(installation.audited(Act::NumberAnswer, Some(Reason::TimedOut)), 1);
}

#[test]
fn lender_has_proven_a_code_within_the_hour() {
    let second = Standing {
        level: Level::Two,
        authenticated_at: crate::world::START,
        elevation: None,
    };
    let at = |seconds| judge(&second, &LENDER, crate::world::START.plus(seconds));
    assert_eq!(at(u64::from(LENDER_S)), ElevationVerdict::Met);
    assert_ne!(at(u64::from(LENDER_S) + 1), ElevationVerdict::Met);
    let (mut installation, _, asking, answering) = two_sessions();
    installation.policy.session_s = 86_400;
    let begun = granted(begin(&mut installation, &asking));
    let old = Standing {
        authenticated_at: countersign_core::time::UnixSeconds(installation.now.0 - u64::from(LENDER_S) - 1),
        ..standing_of(&installation, &answering)
    };
    let weak = Standing {
        level: Level::One,
        ..standing_of(&installation, &answering)
    };
    for standing in [old, weak] {
        let refused = installation.submit(&Answer {
            asker: asker(&answering, ""),
            standing,
            id: begun.token.digest(),
            number: Some(Zeroizing::new(begun.number.expose().into())),
        });
        assert_eq!(refused, Ok(Answered::TooWeak(ElevationVerdict::Required)));
    }
    let still = collect(&mut installation, &asking, &begun);
    assert!(matches!(still, Collected::Waiting), "{still:?}");
}

#[test]
fn two_sessions_never_keep_each_other_elevated_beyond_the_hour_of_the_last_code() {
    let mut installation = Installation::new();
    installation.policy.session_s = 86_400;
    let alice = installation.person("alice");
    let one = installation.sign_in(&alice, &origin(HOME));
    let other = installation.sign_in(&alice, &origin("192.0.2.9"));
    let proven = installation.now;
    let mut sessions = [&one, &other];
    let mut last = proven;
    for _ in 0..9 {
        installation.pass(450);
        let begun = granted(begin(&mut installation, sessions[0]));
        let id = begun.token.digest();
        let answered = answer_to(&mut installation, sessions[1], id, Some(begun.number.expose()));
        assert_eq!(
            answered == Ok(Answered::Approved),
            installation.now.since(proven) <= 3_600
        );
        if let Collected::SteppedUp(elevated) = collect(&mut installation, sessions[0], &begun) {
            let standing = elevated.session.standing;
            assert!(
                standing.authenticated_at <= proven,
                "a number is no proof of a factor"
            );
            last = last.max(standing.elevation.expect("it is elevated").until);
        }
        sessions.reverse();
    }
    assert_eq!(last, proven.plus(u64::from(LENDER_S)));
    assert!(installation.now > last);
}

#[test]
fn what_is_lent_to_a_password_s_session_is_no_younger_than_the_code_it_rests_on() {
    let mut installation = Installation::new();
    installation.policy.second_factor = SecondFactor::AtStepUp;
    let alice = installation.person("alice");
    let lender = installation.first_session(&name("alice"), &origin(HOME));
    let code = alice.code(installation.now, 0);
    granted(installation.submit(&StepUp {
        asker: asker(&lender, &code),
        purpose: String::new(),
    }));
    let proven = installation.now;
    installation.pass(600);
    let asking = installation.first_session(&name("alice"), &origin("192.0.2.9"));
    let begun = granted(begin(&mut installation, &asking));
    let id = begun.token.digest();
    assert_eq!(
        answer_to(&mut installation, &lender, id, Some(begun.number.expose())),
        Ok(Answered::Approved)
    );
    let elevated = stepped_up(collect(&mut installation, &asking, &begun));
    let standing = elevated.session.standing;
    assert_eq!(standing.authenticated_at, proven);
    assert_eq!(standing.level_at(installation.now), Level::Two);
    assert_ne!(
        judge(&standing, &Demand::fresh(60), installation.now),
        ElevationVerdict::Met
    );
}

#[test]
fn one_request_is_open_at_a_time_and_its_own_session_may_begin_anew() {
    let (mut installation, _, asking, answering) = two_sessions();
    let first = granted(begin(&mut installation, &asking));
    installation.pass(10);
    let busy = begin(&mut installation, &answering).err();
    assert_eq!(busy, Some(Denied::Throttled { retry_after_s: 80 }));
    let second = granted(begin(&mut installation, &asking));
    assert!(matches!(
        collect(&mut installation, &asking, &first),
        Collected::Gone
    ));
    assert_eq!(
        answer_to(&mut installation, &answering, second.token.digest(), None),
        Ok(Answered::Denied)
    );
    granted(begin(&mut installation, &answering));
    let requests = installation
        .records
        .keys()
        .filter(|key| matches!(key, Key::NumberRequest(_)));
    assert_eq!(requests.count(), 1, "what was answered made way");
}

#[test]
fn flood_from_one_network_is_throttled_for_an_hour() {
    let (mut installation, _, asking, answering) = two_sessions();
    for _ in 0..ASKS_OF_ONE_MAX {
        let begun = granted(begin(&mut installation, &asking));
        let id = begun.token.digest();
        assert_eq!(
            answer_to(&mut installation, &answering, id, None),
            Ok(Answered::Denied)
        );
    }
    assert_eq!(
        begin(&mut installation, &asking).err(),
        Some(Denied::Throttled { retry_after_s: 3_600 })
    );
    installation.pass(3_300);
    assert_eq!(
        begin(&mut installation, &asking).err(),
        Some(Denied::Throttled { retry_after_s: 300 })
    );
}

#[test]
fn session_that_ended_collects_nothing_and_another_never() {
    let (mut installation, alice, asking, answering) = two_sessions();
    let begun = granted(begin(&mut installation, &asking));
    let id = begun.token.digest();
    assert_eq!(
        answer_to(&mut installation, &answering, id, Some(begun.number.expose())),
        Ok(Answered::Approved)
    );
    assert!(matches!(
        collect(&mut installation, &answering, &begun),
        Collected::Gone
    ));
    let look = |session: &SignedIn| Look {
        session: session.session.digest(),
        request: id,
    };
    assert_eq!(installation.submit(&look(&asking)), Some(Looked::Approved));
    assert_eq!(installation.submit(&look(&answering)), None);
    installation.submit(&End {
        session: asking.session.digest(),
        name: alice.name.clone(),
        which: Which::Own,
        origin: origin(HOME),
    });
    let refused = installation.submit(&Collect {
        asker: asker(&asking, ""),
        request: id,
    });
    assert!(matches!(refused, Err(Denied::NoSession)), "{refused:?}");
}

#[test]
fn asking_page_shows_the_number_as_long_as_it_can_be_typed() {
    let (mut installation, _, asking, answering) = two_sessions();
    let begun = granted(begin(&mut installation, &asking));
    let look = Look {
        session: asking.session.digest(),
        request: begun.token.digest(),
    };
    let number = begun.number.clone();
    let waiting = Some(Looked::Waiting { number });
    assert_eq!(installation.submit(&look), waiting);
    installation.pass(NUMBER_S - 1);
    assert_eq!(installation.submit(&look), waiting);
    installation.pass(1);
    assert_eq!(installation.submit(&look), Some(Looked::Over));
    let begun = granted(begin(&mut installation, &answering));
    let id = begun.token.digest();
    assert_eq!(
        answer_to(&mut installation, &asking, id, None),
        Ok(Answered::Denied)
    );
    let look = Look {
        session: answering.session.digest(),
        request: id,
    };
    assert_eq!(installation.submit(&look), Some(Looked::Over));
}

#[test]
fn nothing_is_begun_where_the_policy_forbids_it() {
    let (mut installation, _, asking, _) = two_sessions();
    installation.policy.approve_by_number = false;
    assert_eq!(begin(&mut installation, &asking).err(), Some(Denied::NoFactor));
}

#[test]
fn nothing_stored_and_nothing_shown_to_the_other_session_says_the_number() {
    let (mut installation, _, asking, answering) = two_sessions();
    let begun = granted(begin(&mut installation, &asking));
    let waiting = Waiting {
        asker: asker(&answering, ""),
    };
    let shown = installation.submit(&waiting).expect("it waits");
    let stored = installation
        .records
        .get(&Key::NumberRequest(begun.token.digest()));
    for text in [format!("{shown:?}"), format!("{stored:?}")] {
        assert!(!text.contains(begun.number.expose()), "{text}");
    }
    assert_eq!(begun.number.expose().len(), 6);
}
