//! The copy itself. Requests read its entries, one follower writes them, and every change is published to the gateway's
//! own followers.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use bytes::Bytes;
use catalog::feed::CatalogEvent;
use catalog::{Stream, StreamName};
use tokio::sync::{broadcast, watch};

use super::snapshot::{Bounds, Feed, NoFeed, Recent, Snapshot, line_of_snapshot};
use super::{Entries, Scope};

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
    bounds: Bounds,
    /// Locked while a snapshot is encoded.
    encoding: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct State {
    entries: Entries,
    last_event: Instant,
    /// The newest snapshot for followers; none if too much has changed since.
    recent: Option<Recent>,
}

impl Default for CatalogCopy {
    fn default() -> Self {
        let state = State { entries: Entries::default(), last_event: Instant::now(), recent: None };
        let (changes, _) = broadcast::channel(FEED_EVENTS);
        let (complete, _) = watch::channel(false);
        let (bounds, encoding) = (Bounds::default(), tokio::sync::Mutex::default());
        Self { shared: Arc::new(Shared { state: RwLock::new(state), changes, complete, bounds, encoding }) }
    }
}

impl CatalogCopy {
    /// Applies an event and publishes the changes.
    pub fn apply(&self, event: CatalogEvent) {
        let mut state = self.write();
        state.last_event = Instant::now();
        let changes = state.entries.apply(event);
        // Published under the lock, so that a new follower misses no change between its snapshot and its first line.
        for line in changes.iter().filter_map(line_of) {
            state.recent = state.recent.take().and_then(|mut recent| recent.add(&line).then_some(recent));
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
    pub fn find(&self, scope: Scope<'_>, name: &StreamName) -> Option<Arc<Stream>> {
        self.read().entries.find(scope, name).cloned()
    }

    /// Up to `limit` streams of the scope after a name, sorted by name.
    #[must_use]
    pub fn names_after(
        &self,
        scope: Scope<'_>,
        after: Option<&StreamName>,
        limit: usize,
    ) -> Vec<Arc<Stream>> {
        self.read().entries.names_after(scope, after).take(limit).cloned().collect()
    }

    /// The addresses of all members of all streams.
    #[must_use]
    pub fn addresses(&self) -> HashSet<String> {
        let state = self.read();
        let groups = state.entries.streams().flat_map(|stream| &stream.groups);
        groups.flat_map(|group| &group.members).map(|member| member.address.clone()).collect()
    }

    /// Receives something with each change of the copy from now on.
    #[must_use]
    pub fn changes(&self) -> broadcast::Receiver<Bytes> {
        self.shared.changes.subscribe()
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

    /// About how many bytes of memory the copy takes, and exactly how many the snapshots that are sent to followers.
    #[must_use]
    pub fn bytes(&self) -> (usize, usize) {
        (self.read().entries.bytes(), self.shared.bounds.bytes.load(Ordering::Relaxed))
    }

    /// The copy as a feed.
    ///
    /// # Errors
    /// If the copy is not complete, or too many follow it.
    pub async fn feed(&self) -> Result<Feed, NoFeed> {
        if !self.is_complete() {
            return Err(NoFeed::Incomplete);
        }
        let bounds = &self.shared.bounds;
        let too_many = |_| NoFeed::TooMany;
        let permit = Arc::clone(&bounds.feeds).try_acquire_owned().map_err(too_many)?;
        let _encoding = self.shared.encoding.lock().await;
        if let Some((snapshot, since, changes)) = self.recent() {
            return Ok(Feed { snapshot, since, changes, permit });
        }
        let snapshot_permit = Arc::clone(&bounds.snapshots).try_acquire_owned().map_err(too_many)?;
        let streams: Vec<_> = {
            let mut state = self.write();
            state.recent = Some(Recent::default());
            state.entries.streams().cloned().collect()
        };
        // It takes long enough to stop a thread of the runtime.
        let encoded = tokio::task::spawn_blocking(move || line_of_snapshot(&streams)).await;
        let line = encoded.ok().and_then(Result::ok).ok_or(NoFeed::TooMany)?;
        let snapshot = Arc::new(Snapshot::new(line, bounds, snapshot_permit));
        if let Some(recent) = &mut self.write().recent {
            recent.set(&snapshot);
        }
        let (snapshot, since, changes) = self.recent().ok_or(NoFeed::TooMany)?;
        Ok(Feed { snapshot, since, changes, permit })
    }

    /// The newest snapshot while it is sent, the changes since, and those to come.
    fn recent(&self) -> Option<(Arc<Snapshot>, Vec<Bytes>, broadcast::Receiver<Bytes>)> {
        let state = self.read();
        let (snapshot, since) = state.recent.as_ref()?.get()?;
        Some((snapshot, since, self.shared.changes.subscribe()))
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.shared.state.write().unwrap_or_else(PoisonError::into_inner)
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

    #[tokio::test]
    async fn copy_without_snapshot_has_no_feed() {
        let copy = CatalogCopy::default();
        copy.apply(CatalogEvent::Changed(stream("orders")));
        assert_eq!(copy.feed().await.unwrap_err(), NoFeed::Incomplete);
        assert!(!*copy.completeness().borrow());
    }

    /// A copy of one stream.
    fn copy() -> CatalogCopy {
        let copy = CatalogCopy::default();
        copy.apply(CatalogEvent::Snapshot(vec![stream("orders")]));
        copy
    }

    #[tokio::test]
    async fn feed_is_a_snapshot_and_the_later_changes() {
        let copy = copy();
        let mut feed = copy.feed().await.unwrap();
        let snapshot = (*feed.snapshot).as_ref();
        assert_eq!(event_of(snapshot), CatalogEvent::Snapshot(vec![stream("orders")]));
        assert_eq!(snapshot, &line_of(&event_of(snapshot)).unwrap(), "as any event is encoded");
        copy.apply(CatalogEvent::Heartbeat);
        copy.apply(CatalogEvent::Changed(stream("bills")));
        assert_eq!(event_of(&feed.changes.try_recv().unwrap()), CatalogEvent::Changed(stream("bills")));
        assert!(feed.changes.try_recv().is_err());
    }

    #[tokio::test]
    async fn followers_share_a_snapshot_while_it_is_sent_and_miss_no_change() {
        let copy = copy();
        let first = copy.feed().await.unwrap();
        copy.apply(CatalogEvent::Changed(stream("bills")));
        let mut second = copy.feed().await.unwrap();
        assert!(Arc::ptr_eq(&first.snapshot, &second.snapshot));
        assert_eq!(copy.bytes().1, (*first.snapshot).as_ref().len(), "one for both");
        assert_eq!(second.since.len(), 1);
        assert_eq!(event_of(&second.since[0]), CatalogEvent::Changed(stream("bills")));
        copy.apply(CatalogEvent::Changed(stream("carts")));
        assert_eq!(event_of(&second.changes.try_recv().unwrap()), CatalogEvent::Changed(stream("carts")));
        drop((first, second));
        assert_eq!(copy.bytes().1, 0);
        let third = copy.feed().await.unwrap();
        assert!(third.since.is_empty());
        match event_of((*third.snapshot).as_ref()) {
            CatalogEvent::Snapshot(streams) => assert_eq!(streams.len(), 3),
            event => panic!("{event:?}"),
        }
    }

    #[tokio::test]
    async fn snapshots_and_followers_are_bounded() {
        let copy = copy();
        let mut version = 1;
        let mut change_much = || {
            for _ in 0..=FEED_EVENTS {
                version += 1;
                let changed = Stream { map_version: version, ..stream("orders") };
                copy.apply(CatalogEvent::Changed(changed));
            }
        };
        let first = copy.feed().await.unwrap();
        change_much();
        let second = copy.feed().await.unwrap();
        assert!(!Arc::ptr_eq(&first.snapshot, &second.snapshot));
        change_much();
        assert_eq!(copy.feed().await.unwrap_err(), NoFeed::TooMany, "a third snapshot");
        drop(first);
        let mut feeds = vec![second];
        while feeds.len() < Bounds::FEEDS {
            feeds.push(copy.feed().await.unwrap());
        }
        assert_eq!(copy.feed().await.unwrap_err(), NoFeed::TooMany);
        feeds.pop();
        assert!(copy.feed().await.is_ok());
    }
}
