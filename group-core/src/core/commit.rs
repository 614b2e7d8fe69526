//! What becomes of batches: durable and so committed, refused, or unknown.

use super::{Core, UnderWay};
use crate::call::{Answer, NotDone};
use crate::effect::Effect;
use crate::entry::{Change, Step};
use crate::state::{Continuity, Inconsistent, State, horizon_ms};

/// The index up to which a log is committed: where it is durable on most of its voters, whose durable indexes these are.
fn committed_index(mut durable: Vec<u64>) -> u64 {
    durable.sort_unstable_by(|one, other| other.cmp(one));
    durable.get(durable.len() / 2).copied().unwrap_or_default()
}

impl Core {
    /// All batches up to this number are durable here. One that is not under way is late, or of an earlier opening.
    pub(super) fn persisted(&mut self, number: u64) {
        let Some(last) = self.under_way.iter().rposition(|batch| batch.number == number) else { return };
        let durable_index = self.under_way[last].index;
        self.commit(committed_index(vec![durable_index]));
    }

    fn commit(&mut self, index: u64) {
        while self.under_way.front().is_some_and(|batch| batch.index <= index) {
            let Some(batch) = self.under_way.pop_front() else { break };
            if let Err(inconsistent) = fold(&mut self.committed, &batch) {
                return self.halt(&format!("a committed batch does not fit: {inconsistent}"));
            }
            self.committed_is_empty = batch.changes.is_empty();
        }
        self.keeper.reach(self.committed.time_ms);
        self.publish();
        self.answer_committed();
    }

    /// Answers all that waited for what is committed.
    pub(super) fn answer_committed(&mut self) {
        while self.pending.front().is_some_and(|pending| pending.index <= self.committed.index) {
            let Some(pending) = self.pending.pop_front() else { break };
            self.answer(pending.token, pending.session, pending.answer);
        }
    }

    /// The store has no room for a batch: it and all behind it were not written. The log ends before it again.
    pub(super) fn refused(&mut self, number: u64, reason: &str) {
        let Some(first) = self.under_way.iter().position(|batch| batch.number == number) else { return };
        let cut = self.under_way.split_off(first);
        let mut state = self.committed.clone();
        for batch in &self.under_way {
            if let Err(inconsistent) = fold(&mut state, batch) {
                return self.halt(&format!("a proposed batch does not fit: {inconsistent}"));
            }
        }
        self.proposed = state;
        self.began_term = self.proposed.term == self.term;
        self.quiet = false;
        self.confirmation_refused = cut.back().is_some_and(|last| last.changes.is_empty());
        let due_ms = horizon_ms(&self.committed, self.keeper.time_ms());
        for change in cut.iter().flat_map(|batch| &batch.changes) {
            // A full disk must recover by itself: what has expired goes, also where that cannot be written down. But not
            // what expires only by what was refused with it.
            if let Change::Trim { horizon_ms } = change {
                self.effects.push(Effect::Trim { horizon_ms: due_ms.min(*horizon_ms) });
            }
        }
        let first = self.pending.partition_point(|pending| pending.index <= self.proposed.index);
        for pending in self.pending.split_off(first) {
            let answer = Answer::NotDone(NotDone::Full(reason.to_owned()));
            self.answer(pending.token, pending.session, answer);
        }
        self.answer_committed();
    }

    /// A write failed: what was under way may be durable after the next opening, or not.
    pub(super) fn failed(&mut self, reason: &str) {
        self.halt(reason);
    }

    pub(super) fn halt(&mut self, reason: &str) {
        if self.halted.is_some() {
            return;
        }
        self.halted = Some(reason.to_owned());
        self.under_way.clear();
        while let Some(pending) = self.pending.pop_front() {
            self.answer(pending.token, pending.session, Answer::Unknown(reason.to_owned()));
        }
        while let Some(staged) = self.staged.pop_front() {
            let answer = Answer::NotDone(NotDone::Halted(reason.to_owned()));
            self.answer(staged.token, staged.call.session(), answer);
        }
        self.effects.push(Effect::Halt { reason: reason.to_owned() });
    }
}

pub(super) fn fold(state: &mut State, batch: &UnderWay) -> Result<(), Inconsistent> {
    let UnderWay { index, term, time_ms, changes, .. } = batch;
    let step = Step { index: *index, term: *term, time_ms: *time_ms, changes: changes.iter().cloned() };
    state.apply(step, Continuity::Required)
}
