//! The committed logs of all groups, and the promises about them. It shares no code with the core.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use catalog::member::OpenShard;
use catalog::{HashKey, ShardId};
use group_core::record::RecordBlock;
use group_core::{Appended, Batch, Change, Reshard};

/// Which record, of all in the world: what its data begins with.
pub type RecordNumber = u64;

/// A record that a router has sent.
#[derive(Clone, Copy, Debug)]
struct Sent {
    session: u64,
    sequence: u64,
    shard: ShardId,
    /// The shard's records up to this offset were acknowledged before.
    behind: u64,
    hash_key: HashKey,
    /// Where the last record with this hash key is that was acknowledged before.
    behind_of_key: Option<(ShardId, u64)>,
}

/// The end of a shard.
#[derive(Clone, Copy, Debug)]
pub struct Sealed {
    /// The index of its batch.
    pub index: u64,
    /// When, in milliseconds of log time.
    pub arrival_ms: u64,
    /// When it became durable, in true time.
    pub durable_ms: u64,
}

/// A record that is in a committed log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Which.
    pub number: RecordNumber,
    /// The index of its batch.
    pub index: u64,
    /// When it arrived, in milliseconds of log time.
    pub arrival_ms: u64,
    /// When it became durable, in true time.
    pub durable_ms: u64,
}

/// The committed log of a group.
#[derive(Debug, Default)]
pub struct History {
    /// All its batches, also those that were trimmed since.
    pub batches: Vec<Batch>,
    /// All its records by shard and offset - 1.
    pub shards: BTreeMap<ShardId, Vec<Stored>>,
    /// The last trim horizon, which was checked when it was proposed.
    pub trimmed_ms: u64,
    /// All shards that were ever opened.
    pub opened: BTreeMap<ShardId, OpenShard>,
    /// Those that were sealed.
    pub sealed: BTreeMap<ShardId, Sealed>,
    /// The operations that were done, by their numbers.
    pub operations: BTreeMap<u64, Reshard>,
    /// True time and index of each clock step.
    pub steps: Vec<(u64, u64)>,
    /// True times at which its time may have followed another clock by up to an hour.
    pub follows_ms: Vec<u64>,
}

/// All of it.
#[derive(Debug, Default)]
pub struct Ledger {
    sent: BTreeMap<RecordNumber, Sent>,
    /// What arrives in a shard does not arrive before this.
    pub floors_ms: BTreeMap<ShardId, u64>,
    /// By group.
    pub groups: Vec<History>,
    /// Where each record is.
    locations: BTreeMap<RecordNumber, (ShardId, u64)>,
    acknowledged: BTreeMap<RecordNumber, Appended>,
    /// The last acknowledged offset of each shard.
    pub acknowledged_offsets: BTreeMap<ShardId, u64>,
    /// Where the last acknowledged record of each hash key of a group is.
    acknowledged_keys: BTreeMap<(usize, HashKey), (ShardId, u64)>,
}

/// The numbers of a block's records.
pub fn numbers(block: &RecordBlock) -> impl Iterator<Item = RecordNumber> {
    let number = |data: &[u8]| data.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    block.records().map(|record| number(record.data)).collect::<Vec<_>>().into_iter()
}

/// The hash key of a record: its partition key says it.
pub fn hash_key(partition_key: &str) -> HashKey {
    HashKey(partition_key.parse().unwrap_or_default())
}

/// The hash keys of a block's records.
pub fn hash_keys(block: &RecordBlock) -> impl Iterator<Item = HashKey> {
    block.records().map(|record| hash_key(record.partition_key)).collect::<Vec<_>>().into_iter()
}

impl History {
    /// The shards that are open, by their places in the ring.
    pub fn open(&self) -> Vec<&OpenShard> {
        let mut open: Vec<_> =
            self.opened.values().filter(|shard| !self.sealed.contains_key(&shard.id)).collect();
        open.sort_by_key(|shard| shard.range.start);
        open
    }

    /// Whether a shard is here: it was opened, and has not expired by an entry that says so.
    pub fn has(&self, shard: ShardId) -> bool {
        let expired = self.sealed.get(&shard).is_some_and(|seal| seal.arrival_ms < self.trimmed_ms);
        self.opened.contains_key(&shard) && !expired
    }

    /// The shards that took over from one.
    pub fn successors(&self, parent: ShardId) -> Vec<OpenShard> {
        self.opened.values().filter(|shard| shard.parents.contains(&parent)).cloned().collect()
    }

    /// Whether a shard came from another by splits and merges.
    fn descends(&self, shard: ShardId, from: ShardId) -> bool {
        let parents = self.opened.get(&shard).map(|shard| shard.parents.as_slice()).unwrap_or_default();
        parents.iter().any(|parent| *parent == from || self.descends(*parent, from))
    }

    /// An operation is durable: its children cover what its parents did, and begin above their ends.
    fn reshard(&mut self, reshard: &Reshard, seal: Sealed) -> Result<()> {
        let op = reshard.op;
        let last_op = self.operations.last_key_value().map_or(0, |(op, _)| *op);
        ensure!(op > last_op, "operation {op} is done behind operation {last_op}");
        for id in &reshard.seal {
            let parent = self.opened.get(id).context("a shard is sealed that was never opened")?;
            let last_ms = self.shards[id].last().map_or(0, |last| last.arrival_ms);
            ensure!(seal.arrival_ms >= last_ms, "{id} is sealed before its last record arrived");
            for child in reshard.open.iter().filter(|child| child.parents.contains(id)) {
                ensure!(
                    child.create_seconds > parent.create_seconds
                        && child.create_seconds > seal.arrival_ms / 1_000,
                    "sequence numbers of {} are not all above those of {id}",
                    child.id
                );
            }
            ensure!(self.sealed.insert(*id, seal).is_none(), "{id} is sealed twice");
        }
        for child in &reshard.open {
            let newest = self.opened.last_key_value().map(|(id, _)| *id);
            ensure!(newest < Some(child.id), "{} is opened behind {newest:?}", child.id);
            ensure!(
                child.parents.iter().all(|parent| reshard.seal.contains(parent)),
                "a parent is not sealed"
            );
            self.opened.insert(child.id, child.clone());
            self.shards.insert(child.id, Vec::new());
        }
        let open = self.open();
        let ends = (open.first().map(|first| first.range.start), open.last().map(|last| last.range.end));
        let is_whole = ends == (Some(HashKey::MIN), Some(HashKey::MAX))
            && open.windows(2).all(|pair| pair[0].range.end.0.checked_add(1) == Some(pair[1].range.start.0));
        ensure!(is_whole, "the open shards do not cover the ring once behind operation {op}");
        self.operations.insert(op, reshard.clone());
        Ok(())
    }
}

impl Ledger {
    /// Logs of groups with these shards.
    #[must_use]
    pub fn new<'g>(groups: impl Iterator<Item = &'g group_core::State>) -> Self {
        let history = |genesis: &group_core::State| History {
            shards: genesis.shards.keys().map(|shard| (*shard, Vec::new())).collect(),
            opened: genesis.shards.iter().map(|(id, shard)| (*id, shard.open.clone())).collect(),
            ..History::default()
        };
        Self { groups: groups.map(history).collect(), ..Self::default() }
    }

    /// A router makes a record of an append.
    pub fn sent(
        &mut self,
        number: RecordNumber,
        (session, sequence): (u64, u64),
        shard: ShardId,
        hash_key: HashKey,
    ) {
        let behind = self.acknowledged_offsets.get(&shard).copied().unwrap_or_default();
        let group = self.group_of(shard);
        let behind_of_key = group.and_then(|group| self.acknowledged_keys.get(&(group, hash_key)).copied());
        self.sent.insert(number, Sent { session, sequence, shard, behind, hash_key, behind_of_key });
    }

    /// The group in whose log a shard is, or was.
    #[must_use]
    pub fn group_of(&self, shard: ShardId) -> Option<usize> {
        self.groups.iter().position(|history| history.opened.contains_key(&shard))
    }

    /// A batch is durable, and will be after any crash.
    pub fn durable(&mut self, group: usize, batch: &Batch, now_ms: u64) -> Result<()> {
        let history = &mut self.groups[group];
        let last = history.batches.last();
        let (index, term, time_ms) = last.map_or((0, 0, 0), |last| (last.index, last.term, last.time_ms));
        ensure!(batch.index == index + 1, "batch {} follows batch {index}", batch.index);
        ensure!(batch.term >= term.max(1), "term {} follows term {term}", batch.term);
        ensure!(batch.time_ms >= time_ms, "log time {} follows {time_ms}", batch.time_ms);
        history.batches.push(batch.clone());
        for entry in &batch.entries {
            match entry.change.clone() {
                Change::Append { shard, first_offset, records, arrival_ms } => {
                    ensure!(arrival_ms >= batch.time_ms, "an arrival lies before its batch");
                    let added: Vec<_> = entry.blocks.iter().flat_map(numbers).collect();
                    ensure!(added.len() == records as usize, "an entry has other records than it says");
                    for (number, offset) in added.into_iter().zip(first_offset..) {
                        let stored = Stored { number, index: batch.index, arrival_ms, durable_ms: now_ms };
                        self.store(group, shard, offset, stored)?;
                    }
                }
                Change::ClockStep { .. } => self.groups[group].steps.push((now_ms, batch.index)),
                Change::Trim { horizon_ms } => {
                    let trimmed_ms = &mut self.groups[group].trimmed_ms;
                    *trimmed_ms = horizon_ms.max(*trimmed_ms);
                }
                Change::SetRetention { .. } => {}
                Change::Reshard { arrival_ms, reshard } => {
                    ensure!(arrival_ms >= batch.time_ms, "a seal lies before its batch");
                    let seal = Sealed { index: batch.index, arrival_ms, durable_ms: now_ms };
                    self.groups[group].reshard(&reshard, seal)?;
                    self.floors_ms.extend(reshard.open.iter().map(|child| (child.id, arrival_ms)));
                }
            }
        }
        Ok(())
    }

    fn store(&mut self, group: usize, shard: ShardId, offset: u64, stored: Stored) -> Result<()> {
        let number = stored.number;
        let records = self.groups[group].shards.get(&shard).context("an append to a shard elsewhere")?;
        ensure!(
            offset == records.len() as u64 + 1,
            "{shard} has {} records and gets {offset}",
            records.len()
        );
        let sent = self.sent.get(&number).with_context(|| format!("record {number} was never sent"))?;
        ensure!(sent.shard == shard, "record {number} was sent to {} and is in {shard}", sent.shard);
        ensure!(
            offset > sent.behind,
            "record {number} is before one that was acknowledged before it was sent"
        );
        let history = &self.groups[group];
        ensure!(
            !history.sealed.contains_key(&shard),
            "record {number} is stored in {shard}, which is sealed"
        );
        let range = history.opened[&shard].range;
        ensure!(range.contains(sent.hash_key), "record {number} is in {shard}, which has not its hash key");
        if let Some((before, offset_before)) = sent.behind_of_key {
            let is_behind =
                if before == shard { offset > offset_before } else { history.descends(shard, before) };
            ensure!(
                is_behind,
                "record {number} of {shard} is not behind an earlier one of its key, in {before}"
            );
        }
        let records = self.groups[group].shards.get_mut(&shard).context("an append to a shard elsewhere")?;
        ensure!(stored.arrival_ms >= self.floors_ms[&shard], "an arrival in {shard} lies before its floor");
        if let Some(last) = records.last() {
            ensure!(stored.arrival_ms >= last.arrival_ms, "an arrival goes back in {shard}");
            let before = &self.sent[&last.number];
            let same = (before.session, before.sequence, before.hash_key)
                == (sent.session, sent.sequence, sent.hash_key);
            ensure!(
                !same || last.number < number,
                "records of one append and key are in {shard} in another order"
            );
        }
        records.push(stored);
        let twice = self.locations.insert(number, (shard, offset));
        let (session, sequence) = (sent.session, sent.sequence);
        ensure!(twice.is_none(), "record {number} of session {session}, sequence {sequence} is stored twice");
        Ok(())
    }

    /// Whether a record is durable there, as an answer says.
    pub fn check_appended(&self, number: RecordNumber, shard: ShardId, at: Appended) -> Result<()> {
        let location = self.locations.get(&number).with_context(|| {
            format!("record {number} is answered as {} of {shard}, and is not durable", at.first_offset)
        })?;
        ensure!(
            *location == (shard, at.first_offset),
            "record {number} is {location:?} and is answered as {} of {shard}",
            at.first_offset
        );
        let stored = self.stored(shard, at.first_offset).context("a location without a record")?;
        ensure!(stored.arrival_ms == at.arrival_ms, "record {number} is answered with another arrival");
        Ok(())
    }

    /// A router saw it acknowledged.
    pub fn acknowledged(&mut self, number: RecordNumber, shard: ShardId, at: Appended) -> Result<()> {
        self.check_appended(number, shard, at)?;
        self.acknowledged.insert(number, at);
        let offset = self.acknowledged_offsets.entry(shard).or_default();
        *offset = at.first_offset.max(*offset);
        if let (Some(group), Some(sent)) = (self.group_of(shard), self.sent.get(&number)) {
            let last =
                self.acknowledged_keys.entry((group, sent.hash_key)).or_insert((shard, at.first_offset));
            let history = &self.groups[group];
            // Answers come in any order: the one farthest on counts.
            if last.0 == shard && last.1 < at.first_offset || history.descends(shard, last.0) {
                *last = (shard, at.first_offset);
            }
        }
        Ok(())
    }

    /// The session and sequence that a record was sent under last.
    #[must_use]
    pub fn sent_as(&self, number: RecordNumber) -> Option<(u64, u64)> {
        self.sent.get(&number).map(|sent| (sent.session, sent.sequence))
    }

    /// Whether a record is in a log.
    #[must_use]
    pub fn is_stored(&self, number: RecordNumber) -> bool {
        self.locations.contains_key(&number)
    }

    /// The record of an offset.
    #[must_use]
    pub fn stored(&self, shard: ShardId, offset: u64) -> Option<&Stored> {
        let records = self.groups.iter().find_map(|history| history.shards.get(&shard))?;
        records.get(usize::try_from(offset.checked_sub(1)?).ok()?)
    }

    /// Checks that every acknowledged record is at its acknowledged offset.
    pub fn check_acknowledged(&self) -> Result<()> {
        for (number, at) in &self.acknowledged {
            self.check_appended(*number, self.sent[number].shard, *at)?;
        }
        Ok(())
    }
}
