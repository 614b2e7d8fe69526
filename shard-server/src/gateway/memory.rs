//! The memory budgets of an endpoint's requests and answers.

use super::metrics::Metrics;
use super::unsent::Unsent;
use crate::budget::ByteBudget;
use crate::protocol::MAX_FRAME_BYTES;

/// What a permit for records charges while a piece of an answer is produced: the records, and 150 % of them as JSON.
const RECORDS_AND_JSON_PERCENT: usize = 250;

/// The sizes of the budgets, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Bodies with a small Content-Length. They do not wait for large ones.
    pub small_bodies: usize,
    /// Bodies with a larger Content-Length.
    pub large_bodies: usize,
    /// Chunked bodies.
    pub chunked_bodies: usize,
    /// Records that are read for answers, and their encoding, until a piece of the answer is complete.
    pub reads: usize,
    /// Records that pods sent and that were not processed yet: the flow-control windows of streams.
    pub windows: usize,
    /// Answers until their clients have received them.
    pub unsent: usize,
}

impl Sizes {
    /// For a process with 256 MiB, of which the tail cache and the queues of logs take another 80 MiB.
    pub const DEFAULT: Self = Self {
        small_bodies: 24 << 20,
        large_bodies: 40 << 20,
        chunked_bodies: 16 << 20,
        reads: 28 << 20,
        windows: 16 << 20,
        unsent: 40 << 20,
    };
}

/// The budgets of an endpoint.
#[derive(Debug)]
pub struct Memory {
    /// For request bodies.
    pub bodies: Bodies,
    /// For records that are read for answers.
    pub reads: ByteBudget,
    /// For the flow-control windows of record streams from pods.
    pub windows: ByteBudget,
    /// For answers until they are sent.
    pub unsent: Unsent,
}

/// The budgets of bodies. A permit is given back when the records are in blocks: from then on the queue of the log
/// counts them.
#[derive(Debug)]
pub struct Bodies {
    /// For bodies of up to [`Bodies::SMALL_BYTES`].
    pub small: ByteBudget,
    /// For larger bodies.
    pub large: ByteBudget,
    /// For chunked bodies.
    pub chunked: ByteBudget,
}

impl Bodies {
    /// The largest small body.
    pub const SMALL_BYTES: usize = 64 << 10;
    /// The largest body that takes no lane.
    const WITHOUT_LANE_BYTES: usize = 4 << 20;
}

impl Memory {
    /// Budgets of these sizes.
    #[must_use]
    pub fn new(sizes: Sizes, metrics: &Metrics) -> Self {
        let budget = |name, bytes| ByteBudget::new(bytes, metrics.budget(name));
        Self {
            bodies: Bodies {
                small: budget("small_bodies", sizes.small_bodies),
                large: budget("large_bodies", sizes.large_bodies).with_lanes(2, Bodies::WITHOUT_LANE_BYTES),
                chunked: budget("chunked_bodies", sizes.chunked_bodies),
            },
            reads: budget("reads", sizes.reads)
                .charging(RECORDS_AND_JSON_PERCENT)
                .with_lanes(1, MAX_FRAME_BYTES),
            windows: budget("windows", sizes.windows),
            unsent: Unsent::new(sizes.unsent, metrics.budget("unsent"), metrics.slow_readers_ended.clone()),
        }
    }
}
