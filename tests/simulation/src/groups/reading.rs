//! Reads: a router's readers send them, and the processes of groups answer them.

use anyhow::{Context as _, Result, bail, ensure};
use catalog::ShardId;
use catalog::member::OpenShard;
use rand::RngExt as _;

use super::event::Event;
use super::message::{Page, ReplyBody, RequestBody, StartingPosition, Version};
use super::router::{Outstanding, Reader};
use super::world::{HOUR_MS, World};

/// A router has at most so many readers.
const MAX_READERS: usize = 8;

impl World {
    /// Reads a shard for a router, as this process sees it.
    pub(super) fn read(
        &mut self,
        group: usize,
        shard: ShardId,
        from: StartingPosition,
        max_records: usize,
    ) -> Result<ReplyBody> {
        let now_ms = self.now_ms;
        let address = self.process(group)?.address;
        let clock = self.clock(address);
        let Self { groups, ledger, .. } = self;
        let process = groups[group].process.as_ref().context("no process")?;
        let time_ms = process.view.time_ms(clock);
        let store = &groups[group].store;
        let Some(mut page) = process.view.read(store, shard, from, max_records, time_ms) else {
            ensure!(!ledger.groups[group].has(shard), "{shard} is not where it is");
            if ledger.groups[group].opened.contains_key(&shard) {
                self.record_event(Event::ShardExpired, shard);
            }
            return Ok(ReplyBody::NotHere);
        };
        if process.version == Version::Older {
            page.millis_behind_latest = None;
        }
        let passed = process.view.check_page(&ledger.groups[group], shard, from, &page, (time_ms, now_ms))?;
        if passed {
            self.record_event(Event::ReadPassedExpired, (shard, page.next_offset));
        }
        Ok(ReplyBody::Page(page))
    }

    /// Continues one of a router's readers, or starts a new one.
    pub(super) fn read_on(&mut self, router: usize) -> Result<()> {
        let Some(shard) = self.draw_shard(router) else { return Ok(()) };
        let readers = self.routers[router].readers.len();
        let begins = readers < 2 || readers < 6 && self.random.random_ratio(1, 5);
        let reader = if begins { readers } else { self.random.random_range(0..readers) };
        if begins {
            let from = match self.random.random_range(0..4) {
                0 => StartingPosition::Latest,
                1 => {
                    // Any time will do: the log compares it with log time.
                    let wall_ms = self.machines[router].clock(self.now_ms).wall_ms;
                    StartingPosition::Timestamp(
                        wall_ms.saturating_sub(self.random.random_range(0..10 * HOUR_MS)),
                    )
                }
                _ => StartingPosition::TrimHorizon,
            };
            self.routers[router].readers.push(Reader { shard, from, waiting: false });
        }
        let Reader { shard, from, waiting } = self.routers[router].readers[reader];
        let Some(group) = self.group_known(router, shard) else { return Ok(()) };
        if !waiting {
            self.routers[router].readers[reader].waiting = true;
            let acknowledged = self.ledger.acknowledged_offsets.get(&shard).copied().unwrap_or_default();
            let max_records = self.random.random_range(1..30);
            let body = RequestBody::Read { shard, from, max_records };
            self.request(router, group, body, 0, Outstanding::Read { reader, from, acknowledged });
        }
        Ok(())
    }

    pub(super) fn read_replied(
        &mut self,
        router: usize,
        reader: usize,
        from: StartingPosition,
        acknowledged: u64,
        body: ReplyBody,
    ) -> Result<()> {
        let Page { records, next_offset, millis_behind_latest, successors } = match body {
            ReplyBody::Page(page) => page,
            ReplyBody::NotHere => {
                // A shard that has expired is read no more.
                if let Some(shard) = self.draw_shard(router) {
                    let from = StartingPosition::TrimHorizon;
                    self.routers[router].readers[reader] = Reader { shard, from, waiting: false };
                }
                self.ask_catalog(router);
                return Ok(());
            }
            _ => bail!("a read is answered as an append"),
        };
        if let StartingPosition::Latest = from {
            ensure!(
                next_offset > acknowledged,
                "the latest is {next_offset}, and {acknowledged} was acknowledged"
            );
            self.record_event(Event::ReadLatest, next_offset);
        }
        if let StartingPosition::Timestamp(_) = from {
            self.record_event(Event::ReadTimestamp, next_offset);
        }
        if let StartingPosition::Offset(offset) = from {
            ensure!(next_offset >= offset, "a reader goes back from {offset} to {next_offset}");
        }
        if millis_behind_latest == Some(0) {
            ensure!(
                next_offset > acknowledged,
                "a reader at {next_offset} is at the tip before {acknowledged}"
            );
            self.record_event(Event::ReadTip, next_offset);
        }
        self.record_event(Event::Read, &records);
        let readers = &mut self.routers[router].readers;
        (readers[reader].from, readers[reader].waiting) = (StartingPosition::Offset(next_offset), false);
        if let Some(successors) = successors {
            self.record_event(Event::ReadEnd, &records);
            self.read_successors(router, reader, &successors);
        }
        Ok(())
    }

    /// A reader goes on with the shards that took over, and each of them is read from its beginning.
    fn read_successors(&mut self, router: usize, reader: usize, successors: &[OpenShard]) {
        let readers = &mut self.routers[router].readers;
        let mut begun = successors.iter().map(|child| Reader {
            shard: child.id,
            from: StartingPosition::TrimHorizon,
            waiting: false,
        });
        if let Some(first) = begun.next() {
            readers[reader] = first;
        }
        let room = MAX_READERS.saturating_sub(readers.len());
        readers.extend(begun.take(room));
    }
}
