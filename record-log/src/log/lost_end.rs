//! Going on behind an end of the log that is lost.

use super::Log;
use crate::error::WriteError;
use crate::state::{Place, State};

/// No segment has so many records, as none takes less than a byte.
const SEGMENT_RECORDS: u64 = 1 << 32;
/// So many segments may be lost behind the last one that is known of.
const UNKNOWN_SEGMENTS: u64 = 1 << 10;

impl Log {
    /// Where the end of the log was lost when it was opened, gives it up: begins a segment behind it. Whether it was.
    pub(super) fn go_on_behind_lost_end(&mut self) -> Result<bool, WriteError> {
        let (lost, state) = {
            let published = self.shared.published();
            let Some(lost) = published.lost_end.clone() else { return Ok(false) };
            if let Some(why) = &published.stopped {
                return Err(WriteError::Stopped(why.clone()));
            }
            (lost, published.state.clone())
        };
        let sequence = lost.sequence + 1;
        let state = behind_lost_end(state, sequence, self.environment.clock.wall_ms());
        // What is lost is left as it is: it may be of use to somebody.
        self.begin_segment(sequence, state, 0, self.environment.sizes.first_segment_bytes)?;
        self.shared.forget_damage_before(self.end());
        self.shared.segments.count(|counts| counts.lost_ends_given_up += 1);
        tracing::warn!(damage = %lost.damage, "the lost end of the log is given up: it takes appends again");
        Ok(true)
    }
}

/// The state in which a log goes on with this segment: nothing that it numbers can be in what is lost, also where that
/// began behind a lost end itself.
fn behind_lost_end(mut state: State, sequence: u64, now_ms: u64) -> State {
    let first = first_number_in(sequence);
    state.next_index = state.next_index.max(first);
    state.last_arrival_ms = state.last_arrival_ms.max(now_ms);
    // What cannot be read may have said how long records are kept.
    state.retention_hours = None;
    state.accepted = Place { segment: sequence, position: 0 };
    for shard in state.shards.values_mut() {
        shard.next_offset = shard.next_offset.max(first);
        shard.last_arrival_ms = state.last_arrival_ms;
    }
    state
}

/// The first number of a segment that is begun behind a lost end. The numbers in each segment are below that of the next,
/// whether they go on from the one before or begin anew.
fn first_number_in(sequence: u64) -> u64 {
    (sequence + UNKNOWN_SEGMENTS) * SEGMENT_RECORDS
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use catalog::member::OpenShard;
    use catalog::{HashKeyRange, ShardId};

    use super::*;
    use crate::state::ShardState;

    #[test]
    fn numbers_are_beyond_those_of_a_lost_segment_that_began_behind_a_lost_end() {
        let (id, range) = (ShardId::FIRST, HashKeyRange::uniform(1)[0]);
        let open = OpenShard { id, range, parents: Vec::new(), create_seconds: 1 };
        let known = State {
            next_index: 5,
            last_arrival_ms: 7,
            retention_hours: Some(24),
            trimmed_ms: 0,
            accepted: Place::default(),
            shards: BTreeMap::from([(id, ShardState { open, next_offset: 9, last_arrival_ms: 7 })]),
        };
        let lost = behind_lost_end(known.clone(), 3, 8);
        let again = behind_lost_end(known, 4, 8);
        assert!(lost.shards[&id].next_offset > 9 && lost.next_index > 5);
        assert!(again.shards[&id].next_offset >= lost.shards[&id].next_offset + SEGMENT_RECORDS);
        assert!(again.next_index >= lost.next_index + SEGMENT_RECORDS);
    }
}
