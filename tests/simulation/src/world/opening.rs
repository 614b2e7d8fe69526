//! The log is opened, and its process ends: with the machine or without, and with corruption of the disk or without.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use anyhow::{Context as _, Result, bail, ensure};
use rand::RngExt as _;
use record_log::clock::Clock;
use record_log::value::{Position, Wait};
use record_log::{Corruption, Environment, Error, Log, ReadError, Reader, Sizes, TailBudget, open};

use super::{ALL, COPY, Event, Process, World};
use crate::corrupted::Corrupted;
use crate::log_time::LogTime;

/// Reads and syncs that fail for a while must not end the world.
const TRIES: u32 = 20;

impl World {
    /// Opens the log; returns whether it takes appends.
    pub(super) fn open(&mut self) -> Result<bool> {
        self.all_accepted = false;
        for _ in 0..TRIES {
            self.corrupted =
                Corrupted::of(&self.disk.corrupt_files(), &self.disk.names(), |name| self.disk.written(name));
            let before = self.look_for_newer();
            let environment = self.environment();
            let opened = open(environment, COPY);
            if self.disk.has_crashed() {
                self.disk.restart_machine();
                continue;
            }
            match opened {
                Ok((log, reader)) if reader.status().stopped.is_none() => {
                    self.check_may_write()?;
                    self.opened(log, reader)?;
                    return Ok(true);
                }
                Ok((log, reader)) if self.is_read_only(&reader)? => {
                    self.opened_read_only(log, reader, &before)?;
                }
                Ok((log, reader)) => {
                    if self.opened_stopped(log, reader)? {
                        return Ok(true);
                    }
                }
                Err(Error::Newer(newer)) => self.refused_as_newer(&newer, &before)?,
                Err(error) => self.check_not_opened(&error)?,
            }
        }
        Ok(false)
    }

    fn opened(&mut self, log: Log, reader: Reader) -> Result<()> {
        let status = reader.status();
        self.may_misjudge = !self.is_readable() && !status.corruption.is_empty();
        self.check_reported(&status.corruption)?;
        self.model.reopened(&status.next_offsets, &self.corrupted, self.may_misjudge)?;
        self.record_event(Event::Opened, format!("{:?}", status.next_offsets));
        self.run_process(log, reader);
        self.read_all()
    }

    pub(super) fn run_process(&mut self, log: Log, reader: Reader) {
        let time = LogTime::open(reader.status().time_ms, self.clocks.both());
        self.process = Some(Process { log, reader, stepped_ms: 0, time });
        self.note_time();
    }

    /// The log has a corrupt tail: it takes no appends and serves the rest. Returns whether the loss was accepted, so
    /// that it takes appends again.
    fn opened_stopped(&mut self, log: Log, reader: Reader) -> Result<bool> {
        let status = reader.status();
        let why = status.stopped;
        ensure!(!self.is_readable() || self.corrupted.may_stop(), "the log stops for nothing: {why:?}");
        ensure!(!status.corruption.is_empty(), "the log stops and names no corruption: {why:?}");
        self.may_misjudge = !self.is_readable();
        self.check_reported(&status.corruption)?;
        self.record_event(Event::OpenedStopped, 0);
        self.run_process(log, reader);
        self.read_all().context("of a log that takes no appends")?;
        self.check_end_refused()?;
        let is_accepted =
            !self.disk.has_crashed() && self.random.random_bool(0.5) && self.accept_corrupt_tail()?;
        if !is_accepted {
            self.end_process(false);
        }
        Ok(is_accepted)
    }

    /// A read behind a corrupt tail must be refused, not answered with no records.
    fn check_end_refused(&mut self) -> Result<()> {
        let reader = self.process()?.reader.clone();
        for (shard, end) in reader.status().next_offsets {
            let read = reader.read(shard, Position::Offset(end), ALL, Wait::ForDisk);
            ensure!(
                matches!(read, Err(ReadError::Corrupt(_))),
                "the corrupt tail of {shard} is read: {read:?}"
            );
        }
        Ok(())
    }

    fn check_not_opened(&mut self, error: &Error) -> Result<()> {
        match error {
            Error::Corrupt(_) => ensure!(
                !self.is_readable() || self.corrupted.may_not_open(),
                "the log does not open for nothing: {error}"
            ),
            Error::Io { .. } => ensure!(
                !self.is_readable() || self.faults.may_stop() || self.corrupted.may_not_open(),
                "the log does not open for nothing: {error}"
            ),
            Error::Newer(newer) => self.check_newer(newer)?,
            Error::Foreign { .. } => bail!("the log passes for another: {error}"),
        }
        self.record_event(Event::DidNotOpen, error.to_string());
        Ok(())
    }

    /// Corruption that is reported was caused.
    pub(super) fn check_reported(&self, reported: &[Corruption]) -> Result<()> {
        let unexplained = reported.iter().find(|corruption| !self.explains(corruption));
        ensure!(unexplained.is_none(), "corruption that nobody caused: {unexplained:?}");
        Ok(())
    }

    /// Whether the log may report this corruption.
    pub(super) fn explains(&self, corruption: &Corruption) -> bool {
        // On a full disk expired segments are removed before an entry can say so: a crash in between looks like a loss.
        let is_alarm = self.faults.capacity_bytes > 0 && corruption.what == "there is no such file";
        !self.is_readable()
            || self.may_misjudge
            || self.may_pass
            || is_alarm
            || self.corrupted.explains(corruption)
    }

    fn environment(&mut self) -> Environment {
        let nonces = Arc::clone(&self.nonces);
        Environment {
            disk: Arc::new(self.disk.clone()),
            clock: Arc::clone(&self.clocks) as Arc<dyn Clock>,
            trusts_own_clock: false,
            random: Arc::new(move || nonces.fetch_add(0x9e37_79b9_7f4a_7c15, Relaxed)),
            tail: TailBudget::new(self.random.random_range(0..3) * 4_000),
            sizes: Sizes {
                first_segment_bytes: 16 << 10,
                largest_segment_bytes: 64 << 10,
                stride_bytes: 8 << 10,
            },
        }
    }

    /// The process is killed, with its machine or alone.
    pub(super) fn end_process(&mut self, machine: bool) {
        let Some(process) = self.process.take() else { return };
        self.count(&process.reader);
        drop(process);
        if machine || self.disk.has_crashed() {
            self.disk.restart_machine();
        }
        self.record_event(if machine { Event::MachineRestart } else { Event::ProcessRestart }, 0);
        let due = self.corruptions < self.faults.corruptions && self.random.random_bool(0.4);
        if let Some(position) = due.then(|| self.disk.corrupt()).flatten() {
            self.corruptions += 1;
            self.record_event(Event::Corruption, position);
        }
        self.roll_out();
    }
}
