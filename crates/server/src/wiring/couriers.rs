//! How mail and text messages leave: couriers made from files, and judged before anything is served.
//!
//! Knows: which file holds what. Must never know: what is sent.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zeroize::Zeroizing;

use super::{Mail, OpenError};
use crate::deliver::Courier;
use crate::deliver::smtp::Smtp;
use crate::deliver::templates::{self, Templates};
use crate::deliver::webhook::Webhook;
use crate::edge::folder::read_optional;
use crate::service::post::Means;

/// Couriers and words, before it is known where links lead.
pub(super) struct Couriers {
    mail: Arc<dyn Courier>,
    texts: Option<Arc<dyn Courier>>,
    templates: Arc<Templates>,
}

/// Makes the couriers ready; nothing is connected yet.
pub(super) fn open(mail: &Mail) -> Result<Couriers, OpenError> {
    let password = mail.password_file.as_deref();
    let password = password
        .map(|path| secret(path, "smtp_password_file"))
        .transpose()?;
    let authority = mail.authority.as_deref();
    let authority = authority.map(|path| secret(path, "smtp_ca")).transpose()?;
    let authority = authority.as_ref().map(|text| text.as_str());
    let smtp = Smtp::new(&mail.relay, password.as_ref(), authority, &mail.from).map_err(OpenError::Mail)?;
    let texts = match &mail.texts {
        None => None,
        Some(texts) => {
            let secret = secret(&texts.secret_file, "sms_webhook_secret_file")?;
            let webhook = Webhook::new(&texts.url, &secret).map_err(OpenError::Mail)?;
            Some(Arc::new(webhook) as Arc<dyn Courier>)
        }
    };
    Ok(Couriers {
        mail: Arc::new(smtp),
        texts,
        templates: Arc::new(words(mail.templates.as_ref())?),
    })
}

fn secret(path: &Path, what: &'static str) -> Result<Zeroizing<String>, OpenError> {
    let text = std::fs::read_to_string(path).map(Zeroizing::new);
    let text = text.map_err(|error| OpenError::Io(what, error))?;
    Ok(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()))
}

/// The texts of this node.
pub(super) fn words(folder: Option<&PathBuf>) -> Result<Templates, OpenError> {
    let Some(folder) = folder else {
        return judged(Templates::load(|_| None));
    };
    let is_folder = std::fs::metadata(folder).map(|data| data.is_dir());
    if !matches!(is_folder, Ok(true)) {
        let missing = io::Error::new(io::ErrorKind::NotADirectory, "there is no such folder");
        return Err(OpenError::Io("mail_templates", missing));
    }
    let mut own = Vec::new();
    for kind in templates::Kind::ALL {
        let bytes = read_optional(&folder.join(kind.file()))
            .map_err(|error| OpenError::Io("mail_templates", error))?;
        let Some(bytes) = bytes else { continue };
        let text = String::from_utf8(bytes)
            .map_err(|_| OpenError::Mail(format!("mail_templates: {}: it is not UTF-8", kind.file())))?;
        own.push((kind.file(), text));
    }
    let find = |file: &str| own.iter().find(|(known, _)| *known == file);
    judged(Templates::load(|file| find(file).map(|(_, text)| text.clone())))
}

fn judged(loaded: Result<Templates, Vec<templates::TemplateError>>) -> Result<Templates, OpenError> {
    loaded.map_err(|mistakes| {
        let lines: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        OpenError::Mail(lines.join("\n"))
    })
}

impl Couriers {
    /// The texts of this node.
    pub(super) fn templates(&self) -> Arc<Templates> {
        self.templates.clone()
    }

    /// What a postman needs, with links that begin with `links`.
    pub(super) fn means(self, links: String) -> Means {
        Means {
            mail: self.mail,
            texts: self.texts,
            templates: self.templates,
            links,
        }
    }
}
