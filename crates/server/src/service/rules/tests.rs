//! Rules of rules: which one counts, who passes, and what a file can't say.

use countersign_core::elevation::Elevation;
use serde_json::json;

use super::*;

const NOW: UnixSeconds = UnixSeconds(1_800_000_000);

const EXAMPLE: &str = r#"
[[host]]
name = "app.example.org"
session_s = 7200

[[host.rule]]
path = "/health"
allow = "public"

[[host.rule]]
path = "/admin/*"
methods = ["GET"]
networks = ["10.0.0.0/8", "2001:db8::/32"]
groups = ["staff", "admins"]
acr = "cs:2"

[[host.rule]]
path = "/admin/*"
elevated = true
step_up_status = 401
claims = { publisher = true, seats = 3 }

[[host.rule]]
path = "/old/*"
allow = "deny"

[[host.rule]]
path = "/*"

[[host]]
name = "*.Apps.example.org"
ignore_case = true

[[host.rule]]
path = "/Admin/*"
allow = "deny"

[[host.rule]]
path = "/*"
methods = ["GET", "POST"]
"#;

fn example() -> Rules {
    Rules::parse(EXAMPLE).expect("the example is right")
}

/// The line of the rule that counts.
fn line(rules: &Rules, host: &str, uri: &str, method: &str, network: &str) -> Option<usize> {
    let network = network.parse().expect("an address");
    let question = Question::read(host, uri, method, network).expect("a question");
    match rules.find(&question) {
        Found::Rule(_, rule) => Some(rule.line),
        Found::NoRule(_) | Found::UnknownHost => None,
    }
}

fn mistakes(text: &str) -> Vec<String> {
    let found = Rules::parse(text).expect_err("there are mistakes");
    found.iter().map(ToString::to_string).collect()
}

fn rule(text: &str) -> String {
    format!("[[host]]\nname = \"a.example\"\n[[host.rule]]\n{text}\n")
}

#[test]
fn first_rule_for_path_method_and_network_counts() {
    let rules = example();
    let of = |uri, method, network| line(&rules, "app.example.org", uri, method, network);
    for (uri, method, network, expected) in [
        ("/health", "GET", "192.0.2.1", 6),
        ("/health/", "POST", "192.0.2.1", 6),
        ("/admin", "GET", "10.9.8.7", 10),
        ("/admin/", "HEAD", "10.9.8.7", 10),
        ("/admin/x/y", "GET", "::ffff:10.0.0.1", 10),
        ("/%61dmin/x", "GET", "2001:db8::1", 10),
        ("/admin/x", "POST", "10.9.8.7", 17),
        ("/admin/x", "GET", "192.0.2.1", 17),
        ("/old/x", "GET", "10.9.8.7", 23),
        ("/administrator", "GET", "10.9.8.7", 27),
        ("/Admin/x", "GET", "10.9.8.7", 27),
        ("/healthy", "GET", "10.9.8.7", 27),
        ("/", "GET", "10.9.8.7", 27),
    ] {
        assert_eq!(
            of(uri, method, network),
            Some(expected),
            "{method} {uri} from {network}"
        );
    }
}

#[test]
fn what_no_rule_is_for_is_found_by_none() {
    let rules = example();
    assert_eq!(
        line(&rules, "A.apps.example.org:8443", "/x", "GET", "192.0.2.1"),
        Some(38)
    );
    assert_eq!(
        line(&rules, "a.apps.example.org", "/x", "DELETE", "192.0.2.1"),
        None
    );
    for host in [
        "example.org",
        "apps.example.org",
        "a.b.apps.example.org",
        "evilapps.example.org",
        "app.example.org.evil.example",
        "localhost",
    ] {
        assert_eq!(line(&rules, host, "/", "GET", "192.0.2.1"), None, "{host}");
    }
    let nobody = Rules::default();
    assert_eq!(line(&nobody, "app.example.org", "/", "GET", "192.0.2.1"), None);
}

#[test]
fn case_of_a_path_matters_unless_the_host_says_otherwise() {
    let rules = example();
    for uri in ["/admin/x", "/ADMIN", "/aDmin/"] {
        assert_eq!(
            line(&rules, "a.apps.example.org", uri, "GET", "192.0.2.1"),
            Some(34),
            "{uri}"
        );
    }
}

#[test]
fn what_a_proxy_says_is_no_question_without_host_method_and_one_path() {
    let read =
        |host, uri, method| Question::read(host, uri, method, "192.0.2.1".parse().expect("an address"));
    assert_eq!(
        read("App.Example.org:443", "/", "GET").map(|question| question.host),
        Ok("app.example.org".into())
    );
    let long = format!("{}a", "a.".repeat(127));
    for host in [
        "", ":", ":80", "a..b", "a.", ".a", "a/b", "a@b", "a b", "a,b", "a\\b", "a:b", "a:", "a:123456",
        "[::1]", "é", &long,
    ] {
        assert_eq!(read(host, "/", "GET"), Err(NoQuestion::Host), "{host:?}");
    }
    let long = "A".repeat(33);
    for method in ["", "get", "GET ", "G3T", "GET,POST", &long] {
        assert_eq!(read("a", "/", method), Err(NoQuestion::Method), "{method:?}");
    }
    assert_eq!(
        read("a", "//", "GET"),
        Err(NoQuestion::Path(Unclear::EmptySegment))
    );
}

fn claims(of: serde_json::Value) -> Claims {
    serde_json::from_value(of).expect("claims")
}

struct Person {
    groups: Vec<String>,
    claims: Claims,
    standing: Standing,
    age_s: u64,
}

impl Person {
    fn new(level: Level) -> Person {
        Person {
            groups: vec!["staff".into()],
            claims: claims(json!({ "publisher": true, "seats": 3 })),
            standing: Standing {
                level,
                authenticated_at: NOW,
                elevation: None,
            },
            age_s: 0,
        }
    }

    fn judged(&self, uri: &str, method: &str, more: Demand) -> String {
        let rules = example();
        let network = "10.0.0.1".parse().expect("an address");
        let question = Question::read("app.example.org", uri, method, network).expect("a question");
        let Found::Rule(host, rule) = rules.find(&question) else {
            panic!("a rule is for {uri}");
        };
        let Allow::SignedIn(terms) = &rule.allow else {
            panic!("the rule for {uri} asks who it is");
        };
        let who = Who {
            groups: &self.groups,
            claims: &self.claims,
            standing: self.standing,
            signed_in_at: Some(UnixSeconds(NOW.0 - self.age_s)),
        };
        match host.judge(terms, &who, more, NOW) {
            Verdict::Pass => "pass".into(),
            Verdict::SignInAgain => "sign in".into(),
            Verdict::NoGroup => "no group".into(),
            Verdict::NoClaim(name, value) => format!("no claim {name} = {value}"),
            Verdict::StepUp { demand, is_expired } => format!("step up {:?} {is_expired}", demand.level),
        }
    }
}

#[test]
fn elevation_counts_for_a_proxy_s_question_at_899_seconds_and_not_at_900() {
    for (age_s, expected) in [(0, "pass"), (899, "pass"), (900, "step up None true")] {
        let mut asking = Person::new(Level::Two);
        let since = UnixSeconds(NOW.0 - age_s);
        asking.standing.elevation = Some(Elevation {
            level: Level::Two,
            since,
            until: since.plus(900),
        });
        assert_eq!(asking.judged("/admin/x", "POST", NO_MORE), expected, "{age_s} s");
    }
}

const NO_MORE: Demand = Demand {
    elevated: false,
    level: None,
    age_s_max: None,
};

#[test]
fn terms_are_judged_from_session_over_groups_and_claims_to_strength() {
    let mut person = Person::new(Level::One);
    assert_eq!(person.judged("/", "GET", NO_MORE), "pass");
    assert_eq!(
        person.judged("/admin/x", "GET", NO_MORE),
        "step up Some(Two) false"
    );
    person.standing.level = Level::Two;
    assert_eq!(person.judged("/admin/x", "GET", NO_MORE), "pass");
    assert_eq!(person.judged("/admin/x", "POST", NO_MORE), "step up None false");
    person.standing.elevation = Some(Elevation {
        level: Level::Two,
        since: UnixSeconds(NOW.0 - 900),
        until: NOW,
    });
    assert_eq!(person.judged("/admin/x", "POST", NO_MORE), "step up None true");
    person.standing.elevation = person.standing.elevation.map(|elevation| Elevation {
        until: NOW.plus(1),
        ..elevation
    });
    assert_eq!(person.judged("/admin/x", "POST", NO_MORE), "pass");
    for (given, missing) in [
        (
            json!({ "publisher": "true", "seats": 3 }),
            "no claim publisher = true",
        ),
        (json!({ "publisher": 1, "seats": 3 }), "no claim publisher = true"),
        (json!({ "publisher": true, "seats": 4 }), "no claim seats = 3"),
        (json!({ "publisher": true, "seats": "3" }), "no claim seats = 3"),
        (json!({}), "no claim publisher = true"),
    ] {
        person.claims = claims(given);
        assert_eq!(person.judged("/admin/x", "POST", NO_MORE), missing);
    }
    person.groups = vec!["Staff".into(), "admins ".into()];
    assert_eq!(person.judged("/admin/x", "GET", NO_MORE), "no group");
}

#[test]
fn proxy_may_demand_more_and_never_less() {
    let person = Person::new(Level::One);
    let two = Demand {
        level: Some(Level::Two),
        ..NO_MORE
    };
    assert_eq!(person.judged("/", "GET", two), "step up Some(Two) false");
    let one = Demand {
        level: Some(Level::One),
        ..NO_MORE
    };
    assert_eq!(person.judged("/admin/x", "GET", one), "step up Some(Two) false");
}

#[test]
fn session_is_good_for_as_long_as_the_host_says_and_of_one_factor_for_an_hour() {
    let mut two = Person::new(Level::Two);
    let mut one = Person::new(Level::One);
    two.age_s = 7199;
    assert_eq!(two.judged("/", "GET", NO_MORE), "pass");
    two.age_s = 7200;
    assert_eq!(two.judged("/", "GET", NO_MORE), "sign in");
    one.age_s = 3599;
    assert_eq!(one.judged("/", "GET", NO_MORE), "pass");
    one.age_s = 3600;
    assert_eq!(one.judged("/", "GET", NO_MORE), "sign in");
}

#[test]
fn mistake_names_its_line_its_field_and_what_to_do() {
    for (text, expected) in [
        ("a = \n", "line 1: "),
        ("\n[[hosts]]\n", "line 2: unknown field `hosts`"),
        (&rule("path = '/'\nalow = 'deny'"), "line 5: unknown field `alow`"),
        (
            &rule("path = '/'\nallow = 'all'"),
            "line 5: unknown variant `all`",
        ),
        (
            &rule("path = 'x'"),
            "line 4: host.rule.path: \"x\" matches nothing: it does not begin with /",
        ),
        (&rule("path = '/a//b'"), "line 4: host.rule.path: "),
        (&rule("path = '/a/../b'"), "line 4: host.rule.path: "),
        (&rule("path = '/a;b'"), "line 4: host.rule.path: "),
        (
            &rule("path = '/a%2fb'"),
            "line 4: host.rule.path: write the path as it is after decoding",
        ),
        (&rule("path = '/a*'"), "line 4: host.rule.path: write the path"),
        (&rule("path = '/*/b'"), "line 4: host.rule.path: write the path"),
        (
            &rule("path = '/.countersign/*'"),
            "line 4: host.rule.path: /.countersign/ is",
        ),
        (
            &rule("path = '/'\nmethods = ['GET', 'post']"),
            "line 5: host.rule.methods: \"post\"",
        ),
        (
            &rule("path = '/'\nnetworks = ['10.0.0.1/8']"),
            "line 5: host.rule.networks: \"10.0.0.1/8\" names part",
        ),
        (
            &rule("path = '/'\nnetworks = ['office']"),
            "line 5: host.rule.networks: \"office\" is no network",
        ),
        (
            &rule("path = '/'\nacr = 'cs:2p'"),
            "line 5: host.rule.acr: nothing reaches cs:2p yet",
        ),
        (
            &rule("path = '/'\nacr = 'aal2'"),
            "line 5: host.rule.acr: \"aal2\" is no level",
        ),
        (
            &rule("path = '/'\nmax_age = 0"),
            "line 5: host.rule.max_age: 0 is no number",
        ),
        (&rule("path = '/'\nmax_age = -1"), "line 5: "),
        (
            &rule("path = '/'\nstep_up_status = 302"),
            "line 5: host.rule.step_up_status: write 401 or 403",
        ),
        (&rule("path = '/'\ngroups = ['']"), "line 5: host.rule.groups: "),
        (
            &rule("path = '/'\nclaims = { since = 2026-01-01 }"),
            "line 5: host.rule.claims.since: no account has",
        ),
        (
            &rule("path = '/'\nallow = 'public'\nelevated = true"),
            "line 3: host.rule.allow: only `signed_in`",
        ),
        (
            &rule("path = '/'\nallow = 'deny'\ngroups = ['a']"),
            "line 3: host.rule.allow: only `signed_in`",
        ),
        (
            &rule("path = '/*'\n[[host.rule]]\npath = '/a'"),
            "line 5: host.rule: the rule of line 3 is for all",
        ),
        ("[[host]]\nname = 'https://a'", "line 2: host.name: "),
        ("[[host]]\nname = 'a:80'", "line 2: host.name: "),
        ("[[host]]\nname = '*'", "line 2: host.name: "),
        ("[[host]]\nname = '*.*.a.b'", "line 2: host.name: "),
        (
            "[[host]]\nname = 'a'\n[[host]]\nname = 'A'",
            "line 4: host.name: it is named twice",
        ),
        (
            "[[host]]\nname = 'a'\nsession_s = 59",
            "line 3: host.session_s: 59 is no number",
        ),
        (
            "[[host]]\nname = 'a'\nsession_s = 2592001",
            "line 3: host.session_s: 2592001 is no number from 60 to 2592000",
        ),
    ] {
        let found = mistakes(text);
        assert!(found[0].starts_with(expected), "{text}: {found:?}");
        assert_eq!(found.len(), 1, "{text}: {found:?}");
    }
}

#[test]
fn every_mistake_of_a_file_is_told_at_once() {
    let found = mistakes(&rule(
        "path = 'x'\nmethods = ['get']\nnetworks = ['n']\nacr = 'x'\nmax_age = 0",
    ));
    assert_eq!(found.len(), 5, "{found:?}");
}

#[test]
fn rule_behind_a_wider_one_is_a_mistake_and_behind_a_narrower_one_is_none() {
    let pair = |first: &str, second: &str| Rules::parse(&rule(&format!("{first}\n[[host.rule]]\n{second}")));
    for (first, second) in [
        ("path = '/a/*'", "path = '/a'"),
        ("path = '/a/*'", "path = '/a/b/*'\nmethods = ['GET']"),
        (
            "path = '/a'\nmethods = ['GET']",
            "path = '/a/'\nmethods = ['HEAD']",
        ),
        (
            "path = '/*'\nnetworks = ['10.0.0.0/8']",
            "path = '/'\nnetworks = ['10.1.0.0/16']",
        ),
    ] {
        assert!(pair(first, second).is_err(), "{first} then {second}");
    }
    for (first, second) in [
        ("path = '/a/*'", "path = '/ab/*'"),
        ("path = '/a'", "path = '/a/*'"),
        ("path = '/a'\nmethods = ['POST']", "path = '/a'"),
        ("path = '/a'\nnetworks = ['10.0.0.0/8']", "path = '/a'"),
        (
            "path = '/a'\nnetworks = ['10.0.0.0/8']",
            "path = '/a'\nnetworks = ['10.0.0.0/8', '::1/128']",
        ),
    ] {
        assert!(pair(first, second).is_ok(), "{first} then {second}");
    }
}

#[test]
fn status_of_a_step_up_is_the_rules_own_or_else_its_hosts_or_else_403() {
    let strict = |host: &str, rule: &str| {
        let text = format!("[[host]]\nname = 'a'\n{host}\n[[host.rule]]\npath = '/*'\n{rule}\n");
        let rules = Rules::parse(&text).expect("it is right");
        let asked = Question::read("a", "/x", "GET", IpAddr::from([192, 0, 2, 7])).expect("it is one");
        match rules.find(&asked) {
            Found::Rule(
                _,
                Rule {
                    allow: Allow::SignedIn(terms),
                    ..
                },
            ) => terms.strict_step_up,
            other => panic!("{other:?}"),
        }
    };
    let (as_rfc_9470, forbidden) = ("step_up_status = 401", "step_up_status = 403");
    for (host, rule, expected) in [
        ("", "", false),
        (as_rfc_9470, "", true),
        (forbidden, "", false),
        ("", as_rfc_9470, true),
        (forbidden, as_rfc_9470, true),
        (as_rfc_9470, forbidden, false),
    ] {
        assert_eq!(strict(host, rule), expected, "{host} {rule}");
    }
    let found = mistakes("[[host]]\nname = 'a'\nstep_up_status = 400\n");
    assert_eq!(found, ["line 3: host.step_up_status: write 401 or 403"]);
}

#[test]
fn host_that_wants_longer_sessions_than_there_are_is_told_which_setting_to_raise() {
    let host = |seconds: u32| format!("[[host]]\nname = 'a'\nsession_s = {seconds}\n");
    assert!(Rules::parse_for(&host(28_800), 28_800).is_ok());
    let told = Rules::parse_for(&host(28_801), 28_800).map_err(|mistakes| mistakes[0].to_string());
    let told = told.expect_err("it would never see one");
    assert_eq!(
        told,
        "line 3: host.session_s: no session lives so long; write at most 28800, which is the setting `session_s`, or \
         raise that"
    );
    let silent = Rules::parse_for("[[host]]\nname = 'a'\n", 3_600);
    assert!(silent.is_ok(), "a host that says nothing wants nothing");
}

#[test]
fn file_is_bounded_in_bytes_hosts_rules_and_entries() {
    let hosts =
        |count: usize| -> String { (0..count).map(|n| format!("[[host]]\nname = 'h{n}'\n")).collect() };
    assert_eq!(
        Rules::parse(&hosts(HOSTS_MAX)).map(|rules| rules.hosts()),
        Ok(HOSTS_MAX)
    );
    assert!(Rules::parse(&hosts(HOSTS_MAX + 1)).is_err());
    let rules = |count: usize| -> String {
        let one = |n| format!("[[host.rule]]\npath = '/{n}'\n");
        let all: String = (0..count).map(one).collect();
        format!("[[host]]\nname = 'a'\n{all}")
    };
    assert!(Rules::parse(&rules(RULES_MAX)).is_ok());
    assert!(Rules::parse(&rules(RULES_MAX + 1)).is_err());
    let groups = |count: usize| rule(&format!("path = '/'\ngroups = [{}]", "'g',".repeat(count)));
    assert!(Rules::parse(&groups(LIST_MAX)).is_ok());
    assert!(Rules::parse(&groups(LIST_MAX + 1)).is_err());
    let comment = "#".repeat(FILE_BYTES_MAX);
    assert!(Rules::parse(&comment).is_ok());
    assert!(Rules::parse(&format!("{comment}#")).is_err());
}

#[test]
fn broken_file_leaves_the_rules_as_they_were() {
    let rules = RulesInUse::default();
    assert_eq!(rules.reload(EXAMPLE), Ok(2));
    let before = rules.now();
    let found = rules
        .reload("[[host]]\nname = 'a'\nsession_s = 1\n")
        .expect_err("it is broken");
    assert_eq!(found[0].line, 3);
    assert_eq!(rules.now(), before);
    assert_eq!(rules.reload(""), Ok(0));
    assert_eq!(*rules.now(), Rules::default());
}
