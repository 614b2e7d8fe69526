//! Record streams: each frame is read on request, under the budget of the caller.

use futures::future::BoxFuture;

use super::{ReadOutcome, Refusal};
use crate::budget::{ByteBudget, Exhausted, Permit};

/// Some records of a stream, and their permit.
#[derive(Debug)]
pub struct Frame {
    /// The records, where they end, and how far that is behind.
    pub outcome: ReadOutcome,
    /// Given back when the records are no longer in memory.
    pub permit: Permit,
}

/// Why there is no next frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The group refused, or the connection broke.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The caller has no memory for it.
    #[error(transparent)]
    Exhausted(#[from] Exhausted),
}

/// A source of records: a group in this process, or an answer over the network.
pub trait RecordSource: Send {
    /// The next frame; nothing behind the last.
    fn next<'a>(&'a mut self, budget: &'a ByteBudget) -> BoxFuture<'a, Option<Result<Frame, FrameError>>>;
}

/// A stream of records of one shard. Drop it to cancel it.
pub struct RecordStream(Box<dyn RecordSource>);

impl RecordStream {
    /// A stream from this source.
    #[must_use]
    pub fn new(source: impl RecordSource + 'static) -> Self {
        Self(Box::new(source))
    }

    /// The next frame; nothing behind the last, which an error is too. Nothing of it is in memory before it has its
    /// permit of the budget.
    pub async fn next(&mut self, budget: &ByteBudget) -> Option<Result<Frame, FrameError>> {
        self.0.next(budget).await
    }
}

impl std::fmt::Debug for RecordStream {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("RecordStream")
    }
}
