//! What every system under load can do, each over its own protocol, so that the load is the same for all.

pub mod events;
pub mod kafka;
pub mod kinesis;
pub mod redis;

use anyhow::Result;

use crate::records::Record;

/// A stream of a system.
pub trait Service: Send + Sync + 'static {
    /// A request that is made before the clock starts.
    type Request: Send + Sync + 'static;
    /// A connection that puts.
    type Producer: Producer<Request = Self::Request>;
    /// A connection that reads one shard.
    type Reader: Reader;

    /// Makes the stream, and returns when it takes records.
    fn create(&self, shards: u32) -> impl Future<Output = Result<()>> + Send;

    /// The request that puts these records.
    ///
    /// # Errors
    /// If it cannot be made.
    fn request(&self, records: &[Record]) -> Result<Self::Request>;

    /// A connection for the producer of this number.
    fn producer(&self, number: usize) -> impl Future<Output = Result<Self::Producer>> + Send;

    /// A reader a shard, each on a connection of its own.
    fn readers(&self, start: Start) -> impl Future<Output = Result<Vec<Self::Reader>>> + Send;
}

/// Where a reader begins.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At the oldest record.
    Oldest,
    /// Behind the newest record.
    Newest,
}

/// Puts one request after the other.
pub trait Producer: Send + 'static {
    /// See [`Service::Request`].
    type Request;

    /// Returns when all its records are acknowledged.
    ///
    /// # Errors
    /// If one is not.
    fn put(&mut self, request: &Self::Request) -> impl Future<Output = Result<()>> + Send;
}

/// Reads one page after the other.
pub trait Reader: Send + 'static {
    /// See [`Page`].
    type Page: Page;

    /// The next page; it may be empty.
    ///
    /// # Errors
    /// If it cannot be read.
    fn next(&mut self) -> impl Future<Output = Result<Self::Page>> + Send;
}

/// What one answer to a reader holds.
pub trait Page: Send {
    /// Its records, counted as cheaply as it can be done.
    fn count(&self) -> u64;

    /// Nothing more was there to be read.
    fn is_last(&self) -> bool;

    /// Shows key and data of each record.
    ///
    /// # Errors
    /// If the answer makes no sense.
    fn each(&self, visit: impl FnMut(&[u8], &[u8])) -> Result<()>;
}
