//! The servers of the forward-auth benchmark, each a process of its own so that its CPU time is its own.
//!
//! Knows: how each is served. Must never know: the load. A server says its port, and Countersign's also a cookie, in a
//! line each; it ends when its standard input does.

use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use countersign_auth::id::Digest;
use countersign_server::door::http;
use countersign_server::door::http::listen::{Entrance, Listener, places, serve};
use countersign_server::edge::clock::SystemClock;
use countersign_server::service::Service;
use countersign_server::service::clock::Clock;
use countersign_server::service::rules::Rules;
use countersign_server::settings::Proxies;
use countersign_server::store::sqlite::Sqlite;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::installation::{add, origin, sign_in, start};

/// The protected host that is asked about.
pub const HOST: &str = "app.example.org";
const STATE: &str = "what the browser holds";
const RULES: &str = "[[host]]\nname = 'app.example.org'\n\
    [[host.rule]]\npath = '/health'\nallow = 'public'\n\
    [[host.rule]]\npath = '/admin/*'\ngroups = ['staff']\nelevated = true\n\
    [[host.rule]]\npath = '/*'\n";

/// Serves as one of the peers until standard input ends.
pub fn run(peer: &str, folder: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        match peer {
            "axum" => {
                tell(&format!("{port}"));
                tokio::spawn(async move { axum::serve(listener, minimal()).await });
            }
            _ => {
                let service = Arc::new(installation(folder));
                let cookie = enter(&service).await;
                tell(&format!("{port}\n{cookie}"));
                tokio::spawn(countersign(listener, service));
            }
        }
        let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
        ended
            .await
            .expect("no panic")
            .expect("standard input can be read");
    });
    // Connections are still open; the kernel closes them.
    std::process::exit(0);
}

fn tell(lines: &str) {
    println!("{lines}");
    std::io::stdout().flush().expect("somebody listens");
}

/// The least that an application server does for such a question: a header is looked for, 204 is answered.
fn minimal() -> Router {
    let answer = async |headers: HeaderMap| match headers.contains_key("cookie") {
        true => StatusCode::NO_CONTENT,
        false => StatusCode::UNAUTHORIZED,
    };
    Router::new().route("/forward-auth", get(answer))
}

fn installation(folder: &Path) -> Service {
    let store = Sqlite::open(&folder.join("forward-auth.db")).expect("the store opens");
    let service = start(Arc::new(store), SystemClock);
    let rules = Rules::parse(RULES).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
    service.rules().replace(rules);
    service.issue_as("https://id.example.org");
    service
}

/// Signs somebody in at the protected host; the cookie's value there.
async fn enter(service: &Service) -> String {
    let person = add(service, "alice").await;
    let signed_in = sign_in(service, &person, SystemClock.wall()).await;
    let live = service
        .session(signed_in.session.expose())
        .await
        .expect("the store works");
    let live = live.expect("it is alive");
    let state = Digest::of(STATE);
    let ticket = service
        .issue_host_ticket(&live, HOST, state)
        .await
        .expect("the store works");
    let ticket = ticket.expect("it is alive");
    let entered = service.enter_host(ticket.expose(), HOST, state, &origin()).await;
    let entered = entered.expect("the store works").expect("the ticket is new");
    entered.token.expose().to_owned()
}

/// The door as an installation with a `public_url` behind a proxy of this machine has it.
async fn countersign(listener: TcpListener, service: Arc<Service>) {
    let router = http::known_as(http::router(service), "https://id.example.org");
    let loopback = "127.0.0.0/8".parse().expect("a network");
    let entrance = Entrance {
        listener: Listener::Address(listener),
        tls: None,
        places: places(None),
        proxies: Arc::new(Proxies::new(vec![loopback], false)),
        proxies_alone: true,
    };
    serve(entrance, router, CancellationToken::new()).await;
}
