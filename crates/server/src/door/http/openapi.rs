//! The API's description of itself, served at `/openapi.json`.
//!
//! Knows: how a session is shown, and the answers that many handlers share. Must never know: what a handler
//! does; each declares its path, bodies and answers beside its code, and the routes are made of those
//! declarations, so that neither can be without the other. Read next: `api` in the module above.

use std::collections::BTreeMap;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use utoipa::openapi::header::Header;
use utoipa::openapi::response::{Response as Described, ResponseBuilder};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, ObjectBuilder, Ref, RefOr, Type};
use utoipa::{IntoParams, IntoResponses, Modify, OpenApi, PartialSchema, ToSchema};

use super::answer::{Plain, Problem};
use super::step_up::ElevationOwed;

/// What the document says before any route is added to it.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Countersign",
        description = "A second factor for people: a password and a one-time code that is accepted exactly once. \
            Bodies are JSON of at most 16384 bytes; unknown members are refused. Errors are RFC 9457 problems, or, \
            where clients of the older sign-in API read them, `{status, message, code}`; `code` is stable in both. \
            A path that is not here is answered 404, another method 405, a request line or header that is too long \
            414 or 431. Older names of the same routes: `/verify-2fa` and `/api/auth/verify-2fa` for \
            `/api/auth/verify`, `/api/auth/totp/setup` for `/auth/totp/setup`, `/api/auth/totp/confirm` and \
            `/auth/totp/verify-setup` for `/auth/totp/confirm`, `/auth/totp/verify`, `/api/auth/totp/verify` and \
            `/api/auth/totp/step-up` for `/auth/totp/step-up`."
    ),
    servers((url = "/")),
    components(schemas(Problem, Plain, ElevationOwed)),
    modifiers(&Session)
)]
pub(super) struct Document;

/// How a session is shown.
struct Session;

impl Modify for Session {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "The `session_token` of a sign-in; for forward-auth an API token as well",
            ))
            .build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("session", SecurityScheme::Http(scheme));
        let application = HttpBuilder::new()
            .scheme(HttpAuthScheme::Basic)
            .description(Some("Name and secret of an application (`countersign app add`)"))
            .build();
        components.add_security_scheme("application", SecurityScheme::Http(application));
    }
}

/// Serves the finished document.
pub(super) fn serve(text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}

/// The finished document as text, its schemas in order of name.
pub(super) fn text(document: &utoipa::openapi::OpenApi) -> String {
    let text = document.to_pretty_json();
    text.expect("a description holds nothing that JSON can't spell") + "\n"
}

type Answers = BTreeMap<String, RefOr<Described>>;

/// What any request may be answered.
pub(super) struct Always;

impl IntoResponses for Always {
    fn responses() -> Answers {
        answers([
            ("408", problem("The request was not finished in time")),
            ("500", problem("The server has a fault")),
            (
                "503",
                wait(problem(
                    "Nothing can be decided at the moment; nothing was changed",
                )),
            ),
        ])
    }
}

/// What a request with a body may be answered.
pub(super) struct WithBody;

impl IntoResponses for WithBody {
    fn responses() -> Answers {
        answers([
            ("400", either("The body is malformed, or can't mean anything")),
            ("413", problem("The body is too long")),
            ("415", problem("The body is not JSON")),
        ])
    }
}

/// What a request without a body may be answered where it is told apart by its source.
pub(super) struct Proxied;

impl IntoResponses for Proxied {
    fn responses() -> Answers {
        answers([(
            "400",
            problem("A trusted proxy says of the client's address what can't be read"),
        )])
    }
}

/// What a request with a form may be answered.
pub(super) struct WithForm;

impl IntoResponses for WithForm {
    fn responses() -> Answers {
        answers([
            ("400", problem("The form is malformed")),
            ("413", problem("The body is too long")),
            ("415", problem("The body is no form")),
        ])
    }
}

/// What a request by an application may be answered.
pub(super) struct ByApplication;

impl IntoResponses for ByApplication {
    fn responses() -> Answers {
        answers([("401", challenge(problem("The application is not known")))])
    }
}

/// What a request in a session may be answered.
pub(super) struct InSession;

impl IntoResponses for InSession {
    fn responses() -> Answers {
        let described = either("There is no such session, or what was shown beside it was not accepted");
        answers([("401", challenge(described))])
    }
}

/// What a request that owes a second factor may be answered.
pub(super) struct Enrolled;

impl IntoResponses for Enrolled {
    fn responses() -> Answers {
        let described = problem("A second factor must be enrolled first");
        answers([("403", described)])
    }
}

/// What a guess may be answered.
pub(super) struct Guessed;

impl IntoResponses for Guessed {
    fn responses() -> Answers {
        answers([
            ("401", challenge(either("What was shown was not accepted"))),
            ("429", wait(plain("Too many guesses"))),
        ])
    }
}

/// What somebody who acts for others may be answered.
pub(super) struct Administered;

impl IntoResponses for Administered {
    fn responses() -> Answers {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("ElevationOwed")));
        let described = problem("The role does not suffice, or the session must be stepped up");
        answers([(
            "403",
            challenge(described.content("application/json", content.build())),
        )])
    }
}

/// What something is answered that can't be done as things stand.
pub(super) struct Conflict;

impl IntoResponses for Conflict {
    fn responses() -> Answers {
        answers([("409", problem("It can't be done as things stand"))])
    }
}

/// What a request line with parameters may be answered.
pub(super) struct Parameters;

impl IntoResponses for Parameters {
    fn responses() -> Answers {
        answers([(
            "400",
            problem("A parameter is unknown, twice, or can't mean anything"),
        )])
    }
}

/// What a path with a name in it may be answered.
pub(super) struct Named;

impl IntoResponses for Named {
    fn responses() -> Answers {
        answers([("400", problem("It can't be a name"))])
    }
}

/// What is answered of something that is not there.
pub(super) struct Missing;

impl IntoResponses for Missing {
    fn responses() -> Answers {
        answers([(
            "404",
            problem("There is nothing of this identifier, or nothing is pending"),
        )])
    }
}

/// What a request for one thing more may be answered.
pub(super) struct TooMany;

impl IntoResponses for TooMany {
    fn responses() -> Answers {
        answers([("409", problem("The account has as many as it can"))])
    }
}

/// What a ticket that can't be used is answered.
pub(super) struct Unticketed;

impl IntoResponses for Unticketed {
    fn responses() -> Answers {
        answers([
            ("401", challenge(problem("The ticket is unknown, over or used"))),
            ("409", problem("There is an account of this name already")),
        ])
    }
}

/// What a proxy tells of the request that it asks about; each of the first four must be there exactly once.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code, reason = "a description, which nobody ever has")]
pub(super) struct Forwarding {
    /// The request's method.
    #[param(rename = "X-Forwarded-Method", pattern = "^[A-Z-]{1,32}$")]
    method: String,
    /// Its protocol: http, https, ws or wss.
    #[param(rename = "X-Forwarded-Proto", pattern = "^(https?|wss?)$")]
    proto: String,
    /// The host it is for.
    #[param(rename = "X-Forwarded-Host", pattern = "^[a-z0-9.-]{1,200}$")]
    host: String,
    /// Its path and query.
    #[param(rename = "X-Forwarded-Uri", pattern = "^/[!-~]{0,200}$")]
    uri: String,
    /// The addresses it came from, the farthest first.
    #[param(rename = "X-Forwarded-For", pattern = "^[0-9.]{7,15}$")]
    client: Option<String>,
}

/// What a proxy is told of a request that it asks about.
pub(super) struct Judged;

impl IntoResponses for Judged {
    fn responses() -> Answers {
        let text = || Header::new(ObjectBuilder::new().schema_type(Type::String));
        let passes = ResponseBuilder::new()
            .description("It may pass; without the headers where a rule lets everybody through")
            .header("Remote-User", text())
            .header("Remote-Groups", text())
            .header("Remote-Acr", text());
        let owed = |described: ResponseBuilder| {
            let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("ElevationOwed")));
            let described = described.content("application/json", content.build());
            challenge(described).header("X-Countersign-Location", text())
        };
        answers([
            ("204", passes),
            (
                "400",
                problem("A header is missing, twice or can't be read, or nothing reaches what is demanded"),
            ),
            ("401", owed(problem("Nobody is signed in on that host"))),
            (
                "403",
                owed(problem(
                    "Who is signed in may not, or must step up; or no trusted proxy asks",
                )),
            ),
        ])
    }
}

/// Where a browser is sent that may not pass yet.
pub(super) struct Sent;

impl IntoResponses for Sent {
    fn responses() -> Answers {
        let location = Header::new(ObjectBuilder::new().schema_type(Type::String));
        let sent = ResponseBuilder::new()
            .description("A browser goes there to sign in, or to step up")
            .header("Location", location);
        answers([("302", sent)])
    }
}

/// The answer of a sign-in: a code is due, or a session is open.
pub(super) struct LoginAnswer;

impl PartialSchema for LoginAnswer {
    fn schema() -> RefOr<utoipa::openapi::Schema> {
        let one_of = utoipa::openapi::OneOfBuilder::new()
            .item(Ref::from_schema_name("CodeDue"))
            .item(Ref::from_schema_name("Opened"));
        one_of.into()
    }
}

impl ToSchema for LoginAnswer {
    fn schemas(schemas: &mut Vec<(String, RefOr<utoipa::openapi::Schema>)>) {
        use super::sign_in::{CodeDue, Opened};
        schemas.push((CodeDue::name().into(), CodeDue::schema()));
        schemas.push((Opened::name().into(), Opened::schema()));
    }
}

fn answers<const N: usize>(described: [(&str, ResponseBuilder); N]) -> Answers {
    described
        .into_iter()
        .map(|(status, response)| (status.to_owned(), RefOr::T(response.build())))
        .collect()
}

fn problem(text: &str) -> ResponseBuilder {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem")));
    ResponseBuilder::new()
        .description(text)
        .content("application/problem+json", content.build())
}

fn plain(text: &str) -> ResponseBuilder {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Plain")));
    ResponseBuilder::new()
        .description(text)
        .content("application/json", content.build())
}

/// Either form of an error.
fn either(text: &str) -> ResponseBuilder {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Plain")));
    problem(text).content("application/json", content.build())
}

/// Says how long to wait.
fn wait(response: ResponseBuilder) -> ResponseBuilder {
    let seconds = ObjectBuilder::new().schema_type(Type::Integer);
    let mut header = Header::new(seconds);
    header.description = Some("Seconds to wait".to_owned());
    response.header("Retry-After", header)
}

/// Says which scheme is asked for.
fn challenge(response: ResponseBuilder) -> ResponseBuilder {
    let scheme = ObjectBuilder::new().schema_type(Type::String);
    response.header("WWW-Authenticate", Header::new(scheme))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn operations_have_names_of_their_own() {
        let (_, document) = super::super::api().split_for_parts();
        let document = serde_json::to_value(&document).expect("a description is JSON");
        let paths = document["paths"].as_object().into_iter().flatten();
        let operations = paths.flat_map(|(_, path)| path.as_object().into_iter().flatten());
        let mut known = std::collections::BTreeSet::new();
        for (_, operation) in operations {
            let id = operation["operationId"]
                .as_str()
                .expect("every operation has one");
            assert!(known.insert(id.to_owned()), "{id} names two operations");
        }
        assert!(known.len() > 50, "{known:?}");
    }

    #[test]
    fn document_is_the_one_that_is_kept() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
        let (_, document) = super::super::api().split_for_parts();
        let text = super::text(&document);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, &text).expect("the kept document can be written");
        }
        let kept = std::fs::read_to_string(&path).expect("the kept document can be read");
        assert!(
            kept == text,
            "the API's description changed; look at the difference after \
             `UPDATE_GOLDEN=1 cargo test -p countersign-server document_is`, and keep it if it is meant"
        );
    }
}
