//! Concurrent readers and writers: one acts between two disk operations of the other.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result, ensure};
use catalog::ShardId;
use rand::RngExt as _;
use record_log::value::{Limits, Position, ReadOutcome, Run, RunOutcome, Wait};
use record_log::{Log, ReadError, WriteError};

use super::{ALL, Event, HOUR_MS, Process, World};
use crate::clocks::Clocks;
use crate::log_time::LogTime;

/// A planned read of another thread.
pub(super) struct Planned {
    shard: ShardId,
    from: u64,
    outcome: Arc<Mutex<Option<Result<ReadOutcome, ReadError>>>>,
}

/// The writes during a read.
enum Did {
    Appended { appends: Vec<Vec<Run>>, now_ms: u64, answer: Result<Vec<Vec<RunOutcome>>, WriteError> },
    Maintained { answer: Result<(), WriteError> },
}

impl World {
    /// Sometimes plans a read during the next write.
    pub(super) fn plan_read(&mut self) -> Result<Option<Planned>> {
        if !self.random.random_bool(0.3) {
            return Ok(None);
        }
        let (shard, from) = self.draw_start();
        let limits = self.draw_limits();
        let outcome = Arc::new(Mutex::new(None));
        let planned = Planned { shard, from, outcome: Arc::clone(&outcome) };
        let after = self.random.random_range(0..8);
        let (reader, disk) = (self.process()?.reader.clone(), self.disk.clone());
        self.disk.meanwhile(after, move || {
            let read = reader.read(shard, Position::Offset(from), limits, Wait::ForDisk);
            if !disk.has_crashed() {
                *outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(read);
            }
        });
        Ok(Some(planned))
    }

    /// Checks a planned read before the outcome of the write is known: no reader may have seen it.
    pub(super) fn check_planned(&mut self, planned: Option<Planned>) -> Result<()> {
        self.disk.alone();
        let Some(Planned { shard, from, outcome }) = planned else { return Ok(()) };
        let Some(read) = outcome.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            return Ok(());
        };
        self.check_beside(Event::ReadInAWrite, shard, from, read)
    }

    /// Reads while the log is written: records are appended and expire.
    pub(super) fn read_while_written(&mut self) -> Result<()> {
        let Process { log, reader, stepped_ms, mut time } =
            self.process.take().context("there is no process")?;
        let (shard, from) = self.draw_start();
        let limits = self.draw_limits();
        let batches = self.random.random_range(1..24);
        // Later batches reuse the space of expired records.
        let due = self.random.random_range(0..batches);
        let appends: Vec<_> = (0..batches).map(|_| self.draw_appends()).collect();
        let all_expires = self.random.random_ratio(1, 4);
        let goes_ms = if all_expires { 169 * HOUR_MS } else { self.random.random_range(0..30 * HOUR_MS) };
        let (log, did) = (Arc::new(Mutex::new(log)), Arc::new(Mutex::new(None)));
        {
            let (log, did, clocks) = (Arc::clone(&log), Arc::clone(&did), Arc::clone(&self.clocks));
            self.disk.meanwhile(self.random.random_range(0..6), move || {
                let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
                clocks.go(goes_ms);
                let mut all = Vec::new();
                let mut time = time;
                for (number, appends) in appends.into_iter().enumerate() {
                    if number == due {
                        time.look(clocks.both());
                        all.push(Did::Maintained { answer: log.maintain() });
                    }
                    all.push(append(&mut log, &clocks, &mut time, appends));
                }
                *did.lock().unwrap_or_else(PoisonError::into_inner) = Some((all, time));
            });
        }
        let read = reader.read(shard, Position::Offset(from), limits, Wait::ForDisk);
        self.disk.alone();
        let log = Arc::into_inner(log).context("nobody else has the log")?;
        let log = log.into_inner().unwrap_or_else(PoisonError::into_inner);
        let did = did.lock().unwrap_or_else(PoisonError::into_inner).take();
        let did = did.map(|(did, then)| {
            time = then;
            did
        });
        self.process = Some(Process { log, reader, stepped_ms, time });
        self.note_time();
        let mut stopped = false;
        for did in did.into_iter().flatten() {
            stopped |= self.account(did)?;
        }
        self.check_beside(Event::WritesInARead, shard, from, read)?;
        if stopped { self.check_stopped() } else { Ok(()) }
    }

    /// Applies the writes to the model; returns whether the log has stopped.
    fn account(&mut self, did: Did) -> Result<bool> {
        let answer = match did {
            Did::Appended { appends, now_ms, answer } => match answer {
                Ok(appended) => self.model.appended(&appends, &appended, now_ms).map(|()| Ok(()))?,
                Err(error) => {
                    if let WriteError::Final(_) = error {
                        self.model.not_answered(&appends);
                    }
                    Err(error)
                }
            },
            Did::Maintained { answer } => answer,
        };
        if let Err(WriteError::Full(_)) = answer {
            ensure!(self.faults.capacity_bytes > 0, "the disk is full and has no end");
        }
        Ok(matches!(answer, Err(WriteError::Final(_) | WriteError::Stopped(_))))
    }

    fn check_beside(
        &mut self,
        what: Event,
        shard: ShardId,
        from: u64,
        read: Result<ReadOutcome, ReadError>,
    ) -> Result<()> {
        match read {
            Ok(outcome) => {
                self.model
                    .check_read(shard, from, 0, &outcome, self.may_pass)
                    .with_context(|| what.name())?;
                self.record_event(what, (outcome.next_offset, outcome.runs.len()));
                Ok(())
            }
            Err(error) => self.check_refused(Some((shard, from)), &error).with_context(|| what.name()),
        }
    }

    fn draw_start(&mut self) -> (ShardId, u64) {
        let shards: Vec<_> = self.model.shards.keys().copied().collect();
        let shard = shards[self.random.random_range(0..shards.len())];
        let last = self.model.last_offset(shard);
        let from = match self.random.random_range(0..3) {
            0 => 1,
            1 => self.random.random_range(1..last + 2),
            _ => last.saturating_sub(self.random.random_range(0..8)).max(1),
        };
        (shard, from)
    }

    fn draw_limits(&mut self) -> Limits {
        match self.random.random_bool(0.5) {
            true => ALL,
            false => Limits { max_records: self.random.random_range(1..20), max_bytes: 20_000 },
        }
    }
}

fn append(log: &mut Log, clocks: &Clocks, time: &mut LogTime, appends: Vec<Vec<Run>>) -> Did {
    let now_ms = time.look(clocks.both());
    let answer = log.append(&appends);
    Did::Appended { appends, now_ms, answer }
}
