//! Mail over SMTP (RFC 5321), submitted to the operator's own mail server.
//!
//! Knows: the relay's address, how its line is secured, and the form of a mail. Must never know: whose mail it is. A
//! line that leaves this machine is under TLS or there is none: never "if the server offers it", which whoever sits
//! between strips.

use std::time::{Duration, SystemTime};

use countersign_auth::contact::MailAddress;
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, header};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use zeroize::Zeroizing;

use super::{ATTEMPT_TIME_MAX, Courier, Delivering, Message, Undelivered, is_loopback};

/// Where mail is handed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relay {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Who we are there, where the server asks.
    pub user: Option<String>,
    /// How the line is secured.
    pub security: Security,
}

/// How a line to a mail server is secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// TLS from the first byte (RFC 8314 §3.3).
    Implicit,
    /// TLS before anything is said, by STARTTLS (RFC 3207), or no mail.
    StartTls,
    /// None; to this machine alone.
    Plain,
}

impl Relay {
    /// Reads `smtp://USER@HOST:PORT` or `smtps://…`.
    ///
    /// # Errors
    /// What is wrong with it; a password in it is never repeated.
    pub fn parse(text: &str) -> Result<Relay, &'static str> {
        let (is_implicit, rest) = match (text.strip_prefix("smtps://"), text.strip_prefix("smtp://")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => return Err("it begins with neither smtp:// nor smtps://"),
        };
        let rest = rest.trim_end_matches('/');
        let (user, host) = match rest.rsplit_once('@') {
            Some((user, _)) if user.contains(':') => {
                return Err("it holds a password, which belongs in `smtp_password_file`");
            }
            Some((user, host)) => (Some(user), host),
            None => (None, rest),
        };
        let (host, port) = match host.rsplit_once(':') {
            Some((name, port)) if !name.contains(':') || name.ends_with(']') => (
                name,
                port.parse()
                    .map_err(|_| "its port is no number from 1 to 65535")?,
            ),
            _ => (host, if is_implicit { 465 } else { 587 }),
        };
        let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-.:[]".contains(&byte);
        if host.is_empty() || !host.bytes().all(is_host) || port == 0 {
            return Err("it names no host");
        }
        let user = user.map(|user| user.replace("%40", "@"));
        if user
            .as_deref()
            .is_some_and(|user| user.is_empty() || user.bytes().any(|byte| byte < 33))
        {
            return Err("the name before the @ is empty or holds a space");
        }
        let security = match (is_implicit, is_loopback(host)) {
            (true, _) => Security::Implicit,
            (false, true) => Security::Plain,
            (false, false) => Security::StartTls,
        };
        Ok(Relay {
            host: host.trim_matches(['[', ']']).to_ascii_lowercase(),
            port,
            user,
            security,
        })
    }
}

/// Hands mail to a relay.
pub struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    /// The part of the own address behind the `@`, which makes message identifiers ours.
    domain: String,
}

impl Smtp {
    /// Makes ready; nothing is connected yet.
    ///
    /// `authority` is the PEM text of who vouches for the relay beside those that the machine trusts.
    ///
    /// # Errors
    /// What is wrong with the authority.
    pub fn new(
        relay: &Relay,
        password: Option<&Zeroizing<String>>,
        authority: Option<&str>,
        from: &MailAddress,
    ) -> Result<Smtp, String> {
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(relay.host.clone())
            .port(relay.port)
            .timeout(Some(ATTEMPT_TIME_MAX))
            .tls(security(relay, authority)?);
        if let (Some(user), Some(password)) = (&relay.user, password) {
            builder = builder.credentials(Credentials::new(user.clone(), password.as_str().to_owned()));
        }
        let address = from.as_str();
        let parsed = address
            .parse()
            .map_err(|_| "the sender's address can't be used".to_owned())?;
        Ok(Smtp {
            transport: builder.build(),
            from: Mailbox::new(Some("Countersign".to_owned()), parsed),
            domain: address
                .rsplit_once('@')
                .map_or("", |(_, domain)| domain)
                .to_owned(),
        })
    }

    /// The mail as it is handed over: plain text, marked as made by a machine so that nothing answers it (RFC 3834 §5).
    fn compose(&self, message: &Message) -> Result<lettre::Message, Undelivered> {
        let never = |cause: &str| Undelivered::Never(cause.to_owned());
        let to = message
            .to
            .parse()
            .map_err(|_| never("the address can't be used"))?;
        let subject: String = message.subject.chars().filter(|c| !c.is_control()).collect();
        lettre::Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(subject)
            .date(SystemTime::UNIX_EPOCH + Duration::from_secs(message.at.0))
            .message_id(Some(format!("<{}@{}>", message.id, self.domain)))
            .raw_header(header::HeaderValue::new(
                header::HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ))
            .header(ContentType::TEXT_PLAIN)
            .body(message.text.as_str().to_owned())
            .map_err(|_| never("the mail can't be composed"))
    }
}

fn security(relay: &Relay, authority: Option<&str>) -> Result<Tls, String> {
    let parameters = || {
        let mut builder = TlsParameters::builder(relay.host.clone());
        if let Some(pem) = authority {
            let certificate = Certificate::from_pem(pem.as_bytes())
                .map_err(|_| "`smtp_ca` holds no certificate in PEM form".to_owned())?;
            builder = builder.add_root_certificate(certificate);
        }
        builder.build_rustls().map_err(|error| error.to_string())
    };
    Ok(match relay.security {
        Security::Plain => Tls::None,
        Security::StartTls => Tls::Required(parameters()?),
        Security::Implicit => Tls::Wrapper(parameters()?),
    })
}

impl Courier for Smtp {
    fn deliver<'a>(&'a self, message: &'a Message) -> Delivering<'a> {
        Box::pin(async move {
            let mail = self.compose(message)?;
            match tokio::time::timeout(ATTEMPT_TIME_MAX, self.transport.send(mail)).await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(error)) => Err(told(&error)),
                Err(_) => Err(Undelivered::Later(
                    "the mail server did not answer in time".to_owned(),
                )),
            }
        })
    }
}

/// What the log may know of an error: the server's number, and not its words, which may repeat ours.
fn told(error: &lettre::transport::smtp::Error) -> Undelivered {
    let number = error.status().map(|status| status.to_string());
    match number {
        Some(number) if error.is_permanent() && !is_about_us(&number) => {
            Undelivered::Never(format!("the mail server said {number}"))
        }
        Some(number) => Undelivered::Later(format!("the mail server said {number}")),
        None => Undelivered::Later(format!("the mail server can't be used: {error}")),
    }
}

/// Whether a permanent refusal is the operator's to mend, and says nothing of the mail: sign-in and encryption
/// (RFC 4954 §6, RFC 3207 §4), and the dialogue itself (RFC 5321 §4.2.1).
fn is_about_us(number: &str) -> bool {
    matches!(
        number,
        "500" | "501" | "502" | "503" | "504" | "530" | "534" | "535" | "538"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_core::time::UnixSeconds;

    fn from() -> MailAddress {
        MailAddress::parse("countersign@example.org").expect("an address")
    }

    fn smtp() -> Smtp {
        let relay = Relay::parse("smtp://127.0.0.1:25").expect("a relay");
        Smtp::new(&relay, None, None, &from()).expect("nothing is wrong")
    }

    #[test]
    fn line_that_leaves_the_machine_is_under_tls() {
        for (text, host, port, security) in [
            (
                "smtp://mail.example.org",
                "mail.example.org",
                587,
                Security::StartTls,
            ),
            (
                "smtps://mail.example.org",
                "mail.example.org",
                465,
                Security::Implicit,
            ),
            ("smtp://192.0.2.1:25/", "192.0.2.1", 25, Security::StartTls),
            ("smtp://localhost:2525", "localhost", 2525, Security::Plain),
            ("smtp://[::1]:25", "::1", 25, Security::Plain),
            ("smtps://127.0.0.1:465", "127.0.0.1", 465, Security::Implicit),
            (
                "smtp://localhost.example.org",
                "localhost.example.org",
                587,
                Security::StartTls,
            ),
        ] {
            let relay = Relay::parse(text).expect(text);
            let found = (relay.host.as_str(), relay.port, relay.security);
            assert_eq!(found, (host, port, security), "{text}");
        }
    }

    #[test]
    fn relay_is_named_without_a_password() {
        let relay = Relay::parse("smtp://us%40example.org@mail.example.org").expect("a relay");
        assert_eq!(relay.user.as_deref(), Some("us@example.org"));
        for wrong in [
            "",
            "mail.example.org",
            "smtp://",
            "smtp://us:secret@mail.example.org",
            "smtp://@mail.example.org",
            "smtp://mail.example.org:0",
            "smtp://mail.example.org:x",
            "smtp://mail example.org",
            "http://mail.example.org",
        ] {
            let refused = Relay::parse(wrong).expect_err(wrong);
            assert!(!refused.contains("secret"), "{refused}");
        }
    }

    #[test]
    fn no_field_of_a_message_adds_a_header() {
        let message = Message {
            id: "0123abcd".into(),
            to: "alice@example.org".into(),
            subject: "About ålice\r\nBcc: eve@example.net\r\n\r\nbody".into(),
            text: Zeroizing::new("Hello,\r\n.\r\nBcc: eve@example.net\r\n".into()),
            at: UnixSeconds(1_800_000_000),
        };
        let mail = smtp().compose(&message).expect("it can be composed");
        let text = String::from_utf8(mail.formatted()).expect("it is ASCII");
        let (head, _) = text.split_once("\r\n\r\n").expect("a head and a body");
        assert!(!head.lines().any(|line| line.starts_with("Bcc")), "{head}");
        assert!(head.contains("Message-ID: <0123abcd@example.org>"), "{head}");
        assert!(head.contains("Date: Fri, 15 Jan 2027 08:00:00 +0000"), "{head}");
        assert!(head.contains("Auto-Submitted: auto-generated"), "{head}");
        let injected = Message {
            to: "alice@example.org>\r\nRCPT TO:<eve@example.net".into(),
            ..message
        };
        assert!(matches!(smtp().compose(&injected), Err(Undelivered::Never(_))));
    }

    #[test]
    fn message_shows_nothing_of_itself_but_its_id() {
        let message = Message {
            id: "m1".into(),
            to: "alice@example.org".into(),
            subject: "subject".into(),
            text: Zeroizing::new("abcde-fghij".into()),
            at: UnixSeconds(0),
        };
        assert_eq!(format!("{message:?}"), "Message(m1)");
    }
}
