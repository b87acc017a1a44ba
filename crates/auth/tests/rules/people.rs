//! Roles, groups, claims, and accounts taken over from a list.

use countersign_auth::claim::{
    CLAIMS_MAX, ClaimError, ClaimValue, INTEGER_MAX, RESERVED, TEXT_CHARS_MAX, check,
};
use countersign_auth::command::import::{Import, NotImported, Seed};
use countersign_auth::command::operator::{Action, Add, Manage, Managed};
use countersign_auth::command::people::{
    Amend, Amended, Amendment, Listed, NotAmended, NotTakenOver, Take, TakenOver, Took,
};
use countersign_auth::event::{Act, Reason};
use countersign_auth::name::Name;
use countersign_auth::policy::GROUPS_MAX;
use countersign_auth::record::{Founder, Key, NoticeKind, Record};
use countersign_auth::role::{Permission, Role, RoleVerdict};
use countersign_core::otp::otpauth::Parameters;
use countersign_core::otp::{SecretStrength, SharedSecret, Totp};

use crate::world::{HOME, Installation, granted, hash, name, origin};

const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJR";

fn amend(
    installation: &mut Installation,
    of: &Name,
    amendments: Vec<Amendment>,
) -> Result<Amended, NotAmended> {
    installation.submit(&Amend {
        name: of.clone(),
        amendments,
        origin: origin("operator"),
    })
}

fn claim(name: &str, value: ClaimValue) -> Amendment {
    Amendment::Claim(name.into(), value)
}

/// A list's account, added unless the test says otherwise.
fn take(of: &str, listed: Listed) -> Take {
    Take {
        import: Import {
            name: name(of),
            add: true,
            seeds: Vec::new(),
            again: false,
            dry_run: false,
            origin: origin("operator"),
        },
        listed,
        update: false,
    }
}

fn seed(secret: &str) -> Seed {
    Seed {
        label: "phone".into(),
        secret: SharedSecret::from_base32(secret).expect("Base32"),
        parameters: Parameters::Totp(Totp::default()),
        drift: 0,
        last_accepted: None,
    }
}

fn took(result: Result<TakenOver, NotTakenOver>) -> Took {
    granted(result).took
}

#[test]
fn document_shows_what_each_role_may() {
    let document = include_str!("../../../../docs/operate/people.md");
    for permission in Permission::ALL {
        let cell = |role: Role| match role.may(permission) {
            RoleVerdict::Allowed => " yes |",
            RoleVerdict::Lacking => " |",
            RoleVerdict::Outranked => panic!("nobody is outranked by nobody"),
        };
        let roles = [Role::Administrator, Role::Operator, Role::Auditor, Role::User];
        let cells: String = roles.into_iter().map(cell).collect();
        let row = format!("| `{permission:?}` |{cells}");
        assert!(
            document.lines().any(|line| line.starts_with(&row)),
            "docs/operate/people.md has no row {row}"
        );
    }
}

#[test]
fn document_lists_every_reserved_claim() {
    let document = include_str!("../../../../docs/protocol/tokens.md");
    let (_, claims) = document.split_once("Claims:\n").expect("the claims are listed");
    let (claims, _) = claims.split_once("### When").expect("refusals follow");
    let listed = claims
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let (_, others) = claims.split_once("nor `").expect("the others follow the table");
    let others = others
        .split('`')
        .step_by(2)
        .filter(|text| !text.contains(['.', '\n']));
    let mut documented: Vec<_> = listed.chain(others).collect();
    let mut reserved = RESERVED.to_vec();
    documented.sort_unstable();
    reserved.sort_unstable();
    assert_eq!(documented, reserved);
    for name in RESERVED {
        assert_eq!(
            check(name, &ClaimValue::Bool(true)),
            Err(ClaimError::Reserved),
            "{name}"
        );
    }
}

#[test]
fn nobody_helps_an_account_that_may_more() {
    for (helper, other, verdict) in [
        (Role::Administrator, Role::Administrator, RoleVerdict::Allowed),
        (Role::Operator, Role::User, RoleVerdict::Allowed),
        (Role::Operator, Role::Operator, RoleVerdict::Allowed),
        (Role::Operator, Role::Auditor, RoleVerdict::Outranked),
        (Role::Operator, Role::Administrator, RoleVerdict::Outranked),
        (Role::Auditor, Role::User, RoleVerdict::Lacking),
        (Role::User, Role::User, RoleVerdict::Lacking),
    ] {
        assert_eq!(
            helper.may_over(Permission::IssueTickets, other),
            verdict,
            "{helper} over {other}"
        );
    }
}

#[test]
fn account_has_the_least_role_until_one_is_given_and_one_at_a_time() {
    let mut installation = Installation::new();
    let bob = installation.newcomer("bob");
    assert_eq!(installation.account(&bob).role(), Role::User);
    for role in [Role::Auditor, Role::Operator, Role::Administrator, Role::User] {
        assert_eq!(
            amend(&mut installation, &bob, vec![Amendment::Role(role)]),
            Ok(Amended::Changed)
        );
        assert_eq!(installation.account(&bob).role(), role);
        let groups: Vec<_> = role.group().into_iter().collect();
        assert_eq!(installation.account(&bob).groups, groups);
    }
    let objects = installation
        .audit
        .iter()
        .filter(|event| event.act == Act::RoleSet);
    let objects: Vec<_> = objects.map(|event| event.object.as_str()).collect();
    assert_eq!(objects, ["auditor", "operator", "administrator", "user"]);
    assert_eq!(installation.notices(&bob), [NoticeKind::RoleChanged; 4]);
    let same = vec![Amendment::Role(Role::User)];
    let entries = installation.audit.len();
    assert_eq!(amend(&mut installation, &bob, same), Ok(Amended::Same));
    assert_eq!(
        installation.audit.len(),
        entries,
        "what is so already is no entry"
    );
}

#[test]
fn open_sessions_have_the_groups_and_claims_of_the_moment() {
    let mut installation = Installation::new();
    let alice = installation.person("alice");
    let sessions = [(); 2].map(|()| installation.sign_in(&alice, &origin(HOME)).session.digest());
    let copies = |installation: &Installation| {
        sessions.map(|session| match installation.records.get(&Key::Session(session)) {
            Some(Record::Session(session)) => (Role::of(&session.groups), session.claims.len()),
            other => panic!("the session is gone: {other:?}"),
        })
    };
    let both = vec![
        Amendment::Role(Role::Administrator),
        claim("publisher", ClaimValue::Bool(true)),
    ];
    granted(amend(&mut installation, &alice.name, both));
    assert_eq!(copies(&installation), [(Role::Administrator, 1); 2]);
    let listed = Listed {
        role: Some(Role::User),
        claims: Some([].into()),
        ..Listed::default()
    };
    let update = Take {
        update: true,
        ..take("alice", listed)
    };
    assert_eq!(took(installation.submit(&update)), Took::Updated);
    assert_eq!(copies(&installation), [(Role::User, 0); 2]);
}

#[test]
fn first_administrator_by_role_voids_the_link_that_makes_one() {
    let mut installation = Installation::new();
    let bob = installation.newcomer("bob");
    granted(amend(
        &mut installation,
        &bob,
        vec![Amendment::Role(Role::Operator)],
    ));
    assert!(!installation.records.contains_key(&Key::Founder));
    granted(amend(
        &mut installation,
        &bob,
        vec![Amendment::Role(Role::Administrator)],
    ));
    let founder = Record::Founder(Founder { name: bob });
    assert_eq!(installation.records.get(&Key::Founder), Some(&founder));
    let carol = Listed {
        role: Some(Role::Administrator),
        ..Listed::default()
    };
    assert_eq!(took(installation.submit(&take("carol", carol))), Took::Added);
    assert_eq!(installation.records.get(&Key::Founder), Some(&founder));
}

#[test]
fn role_is_not_come_by_through_the_name_of_a_group() {
    let mut installation = Installation::new();
    let bob = installation.newcomer("bob");
    for role in ["admin", "operator", "auditor"] {
        let refused = Err(NotAmended::RoleGroup(role.into()));
        assert_eq!(
            amend(&mut installation, &bob, vec![Amendment::Join(role.into())]),
            refused
        );
        assert_eq!(
            amend(&mut installation, &bob, vec![Amendment::Leave(role.into())]),
            refused
        );
        let listed = Listed {
            groups: Some(vec![role.into()]),
            ..Listed::default()
        };
        let refused = Err(NotTakenOver::Listed(NotAmended::RoleGroup(role.into())));
        assert_eq!(installation.submit(&take("carol", listed)), refused);
    }
    assert_eq!(installation.account(&bob).role(), Role::User);
}

#[test]
fn amendments_are_all_done_or_none() {
    let mut installation = Installation::new();
    let bob = installation.newcomer("bob");
    let before = installation.records.clone();
    let entries = installation.audit.len();
    let half = vec![
        Amendment::Join("staff".into()),
        Amendment::Join("two words".into()),
    ];
    assert_eq!(
        amend(&mut installation, &bob, half),
        Err(NotAmended::Group("two words".into()))
    );
    assert_eq!(
        (installation.records.clone(), installation.audit.len()),
        (before, entries)
    );
    let both = vec![
        Amendment::Join("staff".into()),
        claim("publisher", ClaimValue::Bool(true)),
        claim("shelf", ClaimValue::Integer(7)),
        claim("desk", ClaimValue::Text("behind the door".into())),
    ];
    assert_eq!(amend(&mut installation, &bob, both), Ok(Amended::Changed));
    let told = installation.audit[entries..]
        .iter()
        .map(|event| (event.act, event.object.as_str()));
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            (Act::GroupJoin, "staff"),
            (Act::ClaimSet, "publisher=true"),
            (Act::ClaimSet, "shelf=7"),
            (Act::ClaimSet, "desk"),
        ],
        "a text is not written down"
    );
    let back = vec![
        Amendment::Leave("staff".into()),
        Amendment::Unclaim("publisher".into()),
    ];
    assert_eq!(amend(&mut installation, &bob, back), Ok(Amended::Changed));
    assert!(installation.account(&bob).groups.is_empty());
    assert_eq!(installation.account(&bob).claims.len(), 2);
    let nobody = vec![Amendment::Join("staff".into())];
    assert_eq!(
        amend(&mut installation, &name("nobody"), nobody),
        Err(NotAmended::NoAccount)
    );
}

#[test]
fn claims_and_groups_are_bounded() {
    let mut installation = Installation::new();
    let bob = installation.newcomer("bob");
    for (claim_name, value, why) in [
        ("", ClaimValue::Bool(true), ClaimError::Name),
        ("two words", ClaimValue::Bool(true), ClaimError::Name),
        (&"n".repeat(65), ClaimValue::Bool(true), ClaimError::Name),
        ("sub", ClaimValue::Text("root".into()), ClaimError::Reserved),
        ("n", ClaimValue::Integer(INTEGER_MAX + 1), ClaimError::Integer),
        ("n", ClaimValue::Integer(i64::MIN), ClaimError::Integer),
        (
            "n",
            ClaimValue::Text("é".repeat(TEXT_CHARS_MAX + 1)),
            ClaimError::Text,
        ),
        ("n", ClaimValue::Text("two\nlines".into()), ClaimError::Text),
    ] {
        let refused = Err(NotAmended::Claim(claim_name.into(), why));
        assert_eq!(
            amend(&mut installation, &bob, vec![claim(claim_name, value)]),
            refused
        );
    }
    let greatest = vec![
        claim(&"n".repeat(64), ClaimValue::Integer(-INTEGER_MAX)),
        claim("A.b:c-d_9", ClaimValue::Text("é".repeat(TEXT_CHARS_MAX))),
    ];
    assert_eq!(amend(&mut installation, &bob, greatest), Ok(Amended::Changed));
    let claims = |count: usize| (0..count).map(|at| claim(&format!("c{at}"), ClaimValue::Bool(true)));
    let carol = installation.newcomer("carol");
    let beyond = claims(CLAIMS_MAX + 1).collect();
    assert_eq!(
        amend(&mut installation, &carol, beyond),
        Err(NotAmended::TooManyClaims)
    );
    assert_eq!(
        amend(&mut installation, &carol, claims(CLAIMS_MAX).collect()),
        Ok(Amended::Changed)
    );
    let groups = |count: usize| (0..count).map(|at| Amendment::Join(format!("g{at}")));
    let beyond = groups(GROUPS_MAX + 1).collect();
    assert_eq!(
        amend(&mut installation, &carol, beyond),
        Err(NotAmended::TooManyGroups)
    );
    assert_eq!(
        amend(&mut installation, &carol, groups(GROUPS_MAX).collect()),
        Ok(Amended::Changed)
    );
    let role_too = vec![Amendment::Role(Role::Auditor)];
    assert_eq!(
        amend(&mut installation, &carol, role_too),
        Err(NotAmended::TooManyGroups)
    );
    let add = Add {
        name: name("dave"),
        groups: vec!["a,b".into()],
        hash: None,
        totp: false,
        origin: origin("operator"),
    };
    assert!(
        installation.submit(&add).is_err(),
        "a comma would make two groups of one"
    );
}

#[test]
fn listed_account_is_added_then_left_alone_then_updated() {
    let mut installation = Installation::new();
    let listed = Listed {
        role: Some(Role::Auditor),
        groups: Some(vec!["staff".into()]),
        claims: Some([("publisher".into(), ClaimValue::Bool(true))].into()),
        disabled: None,
        hash: Some(hash("bob")),
    };
    assert_eq!(
        took(installation.submit(&take("bob", listed.clone()))),
        Took::Added
    );
    let bob = name("bob");
    let account = installation.account(&bob);
    assert_eq!(
        (account.role(), account.groups.as_slice()),
        (Role::Auditor, &["staff".into(), "auditor".into()][..])
    );
    assert_eq!(installation.audited(Act::AccountAdd, Some(Reason::ByOperator)), 1);
    assert_eq!(
        installation.notices(&bob),
        [],
        "an account has no owner before it is added"
    );
    let again = Take {
        update: true,
        ..take("bob", listed)
    };
    assert_eq!(took(installation.submit(&again)), Took::Same);
    let other = Listed {
        groups: Some(vec!["editors".into()]),
        claims: Some([].into()),
        hash: Some(hash("another")),
        ..Listed::default()
    };
    let before = installation.records.clone();
    assert_eq!(
        took(installation.submit(&take("bob", other.clone()))),
        Took::LeftAlone
    );
    assert_eq!(installation.records, before);
    let update = |listed: &Listed| Take {
        update: true,
        ..take("bob", listed.clone())
    };
    assert_eq!(took(installation.submit(&update(&other))), Took::Updated);
    let account = installation.account(&bob);
    assert_eq!(
        (account.role(), account.groups.as_slice()),
        (Role::Auditor, &["auditor".into(), "editors".into()][..])
    );
    assert!(account.claims.is_empty());
    let password = account.password.as_ref().map(|password| password.hash.clone());
    assert_eq!(password, Some(hash("bob")), "whoever has a password keeps it");
    let before = (installation.records.clone(), installation.audit.len());
    assert_eq!(took(installation.submit(&update(&other))), Took::Same);
    assert_eq!((installation.records.clone(), installation.audit.len()), before);
}

#[test]
fn listed_account_that_is_disabled_loses_what_is_open() {
    let mut installation = Installation::new();
    let bob = installation.newcomer("bob");
    let session = installation.first_session(&bob, &origin(HOME)).session.digest();
    let disabled = |disabled| Take {
        update: true,
        ..take(
            "bob",
            Listed {
                disabled: Some(disabled),
                ..Listed::default()
            },
        )
    };
    assert_eq!(took(installation.submit(&disabled(true))), Took::Updated);
    assert!(installation.account(&bob).disabled);
    assert!(!installation.records.contains_key(&Key::Session(session)));
    assert_eq!(took(installation.submit(&disabled(true))), Took::Same);
    assert_eq!(took(installation.submit(&disabled(false))), Took::Updated);
    assert!(!installation.account(&bob).disabled);
}

#[test]
fn listed_account_takes_all_or_nothing() {
    let mut installation = Installation::new();
    let staff = Listed {
        groups: Some(vec!["staff".into()]),
        ..Listed::default()
    };
    let with = |secret: &str, listed: Listed| {
        let mut take = take("bob", listed);
        take.import.seeds.push(seed(secret));
        take.update = true;
        take
    };
    let weak = NotImported::Secret {
        at: 0,
        strength: SecretStrength::Sample,
    };
    assert_eq!(
        installation.submit(&with("JBSWY3DPEHPK3PXP", staff.clone())),
        Err(NotTakenOver::Import(weak))
    );
    assert!(installation.records.is_empty() && installation.audit.is_empty());
    let bad = Listed {
        groups: Some(vec!["a b".into()]),
        ..Listed::default()
    };
    let group = NotTakenOver::Listed(NotAmended::Group("a b".into()));
    assert_eq!(installation.submit(&with(SECRET, bad)), Err(group));
    assert!(installation.records.is_empty());
    let mut dry = with(SECRET, staff.clone());
    dry.import.dry_run = true;
    assert_eq!(took(installation.submit(&dry)), Took::Added);
    assert!(
        installation.records.is_empty() && installation.audit.is_empty(),
        "a dry run changes nothing"
    );
    let taken = granted(installation.submit(&with(SECRET, staff.clone())));
    assert_eq!(
        taken.imported.map(|imported| imported.backup_codes.len()),
        Some(10)
    );
    let account = installation.account(&name("bob"));
    assert!(account.has_second_factor() && account.groups == ["staff"]);
    assert_eq!(
        took(installation.submit(&with(SECRET, staff.clone()))),
        Took::Same
    );
    let reset = Manage {
        name: name("bob"),
        action: Action::Reset,
        origin: origin("operator"),
    };
    assert!(matches!(installation.submit(&reset), Managed::Ticket(..)));
    assert_eq!(
        installation.submit(&with(SECRET, staff)),
        Err(NotTakenOver::Removed)
    );
    let mut unknown = take("nobody", Listed::default());
    unknown.import.add = false;
    assert_eq!(installation.submit(&unknown), Err(NotTakenOver::NoAccount));
}

#[test]
fn removed_second_factors_leave_the_password_and_owe_a_new_factor() {
    let mut installation = Installation::new();
    let alice = installation.person("alice");
    let session = installation.sign_in(&alice, &origin(HOME)).session.digest();
    let manage = |action| Manage {
        name: name("alice"),
        action,
        origin: origin("operator"),
    };
    assert_eq!(installation.submit(&manage(Action::RemoveFactors)), Managed::Done);
    assert!(
        !installation.records.contains_key(&Key::Session(session)),
        "every session ends"
    );
    assert_eq!(installation.audited(Act::FactorsRemove, None), 1);
    let told = installation.notices(&alice.name);
    assert_eq!(told.last(), Some(&NoticeKind::FactorsRemovedByOperator));
    assert!(
        installation.account(&alice.name).factors.is_empty(),
        "backup codes go as well"
    );
    let session = installation.first_session(&alice.name, &origin(HOME));
    assert!(session.must_enrol);
    assert_eq!(
        installation.submit(&manage(Action::RemoveFactors)),
        Managed::NoFactor
    );
}

#[test]
fn ended_sessions_leave_password_and_factors() {
    let mut installation = Installation::new();
    let alice = installation.person("alice");
    let sessions = [(); 2].map(|()| installation.sign_in(&alice, &origin(HOME)).session.digest());
    let rule = Manage {
        name: alice.name.clone(),
        action: Action::EndSessions,
        origin: origin("operator"),
    };
    assert_eq!(installation.submit(&rule), Managed::Done);
    for session in sessions {
        assert!(!installation.records.contains_key(&Key::Session(session)));
    }
    assert_eq!(installation.audited(Act::SessionEnd, Some(Reason::ByOperator)), 2);
    installation.sign_in(&alice, &origin(HOME));
}
