//! What waits in a log's queue.

use std::sync::Arc;
use std::time::Instant;

use group_core::{Append, RunOutcome};
use prometheus::IntGauge;
use record_log::{FoundLoss, Reshard, ReshardRefusal, Resharded};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::metrics::Metrics;
use crate::protocol::Refusal;

/// Every request counts as at least so much, so that what may wait is bounded in number too.
const LEAST_REQUEST_BYTES: usize = 8 << 10;

/// What a log is asked for.
#[derive(Debug)]
pub enum Request {
    /// To append runs.
    Append(Appending),
    /// To look at another machine's clock.
    SeeClock {
        /// Its wall clock, in milliseconds since 1970.
        other_ms: u64,
        /// Its slot among the others that are no appends.
        slot: OwnedSemaphorePermit,
    },
    /// To keep records so long.
    SetRetention {
        /// How long.
        hours: u32,
        /// Who waits for it.
        reply: oneshot::Sender<Result<(), Refusal>>,
        /// Its slot among the others that are no appends.
        slot: OwnedSemaphorePermit,
    },
    /// To seal shards and open others in their place.
    Reshard {
        /// Which.
        reshard: Reshard,
        /// Who waits for it.
        reply: oneshot::Sender<Result<Result<Resharded, ReshardRefusal>, Refusal>>,
        /// Its slot among the others that are no appends.
        slot: OwnedSemaphorePermit,
    },
    /// To accept the loss of known corruption.
    AcceptLoss {
        /// What was found.
        found: Box<FoundLoss>,
        /// Who waits for it.
        reply: oneshot::Sender<Result<(), Refusal>>,
        /// Its slot among the others that are no appends.
        slot: OwnedSemaphorePermit,
    },
}

/// An append in the queue.
#[derive(Debug)]
pub struct Appending {
    /// What is to be appended, and who sends it.
    pub append: Append,
    /// Who waits for it.
    pub reply: oneshot::Sender<Result<Vec<RunOutcome>, Refusal>>,
    /// Its slot in the queue.
    pub slot: QueueSlot,
}

/// A request's bytes in the queue, given back when it is dropped.
#[derive(Debug)]
pub struct QueueSlot {
    /// The encoded bytes of its records.
    pub bytes: usize,
    /// Since when it waits.
    pub since: Instant,
    queued_requests: IntGauge,
    queued_bytes: IntGauge,
    _permit: OwnedSemaphorePermit,
}

impl Request {
    /// Answers that it is not done.
    pub fn refuse(self, refusal: Refusal) {
        match self {
            Self::Append(Appending { reply, .. }) => drop(reply.send(Err(refusal))),
            Self::SeeClock { .. } => {}
            Self::Reshard { reply, .. } => drop(reply.send(Err(refusal))),
            Self::SetRetention { reply, .. } | Self::AcceptLoss { reply, .. } => {
                drop(reply.send(Err(refusal)));
            }
        }
    }
}

impl QueueSlot {
    /// Takes a slot for so many bytes; nothing where there is none.
    pub fn take(room: &Arc<Semaphore>, bytes: usize, metrics: &Metrics) -> Option<Self> {
        let permits = u32::try_from(bytes.max(LEAST_REQUEST_BYTES)).ok()?;
        let permit = Arc::clone(room).try_acquire_many_owned(permits).ok()?;
        let (queued_requests, queued_bytes) = (metrics.queued_requests.clone(), metrics.queued_bytes.clone());
        queued_requests.inc();
        queued_bytes.add(bytes as i64);
        let since = Instant::now();
        Some(Self { bytes, since, queued_requests, queued_bytes, _permit: permit })
    }
}

impl Drop for QueueSlot {
    fn drop(&mut self) {
        self.queued_requests.dec();
        self.queued_bytes.sub(self.bytes as i64);
    }
}
