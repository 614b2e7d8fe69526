//! The view of the readers of a process: the committed log, up to the last published batch.

use anyhow::{Context as _, Result, ensure};
use catalog::ShardId;
use group_core::clock::{ClockReading, LogClock};
use group_core::{Change, Continuity, State, horizon_ms};

use super::ledger::{History, Stored, numbers};
use super::message::{Page, ReadRecord, StartingPosition};
use super::store::Store;
use super::watch::check_running_time;

const HOUR_MS: u64 = 3_600_000;

/// A view of a log.
#[derive(Clone, Debug)]
pub struct View {
    /// The state behind the last published batch.
    pub state: State,
    /// Log time at the last publication.
    pub clock: LogClock,
}

impl View {
    /// Applies published batches.
    pub fn publish(&mut self, store: &Store, index: u64, clock: LogClock) -> Result<()> {
        let seen = self.state.index;
        for batch in store.batches().filter(|batch| batch.index > seen && batch.index <= index) {
            self.state
                .apply(batch.step(), Continuity::Required)
                .context("a published batch does not apply")?;
        }
        ensure!(self.state.index == index, "batch {index} is published and is not in the log");
        self.clock = clock;
        Ok(())
    }

    /// Log time at a moment.
    #[must_use]
    pub fn time_ms(&self, clock: ClockReading) -> u64 {
        self.clock.at(clock.boottime_ms)
    }

    /// Reads a shard; `None` if it is not in this group.
    #[must_use]
    pub fn read(
        &self,
        store: &Store,
        shard: ShardId,
        from: StartingPosition,
        max_records: usize,
        time_ms: u64,
    ) -> Option<Page> {
        let known = self.state.shards.get(&shard)?;
        let (end_offset, is_sealed) = (known.next_offset, known.seal.is_some());
        let horizon_ms = horizon_ms(&self.state, time_ms);
        let committed = store.batches().filter(|batch| batch.index <= self.state.index);
        let of_shard = committed.flat_map(|batch| &batch.entries).filter_map(|entry| match entry.change {
            Change::Append { shard: of, first_offset, arrival_ms, .. } if of == shard => {
                let numbers = entry.blocks.iter().flat_map(numbers).zip(first_offset..);
                Some(numbers.map(move |(number, offset)| ReadRecord { offset, number, arrival_ms }))
            }
            _ => None,
        });
        let wanted = |record: &ReadRecord| match from {
            StartingPosition::TrimHorizon => true,
            StartingPosition::Latest => false,
            StartingPosition::Timestamp(ms) => record.arrival_ms >= ms,
            StartingPosition::Offset(offset) => record.offset >= offset,
        };
        let kept = of_shard.flatten().filter(|record| record.arrival_ms >= horizon_ms && wanted(record));
        let mut kept = kept.peekable();
        let records: Vec<_> = kept.by_ref().take(max_records).collect();
        let behind_ms = kept.peek().map(|next| time_ms.saturating_sub(next.arrival_ms).max(1));
        let next_offset =
            records.last().filter(|_| behind_ms.is_some()).map_or(end_offset, |last| last.offset + 1);
        let successors = if is_sealed && behind_ms.is_none() { self.state.successors(shard) } else { None };
        let millis_behind_latest = Some(behind_ms.unwrap_or_default());
        Some(Page { records, next_offset, millis_behind_latest, successors })
    }

    /// Checks that a page has every kept record of the committed log for this reader, once, and no other.
    pub fn check_page(
        &self,
        history: &History,
        shard: ShardId,
        from: StartingPosition,
        page: &Page,
        (time_ms, now_ms): (u64, u64),
    ) -> Result<bool> {
        let all = history.shards.get(&shard).context("a page of a shard elsewhere")?;
        let committed = &all[..all.partition_point(|record| record.index <= self.state.index)];
        let tip = committed.len() as u64 + 1;
        let first = match from {
            StartingPosition::TrimHorizon => 1,
            StartingPosition::Latest => tip,
            StartingPosition::Timestamp(ms) => {
                committed.partition_point(|record| record.arrival_ms < ms) as u64 + 1
            }
            StartingPosition::Offset(offset) => offset,
        };
        let kept_ms = self.state.retention_hours.map_or(u64::MAX / 2, |hours| u64::from(hours) * HOUR_MS);
        let mut expected = first;
        for record in &page.records {
            if expected == first {
                check_passed(history, committed, first..record.offset, kept_ms, time_ms, now_ms)?;
                expected = record.offset;
            }
            ensure!(record.offset == expected, "offset {} of {shard} was read for {expected}", record.offset);
            let stored = usize::try_from(record.offset - 1).ok().and_then(|at| committed.get(at));
            let stored = stored.with_context(|| format!("offset {expected} of {shard} is not committed"))?;
            ensure!(
                (stored.number, stored.arrival_ms) == (record.number, record.arrival_ms),
                "offset {expected} of {shard} was read as another record"
            );
            let young = record.arrival_ms.saturating_add(kept_ms) >= time_ms;
            ensure!(
                young || time_ms < self.state.protected_until_ms,
                "a record was read after its retention"
            );
            expected += 1;
        }
        if page.records.is_empty() {
            check_passed(history, committed, first..page.next_offset, kept_ms, time_ms, now_ms)?;
        } else {
            ensure!(
                page.next_offset == expected,
                "a reader goes on with {}, not {expected}",
                page.next_offset
            );
        }
        let is_tip = page.next_offset >= tip;
        let is_sealed = history.sealed.get(&shard).is_some_and(|seal| seal.index <= self.state.index);
        let end = (is_tip && is_sealed).then(|| history.successors(shard));
        ensure!(
            page.successors == end,
            "a reader at {} of {tip} finds another end of {shard}",
            page.next_offset
        );
        if let Some(behind_ms) = page.millis_behind_latest {
            ensure!(
                (behind_ms == 0) == is_tip,
                "a reader {behind_ms} ms behind goes on with {} of {tip}",
                page.next_offset
            );
        }
        let passed = page.records.first().map_or(page.next_offset, |record| record.offset) > first;
        Ok(passed)
    }
}

/// Checks that the records that a reader passed over have expired.
fn check_passed(
    history: &History,
    committed: &[Stored],
    offsets: std::ops::Range<u64>,
    kept_ms: u64,
    time_ms: u64,
    now_ms: u64,
) -> Result<()> {
    let Some(last) = offsets.end.checked_sub(2).filter(|_| offsets.start < offsets.end) else {
        return Ok(());
    };
    let last = usize::try_from(last).ok().and_then(|at| committed.get(at)).context("passed over the tip")?;
    ensure!(
        history.trimmed_ms > last.arrival_ms || last.arrival_ms.saturating_add(kept_ms) <= time_ms,
        "a record was passed over after {} of {} minutes of log time",
        time_ms.saturating_sub(last.arrival_ms) / 60_000,
        kept_ms / 60_000
    );
    if history.trimmed_ms <= last.arrival_ms {
        check_running_time(history, last.arrival_ms + 1, kept_ms, now_ms)?;
    }
    Ok(())
}
