//! Applications that may ask about tokens, and the keys that sign tokens.
//!
//! Knows: what an operator may do with them. Must never know: what is asked about which token.

use countersign_auth::command::application::{Add, Remove};
use countersign_auth::command::signing::Added;
use countersign_auth::record::Record;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::super::{Failure, names};
use super::{By, Operator, Reply, Stop, malformed, missing, refused};
use crate::store::Kind;

/// Most applications that are listed.
const APPLICATIONS_MAX: usize = 1_000;

/// An application, without its secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ApplicationView {
    /// Its name, which is its `client_id`.
    pub name: String,
    /// When it was added, or got its secret, in seconds since 1970.
    pub created_at: u64,
}

/// A key that signs tokens, without its secret half.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SigningKeyView {
    /// Its `kid`.
    pub id: String,
    /// When it begins to sign, in seconds since 1970.
    pub signs_from: u64,
    /// When its last token has ended; none while it is the newest.
    pub ends_at: Option<u64>,
}

/// An application's name and secret; shown once.
#[derive(Clone, Serialize, Deserialize)]
pub struct ApplicationSecret {
    /// Its name, which is its `client_id`.
    pub name: String,
    /// Its secret.
    pub secret: Zeroizing<String>,
}

impl std::fmt::Debug for ApplicationSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ApplicationSecret(of {})", self.name)
    }
}

impl Operator {
    pub(super) async fn add_application(&self, name: &str, renew: bool, by: &By) -> Result<Reply, Stop> {
        let name = match names::parse(name) {
            Ok(name) => name,
            Err(error) => return Ok(malformed(error)),
        };
        let rule = Add {
            name: name.clone(),
            renew,
            origin: by.origin.clone(),
        };
        Ok(match self.submit(by, rule).await? {
            Some(secret) => Reply::Application(ApplicationSecret {
                name: name.to_string(),
                secret: Zeroizing::new(secret.expose().to_owned()),
            }),
            None if renew => missing(format!("there is no application {name}")),
            None => refused(format!(
                "there is an application {name} already; `countersign app renew {name}` gives it another secret"
            )),
        })
    }

    pub(super) async fn remove_application(&self, name: &str, by: &By) -> Result<Reply, Stop> {
        let name = match names::parse(name) {
            Ok(name) => name,
            Err(error) => return Ok(malformed(error)),
        };
        let rule = Remove {
            name: name.clone(),
            origin: by.origin.clone(),
        };
        Ok(match self.submit(by, rule).await? {
            true => Reply::Done,
            false => missing(format!("there is no application {name}")),
        })
    }

    pub(super) async fn list_applications(&self) -> Result<Reply, Stop> {
        let listed = self
            .service
            .read(|store| {
                store
                    .list(Kind::Application, None, APPLICATIONS_MAX)
                    .map_err(Failure::Store)
            })
            .await?;
        let view = |record| match record {
            Record::Application(application) => Some(ApplicationView {
                name: application.name.to_string(),
                created_at: application.created_at.0,
            }),
            _ => None,
        };
        Ok(Reply::Applications {
            applications: listed
                .into_iter()
                .filter_map(|(_, record)| view(record))
                .collect(),
        })
    }

    pub(super) async fn list_signing_keys(&self) -> Result<Reply, Stop> {
        let signing = self.service.stored_signing().await?;
        let view = |key: &countersign_auth::record::SigningKey| SigningKeyView {
            id: key.id.clone(),
            signs_from: key.signs_from.0,
            ends_at: key.ends_at.map(|at| at.0),
        };
        Ok(Reply::SigningKeys {
            keys: signing.keys.iter().map(view).collect(),
        })
    }

    pub(super) async fn rotate_signing_key(&self, by: &By) -> Result<Reply, Stop> {
        let added = self
            .submit(by, self.service.signing_key(false, &by.origin))
            .await?;
        self.service.sign_with(&added);
        Ok(match added {
            Added::Keys(_) => self.list_signing_keys().await?,
            Added::TooMany => refused("there are eight signing keys; wait until the oldest has ended"),
        })
    }
}
