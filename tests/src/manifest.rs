//! Manifests that scenarios apply.

/// A DataStream with this many shards, each in a group of its own, and this `deletionPolicy`.
#[must_use]
pub fn stream(name: &str, shard_count: u32, deletion_policy: &str) -> String {
    manifest(name, shard_count, 1, deletion_policy)
}

/// A DataStream with this many shards in one group, and so in one log; its volumes go with it.
#[must_use]
pub fn stream_of_one_group(name: &str, shard_count: u32) -> String {
    manifest(name, shard_count, shard_count, "Delete")
}

fn manifest(name: &str, shard_count: u32, shards_per_group: u32, deletion_policy: &str) -> String {
    format!(
        "
apiVersion: kinetes.dev/v1alpha1
kind: DataStream
metadata: {{name: {name}}}
spec:
  shardCount: {shard_count}
  shardsPerGroup: {shards_per_group}
  storage: {{size: 1Gi}}
  deletionPolicy: {deletion_policy}
"
    )
}
