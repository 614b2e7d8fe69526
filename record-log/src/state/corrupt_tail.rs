//! The numbers with which a log goes on behind a corrupt tail. Pure.

use super::State;

/// No segment has so many records, as none takes less than a byte.
const SEGMENT_RECORDS: u64 = 1 << 32;
/// So many unknown segments may follow the last known one.
const UNKNOWN_SEGMENTS: u64 = 1 << 10;

impl State {
    /// The state with which a log goes on in this segment, behind a corrupt tail. It numbers nothing as a batch or
    /// record in the tail may be numbered, even where the tail itself began behind another one.
    #[must_use]
    pub fn behind_corrupt_tail(mut self, sequence: u64, now_ms: u64) -> Self {
        let first = first_number_in(sequence);
        self.next_index = self.next_index.max(first);
        self.last_arrival_ms = self.last_arrival_ms.max(now_ms);
        // The tail may hold a change of the retention.
        self.retention_hours = None;
        for shard in self.shards.values_mut() {
            shard.next_offset = shard.next_offset.max(first);
            shard.last_arrival_ms = self.last_arrival_ms;
        }
        self
    }
}

/// The first number in a segment that begins behind a corrupt tail. All numbers in a segment are below it for the next
/// segment, whether they continue from the segment before or start over.
#[must_use]
pub fn first_number_in(sequence: u64) -> u64 {
    (sequence + UNKNOWN_SEGMENTS) * SEGMENT_RECORDS
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use catalog::member::OpenShard;
    use catalog::{HashKeyRange, ShardId};

    use super::*;
    use crate::state::{AcceptedLosses, LogShard};

    #[test]
    fn numbers_are_beyond_those_of_a_lost_segment_that_began_behind_a_corrupt_tail() {
        let (id, range) = (ShardId::FIRST, HashKeyRange::uniform(1)[0]);
        let open = OpenShard { id, range, parents: Vec::new(), create_seconds: 1 };
        let known = State {
            next_index: 5,
            last_arrival_ms: 7,
            retention_hours: Some(24),
            trimmed_ms: 0,
            accepted_losses: AcceptedLosses::default(),
            shards: BTreeMap::from([(id, LogShard { open, next_offset: 9, last_arrival_ms: 7 })]),
        };
        let once = known.clone().behind_corrupt_tail(3, 8);
        let again = known.behind_corrupt_tail(4, 8);
        assert!(once.shards[&id].next_offset > 9 && once.next_index > 5);
        assert!(again.shards[&id].next_offset >= once.shards[&id].next_offset + SEGMENT_RECORDS);
        assert!(again.next_index >= once.next_index + SEGMENT_RECORDS);
    }
}
