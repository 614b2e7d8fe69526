//! The bounded queue before a log, and whether somebody is there to empty it.

use std::any::Any;
use std::io;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use group_core::{Append, RunOutcome};
use record_log::Reader;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

use super::metrics::Metrics;
use super::request::{Appending, QueueSlot, Request};
use super::worker::{Condition, Worker};
use super::writing::Writing;
use crate::protocol::Refusal;

/// The largest append, in encoded bytes of its records.
pub const MAX_APPEND_BYTES: usize = 32 << 20;
/// What may wait before one log.
const MAX_QUEUED_BYTES: usize = 48 << 20;
/// How many requests that are no appends may wait before one log. They have their own room, so that no load keeps the
/// operator out.
const MAX_QUEUED_CONTROLS: usize = 16;

/// Takes requests for a log.
#[derive(Debug)]
pub struct Queue {
    sender: Mutex<Option<Sender<Request>>>,
    room: Arc<Semaphore>,
    control_room: Arc<Semaphore>,
    /// The worker while it has no thread.
    parked: Arc<Mutex<Option<Worker>>>,
    condition: watch::Receiver<Condition>,
    committed: watch::Receiver<()>,
    writing: Arc<Writing>,
    metrics: Metrics,
    start: fn(Job) -> io::Result<()>,
}

/// What a thread does.
type Job = Box<dyn FnOnce() + Send>;

fn start_thread(job: Job) -> io::Result<()> {
    thread::Builder::new().name("log".into()).spawn(job).map(drop)
}

impl Queue {
    /// A queue before a log. The lock is kept until nothing is written any more.
    pub fn new(
        log: record_log::Log,
        reader: Reader,
        metrics: Metrics,
        lock: Arc<dyn Any + Send + Sync>,
    ) -> Self {
        let (sender, receiver) = mpsc::channel();
        let (worker, condition) = Worker::new(log, reader, receiver, metrics.clone(), lock);
        let (committed, writing) = (worker.committed(), worker.writing());
        let room = Arc::new(Semaphore::new(MAX_QUEUED_BYTES));
        let control_room = Arc::new(Semaphore::new(MAX_QUEUED_CONTROLS));
        let parked = Arc::new(Mutex::new(Some(worker)));
        let sender = Mutex::new(Some(sender));
        Self {
            sender,
            room,
            control_room,
            parked,
            condition,
            committed,
            writing,
            metrics,
            start: start_thread,
        }
    }

    /// Appends; returns when that is durable.
    pub async fn append(&self, append: Append) -> Result<Vec<RunOutcome>, Refusal> {
        let bytes = append.runs.iter().map(|run| run.block.bytes().len()).sum::<usize>();
        if bytes > MAX_APPEND_BYTES {
            return Err(Refusal::Invalid(format!(
                "{bytes} bytes in one append, {MAX_APPEND_BYTES} are allowed"
            )));
        }
        // Controls go on to the log: accepting a loss may be what it has stopped for.
        if let Condition::Stopped(reason) = &*self.condition.borrow() {
            return Err(Refusal::LogStopped(reason.clone()));
        }
        let slot = QueueSlot::take(&self.room, bytes, &self.metrics).ok_or(Refusal::QueueFull)?;
        self.ask(|reply| Request::Append(Appending { append, reply, slot })).await
    }

    /// Shows the log another machine's clock, unless too much is to be done already.
    pub fn see_clock(&self, other_ms: u64) {
        let Ok(slot) = Arc::clone(&self.control_room).try_acquire_owned() else { return };
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if sender.is_some_and(|sender| sender.send(Request::SeeClock { other_ms, slot }).is_ok()) {
            self.wake();
        }
    }

    /// Asks for something that is no append; returns when it is durable.
    pub async fn control<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T, Refusal>>, OwnedSemaphorePermit) -> Request,
    ) -> Result<T, Refusal> {
        let slot = Arc::clone(&self.control_room).try_acquire_owned().map_err(|_| Refusal::QueueFull)?;
        self.ask(|reply| request(reply, slot)).await
    }

    /// Has the worker look at the log: whatever is due is done.
    pub fn wake(&self) {
        // Held to the end: whoever sends meanwhile finds the worker parked again, or at work.
        let mut parked = self.parked.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(worker) = parked.take() else { return };
        // If no thread can be started, the closure is dropped: the worker must not be dropped with it.
        let handed = Arc::new(Mutex::new(Some(worker)));
        let (taken, place) = (Arc::clone(&handed), Arc::clone(&self.parked));
        let started = (self.start)(Box::new(move || {
            let worker = taken.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(worker) = worker {
                worker.run(&place);
            }
        }));
        if let Err(error) = started {
            tracing::error!(%error, "no thread for a log: what waits is refused");
            if let Some(worker) = handed.lock().unwrap_or_else(PoisonError::into_inner).take() {
                worker.refuse_waiting(&Refusal::NotReady(error.to_string()));
                let ends = self.sender.lock().unwrap_or_else(PoisonError::into_inner).is_none();
                *parked = (!ends).then_some(worker);
            }
        }
    }

    /// Changes with each batch of records that became readable; ends with the worker.
    pub fn committed(&self) -> watch::Receiver<()> {
        self.committed.clone()
    }

    /// For how long the log has been at its present write; 0 while it waits for work.
    pub fn writing_for(&self) -> Duration {
        self.writing.duration()
    }

    /// Whether it takes appends, as it changes.
    pub fn condition(&self) -> watch::Receiver<Condition> {
        self.condition.clone()
    }

    /// Takes no more requests and returns when those taken are answered.
    pub async fn close(&self) {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.wake();
        // The sender of the condition ends with the worker.
        let mut condition = self.condition.clone();
        while condition.changed().await.is_ok() {}
    }

    /// Whether it has no thread.
    #[cfg(test)]
    pub fn is_parked(&self) -> bool {
        self.parked.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// From now on there is no thread to be had.
    #[cfg(test)]
    pub fn refuse_threads(&mut self) {
        self.start = |_| Err(io::ErrorKind::WouldBlock.into());
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T, Refusal>>) -> Request,
    ) -> Result<T, Refusal> {
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let sender = sender.ok_or_else(|| Refusal::NotReady("it ends".into()))?;
        let (reply, answer) = oneshot::channel();
        if sender.send(request(reply)).is_err() {
            return Err(Refusal::LogStopped(self.why_stopped()));
        }
        drop(sender);
        self.wake();
        answer.await.unwrap_or_else(|_| Err(Refusal::OutcomeUnknown(self.why_stopped())))
    }

    fn why_stopped(&self) -> String {
        match &*self.condition.borrow() {
            Condition::Stopped(reason) => reason.clone(),
            Condition::Running | Condition::Closed => "the log's thread has ended".into(),
        }
    }
}
