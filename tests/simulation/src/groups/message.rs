//! The messages between routers and groups, as small as a simulation needs them; their encoding is tested elsewhere.
//! Programs of several versions meet, so fields may be absent, unknown, or required and unknown.

use catalog::ShardId;
use catalog::member::OpenShard;
use group_core::{Reshard, ReshardRefusal, Resharded, Run, RunOutcome};

/// The version of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// It leaves out fields that came later.
    Older,
    /// The version under test.
    This,
    /// It has fields, features and outcomes that others do not know.
    Newer,
}

/// The features that a program of this version knows, as bits of [`Request::requires`].
const KNOWN_FEATURES: u32 = 0b1;
/// A feature that only a newer program knows.
pub const NEWER_FEATURE: u32 = 0b10;

impl Version {
    /// Whether a program of this version knows all that a request requires.
    #[must_use]
    pub fn knows(self, requires: u32) -> bool {
        let known = if self == Self::Newer { KNOWN_FEATURES | NEWER_FEATURE } else { KNOWN_FEATURES };
        requires & !known == 0
    }
}

/// A request to a group.
#[derive(Clone, Debug)]
pub struct Request {
    /// Its id, which the sender draws and the reply repeats.
    pub id: u64,
    /// Its content.
    pub body: RequestBody,
    /// Required features: a group that does not know all of them does nothing and replies so.
    pub requires: u32,
    /// The sender's wall clock. An older program leaves it out.
    pub caller_ms: Option<u64>,
    /// How long the sender waits. An older program leaves it out.
    pub timeout_ms: Option<u64>,
    /// A field of a newer program, which others ignore.
    pub newer_field: Option<u64>,
}

/// The content of a request.
#[derive(Clone, Debug)]
pub enum RequestBody {
    /// Appends runs, once for this session and sequence.
    Append { session: u64, sequence: u64, runs: Vec<Run> },
    /// Reads a shard.
    Read { shard: ShardId, from: StartingPosition, max_records: usize },
    /// Sets the retention.
    SetRetention { hours: u32 },
    /// Seals shards, and opens others in their place.
    Reshard(Reshard),
    /// Asks for the status, and shows the sender's clock.
    Probe,
}

/// Where a read begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StartingPosition {
    /// With the oldest record that is kept.
    TrimHorizon,
    /// Behind the last record.
    Latest,
    /// With the first record that arrived then or later, in milliseconds of log time.
    Timestamp(u64),
    /// With the record of this offset, or the first one that is kept behind it.
    Offset(u64),
}

/// The reply of a group.
#[derive(Clone, Debug)]
pub struct Reply {
    /// See [`Request::id`].
    pub id: u64,
    /// Its content.
    pub body: ReplyBody,
}

/// The content of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplyBody {
    /// The outcome of each run.
    Append(Vec<RunOutcome>),
    /// The records of a read.
    Page(Page),
    /// A read's shard is not here.
    NotHere,
    /// It is done.
    Done,
    /// Shards are sealed and opened, or why not.
    Reshard(Result<Resharded, ReshardRefusal>),
    /// It was certainly not done, and may be sent again.
    NotDone,
    /// It requires a feature that is not known here: not done.
    Unsupported,
    /// It may be done or not.
    Unknown,
    /// An outcome of a newer program, which others do not understand.
    Newer,
}

/// A record that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReadRecord {
    /// Its offset.
    pub offset: u64,
    /// Its number among all records of the world.
    pub number: u64,
    /// When it arrived, in milliseconds of log time.
    pub arrival_ms: u64,
}

/// What was read of a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The records, in order.
    pub records: Vec<ReadRecord>,
    /// The offset to go on with.
    pub next_offset: u64,
    /// By how much the reader is behind, in milliseconds; an older program leaves it out.
    pub millis_behind_latest: Option<u64>,
    /// At the end of a sealed shard: those that took over.
    pub successors: Option<Vec<OpenShard>>,
}
