//! The one who empties a log's queue into batches, on a thread while there is something to do.

use std::any::Any;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use record_log::value::RunOutcome;
use record_log::{AcceptLossError, Log, Reader, WriteError};
use tokio::sync::{oneshot, watch};

use super::metrics::{Gauges, Metrics};
use super::request::{QueueSlot, Request};
use crate::protocol::{Appended, Refusal, Run};

/// A batch takes appends as long as they are no more than this together; a larger one is a batch of its own.
const BATCH_BYTES: usize = 1 << 20;
/// After so much quiet the last batch is confirmed.
const CONFIRM_AFTER: Duration = Duration::from_millis(10);
/// How often a busy log, or one on a full disk, looks after itself.
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
    reply: oneshot::Sender<Result<Vec<Appended>, Refusal>>,
    slot: QueueSlot,
}

/// Empties a log's queue.
#[derive(Debug)]
pub struct Worker {
    receiver: Receiver<Request>,
    writer: Log,
    reader: Reader,
    metrics: Metrics,
    gauges: Gauges,
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
        writer: Log,
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
        (Self { receiver, writer, reader, metrics, gauges, maintained, confirm_due, lock, ending }, condition)
    }

    /// Does what is asked and what is due until nothing is, then parks itself; ends when the queue is closed and empty.
    pub fn run(mut self, parked: &Mutex<Option<Self>>) {
        let mut quiet_since = Instant::now();
        let mut had_requests = false;
        let mut left_over = None;
        loop {
            self.maintain();
            let next = match left_over.take() {
                Some(request) => Ok(request),
                None => self.receiver.recv_timeout(self.patience(had_requests)),
            };
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
        self.writer.rest();
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
        let confirmed = self.writer.confirm();
        self.note(confirmed.as_ref().err());
    }

    fn maintain(&mut self) {
        if self.maintained.is_none_or(|last| last.elapsed() >= MAINTAIN_EVERY) {
            let maintained = self.writer.maintain();
            self.note(maintained.as_ref().err());
            self.confirm_due = self.writer.unconfirmed();
            self.maintained = Some(Instant::now());
            self.gauges.set(&self.reader.status());
        }
    }

    /// Does what is asked, an append with all others that fit into its batch; gives back what it took and did not do.
    fn answer(&mut self, request: Request) -> Option<Request> {
        let left_over = match request {
            Request::Append { runs, reply, slot } => self.append(runs, reply, slot),
            Request::SetRetention { hours, reply, slot: _slot } => {
                let done = self.writer.set_retention(hours);
                self.reply(done, reply);
                None
            }
            Request::AcceptLoss { found, reply, slot: _slot } => {
                match self.writer.accept_found(&found) {
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
        self.confirm_due = self.writer.unconfirmed();
        left_over
    }

    fn reply(&mut self, done: Result<(), WriteError>, reply: oneshot::Sender<Result<(), Refusal>>) {
        self.note(done.as_ref().err());
        let _ = reply.send(done.map_err(refusal));
    }

    fn append(
        &mut self,
        runs: Vec<Run>,
        reply: oneshot::Sender<Result<Vec<Appended>, Refusal>>,
        slot: QueueSlot,
    ) -> Option<Request> {
        let mut bytes = slot.bytes;
        let mut appends = vec![runs];
        let mut waiting = vec![Waiting { reply, slot }];
        let mut left_over = None;
        while let Ok(request) = self.receiver.try_recv() {
            match request {
                Request::Append { runs, reply, slot } if bytes + slot.bytes <= BATCH_BYTES => {
                    bytes += slot.bytes;
                    appends.push(runs);
                    waiting.push(Waiting { reply, slot });
                }
                other => {
                    left_over = Some(other);
                    break;
                }
            }
        }
        let begin = Instant::now();
        let appended = self.writer.append(&appends);
        self.metrics.write_seconds.observe(begin.elapsed().as_secs_f64());
        self.note(appended.as_ref().err());
        let answers: Vec<_> = match appended {
            Ok(appended) => {
                let records = appends.iter().flatten().map(|run| u64::from(run.block.count())).sum();
                self.metrics.batches.inc();
                self.metrics.appended_records.inc_by(records);
                self.metrics.appended_bytes.inc_by(bytes as u64);
                appended.into_iter().map(all_appended).collect()
            }
            Err(error) => waiting.iter().map(|_| Err(refusal(error.clone()))).collect(),
        };
        for (waiting, answer) in waiting.into_iter().zip(answers) {
            let Waiting { reply, slot } = waiting;
            drop(slot);
            // Whoever asked may have gone; the records are durable all the same.
            let _ = reply.send(answer);
        }
        left_over
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

/// Where all runs of an append are.
fn all_appended(outcomes: Vec<RunOutcome>) -> Result<Vec<Appended>, Refusal> {
    let appended = |outcome| match outcome {
        RunOutcome::Appended(appended) => Ok(appended),
        RunOutcome::NotHere => Err(Refusal::Invalid("a shard is not in this log".into())),
        RunOutcome::Invalid(why) => Err(Refusal::Invalid(why.into())),
    };
    outcomes.into_iter().map(appended).collect()
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
