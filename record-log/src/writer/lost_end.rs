//! Going on behind an end of the log that is lost.

use group_core::State;

use super::Writer;
use super::roll::{Least, Next};
use crate::accepted::Accepted;
use crate::error::WriteError;
use crate::format::block_ceil;
use crate::shared::{LostEnd, Published};

/// No segment has so many records, as none takes less than a byte.
const SEGMENT_RECORDS: u64 = 1 << 32;
/// So many segments may be lost behind the last one that is known of.
const UNKNOWN_SEGMENTS: u64 = 1 << 10;

impl Writer {
    /// All the rest of the segment behind whose newest batch it is not known what is, if it is there, is from now on a part
    /// of what the segment holds, so that what is bad in it has a place.
    pub(super) fn take_in_lost_end(&mut self) {
        let mut published = self.shared.publish();
        let Published { newest, state, lost_end: Some(lost), .. } = &mut *published else { return };
        if lost.sequence == newest.head.sequence
            && let Some(bytes) = newest.file.bytes().ok().filter(|bytes| *bytes > newest.end)
        {
            newest.marks.note_unread(newest.end, state);
            newest.end = bytes;
            self.tip.end = bytes;
        }
    }

    /// Goes on in a segment behind an end that is lost and given up, as these stretches are.
    pub(super) fn go_on_behind(&mut self, lost: &LostEnd, accepted: Accepted) -> Result<(), WriteError> {
        let sequence = lost.sequence + 1;
        let now_ms = self.shared.published().clock.at(self.environment.clock.monotonic_ms());
        let state = behind_lost_end(self.state.clone(), sequence, now_ms);
        let next = Next { sequence, term: state.term, state, accepted };
        let wanted = self.environment.sizes.first_segment_bytes;
        let newest = self.begin_segment(next, 0, wanted, Least::WithReserve)?;
        let before = {
            let mut published = self.shared.publish();
            published.state = newest.head.state().clone();
            published.accepted = newest.head.sections.accepted.clone();
            published.lost_end = None;
            std::mem::replace(&mut published.newest, newest)
        };
        // What is lost is left as it is: it may be of use to somebody. The footer says where the rest ends, also if the
        // next head is damaged.
        if before.has_footer().is_ok_and(|has| !has) {
            self.close(&before, before.file.bytes().map(block_ceil));
        }
        self.shared.segments.count(|counts| counts.lost_ends_given_up += 1);
        tracing::warn!(damage = %lost.damage, "the lost end of the log is given up: it takes appends again");
        Ok(())
    }
}

/// The state in which a log goes on with this segment: nothing that it numbers can be in what is lost, also where that
/// began behind a lost end itself.
fn behind_lost_end(mut state: State, sequence: u64, now_ms: u64) -> State {
    let first = first_number_in(sequence);
    state.index = state.index.max(first - 1);
    state.time_ms = state.time_ms.max(now_ms);
    // What cannot be read may have said how long records are kept.
    state.retention_hours = None;
    for shard in state.shards.values_mut() {
        shard.next_offset = shard.next_offset.max(first);
        shard.last_arrival_ms = shard.last_arrival_ms.max(state.time_ms);
    }
    state
}

/// The first number of a segment that is begun behind a lost end. The numbers in each segment are below that of the next,
/// whether they go on from the one before or begin anew.
pub fn first_number_in(sequence: u64) -> u64 {
    (sequence + UNKNOWN_SEGMENTS) * SEGMENT_RECORDS
}

#[cfg(test)]
mod tests {
    use catalog::member::OpenShard;
    use catalog::{HashKeyRange, ShardId};

    use super::*;

    #[test]
    fn numbers_are_beyond_those_of_a_lost_segment_that_began_behind_a_lost_end() {
        let (id, range) = (ShardId::FIRST, HashKeyRange::uniform(1)[0]);
        let open = OpenShard { id, range, parents: Vec::new(), create_seconds: 1 };
        let mut known = State::new([open], 24, 7);
        known.index = 4;
        known.shards.get_mut(&id).unwrap().next_offset = 9;
        let lost = behind_lost_end(known.clone(), 3, 8);
        let again = behind_lost_end(known, 4, 8);
        assert!(lost.shards[&id].next_offset > 9 && lost.index > 4);
        assert!(again.shards[&id].next_offset >= lost.shards[&id].next_offset + SEGMENT_RECORDS);
        assert!(again.index >= lost.index + SEGMENT_RECORDS);
    }
}
