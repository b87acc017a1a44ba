//! The feed of ended sessions (docs/protocol/tokens.md): what was heard, and what may be believed because of it.
//!
//! Knows: which sessions ended since the feed was opened, which tokens were asked about since, and when it was heard
//! last. Must never know: tokens; it sees their digests.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use countersign_core::time::UnixSeconds;

use super::clock::Moment;
use super::person::is_lower_hexadecimal;

/// A feed that was silent for longer says nothing any more.
const SILENCE_MAX: Duration = Duration::from_secs(1);
/// How much later than the feed's opening a token must be dated to need no question: clocks may differ by this.
const CLOCKS_APART_S: u64 = 60;
/// Most ended sessions that are remembered; at the limit everything is forgotten, as if the feed were opened anew.
const ENDED_MAX: usize = 100_000;
/// Most tokens that are remembered to be good; beyond, they are asked about each time.
const GOOD_MAX: usize = 100_000;
/// Longest line of the feed in bytes.
const LINE_BYTES_MAX: usize = 256;

/// A token's digest.
pub(crate) type Digest = [u8; 32];

/// What was heard.
#[derive(Default)]
pub(crate) struct Feed {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Rises with each opening, so that an answer to a question of before is not taken for one of since.
    opening: u64,
    opened_at: Option<Moment>,
    heard_at: Option<Moment>,
    ended: HashSet<String>,
    good: HashMap<Digest, UnixSeconds>,
}

/// What the feed says about a token.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Its session lives.
    Alive,
    /// Its session ended.
    Ended,
    /// Nothing: it has to be asked about. The answer is worth keeping where there is a ticket.
    Ask(Option<Ticket>),
}

/// The opening of the feed in which a question was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket(u64);

impl Feed {
    /// Looks a token up.
    pub(crate) fn judge(
        &self,
        token: &Digest,
        session_id: &str,
        issued_at: UnixSeconds,
        now: Moment,
    ) -> Heard {
        let state = self.state();
        if state.ended.contains(session_id) {
            return Heard::Ended;
        }
        let is_heard = state
            .heard_at
            .is_some_and(|heard| now.is_within(heard, SILENCE_MAX));
        let Some(opened_at) = state.opened_at.filter(|_| is_heard) else {
            return Heard::Ask(None);
        };
        let is_younger = issued_at > opened_at.seconds().plus(CLOCKS_APART_S);
        if is_younger || state.good.contains_key(token) {
            return Heard::Alive;
        }
        // A node may hear of an end a moment late: what is answered right after the opening may be of before it.
        let is_settled = !now.is_within(opened_at, SILENCE_MAX);
        Heard::Ask(is_settled.then_some(Ticket(state.opening)))
    }

    /// Whether the session is known to have ended.
    pub(crate) fn is_ended(&self, session_id: &str) -> bool {
        self.state().ended.contains(session_id)
    }

    /// Remembers that a token was asked about and is good, until it ends by itself.
    pub(crate) fn keep(&self, ticket: Ticket, token: Digest, until: UnixSeconds, now: Moment) {
        let mut state = self.state();
        if state.opening != ticket.0 {
            return;
        }
        if state.good.len() >= GOOD_MAX {
            state.good.retain(|_, until| *until > now.seconds());
        }
        if state.good.len() < GOOD_MAX {
            state.good.insert(token, until);
        }
    }

    /// Notes that the feed was opened.
    pub(crate) fn opened(&self, now: Moment) {
        self.state().open(now);
    }

    /// Notes what was said.
    pub(crate) fn heard(&self, said: Said, now: Moment) {
        let mut state = self.state();
        state.heard_at = Some(now);
        if let Said::Ended(session_id) = said {
            if state.ended.len() >= ENDED_MAX {
                state.open(now);
            }
            state.ended.insert(session_id);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A thread that panicked left a set that lacks one entry at most, and that entry's feed is read by it alone.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn open(&mut self, now: Moment) {
        *self = State {
            opening: self.opening + 1,
            opened_at: Some(now),
            heard_at: Some(now),
            ..State::default()
        };
    }
}

/// What a line of the feed says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// That the feed is heard.
    On,
    /// That a session ended.
    Ended(String),
}

/// What was sent is no feed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NoFeed;

/// Server-sent events, put together from whatever pieces arrive.
#[derive(Default)]
pub(crate) struct Events {
    line: Vec<u8>,
    is_end: bool,
    data: Option<String>,
}

impl Events {
    /// Reads a piece, and says each thing it says.
    pub(crate) fn read(&mut self, piece: &[u8], mut say: impl FnMut(Said)) -> Result<(), NoFeed> {
        for byte in piece {
            match byte {
                b'\n' => {
                    let line = std::mem::take(&mut self.line);
                    let line = str::from_utf8(&line).map_err(|_| NoFeed)?;
                    say(self.take(line.trim_end_matches('\r'))?);
                }
                _ if self.line.len() == LINE_BYTES_MAX => return Err(NoFeed),
                byte => self.line.push(*byte),
            }
        }
        Ok(())
    }

    /// What a line says; an event is said by the empty line that ends it.
    fn take(&mut self, line: &str) -> Result<Said, NoFeed> {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" if !line.is_empty() => self.is_end = value == "ended",
            "data" => self.data = Some(value.to_owned()),
            "" if line.is_empty() => {
                let data = self.data.take();
                if std::mem::take(&mut self.is_end) {
                    let ended = data.filter(|data| is_lower_hexadecimal(data, 64));
                    return ended.map(Said::Ended).ok_or(NoFeed);
                }
            }
            _ => {}
        }
        Ok(Said::On)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Moment {
        Moment {
            unix: Duration::from_millis(1_700_000_000_000 + milliseconds),
            steady: Duration::from_millis(milliseconds),
        }
    }

    fn issued(seconds: u64) -> UnixSeconds {
        UnixSeconds(1_700_000_000 + seconds)
    }

    fn numbered(number: usize) -> Digest {
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&number.to_be_bytes());
        digest
    }

    fn judge(feed: &Feed, milliseconds: u64) -> Heard {
        feed.judge(&[1; 32], "sid", issued(0), at(milliseconds))
    }

    fn ticket(feed: &Feed, milliseconds: u64) -> Ticket {
        match judge(feed, milliseconds) {
            Heard::Ask(Some(ticket)) => ticket,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn feed_that_was_silent_for_a_second_says_nothing_any_more() {
        let feed = Feed::default();
        let young = |milliseconds| feed.judge(&[1; 32], "sid", issued(61), at(milliseconds));
        assert_eq!(young(0), Heard::Ask(None), "it was never opened");
        feed.opened(at(0));
        assert_eq!(young(1_000), Heard::Alive);
        assert_eq!(young(1_001), Heard::Ask(None));
        feed.heard(Said::On, at(1_500));
        assert_eq!(young(2_500), Heard::Alive);
    }

    #[test]
    fn token_of_before_the_feed_is_asked_about_once() {
        let feed = Feed::default();
        feed.opened(at(0));
        assert_eq!(
            judge(&feed, 1_000),
            Heard::Ask(None),
            "the nodes may not have heard yet"
        );
        feed.heard(Said::On, at(1_500));
        let asked = ticket(&feed, 1_500);
        feed.keep(asked, [1; 32], issued(3_600), at(1_600));
        assert_eq!(judge(&feed, 1_600), Heard::Alive);
        let other = feed.judge(&[2; 32], "sid", issued(60), at(1_600));
        assert_eq!(other, Heard::Ask(Some(asked)), "clocks may be 60 s apart");
    }

    #[test]
    fn answer_to_a_question_of_before_the_opening_is_not_kept() {
        let feed = Feed::default();
        feed.opened(at(0));
        feed.heard(Said::On, at(1_500));
        let asked = ticket(&feed, 1_500);
        feed.opened(at(2_000));
        feed.keep(asked, [1; 32], issued(3_600), at(2_000));
        feed.heard(Said::On, at(3_500));
        assert_eq!(judge(&feed, 3_500), Heard::Ask(Some(Ticket(2))));
    }

    #[test]
    fn ended_session_is_over_however_young_or_well_known_its_token() {
        let feed = Feed::default();
        feed.opened(at(0));
        feed.heard(Said::On, at(1_500));
        feed.keep(ticket(&feed, 1_500), [1; 32], issued(3_600), at(1_500));
        feed.heard(Said::Ended("sid".into()), at(1_600));
        assert_eq!(judge(&feed, 1_600), Heard::Ended);
        assert_eq!(
            feed.judge(&[2; 32], "sid", issued(900), at(9_000)),
            Heard::Ended,
            "and silent"
        );
    }

    #[test]
    fn memory_is_bounded_and_forgets_towards_asking() {
        let feed = Feed::default();
        feed.opened(at(0));
        for number in 0..ENDED_MAX {
            feed.heard(Said::Ended(format!("{number:064x}")), at(1_500));
        }
        let asked = ticket(&feed, 1_500);
        for number in 0..GOOD_MAX {
            feed.keep(asked, numbered(number), issued(10), at(1_500));
        }
        feed.keep(asked, [1; 32], issued(20), at(1_500));
        assert_eq!(judge(&feed, 1_500), Heard::Ask(Some(asked)), "there is no room");
        feed.heard(Said::On, at(10_000));
        feed.keep(asked, [1; 32], issued(20), at(10_000));
        assert_eq!(
            judge(&feed, 10_000),
            Heard::Alive,
            "the others ended by themselves"
        );
        feed.heard(Said::Ended("one more".into()), at(10_000));
        assert_eq!(feed.state().ended.len(), 1);
        assert_eq!(
            judge(&feed, 10_000),
            Heard::Ask(None),
            "as if it were opened anew"
        );
    }

    #[test]
    fn events_are_read_from_whatever_pieces_arrive() {
        let sid = "ab".repeat(32);
        let text =
            format!(": on\n\nevent: other\r\ndata: x\n\nid: 1\nevent:ended\r\ndata: {sid}\r\n\r\n: on\n");
        for size in 1..text.len() {
            let (mut events, mut ended, mut said) = (Events::default(), Vec::new(), 0);
            for piece in text.as_bytes().chunks(size) {
                let read = events.read(piece, |what| {
                    said += 1;
                    if let Said::Ended(session) = what {
                        ended.push(session);
                    }
                });
                assert_eq!(read, Ok(()));
            }
            assert_eq!((ended, said), (vec![sid.clone()], 10));
        }
    }

    #[test]
    fn feed_of_another_form_is_given_up() {
        let sid = "AB".repeat(32);
        for text in [
            format!("event: ended\ndata: {sid}\n\n"),
            "event: ended\n\n".into(),
            "\u{ff}".into(),
        ] {
            let text = [text.as_bytes(), b"\n"].concat();
            let read = Events::default().read(&text, |_| ());
            assert_eq!(read, if text[0] == 0xc3 { Ok(()) } else { Err(NoFeed) });
        }
        assert_eq!(Events::default().read(b"\xff\n", |_| ()), Err(NoFeed));
        let long = vec![b':'; LINE_BYTES_MAX];
        let mut events = Events::default();
        assert_eq!(events.read(&long, |_| ()), Ok(()));
        assert_eq!(events.read(b":", |_| ()), Err(NoFeed));
    }
}
