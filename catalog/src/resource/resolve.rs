//! The effective settings of a stream: its spec, and defaults for what the spec leaves out.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::DataStream;
use crate::map::DEFAULT_SHARD_COUNT;
use crate::{StreamMode, StreamName};

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
/// What cannot change (the shards' number and places, the storage class) is taken from an earlier status where
/// the spec is silent: a new default is for new streams.
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
        let before_or = |value: fn(&Resolved) -> i32, default| before.map_or(default, value);
        let class = match before {
            Some(before) => before.storage_class_name.clone(),
            None => defaults.storage_class_name.clone(),
        };
        let size = before.map_or_else(|| defaults.storage_size.clone(), |before| before.storage_size.clone());
        let mode = spec.stream_mode_details.as_ref().map(|details| details.stream_mode.clone());
        let on_demand = mode.as_deref() == Some("ON_DEMAND");
        // A stream that switched to ON_DEMAND keeps the number of shards that it was created with.
        let created = before_or(|before| before.shard_count, DEFAULT_SHARD_COUNT.cast_signed());
        let requested = if on_demand && before.is_some() { None } else { spec.shard_count };
        Resolved {
            name: self.stream_name().to_owned(),
            stream_mode: mode.unwrap_or_else(|| "PROVISIONED".into()),
            shard_count: requested.unwrap_or(created),
            retention_period_hours: spec.retention_period_hours.unwrap_or(24),
            max_record_size_kib: spec.max_record_size_kib.unwrap_or(1024),
            replicas: spec.replicas.unwrap_or(1),
            shards_per_group: spec
                .shards_per_group
                .unwrap_or_else(|| before_or(|before| before.shards_per_group, defaults.shards_per_group)),
            storage_size: storage.size.unwrap_or(size),
            storage_class_name: storage.storage_class_name.or(class),
            deletion_policy: spec.deletion_policy.clone().unwrap_or_else(|| "Retain".into()),
        }
    }

    /// The stream's name in the Kinesis API: `spec.name`, or else `metadata.name`.
    #[must_use]
    pub fn stream_name(&self) -> &str {
        self.spec.name.as_deref().or(self.metadata.name.as_deref()).unwrap_or_default()
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

    /// Whether the volumes go with the stream.
    #[must_use]
    pub fn deletes_volumes(&self) -> bool {
        self.deletion_policy == "Delete"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::{DataStreamSpec, DataStreamStatus};

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
}
