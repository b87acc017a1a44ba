//! An installation as the benchmarks need one: a service on a store, people with a second factor, whole sign-ins.
//!
//! Knows: what a sign-in takes beside the password's hash, which is measured elsewhere. Must never know: what is
//! measured.

use std::sync::Arc;

use countersign_auth::command::password::{Checked, Finish, Finished};
use countersign_auth::command::{Onward, SignedIn, code, operator};
use countersign_auth::event::{Door, Origin};
use countersign_auth::name::Name;
use countersign_auth::policy::Policy;
use countersign_auth::record::PasswordHash;
use countersign_auth::rule::Entropy;
use countersign_auth::seal::KeyRing;
use countersign_core::otp::{SharedSecret, Totp};
use countersign_core::time::UnixSeconds;
use countersign_server::edge::entropy::SystemEntropy;
use countersign_server::service::clock::{Clock, ClockGuard};
use countersign_server::service::hashing::{Cost, Hashing};
use countersign_server::service::keys::{Keys, Unkept};
use countersign_server::service::post::Outbox;
use countersign_server::service::{Parts, Service};
use countersign_server::store::Store;
use zeroize::Zeroizing;

/// Somebody with a second factor.
pub struct Person {
    pub name: Name,
    pub secret: SharedSecret,
}

/// A service on a store, by a clock.
pub fn start(store: Arc<dyn Store>, clock: impl Clock + 'static) -> Service {
    let key = || {
        let mut key = Zeroizing::new([0u8; 32]);
        SystemEntropy.fill(&mut *key);
        key
    };
    let keys = KeyRing::new(vec![("k1".into(), key())], key(), key()).expect("one key");
    let parts = Parts {
        store,
        hashing: Hashing::start(Cost::DEVELOPMENT, 1, [1; 16], b"decoy").expect("a thread"),
        clock: Arc::new(ClockGuard::new(Box::new(clock), UnixSeconds(0))),
        policy: Policy::default(),
        keys: Keys::new(keys, Box::new(Unkept)),
        entropy: [Box::new(SystemEntropy), Box::new(SystemEntropy)],
        node: "bench".into(),
        notices: Box::new(|_, _| {}),
        outbox: Outbox::closed(),
    };
    Service::start(parts).expect("the service starts")
}

/// Who asks.
pub fn origin() -> Origin {
    Origin {
        door: Door::Http,
        network: "192.0.2.1".into(),
        browser: None,
        remember: true,
        agent: String::new(),
        request: String::new(),
        by: None,
    }
}

fn stored_hash() -> PasswordHash {
    PasswordHash(
        "$argon2id$v=19$m=4096,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
            .into(),
    )
}

/// Adds somebody, as an operator does.
pub async fn add(service: &Service, name: &str) -> Person {
    let name = Name::from_ascii(name).expect("a name");
    let rule = operator::Add {
        name: name.clone(),
        groups: Vec::new(),
        hash: Some(stored_hash()),
        totp: true,
        origin: origin(),
    };
    let added = service.submit(rule).await.expect("the store works");
    let enrolment = added.expect("the name is free").enrolment;
    let offer = enrolment.expect("a factor was asked for").offer;
    let secret = offer.authenticator.expect("it is shown").secret;
    Person { name, secret }
}

/// Signs somebody in with the code of a moment.
pub async fn sign_in(service: &Service, person: &Person, now: UnixSeconds) -> SignedIn {
    let checked = Checked {
        hash: Some(stored_hash()),
        matched: true,
        rehash: None,
    };
    let finish = Finish {
        name: person.name.clone(),
        origin: origin(),
        checked,
    };
    let next = service.submit(finish).await.expect("the store works");
    let Finished::Onward(Onward::CodeDue { challenge, .. }) = next else {
        panic!("the password is right")
    };
    let rule = code::Verify {
        challenge: challenge.digest(),
        code: Zeroizing::new(Totp::default().generate(&person.secret, now).to_string()),
        origin: origin(),
    };
    let verified = service.submit(rule).await.expect("the store works");
    match verified {
        code::Verified::SignedIn(signed_in) => signed_in,
        other => panic!("the code is right, yet {other:?}"),
    }
}
