//! The state of a log: what its entries up to an index amount to. Every segment's header holds all of it, so recovery
//! and readers never need an older segment to know it.
//!
//! Pure: no file is read or written here. A state changes only by [`State::apply`], and by
//! [`State::behind_corrupt_tail`] where an administrator accepted the loss of the newest entries. Numbers and arrival
//! times never go back.

use std::collections::BTreeMap;

use catalog::ShardId;
use catalog::member::OpenShard;
use serde::{Deserialize, Serialize};

use crate::format::Invalid;
use crate::format::batch::{BatchHeader, EntryKind};

mod accepted_losses;
mod corrupt_tail;

pub use accepted_losses::{AcceptedLosses, MAX_RANGES, SegmentRange};
pub use corrupt_tail::first_number_in;

/// The state behind some batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// The number of the next batch, from 1.
    pub next_index: u64,
    /// When the last batch arrived, in milliseconds since 1970.
    pub last_arrival_ms: u64,
    /// How long records are kept; none where corruption may hide a change, so that nothing expires by mistake.
    pub retention_hours: Option<u32>,
    /// Records that arrived before this (milliseconds since 1970) have expired.
    pub trimmed_ms: u64,
    /// The accepted losses: readers pass over them.
    #[serde(rename = "accepted")]
    pub accepted_losses: AcceptedLosses,
    /// The shards.
    pub shards: BTreeMap<ShardId, LogShard>,
}

/// A position in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// The sequence number of the segment.
    pub segment: u64,
    /// The position in its file, in bytes.
    pub position: u64,
}

/// One shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogShard {
    /// How it was opened.
    pub open: OpenShard,
    /// The offset of its next record, from 1.
    pub next_offset: u64,
    /// When its last record arrived; 0 while it has none.
    pub last_arrival_ms: u64,
}

impl State {
    /// Whether a batch can come next. Behind corruption, indexes and offsets may jump, but never go back.
    fn follows(&self, header: &BatchHeader, behind_corruption: bool) -> Result<(), Invalid> {
        if header.index < self.next_index || header.index > self.next_index && !behind_corruption {
            return Err(Invalid("a batch has not the number that follows"));
        }
        if header.arrival_ms < self.last_arrival_ms {
            return Err(Invalid("a batch arrived before an earlier one"));
        }
        for entry in header.entries.iter().filter(|entry| entry.kind == EntryKind::Append) {
            let shard =
                self.shards.get(&entry.shard).ok_or(Invalid("records of a shard that is not open"))?;
            if entry.first_offset < shard.next_offset
                || entry.first_offset > shard.next_offset && !behind_corruption
            {
                return Err(Invalid("records have not the offsets that follow"));
            }
        }
        Ok(())
    }

    /// Adds the next batch, whose headers were checked.
    ///
    /// # Errors
    /// If it cannot follow; nothing is changed then.
    pub fn apply(&mut self, header: &BatchHeader, behind_corruption: bool) -> Result<(), Invalid> {
        self.follows(header, behind_corruption)?;
        for entry in &header.entries {
            match entry.kind {
                EntryKind::Append => {
                    if let Some(shard) = self.shards.get_mut(&entry.shard) {
                        shard.next_offset = entry.first_offset + u64::from(entry.records);
                        shard.last_arrival_ms = header.arrival_ms;
                    }
                }
                EntryKind::SetRetention => self.retention_hours = Some(entry.records),
                EntryKind::Trim => self.trimmed_ms = self.trimmed_ms.max(entry.first_offset),
                EntryKind::AcceptLoss => self.accepted_losses.add(entry.range()),
            }
        }
        self.next_index = header.index + 1;
        self.last_arrival_ms = header.arrival_ms;
        Ok(())
    }
}
