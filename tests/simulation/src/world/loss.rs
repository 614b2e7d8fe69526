//! Accepts losses: readers then pass over what is corrupt, and over nothing else.

use anyhow::{Result, bail, ensure};
use record_log::AcceptLossError;

use super::{Event, World};
use crate::log_time::LogTime;

impl World {
    /// Accepts the loss of all known corruption; returns whether that was acknowledged.
    fn accept_known_loss(&mut self) -> Result<bool> {
        let process = self.process()?;
        let before = process.reader.status();
        let Some(corruption) = before.corruption.first() else { return Ok(false) };
        let answer = process.log.accept_loss(&corruption.file, corruption.position);
        let status = process.reader.status();
        match answer {
            Ok(()) => {
                ensure!(
                    !status.corruption.contains(corruption),
                    "a loss that was accepted is reported: {corruption}"
                );
                if status.durable_bytes > before.durable_bytes {
                    self.model.confirmed();
                }
                self.record_event(Event::AcceptLoss, format!("{:?}", status.next_offsets));
                Ok(true)
            }
            Err(AcceptLossError::TooMuch { .. }) => Ok(false),
            Err(AcceptLossError::Unknown { .. }) => bail!("{corruption} is reported and not known"),
            Err(AcceptLossError::Newer(newer)) => self.check_newer(&newer).map(|()| false),
            Err(AcceptLossError::Write(error)) => {
                let may_fail =
                    self.disk.has_crashed() || self.faults.may_stop() || self.faults.capacity_bytes > 0;
                ensure!(may_fail, "a loss is not accepted: {error}");
                self.refused_to_write(&error).map(|()| false)
            }
        }
    }

    /// Accepts the loss of all that is corrupt.
    pub(super) fn accept_loss(&mut self) -> Result<()> {
        if self.corrupted.is_nothing() && !self.may_misjudge && !self.may_pass {
            return Ok(());
        }
        // Only known corruption is accepted: read everything, so that all of it is.
        self.read_all()?;
        if self.disk.has_crashed() {
            return Ok(());
        }
        // The loss may be accepted even if that is not acknowledged.
        self.model.loss_accepted(&self.corrupted);
        self.may_pass |= !self.is_readable();
        if self.accept_known_loss()? {
            self.all_accepted = self.is_readable();
            self.read_all()?;
        }
        Ok(())
    }

    /// Accepts the loss of the corrupt tail for which a log has stopped; returns whether the log takes appends again.
    pub(super) fn accept_corrupt_tail(&mut self) -> Result<bool> {
        let ends = self.process()?.reader.status().next_offsets;
        self.model.corrupt_tail_accepted(&ends, &self.corrupted, !self.is_readable());
        self.may_pass |= !self.is_readable();
        if !self.accept_known_loss()? {
            return Ok(false);
        }
        let status = self.process()?.reader.status();
        ensure!(status.stopped.is_none(), "the loss is accepted, and the log does not go on");
        let time = LogTime::open(status.time_ms, self.clocks.both());
        self.process()?.time = time;
        self.model.resumed(&status.next_offsets);
        self.read_all()?;
        Ok(true)
    }
}
