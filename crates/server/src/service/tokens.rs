//! Elevated tokens: what guards check by themselves; made, published the keys of, and read back.
//!
//! Knows: docs/protocol/tokens.md. Must never know: who asks, or what a session is beyond its record. A signature tells
//! nothing of a session that was ended since; whoever reads a token back asks for its session too.

use std::sync::{Arc, OnceLock, RwLock};

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use countersign_auth::claim;
use countersign_auth::id::{Digest, hex, unhex};
use countersign_auth::record::{Session, Signing};
use countersign_auth::seal::{KeyRing, SealError};
use countersign_core::elevation::{Elevation, Level, Standing};
use countersign_core::time::UnixSeconds;
use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// Latest time that every reader of JSON reads exactly (RFC 7493 §2.2).
const TIME_MAX: u64 = (1 << 53) - 1;
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
    /// The account's own claims, beside the others.
    #[serde(flatten)]
    pub claims: claim::Claims,
}

impl Claims {
    /// How they are spelt.
    fn emit(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("claims hold nothing that JSON can't spell")
    }

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
    /// Where there is one, it signs, and no other key does or is believed.
    shared: OnceLock<SharedKey>,
    held: RwLock<Arc<Signing>>,
}

/// A key that guards share with this installation (HMAC-SHA-256): whoever checks tokens by it can make them as well.
///
/// # Security
/// It has no Debug. A key of fewer than 32 bytes is none (RFC 7518 §3.2).
pub struct SharedKey(hmac::Key);

/// Least bytes of a shared key.
const SHARED_KEY_BYTES_MIN: usize = 32;

impl SharedKey {
    /// Takes a key of at least 32 bytes that are not all the same.
    pub fn new(bytes: &[u8]) -> Option<SharedKey> {
        let differ = bytes.windows(2).any(|pair| pair[0] != pair[1]);
        let is_key = bytes.len() >= SHARED_KEY_BYTES_MIN && differ;
        is_key.then(|| SharedKey(hmac::Key::new(hmac::HMAC_SHA256, bytes)))
    }
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

    /// Signs under a shared key from now on; the first one stays.
    pub fn share(&self, key: SharedKey) {
        let _ = self.shared.set(key);
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
        let Some(elevation) = session.standing.elevation else {
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
            claims: session.claims.clone(),
        };
        let payload = BASE64URL_NOPAD.encode(&claims.emit());
        let whole = |header: String, sign: &dyn Fn(&[u8]) -> Vec<u8>| {
            let signed = format!("{header}.{payload}");
            let signature = BASE64URL_NOPAD.encode(&sign(signed.as_bytes()));
            Some(Zeroizing::new(format!("{signed}.{signature}")))
        };
        if let Some(SharedKey(key)) = self.shared.get() {
            return Ok(whole(shared_header(), &|signed| {
                hmac::sign(key, signed).as_ref().to_vec()
            }));
        }
        let held = self.held();
        let Some(key) = held.signing_at(now) else {
            return Ok(None);
        };
        let seed = key.open(ring)?;
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| SealError::Altered)?;
        Ok(whole(header(&key.id), &|signed| {
            pair.sign(signed).as_ref().to_vec()
        }))
    }

    /// Whether a signature is ours, over what it stands behind.
    fn is_signed(&self, shown: &str, signed: &[u8], signature: &[u8], now: UnixSeconds) -> bool {
        if let Some(SharedKey(key)) = self.shared.get() {
            return shown == shared_header() && hmac::verify(key, signed, signature).is_ok();
        }
        let held = self.held();
        let key = held.published_at(now).find(|key| header(&key.id) == shown);
        let public = key.and_then(|key| unhex(&key.public));
        public.is_some_and(|public| {
            UnparsedPublicKey::new(&ED25519, public)
                .verify(signed, signature)
                .is_ok()
        })
    }

    /// Reads back a token of this installation that has not ended; none is anything else.
    ///
    /// *Security*: only what this installation would have written is read: header and claims are compared with how they
    /// would be spelt here, byte for byte, and nothing of the claims is looked at before the signature was verified.
    pub fn read(&self, token: &str, now: UnixSeconds) -> Option<Claims> {
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let (signed, signature) = token.rsplit_once('.')?;
        let (shown, payload) = signed.split_once('.')?;
        let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).ok()?;
        if !self.is_signed(shown, signed.as_bytes(), &signature, now) {
            return None;
        }
        let payload = BASE64URL_NOPAD.decode(payload.as_bytes()).ok()?;
        let claims: Claims = serde_json::from_slice(&payload).ok()?;
        let is_ours = claims.emit() == payload && claims.elevated;
        let is_here = claims.iss == self.issuer() && claims.aud == self.issuer();
        let times = [claims.iat, claims.auth_time, claims.elevation_time];
        let is_time = claims.exp.0.max(claims.elevated_until.0) <= TIME_MAX;
        let is_now = is_time && now < claims.exp && times.iter().all(|time| !time.is_ahead_of(now));
        (is_ours && is_here && is_now).then_some(claims)
    }

    /// The public keys, each with its id; none where a shared key signs.
    pub fn published(&self, now: UnixSeconds) -> Vec<(String, Vec<u8>)> {
        if self.shared.get().is_some() {
            return Vec::new();
        }
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

/// The first segment of every token under a shared key.
fn shared_header() -> String {
    BASE64URL_NOPAD.encode(br#"{"alg":"HS256","kid":"shared","typ":"at+jwt"}"#)
}

/// The first segment of every token that a key signs.
fn header(key: &str) -> String {
    let text = format!(r#"{{"alg":"EdDSA","kid":"{key}","typ":"at+jwt"}}"#);
    BASE64URL_NOPAD.encode(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use countersign_auth::claim::ClaimValue;
    use countersign_auth::record::SigningKey;
    use countersign_auth::seal::Place;
    use serde_json::Value;

    use super::*;

    const NOW: UnixSeconds = UnixSeconds(1_700_000_000);

    fn ring() -> KeyRing {
        let key = |fill| Zeroizing::new([fill; 32]);
        KeyRing::new(vec![("k1".into(), key(1))], key(2), key(3)).expect("one key")
    }

    fn vectors(name: &str) -> Value {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/tokens/");
        let text = std::fs::read_to_string(format!("{path}{name}.json")).expect("the vectors are there");
        serde_json::from_str(&text).expect("JSON")
    }

    /// A key whose secret half is drawn, or unknown where only the public one is.
    fn key(id: &str, public: &[u8], seed: &[u8]) -> SigningKey {
        let place = Place {
            table: "signing",
            row: id,
            column: "seed",
        };
        SigningKey {
            id: id.into(),
            seed: ring().seal(seed, place, &mut |buffer: &mut [u8]| buffer.fill(7)),
            public: hex(public),
            signs_from: UnixSeconds(0),
            ends_at: None,
        }
    }

    fn ours() -> Tokens {
        let tokens = Tokens::default();
        tokens.issue_as("https://id.example.org");
        let seed = [9; 32];
        let keys = vec![key("one", &public_of(&seed), &seed)];
        tokens.hold(Signing { keys });
        tokens
    }

    fn elevated() -> Session {
        let standing = Standing {
            level: Level::One,
            authenticated_at: NOW,
            elevation: Some(Elevation {
                level: Level::Two,
                since: NOW,
                until: NOW.plus(900),
            }),
        };
        Session {
            account: countersign_auth::name::Name::from_ascii("alice").expect("a name"),
            created_at: NOW,
            expires_at: NOW.plus(3600),
            last_seen: NOW,
            handle: String::new(),
            standing,
            methods: vec!["pwd".into(), "otp".into()],
            keys: Vec::new(),
            stepped_down_at: None,
            tickets: Vec::new(),
            groups: vec!["staff".into()],
            claims: [("publisher".into(), ClaimValue::Bool(true))].into(),
            recovers: false,
            label: String::new(),
            network: String::new(),
            agent: String::new(),
        }
    }

    fn made(tokens: &Tokens) -> Zeroizing<String> {
        let token = tokens.make(Digest::of("x"), &elevated(), "pay", [1; 16], NOW, &ring());
        token.expect("the seed opens").expect("a key may sign")
    }

    #[test]
    fn what_was_made_is_read_until_its_session_would_end() {
        let tokens = ours();
        let token = made(&tokens);
        let claims = tokens.read(&token, NOW).expect("it is ours");
        assert_eq!(claims.standing(), elevated().standing);
        assert_eq!((claims.sub.as_str(), claims.purpose.as_str()), ("alice", "pay"));
        assert_eq!(claims.claims, elevated().claims);
        assert!(tokens.read(&token, NOW.plus(3599)).is_some());
        assert_eq!(tokens.read(&token, NOW.plus(3600)), None);
    }

    #[test]
    fn token_of_another_installation_or_an_ended_key_is_none_of_ours() {
        let token = made(&ours());
        let elsewhere = Tokens::default();
        elsewhere.issue_as("https://other.example.org");
        elsewhere.hold((*ours().held()).clone());
        assert_eq!(elsewhere.read(&token, NOW), None, "another audience");
        let ended = ours();
        let mut signing = (*ended.held()).clone();
        signing.keys[0].ends_at = Some(NOW.plus(10));
        ended.hold(signing);
        assert!(ended.read(&token, NOW.plus(9)).is_some());
        assert_eq!(ended.read(&token, NOW.plus(10)), None);
    }

    #[test]
    fn shared_key_signs_alone_where_there_is_one_and_is_never_mixed_with_others() {
        let token = made(&ours());
        let shared = ours();
        let key = *b"a key that guards share with us!";
        shared.share(SharedKey::new(&key).expect("32 bytes"));
        assert!(shared.published(NOW).is_empty());
        assert_eq!(shared.read(&token, NOW), None, "a token of the other algorithm");
        let token = made(&shared);
        assert!(shared.read(&token, NOW).is_some());
        assert_eq!(ours().read(&token, NOW), None);
        assert!(SharedKey::new(&key[..31]).is_none());
        assert!(SharedKey::new(&[7; 64]).is_none());
    }

    #[test]
    fn every_byte_of_a_token_matters() {
        for_every_byte(&ours());
        let shared = ours();
        shared.share(SharedKey::new(b"a key that guards share with us!").expect("32 bytes"));
        for_every_byte(&shared);
    }

    fn for_every_byte(tokens: &Tokens) {
        let token = made(tokens);
        for at in 0..token.len() {
            for other in ["A", "~", "."] {
                let mut altered = token.to_string();
                altered.replace_range(at..=at, other);
                if altered != *token {
                    assert_eq!(tokens.read(&altered, NOW), None, "byte {at} is {other}");
                }
            }
        }
    }

    #[test]
    fn forged_and_stale_tokens_are_refused_whatever_is_wrong_with_them() {
        let installation = vectors("installation");
        let tokens = Tokens::default();
        tokens.issue_as(installation["issuer"].as_str().expect("a text"));
        let mut keys = Vec::new();
        for public in installation["jwks"]["keys"].as_array().expect("a list") {
            let text = |member: &str| public[member].as_str().expect("a text").to_owned();
            // Keys are drawn here; one of small order never is.
            if text("kid").ends_with("weak") {
                continue;
            }
            let bytes = BASE64URL_NOPAD.decode(text("x").as_bytes()).expect("base64url");
            keys.push(key(&text("kid"), &bytes, &[0; 32]));
        }
        tokens.hold(Signing { keys });
        let refused = vectors("refused");
        let cases = refused["cases"].as_array().expect("a list");
        assert!(cases.len() >= 200);
        for case in cases {
            let now = UnixSeconds(case["now"].as_u64().expect("a time"));
            let token = case["token"].as_str().expect("a text");
            assert_eq!(tokens.read(token, now), None, "{}", case["rule"]);
        }
    }
}
