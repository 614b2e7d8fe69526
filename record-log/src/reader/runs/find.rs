//! Where to begin.

use std::sync::Arc;

use super::Runs;
use crate::error::ReadError;
use crate::format::header::SegmentHeader;
use crate::open::last_arrival_ms;
use crate::segments::Missing;

impl Runs<'_> {
    /// The newest segment before which all that is asked for cannot be: where to begin.
    pub(super) fn find_segment(&self) -> Result<u64, ReadError> {
        let (mut low, mut high) = {
            let published = self.shared.published();
            (published.oldest, published.newest.head.sequence)
        };
        // Invariant: the answer is in low..=high. A segment whose head is bad says nothing.
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            match self.first_good_head(middle, high)? {
                Some(head) if self.begins_before(&head) => low = head.sequence,
                Some(_) | None => high = middle - 1,
            }
        }
        Ok(low)
    }

    /// The first good head from one segment to another.
    fn first_good_head(&self, from: u64, to: u64) -> Result<Option<Arc<SegmentHeader>>, ReadError> {
        for sequence in from..=to {
            match self.shared.segments.head(sequence, self.wait) {
                Ok(head) => return Ok(Some(head)),
                Err(Missing::WouldBlock) => return Err(ReadError::WouldBlock),
                Err(Missing::NoFile | Missing::Damaged(_) | Missing::Newer(_)) => {}
            }
        }
        Ok(None)
    }

    /// Whether nothing that is asked for lies before a segment.
    fn begins_before(&self, head: &SegmentHeader) -> bool {
        let next_offset = head.state().shards.get(&self.shard).map_or(0, |shard| shard.next_offset);
        next_offset <= self.expected || last_arrival_ms(head.state()) < self.arrival_ms
    }
}
