//! The group's small state: a function of the log's prefix, whole in the head of every segment.

use std::collections::BTreeMap;

use catalog::ShardId;
use catalog::member::OpenShard;
use serde::{Deserialize, Serialize};

use crate::accepted::Accepted;
use crate::format::Invalid;
use crate::format::batch::{BatchHead, EntryKind};

/// The state behind some batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// The number of the next batch, from 1.
    pub next_index: u64,
    /// When the last batch arrived, in milliseconds since 1970.
    pub last_arrival_ms: u64,
    /// How long records are kept; none where damage may hide what was said last, so that nothing expires by mistake.
    pub retention_hours: Option<u32>,
    /// Records that arrived before this (milliseconds since 1970) have expired.
    pub trimmed_ms: u64,
    /// What is damaged and given up: readers pass over it.
    pub accepted: Accepted,
    /// The shards.
    pub shards: BTreeMap<ShardId, ShardState>,
}

/// A place in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The sequence number of the segment.
    pub segment: u64,
    /// The position in its file, in bytes.
    pub position: u64,
}

/// One shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShardState {
    /// How it was opened.
    pub open: OpenShard,
    /// The offset of its next record, from 1.
    pub next_offset: u64,
    /// When its last record arrived; 0 while it has none.
    pub last_arrival_ms: u64,
}

impl State {
    /// Whether a batch can be the next one. Behind damage numbers and offsets may jump, never go back.
    fn follows(&self, head: &BatchHead, behind_damage: bool) -> Result<(), Invalid> {
        if head.index < self.next_index || head.index > self.next_index && !behind_damage {
            return Err(Invalid("a batch has not the number that follows"));
        }
        if head.arrival_ms < self.last_arrival_ms {
            return Err(Invalid("a batch arrived before an earlier one"));
        }
        for entry in head.entries.iter().filter(|entry| entry.kind == EntryKind::Append) {
            let shard =
                self.shards.get(&entry.shard).ok_or(Invalid("records of a shard that is not open"))?;
            if entry.first_offset < shard.next_offset
                || entry.first_offset > shard.next_offset && !behind_damage
            {
                return Err(Invalid("records have not the offsets that follow"));
            }
        }
        Ok(())
    }

    /// Adds the next batch, whose heads were checked.
    ///
    /// # Errors
    /// If it cannot follow; nothing is changed then.
    pub fn apply(&mut self, head: &BatchHead, behind_damage: bool) -> Result<(), Invalid> {
        self.follows(head, behind_damage)?;
        for entry in &head.entries {
            match entry.kind {
                EntryKind::Append => {
                    if let Some(shard) = self.shards.get_mut(&entry.shard) {
                        shard.next_offset = entry.first_offset + u64::from(entry.records);
                        shard.last_arrival_ms = head.arrival_ms;
                    }
                }
                EntryKind::SetRetention => self.retention_hours = Some(entry.records),
                EntryKind::Trim => self.trimmed_ms = self.trimmed_ms.max(entry.first_offset),
                EntryKind::AcceptLoss => self.accepted.add(entry.stretch()),
            }
        }
        self.next_index = head.index + 1;
        self.last_arrival_ms = head.arrival_ms;
        Ok(())
    }
}
