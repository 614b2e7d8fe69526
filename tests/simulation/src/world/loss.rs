//! Losses that are accepted: what was good is read in order, and nothing else is passed over in silence.

use anyhow::{Result, bail, ensure};
use catalog::ShardId;
use record_log::AcceptLossError;
use record_log::value::{Limits, Position, ReadOutcome, Wait};

use super::{ALL, Event, World};

impl World {
    /// Accepts the loss of all damage that is known.
    pub(super) fn accept_loss(&mut self) -> Result<()> {
        let Some(damage) = self.process()?.reader.status().damage.into_iter().next() else { return Ok(()) };
        let good = self.look_at_each()?;
        if self.disk.has_crashed() {
            return Ok(());
        }
        // Also where it is not answered.
        self.accepted = true;
        let before = self.process()?.reader.status().durable_bytes;
        match self.process()?.log.accept_loss(&damage.file, damage.position) {
            Ok(()) => {
                let status = self.process()?.reader.status();
                ensure!(!status.damage.contains(&damage), "a loss that was accepted is told of: {damage}");
                if status.durable_bytes > before {
                    self.model.confirmed();
                }
                self.did(Event::AcceptLoss, 0);
                self.check_good(&good)
            }
            Err(AcceptLossError::TooMuch { .. }) => Ok(()),
            Err(AcceptLossError::Unknown { .. }) => bail!("{damage} is told of and not known"),
            Err(AcceptLossError::Write(error)) => self.refused_to_write(&error),
        }
    }

    /// Reads every record by itself: those that can be read, and to the model, those that cannot.
    fn look_at_each(&mut self) -> Result<Vec<(ShardId, u64)>> {
        let one = Limits { max_records: 1, max_bytes: 1 };
        let reader = self.process()?.reader.clone();
        let known: Vec<(ShardId, u64)> = self
            .model
            .shards
            .iter()
            .flat_map(|(shard, records)| records.keys().map(|offset| (*shard, *offset)))
            .collect();
        let mut good = Vec::new();
        for (shard, offset) in known {
            match reader.read(shard, Position::Offset(offset), 0, one, Wait::ForDisk) {
                Ok(outcome) if outcome.runs.first().is_some_and(|run| run.first_offset == offset) => {
                    good.push((shard, offset));
                }
                Ok(_) => {}
                Err(_) => self.model.give_up(shard, offset),
            }
        }
        Ok(good)
    }

    /// What could be read before is there, in order, also behind what is given up.
    fn check_good(&mut self, good: &[(ShardId, u64)]) -> Result<()> {
        // What the disk does not give now and then may be missing now and then.
        if self.faults.failed_read > 0 {
            return Ok(());
        }
        let reader = self.process()?.reader.clone();
        for shard in self.model.shards.keys().copied().collect::<Vec<_>>() {
            let mut expected = good.iter().filter(|(of, _)| *of == shard).map(|(_, offset)| *offset);
            let mut offset = 1;
            while let Ok(outcome) = reader.read(shard, Position::Offset(offset), 0, ALL, Wait::ForDisk) {
                for run in &outcome.runs {
                    let end = run.first_offset + u64::from(run.block.count());
                    for offset in run.first_offset..end {
                        // Others may be there that nobody was answered for.
                        if good.contains(&(shard, offset)) {
                            let next = expected.next();
                            ensure!(
                                next == Some(offset),
                                "{next:?} of {shard} was good, and is left out before {offset}"
                            );
                        }
                    }
                }
                if outcome.next_offset <= offset {
                    break;
                }
                offset = outcome.next_offset;
            }
            let left = expected.find(|left| *left < offset);
            ensure!(left.is_none(), "{left:?} of {shard} was good, and is left out before {offset}");
        }
        Ok(())
    }

    /// A read goes from record to record: what it passes over is expired, or was given up.
    pub(super) fn check_nothing_passed(
        &self,
        shard: ShardId,
        from: u64,
        outcome: &ReadOutcome,
    ) -> Result<()> {
        // What the disk did not give when a loss was accepted it may have given a moment before.
        if self.accepted && self.faults.failed_read > 0 {
            return Ok(());
        }
        let mut offset = from;
        let ends = outcome.runs.iter().map(|run| (run.first_offset, u64::from(run.block.count())));
        for (first_offset, count) in ends.chain([(outcome.next_offset, 0)]) {
            let passed = self.model.kept_between(shard, offset, first_offset);
            ensure!(
                passed.is_none(),
                "{passed:?} of {shard} is passed over in silence before {first_offset}"
            );
            offset = first_offset + count;
        }
        Ok(())
    }
}
