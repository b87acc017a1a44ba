//! Sessions as the service answers for them: found by a token, alive to the second, ended by their owner.
//!
//! Knows: what is kept in memory of them between commits, and for how long it may be believed. Must never know: cookies
//! or headers.

use std::sync::Arc;
use std::time::Duration;

use countersign_auth::command::step_up::standing_of;
use countersign_auth::command::{session, upkeep};
use countersign_auth::event::Origin;
use countersign_auth::id::{Digest, Presented};
use countersign_auth::policy::SecondFactor;
use countersign_auth::record::{Key, Record, Session};
use countersign_auth::session::{Level, SessionVerdict, judge, opened};
use countersign_core::elevation::Standing;
use countersign_core::time::UnixSeconds;

use super::kept::Kept;
use super::{Failure, Service, lock};

/// Sessions or tokens whose activity is kept in memory before it is written down; beyond that it is written at once.
pub(super) const ACTIVITY_MAX: usize = 65_536;
/// How long a session or token that was read may be believed: other nodes may have changed it since.
pub(super) const KEPT_FOR: Duration = Duration::from_millis(500);
/// Sessions or tokens that are kept after they were read.
pub(super) const KEPT_MAX: usize = 16_384;

/// Sessions that were read a moment ago.
pub(super) type KeptSessions = Kept<Digest, Arc<Session>>;

/// No session was read yet.
pub(super) fn none_kept() -> KeptSessions {
    Kept::new(KEPT_FOR, KEPT_MAX)
}

/// A session that was found alive.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    /// Its identifier.
    pub id: Digest,
    /// The session as stored.
    pub session: Arc<Session>,
    /// What whoever showed the token has proven.
    pub standing: Standing,
    /// When it ends unless there is activity.
    pub until: UnixSeconds,
}

impl Service {
    /// The session that a token opens at Countersign itself, if it is alive; being asked is activity.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn session(&self, token: &str) -> Result<Option<Live>, Failure> {
        self.session_at(None, token).await
    }

    /// The session that a token opens at a protected host, or at Countersign itself, if it is alive; being asked is
    /// activity.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn session_at(&self, host: Option<&str>, token: &str) -> Result<Option<Live>, Failure> {
        let now = self.pulse.now()?;
        let Some(presented) = Presented::of(token) else {
            return Ok(None);
        };
        let opens = |session: &Session| opened(session, presented.key, host, now);
        let kept = self.kept.find(&presented.session, self.clock.clock().monotonic());
        let found = match kept {
            Some(session) => opens(&session).map(|standing| (session, standing)),
            None => None,
        };
        let found = match found {
            Some(found) => Some(found),
            // A key that is not known here may have been made at another node a moment ago.
            None => {
                let read = self.read_session(presented.session).await?;
                read.and_then(|session| opens(&session).map(|standing| (session, standing)))
            }
        };
        match found {
            Some((session, standing)) => self.alive(presented.session, session, standing, now).await,
            None => Ok(None),
        }
    }

    /// The session of an identifier that a verified token names, if it is alive.
    ///
    /// # Errors
    /// [`Failure`].
    pub(super) async fn session_named(
        &self,
        id: Digest,
        standing: Standing,
    ) -> Result<Option<Live>, Failure> {
        let now = self.pulse.now()?;
        let kept = self.kept.find(&id, self.clock.clock().monotonic());
        let session = match kept {
            Some(kept) => Some(kept),
            None => self.read_session(id).await?,
        };
        match session {
            Some(session) => {
                let standing = standing_of(&session, standing);
                self.alive(id, session, standing, now).await
            }
            None => Ok(None),
        }
    }

    async fn alive(
        &self,
        id: Digest,
        session: Arc<Session>,
        standing: Standing,
        now: UnixSeconds,
    ) -> Result<Option<Live>, Failure> {
        let seen = lock(&self.activity)
            .get(&id)
            .copied()
            .unwrap_or(session.last_seen);
        match judge(&session, seen, now, &self.policy) {
            SessionVerdict::Live { .. } => {}
            SessionVerdict::Idle | SessionVerdict::Expired => return Ok(None),
        }
        let until = session
            .expires_at
            .min(now.plus(u64::from(self.policy.session_idle_s)));
        if now > seen && self.remember_activity(id, now) {
            self.write_activity().await?;
        }
        Ok(Some(Live {
            id,
            session,
            standing,
            until,
        }))
    }

    async fn read_session(&self, id: Digest) -> Result<Option<Arc<Session>>, Failure> {
        let asked = self.kept.asking(self.clock.clock().monotonic());
        let session: Option<Arc<Session>> = self
            .read(move |store| {
                let stored = store.load(&[Key::Session(id)]).map_err(Failure::Store)?;
                Ok(stored.into_iter().find_map(|stored| match stored.record {
                    Some(Record::Session(session)) => Some(Arc::from(session)),
                    _ => None,
                }))
            })
            .await?;
        if let Some(session) = &session {
            self.kept.keep(asked, id, session.clone());
        }
        Ok(session)
    }

    /// Notes activity in memory; true when there is so much of it that it must be written down now.
    fn remember_activity(&self, id: Digest, now: UnixSeconds) -> bool {
        let mut activity = lock(&self.activity);
        activity.insert(id, now);
        activity.len() >= ACTIVITY_MAX
    }

    /// Writes down what activity there was since the last time, of sessions and of tokens for programs.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn write_activity(&self) -> Result<(), Failure> {
        let tokens: Vec<_> = lock(&self.tokens_used).drain().collect();
        let sessions: Vec<_> = lock(&self.activity).drain().collect();
        let tokens = tokens.into_iter().map(|(id, at)| (Key::ApiToken(id), at));
        let sessions = sessions.into_iter().map(|(id, at)| (Key::Session(id), at));
        let seen: Vec<_> = sessions.chain(tokens).collect();
        let mut chunks = seen.chunks(256);
        for chunk in &mut chunks {
            let written = self.submit(upkeep::Touch { seen: chunk.to_vec() }).await;
            if let Err(failure) = written {
                self.take_back(chunk);
                chunks.for_each(|chunk| self.take_back(chunk));
                return Err(failure);
            }
        }
        Ok(())
    }

    /// Keeps activity that could not be written down, unless newer was seen meanwhile.
    fn take_back(&self, seen: &[(Key, UnixSeconds)]) {
        let (mut activity, mut tokens_used) = (lock(&self.activity), lock(&self.tokens_used));
        for (key, at) in seen {
            let kept = match key {
                Key::ApiToken(id) => tokens_used.entry(*id).or_insert(*at),
                Key::Session(id) => activity.entry(*id).or_insert(*at),
                _ => continue,
            };
            *kept = (*kept).max(*at);
        }
    }

    /// Whether a session may do nothing but enrol a second factor and end.
    pub fn must_enrol(&self, live: &Live) -> bool {
        live.session.recovers
            || self.policy.second_factor == SecondFactor::Required && live.session.standing.level < Level::Two
    }

    /// Ends sessions at their owner's wish; says how many.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn end_sessions(
        &self,
        live: &Live,
        which: session::Which,
        origin: &Origin,
    ) -> Result<usize, Failure> {
        let (session, name) = (live.id, live.session.account.clone());
        self.submit(session::End {
            session,
            name,
            which,
            origin: origin.clone(),
        })
        .await
    }

    /// Names one of the owner's sessions by its short identifier; false when there is none.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn name_session(
        &self,
        live: &Live,
        short: &str,
        label: &str,
        origin: &Origin,
    ) -> Result<bool, Failure> {
        let name = live.session.account.clone();
        let Some(view) = self.view(&name).await? else {
            return Ok(false);
        };
        let Some((session, ..)) = view.sessions.iter().find(|(id, ..)| id.short() == short) else {
            return Ok(false);
        };
        let rule = session::Rename {
            name,
            session: *session,
            label: label.to_owned(),
            origin: origin.clone(),
        };
        self.submit(rule).await
    }
}
