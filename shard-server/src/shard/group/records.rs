//! Records of a shard as somebody takes them: the log is read when a frame is asked for, and not before.
//!
//! What is read at once may be more than a frame. The rest is kept for the next one, so that a block is read from the
//! disk once, as long as its budget is half free: where memory is short the block is read again.

use std::sync::Arc;
use std::time::Duration;

use catalog::ShardId;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use record_log::value::{Found, Limits, ReadOutcome, ReadRun};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::state::Serving;
use crate::budget::{ByteBudget, Permit};
use crate::protocol::{
    FRAME_BYTES, Follow, Frame, FrameError, MAX_FRAME_BYTES, MAX_READ_WAIT_MS, Position, Read, RecordSource,
    Refusal,
};
use crate::shard::Metrics;

/// The smallest frame that may be asked for.
const MIN_FRAME_BYTES: usize = 16 << 10;
/// The most records of a frame, and of a read.
const MAX_RECORDS: u32 = 10_000;
/// The most bytes of a read.
const MAX_READ_BYTES: usize = crate::log::MAX_APPEND_BYTES;
/// Somebody who follows hears something at least so often.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// A position in a shard that goes forward.
struct Cursor {
    serving: Arc<Serving>,
    metrics: Metrics,
    shard: ShardId,
    position: Position,
    frame_bytes: usize,
    /// What was read and not given yet.
    kept: Option<Frame>,
}

/// A read up to its limits.
pub(super) struct Reading {
    cursor: Cursor,
    left: Limits,
    /// How long it waits for its first record.
    wait: Duration,
    committed: watch::Receiver<()>,
    has_begun: bool,
    has_ended: bool,
}

/// A read without an end, but that of a sealed shard.
pub(super) struct Following {
    cursor: Cursor,
    committed: watch::Receiver<()>,
    /// When the last frame was given.
    last: Option<Instant>,
    has_ended: bool,
}

impl Cursor {
    fn new(
        serving: Arc<Serving>,
        metrics: Metrics,
        shard: ShardId,
        position: Position,
        max_frame_bytes: u32,
    ) -> Self {
        let frame_bytes = match max_frame_bytes as usize {
            0 => FRAME_BYTES,
            bytes => bytes.clamp(MIN_FRAME_BYTES, MAX_FRAME_BYTES),
        };
        Self { serving, metrics, shard, position, frame_bytes, kept: None }
    }

    /// The next records within the limits; one record where there is one, also a larger one.
    async fn next(&mut self, most: Limits, budget: &ByteBudget) -> Result<Frame, FrameError> {
        let frame = self.next_up_to(most, usize::MAX, budget).await?;
        Ok(frame.expect("no record has more bytes"))
    }

    /// The same; nothing where the next record has more bytes than the limits and more than `large_bytes`.
    async fn next_up_to(
        &mut self,
        most: Limits,
        large_bytes: usize,
        budget: &ByteBudget,
    ) -> Result<Option<Frame>, FrameError> {
        let read = match self.kept.take() {
            Some(kept) => kept,
            None => {
                let read = self.read(most, large_bytes, budget).await;
                match read.inspect_err(|error| self.count(error))? {
                    Some(read) => read,
                    None => return Ok(None),
                }
            }
        };
        let max_bytes = self.frame_bytes.min(most.max_bytes);
        let (outcome, rest) = cut(read.outcome, Limits { max_bytes, ..most });
        self.position = Position::Offset(outcome.next_offset);
        let (permit, rest_permit) = budget.split(read.permit, bytes_of(&outcome));
        if let Some(outcome) = rest.filter(|_| budget.is_half_free()) {
            self.kept = Some(Frame { outcome, permit: rest_permit });
        }
        Ok(Some(Frame { outcome, permit }))
    }

    async fn read(
        &self,
        most: Limits,
        large_bytes: usize,
        budget: &ByteBudget,
    ) -> Result<Option<Frame>, FrameError> {
        let mut expected_bytes = FRAME_BYTES.max(self.frame_bytes).min(most.max_bytes);
        loop {
            let permit: Permit = budget.take(expected_bytes).await?;
            let limits = Limits { max_bytes: expected_bytes, ..most };
            // Nobody waits for more while he holds some: what is larger is looked for again.
            expected_bytes = match self.serving.log.read(self.shard, self.position, limits).await? {
                Found::Records(outcome) => {
                    let found_bytes = bytes_of(&outcome);
                    if found_bytes <= expected_bytes {
                        return Ok(Some(Frame { outcome, permit: budget.split(permit, found_bytes).0 }));
                    }
                    found_bytes
                }
                Found::LargeRecord { bytes } if bytes > most.max_bytes.max(large_bytes) => return Ok(None),
                Found::LargeRecord { bytes } => bytes,
            };
        }
    }

    /// Whether there are records behind the position, or the end of a sealed shard.
    async fn has_more(&self) -> Result<bool, FrameError> {
        if self.serving.log.is_sealed(self.shard) {
            return Ok(true);
        }
        let latest = self.serving.log.locate(self.shard, Position::Latest).await?;
        Ok(match self.position {
            Position::Offset(offset) => offset < latest,
            Position::TrimHorizon | Position::Latest | Position::AtTimestamp(_) => true,
        })
    }

    fn count(&self, error: &FrameError) {
        if let FrameError::Refused(refusal) = error {
            self.metrics.refusals(refusal).inc();
        }
    }
}

impl Reading {
    pub(super) fn new(serving: Arc<Serving>, metrics: Metrics, read: &Read) -> Self {
        let left = Limits {
            max_records: read.max_records.min(MAX_RECORDS),
            max_bytes: (read.max_bytes as usize).min(MAX_READ_BYTES),
        };
        let (wait_ms, committed) = (read.wait_ms.min(MAX_READ_WAIT_MS), serving.log.committed());
        let cursor = Cursor::new(serving, metrics, read.shard, read.position, read.max_frame_bytes);
        let wait = Duration::from_millis(wait_ms.into());
        Self { cursor, left, wait, committed, has_begun: false, has_ended: false }
    }

    /// The first frame: with a record, if one is committed in time.
    async fn first(&mut self, budget: &ByteBudget) -> Result<Frame, FrameError> {
        let deadline = Instant::now() + self.wait;
        self.committed.borrow_and_update();
        let mut frame = self.cursor.next(self.left, budget).await?;
        let is_at_tip = |outcome: &ReadOutcome| {
            outcome.runs.is_empty() && outcome.millis_behind_latest == 0 && outcome.successors.is_none()
        };
        while is_at_tip(&frame.outcome) {
            // Nothing is held meanwhile.
            frame.permit = budget.nothing();
            let Ok(Ok(())) = timeout_at(deadline, self.committed.changed()).await else { break };
            if self.cursor.has_more().await? {
                frame = self.cursor.next(self.left, budget).await?;
            }
        }
        Ok(frame)
    }

    async fn frame(&mut self, budget: &ByteBudget) -> Result<Option<Frame>, FrameError> {
        let frame = match (self.has_begun, self.wait.is_zero()) {
            // A record for which nothing is left is for the next read.
            (true, _) => match self.cursor.next_up_to(self.left, 0, budget).await? {
                Some(frame) => frame,
                None => return Ok(None),
            },
            (false, true) => self.cursor.next(self.left, budget).await?,
            (false, false) => self.first(budget).await?,
        };
        let (records, bytes) = (records_of(&frame.outcome), bytes_of(&frame.outcome));
        // One record is found whatever is left; one for which nothing is left is for the next read.
        if std::mem::replace(&mut self.has_begun, true) && bytes > self.left.max_bytes {
            return Ok(None);
        }
        self.left.max_records = self.left.max_records.saturating_sub(records);
        self.left.max_bytes = self.left.max_bytes.saturating_sub(bytes);
        let is_last = self.left.max_records == 0
            || self.left.max_bytes == 0
            || records == 0
            || frame.outcome.millis_behind_latest == 0;
        self.has_ended = is_last;
        Ok(Some(frame))
    }
}

impl RecordSource for Reading {
    fn next<'a>(&'a mut self, budget: &'a ByteBudget) -> BoxFuture<'a, Option<Result<Frame, FrameError>>> {
        async move {
            if self.has_ended {
                return None;
            }
            let frame = self.frame(budget).await.transpose();
            self.has_ended |= !matches!(frame, Some(Ok(_)));
            frame
        }
        .boxed()
    }
}

impl Following {
    pub(super) fn new(serving: Arc<Serving>, metrics: Metrics, follow: &Follow) -> Self {
        let committed = serving.log.committed();
        let cursor = Cursor::new(serving, metrics, follow.shard, follow.position, follow.max_frame_bytes);
        Self { cursor, committed, last: None, has_ended: false }
    }

    async fn frame(&mut self, budget: &ByteBudget) -> Result<Frame, FrameError> {
        let most = Limits { max_records: MAX_RECORDS, max_bytes: MAX_FRAME_BYTES };
        loop {
            self.committed.borrow_and_update();
            let before = self.cursor.position;
            if self.cursor.kept.is_some() || self.last.is_none() || self.cursor.has_more().await? {
                let frame = self.cursor.next(most, budget).await?;
                let is_end = frame.outcome.successors.is_some();
                if self.last.is_none() || is_end || !frame.outcome.runs.is_empty() {
                    return Ok(frame);
                }
                // The records between have expired, or their loss was accepted.
                if self.cursor.position != before {
                    continue;
                }
            }
            // Nothing is held while nothing happens.
            tokio::select! {
                changed = self.committed.changed() => {
                    changed.map_err(|_| Refusal::NotReady("it ends".into()))?;
                }
                () = sleep_until(self.last.unwrap_or_else(Instant::now) + HEARTBEAT) => {
                    return self.heartbeat(budget).await;
                }
            }
        }
    }

    async fn heartbeat(&self, budget: &ByteBudget) -> Result<Frame, FrameError> {
        let next_offset = self.cursor.serving.log.locate(self.cursor.shard, self.cursor.position).await?;
        let outcome =
            ReadOutcome { runs: Vec::new(), next_offset, millis_behind_latest: 0, successors: None };
        Ok(Frame { outcome, permit: budget.nothing() })
    }
}

impl RecordSource for Following {
    fn next<'a>(&'a mut self, budget: &'a ByteBudget) -> BoxFuture<'a, Option<Result<Frame, FrameError>>> {
        async move {
            if self.has_ended {
                return None;
            }
            let frame = self.frame(budget).await;
            self.last = Some(Instant::now());
            self.has_ended = match &frame {
                Ok(frame) => frame.outcome.successors.is_some(),
                Err(_) => true,
            };
            Some(frame)
        }
        .boxed()
    }
}

fn bytes_of(outcome: &ReadOutcome) -> usize {
    outcome.runs.iter().map(|run| run.block.bytes().len()).sum()
}

fn records_of(outcome: &ReadOutcome) -> u32 {
    outcome.runs.iter().map(|run| run.block.count()).sum()
}

/// Splits what was found: what fits into the limits, but one record where there is one, and the rest.
fn cut(found: ReadOutcome, most: Limits) -> (ReadOutcome, Option<ReadOutcome>) {
    if records_of(&found) <= most.max_records && bytes_of(&found) <= most.max_bytes {
        return (found, None);
    }
    let ReadOutcome { runs, next_offset, millis_behind_latest, successors } = found;
    let latest_ms = runs.last().map_or(0, |run| run.arrival_ms);
    let (mut left, mut taken, mut rest) = (most, Vec::new(), Vec::new());
    for run in runs {
        if !rest.is_empty() {
            rest.push(run);
            continue;
        }
        let mut block = run.block.slice(0, left.max_records, left.max_bytes);
        if block.count() == 0 && taken.is_empty() {
            block = run.block.slice(0, 1, usize::MAX);
        }
        let count = block.count();
        left.max_records -= count;
        left.max_bytes = left.max_bytes.saturating_sub(block.bytes().len());
        if count < run.block.count() {
            let block = run.block.slice(count, u32::MAX, usize::MAX);
            rest.push(ReadRun { first_offset: run.first_offset + u64::from(count), block, ..run });
        }
        if count > 0 {
            taken.push(ReadRun { block, ..run });
        }
    }
    let Some(first) = rest.first() else {
        return (ReadOutcome { runs: taken, next_offset, millis_behind_latest, successors }, None);
    };
    let behind_ms = latest_ms.saturating_sub(taken.last().map_or(latest_ms, |run| run.arrival_ms));
    let outcome = ReadOutcome {
        next_offset: first.first_offset,
        // Never 0: that says that nothing is left.
        millis_behind_latest: (millis_behind_latest + behind_ms).max(1),
        runs: taken,
        successors: None,
    };
    (outcome, Some(ReadOutcome { runs: rest, next_offset, millis_behind_latest, successors }))
}

#[cfg(test)]
mod tests;
