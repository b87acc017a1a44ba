//! The client and the guard against a real server: over TLS, trusted by its own authority, with real sign-ins.

use std::path::PathBuf;
use std::sync::mpsc::channel;
use std::time::{SystemTime, UNIX_EPOCH};

use countersign_client::guard::{Application, Fault, Flaw, Guard, Person, Posture, Refused, Trust};
use countersign_client::{Client, Error, NoServer, Onward, Server, Session};
use countersign_core::otp::{SharedSecret, Totp};
use countersign_core::time::UnixSeconds;
use countersign_server::service::operator::{Ask, Reply};
use countersign_server::settings::Sources;
use countersign_server::wiring::{self, Installation, Plan, Ready};
use tokio_util::sync::CancellationToken;

const PASSWORD: &str = "correct horse battery staple";

/// A server in a folder of its own, ended and removed at the end.
struct Running {
    folder: PathBuf,
    url: String,
    authority: String,
    secret: SharedSecret,
    backup_code: String,
    /// Of the application `shop`.
    application: String,
    stop: CancellationToken,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Running {
    fn start(name: &str) -> Running {
        let folder = std::env::temp_dir().join(format!("countersign-client-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        let data = folder.join("data").display().to_string();
        let sources = Sources {
            flags: vec![("data".into(), data), ("listen".into(), "127.0.0.1:0".into())],
            ..Sources::default()
        };
        let (settings, _) = sources.resolve().expect("both can be set");
        let plan = Plan::of(&settings);
        let stop = CancellationToken::new();
        let (told, ready) = channel();
        let thread = {
            let stop = stop.clone();
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
                let served = runtime.expect("the machine gives threads").block_on(async {
                    let secret = first_administrator(&plan).await;
                    let tell =
                        |ready: &Ready| told.send((ready.url.clone(), secret)).expect("the test listens");
                    wiring::serve(plan, stop, tell).await
                });
                served.expect("the server ends orderly");
            })
        };
        let (url, (secret, backup_code, application)) = ready.recv().expect("the server starts");
        let authority = std::fs::read_to_string(folder.join("data/tls/ca.pem")).expect("it was made");
        Running {
            folder,
            url,
            authority,
            secret,
            backup_code,
            application,
            stop,
            thread: Some(thread),
        }
    }

    fn client(&self) -> Client {
        Client::new(Server::new(&self.url, &self.authority).expect("a URL and an authority"))
    }

    fn code(&self) -> String {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("the clock is set");
        Totp::default()
            .generate(&self.secret, UnixSeconds(now.as_secs()))
            .to_string()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The secret of a first administrator, one of the backup codes, and the secret of an application.
async fn first_administrator(plan: &Plan) -> (SharedSecret, String, String) {
    let installation = Installation::open(plan).expect("the folder is empty");
    let ask = Ask::Init {
        name: "root".into(),
        password: Some(PASSWORD.to_owned().into()),
        totp: true,
    };
    let operator = installation.resting_operator(plan);
    let reply = operator.answer(ask, "test").await;
    let Reply::UserAdded(added) = reply else {
        panic!("nobody administers yet, and still: {reply:?}")
    };
    let ask = Ask::AppAdd {
        name: "shop".into(),
        renew: false,
    };
    let Reply::Application(application) = operator.answer(ask, "test").await else {
        panic!("there is no such application yet")
    };
    drop(operator);
    installation.close().await.expect("it closes");
    let secret = SharedSecret::from_base32(&added.totp_secret.expect("it was asked for"));
    let application = application.secret.to_string();
    (
        secret.expect("Base32"),
        added.backup_codes[0].clone(),
        application,
    )
}

#[tokio::test]
async fn client_signs_in_once_with_a_code_reads_the_dashboard_and_signs_out() {
    let server = Running::start("whole");
    let client = server.client();
    let wrong = client.sign_in("root", "something else").await;
    assert!(matches!(wrong, Err(Error::Refused)), "{wrong:?}");
    let Ok(Onward::CodeDue(challenge)) = client.sign_in("Root", PASSWORD).await else {
        panic!("the password is right and a factor is enrolled")
    };
    let malformed = client.answer(&challenge, "12345").await;
    assert!(
        matches!(&malformed, Err(Error::Malformed(code)) if code == "malformed_code"),
        "{malformed:?}"
    );
    let code = server.code();
    let answered = client.answer(&challenge, &code).await;
    let answered = answered.expect("the code is right");
    assert!(
        answered.replacement_backup_code.is_none(),
        "no backup code was used"
    );
    let session = answered.session;
    let dashboard = client.dashboard(&session).await.expect("the session is alive");
    assert_eq!(
        (dashboard.username.as_str(), dashboard.data.active_sessions),
        ("root", 1)
    );
    let Ok(Onward::CodeDue(challenge)) = client.sign_in("root", PASSWORD).await else {
        panic!("the password is still right")
    };
    let again = client.answer(&challenge, &code).await;
    assert!(
        matches!(again, Err(Error::Refused)),
        "a code works once: {again:?}"
    );
    let copy = Session::from_token(session.expose().to_owned());
    client.sign_out(session).await.expect("the session is alive");
    let over = client.dashboard(&copy).await;
    assert!(matches!(over, Err(Error::Refused)), "{over:?}");
    let printed = format!("{challenge:?} {copy:?} {client:?}");
    assert!(
        !printed.contains(challenge.expose()) && !printed.contains(copy.expose()),
        "{printed}"
    );
}

#[tokio::test]
async fn backup_code_brings_the_one_that_takes_its_place_and_an_answered_challenge_is_over() {
    let server = Running::start("backup");
    let client = server.client();
    let Ok(Onward::CodeDue(challenge)) = client.sign_in("root", PASSWORD).await else {
        panic!("the password is right")
    };
    let answered = client.answer(&challenge, &server.backup_code).await;
    let replacement = answered.expect("it is one of ten").replacement_backup_code;
    let replacement = replacement.expect("a new one is shown");
    assert_eq!(replacement.expose().len(), server.backup_code.len());
    assert!(!format!("{replacement:?}").contains(replacement.expose()));
    let over = client.answer(&challenge, &server.code()).await;
    assert!(matches!(over, Err(Error::ChallengeOver)), "{over:?}");
}

/// Waits until a guard says so of a token.
async fn until(guard: &Guard, token: &str, says: impl Fn(&Result<Person, Refused>) -> bool) {
    let waiting = async {
        while !says(&guard.identify(token).await) {
            tokio::task::yield_now().await;
        }
    };
    let within = std::time::Duration::from_secs(20);
    let waited = tokio::time::timeout(within, waiting).await;
    waited.expect("the guard says so within twenty seconds");
}

#[tokio::test]
async fn guard_takes_what_the_server_gives_until_its_session_ends() {
    let server = Running::start("guarded");
    let client = server.client();
    // Where no `public_url` is set, the installation is called so.
    let port = server.url.rsplit_once(':').expect("a URL with a port").1;
    let issuer = format!("https://localhost:{port}");
    let trust = || {
        let named = Server::new(&server.url, &server.authority).expect("a URL and an authority");
        let application = Application::new("shop", &server.application).expect("a name and a secret");
        Trust::new(named, application, &issuer)
    };
    let online = Guard::online(trust());
    let (by_feed, feed) = Guard::by_feed(trust());
    let feed = tokio::spawn(feed);
    let Ok(Onward::CodeDue(challenge)) = client.sign_in("root", PASSWORD).await else {
        panic!("the password is right")
    };
    let answered = client.answer(&challenge, &server.backup_code).await;
    let session = answered.expect("the code is right").session;
    let elevated = Posture::elevated();
    for guard in [&online, &by_feed] {
        let person = guard.identify(session.expose()).await.expect("she is signed in");
        assert_eq!(person.name(), "root");
        let refused = guard.judge(&person, &elevated);
        assert!(
            matches!(refused, Err(Refused::ElevationRequired(_))),
            "{refused:?}"
        );
    }
    let stepped = client.step_up(&session, &server.code(), "pay an invoice").await;
    let stepped = stepped.expect("the code is right");
    assert_eq!(stepped.elevated_s, 900);
    for token in [stepped.token.expose(), stepped.session.expose()] {
        let header = format!("Bearer {token}");
        for guard in [&online, &by_feed] {
            let person = guard
                .check(Some(&header), &elevated)
                .await
                .expect("she is elevated");
            assert_eq!(person.name(), "root");
        }
    }
    let person = by_feed
        .identify(stepped.token.expose())
        .await
        .expect("she is signed in");
    assert_eq!(person.purpose(), Some("pay an invoice"));
    let printed = format!("{stepped:?} {person:?}");
    assert!(!printed.contains(stepped.token.expose()), "{printed}");
    let token = stepped.token.expose().to_owned();
    client
        .sign_out(stepped.session)
        .await
        .expect("the session is alive");
    let is_ended = |said: &Result<Person, Refused>| *said == Err(Refused::Worthless(Flaw::Ended));
    until(&online, &token, is_ended).await;
    until(&by_feed, &token, is_ended).await;
    feed.abort();
}

#[tokio::test]
async fn guard_whose_application_is_not_known_decides_nothing() {
    let server = Running::start("unknown");
    let named = Server::new(&server.url, &server.authority).expect("a URL and an authority");
    let application = Application::new("shop", "another secret").expect("a name and a secret");
    let guard = Guard::online(Trust::new(named, application, &server.url));
    let refused = guard.identify(&"0".repeat(96)).await;
    assert_eq!(refused, Err(Refused::Undecided(Fault::ApplicationUnknown)));
}

#[tokio::test]
async fn sixth_wrong_password_is_told_how_long_to_wait() {
    let server = Running::start("throttled");
    let client = server.client();
    for _ in 0..5 {
        let refused = client.sign_in("nobody", PASSWORD).await;
        assert!(matches!(refused, Err(Error::Refused)), "{refused:?}");
    }
    let waits = client.sign_in("nobody", PASSWORD).await;
    assert!(
        matches!(
            waits,
            Err(Error::Throttled {
                retry_after_s: 250..=300
            })
        ),
        "{waits:?}"
    );
}

#[tokio::test]
async fn server_of_another_authority_is_sent_nothing() {
    let (one, other) = (Running::start("one"), Running::start("other"));
    let mistaken = Client::new(Server::new(&one.url, &other.authority).expect("both are sound"));
    let untrusted = mistaken.sign_in("root", PASSWORD).await;
    assert!(matches!(untrusted, Err(Error::Unreachable(_))), "{untrusted:?}");
    let seen = one.client().sign_in("root", PASSWORD).await;
    assert!(matches!(seen, Ok(Onward::CodeDue(_))), "{seen:?}");
}

#[test]
fn only_tls_and_only_a_certificate_will_do() {
    let refused = |url: &str, authority: &str| Server::new(url, authority).err();
    for url in [
        "http://localhost",
        "localhost:8443",
        "https://",
        "https://localhost:x",
        "https://a b",
    ] {
        assert_eq!(refused(url, ""), Some(NoServer::Address), "{url}");
    }
    for authority in [
        "",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ] {
        assert_eq!(
            refused("https://[::1]:8443/", authority),
            Some(NoServer::Authority)
        );
    }
}
