//! The outbox: notices are records, committed with the act they tell of, and are handed on from there at least once.
//!
//! Knows: who is written to, in which words, how often it is tried and when it is given up. Must never know: SMTP or
//! any other way a message travels; that is the couriers'. A code to be sent is in memory alone and never in the
//! store: where the process dies before it left, its asker asks again.
//!
//! Of several nodes the one that commits a notice sends it. Another looks through the outbox for what stays behind, so
//! a notice may be sent twice; both carry one identifier.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use countersign_auth::command::recovery::cancel_token;
use countersign_auth::command::upkeep;
use countersign_auth::contact::{MailAddress, PhoneNumber};
use countersign_auth::id::Digest;
use countersign_auth::name::Name;
use countersign_auth::record::{Account, Key, Notice, NoticeKind, Record, Text};
use countersign_core::time::UnixSeconds;
use time::OffsetDateTime;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::{Failure, Service};
use crate::deliver::templates::{Kind as Words, Templates};
use crate::deliver::{Courier, Message, Undelivered};
use crate::store::Kind;

/// Errands that wait to be begun, or are under way, at once.
const ERRANDS_MAX: usize = 1024;
/// Messages that are being handed over at once.
const AT_ONCE: usize = 8;
/// Seconds after which a notice is no longer sent; it stays on its owner's page.
const NOTICE_TRIED_S: u64 = 86_400;
/// Seconds for which a notice is left to the node that committed it.
const LEFT_ALONE_S: u64 = 60;
/// How often the outbox is looked through for what stayed behind.
const LOOK_EVERY: Duration = Duration::from_secs(600);
/// Longest wait between two attempts, in seconds.
const WAIT_S_MAX: u64 = 600;
/// Notices looked at in one go.
const PAGE: usize = 256;

/// What is to be sent.
pub enum Errand {
    /// A notice of the outbox.
    Notice(Digest),
    /// A code.
    Code(Code),
}

/// A code to be sent, and what is told with it.
///
/// # Security
/// It has no Debug.
pub struct Code {
    /// Whose account it is about.
    pub name: Name,
    /// Where it goes.
    pub to: Receiver,
    /// The code.
    pub code: Zeroizing<String>,
    /// When it was drawn.
    pub at: UnixSeconds,
    /// Seconds it lives.
    pub expires_in_s: u32,
    /// Where it was asked for.
    pub network: String,
    /// Its identifier.
    pub id: Digest,
}

/// Where a code goes.
pub enum Receiver {
    /// To an address, in these words.
    Mail(MailAddress, Words),
    /// To a telephone.
    Phone(PhoneNumber),
}

/// Where errands are left; cheap to share.
#[derive(Clone)]
pub struct Outbox(Option<mpsc::Sender<Errand>>);

impl Outbox {
    /// An outbox that nobody empties: no mail is sent.
    pub fn closed() -> Outbox {
        Outbox(None)
    }

    /// An outbox, and the end from which a [`Postman`] empties it.
    pub fn open() -> (Outbox, mpsc::Receiver<Errand>) {
        let (sender, receiver) = mpsc::channel(ERRANDS_MAX);
        (Outbox(Some(sender)), receiver)
    }

    /// Whether mail is sent at all.
    pub fn is_open(&self) -> bool {
        self.0.is_some()
    }

    /// Leaves an errand. Where there is no room a notice is found later, and a code has to be asked for again.
    pub fn leave(&self, errand: Errand) {
        let Some(sender) = &self.0 else { return };
        if sender.try_send(errand).is_err() {
            tracing::warn!(
                "the outbox is full or at its end; notices are sent later, a code has to be asked for again"
            );
        }
    }
}

/// What messages are made of and handed to.
pub struct Means {
    /// Where mail goes.
    pub mail: Arc<dyn Courier>,
    /// Where text messages go, if anywhere.
    pub texts: Option<Arc<dyn Courier>>,
    /// The words of this node; what was set for all of them is read as each message is written.
    pub templates: Arc<Templates>,
    /// The base of links, without a trailing slash.
    pub links: String,
}

/// Empties an outbox.
pub struct Postman {
    errands: mpsc::Receiver<Errand>,
    bag: Arc<Bag>,
}

struct Bag {
    service: Arc<Service>,
    means: Means,
    places: Semaphore,
}

/// A message, and who carries it until when.
struct Carried {
    courier: Arc<dyn Courier>,
    message: Message,
    until: UnixSeconds,
}

impl Postman {
    /// A postman of a service.
    pub fn new(service: Arc<Service>, errands: mpsc::Receiver<Errand>, means: Means) -> Postman {
        let bag = Arc::new(Bag {
            service,
            means,
            places: Semaphore::new(AT_ONCE),
        });
        Postman { errands, bag }
    }

    /// Carries until `stop`; what is under way then is found again in the outbox.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut under_way: JoinSet<Option<Digest>> = JoinSet::new();
        let mut begun: HashSet<Digest> = HashSet::new();
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            let found = tokio::select! {
                () = stop.cancelled() => return,
                Some(ended) = under_way.join_next(), if !under_way.is_empty() => {
                    if let Ok(Some(notice)) = ended {
                        begun.remove(&notice);
                    }
                    continue;
                }
                errand = self.errands.recv(), if under_way.len() < ERRANDS_MAX => match errand {
                    Some(errand) => vec![errand],
                    None => return,
                },
                _ = looks.tick() => self.bag.left_behind().await,
            };
            for errand in found {
                let is_new = match &errand {
                    Errand::Notice(notice) => begun.insert(*notice),
                    Errand::Code(_) => true,
                };
                if is_new && under_way.len() < ERRANDS_MAX {
                    under_way.spawn(self.bag.clone().carry(errand));
                } else if let (true, Errand::Notice(notice)) = (is_new, &errand) {
                    begun.remove(notice);
                }
            }
        }
    }
}

impl Bag {
    /// Notices of the outbox that nobody sent, as far as the store can be read.
    async fn left_behind(&self) -> Vec<Errand> {
        match self.service.undelivered(ERRANDS_MAX).await {
            Ok(found) => found.into_iter().map(Errand::Notice).collect(),
            Err(failure) => {
                tracing::warn!(%failure, "the outbox could not be looked through");
                Vec::new()
            }
        }
    }

    /// Carries out one errand; says which notice it was.
    async fn carry(self: Arc<Self>, errand: Errand) -> Option<Digest> {
        match errand {
            Errand::Code(code) => {
                match self.worded_code(&code).await {
                    Some(carried) => drop(self.hand_over(carried).await),
                    None => tracing::warn!("a code was to go where no messages are sent"),
                }
                None
            }
            Errand::Notice(id) => {
                if let Err(failure) = self.carry_notice(id).await {
                    tracing::warn!(notice = %id.short(), %failure, "a notice could not be read or marked");
                }
                Some(id)
            }
        }
    }

    async fn carry_notice(&self, id: Digest) -> Result<(), Failure> {
        let Some((notice, account)) = self.service.notice(id).await? else {
            return Ok(());
        };
        let messages = self.worded_notice(id, &notice, &account).await;
        if notice.delivered || messages.is_empty() {
            return Ok(());
        }
        let mut all_done = true;
        for message in messages {
            all_done &= self.hand_over(message).await;
        }
        if all_done {
            self.service.submit(upkeep::Delivered { notice: id }).await?;
        }
        Ok(())
    }

    /// Tries until it is done or for nothing; says whether there is nothing left to try.
    async fn hand_over(&self, carried: Carried) -> bool {
        let id = &carried.message.id;
        for attempt in 0u32.. {
            let tried = {
                let _place = self.places.acquire().await;
                carried.courier.deliver(&carried.message).await
            };
            match tried {
                Ok(()) => {
                    tracing::info!(message = %id, "handed over");
                    return true;
                }
                Err(error @ Undelivered::Never(_)) => {
                    tracing::warn!(message = %id, %error, "given up");
                    return true;
                }
                Err(error @ Undelivered::Later(_)) => {
                    let wait_s = 2u64.saturating_pow(attempt).min(WAIT_S_MAX);
                    let next = self.service.clock().shown().plus(wait_s);
                    if next >= carried.until {
                        tracing::warn!(message = %id, %error, "given up");
                        return false;
                    }
                    tracing::warn!(message = %id, %error, wait_s, "tried again later");
                    tokio::time::sleep(Duration::from_secs(wait_s)).await;
                }
            }
        }
        false
    }

    /// A code in its words, and who carries it; none where there is no courier to that place.
    async fn worded_code(&self, code: &Code) -> Option<Carried> {
        let (courier, to, (subject, text)) = match &code.to {
            Receiver::Mail(address, words) => {
                let words = self.mailed_words(code, *words).await;
                (&self.means.mail, address.as_str(), words)
            }
            Receiver::Phone(number) => {
                let words = (String::new(), texted_code(code, &self.means.links));
                (self.means.texts.as_ref()?, number.as_str(), words)
            }
        };
        Some(Carried {
            courier: courier.clone(),
            message: Message {
                id: code.id.to_string(),
                to: to.to_owned(),
                subject,
                text,
                at: code.at,
            },
            until: code.at.plus(u64::from(code.expires_in_s)),
        })
    }

    async fn mailed_words(&self, code: &Code, words: Words) -> (String, Zeroizing<String>) {
        let minutes = code.expires_in_s.div_ceil(60).to_string();
        let link = format!("{}/recover", self.means.links);
        let filling = [
            ("name", code.name.as_str()),
            ("site", &self.means.links),
            ("time", &moment(code.at)),
            ("code", &code.code),
            ("minutes", &minutes),
            ("network", &code.network),
            ("link", &link),
        ];
        self.filled(words, &filling).await
    }

    /// Everything by which a notice reaches its account's owner.
    async fn worded_notice(&self, id: Digest, notice: &Notice, account: &Account) -> Vec<Carried> {
        let carried =
            |courier: &Arc<dyn Courier>, part: &str, to: &str, words: (String, Zeroizing<String>)| Carried {
                courier: courier.clone(),
                message: Message {
                    id: format!("{id}{part}"),
                    to: to.to_owned(),
                    subject: words.0,
                    text: words.1,
                    at: notice.at,
                },
                until: notice.at.plus(NOTICE_TRIED_S),
            };
        let addresses = account.email.iter().map(|email| (&email.address, ""));
        let addresses = addresses.chain(notice.former.iter().map(|former| (former, ".former")));
        let mut messages = Vec::new();
        for (address, part) in addresses {
            let words = self.words(notice).await;
            messages.push(carried(&self.means.mail, part, address.as_str(), words));
        }
        // A recovery is told on every way there is.
        if let (true, Some(texts), Some(phone)) =
            (is_recovery(notice.kind), &self.means.texts, &account.phone)
        {
            let text = format!("{}: {}", self.means.links, notice.kind.text());
            let words = (String::new(), Zeroizing::new(text));
            messages.push(carried(texts, ".text", phone.as_str(), words));
        }
        messages
    }

    async fn words(&self, notice: &Notice) -> (String, Zeroizing<String>) {
        let (at, text) = (moment(notice.at), notice.kind.text());
        let plain = [
            ("name", notice.account.as_str()),
            ("site", self.means.links.as_str()),
            ("time", at.as_str()),
            ("text", text),
        ];
        let Some(recovery) = notice.recovery else {
            return self.filled(Words::Notice, &plain).await;
        };
        let token = cancel_token(recovery, &self.service.ring());
        // Behind the hash sign, so that no log of any server or proxy ever holds it.
        let link = Zeroizing::new(format!("{}/recover/cancel#{}", self.means.links, &*token));
        let ready = match self.service.policy().recovery.delay_s {
            0 => "at once".to_owned(),
            delay_s => format!("from {} on", moment(notice.at.plus(u64::from(delay_s)))),
        };
        let more = [("link", link.as_str()), ("ready", ready.as_str())];
        let filling: Vec<(&str, &str)> = plain.into_iter().chain(more).collect();
        self.filled(Words::RecoveryProven, &filling).await
    }

    /// Subject and text of one message. Where the text that was set can't be read or is not right any more, this node's
    /// own is used: a message goes out in any case.
    async fn filled(&self, kind: Words, filling: &[(&str, &str)]) -> (String, Zeroizing<String>) {
        let kind_name = kind.name();
        let set = self.service.text_set(kind).await.unwrap_or_else(|failure| {
            tracing::warn!(kind = kind_name, %failure, "the text that was set could not be read");
            None
        });
        let in_force = self
            .means
            .templates
            .in_force(kind, set.as_ref().map(|set| set.text.as_str()));
        if let Some(why) = &in_force.passed_over {
            tracing::warn!(kind = kind_name, why, "the text that was set is not used");
        }
        in_force.fill(filling)
    }
}

fn is_recovery(kind: NoticeKind) -> bool {
    matches!(
        kind,
        NoticeKind::RecoveryVouched
            | NoticeKind::LinkIssued
            | NoticeKind::RecoveryProven
            | NoticeKind::RecoveryCancelled
            | NoticeKind::PasswordRecovered
            | NoticeKind::FactorsRecovered
    )
}

/// The words of a code for a telephone. The last line binds it to this site, so that a telephone that knows the form of
/// origin-bound codes offers it nowhere else.
fn texted_code(code: &Code, links: &str) -> Zeroizing<String> {
    let (minutes, digits) = (code.expires_in_s.div_ceil(60), code.code.as_str());
    let authority = links.split_once("://").map_or(links, |(_, authority)| authority);
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    let text = format!(
        "{digits} is your code for {links}. It works for {minutes} minutes, once. Nobody asks you for it but that \
         page.\n\n@{host} #{digits}"
    );
    Zeroizing::new(text)
}

/// A moment for a person, in UTC.
pub(super) fn moment(at: UnixSeconds) -> String {
    let seconds = i64::try_from(at.0).unwrap_or(i64::MAX);
    match OffsetDateTime::from_unix_timestamp(seconds) {
        Ok(at) => format!(
            "{} {} {}, {:02}:{:02} UTC",
            at.day(),
            at.month(),
            at.year(),
            at.hour(),
            at.minute()
        ),
        Err(_) => at.0.to_string(),
    }
}

impl Service {
    /// The text that was set for all nodes, if one was.
    ///
    /// # Errors
    /// [`Failure`].
    pub(super) async fn text_set(&self, kind: Words) -> Result<Option<Text>, Failure> {
        self.read(move |store| {
            let stored = store
                .load(&[Key::Text(kind.name().to_owned())])
                .map_err(Failure::Store)?;
            Ok(stored.into_iter().find_map(|stored| match stored.record {
                Some(Record::Text(text)) => Some(text),
                _ => None,
            }))
        })
        .await
    }

    /// A notice and the account it is about, while both are there.
    ///
    /// # Errors
    /// [`Failure`].
    async fn notice(&self, id: Digest) -> Result<Option<(Notice, Account)>, Failure> {
        self.read(move |store| {
            let record = |key: Key| -> Result<Option<Record>, Failure> {
                let stored = store.load(&[key]).map_err(Failure::Store)?;
                Ok(stored.into_iter().find_map(|stored| stored.record))
            };
            let Some(Record::Notice(notice)) = record(Key::Notice(id))? else {
                return Ok(None);
            };
            Ok(match record(Key::Account(notice.account.clone()))? {
                Some(Record::Account(account)) => Some((notice, *account)),
                _ => None,
            })
        })
        .await
    }

    /// Notices that were not handed on and still should be, at most so many.
    ///
    /// # Errors
    /// [`Failure`].
    async fn undelivered(&self, most: usize) -> Result<Vec<Digest>, Failure> {
        let now = self.clock.shown();
        self.read(move |store| {
            let mut found = Vec::new();
            let mut after: Option<String> = None;
            loop {
                let page = store
                    .list(Kind::Notice, after.as_deref(), PAGE)
                    .map_err(Failure::Store)?;
                let is_last = page.len() < PAGE;
                for (key, record) in page {
                    let (Key::Notice(id), Record::Notice(notice)) = (key, record) else {
                        continue;
                    };
                    after = Some(id.to_string());
                    let age_s = now.since(notice.at);
                    if !notice.delivered && (LEFT_ALONE_S..NOTICE_TRIED_S).contains(&age_s) {
                        found.push(id);
                    }
                }
                if is_last || found.len() >= most {
                    found.truncate(most);
                    return Ok(found);
                }
            }
        })
        .await
    }
}
