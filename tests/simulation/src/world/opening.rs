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
    /// Opens the log; whether it can be gone on with.
    pub(super) fn open(&mut self) -> Result<bool> {
        self.all_given_up = false;
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
        self.mistaken = !self.gives_all() && !status.corruption.is_empty();
        self.check_reported(&status.corruption)?;
        self.model.reopened(&status.next_offsets, &self.corrupted, self.mistaken)?;
        self.did(Event::Opened, format!("{:?}", status.next_offsets));
        self.run_process(log, reader);
        self.read_all()
    }

    pub(super) fn run_process(&mut self, log: Log, reader: Reader) {
        let time = LogTime::open(reader.status().time_ms, self.clocks.both());
        self.process = Some(Process { log, reader, stepped_ms: 0, time });
        self.note_time();
    }

    /// It takes nothing more, as it is not known what was appended last; what is known is served. Whether somebody
    /// accepts the loss, so that it goes on.
    fn opened_stopped(&mut self, log: Log, reader: Reader) -> Result<bool> {
        let status = reader.status();
        let why = status.stopped;
        ensure!(!self.gives_all() || self.corrupted.may_stop(), "the log stops for nothing: {why:?}");
        ensure!(!status.corruption.is_empty(), "the log stops and names no corruption: {why:?}");
        self.mistaken = !self.gives_all();
        self.check_reported(&status.corruption)?;
        self.did(Event::OpenedStopped, 0);
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

    /// A log that does not know its end does not say that nothing comes next.
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
                !self.gives_all() || self.corrupted.may_not_open(),
                "the log does not open for nothing: {error}"
            ),
            Error::Io { .. } => ensure!(
                !self.gives_all() || self.faults.may_stop() || self.corrupted.may_not_open(),
                "the log does not open for nothing: {error}"
            ),
            Error::Newer(newer) => self.check_newer(newer)?,
            Error::Foreign { .. } => bail!("the log passes for another: {error}"),
        }
        self.did(Event::DidNotOpen, error.to_string());
        Ok(())
    }

    /// Corruption that is reported was caused.
    pub(super) fn check_reported(&self, reported: &[Corruption]) -> Result<()> {
        let unexplained = reported.iter().find(|corruption| !self.explains(corruption));
        ensure!(unexplained.is_none(), "corruption that nobody caused: {unexplained:?}");
        Ok(())
    }

    /// Whether it is no wonder that the log reports this corruption.
    pub(super) fn explains(&self, corruption: &Corruption) -> bool {
        // On a full disk expired segments go before it can be said that they do: a crash between passes for a loss.
        let is_alarm = self.faults.capacity_bytes > 0 && corruption.what == "there is no such file";
        !self.gives_all() || self.mistaken || self.may_pass || is_alarm || self.corrupted.explains(corruption)
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

    /// The process ends without a word, with the machine or without.
    pub(super) fn end_process(&mut self, machine: bool) {
        let Some(process) = self.process.take() else { return };
        self.count(&process.reader);
        drop(process);
        if machine || self.disk.has_crashed() {
            self.disk.restart_machine();
        }
        self.did(if machine { Event::MachineRestart } else { Event::ProcessRestart }, 0);
        let due = self.corruptions < self.faults.corruptions && self.random.random_bool(0.4);
        if let Some(place) = due.then(|| self.disk.corrupt()).flatten() {
            self.corruptions += 1;
            self.did(Event::Corruption, place);
        }
        self.roll_out();
    }
}
