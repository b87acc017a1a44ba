//! The pages as a browser without JavaScript sees them: forms, cookies, redirects.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::world::{Folder, PASSWORD, Person, Server, countersign};

/// A browser that keeps cookies and follows nothing by itself.
pub struct Browser<'a> {
    server: &'a Server,
    pub cookies: BTreeMap<String, String>,
}

/// What came back.
pub struct Answer {
    pub status: u16,
    pub location: String,
    set_cookies: Vec<String>,
    policy: String,
    pub body: String,
}

impl<'a> Browser<'a> {
    pub fn new(server: &'a Server) -> Browser<'a> {
        Browser {
            server,
            cookies: BTreeMap::new(),
        }
    }

    fn agent() -> ureq::Agent {
        ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .build()
            .into()
    }

    fn cookie_header(&self) -> String {
        self.cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect::<Vec<_>>()
            .join("; ")
    }

    pub fn get(&mut self, path: &str) -> Answer {
        let request = Browser::agent()
            .get(format!("{}{path}", self.server.url))
            .header("cookie", self.cookie_header());
        self.keep(request.call().expect("the server answers"))
    }

    pub fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.post_from("same-origin", path, fields)
    }

    fn post_from(&mut self, site: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
        let request = Browser::agent()
            .post(format!("{}{path}", self.server.url))
            .header("cookie", self.cookie_header())
            .header("sec-fetch-site", site);
        self.keep(
            request
                .send_form(fields.iter().copied())
                .expect("the server answers"),
        )
    }

    fn keep(&mut self, mut response: ureq::http::Response<ureq::Body>) -> Answer {
        let text = |name: &str| {
            response
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
                .unwrap_or("")
                .to_owned()
        };
        let (location, policy) = (text("location"), text("content-security-policy"));
        let lines = response
            .headers()
            .get_all("set-cookie")
            .iter()
            .filter_map(|value| value.to_str().ok());
        let set_cookies: Vec<String> = lines.map(str::to_owned).collect();
        for line in &set_cookies {
            let (pair, attributes) = line.split_once(';').expect("a cookie has attributes");
            let (name, value) = pair.split_once('=').expect("a cookie has a name");
            if attributes.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let status = response.status().as_u16();
        Answer {
            status,
            location,
            set_cookies,
            policy,
            body: response.body_mut().read_to_string().expect("text"),
        }
    }

    pub fn sign_in(&mut self, person: &Person, code: &str) -> Answer {
        let first = self.post("/sign-in", &[("username", &person.name), ("password", PASSWORD)]);
        assert_eq!(
            (first.status, first.location.as_str()),
            (303, "/sign-in/code"),
            "{}",
            first.body
        );
        self.post("/sign-in/code", &[("code", code)])
    }
}

pub fn between<'t>(text: &'t str, before: &str, after: &str) -> &'t str {
    let start = text
        .find(before)
        .unwrap_or_else(|| panic!("{before:?} in {text}"))
        + before.len();
    &text[start
        ..start
            + text[start..]
                .find(after)
                .unwrap_or_else(|| panic!("{after:?} in {text}"))]
}

#[test]
fn first_administrator_sets_up_enrols_and_signs_in_by_forms_alone() {
    let folder = Folder::fresh();
    let data = folder.data();
    let server = Server::start(&data);
    let ended = countersign(
        &["setup-link", "--json", "--data", data.to_str().expect("UTF-8")],
        "",
    );
    let link: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let ticket = link["ticket"].as_str().expect("a ticket");
    let mut browser = Browser::new(&server);
    assert_eq!(browser.get("/account").location, "/sign-in");
    assert_eq!(browser.get("/setup").status, 200);
    let weak = browser.post(
        "/setup",
        &[
            ("ticket", ticket),
            ("username", "root"),
            ("password", "password1"),
        ],
    );
    assert_eq!(weak.status, 400);
    assert!(
        !weak.body.contains("password1"),
        "what was typed as a password is never repeated"
    );
    let set = browser.post(
        "/setup",
        &[("ticket", ticket), ("username", "Root"), ("password", PASSWORD)],
    );
    assert_eq!(
        (set.status, set.location.as_str()),
        (303, "/enrol"),
        "{}",
        set.body
    );
    for path in [
        "/account",
        "/account/sessions",
        "/account/password",
        "/account/backup-codes",
    ] {
        assert_eq!(
            browser.get(path).location,
            "/enrol",
            "a session of one factor may only enrol"
        );
    }
    let pending = browser.post("/enrol", &[("label", "My phone")]);
    assert_eq!(pending.status, 200, "{}", pending.body);
    let secret = between(&pending.body, "secret=", "&").to_owned();
    let codes = pending.body.matches("<li><code>").count();
    assert_eq!((secret.len(), codes), (32, 10));
    assert!(pending.body.contains("<svg"));
    let person = Person {
        name: "root".into(),
        secret: countersign_core::otp::SharedSecret::from_base32(&secret).expect("Base32"),
        backup_codes: vec![between(&pending.body, "<li><code>", "<").to_owned()],
        otpauth_uri: String::new(),
    };
    assert_eq!(browser.post("/enrol/confirm", &[("code", "000000")]).status, 401);
    let confirmed = browser.post("/enrol/confirm", &[("code", &person.code(0))]);
    assert_eq!(
        (confirmed.status, confirmed.location.as_str()),
        (303, "/account"),
        "{}",
        confirmed.body
    );
    assert!(browser.get("/account/factors").body.contains("My phone"));
    assert_eq!(browser.post("/sign-out", &[]).location, "/sign-in");
    assert_eq!(browser.get("/account").location, "/sign-in");
    let used = browser.sign_in(&person, &person.code(0));
    assert_eq!(used.status, 401);
    assert!(used.body.contains("That code was not accepted."));
    let with_backup = browser.post("/sign-in/code", &[("code", &person.backup_codes[0])]);
    assert_eq!(with_backup.status, 200);
    assert!(with_backup.body.contains("Keep this new backup code"));
    assert!(browser.get("/account").body.contains("A backup code was used"));
    server.stop();
}

#[test]
fn every_page_keeps_to_its_policy_and_every_cookie_to_its_host() {
    let folder = Folder::fresh();
    let person = Person::add(&folder.data(), "alice");
    let server = Server::start(&folder.data());
    let mut browser = Browser::new(&server);
    let entered = browser.sign_in(&person, &person.code(0));
    assert_eq!(entered.location, "/account", "{}", entered.body);
    assert!(entered.set_cookies.len() >= 2);
    for cookie in &entered.set_cookies {
        for attribute in ["__Host-", "Path=/", "Secure", "HttpOnly"] {
            assert!(cookie.contains(attribute), "{attribute} is missing");
        }
        assert!(!cookie.contains("Domain"));
    }
    for path in [
        "/account",
        "/account/sessions",
        "/account/backup-codes",
        "/account/password",
        "/account/approvals",
        "/enrol",
        "/setup",
        "/sign-in",
    ] {
        let page = browser.get(path);
        assert_eq!(page.status, 200, "{path}");
        assert!(
            page.policy.starts_with("default-src 'none'; style-src 'self'"),
            "{path}: {}",
            page.policy
        );
        assert!(!page.policy.contains("unsafe"), "{path}");
        for forbidden in [" style=", "<style", "onclick=", "javascript:"] {
            assert!(!page.body.contains(forbidden), "{path} holds {forbidden}");
        }
    }
    server.stop();
}

#[test]
fn form_sent_by_another_site_changes_nothing() {
    let folder = Folder::fresh();
    let person = Person::add(&folder.data(), "alice");
    let server = Server::start(&folder.data());
    let mut browser = Browser::new(&server);
    browser.sign_in(&person, &person.code(0));
    for site in ["cross-site", "same-site"] {
        assert_eq!(
            browser
                .post_from(site, "/account/sessions/end-others", &[])
                .status,
            403
        );
        assert_eq!(browser.post_from(site, "/sign-out", &[]).status, 403);
    }
    assert_eq!(browser.get("/account").status, 200, "the session goes on");
    server.stop();
}

#[test]
fn strangers_are_told_the_same_of_every_name() {
    let folder = Folder::fresh();
    Person::add(&folder.data(), "alice");
    let server = Server::start(&folder.data());
    let guess = |name: &str| {
        let answer = Browser::new(&server).post("/sign-in", &[("username", name), ("password", "guess")]);
        (answer.status, answer.body.replace(name, "what was typed"))
    };
    for _ in 0..6 {
        assert_eq!(guess("alice"), guess("nobody"));
    }
    assert_eq!(guess("alice").0, 429);
    server.stop();
}
