//! Known browsers as their owner sees them.
//!
//! Knows: which rule forgets them. Must never know: cookies.

use countersign_auth::command::browser::{Forget, Which};
use countersign_auth::event::Origin;
use countersign_auth::id::Digest;
use countersign_auth::record::{Browser, Key, Record};

use super::{Failure, Live, Service};

impl Service {
    /// The known browsers of a session's account, the one used last in front.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn browsers(&self, live: &Live) -> Result<Vec<(Digest, Browser)>, Failure> {
        let now = self.pulse.now()?;
        let name = live.session.account.clone();
        self.read(move |store| {
            let load = |keys: &[Key]| store.load(keys).map_err(Failure::Store);
            let account = load(&[Key::Account(name)])?.into_iter().next();
            let Some(Record::Account(account)) = account.and_then(|stored| stored.record) else {
                return Ok(Vec::new());
            };
            let known = account.browsers.iter().rev().filter(|open| now < open.expires_at);
            let ids: Vec<Digest> = known.map(|open| open.id).collect();
            let keys: Vec<Key> = ids.iter().copied().map(Key::Browser).collect();
            let browsers = load(&keys)?.into_iter().map(|stored| match stored.record {
                Some(Record::Browser(browser)) => Some(browser),
                _ => None,
            });
            let listed = ids.into_iter().zip(browsers);
            Ok(listed.filter_map(|(id, browser)| Some((id, browser?))).collect())
        })
        .await
    }

    /// Forgets known browsers at their owner's wish; says how many.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn forget_browsers(
        &self,
        live: &Live,
        which: Which,
        origin: &Origin,
    ) -> Result<usize, Failure> {
        self.submit(Forget {
            session: live.id,
            name: live.session.account.clone(),
            which,
            origin: origin.clone(),
        })
        .await
    }
}
