//! The messages in the sections of a header and the extensions of entries: protobuf, with numbered optional fields. A
//! number is never used for anything else; who does not know a field ignores it.

use prost::Message;

/// What the entries before a segment amount to, beside their index and term.
#[derive(Clone, PartialEq, Message)]
pub struct State {
    /// The shards.
    #[prost(message, repeated, tag = "1")]
    pub shards: Vec<Shard>,
    /// How long records are kept; none where corruption may hide it.
    #[prost(uint32, optional, tag = "2")]
    pub retention_hours: Option<u32>,
    /// The oldest arrival that is kept.
    #[prost(uint64, optional, tag = "3")]
    pub trim_horizon_ms: Option<u64>,
    /// Log time.
    #[prost(uint64, optional, tag = "4")]
    pub time_ms: Option<u64>,
    /// Nothing expires before.
    #[prost(uint64, optional, tag = "5")]
    pub protected_until_ms: Option<u64>,
    /// The highest number of a reshard; absent before the first.
    #[prost(uint64, optional, tag = "6")]
    pub last_op: Option<u64>,
}

/// A shard.
#[derive(Clone, PartialEq, Message)]
pub struct Shard {
    /// Its number.
    #[prost(uint32, optional, tag = "1")]
    pub id: Option<u32>,
    /// The first hash key of its range, 16 bytes, the most significant first.
    #[prost(bytes = "vec", optional, tag = "2")]
    pub range_start: Option<Vec<u8>>,
    /// The last one.
    #[prost(bytes = "vec", optional, tag = "3")]
    pub range_end: Option<Vec<u8>>,
    /// The numbers of its parents.
    #[prost(uint32, repeated, tag = "4")]
    pub parents: Vec<u32>,
    /// When it was created, in seconds since 1970.
    #[prost(uint64, optional, tag = "5")]
    pub create_seconds: Option<u64>,
    /// The offset of its next record.
    #[prost(uint64, optional, tag = "6")]
    pub next_offset: Option<u64>,
    /// When its last record arrived.
    #[prost(uint64, optional, tag = "7")]
    pub last_arrival_ms: Option<u64>,
    /// 1: open. 2: sealed.
    #[prost(uint32, optional, tag = "8")]
    pub status: Option<u32>,
    /// What it was sealed by, if it is sealed.
    #[prost(message, optional, tag = "9")]
    pub seal: Option<Seal>,
}

/// What a shard was sealed by.
#[derive(Clone, PartialEq, Message)]
pub struct Seal {
    /// The number of the reshard.
    #[prost(uint64, optional, tag = "1")]
    pub op: Option<u64>,
    /// When it was sealed.
    #[prost(uint64, optional, tag = "2")]
    pub arrival_ms: Option<u64>,
    /// The numbers of the shards that took over.
    #[prost(uint32, repeated, tag = "3")]
    pub successors: Vec<u32>,
}

/// Shards that are sealed, and those that are opened in their place.
#[derive(Clone, PartialEq, Message)]
pub struct Reshard {
    /// Its number.
    #[prost(uint64, optional, tag = "1")]
    pub op: Option<u64>,
    /// When.
    #[prost(uint64, optional, tag = "2")]
    pub arrival_ms: Option<u64>,
    /// The numbers of the shards that are sealed.
    #[prost(uint32, repeated, tag = "3")]
    pub seal: Vec<u32>,
    /// The shards that are opened: of each what is in fields 1 to 5.
    #[prost(message, repeated, tag = "4")]
    pub open: Vec<Shard>,
}

/// Who the copies of a log are.
#[derive(Clone, PartialEq, Message)]
pub struct Membership {
    /// Who decides.
    #[prost(message, repeated, tag = "1")]
    pub voters: Vec<Member>,
    /// Who gets all and decides nothing.
    #[prost(message, repeated, tag = "2")]
    pub learners: Vec<Member>,
    /// Who decides as well until the change under way is done: Raft's joint state.
    #[prost(message, repeated, tag = "3")]
    pub outgoing_voters: Vec<Member>,
    /// Who becomes a learner when it is.
    #[prost(message, repeated, tag = "4")]
    pub next_learners: Vec<Member>,
    /// Whether the leader ends the change by itself.
    #[prost(bool, optional, tag = "5")]
    pub auto_leave: Option<bool>,
}

/// A copy.
#[derive(Clone, PartialEq, Message)]
pub struct Member {
    /// Its number in the group, from 1.
    #[prost(uint64, optional, tag = "1")]
    pub node_id: Option<u64>,
    /// Its random id, 16 bytes.
    #[prost(bytes = "vec", optional, tag = "2")]
    pub incarnation: Option<Vec<u8>>,
}

/// What concerns one copy alone.
#[derive(Clone, PartialEq, Message)]
pub struct Copy {
    /// The corruption that was accepted.
    #[prost(message, repeated, tag = "1")]
    pub accepted_losses: Vec<Range>,
}

/// A part of a segment.
#[derive(Clone, PartialEq, Message)]
pub struct Range {
    /// The sequence number of the segment.
    #[prost(uint64, optional, tag = "1")]
    pub segment: Option<u64>,
    /// Where it begins, in bytes.
    #[prost(uint64, optional, tag = "2")]
    pub start: Option<u64>,
    /// Where it ends.
    #[prost(uint64, optional, tag = "3")]
    pub end: Option<u64>,
}

/// The extension of an entry that is no Append.
#[derive(Clone, PartialEq, Message)]
pub struct Control {
    /// Of SetRetention.
    #[prost(uint32, optional, tag = "1")]
    pub retention_hours: Option<u32>,
    /// Of Trim.
    #[prost(uint64, optional, tag = "2")]
    pub trim_horizon_ms: Option<u64>,
    /// Of ClockStep.
    #[prost(uint64, optional, tag = "3")]
    pub time_ms: Option<u64>,
    /// Of Reshard.
    #[prost(message, optional, tag = "4")]
    pub reshard: Option<Reshard>,
}
