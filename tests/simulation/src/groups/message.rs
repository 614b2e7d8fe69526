//! What routers and groups say to each other, as small as a simulation needs it: the bytes are tested where they are
//! made. Programs of several versions meet, so fields may be absent, unknown, or required and unknown.

use catalog::ShardId;
use group_core::{Run, RunOutcome};

/// What a program is built as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// It leaves out fields that came later.
    Older,
    /// What is being tested.
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

/// Asks a group for something.
#[derive(Clone, Debug)]
pub struct Request {
    /// Names it in its reply; the sender draws it.
    pub id: u64,
    /// What is asked.
    pub body: RequestBody,
    /// Whoever does not know all of these features does nothing and says so.
    pub requires: u32,
    /// The sender's wall clock. An older program leaves it out.
    pub caller_ms: Option<u64>,
    /// How long the sender waits. An older program leaves it out.
    pub timeout_ms: Option<u64>,
    /// A field of a newer program; whoever does not know it passes over it.
    pub newer_field: Option<u64>,
}

/// What is asked of a group.
#[derive(Clone, Debug)]
pub enum RequestBody {
    /// To append runs, stored once for this session and sequence.
    Append { session: u64, sequence: u64, runs: Vec<Run> },
    /// To read a shard.
    Read { shard: ShardId, from: From, max_records: usize },
    /// To keep records so many hours.
    SetRetention { hours: u32 },
    /// How it is, by somebody who shows a clock.
    Probe,
}

/// Where a read begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum From {
    /// With the oldest record that is kept.
    TrimHorizon,
    /// Behind the last record.
    Latest,
    /// With the first record that arrived then or later, in milliseconds of log time.
    Timestamp(u64),
    /// With the record of this offset, or the first one that is kept behind it.
    Offset(u64),
}

/// What a group says to a request.
#[derive(Clone, Debug)]
pub struct Reply {
    /// See [`Request::id`].
    pub id: u64,
    /// What became of it.
    pub body: ReplyBody,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplyBody {
    /// One outcome a run.
    Append(Vec<RunOutcome>),
    /// What was read.
    Page(Page),
    /// A read's shard is not here.
    NotHere,
    /// It is done.
    Done,
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
}
