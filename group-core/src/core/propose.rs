//! Judging and numbering: staged calls become batches. This is where an append gets its offsets.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;

use catalog::ShardId;
use smallvec::{SmallVec, smallvec};

use super::{Core, Pending, Staged, UnderWay};
use crate::call::{Answer, Append, Call, NotDone, RunOutcome, Token};
use crate::effect::Effect;
use crate::entry::{Appended, Batch, Change, Entry, Run};
use crate::record::MAX_BLOCK_BYTES;
use crate::reshard::{Judgement, Reshard, Resharded};
use crate::state::{Continuity, LogShard};

/// A batch takes appends as long as their records are no more than this together; a larger one is a batch of its own.
const BATCH_BYTES: usize = 1 << 20;

/// The entries of one shard in a batch.
struct ShardEntries {
    entries: SmallVec<[Entry; 1]>,
    /// Of the last of these entries.
    entry_bytes: usize,
    next_offset: u64,
    arrival_ms: u64,
}

impl Core {
    /// Proposes all that is due and staged.
    pub(super) fn propose(&mut self) {
        if self.halted.is_some() {
            return;
        }
        self.propose_step();
        if let Some(horizon_ms) = self.trim_due_ms.take() {
            self.propose_change(Change::Trim { horizon_ms });
        }
        while let Some(staged) = self.staged.pop_front() {
            if staged.deadline_ms < self.keeper.boottime_ms() {
                self.answer(staged.token, staged.call.session(), Answer::NotDone(NotDone::Late));
                continue;
            }
            match staged.call {
                Call::Append(append) => self.propose_appends(staged.token, append),
                Call::SetRetention { hours } => {
                    if self.proposed.retention_hours != Some(hours) {
                        self.propose_change(Change::SetRetention { hours });
                    }
                    self.answer_later(staged.token, None, Answer::Done);
                }
                Call::Reshard(reshard) => self.propose_reshard(staged.token, reshard),
            }
        }
        if std::mem::take(&mut self.quiet) && self.unconfirmed() {
            self.propose_batch(Vec::new());
        }
        self.answer_committed();
    }

    /// Proposes an append, and all that are staged behind it and fit into its batch.
    fn propose_appends(&mut self, token: Token, append: Append) {
        let mut shards = BTreeMap::new();
        let mut bytes = append.bytes();
        let mut answers: SmallVec<[_; 8]> = smallvec![self.number(token, append, &mut shards)];
        while let Some(Staged { call: Call::Append(next), deadline_ms, .. }) = self.staged.front() {
            bytes += next.bytes();
            if bytes > BATCH_BYTES || *deadline_ms < self.keeper.boottime_ms() {
                break;
            }
            let Some(Staged { token, call: Call::Append(next), .. }) = self.staged.pop_front() else { break };
            answers.push(self.number(token, next, &mut shards));
        }
        let entries: Vec<Entry> = shards.into_values().flat_map(|shard| shard.entries).collect();
        if !entries.is_empty() {
            self.propose_batch(entries);
        }
        for (token, session, outcomes) in answers {
            self.answer_later(token, session, Answer::Append(outcomes));
        }
    }

    /// Numbers the runs of an append, in order.
    fn number(
        &self,
        token: Token,
        append: Append,
        shards: &mut BTreeMap<ShardId, ShardEntries>,
    ) -> (Token, Option<(u64, u64)>, Vec<RunOutcome>) {
        let time_ms = self.time_ms();
        let mut outcomes = Vec::with_capacity(append.runs.len());
        for run in append.runs {
            outcomes.push(match invalid(&run) {
                Some(why) => RunOutcome::Invalid(why),
                None => match shards.entry(run.shard) {
                    Slot::Occupied(mut entries) => RunOutcome::Appended(entries.get_mut().add(run)),
                    Slot::Vacant(slot) => match self.proposed.shards.get(&run.shard) {
                        Some(LogShard { seal: Some(_), .. }) => {
                            RunOutcome::Sealed(self.proposed.successors(run.shard).unwrap_or_default())
                        }
                        Some(shard) => {
                            RunOutcome::Appended(slot.insert(ShardEntries::new(shard, time_ms)).add(run))
                        }
                        None => RunOutcome::NotHere,
                    },
                },
            });
        }
        (token, append.session, outcomes)
    }

    /// Proposes a reshard, unless it was done before or is refused.
    fn propose_reshard(&mut self, token: Token, reshard: Reshard) {
        let op = reshard.op;
        let outcome = match self.proposed.judge(reshard, self.time_ms()) {
            Judgement::Due(change) => {
                self.propose_change(change);
                // Its outcome can be absent only if the core has halted: then that is the answer.
                let nothing = Resharded { sealed: Vec::new(), opened: Vec::new() };
                Ok(self.proposed.resharded(op).unwrap_or(nothing))
            }
            Judgement::Done(resharded) => Ok(resharded),
            Judgement::Refused(refusal) => Err(refusal),
        };
        self.answer_later(token, None, Answer::Reshard(outcome));
    }

    pub(super) fn propose_change(&mut self, change: Change) {
        self.propose_batch(vec![Entry { change, blocks: SmallVec::new() }]);
    }

    /// Log time for what is proposed now: behind a clock step as soon as that is proposed.
    fn time_ms(&self) -> u64 {
        self.keeper.time_ms().max(self.proposed.time_ms)
    }

    /// Proposes a batch behind all others; the first of a term behind an empty one, which begins the term.
    fn propose_batch(&mut self, entries: Vec<Entry>) {
        if !std::mem::replace(&mut self.began_term, true) {
            self.propose_batch(Vec::new());
        }
        if self.halted.is_some() {
            return;
        }
        self.confirmation_refused &= entries.is_empty();
        let time_ms = self.time_ms();
        let batch = Batch { index: self.proposed.index + 1, term: self.term, time_ms, entries };
        if let Err(inconsistent) = self.proposed.apply(batch.step(), Continuity::Required) {
            return self.halt(&format!("a batch was proposed that does not fit: {inconsistent}"));
        }
        self.last_number += 1;
        let number = self.last_number;
        let changes = batch.entries.iter().map(|entry| entry.change.clone()).collect();
        self.under_way.push_back(UnderWay { number, index: batch.index, term: batch.term, time_ms, changes });
        self.effects.push(Effect::Persist { number, batch });
    }

    /// Answers when all that is proposed by now is committed.
    fn answer_later(&mut self, token: Token, session: Option<(u64, u64)>, answer: Answer) {
        if let Some(reason) = &self.halted {
            let answer = Answer::NotDone(NotDone::Halted(reason.clone()));
            return self.answer(token, session, answer);
        }
        self.pending.push_back(Pending { index: self.proposed.index, token, session, answer });
    }
}

/// Why a run cannot be appended anywhere.
fn invalid(run: &Run) -> Option<&'static str> {
    match run.block.count() {
        0 => Some("a run has no records"),
        1 => None,
        _ if run.block.bytes().len() > MAX_BLOCK_BYTES => {
            Some("a run of several records has more than 128 KiB")
        }
        _ => None,
    }
}

impl Append {
    /// The encoded bytes of its records.
    fn bytes(&self) -> usize {
        self.runs.iter().map(|run| run.block.bytes().len()).sum()
    }
}

impl ShardEntries {
    fn new(shard: &LogShard, time_ms: u64) -> Self {
        let arrival_ms = time_ms.max(shard.last_arrival_ms);
        Self { entries: SmallVec::new(), entry_bytes: 0, next_offset: shard.next_offset, arrival_ms }
    }

    /// Adds a run behind the others: to the last entry if it fits, else as an entry of its own.
    fn add(&mut self, run: Run) -> Appended {
        let Run { shard, block } = run;
        let (first_offset, arrival_ms) = (self.next_offset, self.arrival_ms);
        let (count, bytes) = (block.count(), block.bytes().len());
        self.next_offset += u64::from(count);
        match self.entries.last_mut() {
            Some(Entry { change: Change::Append { records, .. }, blocks })
                if self.entry_bytes + bytes <= MAX_BLOCK_BYTES =>
            {
                *records += count;
                blocks.push(block);
                self.entry_bytes += bytes;
            }
            _ => {
                let change = Change::Append { shard, first_offset, records: count, arrival_ms };
                self.entries.push(Entry { change, blocks: smallvec![block] });
                self.entry_bytes = bytes;
            }
        }
        Appended { first_offset, arrival_ms }
    }
}
