//! The shards of a stream, and the groups that they make up.

use std::collections::BTreeMap;
use std::sync::Arc;

use catalog::ShardState;
use catalog::resource::{DataStream, InvalidShard, Resolved, Shard, ShardSpec};
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
    /// Whether some shard may have records: then a new volume means that records were lost.
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

/// The shards that a stream should have, sorted by id: those that exist, and those that its plan has besides.
///
/// The plan follows from the stream alone (its creation time is that of its shards), so making it twice gives the
/// same. All shards of a stream that was ever ACTIVE were open: one whose object somebody deleted, or put back from
/// an old copy, comes back open.
///
/// # Errors
/// If an existing object makes no sense.
pub fn shards(
    stream: &DataStream,
    resolved: &Resolved,
    existing: &[Arc<Shard>],
) -> Result<Vec<catalog::Shard>, InvalidShard> {
    let create_seconds = stream.metadata.creation_timestamp.as_ref().map_or(0, |time| time.0.as_second());
    let genesis = catalog::map::Genesis::new(
        resolved.shard_count.unsigned_abs(),
        resolved.shards_per_group.unsigned_abs(),
        create_seconds.unsigned_abs(),
    );
    let mut by_id: BTreeMap<_, _> = genesis.shards().into_iter().map(|shard| (shard.id, shard)).collect();
    for object in existing {
        let shard = object.to_domain()?;
        by_id.insert(shard.id, shard);
    }
    let was_active =
        stream.status.as_ref().is_some_and(|status| status.stream_status.as_deref() == Some("ACTIVE"));
    let least = if was_active { ShardState::Open } else { ShardState::Pending };
    Ok(by_id.into_values().map(|shard| catalog::Shard { state: shard.state.max(least), ..shard }).collect())
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
        spec: ShardSpec::mirror(shard, stream.stream_name(), group),
        status: None,
    }
}
