//! The design on several nodes over one store, small enough to be explored whole: load, decide, commit with a check
//! of the version, reveal; nodes that are killed, commits whose answer is lost, hints that come late.
//!
//! One object is looked at, a code or a session: objects are rows of their own. The design rests on four guards, and
//! without any one of them the exploration finds an order of events that breaks the promise of [`crate::once`]:
//!
//! - The **version** that a decision was made upon is checked at the commit. It alone orders two nodes.
//! - An answer is **durable before** it is revealed. Otherwise whoever is killed has promised what nobody knows of.
//! - A session is **looked up** in the store. What a node remembers of it is as old as the last hint that reached it.
//! - A commit of **unknown** fate is never decided again: the second look would meet the first one's traces.
//!
//! Refusals change nothing here: an object that is over stays over, so a refusal stays right.

use stateright::semantics::{ConsistencyTester, LinearizabilityTester};
use stateright::{Model, Property};

use crate::once::{Once, Op, Ret};

/// Number of nodes.
pub const NODES: usize = 3;

/// What the design rests on; one of them may be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// The store checks at the commit that the row still has the version that was decided upon.
    Version,
    /// Nothing is revealed before it is durable.
    DurableBeforeAnswer,
    /// A session is looked up in the store for every use.
    LookedUp,
    /// A commit of unknown fate is left at that.
    UnknownIsFinal,
}

/// Who asks for what, what may go wrong, and what was removed.
#[derive(Clone, Debug)]
pub struct Design {
    /// Each operation and the node that is asked.
    pub asked: Vec<(usize, Op)>,
    /// Nodes that may be killed; each begins again at once and remembers nothing.
    pub kills: u8,
    /// Commits whose answer may be lost.
    pub losses: u8,
    /// Commits of others to the same row.
    pub others: u8,
    /// The guard that is missing.
    pub without: Option<Guard>,
}

/// The stored row.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Row {
    version: u8,
    over: bool,
}

/// How far an operation is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Not begun.
    Waiting,
    /// Decided upon this version.
    Decided(Ret, u8),
    /// Durable, and not revealed.
    Durable(Ret),
    /// Revealed before it was durable; only without a guard.
    Promised(u8),
    /// Revealed, or never to be.
    Done,
}

/// Everything at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    row: Row,
    stages: Vec<Stage>,
    /// Which nodes were told that the session is over.
    hinted: [bool; NODES],
    kills: u8,
    losses: u8,
    others: u8,
    lost_races: bool,
    told: LinearizabilityTester<usize, Once>,
}

impl std::hash::Hash for State {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (
            &self.row,
            &self.stages,
            self.hinted,
            self.kills,
            self.losses,
            self.others,
        )
            .hash(state);
        self.told.hash(state);
    }
}

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// An operation is asked for; its node loads and decides.
    Decide(usize),
    /// Its node commits; a race that was lost is decided again.
    Commit(usize),
    /// Its node commits and the answer is lost on the way; it stands or does not.
    LoseAnswer(usize, bool),
    /// The client is told.
    Reveal(usize),
    /// A node is killed.
    Kill(usize),
    /// A node hears that the session is over.
    Hint(usize),
    /// Something else of the same row is committed.
    Other,
}

impl Design {
    /// One code, presented at all nodes.
    #[must_use]
    pub fn of_a_code() -> Design {
        Design {
            asked: [0, 1, 2, 0].map(|node| (node, Op::PresentCode)).to_vec(),
            kills: 1,
            losses: 1,
            others: 1,
            without: None,
        }
    }

    /// One session, revoked at two nodes and used at all.
    #[must_use]
    pub fn of_a_session() -> Design {
        Design {
            asked: vec![
                (0, Op::RevokeSession),
                (1, Op::RevokeSession),
                (0, Op::UseSession),
                (1, Op::UseSession),
                (2, Op::UseSession),
            ],
            ..Design::of_a_code()
        }
    }

    /// The same without a guard.
    #[must_use]
    pub fn without(self, guard: Guard) -> Design {
        Design {
            without: Some(guard),
            ..self
        }
    }

    fn has(&self, guard: Guard) -> bool {
        self.without != Some(guard)
    }

    /// Loads and decides, or answers from what the node remembers.
    fn decide(&self, state: &mut State, number: usize) {
        let (node, op) = self.asked[number];
        let is_over = match (op, self.has(Guard::LookedUp)) {
            (Op::UseSession, false) => state.hinted[node],
            _ => state.row.over,
        };
        let decided = if is_over { Ret::Refused } else { Ret::Accepted };
        let changes = !is_over && op.ends();
        state.stages[number] = match changes {
            true => Stage::Decided(decided, state.row.version),
            false => Stage::Durable(decided),
        };
    }

    fn write(state: &mut State) {
        state.row.over = true;
        state.row.version += 1;
    }

    fn commit(&self, state: &mut State, number: usize, upon: u8) {
        let was_promised = matches!(state.stages[number], Stage::Promised(_));
        if self.has(Guard::Version) && state.row.version != upon {
            state.lost_races = true;
            match was_promised {
                // Nothing can be taken back.
                true => state.stages[number] = Stage::Done,
                false => self.decide(state, number),
            }
            return;
        }
        Design::write(state);
        state.stages[number] = match was_promised {
            true => Stage::Done,
            false => Stage::Durable(Ret::Accepted),
        };
    }

    fn reveal(&self, state: &mut State, number: usize) {
        let (answer, next) = match state.stages[number] {
            Stage::Durable(answer) => (answer, Stage::Done),
            Stage::Decided(answer, upon) => (answer, Stage::Promised(upon)),
            _ => return,
        };
        state.stages[number] = next;
        state
            .told
            .on_return(number, answer)
            .expect("it was asked, and is answered once");
    }
}

impl Model for Design {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            row: Row {
                version: 1,
                over: false,
            },
            stages: vec![Stage::Waiting; self.asked.len()],
            hinted: [false; NODES],
            kills: 0,
            losses: 0,
            others: 0,
            lost_races: false,
            told: LinearizabilityTester::new(Once::default()),
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (number, stage) in state.stages.iter().enumerate() {
            match stage {
                Stage::Waiting => actions.push(Action::Decide(number)),
                Stage::Decided(..) => {
                    actions.push(Action::Commit(number));
                    if state.losses < self.losses {
                        actions.extend([true, false].map(|stands| Action::LoseAnswer(number, stands)));
                    }
                    if !self.has(Guard::DurableBeforeAnswer) {
                        actions.push(Action::Reveal(number));
                    }
                }
                Stage::Durable(_) => actions.push(Action::Reveal(number)),
                Stage::Promised(_) => actions.push(Action::Commit(number)),
                Stage::Done => {}
            }
        }
        if state.kills < self.kills {
            actions.extend((0..NODES).map(Action::Kill));
        }
        // Where nobody looks at what a node remembers, it makes no difference.
        if state.row.over && !self.has(Guard::LookedUp) {
            let deaf = (0..NODES).filter(|node| !state.hinted[*node]);
            actions.extend(deaf.map(Action::Hint));
        }
        if state.others < self.others {
            actions.push(Action::Other);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Decide(number) => {
                let (_, op) = self.asked[number];
                state.told.on_invoke(number, op).expect("it is asked once");
                self.decide(&mut state, number);
            }
            Action::Commit(number) => match state.stages[number] {
                Stage::Decided(_, upon) | Stage::Promised(upon) => self.commit(&mut state, number, upon),
                _ => return None,
            },
            Action::LoseAnswer(number, stands) => {
                let Stage::Decided(_, upon) = state.stages[number] else {
                    return None;
                };
                let holds = !self.has(Guard::Version) || state.row.version == upon;
                if stands && !holds {
                    return None;
                }
                if stands {
                    Design::write(&mut state);
                }
                state.losses += 1;
                match self.has(Guard::UnknownIsFinal) {
                    true => state.stages[number] = Stage::Done,
                    false => self.decide(&mut state, number),
                }
            }
            Action::Reveal(number) => self.reveal(&mut state, number),
            Action::Kill(node) => {
                state.kills += 1;
                state.hinted[node] = false;
                let at_node = self.asked.iter().map(|(asked, _)| *asked == node);
                for (stage, is_lost) in state.stages.iter_mut().zip(at_node) {
                    if is_lost && *stage != Stage::Waiting {
                        *stage = Stage::Done;
                    }
                }
            }
            Action::Hint(node) => state.hinted[node] = true,
            Action::Other => {
                state.others += 1;
                state.row.version += 1;
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(PROMISE, |_, state: &State| state.told.is_consistent()),
            // What could never happen would prove nothing.
            Property::sometimes("a race is lost", |_, state: &State| state.lost_races),
            Property::sometimes("an answer is lost and its commit stands", |_, state: &State| {
                state.losses > 0 && state.row.over && state.stages.contains(&Stage::Waiting)
            }),
            Property::sometimes("all are answered", |design: &Design, state: &State| {
                state.told.len() == design.asked.len()
                    && state.stages.iter().all(|stage| *stage == Stage::Done)
            }),
        ]
    }
}

/// The name of the promise that [`crate::once`] specifies.
pub const PROMISE: &str = "accepted at most once, and over for good";
