//! Splits and merges of a log, through crashes and full disks. Not in worlds whose disk is corrupted or fails reads: there
//! it is not known which shards there are.

use anyhow::{Context as _, Result, ensure};
use catalog::member::OpenShard;
use catalog::{HashKey, HashKeyRange};
use rand::RngExt as _;
use record_log::{Reshard, Resharded, WriteError};

use super::{Event, World, shard};
use crate::model::ASKED_CREATE_SECONDS;

impl World {
    pub(super) fn reshard(&mut self) -> Result<()> {
        if self.faults.corruptions > 0 || !self.is_readable() {
            return Ok(());
        }
        let Some(reshard) = self.draw_reshard() else { return Ok(()) };
        let clocks = self.clocks.both();
        self.note_time();
        let beside = self.plan_read()?;
        let process = self.process()?;
        let now_ms = process.time.look(clocks);
        let answer = process.log.reshard(reshard.clone());
        self.check_planned(beside)?;
        match answer {
            Ok(outcome) => {
                let resharded = outcome.context("an operation that fits is refused")?;
                self.model.resharded(&reshard, &resharded)?;
                self.record_event(Event::Reshard, format!("{resharded:?}"));
                self.reshard_again(reshard, &resharded)
            }
            Err(WriteError::Full(_)) => {
                ensure!(self.faults.capacity_bytes > 0, "the disk is full and has no end");
                self.record_event(Event::ReshardFull, reshard.op);
                Ok(())
            }
            Err(WriteError::Final(_) | WriteError::Stopped(_)) => {
                self.record_event(Event::ReshardNotAnswered, reshard.op);
                self.model.reshard_not_answered(reshard, now_ms);
                self.check_stopped()
            }
        }
    }

    /// The same operation has the same outcome, and changes nothing.
    fn reshard_again(&mut self, reshard: Reshard, before: &Resharded) -> Result<()> {
        let offsets = self.process()?.reader.status().next_offsets;
        let again = match self.process()?.log.reshard(reshard) {
            Ok(again) => again,
            Err(error) => return self.refused_to_write(&error),
        };
        ensure!(
            again.as_ref() == Ok(before),
            "an operation has another outcome when it comes again: {again:?}"
        );
        ensure!(self.process()?.reader.status().next_offsets == offsets, "it is done twice");
        self.record_event(Event::ReshardAgain, 0);
        Ok(())
    }

    /// A split of any open shard, or a merge of two neighbours.
    fn draw_reshard(&mut self) -> Option<Reshard> {
        let model = &self.model;
        let mut open: Vec<_> =
            model.opened.values().filter(|shard| !model.sealed.contains_key(&shard.id)).cloned().collect();
        open.sort_by_key(|shard| shard.range.start);
        let next = model.opened.last_key_value().map_or(0, |(id, _)| id.index() + 1);
        let op = u64::from(next) + 1;
        let create_seconds = ASKED_CREATE_SECONDS;
        let child = |index, range, parents| OpenShard { id: shard(index), range, parents, create_seconds };
        let at = self.random.random_range(0..open.len());
        let first = &open[at];
        if let Some(second) = open.get(at + 1).filter(|_| open.len() > 2) {
            let (seal, end) = (vec![first.id, second.id], second.range.end);
            let merged = child(next, HashKeyRange { end, ..first.range }, seal.clone());
            return Some(Reshard { op, seal, open: vec![merged] });
        }
        let HashKeyRange { start, end } = first.range;
        let key = start.0 + (end.0 - start.0) / 2 + 1;
        let low = child(next, HashKeyRange { start, end: HashKey(key - 1) }, vec![first.id]);
        let high = child(next + 1, HashKeyRange { start: HashKey(key), end }, vec![first.id]);
        (key > start.0 && key <= end.0).then(|| Reshard { op, seal: vec![first.id], open: vec![low, high] })
    }

    /// Shards that the log has no more have expired.
    pub(super) fn forget_expired_shards(&mut self) -> Result<()> {
        self.note_time();
        let Some(process) = &self.process else { return Ok(()) };
        let next_offsets = process.reader.status().next_offsets;
        for _ in 0..self.model.forget_expired(&next_offsets)? {
            self.record_event(Event::ShardExpired, 0);
        }
        Ok(())
    }
}
