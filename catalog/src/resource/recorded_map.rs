//! What is recorded of a stream's map in its DataStream's status.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::DataStream;
use crate::map::{Genesis, Map};

/// The record of a stream's map. Shards mirror it; without any of them it gives the same map again.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordedMap {
    /// How many shards the stream was created with; never changes.
    pub shard_count: i32,
    /// How many of them share a StatefulSet at most; never changes.
    pub shards_per_group: i32,
    /// When they were created, in seconds since 1970, as their sequence numbers have it; never changes.
    pub create_seconds: i64,
    /// The logs that were not opened yet. Only these are bootstrapped on an empty volume: any other may have records.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(inner(length(max = 64)))]
    pub logs_to_open: Vec<String>,
    /// Names the map: two maps of the stream that differ have different digests.
    #[schemars(length(max = 64))]
    pub digest: String,
}

impl RecordedMap {
    /// The record of a map.
    #[must_use]
    pub fn of(map: &Map) -> Self {
        let Genesis { shard_count, shards_per_group, create_seconds } = *map.genesis();
        Self {
            shard_count: shard_count.cast_signed(),
            shards_per_group: shards_per_group.cast_signed(),
            create_seconds: create_seconds.cast_signed(),
            logs_to_open: map.logs_to_open(),
            digest: map.digest().to_string(),
        }
    }

    /// How the stream began.
    #[must_use]
    pub fn genesis(&self) -> Genesis {
        Genesis::new(
            self.shard_count.unsigned_abs(),
            self.shards_per_group.unsigned_abs(),
            self.create_seconds.unsigned_abs(),
        )
    }

    /// The map that is recorded.
    #[must_use]
    pub fn restore(&self) -> Map {
        Map::restore(self.genesis(), &self.logs_to_open)
    }
}

impl DataStream {
    /// What is recorded of the stream's map; nothing before the stream was created.
    #[must_use]
    pub fn recorded_map(&self) -> Option<&RecordedMap> {
        self.status.as_ref()?.map.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map::Transition;

    #[test]
    fn a_record_gives_its_map_again() {
        let map = Map::create(Genesis::new(6, 2, 1_700_000_000));
        let map = Map::take(Some(map), &Transition::Open { log: "g1".into() }).unwrap();
        let recorded = RecordedMap::of(&map);
        assert_eq!(recorded.logs_to_open, ["g0", "g2"]);
        assert_eq!(recorded.restore(), map);
    }
}
