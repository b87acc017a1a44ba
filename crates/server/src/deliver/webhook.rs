//! Text messages over the operator's webhook: a signed JSON body posted to a gateway of their choice.
//!
//! Knows: the address, the secret and the form of the request. Must never know: which gateway sends the message on.
//! The signature is over time and body, so that a captured request can't be altered, nor used again for long.

use std::time::Duration;

use aws_lc_rs::hmac;
use serde_json::json;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use zeroize::Zeroizing;

use super::{ATTEMPT_TIME_MAX, Courier, Delivering, Message, Undelivered, is_loopback};

/// Fewest bytes of the secret.
pub const SECRET_BYTES_MIN: usize = 32;

/// Posts text messages to a gateway.
pub struct Webhook {
    url: String,
    key: hmac::Key,
    agent: ureq::Agent,
}

/// Reads the address of a webhook: HTTPS, or plain to this machine.
///
/// # Errors
/// What is wrong with it.
pub fn check_url(text: &str) -> Result<(), &'static str> {
    let (is_plain, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(rest), _) => (false, rest),
        (None, Some(rest)) => (true, rest),
        (None, None) => return Err("it does not begin with https://"),
    };
    let authority = rest.split(['/', '?']).next().unwrap_or("");
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    let is_printable = |c: char| c.is_ascii_graphic() && !matches!(c, '#' | '"' | '<' | '>' | '\\');
    if host.is_empty() || authority.contains('@') || !text.chars().all(is_printable) {
        return Err("it names no host, or holds a name or password, which belong in the secret's file");
    }
    if is_plain && !is_loopback(host) {
        return Err("without TLS only this machine is spoken to");
    }
    Ok(())
}

impl Webhook {
    /// Makes ready; nothing is connected yet.
    ///
    /// # Errors
    /// What is wrong with the secret or the machine's authorities.
    pub fn new(url: &str, secret: &Zeroizing<String>) -> Result<Webhook, String> {
        if secret.len() < SECRET_BYTES_MIN {
            return Err(format!(
                "`sms_webhook_secret_file` holds fewer than {SECRET_BYTES_MIN} bytes; draw one with \
                 `countersign secret`"
            ));
        }
        // A redirect would carry the message elsewhere.
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(ATTEMPT_TIME_MAX))
            .max_redirects(0)
            .http_status_as_error(false)
            .tls_config(trust())
            .build();
        Ok(Webhook {
            url: url.to_owned(),
            key: hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()),
            agent: config.new_agent(),
        })
    }

    fn signature(&self, at: u64, body: &str) -> String {
        let signed = hmac::sign(&self.key, format!("{at}.{body}").as_bytes());
        format!("t={at},v1={}", countersign_auth::id::hex(signed.as_ref()))
    }
}

fn trust() -> TlsConfig {
    let found = rustls_native_certs::load_native_certs();
    let roots: Vec<Certificate<'static>> = found
        .certs
        .iter()
        .map(|certificate| Certificate::from_der(certificate).to_owned())
        .collect();
    TlsConfig::builder()
        .root_certs(RootCerts::Specific(std::sync::Arc::new(roots)))
        .unversioned_rustls_crypto_provider(
            std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider()),
        )
        .build()
}

impl Courier for Webhook {
    fn deliver<'a>(&'a self, message: &'a Message) -> Delivering<'a> {
        let body = json!({ "id": message.id, "to": message.to, "text": message.text.as_str() }).to_string();
        let body = Zeroizing::new(body);
        let signature = self.signature(message.at.0, &body);
        let (agent, url) = (self.agent.clone(), self.url.clone());
        let posted = tokio::task::spawn_blocking(move || {
            let posted = agent
                .post(&url)
                .header("content-type", "application/json")
                .header("countersign-signature", &signature)
                .send(body.as_str());
            match posted {
                Ok(answer) => judged(answer.status().as_u16()),
                // The error names neither body nor headers.
                Err(error) => Err(Undelivered::Later(format!("the webhook can't be used: {error}"))),
            }
        });
        Box::pin(async move {
            let limit = ATTEMPT_TIME_MAX + Duration::from_secs(5);
            match tokio::time::timeout(limit, posted).await {
                Ok(Ok(told)) => told,
                Ok(Err(_)) | Err(_) => Err(Undelivered::Later(
                    "the webhook did not answer in time".to_owned(),
                )),
            }
        })
    }
}

/// Whether a status means that another attempt may help.
fn judged(status: u16) -> Result<(), Undelivered> {
    match status {
        200..=299 => Ok(()),
        400 | 404 | 410 | 413 | 422 => Err(Undelivered::Never(format!("the webhook answered {status}"))),
        _ => Err(Undelivered::Later(format!("the webhook answered {status}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn webhook_is_reached_over_tls_or_on_this_machine() {
        for right in [
            "https://sms.example.org/hook?x=1",
            "http://127.0.0.1:9/x",
            "http://localhost/",
            "http://[::1]:8",
        ] {
            assert_eq!(check_url(right), Ok(()), "{right}");
        }
        for wrong in [
            "",
            "sms.example.org",
            "http://sms.example.org/",
            "https://",
            "https://us:secret@sms.example.org/",
            "https://sms.example.org/#x",
            "ftp://127.0.0.1/",
        ] {
            assert!(check_url(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn signature_is_over_time_and_body_under_a_secret_of_some_length() {
        let secret = Zeroizing::new("0123456789abcdef0123456789abcdef".to_owned());
        let webhook = Webhook::new("http://127.0.0.1:9/", &secret).expect("right");
        // printf '1800000000.{"a":1}' | openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef
        assert_eq!(
            webhook.signature(1_800_000_000, r#"{"a":1}"#),
            "t=1800000000,v1=d40e555bc2c1dae21953757b24b165a171698880732ac310a5c8cf0ab751abf2"
        );
        assert_ne!(
            webhook.signature(1_800_000_001, r#"{"a":1}"#),
            webhook.signature(1_800_000_000, r#"{"a":1}"#)
        );
        assert!(Webhook::new("http://127.0.0.1:9/", &Zeroizing::new("short".to_owned())).is_err());
    }

    #[test]
    fn refusal_for_what_a_message_is_ends_it_and_anything_else_is_tried_again() {
        assert_eq!(judged(204), Ok(()));
        for status in [400, 404, 410, 413, 422] {
            assert!(matches!(judged(status), Err(Undelivered::Never(_))), "{status}");
        }
        for status in [301, 401, 403, 408, 429, 500, 503] {
            assert!(matches!(judged(status), Err(Undelivered::Later(_))), "{status}");
        }
    }
}
