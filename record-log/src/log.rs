//! A log by itself, driven by calls: the group core numbers and judges what is asked, the writer does what follows from it,
//! and a call returns when that is done.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use group_core::record::{MAX_BLOCK_BYTES, RecordBlock, encoded_bytes};
use group_core::{
    Answer, Append, Batch, Call, Config, Core, Effect, Event, NotDone, Reshard, ReshardRefusal, Resharded,
    Run, RunOutcome, StoreReport, Token,
};

use crate::error::{AcceptLossError, WriteError};
use crate::format::batch::{BATCH_HEADER_BYTES, MAX_BATCH_BYTES};
use crate::format::entry::ENTRY_HEADER_BYTES;
use crate::reader::Reader;
use crate::repair::FoundLoss;
use crate::writer::Writer;

/// No append is larger: it is in one batch.
const MAX_APPEND_BYTES: usize = MAX_BATCH_BYTES - BATCH_HEADER_BYTES;
const TOO_LARGE: &str = "an append is larger than a batch may be";

/// Appends to a log.
#[derive(Debug)]
pub struct Log {
    core: Core,
    writer: Writer,
    last_token: u64,
    /// What was answered and not given back yet.
    answers: BTreeMap<Token, Answer>,
}

impl Log {
    pub(crate) fn new(writer: Writer) -> Self {
        let core = open_core(&writer);
        let mut log = Self { core, writer, last_token: 0, answers: BTreeMap::new() };
        log.begin();
        log
    }

    /// Appends runs and returns when they are durable: for each append, what became of each of its runs. A run that is
    /// larger than a record block is stored as several.
    ///
    /// # Errors
    /// See [`WriteError`]. Then at least one of the appends was not done; of the others nothing is known.
    pub fn append(&mut self, appends: &[Vec<Run>]) -> Result<Vec<Vec<RunOutcome>>, WriteError> {
        self.writer.check_running()?;
        self.tick(StoreReport::default());
        let split: Vec<_> = appends.iter().map(|runs| runs.iter().map(pieces).collect::<Vec<_>>()).collect();
        let bytes = split.iter().map(|append| append.iter().flatten().map(bytes_in_batch).sum::<usize>());
        let largest = bytes.filter(|bytes| *bytes <= MAX_APPEND_BYTES).max().unwrap_or_default();
        self.writer.begin_for_records(largest)?;
        let tokens: Vec<_> = split
            .iter()
            .map(|append| {
                let runs: Vec<_> = append.iter().flatten().cloned().collect();
                let fits = runs.iter().map(bytes_in_batch).sum::<usize>() <= MAX_APPEND_BYTES;
                fits.then(|| self.call(Call::Append(Append { session: None, runs }), Duration::MAX))
            })
            .collect();
        self.perform()?;
        let mut outcomes = Vec::with_capacity(appends.len());
        for (token, append) in tokens.into_iter().zip(&split) {
            let of_pieces = match token.map(|token| self.answer(token)).transpose()? {
                Some(Answer::Append(outcomes)) => outcomes,
                _ => vec![RunOutcome::Invalid(TOO_LARGE); append.iter().map(Vec::len).sum()],
            };
            let mut of_pieces = of_pieces.into_iter();
            // The pieces of a run follow each other: the first says where it is.
            let first_of = |pieces: &Vec<Run>| {
                let first = of_pieces.next();
                of_pieces.by_ref().take(pieces.len() - 1).for_each(drop);
                first
            };
            outcomes.push(append.iter().filter_map(first_of).collect());
        }
        Ok(outcomes)
    }

    /// Changes how long records are kept.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub fn set_retention(&mut self, hours: u32) -> Result<(), WriteError> {
        self.writer.check_running()?;
        self.tick(StoreReport::default());
        let token = self.call(Call::SetRetention { hours }, Duration::MAX);
        self.perform()?;
        self.answer(token).map(drop)
    }

    /// Seals shards and opens others in their place; returns when that is durable.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub fn reshard(&mut self, reshard: Reshard) -> Result<Result<Resharded, ReshardRefusal>, WriteError> {
        self.writer.check_running()?;
        self.tick(StoreReport::default());
        let token = self.call(Call::Reshard(reshard), Duration::MAX);
        self.perform()?;
        match self.answer(token)? {
            Answer::Reshard(outcome) => Ok(outcome),
            _ => Err(WriteError::Stopped("a reshard has another answer".into())),
        }
    }

    /// Confirms the last batch, if none behind it does, so that corruption to it can be told from a torn end. Due after a
    /// moment of quiet.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub fn confirm(&mut self) -> Result<(), WriteError> {
        self.writer.check_running()?;
        if self.core.unconfirmed() && self.writer.can_confirm() {
            self.core.handle(Event::Quiet);
            self.perform()?;
        }
        Ok(())
    }

    /// Whether the last batch waits to be confirmed.
    #[must_use]
    pub fn unconfirmed(&self) -> bool {
        self.core.unconfirmed()
    }

    /// Expires what is older than the retention and frees its segments; asks a full disk again for room. Due every
    /// second or so.
    ///
    /// # Errors
    /// See [`WriteError`]. Records that expired stay so.
    pub fn maintain(&mut self) -> Result<(), WriteError> {
        self.writer.check_running()?;
        // What expires is written down first, then segments go.
        for _ in 0..2 {
            self.tick(self.writer.report());
            self.perform()?;
        }
        self.writer.ask_for_room()
    }

    /// Shows another machine's wall clock, in milliseconds since 1970: a large difference is believed only once two agree.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub fn see_clock(&mut self, other_ms: u64) -> Result<(), WriteError> {
        self.writer.check_running()?;
        self.tick(StoreReport::default());
        self.core.handle(Event::ClockSeen { other_ms });
        self.perform()
    }

    /// Gives back the memory and the open files that only a busy log needs.
    pub fn rest(&mut self) {
        self.writer.rest();
    }

    /// Looks for a loss and accepts it: [`Reader::find_loss`] and [`Writer::accept_loss`] in one.
    ///
    /// # Errors
    /// See [`AcceptLossError`].
    pub fn accept_loss(&mut self, file: &str, position: u64) -> Result<(), AcceptLossError> {
        let found = Reader::new(Arc::clone(&self.writer.shared)).find_loss(file, position)?;
        self.accept_found(&found)
    }

    /// Accepts a loss that [`Reader::find_loss`] found, on any thread: reads nothing.
    ///
    /// # Errors
    /// See [`AcceptLossError`].
    pub fn accept_found(&mut self, found: &FoundLoss) -> Result<(), AcceptLossError> {
        self.writer.accept_loss(found)?;
        if self.writer.state() != self.core.committed() {
            // Behind a corrupt tail batches and records are numbered anew.
            self.core = open_core(&self.writer);
            self.begin();
        }
        Ok(())
    }

    /// Lets readers go by the core's clock.
    fn begin(&mut self) {
        self.writer.publish(self.core.committed().index, self.core.clock());
        self.look_at_clock();
    }

    /// Takes a call, which is done when the log is driven, if that is within `patience`.
    pub fn call(&mut self, call: Call, patience: Duration) -> Token {
        self.last_token += 1;
        let token = Token(self.last_token);
        if let Call::Append(append) = &call
            && let Err(error) = self.writer.begin_for_records(append.runs.iter().map(bytes_in_batch).sum())
        {
            let not_done = match error {
                WriteError::Full(why) => NotDone::Full(why),
                WriteError::Final(why) | WriteError::Stopped(why) => NotDone::Halted(why),
            };
            self.answers.insert(token, Answer::NotDone(not_done));
            return token;
        }
        let patience_ms = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
        let boottime_ms = self.writer.environment().clock.monotonic_ms();
        let deadline_ms = boottime_ms.saturating_add(patience_ms);
        self.core.handle(Event::Call { token, call, deadline_ms });
        token
    }

    /// What became of a call, once; nothing before the log was driven.
    pub fn take_answer(&mut self, token: Token) -> Option<Answer> {
        self.answers.remove(&token)
    }

    fn tick(&mut self, store: StoreReport) {
        let clock = self.writer.environment().clock.reading();
        self.core.handle(Event::Tick { clock, store });
        self.look_at_clock();
    }

    fn look_at_clock(&self) {
        self.writer.set_clock_suspect(self.core.clock_suspect());
    }

    /// Does all that is to be done by now, and returns when that is durable. Looks at the clock once, however many calls
    /// there are.
    ///
    /// # Errors
    /// See [`WriteError`]. The answers say what became of each call.
    pub fn drive(&mut self) -> Result<(), WriteError> {
        self.tick(StoreReport::default());
        self.perform()
    }

    fn perform(&mut self) -> Result<(), WriteError> {
        let mut effects = Vec::new();
        // The first write that failed is why the core halts; those behind it were not tried.
        let (mut failed, mut halted) = (None, None);
        loop {
            self.core.poll(&mut effects);
            if effects.is_empty() {
                return halted.map_or(Ok(()), Err);
            }
            for effect in effects.drain(..) {
                match effect {
                    Effect::Persist { number, batch } => {
                        let done = self.persist(number, batch);
                        failed = failed.or(done.err());
                    }
                    Effect::Publish { index, clock } => self.writer.publish(index, clock),
                    Effect::Answer { token, answer } => drop(self.answers.insert(token, answer)),
                    Effect::Trim { horizon_ms } => self.writer.trim(horizon_ms)?,
                    Effect::Halt { reason } => {
                        halted = Some(failed.take().unwrap_or(WriteError::Stopped(reason)));
                    }
                }
            }
        }
    }

    /// Writes a batch, and tells the core what came of it. Fails where that ends the log.
    fn persist(&mut self, number: u64, batch: Batch) -> Result<(), WriteError> {
        let (event, done) = match self.writer.write(batch) {
            Ok(()) => (Event::Persisted { number }, Ok(())),
            Err(WriteError::Full(reason)) => (Event::Refused { number, reason }, Ok(())),
            Err(WriteError::Final(reason)) => {
                (Event::Failed { reason: reason.clone() }, Err(WriteError::Final(reason)))
            }
            Err(WriteError::Stopped(reason)) => {
                (Event::Failed { reason: reason.clone() }, Err(WriteError::Stopped(reason)))
            }
        };
        self.core.handle(event);
        done
    }

    /// What became of a call, by its own answer alone.
    fn answer(&mut self, token: Token) -> Result<Answer, WriteError> {
        match self.answers.remove(&token) {
            Some(answer @ (Answer::Append(_) | Answer::Done | Answer::Reshard(_))) => Ok(answer),
            Some(Answer::NotDone(NotDone::Full(why))) => Err(WriteError::Full(why)),
            Some(Answer::NotDone(NotDone::Halted(why))) => Err(WriteError::Stopped(why)),
            Some(Answer::Unknown(why)) => Err(WriteError::Final(why)),
            Some(Answer::NotDone(NotDone::Late)) | None => {
                Err(WriteError::Stopped("a call was not answered".into()))
            }
        }
    }
}

/// What a run takes of a batch at most.
fn bytes_in_batch(run: &Run) -> usize {
    ENTRY_HEADER_BYTES + run.block.bytes().len()
}

/// A core that goes on from what is durable.
fn open_core(writer: &Writer) -> Core {
    let environment = writer.environment();
    let config = Config { trusts_own_clock: environment.trusts_own_clock };
    Core::open(config, writer.state().clone(), environment.clock.reading())
}

/// A run as runs of at most a record block each, which share no memory: a piece that is kept keeps no other.
fn pieces(run: &Run) -> Vec<Run> {
    let Run { shard, block } = run;
    if block.count() <= 1 || block.bytes().len() <= MAX_BLOCK_BYTES {
        return vec![run.clone()];
    }
    let mut pieces = Vec::new();
    let (mut start, mut end, mut count) = (0, 0, 0);
    let mut cut = |range: std::ops::Range<usize>, count| {
        let bytes = Bytes::copy_from_slice(&block.bytes()[range]);
        let block = RecordBlock::parse_again(count, bytes).expect("whole records of a block are one");
        pieces.push(Run { shard: *shard, block });
    };
    for record in block.records() {
        let bytes = encoded_bytes(record.partition_key, record.data.len());
        if count > 0 && end - start + bytes > MAX_BLOCK_BYTES {
            cut(start..end, count);
            (start, count) = (end, 0);
        }
        (end, count) = (end + bytes, count + 1);
    }
    cut(start..end, count);
    pieces
}
