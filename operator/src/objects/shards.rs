//! The groups that a stream's shards make up, and the objects that mirror the shards.

use std::collections::BTreeMap;
use std::sync::Arc;

use catalog::ShardState;
use catalog::resource::{DataStream, Shard, ShardSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::names::{Names, group_suffix, owner};

/// One shard group: a StatefulSet, its log, and the shards in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The StatefulSet's name.
    pub name: String,
    /// Its log.
    pub log: String,
    /// The log's shards, sorted by id.
    pub shards: Vec<catalog::Shard>,
}

impl Group {
    /// Whether its log was opened, by the record of the map: then a new volume means that records were lost.
    #[must_use]
    pub fn was_opened(&self) -> bool {
        self.shards.iter().any(|shard| shard.state != ShardState::Pending)
    }

    /// Whether every shard takes records, or once did.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.shards.iter().all(|shard| shard.state != ShardState::Pending)
    }

    /// `g0`: the suffix of its name and its label.
    #[must_use]
    pub fn suffix(&self) -> &str {
        group_suffix(&self.name)
    }
}

/// The groups of a stream's shards, by log. A log stays in the group that its objects name.
#[must_use]
pub fn groups(names: &Names, shards: &[catalog::Shard], existing: &[Arc<Shard>]) -> Vec<Group> {
    let placed: BTreeMap<_, _> =
        existing.iter().map(|object| (object.spec.log.as_str(), object.spec.group.as_str())).collect();
    let mut by_log = BTreeMap::<&str, Vec<catalog::Shard>>::new();
    for shard in shards {
        by_log.entry(&shard.log).or_default().push(shard.clone());
    }
    let mut groups: Vec<_> = by_log
        .into_iter()
        .map(|(log, shards)| {
            let name = placed.get(log).map_or_else(|| names.group(log), |group| (*group).to_owned());
            Group { name, log: log.to_owned(), shards }
        })
        .collect();
    // g2 before g10: by the first shard, not by the text.
    groups.sort_by_key(|group| group.shards.first().map(|shard| shard.id));
    groups
}

/// The object that mirrors a shard.
#[must_use]
pub fn shard(stream: &DataStream, names: &Names, group: &str, shard: &catalog::Shard) -> Shard {
    Shard {
        metadata: ObjectMeta {
            name: Some(names.shard(shard.id.index())),
            namespace: Some(names.namespace.clone()),
            labels: Some(names.labels()),
            owner_references: Some(vec![owner(stream)]),
            ..Default::default()
        },
        spec: ShardSpec::mirror(shard, stream.name_in_force(), group),
        status: None,
    }
}
