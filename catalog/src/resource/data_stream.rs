//! `DataStream`: a stream as its user wants it, and what became of it.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::{PodTemplate, RecordedMap, Resolved, rules};

/// What a user wants of a stream. Every field may be left out; the operator publishes what it then took in
/// `status.resolved`.
///
/// Values are kept as they were written, so that [`DataStream::validate`] can report what is invalid about them.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "kinetes.dev",
    version = "v1alpha1",
    kind = "DataStream",
    namespaced,
    doc = "A Kinesis data stream: the operator makes StatefulSets of it that every AWS SDK can write to and read from.",
    status = "DataStreamStatus",
    derive = "Default",
    derive = "PartialEq",
    shortname = "dstream",
    shortname = "kds",
    category = "kinetes",
    scale(
        spec_replicas_path = ".spec.shardCount",
        status_replicas_path = ".status.openShardCount",
        label_selector_path = ".status.selector"
    ),
    printcolumn(name = "Status", type_ = "string", json_path = ".status.streamStatus"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#
    ),
    printcolumn(name = "Shards", type_ = "integer", json_path = ".status.openShardCount"),
    printcolumn(name = "Mode", type_ = "string", json_path = ".status.resolved.streamMode"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Stream", type_ = "string", json_path = ".status.resolved.name", priority = 1),
    printcolumn(name = "Hours", type_ = "integer", json_path = ".status.resolved.retentionPeriodHours", priority = 1),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#,
        priority = 1
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].message"#,
        priority = 1
    ),
    validation = rules::NAME_LENGTH.cel(),
    validation = rules::NAME_LABEL.cel(),
    validation = rules::STREAM_NAME.cel(),
    validation = rules::STREAM_NAME_FIXED.cel(),
    validation = rules::MODE.cel(),
    validation = rules::SHARD_COUNT_ON_DEMAND.cel(),
    validation = rules::SHARD_COUNT.cel(),
    validation = rules::SHARD_COUNT_FIXED.cel(),
    validation = rules::RETENTION.cel(),
    validation = rules::MAX_RECORD_SIZE.cel(),
    validation = rules::WARM_THROUGHPUT.cel(),
    validation = rules::WARM_THROUGHPUT_ON_DEMAND.cel(),
    validation = rules::SHARD_LEVEL_METRICS.cel(),
    validation = rules::REPLICAS.cel(),
    validation = rules::SHARDS_PER_GROUP.cel(),
    validation = rules::SHARDS_PER_GROUP_FIXED.cel(),
    validation = rules::STORAGE_SIZE.cel(),
    validation = rules::STORAGE_GROWS.cel(),
    validation = rules::STORAGE_CLASS_FIXED.cel(),
    validation = rules::TAG_COUNT.cel(),
    validation = rules::TAG_KEYS.cel(),
    validation = rules::TAG_VALUES.cel(),
    validation = rules::POD_LABELS.cel(),
    validation = rules::DELETION_POLICY.cel()
)]
#[serde(rename_all = "camelCase")]
pub struct DataStreamSpec {
    /// The stream's name in the Kinesis API, unique in its account; cannot change. Absent: metadata.name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub name: Option<String>,
    /// Who decides the number of shards. Absent: PROVISIONED.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream_mode_details: Option<StreamModeDetails>,
    /// The number of open shards, 1 to 10000, of a PROVISIONED stream. It cannot change yet. Absent: 4 at
    /// creation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shard_count: Option<i32>,
    /// How long a record is kept, in hours: 24 to 8760. Absent: 24.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention_period_hours: Option<i32>,
    /// The largest record, data and partition key together, in KiB: 1024 to 10240. Absent: 1024.
    #[serde(skip_serializing_if = "Option::is_none", rename = "maxRecordSizeKiB")]
    pub max_record_size_kib: Option<i32>,
    /// The warm throughput of an ON_DEMAND stream in the Kinesis API, in MiB per second: 0 to 10240. Absent: none.
    #[serde(skip_serializing_if = "Option::is_none", rename = "warmThroughputMiBps")]
    pub warm_throughput_mibps: Option<i32>,
    /// The shard-level metrics that the Kinesis API shows as enabled, such as IncomingBytes. Absent: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 7), inner(length(max = 64)))]
    pub shard_level_metrics: Vec<String>,
    /// The stream's tags in the Kinesis API: at most 50.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 200))]
    pub tags: BTreeMap<String, String>,
    /// Replicas of every shard. Only 1 until replication is served. Absent: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// How many open shards a StatefulSet hosts at most, 1 to 1000; 1 gives every shard a pod of its own. It cannot
    /// change yet. Absent: the operator's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shards_per_group: Option<i32>,
    /// The volumes. Absent: the operator's defaults.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage: Option<Storage>,
    /// What the stream's pods should have beyond what the operator gives them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_template: Option<PodTemplate>,
    /// What becomes of the volumes when this object is deleted: Retain keeps them, Delete deletes them with all
    /// records. Absent: Retain.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub deletion_policy: Option<String>,
}

/// Who decides the number of shards.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamModeDetails {
    /// PROVISIONED: shardCount does. ON_DEMAND: the load does (until autoscaling is served such a stream keeps its
    /// 4 shards).
    #[schemars(length(max = 64))]
    pub stream_mode: String,
}

/// The volume of every pod.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Storage {
    /// The size of each volume, such as 20Gi, at least 16Mi. It may grow where the storage class allows that, never
    /// shrink. Absent: the operator's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub size: Option<String>,
    /// The storage class; cannot change. Absent: the operator's default, or else the cluster's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub storage_class_name: Option<String>,
}

/// What became of a stream. The operator alone writes it, and only when something changed.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DataStreamStatus {
    /// The generation of the spec that this status speaks of; -1 while no operator has seen the stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// CREATING, ACTIVE, UPDATING or DELETING, as the Kinesis API says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream_status: Option<String>,
    /// The stream's ARN.
    #[serde(rename = "streamARN", skip_serializing_if = "Option::is_none")]
    pub stream_arn: Option<String>,
    /// Shards that take records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_shard_count: Option<i32>,
    /// Shards that take no more records, but still have some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed_shard_count: Option<i32>,
    /// The consumers that are registered with it; absent: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumer_count: Option<i32>,
    /// Selects the stream's pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// The version of the stream's catalog entry; it grows with every change of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub map_version: Option<i64>,
    /// The stream's map as it is recorded; there before anything is made for the stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub map: Option<RecordedMap>,
    /// Which installation manages the stream: namespace/release of its operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub installation: Option<String>,
    /// Since when the stream has its name in the Kinesis API. Who has a name keeps it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name_held_since: Option<Time>,
    /// What holds, defaults included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolved: Option<Resolved>,
    /// Ready always; Reconciling and Stalled only while they are True.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}
