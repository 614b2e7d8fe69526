//! What somebody gave up: the stretches that were found bad when a loss was accepted. Readers pass over these and no
//! others.

use crate::disk::BLOCK_BYTES;
use crate::place::Place;

/// At most so many stretches of a log are given up.
pub const MAX_STRETCHES: usize = 64;

/// A part of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stretch {
    /// The sequence number of the segment.
    pub segment: u64,
    /// Where it begins in the segment's file, in bytes.
    pub start: u64,
    /// Where it ends.
    pub end: u64,
}

/// The stretches that are given up: in order, and none touches another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    stretches: Vec<Stretch>,
}

impl Stretch {
    /// The head of a segment. Where it is bad, or the file is not there, nothing of the segment can be read; but what is
    /// bad behind a good head is another loss.
    #[must_use]
    pub fn head(segment: u64) -> Self {
        Self { segment, start: 0, end: BLOCK_BYTES as u64 }
    }
}

impl Accepted {
    /// The stretches.
    #[must_use]
    pub fn as_slice(&self) -> &[Stretch] {
        &self.stretches
    }

    /// Gives up one more.
    pub fn add(&mut self, mut stretch: Stretch) {
        self.stretches.retain(|known| {
            let touches =
                known.segment == stretch.segment && known.start <= stretch.end && stretch.start <= known.end;
            if touches {
                stretch.start = stretch.start.min(known.start);
                stretch.end = stretch.end.max(known.end);
            }
            !touches
        });
        let at = self.stretches.partition_point(|known| *known < stretch);
        self.stretches.insert(at, stretch);
    }

    /// Where a stretch is first not given up.
    #[must_use]
    pub fn first_outside(&self, stretch: Stretch) -> Option<u64> {
        let holds = |known: &&Stretch| {
            known.segment == stretch.segment && (known.start..known.end).contains(&stretch.start)
        };
        let behind = self.stretches.iter().find(holds).map_or(stretch.start, |known| known.end);
        (behind < stretch.end).then_some(behind)
    }

    /// Whether the byte at a place is given up.
    #[must_use]
    pub fn holds(&self, Place { segment, position }: Place) -> bool {
        self.first_outside(Stretch { segment, start: position, end: position + 1 }).is_none()
    }

    /// Forgets what was given up before a segment: all of that has expired.
    pub fn forget_before(&mut self, segment: u64) {
        self.stretches.retain(|known| known.segment >= segment);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stretch(segment: u64, start: u64, end: u64) -> Stretch {
        Stretch { segment, start, end }
    }

    #[test]
    fn stretches_that_touch_become_one() {
        let mut accepted = Accepted::default();
        for (segment, start, end) in [(2, 50, 60), (1, 10, 20), (1, 30, 40), (2, 10, 20), (1, 20, 30)] {
            accepted.add(stretch(segment, start, end));
        }
        assert_eq!(accepted.as_slice(), [stretch(1, 10, 40), stretch(2, 10, 20), stretch(2, 50, 60)]);
        accepted.forget_before(2);
        assert_eq!(accepted.as_slice().len(), 2);
    }

    #[test]
    fn only_what_lies_whole_in_a_stretch_is_given_up() {
        let mut accepted = Accepted::default();
        accepted.add(stretch(1, 10, 40));
        assert_eq!(accepted.first_outside(stretch(1, 10, 40)), None);
        assert_eq!(accepted.first_outside(stretch(1, 20, 30)), None);
        assert_eq!(accepted.first_outside(stretch(1, 20, 41)), Some(40));
        assert_eq!(accepted.first_outside(stretch(1, 9, 20)), Some(9));
        assert_eq!(accepted.first_outside(stretch(1, 40, 50)), Some(40));
        assert_eq!(accepted.first_outside(stretch(2, 10, 40)), Some(10));
    }
}
