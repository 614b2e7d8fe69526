//! Going on behind an end of the log that is lost.

use crate::error::WriteError;
use crate::format::block_ceil;
use crate::shared::{CorruptTail, Published};
use crate::state::{AcceptedLosses, State};
use crate::writer::Writer;

impl Writer {
    /// What is behind the newest batch, where that is not known. All the rest of its segment, if it is there, is from then
    /// on a part of what the segment holds, so that what is corrupt in it has a place.
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

    /// Goes on in a segment behind an corrupt tail and accepted, as these ranges are.
    pub(super) fn go_on_behind(
        &mut self,
        tail: &CorruptTail,
        accepted_losses: AcceptedLosses,
    ) -> Result<(), WriteError> {
        let state = State { accepted_losses, ..self.shared.published().state.clone() };
        let sequence = tail.sequence + 1;
        let state = state.behind_corrupt_tail(sequence, self.environment.clock.wall_ms());
        let before = self.begin_segment(sequence, state, 0, self.environment.sizes.first_segment_bytes)?;
        // What is lost is left as it is: it may be of use to somebody. The footer says where the rest ends, also if the
        // next header is corrupt.
        if before.has_footer().is_ok_and(|has| !has) {
            self.close(&before, before.file.bytes().map(block_ceil));
        }
        self.shared.segments.count(|counts| counts.corrupt_tails_accepted += 1);
        tracing::warn!(corruption = %tail.corruption, "the lost end of the log is given up: it takes appends again");
        Ok(())
    }
}
