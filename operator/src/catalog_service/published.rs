//! The catalog as it is published: every entry, and the latest changes in their order.
//!
//! A follower keeps a position in those changes and is sent what came after it, so that a change costs each follower
//! that change alone. One that falls further behind than is remembered gets a snapshot again: a slow follower skips
//! states, and costs no memory.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use catalog::feed::{CatalogEvent, Part};
use catalog::{Stream, StreamName};
use tokio::sync::watch;

/// How many changes are remembered.
const MOST_CHANGES: usize = 4096;

/// Where a follower is in the changes; 0 is before everything.
pub type Position = u64;

/// The published catalog.
#[derive(Debug, Default)]
pub struct Published {
    state: RwLock<State>,
    newest: watch::Sender<Position>,
}

#[derive(Debug, Default)]
struct State {
    entries: BTreeMap<String, Shown>,
    by_name: HashMap<StreamName, String>,
    /// The latest changes; the last one has position `newest`.
    changes: VecDeque<Changed>,
    newest: Position,
}

/// An entry, and the namespace of its DataStream, by which a part of the catalog may be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The namespace.
    pub namespace: String,
    /// The entry.
    pub stream: Arc<Stream>,
}

/// A stream that is not shown any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withdrawn {
    /// [`Stream::uid`].
    pub uid: String,
    /// Whether it exists, and so may be shown again.
    pub exists: bool,
}

/// A change that is remembered.
#[derive(Debug)]
struct Changed {
    /// The stream as it was shown last.
    shown: Shown,
    /// Where it was withdrawn: the version up to which it is not to be shown again; nothing: never again.
    withdrawn: Option<Option<u64>>,
}

impl Published {
    /// Shows these entries from now on, new or changed, and these no more. An empty list of both says that the catalog
    /// is whole, and that there is nothing in it.
    pub fn publish(&self, withdrawn: Vec<Withdrawn>, shown: Vec<Shown>) {
        let newest = {
            let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
            withdrawn.into_iter().for_each(|withdrawn| state.withdraw(withdrawn));
            shown.into_iter().for_each(|shown| state.show(shown));
            state.newest = state.newest.max(1);
            state.newest
        };
        self.newest.send_replace(newest);
    }

    /// Whether anything was published: before, an absent stream says nothing.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.read().newest > 0
    }

    /// Tells of every change.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<Position> {
        self.newest.subscribe()
    }

    /// The entry of a name.
    #[must_use]
    pub fn find(&self, name: &StreamName) -> Option<Arc<Stream>> {
        let state = self.read();
        state.by_name.get(name).and_then(|uid| state.entries.get(uid)).map(|shown| Arc::clone(&shown.stream))
    }

    /// The entry of a UID.
    #[must_use]
    pub fn get(&self, uid: &str) -> Option<Arc<Stream>> {
        self.read().entries.get(uid).map(|shown| Arc::clone(&shown.stream))
    }

    /// Every entry.
    #[must_use]
    pub fn streams(&self) -> Vec<Arc<Stream>> {
        self.read().entries.values().map(|shown| Arc::clone(&shown.stream)).collect()
    }

    /// Every name.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.read().by_name.keys().map(ToString::to_string).collect()
    }

    /// What a follower of a part, who is at this position, has to hear, and where it is then. None of it is older than
    /// what it heard before.
    #[must_use]
    pub fn after(&self, position: Position, part: &Part) -> (Vec<CatalogEvent>, Position) {
        let state = self.read();
        let missed = usize::try_from(state.newest - position.min(state.newest)).unwrap_or(usize::MAX);
        let events = match position {
            0 => vec![state.snapshot(part)],
            _ if missed > state.changes.len() => vec![state.snapshot(part)],
            _ => state.latest(missed, part),
        };
        (events, state.newest)
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn show(&mut self, shown: Shown) {
        self.by_name.insert(shown.stream.name.clone(), shown.stream.uid.clone());
        self.entries.insert(shown.stream.uid.clone(), shown.clone());
        self.remember(Changed { shown, withdrawn: None });
    }

    fn withdraw(&mut self, Withdrawn { uid, exists }: Withdrawn) {
        let Some(shown) = self.entries.remove(&uid) else { return };
        if self.by_name.get(&shown.stream.name) == Some(&uid) {
            self.by_name.remove(&shown.stream.name);
        }
        let version = exists.then_some(shown.stream.map_version);
        self.remember(Changed { shown, withdrawn: Some(version) });
    }

    fn remember(&mut self, change: Changed) {
        // Position 1 is the empty catalog.
        self.newest = self.newest.max(1) + 1;
        self.changes.push_back(change);
        if self.changes.len() > MOST_CHANGES {
            self.changes.pop_front();
        }
    }

    fn snapshot(&self, part: &Part) -> CatalogEvent {
        let of_part = self.entries.values().filter(|shown| shown.is_in(part));
        CatalogEvent::Snapshot(of_part.map(|shown| (*shown.stream).clone()).collect())
    }

    /// The last `count` changes, of each stream the last one.
    fn latest(&self, count: usize, part: &Part) -> Vec<CatalogEvent> {
        let mut seen = BTreeSet::new();
        let newest_first = self.changes.iter().rev().take(count);
        let mut events: Vec<_> = newest_first
            .filter(|change| change.shown.is_in(part) && seen.insert(change.shown.stream.uid.as_str()))
            .map(|change| match change.withdrawn {
                None => CatalogEvent::Changed((*change.shown.stream).clone()),
                Some(map_version) => {
                    CatalogEvent::Removed { uid: change.shown.stream.uid.clone(), map_version }
                }
            })
            .collect();
        events.reverse();
        events
    }
}

impl Shown {
    fn is_in(&self, part: &Part) -> bool {
        part.has(&self.namespace, &self.stream.name)
    }
}

#[cfg(test)]
#[path = "published_tests.rs"]
mod tests;
