//! A map as it is recorded, and the check of every change to it.

use std::collections::HashSet;

use super::{Digest, Genesis, Transition};
use crate::{Shard, ShardId, ShardState};

/// The map of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Map {
    genesis: Genesis,
    /// Sorted by id.
    shards: Vec<Shard>,
}

/// Something that mirrors a map says what its record rules out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// A shard that the record does not have.
    #[error("{shard} is not one of the {shard_count} shards that the stream was created with")]
    Unplanned {
        /// The shard.
        shard: ShardId,
        /// How many there are.
        shard_count: u32,
    },
    /// A shard that is not as the stream was created with it.
    #[error("the {field} of {shard} is not what the stream was created with")]
    Differs {
        /// The shard.
        shard: ShardId,
        /// What is different.
        field: &'static str,
    },
    /// A shard that is closed, although no shard follows it.
    #[error("{shard} is closed, and no shard takes its records")]
    Closed {
        /// The shard.
        shard: ShardId,
    },
}

/// Why a transition is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The stream has a map already.
    #[error("the stream was created already, with {shard_count} shards")]
    Created {
        /// How many it was created with.
        shard_count: u32,
    },
    /// The stream has no map yet.
    #[error("the stream was not created yet")]
    NotCreated,
    /// The map has no such log.
    #[error("the stream has no log {log}")]
    NoLog {
        /// The log.
        log: String,
    },
}

impl Map {
    /// The map of a stream that was created just now: all shards are Pending.
    #[must_use]
    pub fn create(genesis: Genesis) -> Self {
        Self { genesis, shards: genesis.shards() }
    }

    /// The map that a record gives: the genesis, and the logs that were not opened yet. All others were.
    #[must_use]
    pub fn restore(genesis: Genesis, logs_to_open: &[String]) -> Self {
        let mut map = Self::create(genesis);
        let logs_to_open: HashSet<_> = logs_to_open.iter().map(String::as_str).collect();
        for shard in map.shards.iter_mut().filter(|shard| !logs_to_open.contains(shard.log.as_str())) {
            shard.state = ShardState::Open;
        }
        map
    }

    /// Checks shards as something else has them that mirrors this map, perhaps not all of it. Their states may be older
    /// or newer than the record; all else about them must be as recorded.
    ///
    /// # Errors
    /// What the record rules out.
    pub fn check<'s>(&self, mirrors: impl IntoIterator<Item = &'s Shard>) -> Result<(), Contradiction> {
        mirrors.into_iter().try_for_each(|mirror| self.check_one(mirror))
    }

    fn check_one(&self, mirror: &Shard) -> Result<(), Contradiction> {
        let shard = mirror.id;
        let Some(planned) = self.shard(shard) else {
            return Err(Contradiction::Unplanned { shard, shard_count: self.genesis.shard_count });
        };
        let differs = |field| Err(Contradiction::Differs { shard, field });
        if mirror.range != planned.range {
            return differs("hash key range");
        }
        if mirror.parents != planned.parents {
            return differs("list of parents");
        }
        if mirror.log != planned.log {
            return differs("log");
        }
        if mirror.create_seconds != planned.create_seconds {
            return differs("time of creation");
        }
        if mirror.state == ShardState::Closed {
            return Err(Contradiction::Closed { shard });
        }
        Ok(())
    }

    /// The map after a transition; `map` is what is recorded, nothing where a stream was not created yet. A transition
    /// that was taken before changes nothing.
    ///
    /// # Errors
    /// If the record does not allow it.
    pub fn take(map: Option<Self>, transition: &Transition) -> Result<Self, Refused> {
        match (map, transition) {
            (None, Transition::Create(genesis)) => Ok(Self::create(*genesis)),
            (Some(map), Transition::Create(genesis)) if map.genesis == *genesis => Ok(map),
            (Some(map), Transition::Create(_)) => {
                Err(Refused::Created { shard_count: map.genesis.shard_count })
            }
            (None, Transition::Open { .. }) => Err(Refused::NotCreated),
            (Some(mut map), Transition::Open { log }) => {
                let mut shards = map.shards.iter_mut().filter(|shard| shard.log == *log).peekable();
                if shards.peek().is_none() {
                    return Err(Refused::NoLog { log: log.clone() });
                }
                shards.for_each(|shard| shard.state = shard.state.max(ShardState::Open));
                Ok(map)
            }
        }
    }

    /// How the stream began.
    #[must_use]
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// Its shards, sorted by id.
    #[must_use]
    pub fn shards(&self) -> &[Shard] {
        &self.shards
    }

    /// The shard with this id.
    #[must_use]
    pub fn shard(&self, id: ShardId) -> Option<&Shard> {
        self.shards.binary_search_by_key(&id, |shard| shard.id).ok().map(|index| &self.shards[index])
    }

    /// The logs that were not opened yet, in the order of their shards. Only these may be bootstrapped: any other may
    /// have records.
    #[must_use]
    pub fn logs_to_open(&self) -> Vec<String> {
        let pending = self.shards.iter().filter(|shard| shard.state == ShardState::Pending);
        let mut logs: Vec<_> = pending.map(|shard| shard.log.clone()).collect();
        logs.dedup();
        logs
    }

    /// The map's name.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.genesis, &self.shards)
    }
}
