//! The pages of the audit, of whoever is held off, and of what is mailed, over the real routes.

use axum::http::{Method, StatusCode};
use countersign_auth::event::{Act, Ending, Event};
use countersign_auth::role::Role;
use serde_json::json;

use crate::administration::acting;
use crate::browser::Site;
use crate::world::origin;

#[tokio::test]
async fn auditor_searches_the_audit_and_sees_it_over_time() {
    let site = Site::open();
    let (mut auditor, _) = acting(&site, "ada", Role::Auditor, 0, false).await;
    let page = auditor.get("/admin/audit?act=sign_in").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(
        page.body.contains("<svg ") && page.body.contains("Sign-ins: 1"),
        "{}",
        page.body
    );
    assert!(
        page.body.contains("sign in</th>") && page.body.contains("<bdi>ada</bdi>"),
        "{}",
        page.body
    );
    assert!(
        !page.body.contains("factor confirm</th>"),
        "another act is not listed"
    );
    assert!(!page.body.contains("style="), "nothing is styled where it stands");

    let wrong = auditor.get("/admin/audit?since=soon&subject=%3Cb%3E").await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    assert!(wrong.body.contains("Since: give how long ago"), "{}", wrong.body);
    assert!(
        wrong.body.contains("value=\"soon\"") && wrong.body.contains("&#60;b&#62;"),
        "{}",
        wrong.body
    );
    assert!(
        !wrong.body.contains("<svg "),
        "nothing was found that could be drawn"
    );

    let note = Event::plain(Act::BackupMake, Ending::Success, &origin("192.0.2.1"));
    site.service.note(vec![note; 150]).await.expect("the store works");
    let first = auditor.get("/admin/audit?act=backup_make").await;
    let older = first.body.split("href=\"").find(|part| part.contains("cursor="));
    let older = older
        .and_then(|part| part.split('"').next())
        .expect("there are older ones");
    assert!(
        older.starts_with("/admin/audit?since=24h&#38;act=backup_make&#38;cursor="),
        "{older}"
    );
    let count = |body: &str| body.matches("backup make</th>").count();
    let second = auditor.get(&older.replace("&#38;", "&")).await;
    assert_eq!((count(&first.body), count(&second.body)), (100, 50));

    let (mut operator, _) = acting(&site, "olga", Role::Operator, 0, false).await;
    assert_eq!(operator.get("/admin/audit").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn operator_lets_an_account_and_a_source_in_again() {
    let site = Site::open_signing().await;
    let (mut operator, _) = acting(&site, "olga", Role::Operator, 0, true).await;
    site.person("alice", true).await;
    let mut stranger = site.browser();
    for number in 0..12 {
        // Not more than five from one network.
        let network = format!("198.51.100.{}", number / 4);
        let mut origin = origin(&network);
        origin.remember = false;
        let refused = site.service.sign_in("alice", "guess", &origin).await;
        assert!(refused.is_ok(), "{refused:?}");
    }
    let guess = json!({ "username": "nobody", "password": "guess" });
    stranger.api(Method::POST, "/api/auth/login", Some(guess)).await;
    let listed = operator.get("/admin/throttles").await;
    assert_eq!(listed.status, StatusCode::OK);
    assert!(
        listed
            .body
            .contains("Password: nearly closed: 12 of 20 failures of strangers"),
        "{}",
        listed.body
    );
    let lifted = operator.post("/admin/throttles", &[("account", "alice")]).await;
    assert_eq!(lifted.leads_to(), "/admin/throttles?done=lifted");
    let listed = operator.get(lifted.leads_to()).await;
    assert!(
        !listed.body.contains("nearly closed") && listed.body.contains("Nobody"),
        "{}",
        listed.body
    );
    let lifted = operator.post("/admin/throttles", &[("source", "::")]).await;
    assert_eq!(lifted.leads_to(), "/admin/throttles?done=lifted");
    let nothing = operator.post("/admin/throttles", &[("source", "::")]).await;
    assert_eq!(nothing.status, StatusCode::NOT_FOUND);
    assert!(
        nothing.body.contains("Nothing is held against ::/64."),
        "{}",
        nothing.body
    );

    let (mut auditor, _) = acting(&site, "ada", Role::Auditor, 0, false).await;
    let listed = auditor.get("/admin/throttles").await;
    assert!(
        listed.status == StatusCode::OK && !listed.body.contains("Let in again"),
        "{}",
        listed.body
    );
    let refused = auditor.post("/admin/throttles", &[("account", "alice")]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn administrator_tries_a_text_sets_it_and_takes_it_back() {
    let site = Site::open_signing().await;
    let (mut root, _) = acting(&site, "root", Role::Administrator, 0, true).await;
    let listed = root.get("/admin/texts").await;
    assert!(
        listed.body.contains("href=\"/admin/texts/recovery-proven\""),
        "{}",
        listed.body
    );
    assert!(!listed.body.contains("set here"));
    let page = root.get("/admin/texts/notice").await;
    assert!(
        page.body.contains("Subject: About your account {name}"),
        "{}",
        page.body
    );

    let ours = "Subject: <News> for {name}\r\n\r\n{text}\r\n";
    let tried = root
        .post("/admin/texts/notice", &[("text", ours), ("act", "try")])
        .await;
    assert_eq!(tried.status, StatusCode::OK);
    assert!(
        tried.body.contains("<strong>&#60;News&#62; for alice</strong>"),
        "{}",
        tried.body
    );
    let wrong = [("text", "Subject: a\r\n\r\n{txet}"), ("act", "set")];
    let wrong = root.post("/admin/texts/notice", &wrong).await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    assert!(
        wrong.body.contains("line 3 has the unknown place {txet}"),
        "{}",
        wrong.body
    );
    assert!(
        wrong.body.contains("aria-invalid"),
        "what was typed is still there, and marked"
    );

    let set = root
        .post("/admin/texts/notice", &[("text", ours), ("act", "set")])
        .await;
    assert_eq!(set.leads_to(), "/admin/texts?done=text-set");
    assert!(root.get(set.leads_to()).await.body.contains("set here"));
    let reset = root.post("/admin/texts/notice/reset", &[]).await;
    assert_eq!(reset.leads_to(), "/admin/texts?done=text-reset");
    let again = root.post("/admin/texts/notice/reset", &[]).await;
    assert_eq!(again.status, StatusCode::NOT_FOUND);
    assert_eq!(root.get("/admin/texts/news").await.status, StatusCode::NOT_FOUND);

    let (mut operator, _) = acting(&site, "olga", Role::Operator, 0, true).await;
    for path in ["/admin/texts", "/admin/texts/notice"] {
        assert_eq!(operator.get(path).await.status, StatusCode::FORBIDDEN, "{path}");
    }
}
