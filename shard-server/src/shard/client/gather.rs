//! Appends that wait for a call: while calls are under way, later appends gather in the next one. Without I/O.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::health::Outage;
use super::hold::Held;
use crate::protocol::{Append, Refusal, RunOutcome};

/// The most calls under way: one is written while the next arrives.
const MAX_CALLS: usize = 2;
/// Appends gather in a call as long as they are no more than this together; a larger one is a call of its own.
const MAX_GATHERED_BYTES: usize = 1 << 20;
/// What a run counts beside its block, so that the head of a call stays small.
const RUN_BYTES: usize = 64;

/// An append that waits for its call, or for the answer to it.
#[derive(Debug)]
pub struct Waiting {
    /// What is appended.
    pub append: Append,
    /// How long after the beginning of an outage it is held.
    pub hold: Duration,
    /// Its room in the budget.
    pub held: Held,
    /// Who waits for it.
    pub reply: oneshot::Sender<Outcome>,
}

/// What became of an append.
#[derive(Debug)]
pub enum Outcome {
    /// It was done, or will not be.
    Final(Result<Vec<RunOutcome>, Refusal>),
    /// Nothing of it was done, as none of its shards is there; it is given back.
    UnknownShards(Append, Refusal),
}

/// The appends of a member.
#[derive(Debug, Default)]
pub struct Appends {
    waiting: VecDeque<Waiting>,
    calls: usize,
}

impl Waiting {
    /// The encoded bytes of its records.
    pub fn bytes(&self) -> usize {
        bytes_of(&self.append)
    }

    fn gathered_bytes(&self) -> usize {
        self.bytes() + RUN_BYTES * self.append.runs.len()
    }
}

impl Appends {
    pub fn push(&mut self, append: Waiting) {
        self.waiting.push_back(append);
    }

    /// Puts appends that were certainly not done before all others.
    pub fn push_back_in_front(&mut self, appends: Vec<Waiting>) {
        appends.into_iter().rev().for_each(|append| self.waiting.push_front(append));
    }

    /// What is sent next, if a call may begin: appends to one log.
    pub fn begin_call(&mut self) -> Option<Vec<Waiting>> {
        if self.calls == MAX_CALLS {
            return None;
        }
        let first = self.waiting.pop_front()?;
        self.calls += 1;
        let mut bytes = first.gathered_bytes();
        let mut call = vec![first];
        while let Some(next) = self.waiting.front() {
            bytes += next.gathered_bytes();
            let (target, log) = (&call[0].append, &next.append);
            if bytes > MAX_GATHERED_BYTES || (&target.stream_uid, &target.log) != (&log.stream_uid, &log.log)
            {
                break;
            }
            call.extend(self.waiting.pop_front());
        }
        Some(call)
    }

    /// A call has ended.
    pub fn end_call(&mut self) {
        self.calls -= 1;
    }

    /// Removes the waiting appends for which `refuse` has a refusal.
    pub fn refuse(
        &mut self,
        mut refuse: impl FnMut(&mut Waiting) -> Option<Refusal>,
    ) -> Vec<(Waiting, Refusal)> {
        let mut refused = Vec::new();
        for mut append in std::mem::take(&mut self.waiting) {
            match refuse(&mut append) {
                Some(refusal) => refused.push((append, refusal)),
                None => self.waiting.push_back(append),
            }
        }
        refused
    }

    /// When the first of the waiting appends has been held for too long.
    pub fn first_deadline(&self, outage: &Outage) -> Option<Instant> {
        self.waiting.iter().map(|append| outage.deadline(append.hold)).min()
    }
}

/// The encoded bytes of an append's records.
pub fn bytes_of(append: &Append) -> usize {
    append.runs.iter().map(|run| run.block.bytes().len()).sum()
}

/// The appends of a call as one.
pub fn joined(call: &[Waiting]) -> Append {
    let runs = call.iter().flat_map(|waiting| &waiting.append.runs).cloned().collect();
    let Append { stream_uid, log, .. } = &call[0].append;
    Append { stream_uid: stream_uid.clone(), log: log.clone(), id: None, runs }
}
