//! The audit of several nodes, searched as an operator does.

use std::sync::Arc;

use countersign_auth::event::{Act, Ending, Event, Reason};
use countersign_auth::name::Name;
use countersign_server::service::Service;
use countersign_server::service::operator::{Ask, FOUND_MAX, Found, Operator, Reply, Search};
use countersign_server::store::memory::Memory;
use countersign_server::store::sqlite::Sqlite;

use crate::world::{Folder, Hands, START, hashing, keys, node, origin};

async fn search(service: &Arc<Service>, search: Search) -> Result<Found, String> {
    let operator = Operator::new(service.clone());
    match operator.answer(Ask::AuditSearch(search), "test").await {
        Reply::AuditFound(found) => Ok(found),
        Reply::Refused { why, .. } => Err(why),
        other => panic!("a search is answered with {other:?}"),
    }
}

/// What was found, as seconds since the start and who it was about.
fn told(found: &Found) -> Vec<(u64, String)> {
    let subject = |event: &serde_json::Value| event["subject"].as_str().unwrap_or("-").to_owned();
    let entries = found.entries.iter();
    entries
        .map(|entry| (entry.at - START, subject(&entry.event)))
        .collect()
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[tokio::test]
async fn entries_of_all_nodes_are_found_by_whatever_applies_to_them() {
    let folder = Folder::fresh();
    let store = Arc::new(Sqlite::open(&folder.path().join("search.db")).expect("the store opens"));
    let hands = Hands::new();
    let first = Arc::new(node(store.clone(), &hands, hashing(), "first"));
    let second = Arc::new(node(store, &hands, hashing(), "second"));
    let name = |text: &str| Name::from_ascii(text).expect("a name");
    let about =
        |act, result, who: &str, network: &str| Event::about(act, result, &name(who), &origin(network));
    let note = async |service: &Service, event: Event| {
        hands.pass(10);
        service.note(vec![event]).await.expect("the store works");
    };
    let (done, refused) = (Ending::Success, Ending::Refused);
    note(&first, about(Act::SignIn, done, "alice", "192.0.2.1")).await;
    note(&second, about(Act::SignIn, done, "bob", "192.0.2.2")).await;
    let unknown = Event::about_unknown(
        Act::PasswordCheck,
        refused,
        &name("carol"),
        &origin("192.0.2.3"),
        &keys(),
    );
    note(&first, unknown.because(Reason::UnknownName)).await;
    note(
        &second,
        about(Act::CodeCheck, refused, "alice", "192.0.2.2").because(Reason::WrongCode),
    )
    .await;

    let all = search(&first, Search::default()).await.expect("it is right");
    let tag = all.entries[1].event["subject"]
        .as_str()
        .expect("a tag")
        .to_owned();
    assert!(tag.starts_with("unknown:"), "{tag}");
    let [alice_signs_in, bob, carol, alice_errs] =
        [(10, "alice"), (20, "bob"), (30, tag.as_str()), (40, "alice")].map(|(at, who)| (at, who.to_owned()));
    let (alice_signs_in, alice_errs) = (&alice_signs_in, &alice_errs);
    let everything = [alice_errs, &carol, &bob, alice_signs_in];
    assert_eq!(told(&all).iter().collect::<Vec<_>>(), everything);
    assert_eq!((all.looked_at, all.older, all.stopped_early), (4, None, false));

    let wanted = Search::default;
    for (asked, expected) in [
        (
            Search {
                subject: some(" ALICE "),
                ..wanted()
            },
            vec![alice_errs, alice_signs_in],
        ),
        (
            Search {
                subject: some("Carol"),
                ..wanted()
            },
            vec![&carol],
        ),
        (
            Search {
                subject: some(&tag),
                ..wanted()
            },
            vec![&carol],
        ),
        (
            Search {
                act: some("sign_in"),
                ..wanted()
            },
            vec![&bob, alice_signs_in],
        ),
        (
            Search {
                result: some("refused"),
                ..wanted()
            },
            vec![alice_errs, &carol],
        ),
        (
            Search {
                reason: some("wrong_code"),
                ..wanted()
            },
            vec![alice_errs],
        ),
        (
            Search {
                source: some("192.0.2.2"),
                ..wanted()
            },
            vec![alice_errs, &bob],
        ),
        (
            Search {
                source: some("192.0.2"),
                ..wanted()
            },
            vec![],
        ),
        (
            Search {
                subject: some("alice"),
                act: some("sign_in"),
                ..wanted()
            },
            vec![alice_signs_in],
        ),
        (
            Search {
                since: some("20s"),
                until: some("0s"),
                ..wanted()
            },
            vec![&carol, &bob],
        ),
        (
            Search {
                since: some(&(START + 40).to_string()),
                ..wanted()
            },
            vec![alice_errs],
        ),
    ] {
        let found = search(&second, asked.clone()).await.expect("it is right");
        assert_eq!(told(&found).iter().collect::<Vec<_>>(), expected, "{asked:?}");
    }
    for (asked, expected) in [
        (
            Search {
                act: some("signin"),
                ..wanted()
            },
            "act: there is none of that name; there are password_check, ",
        ),
        (
            Search {
                result: some("done"),
                ..wanted()
            },
            "result: there is none of that name; there are success, refused",
        ),
        (
            Search {
                reason: some("tired"),
                ..wanted()
            },
            "reason: there is none of that name; there are unknown_name, ",
        ),
        (
            Search {
                since: some("yesterday"),
                ..wanted()
            },
            "since: give how long ago",
        ),
        (
            Search {
                subject: some("two words"),
                ..wanted()
            },
            "subject: the name holds a character",
        ),
        (
            Search {
                cursor: some("x"),
                ..wanted()
            },
            "cursor: give the one",
        ),
    ] {
        let why = search(&first, asked).await.expect_err(expected);
        assert!(why.starts_with(expected), "{why}");
    }
}

#[tokio::test]
async fn search_looks_at_so_much_in_one_go_and_goes_on_where_it_stopped() {
    let (store, hands) = (Arc::new(Memory::default()), Hands::new());
    let service = Arc::new(node(store, &hands, hashing(), "here"));
    let event = |act| Event::plain(act, Ending::Success, &origin("192.0.2.1"));
    let note = async |events| service.note(events).await.expect("the store works");
    note(vec![event(Act::BackupMake); 300]).await;
    for _ in 0..20 {
        note(vec![event(Act::SignIn); 1_000]).await;
    }
    let backups = |limit, cursor| Search {
        act: some("backup_make"),
        limit,
        cursor,
        ..Search::default()
    };
    let first = search(&service, backups(0, None)).await.expect("it is right");
    assert_eq!(
        (first.entries.len(), first.looked_at, first.stopped_early),
        (0, 20_000, true)
    );
    assert!(first.older.is_some());
    let second = search(&service, backups(1_000, first.older))
        .await
        .expect("it is right");
    assert_eq!(
        (second.entries.len(), second.stopped_early),
        (FOUND_MAX, false),
        "a page is bounded"
    );
    let third = search(&service, backups(0, second.older))
        .await
        .expect("it is right");
    assert_eq!((third.entries.len(), third.older), (100, None));
    let numbers = |found: &[countersign_server::service::operator::Entry]| {
        found.iter().map(|entry| entry.number).collect::<Vec<_>>()
    };
    let found = [numbers(&second.entries), numbers(&third.entries)].concat();
    assert_eq!(
        found,
        (1..=300).rev().collect::<Vec<_>>(),
        "each once, the latest first"
    );
}
