//! Shards as the API shows them, and the answers of ListShards, GetShardIterator and UpdateShardCount.

use super::Body;
use crate::writer::Writer;

/// A shard of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    /// ShardId.
    pub shard_id: String,
    /// ParentShardId: of a child of a split, and the first parent of a merge's.
    pub parent_shard_id: Option<String>,
    /// AdjacentParentShardId: the second parent of a merge's child.
    pub adjacent_parent_shard_id: Option<String>,
    /// HashKeyRange.
    pub hash_key_range: HashKeyRange,
    /// SequenceNumberRange.
    pub sequence_number_range: SequenceNumberRange,
}

/// A part of the ring of hash keys, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashKeyRange {
    /// StartingHashKey.
    pub starting: u128,
    /// EndingHashKey.
    pub ending: u128,
}

/// Between what the sequence numbers of a shard are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SequenceNumberRange {
    /// StartingSequenceNumber.
    pub starting: String,
    /// EndingSequenceNumber: only a closed shard has one.
    pub ending: Option<String>,
}

/// A shard that follows a closed one. KCL goes on only where every child names its parents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChildShard {
    /// ShardId.
    pub shard_id: String,
    /// ParentShards: one after a split, two after a merge.
    pub parent_shards: Vec<String>,
    /// HashKeyRange.
    pub hash_key_range: HashKeyRange,
}

/// The answer to ListShards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListShards {
    /// Shards, sorted by id.
    pub shards: Vec<Shard>,
    /// NextToken: there is more.
    pub next_token: Option<String>,
}

/// The answer to GetShardIterator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetShardIterator {
    /// ShardIterator, at most 512 characters.
    pub shard_iterator: String,
}

/// The answer to UpdateShardCount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateShardCount {
    /// StreamName.
    pub stream_name: String,
    /// StreamARN.
    pub stream_arn: String,
    /// CurrentShardCount: of the shards that are open.
    pub current_shard_count: u32,
    /// TargetShardCount.
    pub target_shard_count: u32,
}

impl Body for ListShards {
    fn write(&self, writer: &mut impl Writer) {
        writer.map(|writer| {
            write_shards(&self.shards, writer);
            writer.optional_text_member("NextToken", self.next_token.as_deref());
        });
    }
}

impl Body for GetShardIterator {
    fn write(&self, writer: &mut impl Writer) {
        writer.map(|writer| writer.text_member("ShardIterator", &self.shard_iterator));
    }
}

impl Body for UpdateShardCount {
    fn write(&self, writer: &mut impl Writer) {
        writer.map(|writer| {
            writer.text_member("StreamName", &self.stream_name);
            writer.integer_member("CurrentShardCount", self.current_shard_count);
            writer.integer_member("TargetShardCount", self.target_shard_count);
            writer.text_member("StreamARN", &self.stream_arn);
        });
    }
}

/// The member Shards.
pub(super) fn write_shards(shards: &[Shard], writer: &mut impl Writer) {
    writer.list_member("Shards", shards, |writer, shard| {
        writer.map(|writer| shard.write_members(writer));
    });
}

/// The member ChildShards, which is absent where there are none.
pub(crate) fn write_children(children: &[ChildShard], writer: &mut impl Writer) {
    if !children.is_empty() {
        writer.list_member("ChildShards", children, |writer, child| {
            writer.map(|writer| child.write_members(writer));
        });
    }
}

impl Shard {
    fn write_members(&self, writer: &mut impl Writer) {
        writer.text_member("ShardId", &self.shard_id);
        writer.optional_text_member("ParentShardId", self.parent_shard_id.as_deref());
        writer.optional_text_member("AdjacentParentShardId", self.adjacent_parent_shard_id.as_deref());
        self.hash_key_range.write(writer);
        writer.map_member("SequenceNumberRange", |writer| {
            writer.text_member("StartingSequenceNumber", &self.sequence_number_range.starting);
            let ending = self.sequence_number_range.ending.as_deref();
            writer.optional_text_member("EndingSequenceNumber", ending);
        });
    }
}

impl HashKeyRange {
    /// The member HashKeyRange.
    fn write(self, writer: &mut impl Writer) {
        writer.map_member("HashKeyRange", |writer| {
            writer.key("StartingHashKey");
            writer.plain(self.starting);
            writer.key("EndingHashKey");
            writer.plain(self.ending);
        });
    }
}

impl ChildShard {
    fn write_members(&self, writer: &mut impl Writer) {
        writer.text_member("ShardId", &self.shard_id);
        writer.list_member("ParentShards", &self.parent_shards, |writer, parent| writer.text(parent));
        self.hash_key_range.write(writer);
    }
}
