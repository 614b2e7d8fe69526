//! Going on behind a corrupt tail.

use crate::error::WriteError;
use crate::format::block_ceil;
use crate::shared::{CorruptTail, Published};
use crate::state::{AcceptedLosses, State};
use crate::writer::Writer;

impl Writer {
    /// Counts all the rest of the newest segment, if that is where the corrupt tail is, as a part of the segment, so
    /// that its corruption has a location. Gives the tail.
    pub(super) fn take_in_corrupt_tail(&self) -> Option<CorruptTail> {
        let mut published = self.shared.publish();
        let tail = published.corrupt_tail.clone()?;
        let Published { newest, state, .. } = &mut *published;
        if tail.sequence == newest.header.sequence
            && let Some(bytes) = newest.file.bytes().ok().filter(|bytes| *bytes > newest.end)
        {
            newest.index.note_unread(newest.end, state);
            newest.end = bytes;
        }
        Some(tail)
    }

    /// Goes on in a new segment behind a corrupt tail whose loss is accepted.
    pub(super) fn go_on_behind(
        &mut self,
        tail: &CorruptTail,
        accepted_losses: AcceptedLosses,
    ) -> Result<(), WriteError> {
        let state = State { accepted_losses, ..self.shared.published().state.clone() };
        let sequence = tail.sequence + 1;
        let state = state.behind_corrupt_tail(sequence, self.environment.clock.wall_ms());
        let before = self.begin_segment(sequence, state, 0, self.environment.sizes.first_segment_bytes)?;
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
