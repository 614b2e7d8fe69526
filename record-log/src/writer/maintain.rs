//! Regular work: expires old records, and asks a full disk for room again.

use super::Writer;
use super::trim::horizon_ms;
use crate::error::WriteError;
use crate::format::batch::{EntryHeader, EntryKind};
use crate::format::{SPARE, segment_name};
use crate::segments::Unavailable;
use crate::value::Wait;

/// At most so many segments go in one call.
const MAX_SEGMENTS: u64 = 16;

impl Writer {
    /// Expires records older than the retention and frees their segments; asks a full disk for room again. Due every
    /// second or so.
    ///
    /// # Errors
    /// See [`WriteError`]. Records that expired stay so.
    pub fn maintain(&mut self) -> Result<(), WriteError> {
        self.check_running()?;
        let clock = &self.environment.clock;
        let now_ms = clock.wall_ms();
        let suspended = self.gate.look(now_ms, clock.monotonic_ms());
        let retention_hours = self.shared.published().state.retention_hours;
        if let Some(hours) = retention_hours.filter(|_| suspended.is_none()) {
            self.expire(horizon_ms(now_ms, hours))?;
        }
        self.set_suspended(suspended);
        self.ask_for_room()
    }

    fn set_suspended(&self, suspended: Option<String>) {
        let mut published = self.shared.publish();
        if published.trimming_suspended != suspended {
            match &suspended {
                Some(why) => tracing::warn!(why, "trimming is suspended"),
                None => tracing::info!("trimming goes on"),
            }
            published.trimming_suspended = suspended;
        }
    }

    fn expire(&mut self, horizon_ms: u64) -> Result<(), WriteError> {
        self.leave_expired_segment(horizon_ms)?;
        let count = self.expired_segments(horizon_ms);
        if count == 0 {
            return Ok(());
        }
        let mut is_written = self.write_trim(horizon_ms)?;
        self.shared.segments.count(|counts| counts.trims += 1);
        for _ in 0..count {
            self.remove_oldest()?;
            is_written = is_written || self.write_trim(horizon_ms)?;
        }
        Ok(())
    }

    /// Writes down what will be trimmed, before it is. Gives false on a full disk: there a segment must go first.
    fn write_trim(&mut self, horizon_ms: u64) -> Result<bool, WriteError> {
        match self.control(vec![EntryHeader::control(EntryKind::Trim, horizon_ms, 0)]) {
            Ok(()) => Ok(true),
            Err(WriteError::Full(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// How many of the oldest segments hold only expired records. Never counts the newest.
    fn expired_segments(&self, horizon_ms: u64) -> u64 {
        let (oldest, newest) = {
            let published = self.shared.published();
            (published.oldest, published.newest.header.sequence)
        };
        let mut expired = 0;
        for sequence in oldest + 1..=newest.min(oldest + MAX_SEGMENTS) {
            match self.shared.segments.header(sequence, Wait::ForDisk) {
                Ok(header) if header.state.last_arrival_ms < horizon_ms => expired = sequence - oldest,
                Ok(_) => break,
                // A segment with an unreadable header goes with the next one that can be judged.
                Err(Unavailable::Corrupt(_) | Unavailable::NoFile | Unavailable::WouldBlock) => {}
            }
        }
        expired
    }

    /// Rolls to a new segment where all records of the newest one have expired.
    fn leave_expired_segment(&mut self, horizon_ms: u64) -> Result<(), WriteError> {
        let due = {
            let published = self.shared.published();
            let newest = &published.newest;
            !newest.index.shards.is_empty() && published.state.last_arrival_ms < horizon_ms
        };
        match due.then(|| self.roll(0, self.environment.sizes.first_segment_bytes)) {
            None | Some(Ok(()) | Err(WriteError::Full(_))) => Ok(()),
            Some(Err(error)) => Err(error),
        }
    }

    /// Removes the oldest segment or makes it the spare. On a quiet log, where everything has expired, a spare would
    /// only take space. The names are durable before the next segment goes, so a crash leaves no gap.
    fn remove_oldest(&mut self) -> Result<(), WriteError> {
        let (sequence, is_quiet) = {
            let mut published = self.shared.publish();
            published.oldest += 1;
            let oldest = published.oldest;
            published.state.accepted_losses.forget_before(oldest);
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
