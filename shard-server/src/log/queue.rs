//! The bounded queue before a log, and the one thread that empties it into batches.

use std::any::Any;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};

use super::metrics::Metrics;
use super::writer::{Failure, Writer};
use crate::protocol::{Appended, Refusal, Run};

/// The largest append, in encoded bytes of its records.
pub const MAX_APPEND_BYTES: usize = 32 << 20;
/// A batch takes appends as long as they are no more than this together; a larger one is a batch of its own.
const BATCH_BYTES: usize = 1 << 20;
/// What may wait, in bytes and in appends.
const MAX_QUEUED_BYTES: usize = 64 << 20;
const MAX_QUEUED_APPENDS: usize = 8_192;

/// Whether a log takes appends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It does.
    Running,
    /// It was closed, and all that it took is answered.
    Closed,
    /// It never will again, for this reason.
    Stopped(String),
}

/// Takes appends for a log.
#[derive(Debug)]
pub struct Queue {
    sender: Mutex<Option<mpsc::Sender<Request>>>,
    room: Arc<Semaphore>,
    condition: watch::Receiver<Condition>,
    metrics: Metrics,
}

#[derive(Debug)]
struct Request {
    runs: Vec<Run>,
    reply: oneshot::Sender<Result<Vec<Appended>, Refusal>>,
    place: Place,
}

/// A request's bytes in the queue, given back when it is dropped.
#[derive(Debug)]
struct Place {
    permit: OwnedSemaphorePermit,
    metrics: Metrics,
}

impl Queue {
    /// Starts the thread, which keeps the lock until it ends.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(writer: Writer, metrics: Metrics, lock: Arc<dyn Any + Send + Sync>) -> io::Result<Self> {
        let (sender, receiver) = mpsc::channel(MAX_QUEUED_APPENDS);
        let (ending, condition) = watch::channel(Condition::Running);
        let thread = Thread { receiver, writer, metrics: metrics.clone(), lock, ending: Ending(ending) };
        thread::Builder::new().name("log".into()).spawn(move || thread.run())?;
        let room = Arc::new(Semaphore::new(MAX_QUEUED_BYTES));
        Ok(Self { sender: Mutex::new(Some(sender)), room, condition, metrics })
    }

    /// Appends runs whose shards are open, each shard at most once; returns when they are durable.
    pub async fn append(&self, runs: Vec<Run>) -> Result<Vec<Appended>, Refusal> {
        let bytes = runs.iter().map(|run| run.block.bytes().len()).sum::<usize>();
        if bytes > MAX_APPEND_BYTES {
            return Err(Refusal::Invalid(format!(
                "{bytes} bytes in one append, {MAX_APPEND_BYTES} are allowed"
            )));
        }
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let sender = sender.ok_or_else(|| Refusal::NotReady("it ends".into()))?;
        let place = Place::take(&self.room, bytes, &self.metrics).ok_or(Refusal::QueueFull)?;
        let (reply, answer) = oneshot::channel();
        match sender.try_send(Request { runs, reply, place }) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => return Err(Refusal::QueueFull),
            Err(mpsc::error::TrySendError::Closed(_)) => return Err(Refusal::LogStopped(self.why_stopped())),
        }
        drop(sender);
        answer.await.unwrap_or_else(|_| Err(Refusal::OutcomeUnknown(self.why_stopped())))
    }

    /// Whether it takes appends, as it changes.
    pub fn condition(&self) -> watch::Receiver<Condition> {
        self.condition.clone()
    }

    /// Takes no more appends and returns when those taken are answered.
    pub async fn close(&self) {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner).take();
        // The sender ends with the thread, whose last word is another condition.
        let _ = self.condition.clone().wait_for(|condition| *condition != Condition::Running).await;
    }

    fn why_stopped(&self) -> String {
        match &*self.condition.borrow() {
            Condition::Stopped(reason) => reason.clone(),
            Condition::Running | Condition::Closed => "the log's thread has ended".into(),
        }
    }
}

impl Place {
    fn take(room: &Arc<Semaphore>, bytes: usize, metrics: &Metrics) -> Option<Self> {
        let permit = Arc::clone(room).try_acquire_many_owned(u32::try_from(bytes).ok()?).ok()?;
        metrics.queued_requests.inc();
        metrics.queued_bytes.add(bytes as i64);
        Some(Self { permit, metrics: metrics.clone() })
    }

    fn bytes(&self) -> usize {
        self.permit.num_permits()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.metrics.queued_requests.dec();
        self.metrics.queued_bytes.sub(self.bytes() as i64);
    }
}

struct Thread {
    receiver: mpsc::Receiver<Request>,
    writer: Writer,
    metrics: Metrics,
    // Fields are dropped in this order: the lock is free before the thread is said to have ended.
    #[expect(dead_code, reason = "it is kept, not used")]
    lock: Arc<dyn Any + Send + Sync>,
    ending: Ending,
}

impl Thread {
    /// Writes batch after batch until the queue is closed and empty, or a write fails for good.
    fn run(mut self) {
        let mut left_over = None;
        while let Some(first) = left_over.take().or_else(|| self.receiver.blocking_recv()) {
            let (batch, next) = self.gather(first);
            left_over = next;
            let (appends, waiting): (Vec<_>, Vec<_>) =
                batch.into_iter().map(|request| (request.runs, (request.reply, request.place))).unzip();
            let answers: Vec<_> = match self.writer.write(&appends) {
                Ok(outcomes) => outcomes.into_iter().map(Ok).collect(),
                Err(Failure::Full) => waiting.iter().map(|_| Err(Refusal::StorageFull)).collect(),
                Err(Failure::Final(reason)) => {
                    self.stop(&reason, left_over.take());
                    waiting.iter().map(|_| Err(Refusal::OutcomeUnknown(reason.clone()))).collect()
                }
            };
            for ((reply, _place), answer) in waiting.into_iter().zip(answers) {
                // Whoever asked may have gone; the records are durable all the same.
                let _ = reply.send(answer);
            }
        }
    }

    /// The requests of one batch, and one that was taken from the queue but did not fit.
    fn gather(&mut self, first: Request) -> (Vec<Request>, Option<Request>) {
        let mut bytes = first.place.bytes();
        let mut batch = vec![first];
        while let Ok(request) = self.receiver.try_recv() {
            bytes += request.place.bytes();
            if bytes > BATCH_BYTES {
                return (batch, Some(request));
            }
            batch.push(request);
        }
        (batch, None)
    }

    /// Says so, and refuses all that waits: none of it was written.
    fn stop(&mut self, reason: &str, left_over: Option<Request>) {
        tracing::error!(reason, "the log has stopped: it takes no appends until a restart");
        self.metrics.stopped.inc();
        self.ending.0.send_replace(Condition::Stopped(reason.to_owned()));
        self.receiver.close();
        let waiting = left_over.into_iter().chain(std::iter::from_fn(|| self.receiver.try_recv().ok()));
        for request in waiting {
            let _ = request.reply.send(Err(Refusal::LogStopped(reason.to_owned())));
        }
    }
}

/// Sees to it that a thread that ended, if in a panic, does not look as if it ran.
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
