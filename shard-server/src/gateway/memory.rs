//! What requests and answers may take of an endpoint's memory: every bound, in one place.

use super::metrics::Metrics;
use super::unsent::Unsent;
use crate::budget::ByteBudget;

/// What records take while a piece of an answer is made: themselves, and one and a half times as much as JSON.
const RECORDS_AND_JSON_PERCENT: usize = 250;

/// The bounds, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Bodies of a small Content-Length: they wait for none that is large.
    pub small_bodies: usize,
    /// Bodies of a larger one.
    pub large_bodies: usize,
    /// Chunked bodies.
    pub chunked_bodies: usize,
    /// Records that are read for answers, and what they are encoded to, until they are sent.
    pub reads: usize,
    /// Records of other processes that came and were not taken: the windows of streams under way.
    pub windows: usize,
    /// Answers until their clients have taken them.
    pub unsent: usize,
}

impl Sizes {
    /// Of a process in 256 MiB, in which the newest records and what waits before the log take another 80 MiB.
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
    /// For bodies of requests.
    pub bodies: Bodies,
    /// For records that are read for answers.
    pub reads: ByteBudget,
    /// For the windows of streams of records from other processes.
    pub windows: ByteBudget,
    /// For answers until they were sent.
    pub unsent: Unsent,
}

/// The budgets of bodies, which are given back when the records are in their blocks: then a log's queue counts them.
#[derive(Debug)]
pub struct Bodies {
    /// Of up to [`Bodies::SMALL_BYTES`].
    pub small: ByteBudget,
    /// Of more.
    pub large: ByteBudget,
    /// Of chunked bodies.
    pub chunked: ByteBudget,
}

impl Bodies {
    /// The largest small body.
    pub const SMALL_BYTES: usize = 64 << 10;
}

impl Memory {
    /// Budgets of these sizes.
    #[must_use]
    pub fn new(sizes: Sizes, metrics: &Metrics) -> Self {
        let budget = |name, bytes| ByteBudget::new(bytes, metrics.budget(name));
        Self {
            bodies: Bodies {
                small: budget("small_bodies", sizes.small_bodies),
                large: budget("large_bodies", sizes.large_bodies),
                chunked: budget("chunked_bodies", sizes.chunked_bodies),
            },
            reads: budget("reads", sizes.reads).charging(RECORDS_AND_JSON_PERCENT),
            windows: budget("windows", sizes.windows),
            unsent: Unsent::new(sizes.unsent, metrics.budget("unsent"), metrics.slow_readers_ended.clone()),
        }
    }
}
