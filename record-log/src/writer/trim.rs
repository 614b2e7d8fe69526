//! Removing segments whose records have all expired.

use group_core::State;

use super::Writer;
use crate::error::WriteError;
use crate::format::{SPARE, segment_name};
use crate::segments::Unavailable;
use crate::state::last_arrival_ms;
use crate::value::Wait;

/// At most so many segments go in one call.
const MAX_SEGMENTS: u64 = 16;

impl Writer {
    /// Removes segments all of whose records arrived before this, in milliseconds of log time; the newest one too, if all
    /// in it is visible.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub fn trim(&mut self, horizon_ms: u64) -> Result<(), WriteError> {
        self.check_running()?;
        self.leave_expired_segment(horizon_ms)?;
        let count = self.expired_segments(horizon_ms);
        self.shared.segments.count(|counts| counts.trims += u64::from(count > 0));
        (0..count).try_for_each(|_| self.remove_oldest())
    }

    /// When the last record of the oldest segment arrived; where it has none, when its last batch was proposed.
    pub(super) fn oldest_arrival_ms(&self) -> Option<u64> {
        let (oldest, newest) = self.kept();
        let arrival_ms = |state: &State| match last_arrival_ms(state) {
            0 => state.time_ms,
            arrival_ms => arrival_ms,
        };
        let before = (oldest + 1..=newest.min(oldest + MAX_SEGMENTS))
            .find_map(|sequence| self.shared.segments.header(sequence, Wait::ForDisk).ok())
            .map(|header| arrival_ms(header.state()));
        before.or_else(|| {
            let published = self.shared.published();
            let has_records = oldest == newest && !published.newest.index.shards.is_empty();
            has_records.then(|| arrival_ms(&published.state))
        })
    }

    /// The oldest and the newest segment.
    fn kept(&self) -> (u64, u64) {
        let published = self.shared.published();
        (published.oldest, published.newest.header.sequence)
    }

    /// How many of the oldest segments hold nothing but expired records. The newest is none of them.
    fn expired_segments(&self, horizon_ms: u64) -> u64 {
        let (oldest, newest) = self.kept();
        let mut expired = 0;
        for sequence in oldest + 1..=newest.min(oldest + MAX_SEGMENTS) {
            match self.shared.segments.header(sequence, Wait::ForDisk) {
                Ok(header) if last_arrival_ms(header.state()) < horizon_ms => expired = sequence - oldest,
                Ok(_) => break,
                // What cannot be judged goes with the next segment that can.
                Err(
                    Unavailable::Corrupt(_)
                    | Unavailable::Newer(_)
                    | Unavailable::NoFile
                    | Unavailable::WouldBlock,
                ) => {}
            }
        }
        expired
    }

    /// Goes on in a new segment where all of the newest one has expired.
    fn leave_expired_segment(&mut self, horizon_ms: u64) -> Result<(), WriteError> {
        let due = {
            let published = self.shared.published();
            let has_records = !published.newest.index.shards.is_empty();
            self.unpublished.is_empty() && has_records && last_arrival_ms(&published.state) < horizon_ms
        };
        let roll = |writer: &mut Self| {
            writer.roll(writer.state.term, 0, writer.environment.sizes.first_segment_bytes)
        };
        match due.then(|| roll(self)) {
            None | Some(Ok(()) | Err(WriteError::Full(_))) => Ok(()),
            Some(Err(error)) => Err(error),
        }
    }

    /// Removes the oldest segment, or makes it the spare, unless nothing was appended for so long that all has expired:
    /// then a spare would only take space. The names are durable before the next goes, so that a crash
    /// leaves no gap.
    fn remove_oldest(&mut self) -> Result<(), WriteError> {
        let (sequence, is_quiet) = {
            let mut published = self.shared.publish();
            published.oldest += 1;
            let oldest = published.oldest;
            published.accepted_losses.forget_before(oldest);
            (published.oldest - 1, published.newest.index.shards.is_empty())
        };
        let segments = &self.shared.segments;
        let held = segments.forget(sequence);
        let name = segment_name(sequence);
        let disk = &self.environment.disk;
        let removed = match held || self.has_spare || is_quiet {
            true => disk.remove(&name),
            false => disk.rename(&name, SPARE).map(|()| self.has_spare = true),
        };
        let removed = match removed {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        };
        if let Err(error) = removed.and_then(|()| disk.sync_directory()) {
            let why = format!("{name}, which has expired, could not be removed: {error}");
            self.stop(&why);
            return Err(WriteError::Stopped(why));
        }
        segments.count(|counts| counts.segments_trimmed += 1);
        self.shared.forget_corruption(|location| location.segment <= sequence);
        if let Ok(header) = segments.header(sequence + 1, Wait::ForDisk) {
            self.shared.publish().trimmed_bytes = header.bytes_before;
        }
        Ok(())
    }
}
