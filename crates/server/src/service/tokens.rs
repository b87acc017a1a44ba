//! Elevated tokens: what guards check by themselves; made, published the keys of, and read back.
//!
//! Knows: docs/protocol/tokens.md. Must never know: who asks, or what a session is beyond its record. A signature tells
//! nothing of a session that was ended since; whoever reads a token back asks for its session too.

use std::sync::{Arc, OnceLock, RwLock};

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use countersign_auth::id::{Digest, hex, unhex};
use countersign_auth::record::{Session, Signing};
use countersign_auth::seal::{KeyRing, SealError};
use countersign_core::elevation::{Elevation, Level, Standing};
use countersign_core::time::UnixSeconds;
use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// Longest token that is looked at, in bytes.
pub const TOKEN_BYTES_MAX: usize = 8_192;

/// The claims of an elevated token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Claims {
    /// Who made it: the installation.
    pub iss: String,
    /// Whose it is.
    pub sub: String,
    /// Whom it is for.
    pub aud: String,
    /// When the session ends at the latest.
    pub exp: UnixSeconds,
    /// When it was made.
    pub iat: UnixSeconds,
    /// Its own identifier.
    pub jti: String,
    /// The session it speaks of.
    pub sid: Digest,
    /// When a factor was proven last.
    pub auth_time: UnixSeconds,
    /// The level while the elevation is on.
    pub acr: Level,
    /// The level of the session without it.
    pub session_acr: Level,
    /// Methods, as RFC 8176 names them.
    pub amr: Vec<String>,
    /// Always true.
    pub elevated: bool,
    /// When the elevation began.
    pub elevation_time: UnixSeconds,
    /// When it is over.
    pub elevated_until: UnixSeconds,
    /// What it was for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub purpose: String,
    /// The account's groups.
    pub groups: Vec<String>,
}

impl Claims {
    /// What whoever shows the token has proven.
    pub fn standing(&self) -> Standing {
        Standing {
            level: self.session_acr,
            authenticated_at: self.auth_time,
            elevation: Some(Elevation {
                level: self.acr,
                since: self.elevation_time,
                until: self.elevated_until,
            }),
        }
    }
}

/// The keys in use, and in whose name tokens are made.
#[derive(Default)]
pub struct Tokens {
    issuer: OnceLock<String>,
    held: RwLock<Arc<Signing>>,
}

impl Tokens {
    /// Makes tokens in the name of an address from now on; the first one stays.
    pub fn issue_as(&self, issuer: &str) {
        let _ = self.issuer.set(issuer.to_owned());
    }

    /// In whose name tokens are made.
    pub fn issuer(&self) -> &str {
        self.issuer.get().map_or("", String::as_str)
    }

    /// Works with these keys from now on.
    pub fn hold(&self, signing: Signing) {
        *self
            .held
            .write()
            .expect("no thread panics while it holds the keys") = Arc::new(signing);
    }

    /// The keys in use.
    pub fn held(&self) -> Arc<Signing> {
        self.held
            .read()
            .expect("no thread panics while it replaces the keys")
            .clone()
    }

    /// The token of an elevated session; none when no key may sign yet, or the session was never elevated.
    ///
    /// # Errors
    /// [`SealError`] when the key can't be opened.
    pub fn make(
        &self,
        id: Digest,
        session: &Session,
        purpose: &str,
        jti: [u8; 16],
        now: UnixSeconds,
        ring: &KeyRing,
    ) -> Result<Option<Zeroizing<String>>, SealError> {
        let held = self.held();
        let (Some(key), Some(elevation)) = (held.signing_at(now), session.standing.elevation) else {
            return Ok(None);
        };
        let claims = Claims {
            iss: self.issuer().to_owned(),
            sub: session.account.to_string(),
            aud: self.issuer().to_owned(),
            exp: session.expires_at,
            iat: now,
            jti: hex(&jti),
            sid: id,
            auth_time: session.standing.authenticated_at,
            acr: session.standing.level.max(elevation.level),
            session_acr: session.standing.level,
            amr: session.methods.clone(),
            elevated: true,
            elevation_time: elevation.since,
            elevated_until: elevation.until,
            purpose: purpose.to_owned(),
            groups: session.groups.clone(),
        };
        let seed = key.open(ring)?;
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| SealError::Altered)?;
        let payload = serde_json::to_vec(&claims).expect("claims hold nothing that JSON can't spell");
        let signed = format!("{}.{}", header(&key.id), BASE64URL_NOPAD.encode(&payload));
        let signature = BASE64URL_NOPAD.encode(pair.sign(signed.as_bytes()).as_ref());
        Ok(Some(Zeroizing::new(format!("{signed}.{signature}"))))
    }

    /// Reads back a token of this installation that has not ended; none is anything else.
    ///
    /// *Security*: only what this installation would have written is read: the header is compared as it stands, and
    /// nothing of the claims is looked at before the signature over them was verified.
    pub fn read(&self, token: &str, now: UnixSeconds) -> Option<Claims> {
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let (signed, signature) = token.rsplit_once('.')?;
        let (shown, payload) = signed.split_once('.')?;
        let held = self.held();
        let key = held.published_at(now).find(|key| header(&key.id) == shown)?;
        let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).ok()?;
        let public = unhex(&key.public)?;
        UnparsedPublicKey::new(&ED25519, public)
            .verify(signed.as_bytes(), &signature)
            .ok()?;
        let payload = BASE64URL_NOPAD.decode(payload.as_bytes()).ok()?;
        let claims: Claims = serde_json::from_slice(&payload).ok()?;
        let is_ours = claims.iss == self.issuer() && claims.aud == self.issuer() && claims.elevated;
        (is_ours && now < claims.exp && !claims.iat.is_ahead_of(now)).then_some(claims)
    }

    /// The public keys, each with its id.
    pub fn published(&self, now: UnixSeconds) -> Vec<(String, Vec<u8>)> {
        let held = self.held();
        let keys = held.published_at(now);
        keys.filter_map(|key| Some((key.id.clone(), unhex(&key.public)?)))
            .collect()
    }
}

/// The public half of a seed.
pub fn public_of(seed: &[u8; 32]) -> [u8; 32] {
    let pair =
        Ed25519KeyPair::from_seed_unchecked(seed).expect("every 32 bytes are a seed (RFC 8032 §5.1.5)");
    pair.public_key()
        .as_ref()
        .try_into()
        .expect("a public key has 32 bytes (RFC 8032 §5.1.5)")
}

/// The first segment of every token that a key signs.
fn header(key: &str) -> String {
    let text = format!(r#"{{"alg":"EdDSA","kid":"{key}","typ":"at+jwt"}}"#);
    BASE64URL_NOPAD.encode(text.as_bytes())
}
