//! The copy itself. Requests read its entries, one follower writes them, and every change is published to the gateway's
//! own followers.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use bytes::Bytes;
use catalog::feed::CatalogEvent;
use catalog::{Stream, StreamName};
use tokio::sync::{broadcast, watch};

use super::Entries;

/// How many changes a follower may lag behind before it must start again with a snapshot.
const FEED_EVENTS: usize = 1024;

/// A shared handle to the copy. Cheap to clone.
#[derive(Clone, Debug)]
pub struct CatalogCopy {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: RwLock<State>,
    changes: broadcast::Sender<Bytes>,
    /// Whether a snapshot has arrived.
    complete: watch::Sender<bool>,
}

#[derive(Debug)]
struct State {
    entries: Entries,
    last_event: Instant,
}

/// The feed for one follower, as lines: a snapshot, then every later change.
#[derive(Debug)]
pub struct Feed {
    /// The first line.
    pub snapshot: Bytes,
    /// The lines that follow.
    pub changes: broadcast::Receiver<Bytes>,
}

impl Default for CatalogCopy {
    fn default() -> Self {
        let state = State { entries: Entries::default(), last_event: Instant::now() };
        let (changes, _) = broadcast::channel(FEED_EVENTS);
        let (complete, _) = watch::channel(false);
        Self { shared: Arc::new(Shared { state: RwLock::new(state), changes, complete }) }
    }
}

impl CatalogCopy {
    /// Applies an event and publishes the changes.
    pub fn apply(&self, event: CatalogEvent) {
        let mut state = self.shared.state.write().unwrap_or_else(PoisonError::into_inner);
        state.last_event = Instant::now();
        let changes = state.entries.apply(event);
        // Published under the lock, so that a new follower misses no change between its snapshot and its first line.
        for line in changes.iter().filter_map(line_of) {
            let _ = self.shared.changes.send(line);
        }
        self.shared.complete.send_if_modified(|complete| {
            let has_changed = !*complete && state.entries.is_complete();
            *complete |= has_changed;
            has_changed
        });
    }

    /// The stream with this name in the copy.
    #[must_use]
    pub fn find(&self, account_id: &str, name: &StreamName) -> Option<Arc<Stream>> {
        self.read().entries.find(account_id, name).cloned()
    }

    /// Up to `limit` streams of the account after a name, sorted by name.
    #[must_use]
    pub fn names_after(
        &self,
        account_id: &str,
        after: Option<&StreamName>,
        limit: usize,
    ) -> Vec<Arc<Stream>> {
        self.read().entries.names_after(account_id, after).take(limit).cloned().collect()
    }

    /// The addresses of all members of all streams.
    #[must_use]
    pub fn addresses(&self) -> HashSet<String> {
        let state = self.read();
        let groups = state.entries.streams().flat_map(|stream| &stream.groups);
        groups.flat_map(|group| &group.members).map(|member| member.address.clone()).collect()
    }

    /// Whether a snapshot has arrived.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.read().entries.is_complete()
    }

    /// Becomes true when a snapshot has arrived.
    #[must_use]
    pub fn completeness(&self) -> watch::Receiver<bool> {
        self.shared.complete.subscribe()
    }

    /// The number of streams, and the time since the last event from the source.
    #[must_use]
    pub fn size_and_age(&self) -> (usize, Duration) {
        let state = self.read();
        (state.entries.len(), state.last_event.elapsed())
    }

    /// The copy as a feed; `None` until a snapshot has arrived.
    #[must_use]
    pub fn feed(&self) -> Option<Feed> {
        let state = self.read();
        if !state.entries.is_complete() {
            return None;
        }
        let streams = state.entries.streams().map(|stream| Stream::clone(stream)).collect();
        let changes = self.shared.changes.subscribe();
        Some(Feed { snapshot: line_of(&CatalogEvent::Snapshot(streams))?, changes })
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.shared.state.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An event as a line of the feed.
pub(super) fn line_of(event: &CatalogEvent) -> Option<Bytes> {
    let mut line = serde_json::to_vec(event).ok()?;
    line.push(b'\n');
    Some(line.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::testing::stream;

    fn event_of(line: &[u8]) -> CatalogEvent {
        serde_json::from_slice(line).unwrap()
    }

    #[test]
    fn copy_without_snapshot_has_no_feed() {
        let copy = CatalogCopy::default();
        copy.apply(CatalogEvent::Changed(stream("orders")));
        assert!(copy.feed().is_none());
        assert!(!*copy.completeness().borrow());
    }

    #[test]
    fn feed_is_a_snapshot_and_the_later_changes() {
        let copy = CatalogCopy::default();
        copy.apply(CatalogEvent::Snapshot(vec![stream("orders")]));
        let mut feed = copy.feed().unwrap();
        assert_eq!(event_of(&feed.snapshot), CatalogEvent::Snapshot(vec![stream("orders")]));
        copy.apply(CatalogEvent::Heartbeat);
        copy.apply(CatalogEvent::Changed(stream("bills")));
        assert_eq!(event_of(&feed.changes.try_recv().unwrap()), CatalogEvent::Changed(stream("bills")));
        assert!(feed.changes.try_recv().is_err());
    }
}
