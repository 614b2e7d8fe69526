//! Snapshots of the copy for followers. Those who ask while one is sent share it, and get the changes since.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use bytes::Bytes;
use catalog::Stream;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};

/// The most changes since a snapshot, and their bytes, before another is taken for the next follower.
const MAX_LATER: usize = 1024;
const MAX_LATER_BYTES: usize = 1 << 20;

/// The bounds of what followers take in memory.
#[derive(Debug)]
pub(super) struct Bounds {
    pub feeds: Arc<Semaphore>,
    pub snapshots: Arc<Semaphore>,
    /// Bytes of snapshots.
    pub bytes: Arc<AtomicUsize>,
}

/// A feed's first line.
#[derive(Debug)]
pub struct Snapshot {
    line: Vec<u8>,
    bytes: Arc<AtomicUsize>,
    _permit: OwnedSemaphorePermit,
}

/// The newest snapshot and what changed since. The snapshot goes when it was sent to all who asked for it.
#[derive(Debug, Default)]
pub(super) struct Recent {
    snapshot: Weak<Snapshot>,
    later: Vec<Bytes>,
    later_bytes: usize,
}

/// The feed for one follower, as lines: a snapshot, the changes since, and then every later change.
#[derive(Debug)]
pub struct Feed {
    /// The first line.
    pub snapshot: Arc<Snapshot>,
    /// The lines that follow.
    pub since: Vec<Bytes>,
    /// The lines after these.
    pub changes: broadcast::Receiver<Bytes>,
    /// Its part of the bound of feeds.
    pub permit: OwnedSemaphorePermit,
}

/// Why there is no feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoFeed {
    /// The copy is not complete.
    #[error("no snapshot of the catalog has arrived yet")]
    Incomplete,
    /// As many followers as there may be have one.
    #[error("too many followers take the catalog from here: ask another gateway, or later")]
    TooMany,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            feeds: Arc::new(Semaphore::new(Self::FEEDS)),
            snapshots: Arc::new(Semaphore::new(Self::SNAPSHOTS)),
            bytes: Arc::default(),
        }
    }
}

impl Bounds {
    /// The most followers.
    pub const FEEDS: usize = 64;
    /// The most snapshots in memory: one that is sent, and one that is taken as too much has changed since.
    pub const SNAPSHOTS: usize = 2;
}

impl Snapshot {
    pub(super) fn new(line: Vec<u8>, bounds: &Bounds, permit: OwnedSemaphorePermit) -> Self {
        let bytes = Arc::clone(&bounds.bytes);
        bytes.fetch_add(line.len(), Ordering::Relaxed);
        Self { line, bytes, _permit: permit }
    }
}

impl AsRef<[u8]> for Snapshot {
    fn as_ref(&self) -> &[u8] {
        &self.line
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        self.bytes.fetch_sub(self.line.len(), Ordering::Relaxed);
    }
}

impl Recent {
    pub(super) fn set(&mut self, snapshot: &Arc<Snapshot>) {
        self.snapshot = Arc::downgrade(snapshot);
    }

    /// The snapshot, while it is sent, and the changes since.
    pub(super) fn get(&self) -> Option<(Arc<Snapshot>, Vec<Bytes>)> {
        Some((self.snapshot.upgrade()?, self.later.clone()))
    }

    /// Adds a change; false if there are too many.
    pub(super) fn add(&mut self, line: &Bytes) -> bool {
        self.later_bytes += line.len();
        self.later.push(line.clone());
        self.later.len() <= MAX_LATER && self.later_bytes <= MAX_LATER_BYTES
    }
}

/// Streams as the line of a [`catalog::feed::CatalogEvent::Snapshot`], without a copy of them.
pub(super) fn line_of_snapshot(streams: &[Arc<Stream>]) -> serde_json::Result<Vec<u8>> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    enum Event<'a> {
        Snapshot(Vec<&'a Stream>),
    }
    let mut line = serde_json::to_vec(&Event::Snapshot(streams.iter().map(Arc::as_ref).collect()))?;
    line.push(b'\n');
    Ok(line)
}
