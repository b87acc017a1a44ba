//! Elevated tokens: a compact JWS (RFC 7515) of one form, read strictly.
//!
//! Knows: rules 1 to 6 of docs/protocol/tokens.md, and which flaw breaks which. Must never know: whether the session
//! behind a token still lives. Nothing of a token is believed before its signature was verified.

use std::fmt;

use aws_lc_rs::{hmac, signature};
use countersign_core::bytes::base64;
use countersign_core::time::UnixSeconds;

use super::json;
use super::keys::VerifyingKey;
use super::person::{Claims, Person, of_token};

/// Longest token in bytes.
const TOKEN_BYTES_MAX: usize = 8192;

/// What is wrong with a token. Outside every flaw is the same 401; this is for the application's own log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Flaw {
    /// It is no token: too long, not ASCII, or not three segments of base64url.
    Shape,
    /// Its header is not the one that tokens have: another algorithm or type, a member too many, twice or missing.
    Header,
    /// It names a key that is not published.
    Key,
    /// Its signature does not verify.
    Signature,
    /// A claim is missing, named twice, or of another type.
    Claims,
    /// It is another issuer's.
    Issuer,
    /// It is for another audience.
    Audience,
    /// It ended.
    Over,
    /// It is dated further ahead than clocks may differ.
    Ahead,
    /// Its session was ended, or never was.
    Ended,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Flaw::Shape => "it is no token",
            Flaw::Header => "its header is not a token's",
            Flaw::Key => "its key is not published",
            Flaw::Signature => "its signature does not verify",
            Flaw::Claims => "a claim is missing, named twice, or of another type",
            Flaw::Issuer => "it is another issuer's",
            Flaw::Audience => "it is for another audience",
            Flaw::Over => "it ended",
            Flaw::Ahead => "it is dated ahead of the clock",
            Flaw::Ended => "its session is over",
        })
    }
}

/// How tokens are signed: one algorithm, never the one that a token chooses.
pub(crate) enum Algorithm {
    /// Ed25519, by published keys.
    EdDsa,
    /// HMAC-SHA-256 under a key that is shared with the server.
    Hs256(Box<hmac::Key>),
}

/// A token taken apart, of the right form, and not verified.
pub(crate) struct Envelope<'a> {
    /// The key that it says it was signed by.
    pub(crate) key_id: String,
    algorithm: Signed,
    signed: &'a str,
    claims: Vec<u8>,
    signature: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Signed {
    EdDsa,
    Hs256,
}

impl<'a> Envelope<'a> {
    /// Takes a token apart (rules 1 and 2).
    pub(crate) fn open(token: &'a str) -> Result<Envelope<'a>, Flaw> {
        if token.len() > TOKEN_BYTES_MAX || !token.is_ascii() {
            return Err(Flaw::Shape);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(Flaw::Shape)?;
        let (header, claims) = signed.split_once('.').ok_or(Flaw::Shape)?;
        let [header, claims, signature] = [header, claims, signature].map(decoded);
        let (header, claims, signature) = (header?, claims?, signature?);
        let (key_id, algorithm) = read_header(&header).ok_or(Flaw::Header)?;
        Ok(Envelope {
            key_id,
            algorithm,
            signed,
            claims,
            signature,
        })
    }

    /// Whether it says that it was signed as all tokens here are.
    pub(crate) fn is_signed_by(&self, algorithm: &Algorithm) -> bool {
        let expected = match algorithm {
            Algorithm::EdDsa => Signed::EdDsa,
            Algorithm::Hs256(_) => Signed::Hs256,
        };
        self.algorithm == expected
    }

    /// Verifies it under a published key and reads its claims (rules 3 and 4).
    pub(crate) fn verified(self, key: &VerifyingKey) -> Result<Claims, Flaw> {
        let key = signature::UnparsedPublicKey::new(&signature::ED25519, key);
        match key.verify(self.signed.as_bytes(), &self.signature) {
            Ok(()) => self.claims(),
            Err(_) => Err(Flaw::Signature),
        }
    }

    /// Verifies it under the shared key and reads its claims.
    pub(crate) fn authenticated(self, key: &hmac::Key) -> Result<Claims, Flaw> {
        match hmac::verify(key, self.signed.as_bytes(), &self.signature) {
            Ok(()) => self.claims(),
            Err(_) => Err(Flaw::Signature),
        }
    }

    fn claims(self) -> Result<Claims, Flaw> {
        json::object(&self.claims).and_then(of_token).ok_or(Flaw::Claims)
    }
}

impl Claims {
    /// Judges them at a moment (rules 5 and 6), and says whose they are and when they were made.
    pub(crate) fn judged(
        self,
        issuer: &str,
        audience: &str,
        now: UnixSeconds,
    ) -> Result<(Person, UnixSeconds), Flaw> {
        if self.issuer != issuer {
            return Err(Flaw::Issuer);
        }
        if self.audience != audience {
            return Err(Flaw::Audience);
        }
        if self.person.signed_in_until <= now {
            return Err(Flaw::Over);
        }
        let standing = self.person.standing();
        let elevated_at = standing.elevation.map(|elevation| elevation.since);
        let dates = [
            Some(self.issued_at),
            Some(standing.authenticated_at),
            elevated_at,
            self.not_before,
        ];
        if dates.into_iter().flatten().any(|date| date.is_ahead_of(now)) {
            return Err(Flaw::Ahead);
        }
        Ok((self.person, self.issued_at))
    }
}

/// The bytes of a segment in its one spelling.
fn decoded(segment: &str) -> Result<Vec<u8>, Flaw> {
    let mut bytes = vec![0; segment.len()];
    let length = base64::parse_url(segment, &mut bytes).map_err(|_| Flaw::Shape)?;
    bytes.truncate(length);
    if bytes.is_empty() {
        Err(Flaw::Shape)
    } else {
        Ok(bytes)
    }
}

/// The key and the algorithm that a header names, where it has the three members of a token's header and no other.
fn read_header(header: &[u8]) -> Option<(String, Signed)> {
    let members = json::object(header)?;
    let algorithm = match members.get("alg")?.as_str()? {
        "EdDSA" => Signed::EdDsa,
        "HS256" => Signed::Hs256,
        _ => return None,
    };
    if members.len() != 3 || members.get("typ")?.as_str()? != "at+jwt" {
        return None;
    }
    Some((members.get("kid")?.as_str()?.to_owned(), algorithm))
}

/// For fuzzing: nothing is believed without its signature, and nothing panics.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let Ok(token) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(envelope) = Envelope::open(token) else {
        return;
    };
    // What was taken is a token in its one spelling, and its parts are bounded by it.
    assert!(token.is_ascii() && token.len() <= TOKEN_BYTES_MAX);
    assert_eq!(token.matches('.').count(), 2);
    let read = json::object(&envelope.claims).and_then(of_token);
    if let Some(claims) = read {
        let (issuer, audience) = (claims.issuer.clone(), claims.audience.clone());
        let until = claims.person.signed_in_until;
        assert!(
            claims.judged(&issuer, &audience, until).is_err(),
            "it is over then"
        );
    }
    assert!(
        envelope.verified(&VerifyingKey::from([1; 32])).is_err(),
        "nobody signed it"
    );
}
