//! Acting for others: what role and proof it takes, judged in the decision itself.

use countersign_auth::command::SignedIn;
use countersign_auth::command::authority::{Authorised, Authority, Needs, NotAllowed};
use countersign_auth::command::operator::{Action, Add, Manage, Managed};
use countersign_auth::command::people::{Amend, Amendment};
use countersign_auth::command::session::{End, Which};
use countersign_auth::command::step_up::{StepDown, StepUp};
use countersign_auth::command::ticket::Issue;
use countersign_auth::command::upkeep::Note;
use countersign_auth::event::{Act, Origin, Reason};
use countersign_auth::name::Name;
use countersign_auth::record::{NoticeKind, TicketPurpose};
use countersign_auth::role::{Permission, Role, RoleVerdict};
use countersign_core::elevation::{ElevationVerdict, Standing};

use crate::world::{HOME, Installation, Person, asker, granted, name, origin};

/// Somebody of a role, signed in with two factors, stepped up, and what that is worth.
struct Acting {
    person: Person,
    session: SignedIn,
    standing: Standing,
}

/// What the session was worth before it was stepped up.
fn weaker(standing: Standing) -> Standing {
    Standing {
        elevation: None,
        ..standing
    }
}

fn give(installation: &mut Installation, of: &Name, role: Role) {
    let given = installation.submit(&Amend {
        name: of.clone(),
        amendments: vec![Amendment::Role(role)],
        origin: origin("operator"),
    });
    assert!(given.is_ok(), "{given:?}");
}

fn acting(installation: &mut Installation, text: &str, role: Role) -> Acting {
    let person = installation.person(text);
    if role != Role::User {
        give(installation, &person.name, role);
    }
    let session = installation.sign_in(&person, &origin(HOME));
    installation.pass(30);
    let stepped_up = granted(installation.submit(&StepUp {
        asker: asker(&session, &person.code(installation.now, 0)),
        purpose: "help".into(),
    }));
    Acting {
        person,
        session,
        standing: stepped_up.session.standing,
    }
}

impl Acting {
    fn manages(&self, other: &Name, action: Action, permission: Permission) -> Authorised<Manage> {
        Authorised {
            authority: Some(Authority {
                session: self.session.session.digest(),
                name: self.person.name.clone(),
                standing: self.standing,
                needs: Needs {
                    permission,
                    over: Some(other.clone()),
                    changes: true,
                },
            }),
            rule: Manage {
                name: other.clone(),
                action,
                origin: Origin {
                    by: Some(self.person.name.clone()),
                    ..origin(HOME)
                },
            },
        }
    }

    fn ends_sessions_of(&self, other: &Name) -> Authorised<Manage> {
        self.manages(other, Action::EndSessions, Permission::EndSessions)
    }

    fn reads(&self) -> Authorised<Note> {
        Authorised {
            authority: Some(Authority {
                session: self.session.session.digest(),
                name: self.person.name.clone(),
                standing: weaker(self.standing),
                needs: Needs {
                    permission: Permission::SeeAccounts,
                    over: None,
                    changes: false,
                },
            }),
            rule: Note { events: Vec::new() },
        }
    }
}

#[test]
fn operator_helps_a_user_and_the_audit_says_who_did_it() {
    let mut installation = Installation::new();
    let olga = acting(&mut installation, "olga", Role::Operator);
    let alice = installation.person("alice");
    installation.sign_in(&alice, &origin(HOME));
    let done = installation.submit(&olga.ends_sessions_of(&alice.name));
    assert_eq!(done, Ok(Managed::Done));
    assert!(installation.account(&alice.name).sessions.is_empty());
    let entry = installation.audit.last().expect("it is in the audit");
    assert_eq!((entry.act, entry.by.as_str()), (Act::SessionsEnd, "olga"));
    assert_eq!(entry.subject, "alice");
}

#[test]
fn whoever_lacks_a_permission_changes_nothing() {
    let mut installation = Installation::new();
    let alice = installation.person("alice");
    for role in [Role::User, Role::Auditor] {
        let somebody = acting(&mut installation, role.name(), role);
        let before = installation.records.clone();
        let denied = installation.submit(&somebody.ends_sessions_of(&alice.name));
        assert_eq!(denied, Err(NotAllowed::Lacking), "{role}");
        assert_eq!(installation.records, before, "{role}");
    }
}

#[test]
fn nobody_acts_on_an_account_that_may_what_they_may_not() {
    let mut installation = Installation::new();
    let olga = acting(&mut installation, "olga", Role::Operator);
    let root = acting(&mut installation, "root", Role::Administrator);
    let reset = olga.manages(&root.person.name, Action::Lift, Permission::LiftThrottles);
    assert_eq!(installation.submit(&reset), Err(NotAllowed::Outranked));
    let down = root.manages(&olga.person.name, Action::Lift, Permission::LiftThrottles);
    assert_eq!(installation.submit(&down), Ok(Managed::Done));
}

#[test]
fn role_that_was_taken_and_session_that_was_ended_a_moment_ago_are_worth_nothing() {
    let mut installation = Installation::new();
    let alice = installation.person("alice");
    let olga = acting(&mut installation, "olga", Role::Operator);
    let rule = olga.ends_sessions_of(&alice.name);
    give(&mut installation, &olga.person.name, Role::User);
    assert_eq!(installation.submit(&rule), Err(NotAllowed::Lacking));
    give(&mut installation, &olga.person.name, Role::Operator);
    assert_eq!(installation.submit(&rule), Ok(Managed::Done));
    installation.submit(&End {
        session: olga.session.session.digest(),
        name: olga.person.name.clone(),
        which: Which::Own,
        origin: origin(HOME),
    });
    assert_eq!(installation.submit(&rule), Err(NotAllowed::NoSession));
}

#[test]
fn change_takes_an_elevation_that_is_on_and_reading_takes_two_factors() {
    let mut installation = Installation::new();
    let alice = installation.person("alice");
    let olga = acting(&mut installation, "olga", Role::Operator);
    assert_eq!(installation.submit(&olga.reads()), Ok(()), "two factors read");
    let weak = Acting {
        standing: weaker(olga.standing),
        person: olga.person,
        session: olga.session,
    };
    let owed = installation.submit(&weak.ends_sessions_of(&alice.name));
    assert_eq!(owed, Err(NotAllowed::Elevation(ElevationVerdict::Required)));

    let root = acting(&mut installation, "root", Role::Administrator);
    let rule = root.ends_sessions_of(&alice.name);
    installation.pass(u64::from(installation.policy.elevation_s) - 1);
    assert_eq!(installation.submit(&rule), Ok(Managed::Done), "a second before");
    installation.pass(1);
    let owed = installation.submit(&rule);
    assert_eq!(owed, Err(NotAllowed::Elevation(ElevationVerdict::Expired)));
}

#[test]
fn elevation_that_was_given_back_changes_nothing_more() {
    let mut installation = Installation::new();
    let alice = installation.person("alice");
    let root = acting(&mut installation, "root", Role::Administrator);
    installation.pass(5);
    installation.submit(&StepDown {
        session: root.session.session.digest(),
        name: root.person.name.clone(),
        origin: origin(HOME),
    });
    let owed = installation.submit(&root.ends_sessions_of(&alice.name));
    assert!(matches!(owed, Err(NotAllowed::Elevation(_))), "{owed:?}");
}

#[test]
fn what_concerns_many_accounts_is_for_administrators_alone() {
    for permission in [
        Permission::ManageAccounts,
        Permission::GiveRoles,
        Permission::ManageKeys,
        Permission::ManageInstallation,
    ] {
        for role in Role::ALL {
            let expected = role == Role::Administrator;
            assert_eq!(
                role.may(permission) == RoleVerdict::Allowed,
                expected,
                "{role} {permission:?}"
            );
        }
    }
}

#[test]
fn removing_one_factor_ends_sessions_and_the_last_one_takes_the_backup_codes_along() {
    let mut installation = Installation::new();
    let alice = installation.person("alice");
    installation.sign_in(&alice, &origin(HOME));
    let factors = &installation.account(&alice.name).factors;
    let totp = factors
        .iter()
        .find(|factor| !factor.is_backup())
        .expect("she has one");
    let remove = |factor: &str| Manage {
        name: alice.name.clone(),
        action: Action::RemoveFactor(factor.into()),
        origin: origin("operator"),
    };
    let (first, unknown) = (remove(&totp.id), remove("ffffffff"));
    assert_eq!(installation.submit(&unknown), Managed::NoFactor);
    assert_eq!(installation.submit(&first), Managed::Done);
    let account = installation.account(&alice.name);
    assert!(
        account.factors.is_empty() && account.sessions.is_empty(),
        "{account:?}"
    );
    assert!(
        installation
            .notices(&alice.name)
            .contains(&NoticeKind::FactorRemoved)
    );
    assert_eq!(
        installation.audited(Act::FactorRemove, Some(Reason::ByOperator)),
        1
    );
}

#[test]
fn operator_ends_one_session_and_leaves_the_others() {
    let mut installation = Installation::new();
    let alice = installation.person("alice");
    let first = installation.sign_in(&alice, &origin(HOME));
    let second = installation.sign_in(&alice, &origin(HOME));
    let end = |short: String| Manage {
        name: name("alice"),
        action: Action::EndSession(short),
        origin: origin("operator"),
    };
    assert_eq!(installation.submit(&end("00000000".into())), Managed::NoSession);
    assert_eq!(
        installation.submit(&end(first.session.digest().short())),
        Managed::Done
    );
    let open: Vec<_> = installation
        .account(&alice.name)
        .sessions
        .iter()
        .map(|open| open.id)
        .collect();
    assert_eq!(open, [second.session.digest()]);
}

#[test]
fn link_that_can_replace_a_password_is_told_to_its_owner_when_it_is_made() {
    let mut installation = Installation::new();
    let alice = installation.person("alice");
    let link = |name: &Name| Issue {
        purpose: TicketPurpose::Account(name.clone()),
        origin: origin("operator"),
    };
    assert!(installation.submit(&link(&alice.name)).is_some());
    assert_eq!(installation.notices(&alice.name), [NoticeKind::LinkIssued]);
    let bob = name("bob");
    granted(installation.submit(&Add {
        name: bob.clone(),
        groups: Vec::new(),
        hash: None,
        totp: false,
        origin: origin("operator"),
    }));
    assert!(installation.submit(&link(&bob)).is_some());
    assert!(
        installation.notices(&bob).is_empty(),
        "there is nothing to replace"
    );
}
