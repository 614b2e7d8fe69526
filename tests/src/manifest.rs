//! Manifests that scenarios apply.

/// A DataStream with this many shards, each in a group of its own, and this `deletionPolicy`.
#[must_use]
pub fn stream(name: &str, shard_count: u32, deletion_policy: &str) -> String {
    format!(
        "
apiVersion: kinetes.dev/v1alpha1
kind: DataStream
metadata: {{name: {name}}}
spec:
  shardCount: {shard_count}
  shardsPerGroup: 1
  storage: {{size: 1Gi}}
  deletionPolicy: {deletion_policy}
"
    )
}
