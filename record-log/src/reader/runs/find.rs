//! Finds the segment to begin with.

use std::sync::Arc;

use super::Runs;
use crate::error::ReadError;
use crate::format::header::SegmentHeader;
use crate::segments::Unavailable;
use crate::state::last_arrival_ms;

impl Runs<'_> {
    /// The segment to begin with: the newest one with nothing before it that is asked for.
    pub(super) fn find_segment(&self) -> Result<u64, ReadError> {
        let (mut low, mut high) = {
            let published = self.shared.published();
            (published.oldest, published.newest.header.sequence)
        };
        // Invariant: the answer is in low..=high. A segment with a corrupt header says nothing.
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            match self.first_good_header(middle, high)? {
                Some(header) if self.begins_before(&header) => low = header.sequence,
                Some(_) | None => high = middle - 1,
            }
        }
        Ok(low)
    }

    /// The first good header from one segment to another.
    fn first_good_header(&self, from: u64, to: u64) -> Result<Option<Arc<SegmentHeader>>, ReadError> {
        for sequence in from..=to {
            match self.shared.segments.header(sequence, self.wait) {
                Ok(header) => return Ok(Some(header)),
                Err(Unavailable::WouldBlock) => return Err(ReadError::WouldBlock),
                Err(Unavailable::NoFile | Unavailable::Corrupt(_) | Unavailable::Newer(_)) => {}
            }
        }
        Ok(None)
    }

    /// Whether nothing that is asked for lies before a segment.
    fn begins_before(&self, header: &SegmentHeader) -> bool {
        let next_offset = header.state().shards.get(&self.shard).map_or(0, |shard| shard.next_offset);
        next_offset <= self.expected || last_arrival_ms(header.state()) < self.arrival_ms
    }
}
