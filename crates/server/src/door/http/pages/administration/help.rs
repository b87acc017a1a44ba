//! Helping somebody by an act of one word, or by removing one authenticator.
//!
//! Knows: what each act does, in words, and which of them hand out a link. Must never know: rules.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;

use super::confirm::{self, Question, Way};
use super::person::account;
use super::shown_once::{self, Secret};
use super::{Administrator, done, person_path};
use crate::door::http::administration::people::ask_of;
use crate::door::http::pages::destination::segment;
use crate::door::http::pages::frame::{Problem, onward};
use crate::service::operator::{Ask, Reply, UserShown};

/// What an act does, in words.
fn question(act: &str) -> Option<Question> {
    let (title, text, button) = match act {
        "unlock" => (
            "Forget the failures counted against",
            "Attempts to sign in are taken again at once. It helps an owner who was locked out by mistakes or \
             by strangers.",
            "Forget them",
        ),
        "invite" => (
            "Make a link for",
            "Whoever has the link sets a new password; authenticators stay what they are. Links made before are void.",
            "Make the link",
        ),
        "vouch" => (
            "Vouch for",
            "You have recognised the person, face to face or by voice. You get a link that is one of the two \
             proofs of a recovery, beside a backup code or a mailed one; it opens nothing alone. The owner is told.",
            "I vouch",
        ),
        "end-sessions" => (
            "End all sessions of",
            "Every device is signed out at once, here and at protected applications, and every browser is forgotten.",
            "End them",
        ),
        "remove-factors" => (
            "Remove all authenticators of",
            "All authenticators and backup codes are void, and every session ends. The password stays; a new \
             authenticator is connected at the next sign-in. The owner is told.",
            "Remove them",
        ),
        "reset" => (
            "Reset",
            "Password, authenticators and backup codes are void, every session ends, and failures are \
             forgotten. You get a link by which the owner begins anew. The owner is told.",
            "Reset the account",
        ),
        "disable" => (
            "Disable",
            "Every session ends, and every sign-in is refused until the account is enabled again. Nothing \
             else is lost.",
            "Disable the account",
        ),
        "enable" => (
            "Enable",
            "The account may sign in again, with what it had before.",
            "Enable the account",
        ),
        _ => return None,
    };
    Some(Question { title, text, button })
}

/// What is said besides where somebody is about to take something from themselves.
fn warning(admin: &Administrator, person: &UserShown) -> Option<&'static str> {
    let own = person.user.name == admin.live.session.account.as_str();
    own.then_some("This is your own account: you may not be able to come back in by yourself.")
}

fn no_such_act(admin: &Administrator) -> Response {
    admin.message(
        "Gone",
        Problem::of(StatusCode::NOT_FOUND, "", "There is no such page."),
    )
}

/// `GET /admin/people/{name}/{act}`.
pub(super) async fn ask(admin: Administrator, Path((name, act)): Path<(String, String)>) -> Response {
    match question(&act) {
        Some(question) => asked(&admin, (&name, &act), question, None).await,
        None => no_such_act(&admin),
    }
}

async fn asked(
    admin: &Administrator,
    (name, act): (&str, &str),
    question: Question,
    problem: Option<Problem>,
) -> Response {
    let person = match account(admin, name).await {
        Ok(person) => person,
        Err(answer) => return answer,
    };
    let back = person_path(&person.user.name);
    let action = format!("{back}/{act}");
    let way = Way {
        place: "people",
        action: &action,
        back: &back,
        person: Some(&person.user.name),
    };
    let about = (&*person.user.name, warning(admin, &person));
    confirm::page(admin, &way, question, about, problem)
}

/// `POST /admin/people/{name}/{act}`.
pub(super) async fn act(admin: Administrator, Path((name, act)): Path<(String, String)>) -> Response {
    let (Some(question), Some(ask)) = (question(&act), ask_of(&act, name.clone())) else {
        return no_such_act(&admin);
    };
    let path = person_path(&name);
    match admin.take(ask, &format!("{path}/{act}")).await {
        Err(answer) => answer,
        Ok(Ok(Reply::Ticket(ticket))) => {
            let (title, secret) = match act.as_str() {
                "reset" => ("Reset", Secret::link(ticket)),
                "vouch" => ("Your word", Secret::word(ticket)),
                _ => ("A link", Secret::link(ticket)),
            };
            shown_once::page(&admin, ("people", &path), title, &name, &secret)
        }
        Ok(Ok(_)) => onward(&done(&path, &act)),
        Ok(Err(problem)) => asked(&admin, (&name, &act), question, Some(problem)).await,
    }
}

/// What removing one authenticator does, in words.
const REMOVE: Question = Question {
    title: "Remove the authenticator",
    text: "It is void at once and every session of its owner ends. With the last one the backup codes go as \
           well, and a new one is connected at the next sign-in. The owner is told.",
    button: "Remove it",
};

/// `GET /admin/people/{name}/factors/{id}/remove`.
pub(super) async fn ask_remove(admin: Administrator, Path((name, id)): Path<(String, String)>) -> Response {
    removal(&admin, &name, &id, None).await
}

async fn removal(admin: &Administrator, name: &str, id: &str, problem: Option<Problem>) -> Response {
    let person = match account(admin, name).await {
        Ok(person) => person,
        Err(answer) => return answer,
    };
    let Some(factor) = person.factors.iter().find(|factor| factor.id == id) else {
        let text = "There is no such authenticator. It may have been removed already.";
        return admin.message("Gone", Problem::of(StatusCode::NOT_FOUND, "", text));
    };
    let back = person_path(&person.user.name);
    let action = format!("{back}/factors/{}/remove", segment(id));
    let way = Way {
        place: "people",
        action: &action,
        back: &back,
        person: Some(&person.user.name),
    };
    let about = (&*factor.label, warning(admin, &person));
    confirm::page(admin, &way, REMOVE, about, problem)
}

/// `POST /admin/people/{name}/factors/{id}/remove`.
pub(super) async fn remove(admin: Administrator, Path((name, id)): Path<(String, String)>) -> Response {
    let path = person_path(&name);
    let ask = Ask::UserRemoveFactor {
        name: name.clone(),
        factor: id.clone(),
    };
    let page = format!("{path}/factors/{}/remove", segment(&id));
    match admin.take(ask, &page).await {
        Err(answer) => answer,
        Ok(Ok(_)) => onward(&done(&path, "factor")),
        Ok(Err(problem)) => removal(&admin, &name, &id, Some(problem)).await,
    }
}
