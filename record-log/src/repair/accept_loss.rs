//! Accepting a loss: what is corrupt is looked for with a [`Reader`], on any thread, and then accepted by the writer,
//! which only has to write it down.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use crate::error::{AcceptLossError, Corruption, WriteError};
use crate::reader::Reader;
use crate::shared::Shared;
use crate::shared::corruption::corruption_in;
use crate::state::{AcceptedLosses, Location, MAX_RANGES, SegmentRange};
use crate::writer::Writer;
use crate::writer::roll::Least;

/// What would be accepted.
#[derive(Clone, Debug)]
pub struct FoundLoss {
    /// What was asked for.
    file: String,
    position: u64,
    /// The corruption that was known.
    known: Vec<Corruption>,
    /// The segments that were looked at.
    segments: BTreeSet<u64>,
    /// What is corrupt in them.
    corrupt: Vec<SegmentRange>,
    /// The last segment of a corrupt tail, if the log had one.
    corrupt_tail: Option<u64>,
}

impl Reader {
    /// Looks for all that is corrupt now in the segments that known corruption names, one of which is at this place.
    /// Reads those segments as a whole: never call it where that must not be waited for.
    ///
    /// # Errors
    /// If no corruption is known at this place, or a newer version wrote one of the segments.
    pub fn find_loss(&self, file: &str, position: u64) -> Result<FoundLoss, AcceptLossError> {
        let shared = self.shared();
        let known = shared.corruption();
        if !known.iter().any(|corruption| corruption.file == file && corruption.position == position) {
            return Err(AcceptLossError::Unknown { file: file.into(), position });
        }
        let mut due: BTreeSet<_> = known.iter().map(|corruption| corruption.location().segment).collect();
        let corrupt_tail = {
            let published = shared.published();
            let corrupt_tail = published.corrupt_tail.as_ref().map(|tail| tail.sequence);
            due.extend(corrupt_tail.into_iter().flat_map(|tail| published.newest.header.sequence..=tail));
            corrupt_tail
        };
        let (segments, corrupt) = find_corruption(shared, due)?;
        Ok(FoundLoss { file: file.into(), position, known, segments, corrupt, corrupt_tail })
    }
}

impl Writer {
    /// Accepts the loss of the corruption that was found, and of the records that are missing before it. Readers pass
    /// over it from then on, but not over later corruption. A log that was opened with a corrupt tail takes appends
    /// again. The loss is recorded in the header of a new segment.
    ///
    /// # Errors
    /// See [`AcceptLossError`]; also if the known corruption has changed since.
    pub fn accept_loss(&mut self, found: &FoundLoss) -> Result<(), AcceptLossError> {
        if let Some(why) = &self.shared.published().stopped {
            return Err(WriteError::Stopped(why.clone()).into());
        }
        let known = self.shared.corruption();
        let is_asked =
            |corruption: &Corruption| corruption.file == found.file && corruption.position == found.position;
        let corrupt_tail = self.shared.published().corrupt_tail.clone();
        if !known.iter().any(is_asked)
            || corrupt_tail.as_ref().map(|tail| tail.sequence) != found.corrupt_tail
        {
            let (file, position) = (found.file.clone(), found.position);
            return Err(AcceptLossError::Unknown { file, position });
        }
        let before = self.shared.published().accepted_losses.clone();
        let mut accepted_losses = before.clone();
        found.corrupt.iter().for_each(|range| accepted_losses.add(*range));
        accept_gaps(&self.shared, &found.known, &mut accepted_losses);
        accepted_losses.forget_before(self.shared.published().oldest);
        let (ranges, allowed) = (accepted_losses.as_slice().len(), MAX_RANGES);
        if ranges > allowed {
            return Err(AcceptLossError::TooMuch { ranges, allowed });
        }
        let is_new = |range: &&SegmentRange| !before.as_slice().contains(range);
        let new: Vec<_> = accepted_losses.as_slice().iter().filter(is_new).copied().collect();
        tracing::warn!(?new, "the loss of what is corrupt in the log is accepted");
        if let Some(tail) = corrupt_tail {
            self.take_in_corrupt_tail();
            self.go_on_behind(&tail, accepted_losses)?;
        } else if accepted_losses != before {
            let (term, wanted) = (self.state.term, self.wanted_bytes());
            self.roll_to(term, 0, wanted, Least::WithReserve, accepted_losses)?;
        }
        self.shared.forget_corruption(|location| found.segments.contains(&location.segment));
        Ok(())
    }
}

/// Accepts the loss of known gaps without corruption: the first byte behind each is marked.
fn accept_gaps(shared: &Shared, known: &[Corruption], accepted_losses: &mut AcceptedLosses) {
    let kept = kept(shared);
    for location in known.iter().filter(|corruption| corruption.is_gap).map(Corruption::location) {
        if kept.contains(&location.segment) && !accepted_losses.holds(location) {
            let Location { segment, position } = location;
            accepted_losses.add(SegmentRange { segment, start: position, end: position + 1 });
        }
    }
}

/// The segments that are kept, as far as a corrupt tail.
fn kept(shared: &Shared) -> RangeInclusive<u64> {
    let published = shared.published();
    let newest = published.newest.header.sequence;
    published.oldest..=published.corrupt_tail.as_ref().map_or(newest, |tail| tail.sequence.max(newest))
}

/// All that is corrupt in these segments, and in those beside one whose header is corrupt, as the hole may be wider
/// than what is known; and which segments these are.
fn find_corruption(
    shared: &Shared,
    mut due: BTreeSet<u64>,
) -> Result<(BTreeSet<u64>, Vec<SegmentRange>), AcceptLossError> {
    let kept = kept(shared);
    let (mut looked_at, mut found) = (BTreeSet::new(), Vec::new());
    while let Some(segment) = due.pop_first() {
        looked_at.insert(segment);
        if !kept.contains(&segment) {
            continue;
        }
        let looked = corruption_in(shared, segment);
        if let Some(newer) = looked.newer {
            return Err(newer.into());
        }
        let header = SegmentRange::header(segment);
        if looked.corrupt.first().is_some_and(|corrupt| corrupt.range == header) {
            due.extend([segment - 1, segment + 1].into_iter().filter(|beside| !looked_at.contains(beside)));
        }
        found.extend(looked.corrupt.into_iter().map(|corrupt| corrupt.range));
    }
    Ok((looked_at, found))
}
