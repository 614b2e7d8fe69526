//! A stream's entry in the catalog.

use std::sync::Arc;

use catalog::map::Digest;
use catalog::resource::{DataStream, DataStreamStatus, Defaults, RecordedMap, Shard};
use catalog::{Group, LogPlacement, Member, ShardState, Stream, StreamSettings, StreamStatus};
use kube::ResourceExt;

use crate::names::{self, Names};
use crate::objects;

/// A stream's entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The entry.
    pub stream: Stream,
    /// Whether its map is the one that the stream's status names. If not, something is later than the other, or a newer
    /// version recorded what this one cannot read: an entry that was made before is better. Its version is below that
    /// of the status, so that whoever has the entry that the status names keeps it.
    pub agrees: bool,
}

/// The entry of a stream with these Shards; nothing where nobody can say: its name is none, or an earlier version made
/// it, recorded no map, and its Shards are not those that its status counts.
///
/// The map is that of the record, which is written together with the map version: Shards that are late, early or lost
/// change nothing about it. So no stream with a record is ever without an entry.
#[must_use]
pub fn entry(
    stream: &DataStream,
    objects: &[Arc<Shard>],
    account_id: &str,
    defaults: &Defaults,
) -> Option<Entry> {
    let status = stream.status.clone().unwrap_or_default();
    let resolved = status.resolved.clone().unwrap_or_else(|| stream.resolve(defaults));
    let names = Names::of(stream);
    // Objects that make no sense were not written by us; the operator says so.
    let mut mirrors: Vec<_> = objects.iter().filter_map(|shard| shard.to_domain().ok()).collect();
    mirrors.sort_by_key(|shard| shard.id);
    let (shards, agrees) = match &status.map {
        Some(recorded) => shards(recorded, mirrors),
        None => (counted(&status, mirrors)?, true),
    };
    let groups = objects::groups(&names, &shards, objects);
    let version = status.map_version.unwrap_or(0).unsigned_abs();
    let stream = Stream {
        uid: names.uid.clone(),
        map_version: if agrees { version } else { version.saturating_sub(1) },
        map_digest: status.map.map(|recorded| Digest::of(&recorded.genesis(), &shards).to_string()),
        account_id: account_id.into(),
        region: None,
        name: resolved.stream_name()?,
        status: stream_status(status.stream_status.as_deref()),
        mode: resolved.mode(),
        retention_period_hours: resolved.retention_period_hours.unsigned_abs(),
        max_record_size_kib: resolved.max_record_size_kib.unsigned_abs(),
        created_ms: created_ms(stream),
        settings: StreamSettings {
            consumer_count: status.consumer_count.unwrap_or(0).unsigned_abs(),
            ..resolved.settings()
        },
        logs: groups
            .iter()
            .map(|group| LogPlacement { name: group.log.clone(), group: group.name.clone() })
            .collect(),
        groups: groups
            .into_iter()
            .map(|group| Group { members: members(&names, &group.name, resolved.replicas), name: group.name })
            .collect(),
        shards,
    };
    Some(Entry { stream, agrees })
}

/// A stream as its spec wants it, without its map: what a call that changes a setting is judged by. Nothing where its name
/// is none.
#[must_use]
pub fn desired(stream: &DataStream, account_id: &str, defaults: &Defaults) -> Option<Stream> {
    let resolved = stream.resolve(defaults);
    let status = stream.status.as_ref().and_then(|status| status.stream_status.as_deref());
    Some(Stream {
        uid: stream.uid().unwrap_or_default(),
        map_version: 0,
        map_digest: None,
        account_id: account_id.into(),
        region: None,
        name: resolved.stream_name()?,
        status: match stream.metadata.deletion_timestamp {
            Some(_) => StreamStatus::Deleting,
            None => stream_status(status),
        },
        mode: resolved.mode(),
        retention_period_hours: resolved.retention_period_hours.unsigned_abs(),
        max_record_size_kib: resolved.max_record_size_kib.unsigned_abs(),
        created_ms: created_ms(stream),
        settings: resolved.settings(),
        shards: Vec::new(),
        logs: Vec::new(),
        groups: Vec::new(),
    })
}

fn created_ms(stream: &DataStream) -> i64 {
    stream.creation_timestamp().map_or(0, |time| time.0.as_millisecond())
}

fn members(names: &Names, group: &str, replicas: i32) -> Vec<Member> {
    names::Member::of_group(group, replicas)
        .map(|member| Member { address: names.address(&member) })
        .collect()
}

/// The shards of a recorded map, and whether they are those of its digest: as the record says, or, where a newer version
/// recorded more than this one reads, as the Shards say.
fn shards(recorded: &RecordedMap, mirrors: Vec<catalog::Shard>) -> (Vec<catalog::Shard>, bool) {
    let restored = recorded.restore();
    let agrees =
        |shards: &[catalog::Shard]| Digest::of(restored.genesis(), shards).to_string() == recorded.digest;
    match agrees(restored.shards()) {
        true => (restored.shards().to_vec(), true),
        false if agrees(&mirrors) => (mirrors, true),
        false => (restored.shards().to_vec(), false),
    }
}

/// The shards of a stream without a record, if its status counts as many in each state.
fn counted(status: &DataStreamStatus, mirrors: Vec<catalog::Shard>) -> Option<Vec<catalog::Shard>> {
    let count = |state| i32::try_from(mirrors.iter().filter(|shard| shard.state == state).count()).ok();
    let agree = status.open_shard_count.is_none()
        || (count(ShardState::Open) == status.open_shard_count
            && count(ShardState::Closed) == status.closed_shard_count);
    agree.then_some(mirrors)
}

fn stream_status(status: Option<&str>) -> StreamStatus {
    match status {
        Some("ACTIVE") => StreamStatus::Active,
        Some("UPDATING") => StreamStatus::Updating,
        Some("DELETING") => StreamStatus::Deleting,
        _ => StreamStatus::Creating,
    }
}

#[cfg(test)]
#[path = "entry_tests.rs"]
mod tests;
