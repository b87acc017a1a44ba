//! `countersign secret`: a fresh shared secret.

use clap::Args;
use countersign_auth::rule::Entropy;
use countersign_core::otp::SharedSecret;
use countersign_server::edge::entropy::SystemEntropy;
use serde_json::json;
use zeroize::Zeroizing;

use crate::out::{Failed, data};

/// Draw a shared secret and print it in Base32.
#[derive(Args)]
pub(crate) struct Secret {
    /// Random bytes; 20 are the 160 bits that RFC 4226 recommends
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u8).range(20..=64))]
    bytes: u8,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Secret {
    pub(crate) fn run(self) -> Result<(), Failed> {
        let mut bytes = Zeroizing::new(vec![0; usize::from(self.bytes)]);
        SystemEntropy.fill(&mut bytes);
        let secret = SharedSecret::from_bytes(&bytes).map_err(Failed::unavailable)?;
        let text = secret.to_base32();
        if self.json {
            data(json!({ "secret": text.as_str(), "bytes": self.bytes }));
        } else {
            data(text.as_str());
        }
        Ok(())
    }
}
