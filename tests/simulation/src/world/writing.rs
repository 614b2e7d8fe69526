//! Writes to the log, and checks its answers.

use anyhow::{Result, ensure};
use catalog::ShardId;
use rand::RngExt as _;
use record_log::record::{Record, RecordBlockBuilder};
use record_log::value::Run;
use record_log::{Log, WriteError};

use super::{Event, World};
use crate::model::Model;

impl World {
    pub(super) fn append(&mut self) -> Result<()> {
        let appends = self.draw_appends();
        let clocks = self.clocks.both();
        self.note_time();
        let beside = self.plan_read()?;
        let process = self.process()?;
        let now_ms = process.time.look(clocks);
        let appended = process.log.append(&appends);
        let full = process.reader.status().full.is_some();
        self.check_planned(beside)?;
        match appended {
            Ok(appended) => {
                self.model.appended(&appends, &appended, now_ms)?;
                self.record_event(Event::Append, format!("{appended:?}"));
            }
            Err(WriteError::Full(_)) => {
                ensure!(self.faults.capacity_bytes > 0, "the disk is full and has no end");
                ensure!(full, "a full disk is not reported");
                self.record_event(Event::AppendFull, 0);
            }
            Err(WriteError::Final(_)) => {
                self.model.not_answered(&appends);
                self.record_event(Event::AppendNotAnswered, 0);
                self.check_stopped()?;
            }
            Err(WriteError::Stopped(_)) => {
                self.record_event(Event::AppendStopped, 0);
                self.check_stopped()?;
            }
        }
        Ok(())
    }

    pub(super) fn draw_appends(&mut self) -> Vec<Vec<Run>> {
        let shards: Vec<_> = self.model.shards.keys().copied().collect();
        let large = self.random.random_ratio(1, 40);
        let appends = if large { 1 } else { self.random.random_range(1..4) };
        (0..appends)
            .map(|_| {
                let chosen: Vec<_> =
                    shards.iter().filter(|_| self.random.random_bool(0.6)).copied().collect();
                let chosen = if chosen.is_empty() { vec![shards[0]] } else { chosen };
                chosen.into_iter().map(|shard| self.draw_run(shard, large)).collect()
            })
            .collect()
    }

    fn draw_run(&mut self, shard: ShardId, large: bool) -> Run {
        let mut builder = RecordBlockBuilder::default();
        for _ in 0..self.random.random_range(1..5) {
            self.records += 1;
            let bytes = match large {
                true => self.random.random_range(10_000..60_000),
                false => self.random.random_range(0..900),
            };
            // No two records are alike, and all bytes of one depend on its number.
            let mut data = self.records.to_le_bytes().to_vec();
            let fill = (self.records % 251) as u8;
            data.resize(8 + bytes, fill);
            builder.push(Record { partition_key: "k", data: &data });
        }
        Run { shard, block: builder.build() }
    }

    /// Checks that a log that has stopped reports it, refuses appends and serves durable records.
    pub(super) fn check_stopped(&mut self) -> Result<()> {
        ensure!(self.disk.has_crashed() || self.faults.may_stop(), "the log stops for nothing");
        let appends = self.draw_appends();
        let process = self.process()?;
        ensure!(process.reader.status().stopped.is_some(), "a log that has stopped does not say so");
        ensure!(
            matches!(process.log.append(&appends), Err(WriteError::Stopped(_))),
            "a log that has stopped takes appends"
        );
        if !self.disk.has_crashed() {
            self.read_all()?;
        }
        let machine = self.random.random_bool(0.5);
        self.end_process(machine);
        Ok(())
    }

    /// The log is about to read its clocks.
    fn look_at_clocks(&mut self) -> Result<()> {
        let clocks = self.clocks.both();
        self.process()?.time.look(clocks);
        Ok(())
    }

    fn with_log(
        &mut self,
        what: Event,
        ask: impl FnOnce(&mut Log) -> Result<(), WriteError>,
        done: impl FnOnce(&mut Model),
    ) -> Result<bool> {
        self.note_time();
        let beside = self.plan_read()?;
        let answer = ask(&mut self.process()?.log);
        self.check_planned(beside)?;
        match answer {
            Ok(()) => {
                done(&mut self.model);
                self.record_event(what, 0);
                Ok(true)
            }
            Err(error) => self.refused_to_write(&error).map(|()| false),
        }
    }

    /// An entry without records was not written.
    pub(super) fn refused_to_write(&mut self, error: &WriteError) -> Result<()> {
        match error {
            WriteError::Full(_) => {
                self.record_event(Event::ControlFull, 0);
                Ok(())
            }
            WriteError::Final(_) | WriteError::Stopped(_) => {
                self.record_event(Event::ControlStopped, 0);
                self.check_stopped()
            }
        }
    }

    pub(super) fn maintain(&mut self) -> Result<()> {
        self.look_at_clocks()?;
        if self.with_log(Event::Maintain, |log| log.maintain(), |_| ())? {
            let process = self.process()?;
            let suspect = process.time.is_clock_suspect();
            let reported = process.reader.status().clock_suspect.is_some();
            ensure!(reported == suspect, "the clock is suspect, and that is reported: {suspect}, {reported}");
            if suspect {
                self.record_event(Event::ClockSuspect, 0);
            }
        }
        Ok(())
    }

    pub(super) fn set_retention(&mut self) -> Result<()> {
        let hours = *[24, 24, 48, 168].get(self.random.random_range(0..4)).unwrap_or(&24);
        self.model.set_retention(hours, false);
        self.look_at_clocks()?;
        self.with_log(
            Event::SetRetention,
            |log| log.set_retention(hours),
            |model| model.set_retention(hours, true),
        )?;
        Ok(())
    }

    /// A confirmation reads no clock.
    pub(super) fn confirm(&mut self) -> Result<()> {
        let unconfirmed = self.process()?.log.unconfirmed();
        self.with_log(Event::Confirm, |log| log.confirm(), |_| ())?;
        // If the segment has no space for it, the batch stays unconfirmed.
        if unconfirmed && self.process.as_ref().is_some_and(|process| !process.log.unconfirmed()) {
            self.model.confirmed();
        }
        Ok(())
    }

    pub(super) fn rest(&mut self) {
        if let Some(process) = &mut self.process {
            process.log.rest();
        }
        self.record_event(Event::Rest, 0);
    }
}
