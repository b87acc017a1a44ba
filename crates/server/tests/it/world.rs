//! A service over a store of the test's choice, and people in it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use countersign_auth::command::password::{Checked, Finish, Finished};
use countersign_auth::command::{Onward, code, operator};
use countersign_auth::event::{Door, Origin};
use countersign_auth::id::Token;
use countersign_auth::name::Name;
use countersign_auth::policy::Policy;
use countersign_auth::record::PasswordHash;
use countersign_auth::seal::KeyRing;
use countersign_core::otp::{SharedSecret, Totp};
use countersign_core::time::UnixSeconds;
use countersign_server::service::clock::{Clock, ClockGuard};
use countersign_server::service::hashing::{Cost, Hashing};
use countersign_server::service::keys::{Keys, Unkept};
use countersign_server::service::post::Outbox;
use countersign_server::service::{Failure, Parts, Service};
use countersign_server::store::Store;
use countersign_testkit::SeededChance;
use zeroize::Zeroizing;

pub const START: u64 = 1_800_000_000;

/// A clock whose wall and monotonic hands the test moves.
#[derive(Clone)]
pub struct Hands(Arc<(AtomicU64, AtomicU64)>);

impl Hands {
    pub fn new() -> Hands {
        Hands(Arc::new((AtomicU64::new(START), AtomicU64::new(0))))
    }

    /// Time passes.
    pub fn pass(&self, seconds: u64) {
        self.0.0.fetch_add(seconds, Ordering::Relaxed);
        self.0.1.fetch_add(seconds, Ordering::Relaxed);
    }

    /// The wall clock is set, and no time passes.
    pub fn jump(&self, seconds: i64) {
        let now = self.0.0.load(Ordering::Relaxed);
        self.0
            .0
            .store(now.saturating_add_signed(seconds), Ordering::Relaxed);
    }
}

impl Clock for Hands {
    fn since_1970(&self) -> Duration {
        Duration::from_secs(self.0.0.load(Ordering::Relaxed))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_secs(self.0.1.load(Ordering::Relaxed))
    }
}

/// A folder of its own, removed at the end.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn fresh() -> Folder {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "countersign-service-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a temporary folder can be made");
        Folder(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub fn keys() -> KeyRing {
    let key = |fill| Zeroizing::new([fill; 32]);
    KeyRing::new(vec![("k1".into(), key(1))], key(2), key(3)).expect("one key")
}

pub fn service(store: Arc<dyn Store>, hands: &Hands) -> Service {
    service_with(store, hands, hashing())
}

pub fn hashing() -> Hashing {
    Hashing::start(Cost::DEVELOPMENT, 1, [1; 16], b"decoy").expect("a thread")
}

pub fn service_with(store: Arc<dyn Store>, hands: &Hands, hashing: Hashing) -> Service {
    node(store, hands, hashing, "test")
}

/// One node of several that may share a store.
pub fn node(store: Arc<dyn Store>, hands: &Hands, hashing: Hashing, name: &str) -> Service {
    Service::start(parts(store, hands, hashing, name)).expect("the service starts")
}

/// What a node is made of.
pub fn parts(store: Arc<dyn Store>, hands: &Hands, hashing: Hashing, name: &str) -> Parts {
    let chance = |seed| {
        let mut chance = SeededChance::new(seed);
        Box::new(move |buffer: &mut [u8]| chance.fill(buffer))
    };
    static SEED: AtomicU64 = AtomicU64::new(1);
    let seed = SEED.fetch_add(2, Ordering::Relaxed);
    Parts {
        store,
        hashing,
        clock: Arc::new(ClockGuard::new(Box::new(hands.clone()), UnixSeconds(0))),
        policy: Policy::default(),
        keys: Keys::new(keys(), Box::new(Unkept)),
        entropy: [chance(seed), chance(seed + 1)],
        node: name.into(),
        notices: Box::new(|_, _| {}),
        outbox: Outbox::closed(),
    }
}

pub fn origin(network: &str) -> Origin {
    Origin {
        door: Door::Http,
        network: network.into(),
        browser: None,
        remember: true,
        agent: String::new(),
        request: String::new(),
        by: None,
    }
}

/// Somebody with a password that is never hashed here, and an authenticator.
pub struct Person {
    pub name: Name,
    pub secret: SharedSecret,
}

pub fn stored_hash() -> PasswordHash {
    PasswordHash("$argon2id$v=19$m=4096,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA".into())
}

impl Person {
    pub async fn add(service: &Service, name: &str) -> Person {
        let name = Name::from_ascii(name).expect("a name");
        let rule = operator::Add {
            name: name.clone(),
            groups: Vec::new(),
            hash: Some(stored_hash()),
            totp: true,
            origin: origin("operator"),
        };
        let added = service
            .submit(rule)
            .await
            .expect("the store works")
            .expect("the name is free");
        let offer = added.enrolment.expect("a factor was asked for").offer;
        let secret = offer.authenticator.expect("it is shown").secret;
        Person { name, secret }
    }

    pub fn code(&self, now: UnixSeconds) -> String {
        Totp::default().generate(&self.secret, now).to_string()
    }

    /// A password that was found right, from a network.
    pub fn right_password(&self, network: &str) -> Finish {
        let checked = Checked {
            hash: Some(stored_hash()),
            matched: true,
            rehash: None,
        };
        Finish {
            name: self.name.clone(),
            origin: origin(network),
            checked,
        }
    }

    pub async fn challenge(&self, service: &Service, network: &str) -> Token {
        match service.submit(self.right_password(network)).await {
            Ok(Finished::Onward(Onward::CodeDue { challenge, .. })) => challenge,
            other => panic!("the password is right, yet {other:?}"),
        }
    }
}

pub async fn verify(
    service: &Service,
    challenge: &Token,
    code: &str,
    network: &str,
) -> Result<code::Verified, Failure> {
    let rule = code::Verify {
        challenge: challenge.digest(),
        code: Zeroizing::new(code.to_owned()),
        origin: origin(network),
    };
    service.submit(rule).await
}
