//! One person: what they are, what they sign in with, where they are signed in; and the forms that change it.
//!
//! Knows: how an account is shown to whoever looks after it, and by which form each thing is changed. Must never know:
//! rules. Read next: `help` for acts of one word.

use std::collections::BTreeSet;

use askama::Template;
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::Response;
use countersign_auth::command::people::Amendment;
use countersign_auth::role::{Permission, Role, RoleVerdict};
use countersign_core::elevation::Level;
use countersign_core::time::UnixSeconds;
use serde::Deserialize;

use super::{Administrator, done, person_path, unexpected};
use crate::door::http::pages::account::level;
use crate::door::http::pages::asked::Form;
use crate::door::http::pages::frame::{Frame, Moment, Problem, onward, show};
use crate::door::http::pages::sessions::device;
use crate::people::parse_claim;
use crate::service::operator::{Ask, FactorShown, Reply, SessionShown, UserShown};

#[derive(Template)]
#[template(path = "administration/person.html")]
struct PersonPage {
    frame: Frame,
    path: String,
    /// Whether it is whoever looks.
    own: bool,
    may: May,
    person: UserShown,
    created: Moment,
    last_sign_in: Option<Moment>,
    /// All groups but the one of the role.
    groups: String,
    claims: Vec<(String, String)>,
    factors: Vec<Factor>,
    backup_codes: Option<Factor>,
    sessions: Vec<Session>,
    typed: Typed,
}

/// Which forms the role of whoever looks has a use for.
struct May {
    manage: bool,
    give_roles: bool,
    unlock: bool,
    end_sessions: bool,
    invite: bool,
}

impl May {
    fn of(admin: &Administrator, over: Role) -> May {
        let may = |permission| admin.role().may_over(permission, over) == RoleVerdict::Allowed;
        May {
            manage: may(Permission::ManageAccounts),
            give_roles: may(Permission::GiveRoles),
            unlock: may(Permission::LiftThrottles),
            end_sessions: may(Permission::EndSessions),
            invite: may(Permission::IssueTickets),
        }
    }

    fn help(&self) -> bool {
        self.manage || self.unlock || self.invite
    }
}

/// A second factor.
struct Factor {
    id: String,
    label: String,
    kind: &'static str,
    added: Moment,
}

impl Factor {
    fn of(shown: &FactorShown) -> Factor {
        Factor {
            id: shown.id.clone(),
            label: shown.label.clone(),
            kind: match shown.kind.as_str() {
                "totp" => "Time-based codes",
                "hotp" => "Counter-based codes",
                "sms" => "Codes by text message",
                _ => "Codes",
            },
            added: Moment::of(UnixSeconds(shown.created_at)),
        }
    }
}

/// An open session.
struct Session {
    id: String,
    label: String,
    device: String,
    network: String,
    level: &'static str,
    began: Moment,
    seen: Moment,
    elevated_until: Option<Moment>,
    hosts: String,
}

impl Session {
    fn of(shown: &SessionShown) -> Session {
        Session {
            id: shown.id.clone(),
            label: shown.label.clone(),
            device: device(&shown.agent),
            network: shown.network.clone(),
            level: Level::parse(&shown.acr).map_or("", level),
            began: Moment::of(UnixSeconds(shown.created_at)),
            seen: Moment::of(UnixSeconds(shown.last_seen)),
            elevated_until: shown.elevated_until.map(|at| Moment::of(UnixSeconds(at))),
            hosts: shown.hosts.join(", "),
        }
    }
}

/// What was typed into the form that was refused; the others show what is so.
#[derive(Default)]
struct Typed {
    groups: Option<String>,
    claim: String,
    value: String,
    email: Option<String>,
    phone: Option<String>,
}

impl PersonPage {
    fn roles(&self) -> impl Iterator<Item = (&'static str, bool)> {
        let held = self.person.user.role;
        Role::ALL.map(|role| (role.name(), role == held)).into_iter()
    }

    fn email(&self) -> &str {
        let typed = self.typed.email.as_deref();
        typed.or(self.person.email.as_deref()).unwrap_or_default()
    }

    fn phone(&self) -> &str {
        let typed = self.typed.phone.as_deref();
        typed.or(self.person.phone.as_deref()).unwrap_or_default()
    }

    fn typed_groups(&self) -> &str {
        self.typed.groups.as_deref().unwrap_or(&self.groups)
    }

    fn state(&self) -> &'static str {
        match (self.person.user.disabled, self.person.user.password) {
            (true, _) => "Disabled: every sign-in is refused",
            (false, false) => "Has no password yet",
            (false, true) => "May sign in",
        }
    }
}

/// `GET /admin/people/{name}`.
pub(super) async fn show_one(
    admin: Administrator,
    Path(name): Path<String>,
    Query(done): Query<super::Done>,
) -> Response {
    let frame = Frame {
        done: done.text(),
        ..admin.frame("people")
    };
    page(&admin, &name, frame, Typed::default()).await
}

/// The account as it stands, or the answer that says why it is not shown.
pub(super) async fn account(admin: &Administrator, name: &str) -> Result<UserShown, Response> {
    match admin
        .ask(Ask::UserShow {
            name: name.to_owned(),
        })
        .await?
    {
        Reply::User(shown) => Ok(shown),
        _ => Err(unexpected()),
    }
}

async fn page(admin: &Administrator, name: &str, frame: Frame, typed: Typed) -> Response {
    let person = match account(admin, name).await {
        Ok(person) => person,
        Err(answer) => return answer,
    };
    let user = &person.user;
    let claims = user.claims.iter();
    let (backup, factors): (Vec<_>, Vec<_>) =
        person.factors.iter().partition(|factor| factor.kind == "backup");
    let page = PersonPage {
        frame,
        path: person_path(&user.name),
        own: user.name == admin.live.session.account.as_str(),
        may: May::of(admin, user.role),
        created: Moment::of(UnixSeconds(person.created_at)),
        last_sign_in: user.last_sign_in.map(|at| Moment::of(UnixSeconds(at))),
        groups: groups_of(&person).join(" "),
        claims: claims
            .map(|(name, value)| (name.clone(), value.to_string()))
            .collect(),
        factors: factors.into_iter().map(Factor::of).collect(),
        backup_codes: backup.first().map(|factor| Factor::of(factor)),
        sessions: person.open.iter().map(Session::of).collect(),
        person,
        typed,
    };
    show(&page, &page.frame)
}

/// All groups but those of roles.
fn groups_of(person: &UserShown) -> Vec<&str> {
    let groups = person.user.groups.iter().map(String::as_str);
    groups.filter(|group| Role::of_group(group).is_none()).collect()
}

/// Carries out what a form of the page asks for, and goes back to the page.
async fn change(
    admin: &Administrator,
    name: &str,
    ask: Ask,
    (what, field, typed): (&str, &'static str, Typed),
) -> Response {
    let path = person_path(name);
    match admin.take(ask, &path).await {
        Err(answer) => answer,
        Ok(Ok(_)) => onward(&done(&path, what)),
        Ok(Err(problem)) => refused(admin, name, Problem { field, ..problem }, typed).await,
    }
}

/// The page again, with what is wrong; where nobody has the name there is no such page.
async fn refused(admin: &Administrator, name: &str, problem: Problem, typed: Typed) -> Response {
    page(admin, name, admin.frame("people").with(Some(problem)), typed).await
}

/// A role to be given.
#[derive(Deserialize)]
pub(super) struct RoleGiven {
    role: Role,
}

/// `POST /admin/people/{name}/role`.
pub(super) async fn give_role(
    admin: Administrator,
    Path(name): Path<String>,
    Form(form): Form<RoleGiven>,
) -> Response {
    let amendments = vec![Amendment::Role(form.role)];
    let ask = Ask::UserAmend {
        name: name.clone(),
        amendments,
    };
    change(&admin, &name, ask, ("role", "role", Typed::default())).await
}

/// The groups as they are to be, and as they were when the form was shown.
#[derive(Deserialize)]
pub(super) struct Groups {
    groups: String,
    before: String,
}

/// `POST /admin/people/{name}/groups`: only what was changed in the form is changed.
pub(super) async fn set_groups(
    admin: Administrator,
    Path(name): Path<String>,
    Form(form): Form<Groups>,
) -> Response {
    let words = |text: &str| -> BTreeSet<String> { text.split_whitespace().map(str::to_owned).collect() };
    let (before, after) = (words(&form.before), words(&form.groups));
    let left = before.difference(&after).cloned().map(Amendment::Leave);
    let joined = after.difference(&before).cloned().map(Amendment::Join);
    let ask = Ask::UserAmend {
        name: name.clone(),
        amendments: left.chain(joined).collect(),
    };
    let typed = Typed {
        groups: Some(form.groups),
        ..Typed::default()
    };
    change(&admin, &name, ask, ("groups", "groups", typed)).await
}

/// A claim to be had.
#[derive(Deserialize)]
pub(super) struct Claim {
    claim: String,
    value: String,
}

/// `POST /admin/people/{name}/claims`.
pub(super) async fn set_claim(
    admin: Administrator,
    Path(name): Path<String>,
    Form(form): Form<Claim>,
) -> Response {
    let Claim { claim, value } = form;
    let given = parse_claim(&value);
    let typed = Typed {
        claim: claim.clone(),
        value,
        ..Typed::default()
    };
    let value = match given {
        Ok(value) => value,
        Err(why) => {
            let problem = Problem::of(StatusCode::BAD_REQUEST, "value", why);
            return refused(&admin, &name, problem, typed).await;
        }
    };
    let ask = Ask::UserAmend {
        name: name.clone(),
        amendments: vec![Amendment::Claim(claim.trim().to_owned(), value)],
    };
    change(&admin, &name, ask, ("claims", "claim", typed)).await
}

/// A claim to be lost.
#[derive(Deserialize)]
pub(super) struct Unclaim {
    claim: String,
}

/// `POST /admin/people/{name}/claims/remove`.
pub(super) async fn remove_claim(
    admin: Administrator,
    Path(name): Path<String>,
    Form(form): Form<Unclaim>,
) -> Response {
    let ask = Ask::UserAmend {
        name: name.clone(),
        amendments: vec![Amendment::Unclaim(form.claim)],
    };
    change(&admin, &name, ask, ("claims", "claim", Typed::default())).await
}

/// Where somebody is reached; nothing takes it away.
#[derive(Deserialize)]
pub(super) struct Email {
    email: String,
}

/// `POST /admin/people/{name}/email`.
pub(super) async fn set_email(
    admin: Administrator,
    Path(name): Path<String>,
    Form(form): Form<Email>,
) -> Response {
    let ask = Ask::UserEmail {
        name: name.clone(),
        address: some(&form.email),
    };
    let typed = Typed {
        email: Some(form.email),
        ..Typed::default()
    };
    change(&admin, &name, ask, ("email", "email", typed)).await
}

/// Where somebody is sent text messages; nothing takes it away.
#[derive(Deserialize)]
pub(super) struct Phone {
    phone: String,
}

/// `POST /admin/people/{name}/phone`.
pub(super) async fn set_phone(
    admin: Administrator,
    Path(name): Path<String>,
    Form(form): Form<Phone>,
) -> Response {
    let ask = Ask::UserPhone {
        name: name.clone(),
        number: some(&form.phone),
    };
    let typed = Typed {
        phone: Some(form.phone),
        ..Typed::default()
    };
    change(&admin, &name, ask, ("phone", "phone", typed)).await
}

/// What was typed, if anything was.
fn some(typed: &str) -> Option<String> {
    let typed = typed.trim();
    (!typed.is_empty()).then(|| typed.to_owned())
}

/// `POST /admin/people/{name}/sessions/{id}/end`.
pub(super) async fn end_session(admin: Administrator, Path((name, id)): Path<(String, String)>) -> Response {
    let ask = Ask::UserEndSession {
        name: name.clone(),
        session: id,
    };
    change(&admin, &name, ask, ("session", "", Typed::default())).await
}
