//! Accepting a loss: what is corrupt is looked for with a [`Reader`], on any thread, and then given up by the writer,
//! which only has to write it down.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use super::Writer;
use super::roll::Least;
use crate::accepted::{Accepted, MAX_STRETCHES, Stretch};
use crate::error::{AcceptLossError, Damage, WriteError};
use crate::lost::bad_in;
use crate::place::Place;
use crate::reader::Reader;
use crate::shared::Shared;

/// What would be given up.
#[derive(Clone, Debug)]
pub struct FoundLoss {
    /// What was asked for.
    file: String,
    position: u64,
    /// The damage that was known.
    known: Vec<Damage>,
    /// The segments that were looked at.
    segments: BTreeSet<u64>,
    /// What is bad in them.
    bad: Vec<Stretch>,
    /// The last segment of a lost end, if the log had one.
    lost_end: Option<u64>,
}

impl Reader {
    /// Looks for all that is bad now in the segments that known damage names, one of which is at this place. Reads those
    /// segments as a whole: never call it where that must not be waited for.
    ///
    /// # Errors
    /// If no damage is known at this place, or a newer version wrote one of the segments.
    pub fn find_loss(&self, file: &str, position: u64) -> Result<FoundLoss, AcceptLossError> {
        let shared = self.shared();
        let known = shared.damage();
        if !known.iter().any(|damage| damage.file == file && damage.position == position) {
            return Err(AcceptLossError::Unknown { file: file.into(), position });
        }
        let mut due: BTreeSet<_> = known.iter().map(|damage| damage.place().segment).collect();
        let lost_end = {
            let published = shared.published();
            let lost_end = published.lost_end.as_ref().map(|lost| lost.sequence);
            due.extend(lost_end.into_iter().flat_map(|lost| published.newest.head.sequence..=lost));
            lost_end
        };
        let (segments, bad) = look_for_bad(shared, due)?;
        Ok(FoundLoss { file: file.into(), position, known, segments, bad, lost_end })
    }
}

impl Writer {
    /// Gives up what was found, and records that are missing before a place that was known: readers pass over it from then
    /// on, and over nothing that goes bad later. A log whose end was lost when it was opened takes appends again. It is
    /// written down in the header of a new segment.
    ///
    /// # Errors
    /// See [`AcceptLossError`]: also where what is known is not any more what it was.
    pub fn accept_loss(&mut self, found: &FoundLoss) -> Result<(), AcceptLossError> {
        if let Some(why) = &self.shared.published().stopped {
            return Err(WriteError::Stopped(why.clone()).into());
        }
        let known = self.shared.damage();
        let is_asked = |damage: &Damage| damage.file == found.file && damage.position == found.position;
        let lost_end = self.shared.published().lost_end.clone();
        if !known.iter().any(is_asked) || lost_end.as_ref().map(|lost| lost.sequence) != found.lost_end {
            let (file, position) = (found.file.clone(), found.position);
            return Err(AcceptLossError::Unknown { file, position });
        }
        let before = self.shared.published().accepted.clone();
        let mut accepted = before.clone();
        found.bad.iter().for_each(|stretch| accepted.add(*stretch));
        give_up_gaps(&self.shared, &found.known, &mut accepted);
        accepted.forget_before(self.shared.published().oldest);
        let (stretches, allowed) = (accepted.as_slice().len(), MAX_STRETCHES);
        if stretches > allowed {
            return Err(AcceptLossError::TooMuch { stretches, allowed });
        }
        let is_new = |stretch: &&Stretch| !before.as_slice().contains(stretch);
        let new: Vec<_> = accepted.as_slice().iter().filter(is_new).copied().collect();
        tracing::warn!(?new, "what is bad in the log is given up");
        if let Some(lost) = lost_end {
            self.take_in_lost_end();
            self.go_on_behind(&lost, accepted)?;
        } else if accepted != before {
            let (term, wanted) = (self.state.term, self.wanted_bytes());
            self.roll_to(term, 0, wanted, Least::WithReserve, accepted)?;
        }
        self.shared.forget_damage(|place| found.segments.contains(&place.segment));
        Ok(())
    }
}

/// Gives up the known gaps in which nothing is bad any more: the first byte behind each is marked.
fn give_up_gaps(shared: &Shared, known: &[Damage], accepted: &mut Accepted) {
    let kept = kept(shared);
    for place in known.iter().filter(|damage| damage.is_gap).map(Damage::place) {
        if kept.contains(&place.segment) && !accepted.holds(place) {
            let Place { segment, position } = place;
            accepted.add(Stretch { segment, start: position, end: position + 1 });
        }
    }
}

/// The segments that are kept, as far as a lost end.
fn kept(shared: &Shared) -> RangeInclusive<u64> {
    let published = shared.published();
    let newest = published.newest.head.sequence;
    published.oldest..=published.lost_end.as_ref().map_or(newest, |lost| lost.sequence.max(newest))
}

/// All that is bad in these segments, and in those beside one whose head is bad, as the hole may be wider than what is
/// known; and which segments these are.
fn look_for_bad(
    shared: &Shared,
    mut due: BTreeSet<u64>,
) -> Result<(BTreeSet<u64>, Vec<Stretch>), AcceptLossError> {
    let kept = kept(shared);
    let (mut looked_at, mut found) = (BTreeSet::new(), Vec::new());
    while let Some(segment) = due.pop_first() {
        looked_at.insert(segment);
        if !kept.contains(&segment) {
            continue;
        }
        let looked = bad_in(shared, segment);
        if let Some(newer) = looked.newer {
            return Err(newer.into());
        }
        let head = Stretch::head(segment);
        if looked.bad.first().is_some_and(|bad| bad.stretch == head) {
            due.extend([segment - 1, segment + 1].into_iter().filter(|beside| !looked_at.contains(beside)));
        }
        found.extend(looked.bad.into_iter().map(|bad| bad.stretch));
    }
    Ok((looked_at, found))
}
