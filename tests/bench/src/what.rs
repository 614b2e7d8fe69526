//! What is measured: the loads, and the names under which numbers are noted, which tell their units.

use crate::lost;

/// A load that puts.
pub struct PutLoad {
    /// What it is called.
    pub name: &'static str,
    /// Records a request.
    pub batch: usize,
    /// Connections, each with one request at a time.
    pub connections: usize,
    /// Whether requests tell the SHA-256 of their body.
    pub hashed: bool,
}

/// One after the other, into the same stream.
pub const PUT_LOADS: [PutLoad; 6] = [BY_500, BY_100, ONE_BY_8, ONE_BY_64, BY_500_HASHED, BY_100_HASHED];

/// Large requests.
pub const BY_500: PutLoad =
    PutLoad { name: "PutRecords x 500, 8 connections", batch: 500, connections: 8, hashed: false };
/// Requests of middle size.
pub const BY_100: PutLoad =
    PutLoad { name: "PutRecords x 100, 8 connections", batch: 100, connections: 8, hashed: false };
/// The smallest requests.
pub const ONE_BY_8: PutLoad =
    PutLoad { name: "PutRecord, 8 connections", batch: 1, connections: 8, hashed: false };
/// The smallest, from many.
pub const ONE_BY_64: PutLoad =
    PutLoad { name: "PutRecord, 64 connections", batch: 1, connections: 64, hashed: false };
/// Large ones whose body is hashed, as verified signatures need it.
pub const BY_500_HASHED: PutLoad =
    PutLoad { name: "PutRecords x 500 with SHA-256, 8 connections", hashed: true, ..BY_500 };
/// The same of middle size.
pub const BY_100_HASHED: PutLoad =
    PutLoad { name: "PutRecords x 100 with SHA-256, 8 connections", hashed: true, ..BY_100 };

/// To one of four groups, while others put to all four and poll them.
pub const ONE_GROUP: PutLoad = PutLoad {
    name: "PutRecord to 1 of 4 groups, 16 connections",
    batch: 1,
    connections: lost::CONNECTIONS,
    hashed: false,
};
/// The same while the three other groups hang.
pub const ONE_GROUP_BESIDE_HUNG: PutLoad =
    PutLoad { name: "PutRecord to 1 of 4 groups while 3 hang, 16 connections", ..ONE_GROUP };
/// From when those three went on until each had acknowledged a record.
pub const RECOVERY: &str = "3 of 4 groups served again after, s";

impl PutLoad {
    /// Records a second.
    #[must_use]
    pub fn rate(&self) -> String {
        format!("{}, records/s", self.name)
    }

    /// 99 of 100 answers came within so many milliseconds.
    #[must_use]
    pub fn p99(&self) -> String {
        format!("{}, p99 ms", self.name)
    }

    /// The server's seconds of processor time a million records.
    #[must_use]
    pub fn cpu(&self) -> String {
        format!("{}, CPU s a million records", self.name)
    }
}

/// A load that catches up, from the oldest record on.
pub struct GetLoad {
    /// What it is called.
    pub name: &'static str,
    /// How many of the stream's shards are read.
    pub shards: usize,
}

/// All of them.
pub const GET_LOADS: [GetLoad; 6] =
    [GET_MEMORY, GET_MEMORY_ONE, GET_DISK, GET_DISK_ONE, GET_MEMORY_ONE_OF_16, GET_DISK_ONE_OF_16];

/// All four shards, from the kernel's page cache.
pub const GET_MEMORY: GetLoad = GetLoad { name: "GetRecords, 4 shards from memory", shards: 4 };
/// One of four.
pub const GET_MEMORY_ONE: GetLoad = GetLoad { name: "GetRecords, 1 of 4 shards from memory", shards: 1 };
/// One of 16.
pub const GET_MEMORY_ONE_OF_16: GetLoad =
    GetLoad { name: "GetRecords, 1 of 16 shards from memory", shards: 1 };
/// All four shards after a restart, with nothing of the files cached.
pub const GET_DISK: GetLoad = GetLoad { name: "GetRecords, 4 shards from disk", shards: 4 };
/// One of four.
pub const GET_DISK_ONE: GetLoad = GetLoad { name: "GetRecords, 1 of 4 shards from disk", shards: 1 };
/// One of 16.
pub const GET_DISK_ONE_OF_16: GetLoad = GetLoad { name: "GetRecords, 1 of 16 shards from disk", shards: 1 };

/// What the disk itself gives of the ranges that the last one takes, one after the other, with nothing cached.
pub const PREAD_ONE_OF_16: &str = "pread of what 1 of 16 shards takes from disk, records/s";

impl GetLoad {
    /// Records a second.
    #[must_use]
    pub fn rate(&self) -> String {
        format!("{}, records/s", self.name)
    }

    /// The server's seconds of processor time a million records.
    #[must_use]
    pub fn cpu(&self) -> String {
        format!("{}, CPU s a million records", self.name)
    }
}

/// What the kernel has in memory of the files when a process starts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Caches {
    /// Nothing.
    Dropped,
    /// What it likes: dropping it takes root.
    Warm,
}

/// From the start of the process until it serves a log of so many GiB.
#[must_use]
pub fn start_seconds(gib: u64, caches: Caches) -> String {
    format!("log of {gib} GiB, {}: start, s", caches.label())
}

/// From asking for a time in the middle of that log to the record.
#[must_use]
pub fn middle_milliseconds(gib: u64, caches: Caches) -> String {
    format!("log of {gib} GiB, {}: first read by time, ms", caches.label())
}

impl Caches {
    fn label(self) -> &'static str {
        match self {
            Self::Dropped => "caches dropped",
            Self::Warm => "caches warm (only root may drop them)",
        }
    }
}

/// From putting a record to getting it, at 200 records/s and a poll each millisecond: the median.
pub const TAIL_P50: &str = "put to get, p50 ms";
/// And 99 of 100.
pub const TAIL_P99: &str = "put to get, p99 ms";
/// The same where a registered consumer has the records pushed: the median.
pub const EVENT_P50: &str = "put to event, p50 ms";
/// And 99 of 100.
pub const EVENT_P99: &str = "put to event, p99 ms";
/// What the disk took to make as many blocks durable at the same pace, right after: 99 of 100.
pub const WRITE_P99: &str = "a write of 4 KiB at that pace, p99 ms";
/// The most memory while records were put and got.
pub const PEAK_MEMORY: &str = "peak memory, MB";
/// Memory with a hundred streams and nothing to do.
pub const IDLE_MEMORY: &str = "idle memory with 100 streams, MB";
/// Until a thousand CreateStreams of 8 clients had been answered.
pub const THOUSAND_SECONDS: &str = "1,000 streams created, s";
/// What the thousand take of the disk.
pub const THOUSAND_DISK: &str = "1,000 streams, disk MB";
/// What they take of the memory when idle.
pub const THOUSAND_MEMORY: &str = "1,000 streams, idle memory MB";
/// From the start of the process until it serves the thousand.
pub const THOUSAND_RESTART: &str = "1,000 streams, restart s";
