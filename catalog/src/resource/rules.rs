//! The rules of a DataStream. Each is defined once, as CEL for the API server and as a function.
//!
//! Every rule checks the whole object, so it may look at several fields and at the object before the change. A rule
//! about a change holds for a new object. Where the old spec leaves out a field that cannot change,
//! `status.resolved` has its value.

use kube::core::{Reason, Rule as Cel};

use super::{DataStream, quantity_bytes};

/// One rule.
pub(super) struct Rule {
    /// The field to correct.
    pub field: &'static str,
    /// What to do, as a sentence.
    pub message: &'static str,
    /// Whether a stream keeps it, given the stream before the change.
    pub holds: fn(&DataStream, Option<&DataStream>) -> bool,
    expression: &'static str,
    /// Evaluated at creation too, although it uses oldSelf.
    optional_old_self: bool,
}

impl Rule {
    /// Whether it compares a stream with the stream before a change.
    pub fn is_about_change(&self) -> bool {
        self.expression.contains("oldSelf")
    }

    /// The rule as the CRD carries it.
    pub fn cel(&self) -> Cel {
        let reason =
            if self.is_about_change() { Reason::FieldValueForbidden } else { Reason::FieldValueInvalid };
        let rule = Cel::new(self.expression).message(self.message).reason(reason);
        let rule = if self.optional_old_self { rule.optional_old_self(true) } else { rule };
        rule.field_path(format!(".{}", self.field))
    }
}

/// All rules, in the order in which violations are reported.
pub(super) const ALL: [Rule; 24] = [
    NAME_LENGTH,
    NAME_LABEL,
    STREAM_NAME,
    STREAM_NAME_FIXED,
    MODE,
    SHARD_COUNT_ON_DEMAND,
    SHARD_COUNT,
    SHARD_COUNT_FIXED,
    RETENTION,
    MAX_RECORD_SIZE,
    WARM_THROUGHPUT,
    WARM_THROUGHPUT_ON_DEMAND,
    SHARD_LEVEL_METRICS,
    REPLICAS,
    SHARDS_PER_GROUP,
    SHARDS_PER_GROUP_FIXED,
    STORAGE_SIZE,
    STORAGE_GROWS,
    STORAGE_CLASS_FIXED,
    TAG_COUNT,
    TAG_KEYS,
    TAG_VALUES,
    POD_LABELS,
    DELETION_POLICY,
];

pub(super) const NAME_LENGTH: Rule = Rule {
    field: "metadata.name",
    message: "metadata.name must have at most 40 characters, because pods and volumes are named after it: choose a \
              shorter one, and put the stream's name in Kinesis into spec.name",
    expression: "self.metadata.name.size() <= 40",
    holds: |stream, _| metadata_name(stream).len() <= 40,
    optional_old_self: false,
};

pub(super) const NAME_LABEL: Rule = Rule {
    field: "metadata.name",
    message: "metadata.name must begin with a lower-case letter, go on with lower-case letters, digits and '-', and \
              not end with '-', because a Service is named after it: the stream's name in Kinesis may differ, in \
              spec.name",
    expression: "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
    holds: |stream, _| {
        let name = metadata_name(stream);
        name.starts_with(|c: char| c.is_ascii_lowercase())
            && !name.ends_with('-')
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    },
    optional_old_self: false,
};

pub(super) const STREAM_NAME: Rule = Rule {
    field: "spec.name",
    message: "name must have 1 to 128 characters out of a-z A-Z 0-9 _ . -",
    expression: "!has(self.spec.name) || self.spec.name.matches('^[a-zA-Z0-9_.-]{1,128}$')",
    holds: |stream, _| stream.spec.name.as_ref().is_none_or(|name| name.parse::<crate::StreamName>().is_ok()),
    optional_old_self: false,
};

pub(super) const STREAM_NAME_FIXED: Rule = Rule {
    field: "spec.name",
    message: "name cannot change: make a new stream with the new name, and delete this one when its records are read",
    expression: "(has(self.spec.name) ? self.spec.name : self.metadata.name) == \
                 (has(oldSelf.spec.name) ? oldSelf.spec.name : oldSelf.metadata.name)",
    holds: |stream, old| old.is_none_or(|old| stream.stream_name() == old.stream_name()),
    optional_old_self: false,
};

pub(super) const MODE: Rule = Rule {
    field: "spec.streamModeDetails.streamMode",
    message: "streamMode must be PROVISIONED or ON_DEMAND",
    expression: "!has(self.spec.streamModeDetails) || \
                 self.spec.streamModeDetails.streamMode in ['PROVISIONED', 'ON_DEMAND']",
    holds: |stream, _| {
        stream
            .spec
            .stream_mode_details
            .as_ref()
            .is_none_or(|details| ["PROVISIONED", ON_DEMAND].contains(&details.stream_mode.as_str()))
    },
    optional_old_self: false,
};

pub(super) const SHARD_COUNT_ON_DEMAND: Rule = Rule {
    field: "spec.shardCount",
    message: "an ON_DEMAND stream takes no shardCount: remove it, or set streamMode to PROVISIONED",
    // A count from before the switch to ON_DEMAND may stay: it is ignored.
    expression: "!has(self.spec.streamModeDetails) || self.spec.streamModeDetails.streamMode != 'ON_DEMAND' || \
                 !has(self.spec.shardCount) || (oldSelf.hasValue() && has(oldSelf.value().spec.shardCount) && \
                 oldSelf.value().spec.shardCount == self.spec.shardCount)",
    holds: |stream, old| {
        !is_on_demand(stream)
            || stream.spec.shard_count.is_none()
            || old.is_some_and(|old| old.spec.shard_count == stream.spec.shard_count)
    },
    optional_old_self: true,
};

pub(super) const SHARD_COUNT: Rule = Rule {
    field: "spec.shardCount",
    message: "shardCount must be 1 to 10000",
    expression: "!has(self.spec.shardCount) || (self.spec.shardCount >= 1 && self.spec.shardCount <= 10000)",
    holds: |stream, _| within(stream.spec.shard_count, 1, 10_000),
    optional_old_self: false,
};

pub(super) const SHARD_COUNT_FIXED: Rule = Rule {
    field: "spec.shardCount",
    message: "shardCount cannot change after creation until resharding is served: set it back, or make a new stream \
              with another count",
    expression: "!has(self.spec.shardCount) || self.spec.shardCount == (has(oldSelf.spec.shardCount) ? \
                 oldSelf.spec.shardCount : (has(oldSelf.status) && has(oldSelf.status.resolved) ? \
                 oldSelf.status.resolved.shardCount : 4))",
    holds: |stream, old| {
        let Some(old) = old else { return true };
        let before = old.spec.shard_count.or(old.resolved().map(|resolved| resolved.shard_count));
        stream.spec.shard_count.is_none_or(|count| count == before.unwrap_or(4))
    },
    optional_old_self: false,
};

pub(super) const RETENTION: Rule = Rule {
    field: "spec.retentionPeriodHours",
    message: "retentionPeriodHours must be 24 (a day) to 8760 (365 days)",
    expression: "!has(self.spec.retentionPeriodHours) || \
                 (self.spec.retentionPeriodHours >= 24 && self.spec.retentionPeriodHours <= 8760)",
    holds: |stream, _| within(stream.spec.retention_period_hours, 24, 8760),
    optional_old_self: false,
};

pub(super) const MAX_RECORD_SIZE: Rule = Rule {
    field: "spec.maxRecordSizeKiB",
    message: "maxRecordSizeKiB must be 1024 (1 MiB) to 10240 (10 MiB)",
    expression: "!has(self.spec.maxRecordSizeKiB) || \
                 (self.spec.maxRecordSizeKiB >= 1024 && self.spec.maxRecordSizeKiB <= 10240)",
    holds: |stream, _| within(stream.spec.max_record_size_kib, 1024, 10_240),
    optional_old_self: false,
};

pub(super) const WARM_THROUGHPUT: Rule = Rule {
    field: "spec.warmThroughputMiBps",
    message: "warmThroughputMiBps must be 0 to 10240",
    expression: "!has(self.spec.warmThroughputMiBps) || \
                 (self.spec.warmThroughputMiBps >= 0 && self.spec.warmThroughputMiBps <= 10240)",
    holds: |stream, _| within(stream.spec.warm_throughput_mibps, 0, 10_240),
    optional_old_self: false,
};

pub(super) const WARM_THROUGHPUT_ON_DEMAND: Rule = Rule {
    field: "spec.warmThroughputMiBps",
    message: "only an ON_DEMAND stream has a warmThroughputMiBps: remove it, or set streamMode to ON_DEMAND",
    expression: "!has(self.spec.warmThroughputMiBps) || (has(self.spec.streamModeDetails) && \
                 self.spec.streamModeDetails.streamMode == 'ON_DEMAND')",
    holds: |stream, _| stream.spec.warm_throughput_mibps.is_none() || is_on_demand(stream),
    optional_old_self: false,
};

pub(super) const SHARD_LEVEL_METRICS: Rule = Rule {
    field: "spec.shardLevelMetrics",
    message: "a shard-level metric is IncomingBytes, IncomingRecords, OutgoingBytes, OutgoingRecords, \
              WriteProvisionedThroughputExceeded, ReadProvisionedThroughputExceeded or IteratorAgeMilliseconds",
    expression: "!has(self.spec.shardLevelMetrics) || self.spec.shardLevelMetrics.all(metric, metric in \
                 ['IncomingBytes', 'IncomingRecords', 'OutgoingBytes', 'OutgoingRecords', \
                 'WriteProvisionedThroughputExceeded', 'ReadProvisionedThroughputExceeded', \
                 'IteratorAgeMilliseconds'])",
    holds: |stream, _| {
        let metrics = &stream.spec.shard_level_metrics;
        metrics.iter().all(|metric| metric.parse::<crate::ShardLevelMetric>().is_ok())
    },
    optional_old_self: false,
};

pub(super) const REPLICAS: Rule = Rule {
    field: "spec.replicas",
    message: "replicas must be 1 until replication is served: remove it or set it to 1",
    expression: "!has(self.spec.replicas) || self.spec.replicas == 1",
    holds: |stream, _| within(stream.spec.replicas, 1, 1),
    optional_old_self: false,
};

pub(super) const SHARDS_PER_GROUP: Rule = Rule {
    field: "spec.shardsPerGroup",
    message: "shardsPerGroup must be 1 (a pod of its own for every shard) to 1000",
    expression: "!has(self.spec.shardsPerGroup) || \
                 (self.spec.shardsPerGroup >= 1 && self.spec.shardsPerGroup <= 1000)",
    holds: |stream, _| within(stream.spec.shards_per_group, 1, 1000),
    optional_old_self: false,
};

pub(super) const SHARDS_PER_GROUP_FIXED: Rule = Rule {
    field: "spec.shardsPerGroup",
    message: "shardsPerGroup cannot change after creation until resharding is served, because it would move no shard: \
              set it back",
    expression: "!has(self.spec.shardsPerGroup) || (has(oldSelf.spec.shardsPerGroup) ? \
                 self.spec.shardsPerGroup == oldSelf.spec.shardsPerGroup : (!has(oldSelf.status) || \
                 !has(oldSelf.status.resolved) || \
                 self.spec.shardsPerGroup == oldSelf.status.resolved.shardsPerGroup))",
    holds: |stream, old| {
        let before = old.and_then(|old| {
            old.spec.shards_per_group.or(old.resolved().map(|resolved| resolved.shards_per_group))
        });
        stream.spec.shards_per_group.is_none_or(|count| before.is_none_or(|before| count == before))
    },
    optional_old_self: false,
};

pub(super) const STORAGE_SIZE: Rule = Rule {
    field: "spec.storage.size",
    message: "size must be a quantity of at least 16Mi, such as 20Gi",
    expression: "!has(self.spec.storage) || !has(self.spec.storage.size) || (isQuantity(self.spec.storage.size) && \
                 !quantity(self.spec.storage.size).isLessThan(quantity('16Mi')))",
    holds: |stream, _| {
        let smallest = 16 << 20;
        storage_size(stream).is_none_or(|size| quantity_bytes(size).is_some_and(|bytes| bytes >= smallest))
    },
    optional_old_self: false,
};

pub(super) const STORAGE_GROWS: Rule = Rule {
    field: "spec.storage.size",
    message: "size cannot shrink: set it back to what it was, or to more",
    expression: "!has(self.spec.storage) || !has(self.spec.storage.size) || !isQuantity(self.spec.storage.size) || \
                 (has(oldSelf.spec.storage) && has(oldSelf.spec.storage.size) ? \
                 !isQuantity(oldSelf.spec.storage.size) || \
                 !quantity(self.spec.storage.size).isLessThan(quantity(oldSelf.spec.storage.size)) : \
                 !has(oldSelf.status) || !has(oldSelf.status.resolved) || \
                 !isQuantity(oldSelf.status.resolved.storageSize) || \
                 !quantity(self.spec.storage.size).isLessThan(quantity(oldSelf.status.resolved.storageSize)))",
    holds: |stream, old| {
        let before = old.and_then(|old| {
            storage_size(old).or(old.resolved().map(|resolved| resolved.storage_size.as_str()))
        });
        match (storage_size(stream).and_then(quantity_bytes), before.and_then(quantity_bytes)) {
            (Some(size), Some(before)) => size >= before,
            _ => true,
        }
    },
    optional_old_self: false,
};

pub(super) const STORAGE_CLASS_FIXED: Rule = Rule {
    field: "spec.storage.storageClassName",
    message: "storageClassName cannot change, because a volume stays where it is: set it back, or make a new stream",
    expression: "!has(self.spec.storage) || !has(self.spec.storage.storageClassName) || \
                 (has(oldSelf.spec.storage) && has(oldSelf.spec.storage.storageClassName) ? \
                 self.spec.storage.storageClassName == oldSelf.spec.storage.storageClassName : \
                 !has(oldSelf.status) || !has(oldSelf.status.resolved) || \
                 (has(oldSelf.status.resolved.storageClassName) && \
                 self.spec.storage.storageClassName == oldSelf.status.resolved.storageClassName))",
    holds: |stream, old| {
        let Some((class, old)) = storage_class(stream).zip(old) else { return true };
        match (storage_class(old), old.resolved()) {
            (Some(before), _) => class == before,
            (None, Some(resolved)) => Some(class) == resolved.storage_class_name.as_deref(),
            (None, None) => true,
        }
    },
    optional_old_self: false,
};

pub(super) const TAG_COUNT: Rule = Rule {
    field: "spec.tags",
    message: "a stream has at most 50 tags: remove some",
    expression: "!has(self.spec.tags) || self.spec.tags.size() <= 50",
    holds: |stream, _| stream.spec.tags.len() <= 50,
    optional_old_self: false,
};

pub(super) const TAG_KEYS: Rule = Rule {
    field: "spec.tags",
    message: "a tag's key must have 1 to 128 characters and not begin with aws:",
    expression: "!has(self.spec.tags) || self.spec.tags.all(key, key.size() >= 1 && key.size() <= 128 && \
                 !key.startsWith('aws:'))",
    holds: |stream, _| {
        stream
            .spec
            .tags
            .keys()
            .all(|key| (1..=128).contains(&key.chars().count()) && !key.starts_with("aws:"))
    },
    optional_old_self: false,
};

pub(super) const TAG_VALUES: Rule = Rule {
    field: "spec.tags",
    message: "a tag's value must have at most 256 characters",
    expression: "!has(self.spec.tags) || self.spec.tags.all(key, self.spec.tags[key].size() <= 256)",
    holds: |stream, _| stream.spec.tags.values().all(|value| value.chars().count() <= 256),
    optional_old_self: false,
};

pub(super) const POD_LABELS: Rule = Rule {
    field: "spec.podTemplate.labels",
    message: "labels that begin with kinetes.dev/ are the operator's: choose other ones",
    expression: "!has(self.spec.podTemplate) || !has(self.spec.podTemplate.labels) || \
                 self.spec.podTemplate.labels.all(key, !key.startsWith('kinetes.dev/'))",
    holds: |stream, _| {
        let template = stream.spec.pod_template.as_ref();
        template.is_none_or(|template| template.labels.keys().all(|key| !key.starts_with("kinetes.dev/")))
    },
    optional_old_self: false,
};

pub(super) const DELETION_POLICY: Rule = Rule {
    field: "spec.deletionPolicy",
    message: "deletionPolicy must be Retain (the volumes stay) or Delete (they go with all records)",
    expression: "!has(self.spec.deletionPolicy) || self.spec.deletionPolicy in ['Retain', 'Delete']",
    holds: |stream, _| {
        stream
            .spec
            .deletion_policy
            .as_ref()
            .is_none_or(|policy| ["Retain", "Delete"].contains(&policy.as_str()))
    },
    optional_old_self: false,
};

const ON_DEMAND: &str = "ON_DEMAND";

fn within(value: Option<i32>, least: i32, greatest: i32) -> bool {
    value.is_none_or(|value| (least..=greatest).contains(&value))
}

fn is_on_demand(stream: &DataStream) -> bool {
    stream.spec.stream_mode_details.as_ref().is_some_and(|details| details.stream_mode == ON_DEMAND)
}

fn metadata_name(stream: &DataStream) -> &str {
    stream.metadata.name.as_deref().unwrap_or_default()
}

fn storage_size(stream: &DataStream) -> Option<&str> {
    stream.spec.storage.as_ref()?.size.as_deref()
}

fn storage_class(stream: &DataStream) -> Option<&str> {
    stream.spec.storage.as_ref()?.storage_class_name.as_deref()
}
