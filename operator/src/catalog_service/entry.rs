//! A stream's entry in the catalog.

use std::collections::BTreeMap;
use std::sync::Arc;

use catalog::resource::{DataStream, Defaults, Shard};
use catalog::{Group, LogPlacement, Member, ShardState, Stream, StreamSettings, StreamStatus};
use kube::ResourceExt;

use crate::names::Names;

/// The entry of a stream with these shards; nothing while the two do not agree: one copy is then later than the
/// other, and what agrees is on its way.
///
/// All but the shards is taken from the status, because the map version is written together with it.
#[must_use]
pub fn entry(
    stream: &DataStream,
    shards: &[Arc<Shard>],
    account_id: &str,
    defaults: &Defaults,
) -> Option<Stream> {
    let status = stream.status.clone().unwrap_or_default();
    let resolved = status.resolved.clone().unwrap_or_else(|| stream.resolve(defaults));
    let names = Names::of(stream);
    let shards_agree = status.open_shard_count.is_none()
        || (count(shards, ShardState::Open) == status.open_shard_count
            && count(shards, ShardState::Closed) == status.closed_shard_count);
    // Objects that make no sense were not written by us; the operator says so.
    let mut domain: Vec<_> = shards.iter().map(|shard| shard.to_domain().ok()).collect::<Option<_>>()?;
    domain.sort_by_key(|shard: &catalog::Shard| shard.id);
    let groups: BTreeMap<_, _> =
        shards.iter().map(|shard| (shard.spec.log.clone(), shard.spec.group.clone())).collect();
    shards_agree.then_some(())?;
    Some(Stream {
        uid: names.uid.clone(),
        map_version: status.map_version.unwrap_or(0).unsigned_abs(),
        account_id: account_id.into(),
        region: None,
        name: resolved.stream_name()?,
        status: stream_status(status.stream_status.as_deref()),
        mode: resolved.mode(),
        retention_period_hours: resolved.retention_period_hours.unsigned_abs(),
        max_record_size_kib: resolved.max_record_size_kib.unsigned_abs(),
        created_ms: stream.creation_timestamp().map_or(0, |time| time.0.as_millisecond()),
        settings: StreamSettings::default(),
        shards: domain,
        logs: groups
            .iter()
            .map(|(log, group)| LogPlacement { name: log.clone(), group: group.clone() })
            .collect(),
        groups: groups
            .into_values()
            .map(|group| Group { members: vec![Member { address: names.address(&group) }], name: group })
            .collect(),
    })
}

fn count(shards: &[Arc<Shard>], state: ShardState) -> Option<i32> {
    i32::try_from(shards.iter().filter(|shard| shard.state() == state).count()).ok()
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
mod tests {
    use catalog::resource::{DataStreamSpec, DataStreamStatus, ShardSpec, ShardStatus};

    use super::*;

    fn shard(index: usize, state: &str) -> Arc<Shard> {
        let planned = catalog::plan::create(2, 1, 1).swap_remove(index);
        let group = format!("orders-1a2b3-g{index}");
        let mut shard = Shard::new(&format!("s{index}"), ShardSpec::mirror(&planned, "orders", &group));
        shard.status = Some(ShardStatus { state: Some(state.into()), ending_sequence_number: None });
        Arc::new(shard)
    }

    fn stream(open: i32) -> DataStream {
        let mut stream =
            DataStream::new("orders", DataStreamSpec { shard_count: Some(2), ..Default::default() });
        stream.metadata.uid = Some("1a2b3c4d".into());
        stream.metadata.namespace = Some("shop".into());
        stream.status = Some(DataStreamStatus {
            stream_status: Some("ACTIVE".into()),
            map_version: Some(7),
            open_shard_count: Some(open),
            closed_shard_count: Some(0),
            ..Default::default()
        });
        stream
    }

    fn entry_of(stream: &DataStream, shards: &[Arc<Shard>]) -> Option<Stream> {
        let defaults = Defaults { storage_size: "1Gi".into(), storage_class_name: None, shards_per_group: 1 };
        entry(stream, shards, "000000000000", &defaults)
    }

    #[test]
    fn an_active_stream_names_its_pods_by_dns() {
        let entry = entry_of(&stream(2), &[shard(1, "Open"), shard(0, "Open")]).unwrap();
        assert_eq!((entry.map_version, entry.status), (7, StreamStatus::Active));
        assert_eq!(entry.shards[0].id.index(), 0);
        let group = entry.group_of_log("g1").unwrap();
        assert_eq!(group.members[0].address, "orders-1a2b3-g1-0.orders-1a2b3.shop.svc:7400");
    }

    #[test]
    fn shards_that_are_ahead_of_the_status_or_behind_make_no_entry() {
        assert!(entry_of(&stream(2), &[shard(0, "Open"), shard(1, "Pending")]).is_none());
        assert!(entry_of(&stream(1), &[shard(0, "Open"), shard(1, "Open")]).is_none());
    }

    #[test]
    fn a_stream_that_nobody_has_seen_yet_is_creating() {
        let mut new = stream(0);
        new.status = None;
        let entry = entry_of(&new, &[]).unwrap();
        assert_eq!((entry.map_version, entry.status), (0, StreamStatus::Creating));
    }
}
