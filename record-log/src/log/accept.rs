//! Accepting a loss.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use super::Log;
use crate::accepted::{Accepted, MAX_STRETCHES, Stretch};
use crate::error::{AcceptLossError, Damage, WriteError};
use crate::format::batch::EntryHead;
use crate::lost::bad_in;
use crate::state::Place;

impl Log {
    /// Accepts a loss: gives up all that is bad now in the segments that known damage names, one of which is at this
    /// place, and records that are missing before such a place. Readers pass over it from then on, and over nothing that
    /// goes bad later. A log whose end was lost when it was opened takes appends again. Reads those segments as a whole.
    ///
    /// # Errors
    /// See [`AcceptLossError`].
    pub fn accept_loss(&mut self, file: &str, position: u64) -> Result<(), AcceptLossError> {
        let known = self.shared.damage();
        if let Some(why) = &self.shared.published().stopped {
            return Err(WriteError::Stopped(why.clone()).into());
        }
        if !known.iter().any(|damage| damage.file == file && damage.position == position) {
            return Err(AcceptLossError::Unknown { file: file.into(), position });
        }
        let mut due: BTreeSet<_> = known.iter().map(|damage| damage.place().segment).collect();
        let lost_end = self.take_in_lost_end();
        if let Some(lost) = &lost_end {
            due.extend(self.end().segment..=lost.sequence);
        }
        let (segments, bad) = self.look_for_bad(due);
        let before = self.shared.published().state.accepted.clone();
        let mut accepted = before.clone();
        bad.into_iter().for_each(|stretch| accepted.add(stretch));
        self.give_up_gaps(&known, &mut accepted);
        let (stretches, allowed) = (accepted.as_slice().len(), MAX_STRETCHES);
        if stretches > allowed {
            return Err(AcceptLossError::TooMuch { stretches, allowed });
        }
        let is_new = |stretch: &&Stretch| !before.as_slice().contains(stretch);
        let new: Vec<_> = accepted.as_slice().iter().filter(is_new).copied().collect();
        tracing::warn!(?new, "what is bad in the log is given up");
        if let Some(lost) = lost_end {
            self.go_on_behind(&lost, accepted)?;
        } else if !new.is_empty() {
            self.control(new.into_iter().map(EntryHead::accept_loss).collect())?;
        }
        self.shared.forget_damage(|place| segments.contains(&place.segment));
        Ok(())
    }

    /// Gives up the known gaps in which nothing is bad any more: the first byte behind each is marked.
    fn give_up_gaps(&self, known: &[Damage], accepted: &mut Accepted) {
        let kept = self.kept();
        for place in known.iter().filter(|damage| damage.is_gap).map(Damage::place) {
            if kept.contains(&place.segment) && !accepted.holds(place) {
                let Place { segment, position } = place;
                accepted.add(Stretch { segment, start: position, end: position + 1 });
            }
        }
    }

    /// The segments that are kept, as far as a lost end.
    fn kept(&self) -> RangeInclusive<u64> {
        let published = self.shared.published();
        let newest = published.newest.head.sequence;
        published.oldest..=published.lost_end.as_ref().map_or(newest, |lost| lost.sequence.max(newest))
    }

    /// All that is bad in these segments, and in those beside one whose head is bad, as the hole may be wider than what
    /// is known; and which segments these are.
    fn look_for_bad(&self, mut due: BTreeSet<u64>) -> (BTreeSet<u64>, Vec<Stretch>) {
        let kept = self.kept();
        let (mut looked_at, mut found) = (BTreeSet::new(), Vec::new());
        while let Some(segment) = due.pop_first() {
            looked_at.insert(segment);
            let bad = if kept.contains(&segment) { bad_in(&self.shared, segment) } else { Vec::new() };
            if bad.first().is_some_and(|bad| bad.stretch == Stretch::head(segment)) {
                due.extend(
                    [segment - 1, segment + 1].into_iter().filter(|beside| !looked_at.contains(beside)),
                );
            }
            found.extend(bad.into_iter().map(|bad| bad.stretch));
        }
        (looked_at, found)
    }
}
