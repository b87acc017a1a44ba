//! The outbox under a courier that fails when the test says so: at least once, by whichever node is there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use countersign_auth::command::contact::{Contact, Set};
use countersign_auth::command::operator::Vouch;
use countersign_auth::command::text;
use countersign_auth::contact::{MailAddress, PhoneNumber};
use countersign_auth::record::{Key, Record};
use countersign_server::deliver::templates::Templates;
use countersign_server::deliver::{Courier, Delivering, Message, Undelivered};
use countersign_server::service::Service;
use countersign_server::service::operator::{Ask, Operator, Reply};
use countersign_server::service::post::{Errand, Means, Outbox, Postman};
use countersign_server::service::recovery::{Asked, Typed};
use countersign_server::store::memory::Memory;
use countersign_server::store::{Kind, Store};
use tokio::sync::mpsc::{Receiver, UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;

use crate::world::{Hands, Person, hashing, origin, parts};

const PATIENCE: Duration = Duration::from_secs(7200);

/// Hands messages to the test, after so many failures.
struct ToTest {
    failures: AtomicU32,
    how: fn() -> Undelivered,
    messages: UnboundedSender<Message>,
}

impl Courier for ToTest {
    fn deliver<'a>(&'a self, message: &'a Message) -> Delivering<'a> {
        let counted = |left: u32| left.checked_sub(1);
        let fails = self
            .failures
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, counted);
        let told = match fails {
            Ok(_) => Err((self.how)()),
            Err(_) => Ok(()),
        };
        if told.is_ok() {
            self.messages.send(message.clone()).expect("the test listens");
        }
        Box::pin(async move { told })
    }
}

fn courier(failures: u32, how: fn() -> Undelivered) -> (Arc<ToTest>, UnboundedReceiver<Message>) {
    let (messages, received) = unbounded_channel();
    let courier = ToTest {
        failures: AtomicU32::new(failures),
        how,
        messages,
    };
    (Arc::new(courier), received)
}

fn later() -> Undelivered {
    Undelivered::Later("not now".into())
}

fn never() -> Undelivered {
    Undelivered::Never("not that".into())
}

fn sending(store: Arc<dyn Store>, hands: &Hands, node: &str) -> (Arc<Service>, Receiver<Errand>) {
    let (outbox, errands) = Outbox::open();
    let mut made_of = parts(store, hands, hashing(), node);
    made_of.outbox = outbox;
    (Arc::new(Service::start(made_of).expect("it starts")), errands)
}

fn means(mail: Arc<dyn Courier>, texts: Option<Arc<dyn Courier>>) -> Means {
    Means {
        mail,
        texts,
        templates: Arc::new(Templates::own()),
        links: "https://id.example.org".into(),
    }
}

async fn set(service: &Service, person: &Person, contact: Contact) {
    let rule = Set {
        name: person.name.clone(),
        contact,
        origin: origin("operator"),
    };
    assert!(service.submit(rule).await.expect("the store works"));
}

fn email(text: &str) -> Contact {
    Contact::Email(Some(MailAddress::parse(text).expect("an address")))
}

async fn received(messages: &mut UnboundedReceiver<Message>) -> Message {
    let waited = tokio::time::timeout(PATIENCE, messages.recv()).await;
    waited.expect("it comes").expect("the courier lives")
}

fn undelivered(store: &dyn Store) -> usize {
    let listed = store.list(Kind::Notice, None, 100).expect("the store works");
    let waits = |record: &Record| matches!(record, Record::Notice(notice) if !notice.delivered);
    listed.iter().filter(|(_, record)| waits(record)).count()
}

/// Waits until so many notices are left; the paused clock runs on while nothing else does.
async fn until_left(store: &dyn Store, count: usize) {
    let began = std::time::Instant::now();
    while undelivered(store) != count {
        let left = undelivered(store);
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "{left} notices are left, not {count}"
        );
        tokio::task::yield_now().await;
        tokio::time::advance(Duration::from_millis(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn notice_is_tried_again_until_it_is_handed_over_and_then_marked() {
    let (store, hands) = (Arc::new(Memory::default()), Hands::new());
    let (service, errands) = sending(store.clone(), &hands, "a");
    let (mail, mut messages) = courier(3, later);
    let alice = Person::add(&service, "alice").await;
    let stop = CancellationToken::new();
    let postman = tokio::spawn(Postman::new(service.clone(), errands, means(mail, None)).run(stop.clone()));
    set(&service, &alice, email("alice@example.org")).await;
    let message = received(&mut messages).await;
    assert_eq!(message.to, "alice@example.org");
    assert_eq!(message.id.len(), 64);
    until_left(&*store, 0).await;
    stop.cancel();
    postman.await.expect("it ends");
}

/// The subject of the mail that tells a person of another factor.
async fn next_subject(
    service: &Service,
    person: &Person,
    messages: &mut UnboundedReceiver<Message>,
) -> String {
    let rule = Vouch {
        name: person.name.clone(),
        label: String::new(),
        origin: origin("operator"),
    };
    let vouched = service.submit(rule).await.expect("the store works");
    assert!(vouched.is_some(), "there is room for a factor");
    received(messages).await.subject
}

#[tokio::test(start_paused = true)]
async fn text_that_was_set_is_in_the_next_message_of_every_node_and_one_that_is_wrong_in_none() {
    let (store, hands) = (Arc::new(Memory::default()), Hands::new());
    let (service, errands) = sending(store.clone(), &hands, "a");
    let elsewhere = Arc::new(crate::world::node(store.clone(), &hands, hashing(), "b"));
    let operator = Operator::new(elsewhere);
    let (mail, mut messages) = courier(0, later);
    let alice = Person::add(&service, "alice").await;
    let stop = CancellationToken::new();
    tokio::spawn(Postman::new(service.clone(), errands, means(mail, None)).run(stop.clone()));
    set(&service, &alice, email("alice@example.org")).await;
    received(&mut messages).await;
    assert_eq!(
        next_subject(&service, &alice, &mut messages).await,
        "About your account alice"
    );

    let notice = |text: &str| Ask::TextSet {
        kind: "notice".into(),
        text: text.into(),
    };
    let reply = operator
        .answer(notice("Subject: News for {name}\n\n{text}\n"), "test")
        .await;
    assert!(matches!(reply, Reply::Done), "{reply:?}");
    assert_eq!(
        next_subject(&service, &alice, &mut messages).await,
        "News for alice"
    );
    let reply = operator.answer(notice("Subject: News\n\n{txet}\n"), "test").await;
    let Reply::Refused { why, .. } = reply else {
        panic!("a text that is wrong is refused: {reply:?}");
    };
    assert!(
        why.starts_with("notice: line 3 has the unknown place {txet}"),
        "{why}"
    );

    // As an older version may have taken it.
    let older = text::Set {
        kind: "notice".into(),
        text: "Subject: Old news\n\n{gone}\n".into(),
        origin: origin("operator"),
    };
    service.submit(older).await.expect("the store works");
    assert_eq!(
        next_subject(&service, &alice, &mut messages).await,
        "About your account alice"
    );
    let Reply::Texts { texts, is_mail_sent } = operator.answer(Ask::TextList, "test").await else {
        panic!("there are texts");
    };
    assert!(!is_mail_sent, "the other node sends none");
    assert_eq!(
        (texts[0].kind.as_str(), texts[0].source.as_str()),
        ("notice", "product")
    );
    let passed_over = texts[0].passed_over.as_deref().unwrap_or_default();
    assert!(passed_over.contains("unknown place {gone}"), "{passed_over}");

    let reset = || Ask::TextReset {
        kind: "notice".into(),
    };
    assert!(matches!(operator.answer(reset(), "test").await, Reply::Done));
    assert!(
        matches!(operator.answer(reset(), "test").await, Reply::Refused { .. }),
        "there is none any more"
    );
    assert_eq!(
        next_subject(&service, &alice, &mut messages).await,
        "About your account alice"
    );
    stop.cancel();
}

#[tokio::test]
async fn text_of_a_file_counts_on_its_node_and_nothing_else_is_set_there() {
    let (store, hands) = (Arc::new(Memory::default()), Hands::new());
    let service = Arc::new(crate::world::node(store, &hands, hashing(), "a"));
    let own = |file: &str| (file == "notice.txt").then(|| "Subject: Ours\n\n{text}\n".to_owned());
    let words = Arc::new(Templates::load(own).expect("it is right"));
    service.word_with(Ok(words));
    let operator = Operator::new(service);
    let ask = async |ask| operator.answer(ask, "test").await;
    let Reply::Text(shown) = ask(Ask::TextShow {
        kind: "notice".into(),
    })
    .await
    else {
        panic!("it is shown");
    };
    assert_eq!(
        (shown.source.as_str(), shown.text.as_str()),
        ("file", "Subject: Ours\n\n{text}\n")
    );
    let set = |kind: &str| Ask::TextSet {
        kind: kind.into(),
        text: "Subject: Other\n\n{text} {code}\n".into(),
    };
    let Reply::Refused { why, .. } = ask(set("notice")).await else {
        panic!("it would not count");
    };
    assert!(why.contains("notice.txt"), "{why}");
    let Reply::Refused { why, .. } = ask(set("news")).await else {
        panic!("there is no such kind");
    };
    assert!(
        why.ends_with("there are notice, recovery, recovery-proven, address"),
        "{why}"
    );
    for kind in ["notice", "recovery", "recovery-proven", "address"] {
        let Reply::TextTried(tried) = ask(Ask::TextTry {
            kind: kind.into(),
            text: None,
        })
        .await
        else {
            panic!("{kind} is filled");
        };
        assert!(
            !tried.text.contains(['{', '}']) && !tried.subject.contains('{'),
            "{tried:?}"
        );
    }
    let broken = Arc::new(crate::world::node(
        Arc::new(Memory::default()),
        &hands,
        hashing(),
        "b",
    ));
    broken.word_with(Err("mail_templates: notice.txt: it is not UTF-8".into()));
    let reply = Operator::new(broken).answer(Ask::TextList, "test").await;
    assert!(matches!(reply, Reply::Refused { .. }), "{reply:?}");
}

#[tokio::test(start_paused = true)]
async fn notice_that_is_refused_for_good_is_not_tried_again() {
    let (store, hands) = (Arc::new(Memory::default()), Hands::new());
    let (service, errands) = sending(store.clone(), &hands, "a");
    let (mail, mut messages) = courier(1, never);
    let alice = Person::add(&service, "alice").await;
    let stop = CancellationToken::new();
    tokio::spawn(Postman::new(service.clone(), errands, means(mail, None)).run(stop.clone()));
    set(&service, &alice, email("alice@example.org")).await;
    until_left(&*store, 0).await;
    assert!(messages.try_recv().is_err());
    stop.cancel();
}

#[tokio::test(start_paused = true)]
async fn notice_that_another_node_left_behind_is_sent_with_the_same_identifier() {
    let (store, hands) = (Arc::new(Memory::default()), Hands::new());
    // The first node dies before it sent anything.
    let (first, lost) = sending(store.clone(), &hands, "a");
    drop(lost);
    let alice = Person::add(&first, "alice").await;
    set(&first, &alice, email("alice@example.org")).await;
    let listed = store.list(Kind::Notice, None, 10).expect("the store works");
    let [(Key::Notice(id), _)] = listed.as_slice() else {
        panic!("there is one notice: {listed:?}");
    };
    hands.pass(60);
    let (second, errands) = sending(store.clone(), &hands, "b");
    let (mail, mut messages) = courier(0, later);
    let stop = CancellationToken::new();
    tokio::spawn(Postman::new(second.clone(), errands, means(mail, None)).run(stop.clone()));
    assert_eq!(received(&mut messages).await.id, id.to_string());
    until_left(&*store, 0).await;
    stop.cancel();
}

#[tokio::test(start_paused = true)]
async fn code_goes_to_the_address_and_the_recovery_is_told_on_the_telephone_as_well() {
    let (store, hands) = (Arc::new(Memory::default()), Hands::new());
    let (service, errands) = sending(store.clone(), &hands, "a");
    let (mail, mut mails) = courier(0, later);
    let (texts, mut telephone) = courier(0, later);
    let alice = Person::add(&service, "alice").await;
    let stop = CancellationToken::new();
    tokio::spawn(Postman::new(service.clone(), errands, means(mail, Some(texts))).run(stop.clone()));
    set(&service, &alice, email("alice@example.org")).await;
    let number = PhoneNumber::parse("+41791234567").expect("a number");
    set(&service, &alice, Contact::Phone(Some(number))).await;
    received(&mut mails).await;

    let asked = service.ask_recovery("nobody", &origin("192.0.2.1")).await;
    assert!(matches!(asked, Ok(Ok(Asked::Accepted { .. }))));
    let asked = service.ask_recovery("ALICE", &origin("192.0.2.1")).await;
    let Ok(Ok(Asked::Accepted { recovery, .. })) = asked else {
        panic!("there is room: {asked:?}");
    };
    let message = received(&mut mails).await;
    assert!(message.subject.contains("alice"), "nothing was sent for nobody");
    let mailed = message.text.lines().map(str::trim).find(|line| line.len() == 11);
    let mailed = mailed.expect("a code stands on a line of its own").to_owned();
    let code = alice.code(countersign_core::time::UnixSeconds(crate::world::START));
    let proved = service
        .prove_recovery(
            recovery.expose(),
            "alice",
            &mailed,
            Typed::Code(&code),
            &origin("192.0.2.1"),
        )
        .await;
    assert!(
        matches!(
            proved,
            Ok(countersign_auth::command::recovery::prove::Proved::Proven(_))
        ),
        "{proved:?}"
    );
    let told = received(&mut mails).await;
    assert!(told.text.contains("https://id.example.org/recover/cancel#"));
    let text = received(&mut telephone).await;
    assert_eq!(text.to, "+41791234567");
    assert!(
        !text.text.contains('#'),
        "no link that calls anything off goes by text message"
    );
    stop.cancel();
}
