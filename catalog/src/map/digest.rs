//! The name of a map.

use std::fmt;

use md5::{Digest as _, Md5};

use super::Genesis;
use crate::{Shard, ShardState};

/// Names a map: two maps of a stream that differ in anything have different digests. It protects from confusion, not
/// from people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Digest(u128);

impl Digest {
    /// The digest of a genesis and the shards of today, sorted by id.
    ///
    /// What goes in is numbers of fixed width and texts after their length, so that no two maps give the same bytes.
    #[must_use]
    pub fn of<'s>(genesis: &Genesis, shards: impl IntoIterator<Item = &'s Shard>) -> Self {
        let mut hash = Md5::new();
        hash.update(genesis.shard_count.to_be_bytes());
        hash.update(genesis.shards_per_group.to_be_bytes());
        hash.update(genesis.create_seconds.to_be_bytes());
        for Shard { id, range, parents, state, log, create_seconds } in shards {
            hash.update(id.index().to_be_bytes());
            hash.update(range.start.0.to_be_bytes());
            hash.update(range.end.0.to_be_bytes());
            hash.update((parents.len() as u64).to_be_bytes());
            for parent in parents {
                hash.update(parent.index().to_be_bytes());
            }
            hash.update([match state {
                ShardState::Pending => 0,
                ShardState::Open => 1,
                ShardState::Closed => 2,
            }]);
            hash.update((log.len() as u64).to_be_bytes());
            hash.update(log);
            hash.update(create_seconds.to_be_bytes());
        }
        Self(u128::from_be_bytes(hash.finalize().into()))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", self.0)
    }
}
