//! Tokens for programs: made by a code, worth one factor at most, ended at once by whoever may.

use countersign_auth::command::SignedIn;
use countersign_auth::command::api_token::{Add, Made, Make, NotAdded, Revoke, Revoker, Wish};
use countersign_auth::command::enrol::{Denied, Remove};
use countersign_auth::command::operator::{Action, Manage};
use countersign_auth::command::people::{Amend, Amendment};
use countersign_auth::command::session::{End, Which};
use countersign_auth::command::upkeep::Touch;
use countersign_auth::event::{Act, Reason};
use countersign_auth::id::{ApiTokenText, Digest};
use countersign_auth::policy::API_TOKENS_MAX;
use countersign_auth::record::{ApiToken, Key, NoticeKind, Record};
use countersign_core::elevation::{Demand, ElevationVerdict, Level, judge};
use countersign_core::time::UnixSeconds;

use crate::world::{HOME, Installation, Person, asker, granted, name, origin, wrong_code};

const DAY_S: u64 = 86_400;

fn wish(hosts: &[&str]) -> Wish {
    Wish {
        label: "nightly build".into(),
        lives_s: DAY_S,
        hosts: hosts.iter().map(|host| (*host).into()).collect(),
    }
}

fn signed_in() -> (Installation, Person, SignedIn) {
    let mut installation = Installation::new();
    let person = installation.person("alice");
    let session = installation.sign_in(&person, &origin(HOME));
    (installation, person, session)
}

/// Makes a token by a code of a time step of its own.
fn make(installation: &mut Installation, person: &Person, session: &SignedIn) -> Result<Made, Denied> {
    installation.pass(30);
    let code = person.code(installation.now, 0);
    let rule = Make {
        asker: asker(session, &code),
        wish: wish(&[]),
    };
    installation.submit(&rule).map(|granted| granted.given)
}

fn stored(installation: &Installation, id: Digest) -> Option<&ApiToken> {
    match installation.records.get(&Key::ApiToken(id)) {
        Some(Record::ApiToken(token)) => Some(token),
        _ => None,
    }
}

fn add(installation: &mut Installation, who: &str) -> Result<Made, NotAdded> {
    installation.submit(&Add {
        name: name(who),
        wish: wish(&[]),
        origin: origin("operator"),
    })
}

#[test]
fn token_is_made_by_a_fresh_code_told_to_its_owner_and_kept_as_a_digest() {
    let (mut installation, person, session) = signed_in();
    let wrong = Make {
        asker: asker(&session, &wrong_code(&person.secret, installation.now)),
        wish: wish(&[]),
    };
    assert_eq!(installation.submit(&wrong).err(), Some(Denied::Refused));
    assert!(installation.account(&person.name).api_tokens.is_empty());
    let made = granted(make(&mut installation, &person, &session));
    let kept = stored(&installation, made.id).expect("it is stored");
    assert_eq!(
        (&kept.account, kept.label.as_str()),
        (&person.name, "nightly build")
    );
    assert_eq!(kept.expires_at, installation.now.plus(DAY_S));
    let told = installation.notices(&person.name);
    assert_eq!(told.last(), Some(&NoticeKind::ApiTokenMade));
    assert_eq!(
        installation.audited(Act::ApiTokenMake, Some(Reason::WrongCode)),
        1
    );
    assert_eq!(installation.audited(Act::ApiTokenMake, Some(Reason::ByOwner)), 1);
    let text = made.token.expose();
    let digits = text.strip_prefix("cs_api_").expect("scanners know it by this");
    assert_eq!(digits.len(), 64);
    let written = format!("{:?}", installation.records);
    assert!(written.contains("nightly build") && !written.contains(digits));
}

#[test]
fn only_the_very_shape_of_a_token_is_looked_up() {
    let (mut installation, person, session) = signed_in();
    let made = granted(make(&mut installation, &person, &session));
    let text = made.token.expose();
    assert_eq!(ApiTokenText::presented(text), Some(made.id));
    let digits = &text["cs_api_".len()..];
    for other in [
        String::new(),
        digits.to_owned(),
        "cs_api_".to_owned(),
        format!("{text}0"),
        format!("cs_api_{}", &digits[1..]),
        format!("cs_api_{}A", &digits[1..]),
        format!("CS_API_{digits}"),
        format!(" {text}"),
    ] {
        assert_eq!(ApiTokenText::presented(&other), None, "{other:?}");
    }
}

#[test]
fn account_without_a_second_factor_makes_no_token() {
    let mut installation = Installation::new();
    installation.policy.second_factor = countersign_auth::policy::SecondFactor::Optional;
    let newcomer = installation.newcomer("bob");
    let session = installation.first_session(&newcomer, &origin(HOME));
    let rule = Make {
        asker: asker(&session, ""),
        wish: wish(&[]),
    };
    assert_eq!(installation.submit(&rule).err(), Some(Denied::NoFactor));
}

#[test]
fn token_is_good_for_its_time_at_its_hosts_alone() {
    let (mut installation, person, session) = signed_in();
    let made = granted(make(&mut installation, &person, &session));
    let (kept, made_at) = (made.kept, installation.now);
    for host in [None, Some("app.example.org")] {
        assert!(kept.is_good(host, made_at.plus(DAY_S - 1)), "{host:?}");
        assert!(!kept.is_good(host, made_at.plus(DAY_S)), "{host:?}");
        let ahead = UnixSeconds(made_at.0 - 3600);
        assert!(!kept.is_good(host, ahead), "made by a clock that was ahead");
    }
    let limited = ApiToken {
        hosts: vec!["app.example.org".into()],
        ..kept
    };
    assert!(limited.is_good(Some("app.example.org"), made_at));
    assert!(!limited.is_good(Some("other.example.org"), made_at));
    assert!(
        !limited.is_good(None, made_at),
        "an application that asks is no host"
    );
}

#[test]
fn token_meets_no_demand_for_a_second_factor_a_young_proof_or_an_elevation() {
    let now = Installation::new().now;
    let level = |level| Demand {
        level: Some(level),
        ..Demand::default()
    };
    let age = |age_s| Demand {
        age_s_max: Some(age_s),
        ..Demand::default()
    };
    for met in [Demand::default(), level(Level::One)] {
        assert_eq!(
            judge(&ApiToken::STANDING, &met, now),
            ElevationVerdict::Met,
            "{met:?}"
        );
    }
    for unmet in [level(Level::Two), age(1), age(u32::MAX), Demand::ELEVATED] {
        let verdict = judge(&ApiToken::STANDING, &unmet, now);
        assert_eq!(verdict, ElevationVerdict::Required, "{unmet:?}");
    }
}

#[test]
fn twenty_tokens_live_at_once_and_one_more_waits_until_one_is_over() {
    let (mut installation, person, session) = signed_in();
    for _ in 0..API_TOKENS_MAX {
        granted(make(&mut installation, &person, &session));
    }
    let before = installation.account(&person.name).clone();
    installation.pass(30);
    let code = person.code(installation.now, 0);
    let rule = Make {
        asker: asker(&session, &code),
        wish: wish(&[]),
    };
    assert_eq!(installation.submit(&rule).err(), Some(Denied::TooMany));
    assert_eq!(
        *installation.account(&person.name),
        before,
        "the code was not used up for nothing"
    );
    assert_eq!(add(&mut installation, "alice"), Err(NotAdded::TooMany));
    installation.pass(DAY_S);
    let made = add(&mut installation, "alice").expect("all the others are over");
    let left = &installation.account(&person.name).api_tokens;
    assert_eq!(left.iter().map(|open| open.id).collect::<Vec<_>>(), [made.id]);
    let records = installation.records.keys();
    let kept = records.filter(|key| matches!(key, Key::ApiToken(_))).count();
    assert_eq!(kept, 1, "what is over went with the making");
}

#[test]
fn operator_makes_a_token_for_an_account_that_is_there_and_enabled() {
    let (mut installation, person, _) = signed_in();
    assert_eq!(add(&mut installation, "nobody"), Err(NotAdded::NoAccount));
    let made = add(&mut installation, "alice").expect("she is there");
    assert!(stored(&installation, made.id).is_some());
    assert_eq!(
        installation.audited(Act::ApiTokenMake, Some(Reason::ByOperator)),
        1
    );
    assert!(
        installation
            .notices(&person.name)
            .contains(&NoticeKind::ApiTokenMade)
    );
    installation.submit(&Manage {
        name: person.name.clone(),
        action: Action::Disable,
        origin: origin("operator"),
    });
    assert_eq!(add(&mut installation, "alice"), Err(NotAdded::Disabled));
}

#[test]
fn token_is_revoked_by_its_owner_or_an_operator_and_by_nobody_else() {
    let (mut installation, person, session) = signed_in();
    let other = installation.person("mallory");
    let stranger = installation.sign_in(&other, &origin(HOME));
    let ids: Vec<Digest> = (0..2)
        .map(|_| add(&mut installation, "alice").expect("there is room").id)
        .collect();
    let revoke = |id: Digest, revoker| Revoke {
        name: person.name.clone(),
        short: id.short(),
        revoker,
        origin: origin(HOME),
    };
    let by = |session: &SignedIn| Revoker::Owner(session.session.digest());
    assert!(!installation.submit(&revoke(ids[0], by(&stranger))));
    assert!(stored(&installation, ids[0]).is_some());
    assert!(installation.submit(&revoke(ids[0], by(&session))));
    assert!(stored(&installation, ids[0]).is_none());
    assert!(
        !installation.submit(&revoke(ids[0], by(&session))),
        "it is gone already"
    );
    assert!(installation.submit(&revoke(ids[1], Revoker::Operator)));
    assert!(installation.account(&person.name).api_tokens.is_empty());
    assert_eq!(
        installation.audited(Act::ApiTokenRevoke, Some(Reason::ByOwner)),
        1
    );
    assert_eq!(
        installation.audited(Act::ApiTokenRevoke, Some(Reason::ByOperator)),
        1
    );
}

#[test]
fn whatever_ends_all_that_is_open_revokes_every_token_and_a_sign_out_none() {
    for action in [
        Action::Disable,
        Action::Reset,
        Action::RemoveFactors,
        Action::EndSessions,
    ] {
        let (mut installation, person, _) = signed_in();
        let made = add(&mut installation, "alice").expect("there is room");
        installation.submit(&Manage {
            name: person.name.clone(),
            action: action.clone(),
            origin: origin("operator"),
        });
        assert!(stored(&installation, made.id).is_none(), "{action:?}");
        assert!(
            installation.account(&person.name).api_tokens.is_empty(),
            "{action:?}"
        );
        assert_eq!(
            installation.audited(Act::ApiTokenRevoke, Some(Reason::ByOperator)),
            1
        );
    }
    let (mut installation, person, session) = signed_in();
    let made = add(&mut installation, "alice").expect("there is room");
    installation.submit(&End {
        session: session.session.digest(),
        name: person.name.clone(),
        which: Which::Own,
        origin: origin(HOME),
    });
    assert!(
        stored(&installation, made.id).is_some(),
        "a program goes on without its owner's session"
    );
}

#[test]
fn who_loses_a_group_loses_it_with_every_token() {
    let (mut installation, person, _) = signed_in();
    let amend = |amendment| Amend {
        name: person.name.clone(),
        amendments: vec![amendment],
        origin: origin("operator"),
    };
    let joined = installation.submit(&amend(Amendment::Join("staff".into())));
    assert!(joined.is_ok());
    let made = add(&mut installation, "alice").expect("there is room");
    assert_eq!(made.kept.groups, ["staff"]);
    let left = installation.submit(&amend(Amendment::Leave("staff".into())));
    assert!(left.is_ok());
    let kept = stored(&installation, made.id).expect("it lives on");
    assert!(kept.groups.is_empty());
}

#[test]
fn use_is_written_down_where_it_is_newer_and_of_no_token_that_is_gone() {
    let (mut installation, _, _) = signed_in();
    let made = add(&mut installation, "alice").expect("there is room");
    let touch = |at: UnixSeconds, id| Touch {
        seen: vec![(Key::ApiToken(id), at)],
    };
    let now = installation.now;
    installation.submit(&touch(now.plus(9), made.id));
    installation.submit(&touch(now.plus(3), made.id));
    let used = stored(&installation, made.id).and_then(|token| token.last_used);
    assert_eq!(used, Some(now.plus(9)));
    let gone = Digest::of("gone");
    installation.submit(&touch(now, gone));
    assert!(stored(&installation, gone).is_none());
}

#[test]
fn owner_who_removes_a_factor_is_rid_of_what_was_made_with_it() {
    let (mut installation, person, session) = signed_in();
    let made = add(&mut installation, "alice").expect("there is room");
    let factors = &installation.account(&person.name).factors;
    let totp = factors.iter().find(|factor| !factor.is_backup());
    let factor = totp.expect("there is one").id.clone();
    installation.pass(30);
    let code = person.code(installation.now, 0);
    granted(installation.submit(&Remove {
        asker: asker(&session, &code),
        factor,
    }));
    assert!(stored(&installation, made.id).is_none());
    assert_eq!(
        installation.audited(Act::ApiTokenRevoke, Some(Reason::ByOwner)),
        1
    );
}
