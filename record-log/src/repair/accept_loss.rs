//! Accepting a loss.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use crate::error::{AcceptLossError, Corruption, WriteError};
use crate::format::batch::EntryHeader;
use crate::shared::corruption::corruption_in;
use crate::state::Location;
use crate::state::{AcceptedLosses, MAX_RANGES, SegmentRange};
use crate::writer::Writer;

impl Writer {
    /// Accepts the loss of all that is corrupt now in the segments of known corruption, one of which is at this
    /// position, and of the records that are missing before it. From then on readers pass over it, and over nothing
    /// that becomes corrupt later. A log with a corrupt tail takes appends again. Reads those segments as a whole.
    ///
    /// # Errors
    /// See [`AcceptLossError`].
    pub fn accept_loss(&mut self, file: &str, position: u64) -> Result<(), AcceptLossError> {
        let known = self.shared.corruption();
        if let Some(why) = &self.shared.published().stopped {
            return Err(WriteError::Stopped(why.clone()).into());
        }
        if !known.iter().any(|corruption| corruption.file == file && corruption.position == position) {
            return Err(AcceptLossError::Unknown { file: file.into(), position });
        }
        let mut due: BTreeSet<_> = known.iter().map(|corruption| corruption.location().segment).collect();
        let corrupt_tail = self.take_in_corrupt_tail();
        if let Some(tail) = &corrupt_tail {
            due.extend(self.end().segment..=tail.sequence);
        }
        let (segments, corrupt) = self.find_corruption(due);
        let before = self.shared.published().state.accepted_losses.clone();
        let mut accepted_losses = before.clone();
        corrupt.into_iter().for_each(|range| accepted_losses.add(range));
        self.accept_gaps(&known, &mut accepted_losses);
        let (ranges, allowed) = (accepted_losses.as_slice().len(), MAX_RANGES);
        if ranges > allowed {
            return Err(AcceptLossError::TooMuch { ranges, allowed });
        }
        let is_new = |range: &&SegmentRange| !before.as_slice().contains(range);
        let new: Vec<_> = accepted_losses.as_slice().iter().filter(is_new).copied().collect();
        tracing::warn!(?new, "the loss of what is corrupt in the log is accepted");
        if let Some(tail) = corrupt_tail {
            self.go_on_behind(&tail, accepted_losses)?;
        } else if !new.is_empty() {
            self.control(new.into_iter().map(EntryHeader::accept_loss).collect())?;
        }
        self.shared.forget_corruption(|location| segments.contains(&location.segment));
        Ok(())
    }

    /// Accepts the known gaps in which nothing is corrupt any more: adds the first byte behind each.
    fn accept_gaps(&self, known: &[Corruption], accepted_losses: &mut AcceptedLosses) {
        let kept = self.kept();
        for location in known.iter().filter(|corruption| corruption.is_gap).map(Corruption::location) {
            if kept.contains(&location.segment) && !accepted_losses.holds(location) {
                let Location { segment, position } = location;
                accepted_losses.add(SegmentRange { segment, start: position, end: position + 1 });
            }
        }
    }

    /// The segments that are kept, up to and with a corrupt tail.
    fn kept(&self) -> RangeInclusive<u64> {
        let published = self.shared.published();
        let newest = published.newest.header.sequence;
        published.oldest..=published.corrupt_tail.as_ref().map_or(newest, |tail| tail.sequence.max(newest))
    }

    /// All that is corrupt in these segments, and which segments were looked at. Looks also beside a corrupt header, as
    /// the hole may be wider than what is known.
    fn find_corruption(&self, mut due: BTreeSet<u64>) -> (BTreeSet<u64>, Vec<SegmentRange>) {
        let kept = self.kept();
        let (mut looked_at, mut found) = (BTreeSet::new(), Vec::new());
        while let Some(segment) = due.pop_first() {
            looked_at.insert(segment);
            let corrupt =
                if kept.contains(&segment) { corruption_in(&self.shared, segment) } else { Vec::new() };
            if corrupt.first().is_some_and(|corrupt| corrupt.range == SegmentRange::header(segment)) {
                due.extend(
                    [segment - 1, segment + 1].into_iter().filter(|beside| !looked_at.contains(beside)),
                );
            }
            found.extend(corrupt.into_iter().map(|corrupt| corrupt.range));
        }
        (looked_at, found)
    }
}
