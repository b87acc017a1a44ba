//! The pages of administration over the real routes: what each role sees, and how somebody is led to a step-up.

use axum::http::{StatusCode, header};
use countersign_auth::role::Role;

use crate::administration::{acting, step_up};
use crate::browser::{Site, code};

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
async fn reading_takes_two_factors() {
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
