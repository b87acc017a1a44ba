//! Forward-auth and the way in to a protected host, as a proxy and a browser walk it.

use serde_json::json;

use crate::examples::wire::{self, Answer};
use crate::world::{Folder, Person, Server};

const RULES: &str = "[[host]]\nname = 'app.example.org'\n\
    [[host.rule]]\npath = '/health'\nallow = 'public'\n\
    [[host.rule]]\npath = '/staff/*'\ngroups = ['staff']\n\
    [[host.rule]]\npath = '/strict/*'\nelevated = true\nstep_up_status = 401\n\
    [[host.rule]]\npath = '/admin/*'\nelevated = true\n\
    [[host.rule]]\npath = '/office/*'\nnetworks = ['10.0.0.0/8']\nallow = 'public'\n\
    [[host.rule]]\npath = '/closed/*'\nallow = 'deny'\n\
    [[host.rule]]\npath = '/*'\nmethods = ['GET', 'POST']\n\
    [[host]]\nname = 'other.example.org'\n[[host.rule]]\npath = '/*'\n";

/// A server that trusts this machine as a proxy, somebody on it, and its folder.
pub struct Scene {
    pub server: Server,
    pub person: Person,
    pub folder: Folder,
}

impl Scene {
    pub fn new() -> Scene {
        let folder = Folder::fresh();
        let person = Person::add(&folder.data(), "alice");
        std::fs::write(folder.data().join("rules.toml"), RULES).expect("it can be written");
        let options = [
            "--tls",
            "off",
            "--trusted-proxies",
            "127.0.0.1",
            "--public-url",
            "https://id.example.org",
        ];
        let server = Server::start_with(&folder.data(), &options);
        Scene {
            server,
            person,
            folder,
        }
    }

    fn get(&self, path: &str, lines: &[String]) -> Answer {
        send(&self.server, &format!("GET {path}"), lines, "")
    }

    /// What a proxy asks about a request for a host.
    pub fn asked(&self, path: &str, host: &str, uri: &str, more: &[String]) -> Answer {
        let lines = [&forwarded("GET", host, uri)[..], more].concat();
        self.get(path, &lines)
    }

    pub fn check(&self, uri: &str, more: &[String]) -> Answer {
        self.asked("/forward-auth", "app.example.org", uri, more)
    }

    /// Begins at a host: the address to go to, and the cookie that was set.
    fn begin(&self, host: &str, query: &str) -> (String, String) {
        let path = format!("/.countersign/begin?{query}");
        let begun = self.asked(&path, host, &path, &[]);
        assert_eq!(begun.status, 302, "{}", begun.text);
        let location = header(&begun, "location").expect("a location");
        let path = location
            .strip_prefix("https://id.example.org")
            .expect("our own site");
        (path.to_owned(), set_cookie(&begun, "__Host-cs_begin"))
    }

    /// The path of the callback that the way leads to.
    fn ticket(&self, way: &str, session: &str) -> String {
        let led = self.get(way, &[format!("Cookie: __Host-cs_session={session}")]);
        assert_eq!(led.status, 200, "{}", led.text);
        let refresh = header(&led, "refresh").expect("it leads on");
        let onward = refresh
            .strip_prefix("0; url=https://app.example.org")
            .expect("the host");
        onward.to_owned()
    }

    fn call_back(&self, path: &str, host: &str, begun: &str) -> Answer {
        self.asked(path, host, path, &[format!("Cookie: __Host-cs_begin={begun}")])
    }

    /// Signs in at the host: the cookie's value there.
    fn enter(&self, query: &str, session: &str) -> String {
        let (way, begun) = self.begin("app.example.org", query);
        let entered = self.call_back(&self.ticket(&way, session), "app.example.org", &begun);
        assert_eq!(entered.status, 302, "{}", entered.text);
        set_cookie(&entered, "__Host-cs_session")
    }
}

fn forwarded(method: &str, host: &str, uri: &str) -> Vec<String> {
    vec![
        format!("X-Forwarded-Method: {method}"),
        "X-Forwarded-Proto: https".to_owned(),
        format!("X-Forwarded-Host: {host}"),
        format!("X-Forwarded-Uri: {uri}"),
        "X-Forwarded-For: 192.0.2.7".to_owned(),
    ]
}

fn send(server: &Server, request: &str, lines: &[String], body: &str) -> Answer {
    let port = server.url.rsplit(':').next().and_then(|port| port.parse().ok());
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    let head =
        format!("{request} HTTP/1.1\r\nHost: id.example.org\r\nConnection: close\r\n{lines}\r\n{body}");
    wire::ask(port.expect("a port"), &head)
}

pub fn header(answer: &Answer, name: &str) -> Option<String> {
    let begin = format!("{name}: ");
    let head = answer.text.split("\r\n\r\n").next().unwrap_or("");
    head.lines()
        .find_map(|line| line.strip_prefix(&begin))
        .map(str::to_owned)
}

/// The value that an answer sets a cookie to, for this host alone.
fn set_cookie(answer: &Answer, name: &str) -> String {
    let begin = format!("set-cookie: {name}=");
    let line = answer
        .text
        .lines()
        .find_map(|line| line.strip_prefix(&begin))
        .expect("the cookie is set");
    assert!(
        line.contains("; Path=/; Secure; HttpOnly; SameSite=Lax") && !line.contains("Domain"),
        "{line}"
    );
    line.split(';').next().expect("a value").to_owned()
}

fn cookie(value: &str) -> Vec<String> {
    vec![format!("Cookie: __Host-cs_session={value}")]
}

#[test]
fn what_a_rule_lets_nobody_or_everybody_through_is_answered_without_a_session() {
    let scene = Scene::new();
    let open = scene.check("/health?x", &[]);
    assert_eq!((open.status, header(&open, "remote-user")), (204, None));
    assert_eq!(
        scene
            .asked("/forward-auth?acr=cs:2", "app.example.org", "/health", &[])
            .status,
        401
    );
    for (host, uri, status) in [
        ("app.example.org", "/x", 401),
        ("App.Example.Org:443", "/x", 401),
        ("app.example.org", "/closed/x", 403),
        ("app.example.org", "/office/x", 401),
        ("nowhere.example.org", "/x", 403),
        ("app.example.org", "//health", 403),
        ("app.example.org", "/x/%2e%2e/health", 403),
        ("app.example.org", "/health%00", 403),
    ] {
        assert_eq!(
            scene.asked("/forward-auth", host, uri, &[]).status,
            status,
            "{host} {uri}"
        );
    }
    let delete = forwarded("DELETE", "app.example.org", "/x");
    assert_eq!(
        scene.get("/forward-auth", &delete).status,
        403,
        "no rule is for the method"
    );
    let office = [
        &forwarded("GET", "app.example.org", "/office/x")[..4],
        &["X-Forwarded-For: 10.1.2.3".to_owned()],
    ];
    assert_eq!(scene.get("/forward-auth", &office.concat()).status, 204);
    scene.server.stop();
}

#[test]
fn question_is_refused_unless_a_trusted_proxy_asks_it_whole() {
    let scene = Scene::new();
    let whole = forwarded("GET", "app.example.org", "/health");
    for left_out in 0..4 {
        let mut lines = whole.clone();
        let line = lines.remove(left_out);
        assert_eq!(scene.get("/forward-auth", &lines).status, 400, "without {line}");
        lines.extend([line.clone(), line.clone()]);
        assert_eq!(scene.get("/forward-auth", &lines).status, 400, "{line} twice");
    }
    for query in ["acr=cs:2p", "acr=x", "max_age=-1", "arc=cs:2", "elevated=maybe"] {
        let answered = scene.asked(
            &format!("/forward-auth?{query}"),
            "app.example.org",
            "/health",
            &[],
        );
        assert_eq!(answered.status, 400, "{query}");
    }
    let folder = Folder::fresh();
    let stranger = Server::start(&folder.data());
    let answered = send(&stranger, "GET /forward-auth", &whole, "");
    assert_eq!(
        (answered.status, answered.text.contains("no_proxy")),
        (403, true),
        "{}",
        answered.text
    );
    assert_eq!(send(&stranger, "GET /.countersign/begin", &whole, "").status, 403);
    stranger.stop();
    scene.server.stop();
}

#[test]
fn ticket_works_once_at_its_host_in_its_browser_and_the_cookie_there_alone() {
    let scene = Scene::new();
    let session = scene.server.sign_in(&scene.person, &scene.person.code(0));
    let (way, begun) = scene.begin("app.example.org", "to=/x%3Fy");
    let (_, other) = scene.begin("app.example.org", "");
    let callback = scene.ticket(&way, &session);
    assert_eq!(
        scene.call_back(&callback, "app.example.org", &other).status,
        403,
        "another browser"
    );
    assert_eq!(
        scene.call_back(&callback, "other.example.org", &begun).status,
        403,
        "another host"
    );
    assert_eq!(
        scene.asked(&callback, "app.example.org", &callback, &[]).status,
        403,
        "no browser"
    );
    let entered = scene.call_back(&callback, "app.example.org", &begun);
    assert_eq!(
        header(&entered, "location").as_deref(),
        Some("https://app.example.org/x?y"),
        "{}",
        entered.text
    );
    let there = set_cookie(&entered, "__Host-cs_session");
    assert_eq!(
        scene.call_back(&callback, "app.example.org", &begun).status,
        403,
        "used"
    );

    let passed = scene.check("/x", &cookie(&there));
    assert_eq!(passed.status, 204, "{}", passed.text);
    let told =
        ["remote-user", "remote-groups", "remote-acr"].map(|name| header(&passed, name).unwrap_or_default());
    assert_eq!(told, ["alice", "", "cs:2"]);
    assert_eq!(
        scene.check("/staff/x", &cookie(&there)).status,
        403,
        "not of the group"
    );
    assert_eq!(
        scene
            .asked("/forward-auth", "other.example.org", "/x", &cookie(&there))
            .status,
        401
    );
    assert_eq!(
        scene.check("/x", &cookie(&session)).status,
        401,
        "Countersign's own cookie opens nothing here"
    );
    let bearer = |token: &str| vec![format!("Authorization: Bearer {token}")];
    assert_eq!(scene.check("/x", &bearer(&session)).status, 204);
    assert_eq!(
        scene.check("/x", &bearer(&there)).status,
        401,
        "the host's cookie is no token"
    );
    assert_eq!(
        scene.server.get("/api/dashboard", &there).0,
        401,
        "nor one for Countersign"
    );

    assert_eq!(
        scene
            .server
            .post("/api/auth/logout", Some(&session), &json!({}))
            .0,
        200
    );
    assert_eq!(
        scene.check("/x", &cookie(&there)).status,
        401,
        "one sign-out ends all"
    );
    scene.server.stop();
}

#[test]
fn browser_is_led_to_sign_in_and_to_step_up_and_a_client_is_told() {
    let scene = Scene::new();
    let page = ["Accept: text/html".to_owned()];
    let redirect =
        |uri: &str, more: &[String]| scene.asked("/forward-auth/redirect", "app.example.org", uri, more);
    let begin = "https://app.example.org/.countersign/begin?to=%2Fadmin%2Fx&elevated=true";
    let led = redirect("/admin/x", &page);
    assert_eq!(
        (led.status, header(&led, "location").as_deref()),
        (302, Some(begin))
    );
    let client = redirect("/admin/x", &[]);
    assert_eq!(
        (
            client.status,
            header(&client, "x-countersign-location").as_deref()
        ),
        (401, Some(begin))
    );
    assert_eq!(header(&client, "www-authenticate").as_deref(), Some("Bearer"));

    // Nobody is signed in: the way is remembered over the sign-in.
    let (way, begun) = scene.begin("app.example.org", "to=/admin/x&elevated=true");
    let to_sign_in = scene.get(&way, &[]);
    assert_eq!(
        (to_sign_in.status, header(&to_sign_in, "location").as_deref()),
        (303, Some("/sign-in"))
    );
    let next = set_cookie(&to_sign_in, "__Host-cs_next");
    let session = scene.server.sign_in(&scene.person, &scene.person.code(0));
    let both = |session: &str| {
        vec![format!(
            "Cookie: __Host-cs_session={session}; __Host-cs_next={next}"
        )]
    };
    let home = scene.get("/account", &both(&session));
    assert_eq!(
        (home.status, header(&home, "location")),
        (303, Some(way.clone())),
        "{}",
        home.text
    );

    // Signed in, but the host asks for more.
    let there = scene.enter("to=/x", &session);
    let owed = scene.check("/admin/x", &cookie(&there));
    assert_eq!(
        (owed.status, owed.text.contains("ELEVATION_REQUIRED")),
        (403, true),
        "{}",
        owed.text
    );
    assert!(
        owed.text.contains("insufficient_user_authentication"),
        "{}",
        owed.text
    );
    assert!(
        owed.text.contains("https://id.example.org/auth/totp/step-up"),
        "{}",
        owed.text
    );
    assert_eq!(header(&owed, "x-countersign-location").as_deref(), Some(begin));
    assert_eq!(
        scene.check("/strict/x", &cookie(&there)).status,
        401,
        "RFC 9470's own status"
    );
    let asks = scene.get(&way, &cookie(&session));
    assert_eq!(
        (asks.status, asks.text.contains("action=\"/for\"")),
        (200, true),
        "{}",
        asks.text
    );
    let post = |code: &str| {
        let body = format!("code={code}");
        let form = "Content-Type: application/x-www-form-urlencoded".to_owned();
        let lines = [
            both(&session),
            vec![form, format!("Content-Length: {}", body.len())],
        ]
        .concat();
        send(&scene.server, "POST /for", &lines, &body)
    };
    assert_eq!(post("000000").status, 401, "a wrong code leads nowhere");
    let proven = post(&scene.person.code(1));
    assert_eq!(
        (proven.status, header(&proven, "location")),
        (303, Some(way.clone())),
        "{}",
        proven.text
    );
    let session = set_cookie(&proven, "__Host-cs_session");
    assert_eq!(
        scene.check("/admin/x", &cookie(&there)).status,
        403,
        "the older key is not elevated by it"
    );
    let entered = scene.call_back(&scene.ticket(&way, &session), "app.example.org", &begun);
    let there = set_cookie(&entered, "__Host-cs_session");
    assert_eq!(scene.check("/admin/x", &cookie(&there)).status, 204);
    scene.server.stop();
}

#[test]
fn way_leads_to_protected_hosts_and_their_paths_alone() {
    let scene = Scene::new();
    let session = scene.server.sign_in(&scene.person, &scene.person.code(0));
    let state = "0".repeat(64);
    for (host, to) in [
        ("evil.example", "/"),
        ("app.example.org.evil.example", "/"),
        ("app.example.org:8443", "/"),
        ("APP.example.org", "/"),
        ("app.example.org@evil.example", "/"),
        ("app.example.org", "//evil.example"),
        ("app.example.org", "https://evil.example"),
        ("app.example.org", "/%5Cevil.example"),
        ("app.example.org", "/%0D%0Ax"),
        ("app.example.org", ""),
    ] {
        let answered = scene.get(
            &format!("/for?host={host}&to={to}&state={state}"),
            &cookie(&session),
        );
        assert_eq!(
            (answered.status, header(&answered, "refresh")),
            (400, None),
            "{host} {to}"
        );
    }
    for to in [
        "//evil.example",
        "https://evil.example",
        "/%5Cevil.example",
        "/%2Fevil.example",
        "/.countersign/begin",
    ] {
        let path = format!("/.countersign/begin?to={to}");
        let answered = scene.asked(&path, "app.example.org", &path, &[]);
        assert_eq!(
            (answered.status, header(&answered, "location")),
            (400, None),
            "{to}"
        );
    }
    scene.server.stop();
}
