//! What is asked of a log and what it answers.

use serde::{Deserialize, Serialize};

use catalog::member::OpenShard;
use group_core::record::RecordBlock;
pub use group_core::{Appended, Run, RunOutcome};

/// Where to begin to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Position {
    /// The oldest record that is kept.
    TrimHorizon,
    /// Behind the newest durable record.
    Latest,
    /// The first record that arrived at this time (milliseconds since 1970) or later.
    AtTimestamp(u64),
    /// This offset; one below the oldest kept record's is the trim horizon.
    Offset(u64),
}

/// How much a read may give.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// At most so many records, at least 1.
    pub max_records: u32,
    /// At most so many encoded bytes, but one record where there is one.
    pub max_bytes: usize,
}

/// Whether a read may wait for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// It may: call it where blocking is no harm.
    ForDisk,
    /// It gives [`crate::ReadError::WouldBlock`] where memory does not have what it needs.
    Never,
}

/// What a read found: durable records alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadOutcome {
    /// The records in order; runs may be cut at both ends.
    pub runs: Vec<ReadRun>,
    /// Where the next read goes on.
    pub next_offset: u64,
    /// How far the last record found (or, if none was, the reader) is behind the shard's newest, in milliseconds;
    /// 0 at the tip, and only there.
    pub millis_behind_latest: u64,
    /// Where the shard is sealed and this is its end: the shards that took over its part of the ring.
    pub successors: Option<Vec<OpenShard>>,
}

/// What a read found that takes no record beyond its limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Records.
    Records(ReadOutcome),
    /// The next record is large: it has so many encoded bytes, and was not read.
    LargeRecord {
        /// Its bytes.
        bytes: usize,
    },
}

/// Records that follow each other and arrived together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadRun {
    /// The offset of the first.
    pub first_offset: u64,
    /// When they arrived, in milliseconds since 1970.
    pub arrival_ms: u64,
    /// The records.
    pub block: RecordBlock,
}
