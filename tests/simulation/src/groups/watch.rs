//! Watches one opening of a core at its boundary: checks its effects against its events.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use anyhow::{Context as _, Result, bail, ensure};
use catalog::ShardId;
use group_core::clock::{ClockReading, LogClock};
use group_core::{
    Answer, Batch, Call, Change, Event, Reshard, ReshardRefusal, Resharded, RunOutcome, State, Token,
};

use super::ledger::{History, Ledger, RecordNumber, numbers};

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;
/// The largest difference between two clocks that agree.
const AGREEMENT_MS: u64 = 5 * MINUTE_MS;

/// A call that is not answered yet.
#[derive(Debug)]
struct Asked {
    /// The last write that was proposed before it. It was judged on that write or a later one.
    judged_on: u64,
    deadline_ms: u64,
    runs: Vec<(ShardId, Vec<RecordNumber>)>,
    reshard: Option<Reshard>,
}

/// A write that was proposed and not reported durable.
#[derive(Debug)]
struct Proposed {
    number: u64,
    batch: Batch,
}

/// One opening of a core.
#[derive(Debug)]
pub struct Watch {
    term: u64,
    /// Which of the groups it is.
    group: usize,
    /// The state after all writes that were reported durable.
    durable: State,
    /// The state after all proposed writes.
    proposed_state: State,
    proposed: VecDeque<Proposed>,
    last_number: u64,
    reported_number: u64,
    asked: BTreeMap<Token, Asked>,
    /// The write that the first append of each session and sequence was judged on: a repetition gets the same answer.
    judged_on: BTreeMap<(u64, u64), u64>,
    tick: ClockReading,
    /// The upper bound of log time at the last tick.
    latest_ms: u64,
    /// Boottimes at which another machine's clock agreed.
    agreed_ms: Option<u64>,
    published: u64,
    published_time_ms: u64,
    failed: bool,
    /// Whether it takes no more calls.
    pub halted: bool,
}

/// The result of checking a batch.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// It trims up to here.
    pub trim_ms: Option<u64>,
    /// It steps log time.
    pub stepped: bool,
}

impl Watch {
    /// A core that opens a log with this state, at a moment.
    #[must_use]
    pub fn new(group: usize, state: &State, clock: ClockReading) -> Self {
        Self {
            term: state.term + 1,
            group,
            durable: state.clone(),
            proposed_state: state.clone(),
            proposed: VecDeque::new(),
            last_number: 0,
            reported_number: 0,
            asked: BTreeMap::new(),
            judged_on: BTreeMap::new(),
            tick: clock,
            latest_ms: follow(state.time_ms, clock.wall_ms),
            agreed_ms: None,
            published: 0,
            published_time_ms: state.time_ms,
            failed: false,
            halted: false,
        }
    }

    /// The last write that was proposed.
    #[must_use]
    pub fn last_number(&self) -> u64 {
        self.last_number
    }

    /// The last write that was reported durable.
    #[must_use]
    pub fn reported_number(&self) -> u64 {
        self.reported_number
    }

    /// Whether the wall clock is so far ahead of log time that only a step would take it.
    #[must_use]
    pub fn is_suspect(&self) -> bool {
        self.tick.wall_ms > self.proposed_state.time_ms + HOUR_MS
    }

    /// How many writes are under way.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.proposed.len()
    }

    /// Whether calls wait for an answer.
    #[must_use]
    pub fn has_calls(&self) -> bool {
        !self.asked.is_empty()
    }

    /// An event goes in.
    pub fn goes_in(&mut self, event: &Event) -> Result<()> {
        match event {
            Event::Call { token, call, deadline_ms } => {
                let runs = match call {
                    Call::Append(append) => {
                        append.runs.iter().map(|run| (run.shard, numbers(&run.block).collect())).collect()
                    }
                    Call::SetRetention { .. } | Call::Reshard(_) => Vec::new(),
                };
                let reshard = if let Call::Reshard(reshard) = call { Some(reshard.clone()) } else { None };
                let last = self.proposed.back().map_or(self.reported_number, |proposed| proposed.number);
                let pair = if let Call::Append(append) = call { append.session } else { None };
                let judged_on = pair.map_or(last, |pair| *self.judged_on.entry(pair).or_insert(last));
                let asked = Asked { judged_on, deadline_ms: *deadline_ms, runs, reshard };
                self.asked.insert(*token, asked);
            }
            // A late report of another opening means nothing for this one.
            Event::Persisted { number } if *number > self.last_number => {}
            Event::Persisted { number } => {
                self.reported_number = *number;
                while let Some(proposed) = self.proposed.pop_front_if(|first| first.number <= *number) {
                    apply(&mut self.durable, &proposed.batch)?;
                }
            }
            Event::Refused { number, .. } => self.refused(*number)?,
            Event::Failed { .. } => self.failed = true,
            Event::Tick { clock, .. } => {
                let passed_ms = clock.boottime_ms - self.tick.boottime_ms;
                self.latest_ms = follow(self.latest_ms + passed_ms, clock.wall_ms);
                self.tick = *clock;
            }
            Event::ClockSeen { other_ms } => self.see_clock(*other_ms),
            Event::Quiet => {}
        }
        Ok(())
    }

    fn see_clock(&mut self, other_ms: u64) {
        if other_ms.abs_diff(self.tick.wall_ms) <= AGREEMENT_MS {
            self.agreed_ms = Some(self.tick.boottime_ms);
        }
    }

    /// This write and all later ones were refused: the proposed state is computed again.
    fn refused(&mut self, number: u64) -> Result<()> {
        self.proposed.retain(|proposed| proposed.number < number);
        self.proposed_state = self.durable.clone();
        for proposed in &self.proposed {
            apply(&mut self.proposed_state, &proposed.batch)?;
        }
        let last = self.proposed.back().map_or(self.reported_number, |proposed| proposed.number);
        let asked = self.asked.values_mut().map(|asked| &mut asked.judged_on);
        asked.chain(self.judged_on.values_mut()).for_each(|judged_on| *judged_on = last.min(*judged_on));
        Ok(())
    }

    /// A batch is proposed.
    pub fn persist(&mut self, number: u64, batch: &Batch, history: &History, now_ms: u64) -> Result<Seen> {
        ensure!(!self.failed, "a batch is proposed after a write failed");
        ensure!(number == self.last_number + 1, "write {number} follows write {}", self.last_number);
        ensure!(batch.term == self.term, "a batch of term {} in term {}", batch.term, self.term);
        let seen = self.check_time(batch)?;
        if let Some(horizon_ms) = seen.trim_ms {
            self.check_trim(horizon_ms, batch, history, now_ms)?;
        }
        self.check_runs(batch)?;
        self.check_deadlines(batch)?;
        let before = self.proposed_state.clone();
        apply(&mut self.proposed_state, batch)?;
        // Records that had expired before a clock step stay expired.
        let horizon_ms = self.proposed_state.trim_horizon_ms;
        if seen.stepped && horizon_ms > before.trim_horizon_ms {
            check_due(&before, horizon_ms, batch.time_ms, history, now_ms)?;
        }
        self.last_number = number;
        self.proposed.push_back(Proposed { number, batch: batch.clone() });
        Ok(seen)
    }

    /// Log time advances with boottime, and follows the wall clock by up to an hour, or by a step to which another
    /// machine agrees.
    fn check_time(&mut self, batch: &Batch) -> Result<Seen> {
        let mut seen = Seen::default();
        let mut last_ms = self.latest_ms;
        for entry in &batch.entries {
            match entry.change {
                Change::ClockStep { time_ms } => {
                    let recent = |ms: u64| self.tick.boottime_ms - ms <= HOUR_MS;
                    ensure!(
                        self.agreed_ms.is_some_and(recent),
                        "log time steps, and no other machine agrees"
                    );
                    let off_ms = time_ms.abs_diff(self.tick.wall_ms);
                    ensure!(off_ms <= AGREEMENT_MS, "log time steps to {off_ms} ms off the wall clock");
                    ensure!(time_ms > self.proposed_state.time_ms, "log time steps back");
                    last_ms = last_ms.max(time_ms);
                    seen.stepped = true;
                }
                Change::Trim { horizon_ms } => seen.trim_ms = Some(horizon_ms),
                Change::Append { .. } | Change::SetRetention { .. } | Change::Reshard { .. } => {}
            }
        }
        let before_ms = self.proposed_state.time_ms;
        ensure!(batch.time_ms >= before_ms, "log time goes back by {} ms", before_ms - batch.time_ms);
        ensure!(
            batch.time_ms <= last_ms,
            "log time runs ahead of all that it may follow, by {} ms",
            batch.time_ms - last_ms
        );
        self.latest_ms = last_ms;
        Ok(seen)
    }

    /// Checks that the records that a batch trims were kept for their retention.
    fn check_trim(&self, horizon_ms: u64, batch: &Batch, history: &History, now_ms: u64) -> Result<()> {
        let mut state = self.proposed_state.clone();
        for entry in &batch.entries {
            if let Change::SetRetention { hours } = entry.change {
                state.retention_hours = Some(hours);
            }
        }
        check_due(&state, horizon_ms, batch.time_ms, history, now_ms)
    }

    /// Segments are removed: a committed entry must have trimmed them.
    pub fn check_refused_trim(&self, horizon_ms: u64, history: &History, now_ms: u64) -> Result<()> {
        check_due(&self.durable, horizon_ms, self.latest_ms, history, now_ms)
    }

    /// A call is proposed by its deadline or not at all.
    fn check_deadlines(&self, batch: &Batch) -> Result<()> {
        let records: BTreeSet<_> =
            batch.entries.iter().flat_map(|entry| &entry.blocks).flat_map(numbers).collect();
        let is_in = |asked: &Asked| {
            asked.runs.iter().flat_map(|(_, numbers)| numbers).any(|number| records.contains(number))
        };
        let in_time = |asked: &Asked| asked.deadline_ms >= self.tick.boottime_ms;
        // A repetition may be late: it gets the answer of the first.
        for numbers in
            self.asked.values().filter(|asked| is_in(asked) && !in_time(asked)).map(|asked| &asked.runs)
        {
            let same = self.asked.values().filter(|asked| asked.runs == *numbers);
            ensure!(same.into_iter().any(in_time), "an append is proposed after its deadline");
        }
        Ok(())
    }

    /// Checks that runs continue the offsets of their shard.
    fn check_runs(&self, batch: &Batch) -> Result<()> {
        let mut next: BTreeMap<ShardId, (u64, u64)> = BTreeMap::new();
        for entry in &batch.entries {
            let Change::Append { shard, first_offset, records, arrival_ms } = entry.change else { continue };
            let known = self.proposed_state.shards.get(&shard).context("an append to a shard elsewhere")?;
            let (offset, last_ms) = next.entry(shard).or_insert((known.next_offset, known.last_arrival_ms));
            ensure!(first_offset == *offset, "{shard} goes on with offset {first_offset}, not {offset}");
            ensure!(arrival_ms >= *last_ms, "an arrival in {shard} goes back");
            (*offset, *last_ms) = (*offset + u64::from(records), arrival_ms);
        }
        Ok(())
    }

    /// Readers see batches up to this one.
    pub fn publish(&mut self, index: u64, clock: LogClock) -> Result<()> {
        ensure!(index <= self.durable.index, "batch {index} is shown, {} is committed", self.durable.index);
        ensure!(index >= self.published, "batch {index} is shown after batch {}", self.published);
        self.published = index;
        let elapsed_ms = self.tick.boottime_ms.checked_sub(clock.boottime_ms).context("a clock ahead")?;
        let time_ms = clock.time_ms + elapsed_ms;
        ensure!(time_ms >= self.published_time_ms, "readers see log time go back");
        ensure!(
            time_ms <= self.latest_ms,
            "readers see log time run ahead by {} ms",
            time_ms - self.latest_ms
        );
        self.published_time_ms = time_ms;
        Ok(())
    }

    /// The core takes no more calls.
    pub fn halt(&mut self, reason: &str) -> Result<()> {
        ensure!(self.failed, "it halts on a store that did not fail: {reason}");
        self.halted = true;
        Ok(())
    }

    /// A call is answered.
    pub fn answer(&mut self, token: Token, answer: &Answer, ledger: &Ledger) -> Result<()> {
        let asked = self.asked.remove(&token).context("an answer to a call that is not waiting")?;
        match answer {
            Answer::Append(outcomes) => {
                ensure!(
                    outcomes.len() == asked.runs.len(),
                    "{} outcomes of {} runs",
                    outcomes.len(),
                    asked.runs.len()
                );
                for ((shard, numbers), outcome) in asked.runs.iter().zip(outcomes) {
                    self.check_outcome(*shard, numbers, outcome, asked.judged_on, ledger)?;
                }
            }
            Answer::Reshard(outcome) => {
                let reshard = asked.reshard.context("a reshard is answered that was not asked for")?;
                self.check_reshard(&reshard, outcome, asked.judged_on, ledger)?;
            }
            Answer::Done => ensure!(asked.judged_on <= self.reported_number, "done, and not committed"),
            Answer::NotDone(_) => {}
            Answer::Unknown(_) => ensure!(self.failed, "an unknown outcome of a store that did not fail"),
        }
        Ok(())
    }

    fn check_outcome(
        &self,
        shard: ShardId,
        numbers: &[RecordNumber],
        outcome: &RunOutcome,
        judged_on: u64,
        ledger: &Ledger,
    ) -> Result<()> {
        match outcome {
            RunOutcome::Appended(at) => {
                for (number, first_offset) in numbers.iter().zip(at.first_offset..) {
                    ledger.check_appended(*number, shard, group_core::Appended { first_offset, ..*at })?;
                    ensure!(
                        self.durable.shards[&shard].next_offset > first_offset,
                        "record {number} is answered before its batch is reported durable"
                    );
                }
            }
            RunOutcome::Sealed(successors) => {
                let history = &ledger.groups[self.group];
                ensure!(
                    history.sealed.contains_key(&shard),
                    "{shard} is answered as sealed, and that is not durable"
                );
                ensure!(
                    judged_on <= self.reported_number,
                    "a seal is answered before it is reported durable"
                );
                ensure!(
                    *successors == history.successors(shard),
                    "{shard} is answered with other successors"
                );
            }
            RunOutcome::Invalid(why) => bail!("a run that is well is refused: {why}"),
            RunOutcome::NotHere => {
                ensure!(!ledger.groups[self.group].has(shard), "{shard} is here and is answered as not here");
                ensure!(
                    judged_on <= self.reported_number,
                    "a refusal judged on write {judged_on} is answered when {} is durable",
                    self.reported_number
                );
            }
        }
        Ok(())
    }
}

impl Watch {
    /// An operation that is answered as done is durable, whenever that was; one that is refused has a reason.
    fn check_reshard(
        &self,
        reshard: &Reshard,
        outcome: &Result<Resharded, ReshardRefusal>,
        judged_on: u64,
        ledger: &Ledger,
    ) -> Result<()> {
        let history = &ledger.groups[self.group];
        let done = history.operations.get(&reshard.op);
        ensure!(
            judged_on <= self.reported_number,
            "a reshard is answered before what it was judged on is durable"
        );
        match outcome {
            Ok(resharded) => {
                let done = done.context("a reshard is answered as done, and is not durable")?;
                let opened: Vec<_> = done.open.iter().map(|child| child.id).collect();
                ensure!(resharded.opened.iter().map(|child| child.id).eq(opened), "other shards were opened");
                ensure!(resharded.opened == done.open, "shards were opened otherwise than is answered");
                ensure!(resharded.sealed.len() == done.seal.len(), "other shards were sealed");
                for sealed in &resharded.sealed {
                    let seal = history.sealed.get(&sealed.id).context("a shard was not sealed")?;
                    let end = (history.shards[&sealed.id].len() as u64, seal.arrival_ms);
                    ensure!((sealed.last_offset, sealed.arrival_ms) == end, "{} has another end", sealed.id);
                }
            }
            Err(ReshardRefusal::OldOp { last_op, .. }) => {
                // Later ones may be durable by now.
                let is_known = *last_op == 0 || history.operations.contains_key(last_op);
                ensure!(is_known && reshard.op <= *last_op, "an operation is taken for an old one");
            }
            Err(ReshardRefusal::AlreadySealed(id)) => {
                ensure!(history.sealed.contains_key(id) && done.is_none(), "{id} is taken for sealed");
            }
            Err(ReshardRefusal::UnknownShard(id)) => {
                ensure!(!history.has(*id), "{id} is here and is not found")
            }
            Err(
                ReshardRefusal::IdNotAbove(_)
                | ReshardRefusal::RangesDiffer
                | ReshardRefusal::WrongParents(_)
                | ReshardRefusal::Size,
            ) => ensure!(done.is_none(), "an operation that was done does not fit"),
        }
        Ok(())
    }
}

/// Checks that records before the horizon were kept for their retention: by log time, and by running time except for
/// what log time may follow.
fn check_due(state: &State, horizon_ms: u64, time_ms: u64, history: &History, now_ms: u64) -> Result<()> {
    let hours = state.retention_hours.context("a trim without a retention")?;
    let kept_ms = u64::from(hours) * HOUR_MS;
    ensure!(horizon_ms + kept_ms <= time_ms, "a trim of what is younger than the retention");
    ensure!(time_ms >= state.protected_until_ms, "a trim of what a clock step protects");
    check_running_time(history, horizon_ms, kept_ms, now_ms)
}

/// Log time follows a wall clock by at most an hour.
fn follow(time_ms: u64, wall_ms: u64) -> u64 {
    if wall_ms <= time_ms + HOUR_MS { time_ms.max(wall_ms) } else { time_ms }
}

fn apply(state: &mut State, batch: &Batch) -> Result<()> {
    state
        .apply(batch.step(), group_core::Continuity::Required)
        .context("a batch that was proposed does not apply")
}

/// Checks that records below a horizon were kept for their retention in running time, and for a day since the last
/// clock step after them. An hour less is allowed, and another one for each time that the clock which log time follows
/// was set.
pub fn check_running_time(history: &History, horizon_ms: u64, kept_ms: u64, now_ms: u64) -> Result<()> {
    for (shard, records) in &history.shards {
        let expired = records.partition_point(|record| record.arrival_ms < horizon_ms);
        let Some(youngest) = expired.checked_sub(1).map(|last| records[last]) else { continue };
        let step = history.steps.iter().rev().find(|(_, index)| *index >= youngest.index);
        let (since_ms, due_ms) = match step {
            Some((stepped_ms, _)) => (*stepped_ms, kept_ms.min(DAY_MS)),
            None => (youngest.durable_ms, kept_ms),
        };
        let follows = history.follows_ms.iter().filter(|ms| **ms >= since_ms).count() as u64;
        let allowed_ms = MINUTE_MS + (1 + follows) * HOUR_MS;
        ensure!(
            now_ms - since_ms + allowed_ms >= due_ms,
            "records of {shard} expire after {} of {} minutes",
            (now_ms - since_ms) / MINUTE_MS,
            due_ms / MINUTE_MS
        );
    }
    Ok(())
}
