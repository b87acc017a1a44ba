//! What is encrypted in a container: AES in CBC mode under a pre-shared key or one derived from a passphrase, and the
//! MAC that is checked before anything is opened (RFC 6030 §6.1, §6.2).
//!
//! Knows: which algorithms are allowed, by their names. Must never know: what an opened value means.

use std::num::NonZeroU32;

use aws_lc_rs::cipher::{AES_128, AES_256, DecryptingKey, DecryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::{hmac, pbkdf2};
use countersign_auth::id::unhex;
use countersign_core::bytes::base64;
use roxmltree::Node;
use zeroize::Zeroizing;

use super::{PskcError, bytes, child, content, descend, shown};

/// Bytes that are wiped on drop.
pub(super) type Bytes = Zeroizing<Vec<u8>>;

/// Most iterations of PBKDF2 that are computed.
const ITERATIONS_MAX: u32 = 10_000_000;
const BLOCK: usize = 16;

/// What opens a container.
///
/// # Security
/// It has no Debug.
#[derive(Clone)]
pub enum Key {
    /// Nothing: only plain values are read.
    None,
    /// A pre-shared key of 16 or 32 bytes.
    Shared(Zeroizing<Vec<u8>>),
    /// A passphrase.
    Passphrase(Zeroizing<String>),
}

impl Key {
    /// Reads a pre-shared key of 16 or 32 bytes, in hexadecimal or Base64; none when it is neither.
    pub fn parse(text: &str) -> Option<Key> {
        let is_key = |bytes: &Vec<u8>| matches!(bytes.len(), 16 | 32);
        let digits = Zeroizing::new(text.trim().to_ascii_lowercase());
        if let Some(bytes) = unhex(&digits).filter(is_key) {
            return Some(Key::Shared(Zeroizing::new(bytes)));
        }
        let mut bytes = Zeroizing::new(vec![0; 32]);
        let len = base64::parse(text.trim(), &mut bytes).ok()?;
        bytes.truncate(len);
        is_key(&bytes).then_some(Key::Shared(bytes))
    }
}

/// What the container says of its encryption, opened as far as its MAC needs.
pub(super) struct Locks {
    /// The key that values are encrypted under; none when there is no encryption.
    key: Option<Bytes>,
    mac: Option<hmac::Key>,
}

impl Locks {
    pub(super) fn of(container: Node<'_, '_>, key: &Key) -> Result<Locks, PskcError> {
        let Some(described) = child(container, "EncryptionKey")? else {
            return Ok(Locks { key: None, mac: None });
        };
        let key = encryption_key(described, key)?;
        let mac = match child(container, "MACMethod")? {
            None => None,
            Some(method) => {
                let name = method
                    .attribute("Algorithm")
                    .ok_or(PskcError::Missing("MACMethod"))?;
                let algorithm = match name.rsplit('#').next() {
                    Some("hmac-sha1") => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
                    Some("hmac-sha256") => hmac::HMAC_SHA256,
                    Some("hmac-sha384") => hmac::HMAC_SHA384,
                    Some("hmac-sha512") => hmac::HMAC_SHA512,
                    _ => return Err(PskcError::Unsupported("the MAC", shown(name))),
                };
                // Without a key of its own the MAC is made with that of the encryption.
                let mac_key = match child(method, "MACKey")? {
                    Some(encrypted) => {
                        let (cipher, text) = cipher_text(encrypted)?;
                        open(cipher, &text, &key)?
                    }
                    None => key.clone(),
                };
                Some(hmac::Key::new(algorithm, &mac_key))
            }
        };
        Ok(Locks { key: Some(key), mac })
    }

    /// Opens a value once its MAC was found right.
    pub(super) fn open(
        &self,
        encrypted: Node<'_, '_>,
        value_mac: Option<Node<'_, '_>>,
    ) -> Result<Bytes, PskcError> {
        let key = self.key.as_ref().ok_or(PskcError::Missing("EncryptionKey"))?;
        let mac = self.mac.as_ref().ok_or(PskcError::Missing("MACMethod"))?;
        let tag = value_mac.ok_or(PskcError::Missing("ValueMAC"))?;
        let tag = bytes(content(tag), "ValueMAC")?;
        let (cipher, text) = cipher_text(encrypted)?;
        hmac::verify(mac, &text, &tag).map_err(|_| PskcError::WrongKey)?;
        open(cipher, &text, key)
    }
}

/// The key that the container names or describes.
fn encryption_key(described: Node<'_, '_>, key: &Key) -> Result<Bytes, PskcError> {
    if let Some(derived) = child(described, "DerivedKey")? {
        let Key::Passphrase(passphrase) = key else {
            return Err(PskcError::PassphraseNeeded);
        };
        return derive(derived, passphrase);
    }
    if child(described, "X509Data")?.is_some() {
        return Err(PskcError::Unsupported(
            "the encryption key",
            "X509Data".to_owned(),
        ));
    }
    match key {
        Key::Shared(key) => Ok(key.clone()),
        Key::None | Key::Passphrase(_) => Err(PskcError::KeyNeeded),
    }
}

fn derive(derived: Node<'_, '_>, passphrase: &str) -> Result<Bytes, PskcError> {
    let method = child(derived, "KeyDerivationMethod")?.ok_or(PskcError::Missing("KeyDerivationMethod"))?;
    let name = method.attribute("Algorithm").unwrap_or("");
    if !name.ends_with("#pbkdf2") {
        return Err(PskcError::Unsupported("the key derivation", shown(name)));
    }
    let parameters = child(method, "PBKDF2-params")?.ok_or(PskcError::Missing("PBKDF2-params"))?;
    let salt = descend(parameters, &["Salt", "Specified"])?.ok_or(PskcError::Missing("Salt"))?;
    let salt = bytes(content(salt), "Salt")?;
    let number = |name: &'static str| -> Result<u32, PskcError> {
        let node = child(parameters, name)?.ok_or(PskcError::Missing(name))?;
        content(node).parse().map_err(|_| PskcError::Invalid(name))
    };
    let iterations = NonZeroU32::new(number("IterationCount")?)
        .filter(|count| count.get() <= ITERATIONS_MAX)
        .ok_or(PskcError::Invalid("IterationCount"))?;
    let len = match number("KeyLength")? {
        16 => 16,
        32 => 32,
        _ => return Err(PskcError::Invalid("KeyLength")),
    };
    // HMAC-SHA-1 is the default of PKCS #5.
    let prf = child(parameters, "PRF")?.and_then(|prf| prf.attribute("Algorithm"));
    let algorithm = match prf.map(|name| name.rsplit('#').next().unwrap_or("")) {
        None | Some("hmac-sha1" | "id-hmacWithSHA1") => pbkdf2::PBKDF2_HMAC_SHA1,
        Some("hmac-sha256" | "id-hmacWithSHA256") => pbkdf2::PBKDF2_HMAC_SHA256,
        Some("hmac-sha512" | "id-hmacWithSHA512") => pbkdf2::PBKDF2_HMAC_SHA512,
        Some(other) => return Err(PskcError::Unsupported("the PRF", shown(other))),
    };
    let mut key = Zeroizing::new(vec![0; len]);
    pbkdf2::derive(algorithm, iterations, &salt, passphrase.as_bytes(), &mut key);
    Ok(key)
}

/// Length of the key, and initialisation vector with what follows.
fn cipher_text(encrypted: Node<'_, '_>) -> Result<(usize, Bytes), PskcError> {
    let method = child(encrypted, "EncryptionMethod")?.ok_or(PskcError::Missing("EncryptionMethod"))?;
    let name = method.attribute("Algorithm").unwrap_or("");
    let key_len = match name.rsplit('#').next() {
        Some("aes128-cbc") => 16,
        Some("aes256-cbc") => 32,
        _ => return Err(PskcError::Unsupported("the encryption", shown(name))),
    };
    let value =
        descend(encrypted, &["CipherData", "CipherValue"])?.ok_or(PskcError::Missing("CipherValue"))?;
    let text = bytes(content(value), "CipherValue")?;
    if text.len() < 2 * BLOCK || text.len() % BLOCK != 0 {
        return Err(PskcError::Invalid("CipherValue"));
    }
    Ok((key_len, text))
}

fn open(key_len: usize, text: &[u8], key: &Bytes) -> Result<Bytes, PskcError> {
    let algorithm = match key_len {
        16 => &AES_128,
        _ => &AES_256,
    };
    let (iv, body) = text
        .split_first_chunk::<BLOCK>()
        .ok_or(PskcError::Invalid("CipherValue"))?;
    let mut body = Zeroizing::new(body.to_vec());
    let unbound = UnboundCipherKey::new(algorithm, key).map_err(|_| PskcError::WrongKey)?;
    let decrypting = DecryptingKey::cbc(unbound).map_err(|_| PskcError::WrongKey)?;
    let context = DecryptionContext::Iv128(FixedLength::from(*iv));
    let opened = decrypting
        .decrypt(&mut body, context)
        .map_err(|_| PskcError::WrongKey)?;
    // The last byte says how many were added to fill the block; what the others are is not laid down.
    let padding = opened.last().map_or(0, |byte| usize::from(*byte));
    let len = opened
        .len()
        .checked_sub(padding)
        .filter(|_| (1..=BLOCK).contains(&padding));
    let len = len.ok_or(PskcError::WrongKey)?;
    body.truncate(len);
    Ok(body)
}
