//! Accepted losses: the ranges that were corrupt when an administrator accepted their loss. Readers pass over these and
//! no others.

use crate::disk::BLOCK_BYTES;
use crate::state::Location;

/// A log keeps at most so many accepted ranges.
pub const MAX_RANGES: usize = 64;

/// A part of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SegmentRange {
    /// The sequence number of the segment.
    pub segment: u64,
    /// Where it begins in the segment's file, in bytes.
    pub start: u64,
    /// Where it ends.
    pub end: u64,
}

/// The ranges that are accepted: in order, and none touches another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AcceptedLosses {
    ranges: Vec<SegmentRange>,
}

impl SegmentRange {
    /// The header of a segment. Where it is corrupt or the file is missing, nothing of the segment can be read. What is
    /// corrupt behind a good header is another loss.
    #[must_use]
    pub fn header(segment: u64) -> Self {
        Self { segment, start: 0, end: BLOCK_BYTES as u64 }
    }
}

impl AcceptedLosses {
    /// The ranges.
    #[must_use]
    pub fn as_slice(&self) -> &[SegmentRange] {
        &self.ranges
    }

    /// Accepts one more.
    pub fn add(&mut self, mut range: SegmentRange) {
        self.ranges.retain(|known| {
            let touches =
                known.segment == range.segment && known.start <= range.end && range.start <= known.end;
            if touches {
                range.start = range.start.min(known.start);
                range.end = range.end.max(known.end);
            }
            !touches
        });
        let at = self.ranges.partition_point(|known| *known < range);
        self.ranges.insert(at, range);
    }

    /// The first position of a range that is not accepted.
    #[must_use]
    pub fn first_outside(&self, range: SegmentRange) -> Option<u64> {
        let holds = |known: &&SegmentRange| {
            known.segment == range.segment && (known.start..known.end).contains(&range.start)
        };
        let behind = self.ranges.iter().find(holds).map_or(range.start, |known| known.end);
        (behind < range.end).then_some(behind)
    }

    /// Whether the byte at a location is accepted.
    #[must_use]
    pub fn holds(&self, Location { segment, position }: Location) -> bool {
        self.first_outside(SegmentRange { segment, start: position, end: position + 1 }).is_none()
    }

    /// Forgets what was accepted before a segment, as that has expired.
    pub fn forget_before(&mut self, segment: u64) {
        self.ranges.retain(|known| known.segment >= segment);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(segment: u64, start: u64, end: u64) -> SegmentRange {
        SegmentRange { segment, start, end }
    }

    #[test]
    fn stretches_that_touch_become_one() {
        let mut accepted_losses = AcceptedLosses::default();
        for (segment, start, end) in [(2, 50, 60), (1, 10, 20), (1, 30, 40), (2, 10, 20), (1, 20, 30)] {
            accepted_losses.add(range(segment, start, end));
        }
        assert_eq!(accepted_losses.as_slice(), [range(1, 10, 40), range(2, 10, 20), range(2, 50, 60)]);
        accepted_losses.forget_before(2);
        assert_eq!(accepted_losses.as_slice().len(), 2);
    }

    #[test]
    fn only_what_lies_whole_in_a_stretch_is_given_up() {
        let mut accepted_losses = AcceptedLosses::default();
        accepted_losses.add(range(1, 10, 40));
        assert_eq!(accepted_losses.first_outside(range(1, 10, 40)), None);
        assert_eq!(accepted_losses.first_outside(range(1, 20, 30)), None);
        assert_eq!(accepted_losses.first_outside(range(1, 20, 41)), Some(40));
        assert_eq!(accepted_losses.first_outside(range(1, 9, 20)), Some(9));
        assert_eq!(accepted_losses.first_outside(range(1, 40, 50)), Some(40));
        assert_eq!(accepted_losses.first_outside(range(2, 10, 40)), Some(10));
    }
}
