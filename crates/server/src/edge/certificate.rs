//! TLS on the first start: an authority of our own that lives ten years, and a leaf that renews itself.
//!
//! Knows: certificates and their files. Must never know: requests. Devices and proxies pin the authority, so
//! that no renewal of the leaf ever locks them out.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use countersign_auth::id::hex;
use countersign_auth::rule::Entropy;
use countersign_core::time::UnixSeconds;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SerialNumber,
};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use time::{Duration, OffsetDateTime};

use super::folder::{read_optional, write_private};

/// Days the authority lives.
const AUTHORITY_DAYS: i64 = 3650;
/// Days a leaf lives; it is renewed when two thirds of them have passed.
const LEAF_DAYS: i64 = 90;

/// Our own authority and the leaf it signed, in a folder.
#[derive(Clone, Debug)]
pub struct Authority {
    folder: PathBuf,
}

/// The leaf that is being served; swapped without a restart.
#[derive(Debug)]
pub struct Served {
    current: RwLock<Arc<CertifiedKey>>,
}

impl ResolvesServerCert for Served {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(
            self.current
                .read()
                .expect("no thread panics while it swaps the certificate")
                .clone(),
        )
    }
}

impl Served {
    /// Serves this certificate from the next handshake on.
    pub fn swap(&self, key: CertifiedKey) {
        *self
            .current
            .write()
            .expect("no thread panics while it swaps the certificate") = Arc::new(key);
    }
}

/// A TLS configuration around a certificate that can be swapped.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] when the provider refuses the protocol versions.
pub fn server_config(key: CertifiedKey) -> io::Result<(ServerConfig, Arc<Served>)> {
    let served = Arc::new(Served {
        current: RwLock::new(Arc::new(key)),
    });
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(invalid)?
        .with_no_client_auth()
        .with_cert_resolver(served.clone());
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((config, served))
}

/// Reads a certificate chain and its key from PEM files.
///
/// # Errors
/// That of the operating system, or [`io::ErrorKind::InvalidData`] naming the file.
pub fn load(chain: &Path, key: &Path) -> io::Result<CertifiedKey> {
    let named = |path: &Path, error: &dyn std::fmt::Display| {
        io::Error::new(io::ErrorKind::InvalidData, format!("{}: {error}", path.display()))
    };
    let certificates: Vec<_> = CertificateDer::pem_file_iter(chain)
        .and_then(Iterator::collect)
        .map_err(|error| named(chain, &error))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| named(key, &error))?;
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    CertifiedKey::from_der(certificates, private, &provider).map_err(|error| named(key, &error))
}

impl Authority {
    /// Opens the folder and makes authority and leaf when they are missing or the leaf is due.
    ///
    /// # Errors
    /// That of the operating system, or of a damaged file.
    pub fn open(
        folder: &Path,
        names: &[String],
        now: UnixSeconds,
        entropy: &mut dyn Entropy,
    ) -> io::Result<Authority> {
        let authority = Authority {
            folder: folder.to_owned(),
        };
        if read_optional(&authority.path("ca.pem"))?.is_none() {
            authority.make_authority(now, entropy)?;
        }
        authority.renew_if_due(names, now, entropy)?;
        Ok(authority)
    }

    /// Renews the leaf when two thirds of its life are over, when its names changed, or when there is none;
    /// says whether it did.
    ///
    /// # Errors
    /// As for [`Authority::open`].
    pub fn renew_if_due(
        &self,
        names: &[String],
        now: UnixSeconds,
        entropy: &mut dyn Entropy,
    ) -> io::Result<bool> {
        let wanted = format!("{}\n", names.join("\n"));
        let made = read_optional(&self.path("leaf.names"))?.unwrap_or_default();
        let due_after = u64::try_from(LEAF_DAYS * 2 / 3).unwrap_or(0) * 86_400;
        let since: u64 = read_optional(&self.path("leaf.since"))?
            .and_then(|bytes| String::from_utf8(bytes).ok()?.trim().parse().ok())
            .unwrap_or(0);
        let fresh = now.since(UnixSeconds(since)) < due_after && since <= now.0.saturating_add(86_400);
        if fresh && made == wanted.as_bytes() && self.path("leaf.pem").exists() {
            return Ok(false);
        }
        self.make_leaf(names, now, entropy)?;
        write_private(&self.path("leaf.names"), wanted.as_bytes())?;
        write_private(&self.path("leaf.since"), now.to_string().as_bytes())?;
        Ok(true)
    }

    /// The leaf and its key, ready to serve.
    ///
    /// # Errors
    /// As for [`load`].
    pub fn leaf(&self) -> io::Result<CertifiedKey> {
        load(&self.path("leaf.pem"), &self.path("leaf.key"))
    }

    /// The authority's certificate, for whoever is to trust it.
    ///
    /// # Errors
    /// That of the operating system.
    pub fn certificate(&self) -> io::Result<String> {
        fs::read_to_string(self.path("ca.pem"))
    }

    /// SHA-256 over the authority's certificate in DER, in hexadecimal.
    ///
    /// # Errors
    /// That of the operating system, or of a damaged file.
    pub fn fingerprint(&self) -> io::Result<String> {
        fingerprint(&self.path("ca.pem"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn make_authority(&self, now: UnixSeconds, entropy: &mut dyn Entropy) -> io::Result<()> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(invalid)?;
        let mut params = authority_params();
        span(&mut params, now, AUTHORITY_DAYS)?;
        params.serial_number = Some(serial(entropy));
        let certificate = params.self_signed(&key).map_err(invalid)?;
        write_private(&self.path("ca.key"), key.serialize_pem().as_bytes())?;
        write_private(&self.path("ca.pem"), certificate.pem().as_bytes())
    }

    fn make_leaf(&self, names: &[String], now: UnixSeconds, entropy: &mut dyn Entropy) -> io::Result<()> {
        let authority_key = KeyPair::from_pem(&fs::read_to_string(self.path("ca.key"))?).map_err(invalid)?;
        let issuer = CertifiedIssuer::self_signed(authority_params(), authority_key).map_err(invalid)?;
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(invalid)?;
        let mut params = CertificateParams::new(names.to_vec()).map_err(invalid)?;
        params.distinguished_name.push(DnType::CommonName, "Countersign");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        params.serial_number = Some(serial(entropy));
        span(&mut params, now, LEAF_DAYS)?;
        let leaf = params.signed_by(&key, &issuer).map_err(invalid)?;
        let chain = format!("{}{}", leaf.pem(), self.certificate()?);
        write_private(&self.path("leaf.key"), key.serialize_pem().as_bytes())?;
        write_private(&self.path("leaf.pem"), chain.as_bytes())
    }
}

/// SHA-256 over the last certificate of a PEM text, in hexadecimal: of a chain, the one nearest to the root, which
/// is also the one that a client sees last and can pin.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`].
pub fn fingerprint_of(pem: &str) -> io::Result<String> {
    let certificates = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>();
    let certificates = certificates.map_err(invalid)?;
    let certificate = certificates
        .last()
        .ok_or_else(|| invalid("it holds no certificate"))?;
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, certificate);
    Ok(hex(digest.as_ref()))
}

/// The same of a PEM file.
///
/// # Errors
/// That of the operating system, or [`io::ErrorKind::InvalidData`].
pub fn fingerprint(pem: &Path) -> io::Result<String> {
    fingerprint_of(&fs::read_to_string(pem)?)
}

fn authority_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "Countersign local authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// Valid from a day ago, so that a client whose clock is behind can connect, for so many days.
fn span(params: &mut CertificateParams, now: UnixSeconds, days: i64) -> io::Result<()> {
    let now = OffsetDateTime::from_unix_timestamp(now.0.cast_signed()).map_err(invalid)?;
    params.not_before = now - Duration::DAY;
    params.not_after = now + Duration::days(days);
    Ok(())
}

fn serial(entropy: &mut dyn Entropy) -> SerialNumber {
    let mut bytes = [0u8; 16];
    entropy.fill(&mut bytes);
    bytes[0] &= 0x7f;
    SerialNumber::from_slice(&bytes)
}

fn invalid(error: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.to_string())
}

#[cfg(test)]
mod tests {
    use x509_parser::prelude::{X509Certificate, parse_x509_certificate};

    use super::*;

    const NOW: u64 = 1_800_000_000;
    const DAY_S: u64 = 86_400;

    /// A folder of certificates, removed at the end.
    struct Shelf(PathBuf);

    impl Shelf {
        fn new(name: &str) -> Shelf {
            let path = std::env::temp_dir().join(format!("countersign-tls-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            Shelf(path)
        }

        fn open(&self, names: &[&str], now_s: u64) -> Authority {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let mut next = 0u8;
            let mut entropy = |buffer: &mut [u8]| {
                buffer.iter_mut().for_each(|byte| {
                    next = next.wrapping_add(1);
                    *byte = next;
                });
            };
            let opened = Authority::open(&self.0, &names, UnixSeconds(now_s), &mut entropy);
            opened.expect("the folder can be written")
        }

        fn read(&self, name: &str) -> String {
            fs::read_to_string(self.0.join(name)).expect("the file is there")
        }
    }

    impl Drop for Shelf {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    /// The first certificate of a PEM text, looked at.
    fn look<T>(pem: &str, look: impl FnOnce(&X509Certificate<'_>) -> T) -> T {
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate");
        look(&parse_x509_certificate(&der).expect("DER").1)
    }

    fn days(certificate: &X509Certificate<'_>) -> [i64; 2] {
        let validity = certificate.validity();
        let day = |at: i64| (at - NOW.cast_signed()) / 86_400;
        [
            day(validity.not_before.timestamp()),
            day(validity.not_after.timestamp()),
        ]
    }

    #[test]
    fn authority_is_p256_of_ten_years_and_its_leaf_of_ninety_days_names_every_name() {
        let shelf = Shelf::new("made");
        shelf.open(&["localhost", "box.local", "127.0.0.1", "::1"], NOW);
        look(&shelf.read("ca.pem"), |authority| {
            assert_eq!(days(authority), [-1, 3650]);
            assert!(authority.is_ca());
            let key = authority.public_key();
            assert_eq!(key.parsed().map(|key| key.key_size()), Ok(256));
            let curve = key
                .algorithm
                .parameters
                .as_ref()
                .and_then(|oid| oid.as_oid().ok());
            assert_eq!(
                curve.map(|oid| oid.to_id_string()).as_deref(),
                Some("1.2.840.10045.3.1.7")
            );
        });
        look(&shelf.read("leaf.pem"), |leaf| {
            assert_eq!(days(leaf), [-1, 90]);
            assert!(!leaf.is_ca());
            let names = leaf
                .subject_alternative_name()
                .expect("DER")
                .expect("it has names");
            let names: Vec<String> = names
                .value
                .general_names
                .iter()
                .map(ToString::to_string)
                .collect();
            let shown = names.join(" ");
            for name in ["localhost", "box.local"] {
                assert!(shown.contains(name), "{name}: {shown}");
            }
            assert_eq!(names.len(), 4, "{shown}");
        });
    }

    #[test]
    fn leaf_is_renewed_at_two_thirds_of_its_life_or_for_another_name_and_the_authority_never() {
        let shelf = Shelf::new("renewed");
        shelf.open(&["localhost"], NOW);
        let (authority, first) = (shelf.read("ca.pem"), shelf.read("leaf.pem"));
        shelf.open(&["localhost"], NOW + 60 * DAY_S - 1);
        assert_eq!(shelf.read("leaf.pem"), first);
        shelf.open(&["localhost"], NOW + 60 * DAY_S);
        let second = shelf.read("leaf.pem");
        assert_ne!(second, first);
        look(&second, |leaf| assert_eq!(days(leaf), [59, 150]));
        shelf.open(&["localhost", "id.example.org"], NOW + 60 * DAY_S + 1);
        assert_ne!(shelf.read("leaf.pem"), second);
        assert_eq!(
            shelf.read("ca.pem"),
            authority,
            "whoever pins it is not locked out"
        );
    }

    #[test]
    fn fingerprint_of_a_chain_is_that_of_its_last_certificate() {
        let pem = || {
            let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
            let made = authority_params().self_signed(&key);
            made.expect("a certificate").pem()
        };
        let (leaf, authority) = (pem(), pem());
        let chain = fingerprint_of(&format!("{leaf}{authority}")).expect("two certificates");
        assert_eq!(chain, fingerprint_of(&authority).expect("one certificate"));
        assert_ne!(chain, fingerprint_of(&leaf).expect("one certificate"));
        assert!(fingerprint_of("nothing").is_err());
    }
}
