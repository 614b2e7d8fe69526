//! Shards as the API shows them, and the answers of ListShards and GetShardIterator.

use crate::json::Writer;

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

impl ListShards {
    /// The answer's body.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.begin_map();
        write_shards(&self.shards, &mut writer);
        if let Some(token) = &self.next_token {
            writer.key("NextToken");
            writer.text(token);
        }
        writer.end_map();
        writer.finish()
    }
}

impl GetShardIterator {
    /// The answer's body.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.begin_map();
        writer.key("ShardIterator");
        writer.text(&self.shard_iterator);
        writer.end_map();
        writer.finish()
    }
}

/// The member Shards.
pub(super) fn write_shards(shards: &[Shard], writer: &mut Writer) {
    writer.key("Shards");
    writer.begin_list();
    for shard in shards {
        shard.write(writer);
    }
    writer.end_list();
}

impl Shard {
    fn write(&self, writer: &mut Writer) {
        writer.begin_map();
        writer.key("ShardId");
        writer.text(&self.shard_id);
        if let Some(parent) = &self.parent_shard_id {
            writer.key("ParentShardId");
            writer.text(parent);
        }
        if let Some(parent) = &self.adjacent_parent_shard_id {
            writer.key("AdjacentParentShardId");
            writer.text(parent);
        }
        self.hash_key_range.write(writer);
        writer.key("SequenceNumberRange");
        writer.begin_map();
        writer.key("StartingSequenceNumber");
        writer.text(&self.sequence_number_range.starting);
        if let Some(ending) = &self.sequence_number_range.ending {
            writer.key("EndingSequenceNumber");
            writer.text(ending);
        }
        writer.end_map();
        writer.end_map();
    }
}

impl HashKeyRange {
    fn write(self, writer: &mut Writer) {
        writer.key("HashKeyRange");
        writer.begin_map();
        writer.key("StartingHashKey");
        writer.plain(self.starting);
        writer.key("EndingHashKey");
        writer.plain(self.ending);
        writer.end_map();
    }
}

impl ChildShard {
    pub(super) fn write(&self, writer: &mut Writer) {
        writer.begin_map();
        writer.key("ShardId");
        writer.text(&self.shard_id);
        writer.key("ParentShards");
        writer.begin_list();
        for parent in &self.parent_shards {
            writer.text(parent);
        }
        writer.end_list();
        self.hash_key_range.write(writer);
        writer.end_map();
    }
}
