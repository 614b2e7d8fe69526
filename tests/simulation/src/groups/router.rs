//! A router: it sends runs to the groups of their shards and reads from them, by its copy of the catalog, which may be
//! late. Its clock decides nothing about records.

use std::collections::{BTreeMap, VecDeque};

use catalog::{HashKeyRange, ShardId};
use group_core::Run;

use super::message::{StartingPosition, Version};

/// A copy of the catalog: where each shard's group is. A newer version replaces an older one, never the other way.
#[derive(Clone, Debug, Default)]
pub struct Map {
    /// Counts the changes.
    pub version: u64,
    /// The group of each shard that exists.
    pub groups: BTreeMap<ShardId, usize>,
    /// The hash keys of each shard that is open.
    pub open: BTreeMap<ShardId, HashKeyRange>,
    /// The address of each group's pod.
    pub addresses: Vec<usize>,
}

/// What a router waits for.
#[derive(Clone, Debug)]
pub enum Outstanding {
    /// An append's outcomes.
    Append(PendingAppend),
    /// Records for a reader.
    Read {
        /// Which of the router's readers.
        reader: usize,
        /// Where it read from.
        from: StartingPosition,
        /// The shard's offsets up to this one were acknowledged before it was sent.
        acknowledged: u64,
    },
    /// A split or merge, by its place among all that were planned.
    Reshard(usize),
    /// Something whose outcome it only counts.
    Other,
}

/// An append under way.
#[derive(Clone, Debug)]
pub struct PendingAppend {
    /// The number among those of the session.
    pub sequence: u64,
    /// The runs.
    pub runs: Vec<Run>,
    /// How often they were sent.
    pub attempts: u32,
    /// Whether an unknown feature is required of whoever takes them.
    pub requires_newer: bool,
}

/// Reads a shard from front to back.
#[derive(Clone, Copy, Debug)]
pub struct Reader {
    /// The shard.
    pub shard: ShardId,
    /// Where it goes on.
    pub from: StartingPosition,
    /// Whether it waits for records.
    pub waiting: bool,
}

/// A router.
#[derive(Debug)]
pub struct Router {
    /// Counts its starts: a reply to an earlier start is dropped.
    pub incarnation: u64,
    /// Its version.
    pub version: Version,
    /// The session of its appends, drawn at each start.
    pub session: u64,
    /// How many appends it has numbered.
    pub sequences: u64,
    /// Its copy of the catalog.
    pub map: Map,
    /// What it waits for, by request.
    pub outstanding: BTreeMap<u64, Outstanding>,
    /// What was certainly not done and is to be sent again.
    pub again: VecDeque<PendingAppend>,
    /// Its readers.
    pub readers: Vec<Reader>,
}

impl Router {
    /// A router that has just started.
    #[must_use]
    pub fn new(incarnation: u64, version: Version, session: u64, map: Map) -> Self {
        Self {
            incarnation,
            version,
            session,
            sequences: 0,
            map,
            outstanding: BTreeMap::new(),
            again: VecDeque::new(),
            readers: Vec::new(),
        }
    }

    /// Takes a copy of the catalog, unless it has a newer one; returns whether it did.
    pub fn learn(&mut self, map: &Map) -> bool {
        let newer = map.version > self.map.version;
        if newer {
            self.map = map.clone();
        }
        newer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_copy_of_the_catalog_is_not_taken() {
        let map = |version| Map { version, ..Map::default() };
        let mut router = Router::new(1, Version::This, 1, map(2));
        assert!(!router.learn(&map(1)));
        assert!(!router.learn(&map(2)));
        assert!(router.learn(&map(3)));
    }
}
