//! Ways back in: backup codes, a new password, an operator's reset, a ticket.

use countersign_auth::command::code::Verified;
use countersign_auth::command::enrol::ReplaceBackupCodes;
use countersign_auth::command::operator::{Action, Add, Manage, Managed};
use countersign_auth::command::password::{Begin, Begun, Checked, Finished, Replace, Replaced};
use countersign_auth::command::ticket::{Issue, Look, NotRedeemed, Redeem};
use countersign_auth::command::{Onward, SignedIn};
use countersign_auth::credential::Credential;
use countersign_auth::event::{Act, Reason};
use countersign_auth::id::Token;
use countersign_auth::record::{Founder, Key, NoticeKind, Record, TicketPurpose};
use countersign_auth::session::Level;

use crate::world::{
    HOME, Installation, Person, asker, from_browser, granted, hash, name, origin, signed_in, wrong_code,
};

/// Alice, signed in.
fn with_session() -> (Installation, Person, SignedIn) {
    let mut installation = Installation::new();
    let alice = installation.person("alice");
    let session = installation.sign_in(&alice, &origin(HOME));
    installation.pass(30);
    (installation, alice, session)
}

fn replace(session: &SignedIn, matched: bool, code: &str) -> Replace {
    Replace {
        session: session.session.digest(),
        name: session.name.clone(),
        origin: origin(HOME),
        checked: Checked {
            hash: Some(hash("alice")),
            matched,
            rehash: None,
        },
        hash: hash("new"),
        code: code.to_owned().into(),
    }
}

fn first_administrator(installation: &mut Installation) -> Token {
    let issue = Issue {
        purpose: TicketPurpose::FirstAdministrator,
        origin: origin("operator"),
    };
    let (ticket, lives_s) = installation.submit(&issue).expect("it needs no account");
    assert_eq!(lives_s, 900);
    ticket
}

fn redeem(ticket: &Token, text: &str) -> Redeem {
    Redeem {
        ticket: ticket.digest(),
        name: name(text),
        hash: hash("chosen"),
        origin: origin(HOME),
    }
}

/// A session that a ticket opened.
fn opened(redeemed: Result<Onward, NotRedeemed>) -> SignedIn {
    match redeemed {
        Ok(Onward::SignedIn(signed_in)) => signed_in,
        other => panic!("the ticket is fresh and no factor is enrolled, yet {other:?}"),
    }
}

#[test]
fn newer_ticket_voids_the_older_and_a_used_or_disabled_account_leaves_none() {
    let manage = |installation: &mut Installation, action| {
        let rule = Manage {
            name: name("alice"),
            action,
            origin: origin("operator"),
        };
        installation.submit(&rule)
    };
    let reset = |installation: &mut Installation| match manage(installation, Action::Reset) {
        Managed::Ticket(ticket, _) => ticket,
        other => panic!("no ticket: {other:?}"),
    };
    let (mut installation, ..) = with_session();
    let (first, second) = (reset(&mut installation), reset(&mut installation));
    let refused = Err(NotRedeemed::NoTicket);
    let redeemed = installation.submit(&redeem(&first, "alice"));
    assert_eq!(redeemed, refused, "a newer one was issued");
    assert!(installation.submit(&redeem(&second, "alice")).is_ok());
    let third = reset(&mut installation);
    assert_eq!(manage(&mut installation, Action::Disable), Managed::Done);
    assert_eq!(manage(&mut installation, Action::Enable), Managed::Done);
    let redeemed = installation.submit(&redeem(&third, "alice"));
    assert_eq!(redeemed, refused, "the account was disabled meanwhile");
}

#[test]
fn every_backup_code_signs_in_once_and_a_new_one_takes_its_place() {
    let (mut installation, alice, _) = with_session();
    assert_eq!(alice.backup_codes.len(), 10);
    for (at, backup) in alice.backup_codes.iter().enumerate() {
        let challenge = installation.challenge(&alice.name, &origin(HOME));
        let session = signed_in(installation.verify(&challenge, backup, &origin(HOME)));
        assert_eq!(session.level, Level::Two);
        let replacement = session.replacement_code.expect("a new code is shown");
        let challenge = installation.challenge(&alice.name, &origin(HOME));
        let again = installation.verify(&challenge, backup, &origin(HOME));
        assert_eq!(again, Verified::Refused, "code {at}");
        signed_in(installation.verify(&challenge, &replacement, &origin(HOME)));
    }
    assert_eq!(installation.audited(Act::BackupCodeUse, None), 20);
    assert!(
        installation
            .notices(&alice.name)
            .contains(&NoticeKind::BackupCodeUsed)
    );
}

#[test]
fn backup_codes_are_stored_as_nothing_that_shows_them() {
    let (installation, alice, _) = with_session();
    let factors = &installation.account(&alice.name).factors;
    let stored = factors
        .iter()
        .filter(|factor| matches!(factor.credential, Credential::Backup(_)))
        .map(|factor| format!("{factor:?}"))
        .collect::<String>();
    assert!(stored.contains("hashes"), "{stored}");
    for code in &alice.backup_codes {
        let bare = code.replace('-', "");
        assert!(!stored.contains(code.as_str()) && !stored.contains(&bare));
    }
}

#[test]
fn replaced_backup_codes_are_void_and_ten_new_ones_work() {
    let (mut installation, alice, session) = with_session();
    let rule = ReplaceBackupCodes {
        asker: asker(&session, &alice.code(installation.now, 0)),
    };
    let codes = granted(installation.submit(&rule)).given;
    assert_eq!(codes.len(), 10);
    let challenge = installation.challenge(&alice.name, &origin(HOME));
    assert_eq!(
        installation.verify(&challenge, &alice.backup_codes[0], &origin(HOME)),
        Verified::Refused
    );
    signed_in(installation.verify(&challenge, &codes[0], &origin(HOME)));
    let rule = ReplaceBackupCodes {
        asker: asker(&session, &codes[1]),
    };
    let done = granted(installation.submit(&rule));
    assert_eq!(done.replacement_code, None, "it belongs to the set that is void");
}

#[test]
fn new_password_ends_all_that_was_open_and_changes_the_token() {
    let (mut installation, alice, session) = with_session();
    let other = installation.sign_in(&alice, &origin(HOME));
    let browser = other.browser.clone().expect("it was unknown");
    let challenge = installation.challenge(&alice.name, &origin(HOME));
    installation.pass(30);
    let code = alice.code(installation.now, 0);
    let Replaced::Done(fresh) = installation.submit(&replace(&session, true, &code)) else {
        panic!("password and code are right")
    };
    assert_ne!(fresh.session, session.session);
    assert_eq!(fresh.level, Level::Two);
    let account = installation.account(&alice.name);
    let open: Vec<_> = account.sessions.iter().map(|open| open.id).collect();
    assert_eq!(open, [fresh.session.digest()]);
    assert_eq!(account.challenges, []);
    assert!(
        installation
            .notices(&alice.name)
            .contains(&NoticeKind::PasswordChanged)
    );
    for key in [
        Key::Session(session.session.digest()),
        Key::Session(other.session.digest()),
        Key::Challenge(challenge.digest()),
        Key::Browser(browser.digest()),
    ] {
        assert!(!installation.records.contains_key(&key), "{key:?}");
    }
    let begin = Begin {
        name: alice.name.clone(),
        origin: from_browser(HOME, &browser),
    };
    assert_eq!(
        installation.submit(&begin),
        Begun::Check {
            hash: Some(hash("new")),
            known: false
        }
    );
}

#[test]
fn new_password_needs_the_old_one_a_session_and_a_fresh_code() {
    let (mut installation, alice, session) = with_session();
    let account = installation.account(&alice.name).clone();
    let right = alice.code(installation.now, 0);
    let used = alice.code(installation.now, -1);
    let wrong = wrong_code(&alice.secret, installation.now);
    for (matched, code, expected) in [
        (false, right.as_str(), Replaced::Refused),
        (true, &wrong, Replaced::Refused),
        (true, &used, Replaced::Refused),
        (true, "", Replaced::Malformed),
    ] {
        let replaced = installation.submit(&replace(&session, matched, code));
        assert_eq!(replaced, expected, "matched {matched}, code {code:?}");
    }
    let bob = installation.newcomer("bob");
    let mut foreign = replace(&installation.first_session(&bob, &origin(HOME)), true, &right);
    foreign.name = alice.name.clone();
    assert_eq!(installation.submit(&foreign), Replaced::NoSession);
    let mut stale = replace(&session, true, &right);
    stale.checked.hash = Some(hash("older"));
    assert_eq!(installation.submit(&stale), Replaced::Stale);
    assert_eq!(installation.account(&alice.name), &account);
    let done = installation.submit(&replace(&session, true, &right));
    assert!(
        matches!(done, Replaced::Done(_)),
        "none of these used up the code: {done:?}"
    );
}

#[test]
fn guesses_at_the_old_password_are_counted_from_within_a_session_too() {
    let (mut installation, alice, session) = with_session();
    let code = alice.code(installation.now, 0);
    for _ in 0..5 {
        let replaced = installation.submit(&replace(&session, false, &code));
        assert_eq!(replaced, Replaced::Refused);
    }
    assert_eq!(
        installation.submit(&replace(&session, true, &code)),
        Replaced::Throttled { retry_after_s: 300 }
    );
}

#[test]
fn backup_code_that_allows_a_new_password_is_replaced_and_the_new_one_is_shown() {
    let (mut installation, alice, session) = with_session();
    let done = installation.submit(&replace(&session, true, &alice.backup_codes[2]));
    let Replaced::Done(fresh) = done else {
        panic!("password and backup code are right, yet {done:?}")
    };
    let replacement = fresh.replacement_code.expect("a new code is shown");
    assert_eq!(installation.audited(Act::BackupCodeUse, None), 1);
    assert!(
        installation
            .notices(&alice.name)
            .contains(&NoticeKind::BackupCodeUsed)
    );
    let finish = installation.finish(&alice.name, Some(hash("new")), true, &origin(HOME));
    let Finished::Onward(Onward::CodeDue { challenge, .. }) = installation.submit(&finish) else {
        panic!("the new password is right")
    };
    signed_in(installation.verify(&challenge, &replacement, &origin(HOME)));
}

#[test]
fn reset_takes_everything_but_the_account_and_gives_a_ticket() {
    let (mut installation, alice, session) = with_session();
    for _ in 0..5 {
        assert_eq!(
            installation.password(&alice.name, false, &origin("operator")),
            Finished::Refused
        );
    }
    let reset = Manage {
        name: alice.name.clone(),
        action: Action::Reset,
        origin: origin("operator"),
    };
    let Managed::Ticket(ticket, lives_s) = installation.submit(&reset) else {
        panic!("a reset gives a ticket")
    };
    assert_eq!(lives_s, 900);
    let account = installation.account(&alice.name);
    assert_eq!((account.factors.len(), account.sessions.len()), (0, 0));
    assert_eq!(account.password, None);
    assert!(
        !installation
            .records
            .contains_key(&Key::Session(session.session.digest()))
    );
    assert!(
        installation
            .notices(&alice.name)
            .contains(&NoticeKind::AccountReset)
    );
    assert_eq!(
        installation.password(&alice.name, true, &origin(HOME)),
        Finished::Refused,
        "without a password nobody signs in, whatever was typed"
    );
    assert_eq!(
        installation.audited(Act::PasswordCheck, Some(Reason::NoPassword)),
        1
    );
    let session = opened(installation.submit(&redeem(&ticket, "alice")));
    assert_eq!((session.level, session.must_enrol), (Level::One, true));
    assert_eq!(
        installation.submit(&redeem(&ticket, "alice")),
        Err(NotRedeemed::NoTicket),
        "a ticket is used once"
    );
    installation.first_session(&alice.name, &origin("operator"));
    assert_eq!(installation.audited(Act::AccountReset, None), 1);
    assert_eq!(installation.audited(Act::TicketRedeem, None), 1);
}

#[test]
fn ticket_lives_900_seconds() {
    for (age_s, alive) in [(899, true), (900, false)] {
        let mut installation = Installation::new();
        let ticket = first_administrator(&mut installation);
        installation.pass(age_s);
        let look = Look {
            ticket: ticket.digest(),
        };
        let seen = installation.submit(&look);
        assert_eq!(seen, alive.then_some(TicketPurpose::FirstAdministrator));
        let redeemed = installation.submit(&redeem(&ticket, "root"));
        assert_eq!(redeemed.is_ok(), alive, "after {age_s} s: {redeemed:?}");
    }
}

#[test]
fn first_administrators_ticket_is_void_once_there_is_one_and_takes_no_name_that_is_taken() {
    let mut installation = Installation::new();
    installation.newcomer("bob");
    let [one, two] = [(); 2].map(|()| first_administrator(&mut installation));
    assert_eq!(
        installation.submit(&redeem(&one, "bob")),
        Err(NotRedeemed::NameTaken)
    );
    let session = opened(installation.submit(&redeem(&one, "root")));
    assert!(session.must_enrol, "a taken name did not use the ticket up");
    assert!(installation.account(&name("root")).is_admin());
    let before = installation.records.clone();
    assert_eq!(
        installation.submit(&redeem(&two, "mallory")),
        Err(NotRedeemed::NoTicket)
    );
    assert_eq!(installation.records, before);
    let another = Issue {
        purpose: TicketPurpose::FirstAdministrator,
        origin: origin("operator"),
    };
    assert_eq!(installation.submit(&another), None, "nor is there a further one");
}

#[test]
fn first_administrators_ticket_is_void_once_an_operator_added_one() {
    let mut installation = Installation::new();
    let ticket = first_administrator(&mut installation);
    let add = |text: &str, groups: &[&str]| Add {
        name: name(text),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        hash: Some(hash(text)),
        totp: false,
        origin: origin("operator"),
    };
    granted(installation.submit(&add("bob", &["staff"])));
    assert!(!installation.records.contains_key(&Key::Founder));
    granted(installation.submit(&add("root", &["admin"])));
    granted(installation.submit(&add("second", &["admin"])));
    let founder = Record::Founder(Founder { name: name("root") });
    assert_eq!(installation.records.get(&Key::Founder), Some(&founder));
    assert_eq!(
        installation.submit(&redeem(&ticket, "mallory")),
        Err(NotRedeemed::NoTicket)
    );
}

#[test]
fn ticket_of_one_account_opens_no_other_and_none_that_is_disabled() {
    let mut installation = Installation::new();
    let bob = installation.newcomer("bob");
    let issue = Issue {
        purpose: TicketPurpose::Account(bob.clone()),
        origin: origin("operator"),
    };
    let (ticket, _) = installation.submit(&issue).expect("the account exists");
    installation.newcomer("carol");
    for other in ["carol", "nobody"] {
        assert_eq!(
            installation.submit(&redeem(&ticket, other)),
            Err(NotRedeemed::NoTicket)
        );
    }
    let disable = Manage {
        name: bob.clone(),
        action: Action::Disable,
        origin: origin("operator"),
    };
    assert_eq!(installation.submit(&disable), Managed::Done);
    assert_eq!(
        installation.submit(&redeem(&ticket, "bob")),
        Err(NotRedeemed::NoTicket)
    );
    let reset = Manage {
        action: Action::Reset,
        ..disable.clone()
    };
    assert_eq!(
        installation.submit(&reset),
        Managed::Disabled,
        "no link is handed out that opens nothing"
    );
    assert_eq!(installation.submit(&issue), None);
    let unknown = Issue {
        purpose: TicketPurpose::Account(name("nobody")),
        origin: origin("operator"),
    };
    assert_eq!(installation.submit(&unknown), None);
}

#[test]
fn password_set_by_a_ticket_ends_all_that_was_open_and_leaves_the_code_due() {
    let (mut installation, alice, session) = with_session();
    let challenge = installation.challenge(&alice.name, &origin(HOME));
    let issue = Issue {
        purpose: TicketPurpose::Account(alice.name.clone()),
        origin: origin("operator"),
    };
    let (ticket, _) = installation.submit(&issue).expect("the account exists");
    let Ok(Onward::CodeDue { challenge: due, .. }) = installation.submit(&redeem(&ticket, "alice")) else {
        panic!("a ticket stands for the password, never for the second factor")
    };
    for key in [
        Key::Session(session.session.digest()),
        Key::Challenge(challenge.digest()),
    ] {
        assert!(!installation.records.contains_key(&key), "{key:?}");
    }
    assert_eq!(installation.account(&alice.name).sessions, []);
    installation.pass(30);
    let code = alice.code(installation.now, 0);
    let fresh = signed_in(installation.verify(&due, &code, &origin(HOME)));
    assert_eq!(fresh.level, Level::Two);
    assert!(
        installation
            .notices(&alice.name)
            .contains(&NoticeKind::PasswordChanged)
    );
}

#[test]
fn no_code_is_printed_with_what_it_came_with() {
    let (mut installation, alice, session) = with_session();
    let challenge = installation.challenge(&alice.name, &origin(HOME));
    let verified = installation.verify(&challenge, &alice.backup_codes[0], &origin(HOME));
    let printed = format!("{verified:?} {session:?}");
    let session = signed_in(verified);
    let replacement = session.replacement_code.expect("a new code is shown");
    assert!(!printed.contains(replacement.as_str()), "{printed}");
    assert!(printed.contains("alice"), "{printed}");
}
