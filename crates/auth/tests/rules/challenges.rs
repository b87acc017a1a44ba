//! What one challenge does to the others of its account, and one ended session to its account.

use countersign_auth::command::code::Verified;
use countersign_auth::command::session::{End, Which};
use countersign_auth::id::Digest;
use countersign_auth::name::Name;

use crate::world::{HOME, Installation, origin, wrong_code};

fn open_challenges(installation: &Installation, who: &Name) -> Vec<Digest> {
    let open = &installation.account(who).challenges;
    open.iter().map(|open| open.id).collect()
}

#[test]
fn challenge_that_dies_or_is_answered_leaves_the_others_of_its_account_open() {
    let mut installation = Installation::new();
    let alice = installation.person("alice");
    let home = origin(HOME);
    let challenges: Vec<_> = (0..3)
        .map(|number| installation.challenge(&alice.name, &origin(&format!("198.51.100.{number}"))))
        .collect();
    let digests: Vec<_> = challenges.iter().map(|challenge| challenge.digest()).collect();
    let wrong = wrong_code(&alice.secret, installation.now);
    for _ in 0..5 {
        assert_eq!(
            installation.verify(&challenges[0], &wrong, &home),
            Verified::Refused
        );
    }
    assert_eq!(open_challenges(&installation, &alice.name), digests[1..]);

    installation.pass(300 - 1);
    let known = origin("198.51.100.1");
    let code = alice.code(installation.now, 0);
    installation.policy.budgets.strangers_code.failures_max = 100;
    let verified = installation.verify(&challenges[1], &code, &known);
    assert!(matches!(verified, Verified::SignedIn(_)), "{verified:?}");
    assert_eq!(open_challenges(&installation, &alice.name), digests[2..]);
}

#[test]
fn challenge_is_dead_once_it_bore_as_many_wrong_codes_as_are_allowed_by_now() {
    let mut installation = Installation::new();
    let alice = installation.person("alice");
    let home = origin(HOME);
    let challenge = installation.challenge(&alice.name, &home);
    let wrong = wrong_code(&alice.secret, installation.now);
    for _ in 0..2 {
        assert_eq!(installation.verify(&challenge, &wrong, &home), Verified::Refused);
    }
    let right = alice.code(installation.now, 0);
    installation.policy.challenge_wrong_codes_max = 2;
    assert_eq!(
        installation.verify(&challenge, &right, &home),
        Verified::NoChallenge
    );
    installation.policy.challenge_wrong_codes_max = 3;
    let verified = installation.verify(&challenge, &right, &home);
    assert!(matches!(verified, Verified::SignedIn(_)), "{verified:?}");
}

#[test]
fn end_of_a_session_that_is_not_there_changes_nothing() {
    let mut installation = Installation::new();
    let alice = installation.person("alice");
    let session = installation.sign_in(&alice, &origin(HOME));
    let mut end = End {
        session: session.session.digest(),
        name: alice.name.clone(),
        which: Which::One("no such session".into()),
        origin: origin(HOME),
    };
    let (ended, work) = installation.weigh(&end);
    assert_eq!((ended, work.puts, work.deletes, work.entries), (0, 0, 0, 0));
    end.which = Which::Others;
    let (ended, work) = installation.weigh(&end);
    assert_eq!((ended, work.puts, work.deletes, work.entries), (0, 0, 0, 0));
}
