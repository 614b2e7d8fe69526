//! The log is opened, and its process ends: with the machine or without, and with damage to the disk or without.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use anyhow::{Result, ensure};
use rand::RngExt as _;
use record_log::clock::Clock;
use record_log::{Damage, Environment, Sizes, TailBudget, open};

use super::{COPY, Event, Process, World};
use crate::model::Kept;

impl World {
    /// Opens the log; whether it can be gone on with.
    pub(super) fn open(&mut self) -> Result<bool> {
        // Reads that fail for a while must not end the world.
        for _ in 0..20 {
            let environment = self.environment();
            let opened = open(environment, COPY);
            if self.disk.has_crashed() {
                self.disk.restart_machine();
                continue;
            }
            match opened {
                Ok((log, reader)) if reader.status().stopped.is_none() => {
                    let status = reader.status();
                    if !status.damage.is_empty() {
                        // On a full disk expired segments go before it can be said that they do: a crash between passes
                        // for a loss, and is told of.
                        let is_alarm = |damage: &Damage| damage.what == "there is no such file";
                        self.alarmed |= self.faults.capacity_bytes > 0 && status.damage.iter().all(is_alarm);
                        ensure!(self.may_lose(), "damage that nobody did: {:?}", status.damage);
                        // A read that failed looks like damage, until the next opening.
                        self.damaged = true;
                    }
                    let kept = if self.damages > 1 {
                        Kept::AllButDamagedEnd
                    } else if self.damaged {
                        Kept::Confirmed
                    } else {
                        Kept::All
                    };
                    if self.damages > 0 {
                        // A file that is lost is nothing to tell of where it has expired.
                        self.model.maintained(self.clocks.wall_ms());
                    }
                    self.model.reopened(&status.next_offsets, kept)?;
                    self.did(Event::Opened, format!("{:?}", status.next_offsets));
                    self.process = Some(Process { log, reader, stepped_ms: 0 });
                    self.read_all()?;
                    return Ok(true);
                }
                Ok((log, reader)) => {
                    let why = reader.status().stopped;
                    ensure!(self.faults.may_lose(), "the log stops for nothing: {why:?}");
                    self.count(&reader);
                    self.did(Event::OpenedStopped, 0);
                    drop(log);
                }
                Err(error) => {
                    let for_nothing = !self.faults.may_lose() && !self.faults.may_stop();
                    ensure!(!for_nothing, "the log does not open for nothing: {error}");
                    self.did(Event::DidNotOpen, error.to_string());
                }
            }
        }
        Ok(false)
    }

    fn environment(&mut self) -> Environment {
        let nonces = Arc::clone(&self.nonces);
        Environment {
            disk: Arc::new(self.disk.clone()),
            clock: Arc::clone(&self.clocks) as Arc<dyn Clock>,
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
        let due = self.damages < self.faults.damages && self.random.random_bool(0.4);
        if let Some(place) = due.then(|| self.disk.damage()).flatten() {
            self.damaged = true;
            self.damages += 1;
            self.did(Event::Damage, place);
        }
    }
}
