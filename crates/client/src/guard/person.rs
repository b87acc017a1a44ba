//! Who somebody is and what they have proven, as a token or an answer about one says it.
//!
//! Knows: the claims of both (docs/protocol/tokens.md). Must never know: whether they are to be believed; whoever makes
//! a [`Person`] has checked that.

use std::fmt;

use countersign_core::elevation::{Elevation, Level, Standing};
use countersign_core::time::UnixSeconds;
use serde_json::{Map, Value};

/// The greatest integer that every JSON reader tells from its neighbours.
const INTEGER_MAX: u64 = (1 << 53) - 1;

/// Claims that are not the account's own.
const STANDARD_CLAIMS: [&str; 22] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "iat",
    "nbf",
    "jti",
    "sid",
    "auth_time",
    "acr",
    "session_acr",
    "amr",
    "elevated",
    "elevation_time",
    "elevated_until",
    "purpose",
    "groups",
    "scope",
    "client_id",
    "username",
    "active",
    "token_type",
];

/// A person who is signed in. Only a guard makes one.
#[derive(Clone, PartialEq)]
pub struct Person {
    pub(crate) name: String,
    pub(crate) session_id: String,
    pub(crate) groups: Vec<String>,
    pub(crate) methods: Vec<String>,
    pub(crate) claims: Map<String, Value>,
    pub(crate) purpose: Option<String>,
    pub(crate) standing: Standing,
    pub(crate) signed_in_until: UnixSeconds,
}

impl Person {
    /// The account's mapped name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What names the session. It opens nothing.
    pub fn session_id(&self) -> &str {
        &self.session_id
    }

    /// The account's groups.
    pub fn groups(&self) -> &[String] {
        &self.groups
    }

    /// How it was proven, in the words of RFC 8176.
    pub fn methods(&self) -> &[String] {
        &self.methods
    }

    /// One of the account's own claims.
    pub fn claim(&self, name: &str) -> Option<&Value> {
        self.claims.get(name)
    }

    /// What the elevation was for, where the token says so.
    pub fn purpose(&self) -> Option<&str> {
        self.purpose.as_deref()
    }

    /// How strongly and how lately it was proven.
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// When the session ends at the latest.
    pub fn signed_in_until(&self) -> UnixSeconds {
        self.signed_in_until
    }

    /// Says that this is the owner's alone, and hides it from everybody else.
    ///
    /// # Errors
    /// [`NotTheirs::Hidden`] unless the name is exactly the owner's.
    pub fn owns(&self, owner: &str) -> Result<(), NotTheirs> {
        self.is(owner).then_some(()).ok_or(NotTheirs::Hidden)
    }

    /// Says that this is for these people alone. A list that is empty is for nobody.
    ///
    /// # Errors
    /// [`NotTheirs::Refused`] unless one of the names is exactly theirs.
    pub fn is_among<N: AsRef<str>>(&self, participants: &[N]) -> Result<(), NotTheirs> {
        let is_there = participants.iter().any(|name| self.is(name.as_ref()));
        is_there.then_some(()).ok_or(NotTheirs::Refused)
    }

    fn is(&self, name: &str) -> bool {
        !name.is_empty() && self.name == name
    }

    /// The same person, by what an answer of this moment says of the session that the token speaks of. Of two
    /// elevations the one that ends earlier counts: the token's is what was shown, the answer's is what is true.
    pub(crate) fn confirmed_by(self, now: Person) -> Person {
        let ends = |person: &Person| person.standing.elevation.map(|elevation| elevation.until);
        let elevation = match ends(&now) <= ends(&self) {
            true => now.standing.elevation,
            false => self.standing.elevation,
        };
        let authenticated_at = self.standing.authenticated_at.min(now.standing.authenticated_at);
        Person {
            purpose: self.purpose,
            signed_in_until: self.signed_in_until.min(now.signed_in_until),
            standing: Standing {
                elevation,
                authenticated_at,
                ..now.standing
            },
            ..now
        }
    }
}

/// Its claims are the account's own affair, and stay out of logs.
impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Person")
            .field("name", &self.name)
            .field("standing", &self.standing)
            .finish_non_exhaustive()
    }
}

/// Why something of somebody else's is not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTheirs {
    /// 404: whoever does not own it is not told that it exists.
    Hidden,
    /// 403: it is known to exist, and not for them.
    Refused,
}

impl fmt::Display for NotTheirs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NotTheirs::Hidden => "not found",
            NotTheirs::Refused => "forbidden",
        })
    }
}

impl std::error::Error for NotTheirs {}

/// A token's claims, read and not yet judged.
pub(crate) struct Claims {
    pub(crate) issuer: String,
    pub(crate) audience: String,
    pub(crate) issued_at: UnixSeconds,
    pub(crate) not_before: Option<UnixSeconds>,
    pub(crate) person: Person,
}

/// Reads the claims of an elevated token; nothing where one is missing or of another type.
pub(crate) fn of_token(claims: Map<String, Value>) -> Option<Claims> {
    if claims.get("elevated") != Some(&Value::Bool(true)) {
        return None;
    }
    text(&claims, "jti")?;
    let elevation = Elevation {
        level: level(&claims, "acr")?,
        since: seconds(&claims, "elevation_time")?,
        until: seconds(&claims, "elevated_until")?,
    };
    let not_before = match claims.contains_key("nbf") {
        true => Some(seconds(&claims, "nbf")?),
        false => None,
    };
    let own = |(name, _): &(&String, &Value)| !STANDARD_CLAIMS.contains(&name.as_str());
    let own_claims = claims.iter().filter(own);
    Some(Claims {
        issuer: text(&claims, "iss")?,
        audience: text(&claims, "aud")?,
        issued_at: seconds(&claims, "iat")?,
        not_before,
        person: Person {
            claims: own_claims
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
            ..person(&claims, Some(elevation))?
        },
    })
}

/// What introspection answers.
pub(crate) enum Introspected {
    /// The token is worth nothing now.
    Inactive,
    /// It is one of this issuer's, of this person.
    Active(String, Box<Person>),
}

/// Reads an answer about a token; nothing where it is none of Countersign's.
pub(crate) fn of_answer(answer: &Map<String, Value>, now: UnixSeconds) -> Option<Introspected> {
    match answer.get("active")? {
        Value::Bool(false) => return Some(Introspected::Inactive),
        Value::Bool(true) => {}
        _ => return None,
    }
    let is_elevated = answer.get("elevated")?.as_bool()?;
    let elevation = match (is_elevated, answer.contains_key("elevated_until")) {
        (false, false) => None,
        _ => {
            let until = seconds(answer, "elevated_until")?;
            Some(Elevation {
                // Of one that is over, the answer no longer says the level; only one can be reached.
                level: if is_elevated {
                    level(answer, "acr")?
                } else {
                    Level::REACHABLE
                },
                since: seconds(answer, "elevation_time")?,
                until: if is_elevated { until } else { until.min(now) },
            })
        }
    };
    let claims = match answer.get("claims") {
        None => Map::new(),
        Some(claims) => claims.as_object()?.clone(),
    };
    let person = Person {
        claims,
        ..person(answer, elevation)?
    };
    Some(Introspected::Active(text(answer, "iss")?, person.into()))
}

/// What tokens and answers have in common.
fn person(claims: &Map<String, Value>, elevation: Option<Elevation>) -> Option<Person> {
    let session_id = text(claims, "sid")?;
    if !is_lower_hexadecimal(&session_id, 64) {
        return None;
    }
    let purpose = match claims.contains_key("purpose") {
        true => Some(text(claims, "purpose")?),
        false => None,
    };
    Some(Person {
        name: text(claims, "sub")?,
        session_id,
        groups: texts(claims, "groups")?,
        methods: texts(claims, "amr")?,
        claims: Map::new(),
        purpose,
        standing: Standing {
            level: level(claims, "session_acr")?,
            authenticated_at: seconds(claims, "auth_time")?,
            elevation,
        },
        signed_in_until: seconds(claims, "exp")?,
    })
}

/// Whether a text is so many hexadecimal digits in lower case.
pub(crate) fn is_lower_hexadecimal(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn text(claims: &Map<String, Value>, name: &str) -> Option<String> {
    Some(claims.get(name)?.as_str()?.to_owned())
}

/// A list of texts, empty where it is left out.
fn texts(claims: &Map<String, Value>, name: &str) -> Option<Vec<String>> {
    let Some(list) = claims.get(name) else {
        return Some(Vec::new());
    };
    let texts = list.as_array()?.iter();
    texts.map(|text| text.as_str().map(str::to_owned)).collect()
}

fn seconds(claims: &Map<String, Value>, name: &str) -> Option<UnixSeconds> {
    let seconds = claims.get(name)?.as_u64()?;
    (seconds <= INTEGER_MAX).then_some(UnixSeconds(seconds))
}

fn level(claims: &Map<String, Value>, name: &str) -> Option<Level> {
    Level::parse(claims.get(name)?.as_str()?)
}
