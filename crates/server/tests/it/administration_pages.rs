//! The pages of administration over the real routes: what each role sees, and how somebody is led to a step-up.

use axum::http::{StatusCode, header};
use countersign_auth::role::Role;

use crate::administration::{acting, step_up};
use crate::browser::{Browser, Site, code};
use crate::pages::assert_is_confined;

#[tokio::test]
async fn menu_of_administration_is_for_whoever_has_a_role() {
    let site = Site::open();
    let (mut user, _) = acting(&site, "ulf", Role::User, 0, false).await;
    assert!(!user.get("/account").await.body.contains("/admin"));
    for path in ["/admin", "/admin/people"] {
        let refused = user.get(path).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{path}");
        assert!(refused.body.contains("Your role does not suffice"), "{path}");
    }
    let (mut auditor, _) = acting(&site, "ada", Role::Auditor, 0, false).await;
    assert!(auditor.get("/account").await.body.contains("href=\"/admin\""));
    assert_eq!(auditor.get("/admin").await.leads_to(), "/admin/people");
    assert_eq!(site.browser().get("/admin").await.leads_to(), "/sign-in");
}

#[tokio::test]
async fn auditor_sees_people_and_no_form_for_adding_one() {
    let site = Site::open();
    site.person("alice", true).await;
    let (mut auditor, _) = acting(&site, "ada", Role::Auditor, 0, false).await;
    let listed = auditor.get("/admin/people?matching=ALI").await;
    assert_eq!(listed.status, StatusCode::OK);
    assert!(listed.body.contains("href=\"/admin/people/alice\""));
    assert!(
        !listed.body.contains("href=\"/admin/people/ada\""),
        "she does not match"
    );
    assert!(!listed.body.contains("Add somebody"));
    let refused = auditor
        .post("/admin/people", &[("name", "bob"), ("role", "user")])
        .await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn form_is_led_through_a_step_up_back_to_its_page_and_done_the_second_time() {
    let site = Site::open_signing().await;
    let (mut root, person) = acting(&site, "root", Role::Administrator, 0, false).await;
    let form = [("name", "Bob"), ("groups", "staff"), ("role", "auditor")];
    let owed = root.post("/admin/people", &form).await;
    let way = "/step-up?to=/admin/people%3Fdone%3Dconfirmed&purpose=administration";
    assert_eq!(owed.leads_to(), way);
    site.hands.pass(30);
    let proof = [
        ("code", &*code(&person, 1)),
        ("to", "/admin/people?done=confirmed"),
    ];
    let back = root.post("/step-up", &proof).await;
    let again = root.get(back.leads_to()).await;
    assert!(again.body.contains("do it once more"));
    let added = root.post("/admin/people", &form).await;
    assert_eq!(added.status, StatusCode::OK, "{}", added.body);
    assert!(added.body.contains("https://localhost:8443/setup#"));
    assert_eq!(added.header(header::CACHE_CONTROL), "no-store");
    let listed = root.get("/admin/people").await;
    assert!(listed.body.contains("href=\"/admin/people/bob\""));
    assert!(!listed.body.contains("/setup#"), "the link is shown once");
}

#[tokio::test]
async fn whoever_has_one_factor_connects_another_before_reading() {
    let site = Site::open();
    site.person("pia", false).await;
    site.give("pia", Role::Auditor).await;
    let mut browser = site.browser();
    browser.password("pia", crate::browser::PASSWORD).await;
    let led = browser.get("/admin/people").await;
    assert_eq!(
        led.leads_to(),
        "/enrol",
        "who has one factor connects another first"
    );
}

#[tokio::test]
async fn form_that_is_refused_is_shown_again_with_its_problem_and_what_was_typed() {
    let site = Site::open_signing().await;
    let (mut root, person) = acting(&site, "root", Role::Administrator, 0, false).await;
    site.hands.pass(30);
    step_up(&mut root, &person, 1).await;
    let taken = root
        .post(
            "/admin/people",
            &[("name", "<b>root"), ("groups", "no/group"), ("role", "user")],
        )
        .await;
    assert_eq!(taken.status, StatusCode::CONFLICT, "{}", taken.body);
    assert!(taken.body.contains("value=\"&#60;b&#62;root\""), "{}", taken.body);
    let taken = root
        .post(
            "/admin/people",
            &[("name", "root"), ("groups", ""), ("role", "user")],
        )
        .await;
    assert_eq!(taken.status, StatusCode::CONFLICT);
    assert!(taken.body.contains("There is an account named root already."));
}

#[tokio::test]
async fn form_from_another_site_adds_nobody() {
    let site = Site::open_signing().await;
    let (mut root, _) = acting(&site, "root", Role::Administrator, 0, true).await;
    let forged = root
        .post_from(
            &[("sec-fetch-site", "cross-site")],
            "/admin/people",
            &[("name", "bob"), ("role", "administrator")],
        )
        .await;
    assert_eq!(forged.status, StatusCode::FORBIDDEN);
    assert!(!root.get("/admin/people").await.body.contains("/admin/people/bob"));
}

/// The fields of a form.
type Fields<'a> = &'a [(&'a str, &'a str)];

/// An administrator who stepped up.
async fn root(site: &Site) -> Browser {
    acting(site, "root", Role::Administrator, 0, true).await.0
}

#[tokio::test]
async fn pages_of_administration_are_confined_by_policy_and_kept_by_nobody() {
    let site = Site::open_signing().await;
    site.person("alice", true).await;
    let mut root = root(&site).await;
    root.post("/admin/applications", &[("name", "shop")]).await;
    for path in [
        "/admin/people",
        "/admin/people/alice",
        "/admin/people/alice/reset",
        "/admin/lists",
        "/admin/applications",
        "/admin/applications/shop/renew",
        "/admin/keys",
        "/admin/keys/k1/forget",
    ] {
        let answer = root.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert_is_confined(&answer, path);
    }
    let forms = [
        "people",
        "people/alice/invite",
        "lists",
        "lists/export",
        "applications",
        "keys/rotate",
    ];
    for form in forms {
        let path = format!("/admin/{form}");
        assert_is_confined(&root.post(&path, &[]).await, &path);
    }
}

#[tokio::test]
async fn auditor_sees_a_person_and_has_no_buttons_for_them() {
    let site = Site::open_signing().await;
    let alice = site.person("alice", true).await;
    site.browser().sign_in("alice", &code(&alice, 0)).await;
    site.person("root", true).await;
    site.give("root", Role::Administrator).await;
    let (mut auditor, _) = acting(&site, "ada", Role::Auditor, 0, true).await;
    for path in ["/admin/people/alice", "/admin/people/root"] {
        let shown = auditor.get(path).await;
        assert_eq!(shown.status, StatusCode::OK, "{path}");
        assert!(shown.body.contains("Time-based codes"), "{path}");
        assert_eq!(
            shown.body.matches("<form").count(),
            1,
            "only the one to sign out: {}",
            shown.body
        );
    }
    for act in [
        "role", "groups", "claims", "email", "phone", "unlock", "invite", "reset", "disable",
    ] {
        let form = [
            ("role", "user"),
            ("groups", ""),
            ("before", ""),
            ("claim", "a"),
            ("value", "1"),
            ("email", ""),
            ("phone", ""),
        ];
        let refused = auditor.post(&format!("/admin/people/alice/{act}"), &form).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{act}");
    }
    for path in ["/admin/lists", "/admin/applications", "/admin/keys"] {
        assert_eq!(auditor.get(path).await.status, StatusCode::FORBIDDEN, "{path}");
        assert!(!auditor.get("/admin/people").await.body.contains(path));
    }
}

#[tokio::test]
async fn operator_helps_people_but_no_administrator() {
    let site = Site::open_signing().await;
    site.person("alice", true).await;
    site.person("root", true).await;
    site.give("root", Role::Administrator).await;
    let (mut operator, _) = acting(&site, "olga", Role::Operator, 0, true).await;
    let shown = operator.get("/admin/people/alice").await;
    assert!(shown.body.contains("action=\"/admin/people/alice/unlock\""));
    assert!(!shown.body.contains("/admin/people/alice/disable"));
    let unlocked = operator.post("/admin/people/alice/unlock", &[]).await;
    assert_eq!(unlocked.leads_to(), "/admin/people/alice?done=unlock");
    let link = operator.post("/admin/people/alice/invite", &[]).await;
    assert_eq!(link.status, StatusCode::OK);
    assert!(link.body.contains("/setup#"));
    assert_eq!(link.header(header::CACHE_CONTROL), "no-store");
    assert!(
        !operator
            .get("/admin/people/root")
            .await
            .body
            .contains("/admin/people/root/")
    );
    assert!(shown.body.contains("href=\"/admin/people/alice/vouch\""));
    let word = operator.post("/admin/people/alice/vouch", &[]).await;
    assert!(word.body.contains("/recover/vouched#"), "{}", word.body);
    assert!(
        operator
            .get("/admin/people/alice/vouch")
            .await
            .body
            .contains("Vouch for")
    );
    for act in ["unlock", "invite", "vouch"] {
        let refused = operator.post(&format!("/admin/people/root/{act}"), &[]).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{act}");
        assert!(refused.body.contains("may do what your role may not"), "{act}");
    }
}

#[tokio::test]
async fn nobody_vouches_for_themselves() {
    let site = Site::open_signing().await;
    let mut root = root(&site).await;
    let refused = root.post("/admin/people/root/vouch", &[]).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.body);
    assert!(!refused.body.contains("/recover/vouched#"));
}

#[tokio::test]
async fn administrator_changes_what_a_person_is() {
    let site = Site::open_signing().await;
    site.person("alice", true).await;
    let mut root = root(&site).await;
    let alice = "/admin/people/alice";
    let changes: [(&str, Fields); 6] = [
        ("role", &[("role", "auditor")]),
        ("groups", &[("before", ""), ("groups", "staff editors")]),
        (
            "groups",
            &[("before", "staff editors"), ("groups", "editors writers")],
        ),
        ("claims", &[("claim", "desk"), ("value", "\"behind the door\"")]),
        ("email", &[("email", "alice@example.org")]),
        ("phone", &[("phone", "+491701234567")]),
    ];
    for (what, form) in changes {
        let changed = root.post(&format!("{alice}/{what}"), form).await;
        assert_eq!(changed.leads_to(), format!("{alice}?done={what}"));
    }
    let shown = root.get(alice).await.body;
    for said in [
        "<option selected>auditor</option>",
        "name=\"before\" value=\"editors writers\"",
        "behind the door",
        "value=\"alice@example.org\"",
        "value=\"+491701234567\"",
    ] {
        assert!(shown.contains(said), "{said}: {shown}");
    }
    let lost = root
        .post(&format!("{alice}/claims/remove"), &[("claim", "desk")])
        .await;
    assert_eq!(lost.leads_to(), format!("{alice}?done=claims"));
    root.post(&format!("{alice}/email"), &[("email", " ")]).await;
    let shown = root.get(alice).await.body;
    assert!(!shown.contains("behind the door") && !shown.contains("alice@example.org"));
}

#[tokio::test]
async fn refused_change_is_told_at_its_field_with_what_was_typed() {
    let site = Site::open_signing().await;
    site.person("alice", true).await;
    let mut root = root(&site).await;
    let refusals: [(&str, Fields, &str, &str); 5] = [
        (
            "groups",
            &[("before", ""), ("groups", "no/group")],
            "groups",
            "no/group",
        ),
        (
            "groups",
            &[("before", ""), ("groups", "admin")],
            "groups",
            "admin",
        ),
        ("claims", &[("claim", "acr"), ("value", "1")], "claim", "acr"),
        (
            "claims",
            &[("claim", "desk"), ("value", "<b>")],
            "value",
            "&#60;b&#62;",
        ),
        ("email", &[("email", "nowhere")], "email", "nowhere"),
    ];
    for (what, form, field, typed) in refusals {
        let again = root.post(&format!("/admin/people/alice/{what}"), form).await;
        assert_eq!(again.status, StatusCode::BAD_REQUEST, "{what}");
        let at = again.body.find(&format!("id=\"{field}\" name=\"{field}\""));
        let input = &again.body[at.expect("the field is there")..];
        let input = &input[..input.find('>').expect("it ends")];
        assert!(input.contains("aria-invalid=\"true\""), "{what}: {input}");
        assert!(input.contains(&format!("value=\"{typed}\"")), "{what}: {input}");
    }
    let nobody = root.post("/admin/people/nobody/role", &[("role", "user")]).await;
    assert_eq!(nobody.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_takes_something_away_is_asked_before_and_done_by_its_form() {
    let site = Site::open_signing().await;
    let alice = site.person("alice", true).await;
    let mut hers = site.browser();
    hers.sign_in("alice", &code(&alice, 0)).await;
    let mut root = root(&site).await;
    for act in ["end-sessions", "remove-factors", "reset", "disable"] {
        let asked = root.get(&format!("/admin/people/alice/{act}")).await;
        assert_eq!(asked.status, StatusCode::OK, "{act}");
        assert!(
            asked
                .body
                .contains(&format!("method=\"post\" action=\"/admin/people/alice/{act}\"")),
            "{act}"
        );
        assert_eq!(
            hers.get("/account").await.status,
            StatusCode::OK,
            "nothing is done by asking"
        );
    }
    let own = root.get("/admin/people/root/disable").await;
    assert!(own.body.contains("This is your own account"));
    let disabled = root.post("/admin/people/alice/disable", &[]).await;
    assert_eq!(disabled.leads_to(), "/admin/people/alice?done=disable");
    assert_eq!(hers.get("/account").await.leads_to(), "/sign-in");
    let refused = root.post("/admin/people/alice/reset", &[]).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    root.post("/admin/people/alice/enable", &[]).await;
    let reset = root.post("/admin/people/alice/reset", &[]).await;
    assert!(reset.body.contains("/setup#"), "{}", reset.body);
    for path in [
        "/admin/people/alice/dance",
        "/admin/people/nobody",
        "/admin/people/nobody/reset",
    ] {
        assert_eq!(root.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn one_session_and_one_authenticator_of_somebody_are_ended_and_removed_on_their_page() {
    let site = Site::open_signing().await;
    let alice = site.person("alice", true).await;
    let mut hers = site.browser();
    hers.sign_in("alice", &code(&alice, 0)).await;
    let mut root = root(&site).await;
    let shown = root.get("/admin/people/alice").await.body;
    let between = |begin: &str, end: &str| {
        let at = shown.find(begin).expect("it is on the page") + begin.len();
        shown[at..]
            .split(end)
            .next()
            .expect("there is a first part")
            .to_owned()
    };
    let session = between("/admin/people/alice/sessions/", "/end");
    let factor = between("/admin/people/alice/factors/", "/remove");
    let ended = root
        .post(&format!("/admin/people/alice/sessions/{session}/end"), &[])
        .await;
    assert_eq!(ended.leads_to(), "/admin/people/alice?done=session");
    assert_eq!(hers.get("/account").await.leads_to(), "/sign-in");
    let again = root
        .post(&format!("/admin/people/alice/sessions/{session}/end"), &[])
        .await;
    assert_eq!(again.status, StatusCode::NOT_FOUND);
    let path = format!("/admin/people/alice/factors/{factor}/remove");
    assert!(root.get(&path).await.body.contains("Remove the authenticator"));
    assert_eq!(
        root.post(&path, &[]).await.leads_to(),
        "/admin/people/alice?done=factor"
    );
    assert_eq!(root.get(&path).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn name_of_any_characters_is_text_on_its_page_and_one_segment_of_its_address() {
    let site = Site::open_signing().await;
    let name = "<i>a/b?c#d%2f\"&";
    site.person(name, false).await;
    let mut root = root(&site).await;
    let path = "/admin/people/%3Ci%3Ea%2Fb%3Fc%23d%252f%22%26";
    let listed = root.get("/admin/people").await;
    assert!(
        listed.body.contains(&format!("href=\"{path}\"")),
        "{}",
        listed.body
    );
    assert!(!listed.body.contains("<i>"));
    let shown = root.get(path).await;
    assert_eq!(shown.status, StatusCode::OK, "{}", shown.body);
    assert!(!shown.body.contains("<i>") && shown.body.contains("&#60;i&#62;a/b?c#d%2f&#34;&#38;"));
    let changed = root.post(&format!("{path}/role"), &[("role", "auditor")]).await;
    let back = changed.leads_to().to_owned();
    assert_eq!(back, format!("{path}?done=role"));
    assert!(
        root.get(&back)
            .await
            .body
            .contains("<option selected>auditor</option>")
    );
    assert!(
        root.get(&format!("{path}/disable"))
            .await
            .body
            .contains(&format!("action=\"{path}/disable\""))
    );
}

#[tokio::test]
async fn list_is_tried_before_it_is_taken_over_and_says_each_lines_fate() {
    let site = Site::open_signing().await;
    let mut root = root(&site).await;
    let list = "name,role,groups\nbob,chief,\ncarol,auditor,staff\nroot,,\n";
    let tried = root
        .post("/admin/lists", &[("list", list), ("step", "try")])
        .await;
    assert_eq!(tried.status, StatusCode::OK, "{}", tried.body);
    let fate = |place: &str, said: &str, body: &str| {
        let row = body
            .split("<tr")
            .find(|row| row.contains(place))
            .expect("the line is told");
        assert!(row.contains(said), "{row}");
    };
    fate(
        "line 2",
        "refused: role: give user, auditor, operator or administrator",
        &tried.body,
    );
    fate("line 3", "would be added", &tried.body);
    fate("line 4", "is left alone", &tried.body);
    assert!(tried.body.contains("3 lines, 1 of them refused."));
    assert!(tried.body.contains("value=\"take\""));
    assert_eq!(
        root.get("/admin/people/carol").await.status,
        StatusCode::NOT_FOUND
    );
    let taken = root
        .post("/admin/lists", &[("list", list), ("step", "take")])
        .await;
    fate("line 3", "added", &taken.body);
    assert_eq!(root.get("/admin/people/carol").await.status, StatusCode::OK);
    let unreadable = root
        .post("/admin/lists", &[("list", "nom\nbob\n"), ("step", "take")])
        .await;
    assert_eq!(unreadable.status, StatusCode::BAD_REQUEST);
    assert!(unreadable.body.contains("is not known"), "{}", unreadable.body);
}

#[tokio::test]
async fn list_has_a_mebibyte_and_two_thousand_people_and_other_forms_sixteen_kibibytes() {
    let site = Site::open_signing().await;
    let mut root = root(&site).await;
    let padded = |bytes: usize| format!("list={}&step=try", "n".repeat(bytes - "list=&step=try".len()));
    let from = [("sec-fetch-site", "same-origin")];
    let form = "application/x-www-form-urlencoded";
    let longest = root
        .post_raw(&from, "/admin/lists", form, padded(1 << 20).into())
        .await;
    assert_eq!(
        longest.status,
        StatusCode::BAD_REQUEST,
        "it is read, and is no list"
    );
    let too_long = root
        .post_raw(&from, "/admin/lists", form, padded((1 << 20) + 1).into())
        .await;
    assert_eq!(too_long.status, StatusCode::PAYLOAD_TOO_LARGE);
    let elsewhere = root
        .post_raw(&from, "/admin/people", form, padded((16 << 10) + 1).into())
        .await;
    assert_eq!(elsewhere.status, StatusCode::PAYLOAD_TOO_LARGE);
    let people: String = (0..2_001).map(|number| format!("p{number}\n")).collect();
    let refused = root
        .post(
            "/admin/lists",
            &[("list", &format!("name\n{people}")), ("step", "try")],
        )
        .await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.body.contains("at most 2000 people"));
}

#[tokio::test]
async fn list_goes_out_whole_as_csv_and_json() {
    let site = Site::open_signing().await;
    let mut root = root(&site).await;
    let people: String = (0..130).map(|number| format!("p{number:03}\n")).collect();
    root.post(
        "/admin/lists",
        &[("list", &format!("name\n{people}")), ("step", "take")],
    )
    .await;
    let csv = root.post("/admin/lists/export", &[("format", "csv")]).await;
    assert_eq!(
        csv.header(header::CONTENT_DISPOSITION),
        "attachment; filename=\"people.csv\""
    );
    assert_eq!(csv.header(header::CACHE_CONTROL), "no-store");
    assert_eq!(
        csv.body.lines().count(),
        132,
        "a heading, 130 and the administrator"
    );
    assert_eq!(csv.body.matches("name,role").count(), 1);
    let json = root.post("/admin/lists/export", &[("format", "json")]).await;
    let people: serde_json::Value = serde_json::from_str(&json.body).expect("it is JSON");
    assert_eq!(people.as_array().map(Vec::len), Some(131));
    let (mut plain, _) = acting(&site, "rita", Role::Administrator, 1, false).await;
    let owed = plain.post("/admin/lists/export", &[("format", "csv")]).await;
    assert!(
        owed.leads_to()
            .starts_with("/step-up?to=/admin/lists%3Fdone%3Dconfirmed")
    );
}

#[tokio::test]
async fn keys_are_rotated_step_by_step() {
    let site = Site::open_signing().await;
    site.person("alice", true).await;
    let mut root = root(&site).await;
    let shown = root.get("/admin/keys").await.body;
    assert!(
        shown.contains("seals anew") && !shown.contains("/forget"),
        "{shown}"
    );
    assert_eq!(
        root.post("/admin/keys/reseal", &[]).await.leads_to(),
        "/admin/keys?done=resealed"
    );
    assert_eq!(
        root.post("/admin/signing-keys/rotate", &[]).await.leads_to(),
        "/admin/keys?done=signing-key-added"
    );
    assert!(root.get("/admin/keys").await.body.contains("it is the newest"));
    let current = root.post("/admin/keys/k1/forget", &[]).await;
    assert_eq!(current.status, StatusCode::CONFLICT, "{}", current.body);
    assert_eq!(
        root.get("/admin/keys/none/forget").await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn secret_of_an_application_is_shown_once() {
    let site = Site::open_signing().await;
    let mut root = root(&site).await;
    let secret = |body: &str| {
        let (_, rest) = body.split_once("<code class=\"once\">").expect("it is shown");
        rest.split_once('<').expect("it ends").0.to_owned()
    };
    let added = root.post("/admin/applications", &[("name", "shop")]).await;
    let first = secret(&added.body);
    assert_eq!(added.header(header::CACHE_CONTROL), "no-store");
    let listed = root.get("/admin/applications").await.body;
    assert!(listed.contains("/admin/applications/shop/renew") && !listed.contains(&first));
    let twice = root.post("/admin/applications", &[("name", "shop")]).await;
    assert_eq!(twice.status, StatusCode::CONFLICT);
    assert_eq!(
        root.get("/admin/applications/shop/renew").await.status,
        StatusCode::OK
    );
    let renewed = root.post("/admin/applications/shop/renew", &[]).await;
    assert_ne!(secret(&renewed.body), first);
    let removed = root.post("/admin/applications/shop/remove", &[]).await;
    assert_eq!(removed.leads_to(), "/admin/applications?done=application-removed");
    assert_eq!(
        root.get("/admin/applications/shop/remove").await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        root.post("/admin/applications/shop/renew", &[]).await.status,
        StatusCode::NOT_FOUND
    );
}
