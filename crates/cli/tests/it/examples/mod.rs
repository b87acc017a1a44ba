//! The configurations in `examples/`, run by the proxies that they are written for: what passes, what an application is
//! told, and that nobody tells it who they are but Countersign.
//!
//! Ignored unless asked for, since plain `cargo test` needs no program but itself. Traefik's files are only read.

mod run;
pub(crate) mod wire;

use crate::world::{Folder, Person, Server};
use run::{Proxy, caddy, haproxy, nginx};
use wire::{Answer, Neighbour, application, ask, guard, identity};

/// Ways to write a header that an application may read as one of ours.
const SPOOFS: [&str; 24] = [
    "Remote-User: mallory",
    "remote-user: mallory",
    "REMOTE-USER: mallory",
    "rEmOtE-uSeR: mallory",
    "Remote_User: mallory",
    "remote_user: mallory",
    "REMOTE_USER: mallory",
    "Remote-User: mallory\r\nRemote-User: mallory",
    "Remote-User: mallory\r\nremote_user: mallory",
    "Remote-User:mallory",
    "Remote-User:\tmallory",
    "Remote-User : mallory",
    "Remote-User: x\r\n mallory",
    "Remote.User: mallory",
    "Remote~User: mallory",
    "Remote-Groups: mallory",
    "remote_groups: mallory",
    "Remote-Acr: mallory",
    "REMOTE_ACR: mallory",
    "Remote-Name: mallory",
    "Remote_Email: mallory",
    "Connection: close, Remote-User\r\nRemote-User: mallory",
    "Remote-User: alice\r\nRemote-User: mallory",
    "Remote-User: alice, mallory",
];

/// A proxy between a client, an application and a guard that answers what the client's cookie says.
struct Scene {
    proxy: Proxy,
    application: Neighbour,
    guard: Neighbour,
}

impl Scene {
    fn new(proxy: fn(u16, u16) -> Proxy) -> Scene {
        let (application, guard) = (application(), guard());
        Scene {
            proxy: proxy(guard.port, application.port),
            application,
            guard,
        }
    }

    /// A request for the protected host, with what the guard is to answer and more lines of a header.
    fn ask(&self, method: &str, uri: &str, answer: &str, more: &str) -> Answer {
        let end = if more.is_empty() { "" } else { "\r\n" };
        let head = format!(
            "{method} {uri} HTTP/1.1\r\nHost: app.example.org\r\nCookie: answer={answer}\r\n{more}{end}"
        );
        ask(self.proxy.port, &format!("{head}\r\n"))
    }
}

fn told_only_by_the_guard(scene: &Scene) {
    let ours = [
        ("remote-acr", "cs:2"),
        ("remote-groups", "staff,admins"),
        ("remote-user", "alice"),
    ];
    let expected: Vec<(String, String)> = ours
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    assert_eq!(scene.ask("GET", "/x", "pass", "").status, 200);
    assert_eq!(identity(&scene.application.take_one()), expected);
    for spoof in SPOOFS {
        for (answer, expected) in [("pass", &expected[..]), ("public", &[])] {
            let status = scene.ask("GET", "/x", answer, spoof).status;
            assert!(matches!(status, 200 | 400), "{spoof:?}: {status}");
            let heads = scene.application.take();
            assert_eq!(heads.len(), usize::from(status == 200), "{spoof:?}");
            for head in heads {
                assert!(!head.contains("mallory"), "{spoof:?} with {answer}: {head}");
                assert_eq!(identity(&head), expected, "{spoof:?} with {answer}: {head}");
            }
        }
    }
    scene.guard.take();
}

fn asks_what_the_proxy_saw(scene: &Scene) {
    let lies = "X-Forwarded-Host: evil.example\r\nX-Forwarded-Uri: /health\r\nX-Forwarded-Method: OPTIONS\r\n\
                X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Proto: gopher\r\nX_Forwarded_Uri: /health\r\n\
                x-forwarded-uri: /health\r\nForwarded: for=10.0.0.1\r\nAuthorization: Bearer token";
    assert_eq!(scene.ask("DELETE", "/a%20b/c?d=/e", "pass", lies).status, 200);
    let asked = scene.guard.take_one();
    let values = |name: &str| {
        let begin = format!("{name}: ");
        let lines = asked.lines().filter_map(move |line| line.strip_prefix(&begin));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    for (name, value) in [
        ("x-forwarded-method", "DELETE"),
        ("x-forwarded-uri", "/a%20b/c?d=/e"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-for", "127.0.0.1"),
        ("cookie", "answer=pass"),
        ("authorization", "Bearer token"),
    ] {
        assert_eq!(values(name), [value], "{asked}");
    }
    let host = values("x-forwarded-host");
    assert_eq!(host.len(), 1, "{asked}");
    assert_eq!(host[0].split(':').next(), Some("app.example.org"), "{asked}");
    let target = asked.split(' ').nth(1);
    // Without the request's own query, which would be taken for a demand.
    assert!(
        matches!(target, Some("/forward-auth" | "/forward-auth/redirect")),
        "{asked}"
    );
    scene.application.take();
}

fn application_gets_the_path_that_was_judged(scene: &Scene) {
    for uri in [
        "/admin/users?a=b",
        "//admin/users",
        "/x/../admin/users",
        "/x/%2e%2e/admin/users",
        "/x/..%2fadmin/users",
        "/admin%2fusers",
        "/%61dmin/users",
        "/x/..;/admin",
        "/a//b/./c",
        "/100%25",
        "/Gr%C3%BC%C3%9Fe",
        "http://app.example.org/admin/users",
    ] {
        let status = scene.ask("GET", uri, "pass", "").status;
        let (asked, got) = (scene.guard.take(), scene.application.take());
        if status == 400 {
            assert!(got.is_empty(), "{uri}");
            continue;
        }
        assert_eq!(status, 200, "{uri}");
        let judged = asked[0]
            .lines()
            .find_map(|line| line.strip_prefix("x-forwarded-uri: "));
        let reached = got[0]
            .split(' ')
            .nth(1)
            .map(|uri| uri.strip_prefix("http://app.example.org").unwrap_or(uri));
        assert_eq!(judged, reached, "{uri}");
    }
}

fn refusals_reach_the_client(scene: &Scene) {
    let html = "Accept: text/html,*/*";
    for (answer, more, status, part) in [
        ("sign-in", "", 401, "www-authenticate: Bearer"),
        (
            "sign-in",
            "Accept: application/json",
            401,
            "www-authenticate: Bearer",
        ),
        (
            "sign-in",
            html,
            302,
            "location: https://app.example.org/.countersign/begin?to=%2Fx",
        ),
        (
            "step-up",
            "",
            403,
            "www-authenticate: Bearer error=\"insufficient_user_authentication\"",
        ),
        ("step-up", "", 403, "\"code\":\"ELEVATION_REQUIRED\""),
        (
            "step-up",
            html,
            302,
            "location: https://app.example.org/.countersign/begin?to=%2Fx",
        ),
        ("deny", html, 403, ""),
        ("busy", "", 503, "retry-after: 1"),
        ("broken", "", 400, ""),
    ] {
        for method in ["GET", "POST"] {
            let body = if method == "POST" {
                "Content-Length: 0\r\n"
            } else {
                ""
            };
            let more = format!("{body}{more}");
            let status = if method == "POST" && status == 302 {
                if answer == "sign-in" { 401 } else { 403 }
            } else {
                status
            };
            let answered = scene.ask(method, "/x", answer, more.trim_end());
            assert_eq!(
                answered.status, status,
                "{method} {answer} {more}: {}",
                answered.text
            );
            if method == "GET" {
                assert!(answered.text.contains(part), "{answer} {more}: {}", answered.text);
            }
            assert!(
                scene.application.take().is_empty(),
                "{method} {answer}: the application was asked"
            );
        }
    }
    scene.guard.take();
}

fn own_pages_and_other_hosts_never_reach_the_application(scene: &Scene) {
    let answered = scene.ask("GET", "/.countersign/begin?to=/x", "pass", "");
    assert_eq!(
        (answered.status, answered.text.contains("our own")),
        (200, true),
        "{}",
        answered.text
    );
    let asked = scene.guard.take_one();
    assert!(
        asked.starts_with("GET /.countersign/begin?to=/x HTTP/1.1"),
        "{asked}"
    );
    for host in ["evil.example", "127.0.0.1", "app.example.org.evil.example", ""] {
        let request = format!("GET /x HTTP/1.1\r\nHost: {host}\r\nCookie: answer=pass\r\n\r\n");
        assert_ne!(
            ask(scene.proxy.port, &request).text.split(' ').nth(1),
            Some("204")
        );
        assert!(
            scene.application.take().is_empty(),
            "{host} reached the application"
        );
    }
    scene.guard.take();
}

fn body_goes_to_the_application_alone(scene: &Scene) {
    let more = "Content-Length: 11\r\nContent-Type: text/plain";
    let head = format!(
        "POST /x HTTP/1.1\r\nHost: app.example.org\r\nCookie: answer=pass\r\n{more}\r\n\r\nhello there"
    );
    assert_eq!(ask(scene.proxy.port, &head).status, 200);
    let (asked, got) = (scene.guard.take_one(), scene.application.take_one());
    assert!(
        !asked.contains("hello there") && got.ends_with("hello there"),
        "{asked}\n{got}"
    );
}

fn upgrade_is_checked_before_it_is_made(scene: &Scene) {
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nRemote-User: mallory";
    let refused = scene.ask("GET", "/socket", "sign-in", upgrade);
    assert_eq!(refused.status, 401, "{}", refused.text);
    assert!(scene.application.take().is_empty());
    let head =
        format!("GET /socket HTTP/1.1\r\nHost: app.example.org\r\nCookie: answer=pass\r\n{upgrade}\r\n\r\n");
    let echoed = wire::upgraded(scene.proxy.port, &head, b"over the socket");
    assert_eq!(echoed, b"over the socket");
    let head = scene.application.take_one();
    assert!(
        !head.contains("mallory") && head.contains("remote-user: alice"),
        "{head}"
    );
    scene.guard.take();
}

fn nothing_passes_without_an_answer(scene: Scene) {
    let Scene {
        proxy,
        application,
        guard,
    } = scene;
    guard.end();
    for more in ["", "Accept: text/html\r\n", "Remote-User: mallory\r\n"] {
        let head = format!("GET /x HTTP/1.1\r\nHost: app.example.org\r\nCookie: answer=pass\r\n{more}\r\n");
        let status = ask(proxy.port, &head).status;
        assert!(matches!(status, 502..=504), "{status}");
        assert!(application.take().is_empty(), "the application was asked");
    }
}

fn story(proxy: fn(u16, u16) -> Proxy) {
    let scene = Scene::new(proxy);
    told_only_by_the_guard(&scene);
    asks_what_the_proxy_saw(&scene);
    application_gets_the_path_that_was_judged(&scene);
    refusals_reach_the_client(&scene);
    own_pages_and_other_hosts_never_reach_the_application(&scene);
    body_goes_to_the_application_alone(&scene);
    upgrade_is_checked_before_it_is_made(&scene);
    nothing_passes_without_an_answer(scene);
}

/// The same configuration with the real server behind it: who signed in is told to the application, nobody else.
fn story_with_the_server(proxy: fn(u16, u16) -> Proxy) {
    let (folder, application) = (Folder::fresh(), application());
    let person = Person::add(&folder.data(), "alice");
    let rules = "[[host]]\nname = 'app.example.org'\n[[host.rule]]\npath = '/health'\nallow = 'public'\n\
                 [[host.rule]]\npath = '/admin/*'\nelevated = true\n[[host.rule]]\npath = '/*'\n";
    std::fs::write(folder.data().join("rules.toml"), rules).expect("it can be written");
    let options = [
        "--tls",
        "off",
        "--trusted-proxies",
        "127.0.0.1",
        "--public-url",
        "https://id.example.org",
    ];
    let server = Server::start_with(&folder.data(), &options);
    let guard = server
        .url
        .rsplit(':')
        .next()
        .and_then(|port| port.parse().ok())
        .expect("a port");
    let proxy = proxy(guard, application.port);
    let token = server.sign_in(&person, &person.code(0));
    let ask = |uri: &str, more: &str| {
        let spoof = "Remote-User: mallory\r\nremote_user: mallory\r\n";
        let head = format!("GET {uri} HTTP/1.1\r\nHost: app.example.org\r\n{spoof}{more}\r\n");
        wire::ask(proxy.port, &head)
    };
    assert_eq!(ask("/health", "").status, 200);
    assert!(identity(&application.take_one()).is_empty());
    assert_eq!(
        ask("/x", &format!("Authorization: Bearer {token}\r\n")).status,
        200
    );
    let told = identity(&application.take_one());
    assert!(told.contains(&("remote-user".into(), "alice".into())), "{told:?}");
    assert!(told.contains(&("remote-acr".into(), "cs:2".into())), "{told:?}");
    let browser = ask("/x?y=z", "Accept: text/html\r\n");
    let location = "location: https://app.example.org/.countersign/begin?to=%2Fx%3Fy%3Dz\r\n";
    assert_eq!(
        (browser.status, browser.text.contains(location)),
        (302, true),
        "{}",
        browser.text
    );
    assert_eq!(ask("/x", "").status, 401);
    let owed = ask("/admin/x", &format!("Authorization: Bearer {token}\r\n"));
    assert_eq!(
        (owed.status, owed.text.contains("ELEVATION_REQUIRED")),
        (403, true),
        "{}",
        owed.text
    );
    for tricked in [
        "//admin/x",
        "/x/..%2fadmin/x",
        "/x/%2e%2e/admin/x",
        "/x;/../admin/x",
    ] {
        let status = ask(tricked, &format!("Authorization: Bearer {token}\r\n")).status;
        assert!(matches!(status, 400 | 403), "{tricked}: {status}");
    }
    let begun = ask("/.countersign/begin?to=/x", "");
    let location = "location: https://id.example.org/for?host=app.example.org&to=%2Fx&state=";
    assert_eq!(
        (begun.status, begun.text.contains(location)),
        (302, true),
        "{}",
        begun.text
    );
    assert!(application.take().is_empty(), "the application was asked");
    server.kill();
    assert!(matches!(ask("/health", "").status, 502..=504));
    assert!(application.take().is_empty(), "the application was asked");
}

#[test]
#[ignore = "needs nginx"]
fn nginx_lets_nobody_past_and_nobody_be_another() {
    story(nginx);
    story_with_the_server(nginx);
}

#[test]
#[ignore = "needs caddy"]
fn caddy_lets_nobody_past_and_nobody_be_another() {
    story(caddy);
    story_with_the_server(caddy);
}

#[test]
#[ignore = "needs haproxy"]
fn haproxy_lets_nobody_past_and_nobody_be_another() {
    story(haproxy);
    story_with_the_server(haproxy);
}

#[test]
fn traefik_files_are_read_and_name_each_other() {
    let read = |name: &str| toml::from_str::<toml::Table>(&run::example(name)).expect("it is TOML");
    assert!(read("traefik/traefik.toml")["providers"]["file"]["filename"].is_str());
    let http = &read("traefik/dynamic.toml")["http"];
    for (name, router) in http["routers"].as_table().expect("routers") {
        let service = router["service"].as_str().expect("a name");
        assert!(
            http["services"].get(service).is_some(),
            "{name} leads to {service}"
        );
        let middlewares = router.get("middlewares").and_then(toml::Value::as_array);
        assert_eq!(middlewares.is_some(), name == "application", "{name}");
    }
    let order = ["nobody", "countersign"].map(|name| toml::Value::String(name.to_owned()));
    assert_eq!(
        http["routers"]["application"]["middlewares"]
            .as_array()
            .expect("a list"),
        &order
    );
    let removed = &http["middlewares"]["nobody"]["headers"]["customRequestHeaders"];
    let identity = &http["middlewares"]["countersign"]["forwardAuth"]["authResponseHeaders"];
    for name in identity.as_array().expect("a list") {
        let name = name.as_str().expect("a name");
        for spelling in [name.to_owned(), name.replace('-', "_")] {
            assert_eq!(removed[spelling.as_str()].as_str(), Some(""), "{spelling}");
        }
    }
}
