//! The log of a shard group: records of all its shards, interleaved in batches, in segments on disk. The log is the
//! store, there is no second copy.
//!
//! A [`Writer`] makes batches durable that are numbered already, and then visible; a [`Reader`] is any number of handles
//! that read what is visible. A [`Log`] is a writer and the group core that numbers for it, driven by calls. None has a
//! thread, a queue or a runtime: the caller brings those, and the disk, the clock and the random numbers
//! ([`Environment`]), so that a simulation drives the very same code.
//!
//! What holds here:
//! - An append returns when its batch is durable; one write a batch, however many appends are in it.
//! - A failed write or sync is final: the log stops and says so. Only a full disk is not, for space is taken before it
//!   is written to.
//! - Nothing stale passes for new: every checksum is seeded with a nonce that is drawn when a segment is begun.
//! - A segment is written once, front to back. After a restart, or behind a torn tail, the next batch opens a new one,
//!   whose header says where the one before ends.
//! - Corruption is reported by file and position and never served; all the rest is served. A log with a corrupt tail
//!   takes no appends until the loss is accepted, and then goes on far behind the tail. Readers pass over accepted
//!   losses alone, and what is accepted covers only what was corrupt at that moment.
//! - Readers see durable records alone, none that has expired by log time, and check what they read.
//! - What a newer version wrote is neither torn nor corrupt ([`NewerFile`]): a segment that this version cannot read is
//!   refused, and the log with it if it is the newest; behind one that it cannot write nothing is written.
//! - Arrival times never go back, so a time is found by bisection. Offsets decide order.
//!
//! The rooms, whose arrows point one way: `log` uses `writer`, `reader` and `repair`; these and `recovery` use `shared`
//! (what is published) and `segments` (closed segments); all of them use `format` (bytes of the files) and [`disk`].
//!
//! Not here: replication (the format carries its terms and slots), and anything of streams, volumes or the network.

pub mod clock;
mod counts;
pub mod disk;
mod error;
mod format;
pub mod inspect;
mod log;
mod reader;
mod recovery;
mod repair;
mod segments;
mod shared;
mod state;
#[cfg(test)]
mod tests;
pub mod value;
mod writer;

use std::fmt;
use std::sync::Arc;

pub use counts::Counts;
pub use error::{AcceptLossError, Corruption, Error, NewerFile, ReadError, WriteError};
pub use format::{Newer, Unknown, Version};
pub use group_core::{LogShard, Reshard, ReshardRefusal, Resharded, Seal, SealedShard, record};
pub use log::Log;
pub use reader::Reader;
pub use recovery::{open, open_writer};
pub use repair::FoundLoss;
pub use shared::Status;
pub use shared::tail::TailBudget;
pub use writer::Writer;
pub use writer::create::{LogConfig, create};

use clock::Clock;
use disk::Disk;

/// What a log needs of its surroundings. Cloning shares it.
#[derive(Clone)]
pub struct Environment {
    /// The log's directory.
    pub disk: Arc<dyn Disk>,
    /// What log time goes on by.
    pub clock: Arc<dyn Clock>,
    /// Whether a [`Log`] believes its clock where it is far from the log's time: there is no other machine to agree.
    pub trusts_own_clock: bool,
    /// Draws nonces.
    pub random: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// How much the newest records of this log and others may take in memory.
    pub tail: TailBudget,
    /// How large segments are.
    pub sizes: Sizes,
}

/// The sizes of segments and of the ways in them, in bytes. A batch that is larger gets a segment of its own size, and
/// no segment is as large as 4 GiB.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Of the first.
    pub first_segment_bytes: u64,
    /// Each next one is twice as large, up to this.
    pub largest_segment_bytes: u64,
    /// How far a reader may have to walk in a segment to the next run of its shard: less finds it sooner, and takes
    /// more memory. Never less than what the log was written with.
    pub stride_bytes: u64,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            first_segment_bytes: 1 << 20,
            largest_segment_bytes: 64 << 20,
            stride_bytes: format::index::STRIDE_BYTES,
        }
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Environment")
            .field("disk", &self.disk)
            .field("sizes", &self.sizes)
            .finish_non_exhaustive()
    }
}
