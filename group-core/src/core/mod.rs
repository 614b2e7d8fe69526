//! The state machine: it numbers and judges calls, and answers them once what they were judged on is committed.
//!
//! [`Core::handle`] takes an event; [`Core::poll`] gives what is to be done. Between the two nothing happens, so whoever
//! drives it may hand in many calls and poll once: they become one batch.
//!
//! What is staged is bounded by who hands it in; what is under way and pending is bounded by that too, as nothing else
//! makes batches but a clock step, a trim, a confirmation and the first batch of a term, each once at a time.

mod commit;
mod propose;
mod sessions;
#[cfg(test)]
mod tests;
mod time;

use std::collections::VecDeque;

use smallvec::SmallVec;

use crate::call::{Answer, Call, NotDone, Token};
use crate::clock::{ClockReading, LogClock, Timekeeper};
use crate::effect::Effect;
use crate::entry::Change;
use crate::event::Event;
use crate::state::State;
use sessions::{Seen, Sessions};

/// How a core behaves.
#[derive(Clone, Copy, Debug, Default)]
pub struct Config {
    /// Whether a clock step needs no other machine's clock: where there is no other machine.
    pub trusts_own_clock: bool,
}

/// The state machine of one shard group, which is its own leader.
#[derive(Debug)]
pub struct Core {
    /// The term of this opening.
    term: u64,
    /// The fold of all that was proposed, committed or not: what calls are judged by.
    proposed: State,
    /// The fold of what is committed.
    committed: State,
    /// Batches that are not durable yet, in order.
    under_way: VecDeque<UnderWay>,
    last_number: u64,
    staged: VecDeque<Staged>,
    pending: VecDeque<Pending>,
    sessions: Sessions,
    /// Log time; behind a clock step once that is committed.
    keeper: Timekeeper,
    /// The wall clock as it was at opening, where that is enough to step.
    trusted_clock: Option<LogClock>,
    /// The wall clock when another machine's agreed with it: a step is due.
    agreed_clock: Option<LogClock>,
    /// Whether the first batch of the term is proposed.
    began_term: bool,
    /// Whether the last committed batch had no entries, or was there at opening: nothing is to be confirmed.
    committed_is_empty: bool,
    /// Whether a confirmation is due.
    quiet: bool,
    /// Whether the store had no room for the last confirmation: there is none before the next entries.
    confirmation_refused: bool,
    /// A trim that is due.
    trim_due_ms: Option<u64>,
    halted: Option<String>,
    /// What is to be done and was not polled yet.
    effects: Vec<Effect>,
}

/// A batch that is not durable yet.
#[derive(Debug)]
struct UnderWay {
    number: u64,
    index: u64,
    term: u64,
    time_ms: u64,
    changes: SmallVec<[Change; 1]>,
}

/// A call that is not proposed yet.
#[derive(Debug)]
struct Staged {
    token: Token,
    call: Call,
    deadline_ms: u64,
}

/// An answer that waits until what it was judged on is committed. None takes another's place: an index is proposed
/// again only after all that waited for it was answered.
#[derive(Debug)]
struct Pending {
    index: u64,
    token: Token,
    session: Option<(u64, u64)>,
    answer: Answer,
}

impl Core {
    /// Goes on from the state that recovery found, all of which is committed: the group has one voter.
    #[must_use]
    pub fn open(config: Config, state: State, clock: ClockReading) -> Self {
        let keeper = Timekeeper::new(state.time_ms, clock);
        let trusted_clock = keeper.wall_ahead().filter(|_| config.trusts_own_clock);
        let mut core = Self {
            term: state.term + 1,
            committed: state.clone(),
            proposed: state,
            under_way: VecDeque::new(),
            last_number: 0,
            staged: VecDeque::new(),
            pending: VecDeque::new(),
            sessions: Sessions::default(),
            keeper,
            trusted_clock,
            agreed_clock: None,
            began_term: false,
            committed_is_empty: true,
            quiet: false,
            confirmation_refused: false,
            trim_due_ms: None,
            halted: None,
            effects: Vec::new(),
        };
        core.publish();
        core
    }

    /// Takes an event. What it leads to is given by [`Core::poll`].
    pub fn handle(&mut self, event: Event) {
        match event {
            Event::Call { token, call, deadline_ms } => self.call(Staged { token, call, deadline_ms }),
            Event::ClockSeen { other_ms } => self.see_clock(other_ms),
            Event::Persisted { number } => self.persisted(number),
            Event::Refused { number, reason } => self.refused(number, &reason),
            Event::Failed { reason } => self.failed(&reason),
            Event::Tick { clock, store } => self.tick(clock, store),
            Event::Quiet => self.quiet = true,
        }
    }

    /// What is to be done now, in order; proposes what was staged.
    pub fn poll(&mut self, effects: &mut Vec<Effect>) {
        self.propose();
        effects.append(&mut self.effects);
    }

    /// Whether the last batch waits to be confirmed, so that [`Event::Quiet`] is due after a moment of quiet.
    #[must_use]
    pub fn unconfirmed(&self) -> bool {
        let last_is_empty =
            self.under_way.back().map_or(self.committed_is_empty, |last| last.changes.is_empty());
        !last_is_empty && !self.confirmation_refused
    }

    /// Why the clock of this machine is not believed, if it is not.
    #[must_use]
    pub fn clock_suspect(&self) -> Option<String> {
        let due = self.agreed_clock.or(self.trusted_clock);
        if due.is_some_and(|clock| self.is_step(clock)) { None } else { self.keeper.suspect() }
    }

    /// The state that calls are judged by.
    #[must_use]
    pub fn proposed(&self) -> &State {
        &self.proposed
    }

    /// The state behind the last committed batch.
    #[must_use]
    pub fn committed(&self) -> &State {
        &self.committed
    }

    /// Log time as it is committed, to go on from.
    #[must_use]
    pub fn clock(&self) -> LogClock {
        self.keeper.clock()
    }

    fn call(&mut self, staged: Staged) {
        if let Some(pair) = staged.call.session() {
            match self.sessions.see(pair, staged.token) {
                Seen::New => {}
                Seen::Pending => return,
                Seen::Answered(answer) => {
                    self.effects.push(Effect::Answer { token: staged.token, answer });
                    return;
                }
            }
        }
        if let Some(reason) = &self.halted {
            let answer = Answer::NotDone(NotDone::Halted(reason.clone()));
            return self.answer(staged.token, staged.call.session(), answer);
        }
        self.staged.push_back(staged);
    }

    fn publish(&mut self) {
        let (index, clock) = (self.committed.index, self.keeper.clock());
        self.effects.push(Effect::Publish { index, clock });
    }

    fn answer(&mut self, token: Token, session: Option<(u64, u64)>, answer: Answer) {
        if let Some(pair) = session {
            for token in self.sessions.answered(pair, &answer) {
                self.effects.push(Effect::Answer { token, answer: answer.clone() });
            }
        }
        self.effects.push(Effect::Answer { token, answer });
    }
}

impl Call {
    fn session(&self) -> Option<(u64, u64)> {
        match self {
            Self::Append(append) => append.session,
            Self::SetRetention { .. } | Self::Reshard(_) => None,
        }
    }
}
