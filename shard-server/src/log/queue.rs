//! The bounded queue before a log, and whether somebody is there to empty it.

use std::any::Any;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use record_log::Reader;
use tokio::sync::{Semaphore, oneshot, watch};

use super::metrics::Metrics;
use super::request::{Place, Request};
use super::worker::{Condition, Worker};
use crate::protocol::{Appended, Refusal, Run};

/// The largest append, in encoded bytes of its records.
pub const MAX_APPEND_BYTES: usize = 32 << 20;
/// What may wait before one log.
const MAX_QUEUED_BYTES: usize = 48 << 20;

/// Takes requests for a log.
#[derive(Debug)]
pub struct Queue {
    sender: Mutex<Option<Sender<Request>>>,
    room: Arc<Semaphore>,
    /// The worker while it has no thread.
    parked: Arc<Mutex<Option<Worker>>>,
    condition: watch::Receiver<Condition>,
    metrics: Metrics,
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
        let room = Arc::new(Semaphore::new(MAX_QUEUED_BYTES));
        let parked = Arc::new(Mutex::new(Some(worker)));
        Self { sender: Mutex::new(Some(sender)), room, parked, condition, metrics }
    }

    /// Appends runs whose shards are open, each shard at most once; returns when they are durable.
    pub async fn append(&self, runs: Vec<Run>) -> Result<Vec<Appended>, Refusal> {
        let bytes = runs.iter().map(|run| run.block.bytes().len()).sum::<usize>();
        if bytes > MAX_APPEND_BYTES {
            return Err(Refusal::Invalid(format!(
                "{bytes} bytes in one append, {MAX_APPEND_BYTES} are allowed"
            )));
        }
        let place = Place::take(&self.room, bytes, &self.metrics).ok_or(Refusal::QueueFull)?;
        self.ask(|reply| Request::Append { runs, reply, place }).await
    }

    /// Asks for something that is no append; returns when it is durable.
    pub async fn control(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<(), Refusal>>) -> Request,
    ) -> Result<(), Refusal> {
        self.ask(request).await
    }

    /// Has the worker look at the log: whatever is due is done.
    pub fn wake(&self) {
        let Some(worker) = self.parked.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        // Where there is no thread to be had the worker must not be lost with the closure.
        let handed = Arc::new(Mutex::new(Some(worker)));
        let (taken, parked) = (Arc::clone(&handed), Arc::clone(&self.parked));
        let started = thread::Builder::new().name("log".into()).spawn(move || {
            if let Some(worker) = taken.lock().unwrap_or_else(PoisonError::into_inner).take() {
                worker.run(&parked);
            }
        });
        if let Err(error) = started {
            tracing::error!(%error, "no thread for a log: what waits is refused");
            if let Some(worker) = handed.lock().unwrap_or_else(PoisonError::into_inner).take() {
                worker.refuse_waiting(&Refusal::NotReady(error.to_string()));
                *self.parked.lock().unwrap_or_else(PoisonError::into_inner) = Some(worker);
            }
        }
    }

    /// Whether it takes appends, as it changes.
    pub fn condition(&self) -> watch::Receiver<Condition> {
        self.condition.clone()
    }

    /// Takes no more requests and returns when those taken are answered.
    pub async fn close(&self) {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.wake();
        // The sender ends with the worker, whose last word is another condition.
        let _ = self.condition.clone().wait_for(|condition| *condition != Condition::Running).await;
    }

    /// Whether it has no thread.
    #[cfg(test)]
    pub fn is_parked(&self) -> bool {
        self.parked.lock().unwrap_or_else(PoisonError::into_inner).is_some()
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
