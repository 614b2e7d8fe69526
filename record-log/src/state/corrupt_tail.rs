//! The numbers with which a log goes on behind a corrupt tail. Pure.

use group_core::State;

/// No segment has so many records, as none takes less than a byte.
const SEGMENT_RECORDS: u64 = 1 << 32;
/// So many unknown segments may follow the last known one.
const UNKNOWN_SEGMENTS: u64 = 1 << 10;

/// The state with which a log goes on in this segment, behind a corrupt tail. It numbers nothing as a batch or record in
/// the tail may be numbered, even where the tail itself began behind another one.
#[must_use]
pub fn behind_corrupt_tail(mut state: State, sequence: u64, now_ms: u64) -> State {
    let first = first_number_in(sequence);
    state.index = state.index.max(first - 1);
    state.time_ms = state.time_ms.max(now_ms);
    // The tail may hold a change of the retention.
    state.retention_hours = None;
    // Behind its seal a shard has no records.
    for (_, shard) in state.shards.iter_mut().filter(|(_, shard)| shard.seal.is_none()) {
        shard.next_offset = shard.next_offset.max(first);
        shard.last_arrival_ms = shard.last_arrival_ms.max(state.time_ms);
    }
    state
}

/// The first number in a segment that begins behind a corrupt tail. All numbers in a segment are below it for the next
/// segment, whether they continue from the segment before or start over.
#[must_use]
pub fn first_number_in(sequence: u64) -> u64 {
    (sequence + UNKNOWN_SEGMENTS) * SEGMENT_RECORDS
}

#[cfg(test)]
mod tests {
    use catalog::member::OpenShard;
    use catalog::{HashKeyRange, ShardId};

    use super::*;

    #[test]
    fn numbers_are_beyond_those_of_a_lost_segment_that_began_behind_a_corrupt_tail() {
        let (id, range) = (ShardId::FIRST, HashKeyRange::uniform(1)[0]);
        let open = OpenShard { id, range, parents: Vec::new(), create_seconds: 1 };
        let mut known = State::new([open], 24, 7);
        known.index = 4;
        known.shards.get_mut(&id).unwrap().next_offset = 9;
        let once = behind_corrupt_tail(known.clone(), 3, 8);
        let again = behind_corrupt_tail(known, 4, 8);
        assert!(once.shards[&id].next_offset > 9 && once.index > 4);
        assert!(again.shards[&id].next_offset >= once.shards[&id].next_offset + SEGMENT_RECORDS);
        assert!(again.index >= once.index + SEGMENT_RECORDS);
    }
}
