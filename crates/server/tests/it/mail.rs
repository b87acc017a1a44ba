//! The outbox under a courier that fails when the test says so: at least once, by whichever node is there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use countersign_auth::command::contact::{Contact, Set};
use countersign_auth::contact::{MailAddress, PhoneNumber};
use countersign_auth::record::{Key, Record};
use countersign_server::deliver::templates::Templates;
use countersign_server::deliver::{Courier, Delivering, Message, Undelivered};
use countersign_server::service::Service;
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
        templates: Templates::load(|_| None).expect("our own texts are right"),
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
