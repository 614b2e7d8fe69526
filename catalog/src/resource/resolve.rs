//! The effective settings of a stream: its spec, and defaults for what the spec leaves out.

use std::collections::BTreeSet;

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::{DataStream, DataStreamSpec, Storage, quantity_bytes};
use crate::map::DEFAULT_SHARD_COUNT;
use crate::{ShardLevelMetric, StreamMode, StreamName, StreamSettings};

/// What an installation uses for settings that a stream leaves out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defaults {
    /// The size of a volume.
    pub storage_size: String,
    /// The storage class; nothing: the cluster's default.
    pub storage_class_name: Option<String>,
    /// How many open shards a group hosts at most.
    pub shards_per_group: i32,
}

/// What holds for a stream, published in its status.
///
/// What cannot change (the name, the shards' number and places, the storage class) is what was recorded first, whatever
/// the spec says later, and a volume's size never falls: [`DataStream::judge`] tells what of the spec is not in force.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resolved {
    /// The stream's name in the Kinesis API.
    #[schemars(length(max = 253))]
    pub name: String,
    /// PROVISIONED or ON_DEMAND.
    #[schemars(length(max = 64))]
    pub stream_mode: String,
    /// The number of shards at creation.
    pub shard_count: i32,
    /// How long a record is kept, in hours.
    pub retention_period_hours: i32,
    /// The largest record in KiB.
    #[serde(rename = "maxRecordSizeKiB")]
    pub max_record_size_kib: i32,
    /// The warm throughput, in MiB per second; absent: none.
    #[serde(skip_serializing_if = "Option::is_none", rename = "warmThroughputMiBps")]
    pub warm_throughput_mibps: Option<i32>,
    /// The shard-level metrics that are enabled, in the order of the Kinesis API.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 7), inner(length(max = 64)))]
    pub shard_level_metrics: Vec<String>,
    /// Replicas of every shard.
    pub replicas: i32,
    /// How many open shards a group hosts at most.
    pub shards_per_group: i32,
    /// The size of each volume.
    #[schemars(length(max = 64))]
    pub storage_size: String,
    /// The storage class; absent: the cluster's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub storage_class_name: Option<String>,
    /// Retain or Delete.
    #[schemars(length(max = 64))]
    pub deletion_policy: String,
}

impl DataStream {
    /// The effective settings of this stream, which must be valid ([`DataStream::validate`]).
    #[must_use]
    pub fn resolve(&self, defaults: &Defaults) -> Resolved {
        let spec = &self.spec;
        let before = self.resolved();
        let storage = spec.storage.clone().unwrap_or_default();
        let mode = spec.stream_mode_details.as_ref().map(|details| details.stream_mode.clone());
        let metrics = metrics_of(&spec.shard_level_metrics).into_iter();
        let recorded = self.recorded_map().map(|map| (map.shard_count, map.shards_per_group));
        let recorded = recorded.or(before.map(|before| (before.shard_count, before.shards_per_group)));
        let (shard_count, shards_per_group) = recorded.unwrap_or((
            spec.shard_count.unwrap_or(DEFAULT_SHARD_COUNT.cast_signed()),
            spec.shards_per_group.unwrap_or(defaults.shards_per_group),
        ));
        Resolved {
            name: before.map_or_else(|| self.stream_name().to_owned(), |before| before.name.clone()),
            stream_mode: mode.unwrap_or_else(|| "PROVISIONED".into()),
            shard_count,
            retention_period_hours: spec.retention_period_hours.unwrap_or(24),
            max_record_size_kib: spec.max_record_size_kib.unwrap_or(1024),
            warm_throughput_mibps: spec.warm_throughput_mibps,
            shard_level_metrics: metrics.map(|metric| metric.as_str().to_owned()).collect(),
            replicas: spec.replicas.unwrap_or(1),
            shards_per_group,
            storage_size: match (storage.size, before) {
                (Some(size), Some(before)) if is_less(&size, &before.storage_size) => {
                    before.storage_size.clone()
                }
                (Some(size), _) => size,
                (None, Some(before)) => before.storage_size.clone(),
                (None, None) => defaults.storage_size.clone(),
            },
            storage_class_name: match before {
                Some(before) => before.storage_class_name.clone(),
                None => storage.storage_class_name.or_else(|| defaults.storage_class_name.clone()),
            },
            deletion_policy: spec.deletion_policy.clone().unwrap_or_else(|| "Retain".into()),
        }
    }

    /// The stream's name in the Kinesis API: `spec.name`, or else `metadata.name`.
    #[must_use]
    pub fn stream_name(&self) -> &str {
        self.spec.name.as_deref().or(self.metadata.name.as_deref()).unwrap_or_default()
    }

    /// The stream's name in the Kinesis API that is in force: that of its status, and before it has one, of its spec.
    #[must_use]
    pub fn name_in_force(&self) -> &str {
        self.resolved().map_or_else(|| self.stream_name(), |resolved| &resolved.name)
    }

    /// The stream as it would be written for what is in force of the fields that cannot change, or not to less; nothing
    /// before that was recorded.
    pub(super) fn in_force(&self) -> Option<Self> {
        let resolved = self.resolved()?;
        let shard_count = self.recorded_map().map_or(resolved.shard_count, |map| map.shard_count);
        let shards_per_group =
            self.recorded_map().map_or(resolved.shards_per_group, |map| map.shards_per_group);
        let spec = DataStreamSpec {
            name: Some(resolved.name.clone()),
            shard_count: Some(shard_count),
            shards_per_group: Some(shards_per_group),
            storage: Some(Storage {
                size: Some(resolved.storage_size.clone()),
                storage_class_name: resolved.storage_class_name.clone(),
            }),
            ..DataStreamSpec::default()
        };
        Some(Self { metadata: self.metadata.clone(), spec, status: self.status.clone() })
    }

    /// The effective settings when the status was last written.
    #[must_use]
    pub fn resolved(&self) -> Option<&Resolved> {
        self.status.as_ref()?.resolved.as_ref()
    }
}

impl Resolved {
    /// The stream's name, if it is valid.
    #[must_use]
    pub fn stream_name(&self) -> Option<StreamName> {
        self.name.parse().ok()
    }

    /// Who decides the number of shards.
    #[must_use]
    pub fn mode(&self) -> StreamMode {
        if self.stream_mode == "ON_DEMAND" { StreamMode::OnDemand } else { StreamMode::Provisioned }
    }

    /// What the Kinesis API shows of it and data calls do not need, but for its consumers, which are not of the spec.
    #[must_use]
    pub fn settings(&self) -> StreamSettings {
        StreamSettings {
            shard_level_metrics: metrics_of(&self.shard_level_metrics),
            warm_throughput_mibps: self.warm_throughput_mibps.and_then(|mibps| u32::try_from(mibps).ok()),
            consumer_count: 0,
        }
    }

    /// Whether the volumes go with the stream.
    #[must_use]
    pub fn deletes_volumes(&self) -> bool {
        self.deletion_policy == "Delete"
    }
}

/// The metrics of a list. What is not one breaks a rule, and what a newer version knows is not shown.
fn metrics_of(names: &[String]) -> BTreeSet<ShardLevelMetric> {
    names.iter().filter_map(|name| name.parse().ok()).collect()
}

fn is_less(size: &str, than: &str) -> bool {
    matches!((quantity_bytes(size), quantity_bytes(than)), (Some(size), Some(than)) if size < than)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::DataStreamStatus;

    fn defaults() -> Defaults {
        Defaults { storage_size: "20Gi".into(), storage_class_name: None, shards_per_group: 16 }
    }

    #[test]
    fn empty_spec_gives_four_shards_and_a_retention_of_a_day() {
        let resolved = DataStream::new("orders", DataStreamSpec::default()).resolve(&defaults());
        assert_eq!(resolved.name, "orders");
        assert_eq!(resolved.mode(), StreamMode::Provisioned);
        assert_eq!((resolved.shard_count, resolved.shards_per_group), (4, 16));
        assert_eq!((resolved.retention_period_hours, resolved.max_record_size_kib), (24, 1024));
        assert_eq!(resolved.storage_size, "20Gi");
        assert!(!resolved.deletes_volumes());
    }

    #[test]
    fn settings_of_the_api_are_resolved_in_its_order() {
        let spec = DataStreamSpec {
            shard_level_metrics: ["OutgoingBytes", "IncomingBytes", "OutgoingBytes"].map(Into::into).into(),
            warm_throughput_mibps: Some(16),
            ..Default::default()
        };
        let resolved = DataStream::new("orders", spec).resolve(&defaults());
        assert_eq!(resolved.shard_level_metrics, ["IncomingBytes", "OutgoingBytes"]);
        let settings = resolved.settings();
        assert_eq!(settings.warm_throughput_mibps, Some(16));
        let metrics = [ShardLevelMetric::IncomingBytes, ShardLevelMetric::OutgoingBytes];
        assert_eq!(settings.shard_level_metrics, metrics.into());
    }

    #[test]
    fn changed_defaults_apply_to_new_streams_only() {
        let mut stream = DataStream::new("orders", DataStreamSpec::default());
        let resolved = stream.resolve(&defaults());
        stream.status = Some(DataStreamStatus { resolved: Some(resolved.clone()), ..Default::default() });
        let changed = Defaults {
            storage_size: "1Gi".into(),
            storage_class_name: Some("fast".into()),
            shards_per_group: 1,
        };
        assert_eq!(stream.resolve(&changed), resolved);
    }

    #[test]
    fn what_cannot_change_stays_as_it_was_recorded() {
        let mut stream = DataStream::new("orders", DataStreamSpec::default());
        let resolved = stream.resolve(&defaults());
        stream.status = Some(DataStreamStatus { resolved: Some(resolved.clone()), ..Default::default() });
        stream.spec = DataStreamSpec {
            name: Some("other".into()),
            shard_count: Some(8),
            shards_per_group: Some(1),
            storage: Some(Storage { size: Some("10Gi".into()), storage_class_name: Some("fast".into()) }),
            ..Default::default()
        };
        assert_eq!(stream.resolve(&defaults()), resolved);
        let larger = Storage { size: Some("30Gi".into()), storage_class_name: None };
        stream.spec.storage = Some(larger);
        assert_eq!(stream.resolve(&defaults()).storage_size, "30Gi");
    }
}
