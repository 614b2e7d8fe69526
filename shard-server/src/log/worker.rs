//! Empties a log's queue into batches, on a thread while there is work.

use std::any::Any;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use group_core::{Answer, Call, NotDone, RunOutcome, Token};
use record_log::{AcceptLossError, Log, Reader, WriteError};
use smallvec::SmallVec;
use tokio::sync::{oneshot, watch};

use super::metrics::{Gauges, Metrics};
use super::request::{Appending, QueueSlot, Request};
use super::writing::Writing;
use crate::protocol::Refusal;

/// A batch takes appends as long as they are no more than this together; a larger one is a batch of its own.
const BATCH_BYTES: usize = 1 << 20;
/// An append that waited this long is refused: its sender has timed out.
const DEADLINE: Duration = Duration::from_secs(10);
/// After so much quiet the last batch is confirmed.
const CONFIRM_AFTER: Duration = Duration::from_millis(10);
/// How often a busy log, or one on a full disk, is maintained.
const MAINTAIN_EVERY: Duration = Duration::from_secs(1);
/// After so much quiet a log that had appends gives its thread and memory back.
const IDLE_AFTER: Duration = Duration::from_secs(10);

/// Whether a log takes appends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It does.
    Running,
    /// It was closed, and all that it took is answered.
    Closed,
    /// It does not until it is opened again, for this reason.
    Stopped(String),
}

/// An append that waits for its batch.
struct Waiting {
    token: Token,
    /// The records and encoded bytes of each of its runs.
    runs: SmallVec<[(u32, u64); 4]>,
    reply: oneshot::Sender<Result<Vec<RunOutcome>, Refusal>>,
    slot: QueueSlot,
}

/// Empties a log's queue.
#[derive(Debug)]
pub struct Worker {
    receiver: Receiver<Request>,
    log: Log,
    reader: Reader,
    metrics: Metrics,
    gauges: Gauges,
    /// Announces each batch of records.
    committed: watch::Sender<()>,
    writing: Arc<Writing>,
    maintained: Option<Instant>,
    /// Whether the last batch is to be confirmed after a moment of quiet.
    confirm_due: bool,
    // Fields are dropped in this order: the lock is free before the worker is said to have ended.
    #[expect(dead_code, reason = "it is kept, not used")]
    lock: KeptLock,
    ending: Ending,
}

/// The right to write, for as long as it is there.
struct KeptLock(#[expect(dead_code, reason = "it is kept, not used")] Arc<dyn Any + Send + Sync>);

impl std::fmt::Debug for KeptLock {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("KeptLock")
    }
}

impl Worker {
    /// A worker, and whether its log takes appends.
    pub fn new(
        log: Log,
        reader: Reader,
        receiver: Receiver<Request>,
        metrics: Metrics,
        lock: Arc<dyn Any + Send + Sync>,
    ) -> (Self, watch::Receiver<Condition>) {
        let status = reader.status();
        let first = status.stopped.clone().map_or(Condition::Running, Condition::Stopped);
        let (ending, condition) = watch::channel(first);
        let gauges = Gauges::new(&metrics, &status);
        let (lock, ending) = (KeptLock(lock), Ending(ending));
        let (maintained, confirm_due) = (None, false);
        let (committed, writing) = (watch::Sender::new(()), Arc::default());
        let worker = Self {
            receiver,
            log,
            reader,
            metrics,
            gauges,
            committed,
            writing,
            maintained,
            confirm_due,
            lock,
            ending,
        };
        (worker, condition)
    }

    /// Changes with each batch of records that became readable.
    pub fn committed(&self) -> watch::Receiver<()> {
        self.committed.subscribe()
    }

    /// Since when it is at its present write.
    pub fn writing(&self) -> Arc<Writing> {
        Arc::clone(&self.writing)
    }

    /// Does what is asked and what is due until nothing is, then parks itself; ends when the queue is closed and empty.
    pub fn run(mut self, parked: &Mutex<Option<Self>>) {
        let mut quiet_since = Instant::now();
        let mut had_requests = false;
        let mut left_over = None;
        loop {
            self.writing.begin();
            self.maintain();
            self.writing.end();
            let next = match left_over.take() {
                Some(request) => Ok(request),
                None => self.receiver.recv_timeout(self.patience(had_requests)),
            };
            self.writing.begin();
            match next {
                Ok(request) => {
                    left_over = self.answer(request);
                    (quiet_since, had_requests) = (Instant::now(), true);
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.confirm();
                    let idle_after = if had_requests { IDLE_AFTER } else { Duration::ZERO };
                    let is_idle = quiet_since.elapsed() >= idle_after && !self.reader.is_full();
                    if is_idle || self.has_stopped() {
                        match self.park(parked) {
                            Some((worker, request)) => (self, left_over) = (worker, Some(request)),
                            None => return,
                        }
                    }
                }
                Err(RecvTimeoutError::Disconnected) => {
                    self.confirm();
                    self.writing.end();
                    return;
                }
            }
        }
    }

    /// Refuses all that waits.
    pub fn refuse_waiting(&self, refusal: &Refusal) {
        self.receiver.try_iter().for_each(|request| request.refuse(refusal.clone()));
    }

    /// Gives itself back to the queue, unless something came at the last moment.
    fn park(mut self, parked: &Mutex<Option<Self>>) -> Option<(Self, Request)> {
        self.log.rest();
        self.writing.end();
        let mut place = parked.lock().unwrap_or_else(PoisonError::into_inner);
        match self.receiver.try_recv() {
            Ok(request) => Some((self, request)),
            Err(std::sync::mpsc::TryRecvError::Disconnected) => None,
            Err(std::sync::mpsc::TryRecvError::Empty) => {
                *place = Some(self);
                None
            }
        }
    }

    /// How long to wait for a request before something else is due.
    fn patience(&self, had_requests: bool) -> Duration {
        match (had_requests, self.confirm_due) {
            _ if self.has_stopped() => Duration::ZERO,
            (_, true) => CONFIRM_AFTER,
            (false, false) if !self.reader.is_full() => Duration::ZERO,
            (_, false) => MAINTAIN_EVERY,
        }
    }

    /// Whether nothing is written any more: there is nothing to wait for.
    fn has_stopped(&self) -> bool {
        *self.ending.0.borrow() != Condition::Running
    }

    fn confirm(&mut self) {
        self.confirm_due = false;
        let confirmed = self.log.confirm();
        self.note(confirmed.as_ref().err());
    }

    fn maintain(&mut self) {
        if self.maintained.is_none_or(|last| last.elapsed() >= MAINTAIN_EVERY) {
            let maintained = self.log.maintain();
            self.note(maintained.as_ref().err());
            self.confirm_due = self.log.unconfirmed();
            self.maintained = Some(Instant::now());
            self.gauges.set(&self.reader.status());
        }
    }

    /// Does what is asked, an append with all others that fit into its batch; gives back what it took and did not do.
    fn answer(&mut self, request: Request) -> Option<Request> {
        let left_over = match request {
            Request::Append(appending) => self.append(appending),
            Request::SeeClock { other_ms, slot: _slot } => {
                let seen = self.log.see_clock(other_ms);
                self.note(seen.as_ref().err());
                None
            }
            Request::SetRetention { hours, reply, slot: _slot } => {
                let done = self.log.set_retention(hours);
                self.reply(done, reply);
                None
            }
            Request::Reshard { reshard, reply, slot: _slot } => {
                let done = self.log.reshard(reshard);
                if let Ok(Ok(_)) = &done {
                    // Who follows a sealed shard finds its end.
                    self.committed.send_replace(());
                }
                self.reply(done, reply);
                None
            }
            Request::AcceptLoss { found, reply, slot: _slot } => {
                match self.log.accept_found(&found) {
                    Ok(()) => {
                        // It may be what a log had stopped for.
                        self.ending.0.send_if_modified(|condition| {
                            std::mem::replace(condition, Condition::Running) != Condition::Running
                        });
                        self.reply(Ok(()), reply);
                    }
                    Err(AcceptLossError::Write(error)) => self.reply(Err(error), reply),
                    Err(error) => drop(reply.send(Err(Refusal::Invalid(error.to_string())))),
                }
                None
            }
        };
        self.confirm_due = self.log.unconfirmed();
        left_over
    }

    fn reply<T>(&mut self, done: Result<T, WriteError>, reply: oneshot::Sender<Result<T, Refusal>>) {
        self.note(done.as_ref().err());
        let _ = reply.send(done.map_err(refusal));
    }

    /// Appends, with all others that wait and fit into the batch; gives back what it took and did not do.
    fn append(&mut self, first: Appending) -> Option<Request> {
        let mut bytes = first.slot.bytes;
        let mut waiting = vec![self.hand_in(first)];
        let mut left_over = None;
        while let Ok(request) = self.receiver.try_recv() {
            match request {
                Request::Append(next) if bytes + next.slot.bytes <= BATCH_BYTES => {
                    bytes += next.slot.bytes;
                    waiting.push(self.hand_in(next));
                }
                other => {
                    left_over = Some(other);
                    break;
                }
            }
        }
        let begin = Instant::now();
        let done = self.log.drive();
        self.metrics.write_seconds.observe(begin.elapsed().as_secs_f64());
        self.note(done.as_ref().err());
        let (mut durable_records, mut durable_bytes) = (0, 0);
        let answers: Vec<_> = waiting
            .into_iter()
            .map(|Waiting { token, runs, reply, slot }| {
                let outcome = outcome(self.log.take_answer(token));
                for (outcome, (records, bytes)) in outcome.iter().flatten().zip(runs) {
                    if matches!(outcome, RunOutcome::Appended(_)) {
                        durable_records += u64::from(records);
                        durable_bytes += bytes;
                    }
                }
                // Who is answered finds room for what it appends next.
                drop(slot);
                (reply, outcome)
            })
            .collect();
        if durable_records > 0 {
            self.committed.send_replace(());
            self.metrics.batches.inc();
            self.metrics.appended_records.inc_by(durable_records);
            self.metrics.appended_bytes.inc_by(durable_bytes);
        }
        for (reply, outcome) in answers {
            // Whoever asked may have gone; the records are durable all the same.
            let _ = reply.send(outcome);
        }
        left_over
    }

    /// Hands an append to the log; it is done with the next that is driven.
    fn hand_in(&mut self, Appending { append, reply, slot }: Appending) -> Waiting {
        let patience = DEADLINE.saturating_sub(slot.since.elapsed());
        let runs =
            append.runs.iter().map(|run| (run.block.count(), run.block.bytes().len() as u64)).collect();
        let token = self.log.call(Call::Append(append), patience);
        Waiting { token, runs, reply, slot }
    }

    /// Says that the log has stopped, if it has.
    fn note(&mut self, error: Option<&WriteError>) {
        let Some(WriteError::Final(why) | WriteError::Stopped(why)) = error else { return };
        if !self.has_stopped() {
            self.gauges.set(&self.reader.status());
            self.ending.0.send_replace(Condition::Stopped(why.clone()));
        }
    }
}

/// What is answered to an append.
fn outcome(answer: Option<Answer>) -> Result<Vec<RunOutcome>, Refusal> {
    match answer {
        Some(Answer::Append(outcomes)) => Ok(outcomes),
        Some(Answer::NotDone(NotDone::Full(_))) => Err(Refusal::StorageFull),
        Some(Answer::NotDone(NotDone::Halted(why))) => Err(Refusal::LogStopped(why)),
        Some(Answer::NotDone(NotDone::Late)) => Err(Refusal::QueueFull),
        Some(Answer::Unknown(why)) => Err(Refusal::OutcomeUnknown(why)),
        Some(Answer::Done | Answer::Reshard(_)) | None => {
            Err(Refusal::OutcomeUnknown("the log gave no outcome".into()))
        }
    }
}

fn refusal(error: WriteError) -> Refusal {
    match error {
        WriteError::Full(_) => Refusal::StorageFull,
        WriteError::Final(why) => Refusal::OutcomeUnknown(why),
        WriteError::Stopped(why) => Refusal::LogStopped(why),
    }
}

/// Sees to it that a worker that ended, if in a panic, does not look as if it ran.
#[derive(Debug)]
struct Ending(watch::Sender<Condition>);

impl Drop for Ending {
    fn drop(&mut self) {
        let last = match thread::panicking() {
            true => Condition::Stopped("the log's thread panicked".into()),
            false => Condition::Closed,
        };
        self.0.send_if_modified(|condition| {
            let running = *condition == Condition::Running;
            if running {
                *condition = last;
            }
            running
        });
    }
}
