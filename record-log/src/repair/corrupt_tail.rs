//! Going on behind a corrupt tail.

use crate::error::WriteError;
use crate::format::block_ceil;
use crate::shared::{CorruptTail, Published};
use crate::state::{AcceptedLosses, behind_corrupt_tail};
use crate::writer::Writer;
use crate::writer::roll::{Least, Next};

impl Writer {
    /// Counts all the rest of the newest segment, if that is where the corrupt tail is, as a part of the segment, so
    /// that its corruption has a location.
    pub(super) fn take_in_corrupt_tail(&mut self) {
        let mut published = self.shared.publish();
        let Published { newest, state, corrupt_tail: Some(tail), .. } = &mut *published else { return };
        if tail.sequence == newest.header.sequence
            && let Some(bytes) = newest.file.bytes().ok().filter(|bytes| *bytes > newest.end)
        {
            newest.index.note_unread(newest.end, state);
            newest.end = bytes;
            self.tip.end = bytes;
        }
    }

    /// Goes on in a new segment behind a corrupt tail whose loss is accepted.
    pub(super) fn go_on_behind(
        &mut self,
        tail: &CorruptTail,
        accepted_losses: AcceptedLosses,
    ) -> Result<(), WriteError> {
        let sequence = tail.sequence + 1;
        let state = behind_corrupt_tail(self.state.clone(), sequence, self.shared.time_ms());
        let next = Next { sequence, term: state.term, state, accepted_losses };
        let wanted = self.environment.sizes.first_segment_bytes;
        let newest = self.begin_segment(next, 0, wanted, Least::WithReserve)?;
        let before = {
            let mut published = self.shared.publish();
            published.state = newest.header.state().clone();
            published.accepted_losses = newest.header.sections.accepted_losses.clone();
            published.corrupt_tail = None;
            std::mem::replace(&mut published.newest, newest)
        };
        // The tail stays on the disk: it may be of use to somebody. The footer says where the good batches end even if
        // the next header becomes corrupt.
        if before.has_footer().is_ok_and(|has| !has) {
            self.close(&before, before.file.bytes().map(block_ceil));
        }
        self.shared.segments.count(|counts| counts.corrupt_tails_accepted += 1);
        tracing::warn!(corruption = %tail.corruption, "the loss of the corrupt tail is accepted: the log takes appends again");
        Ok(())
    }
}
