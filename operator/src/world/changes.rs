//! What changed that the catalog is made of, gathered until somebody takes it.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use catalog::resource::{DataStream, Shard};
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher::Event;
use tokio::sync::Notify;

use super::World;
use crate::names::STREAM_UID_LABEL;

/// Streams, by what changed of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CatalogChanges {
    /// Anything may have changed.
    pub all: bool,
    /// Objects that came, changed, or went.
    pub streams: HashSet<ObjectRef<DataStream>>,
    /// UIDs of streams of which a Shard came, changed, or went.
    pub shards_of: HashSet<String>,
}

/// The changes that nobody took yet.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    changes: Mutex<CatalogChanges>,
    news: Notify,
}

impl Gathered {
    fn add(&self, change: impl FnOnce(&mut CatalogChanges)) {
        change(&mut self.changes.lock().unwrap_or_else(PoisonError::into_inner));
        self.news.notify_one();
    }

    /// Waits for a change, and takes all that there are.
    pub async fn take(&self) -> CatalogChanges {
        loop {
            let changes = std::mem::take(&mut *self.changes.lock().unwrap_or_else(PoisonError::into_inner));
            if changes != CatalogChanges::default() {
                return changes;
            }
            self.news.notified().await;
        }
    }
}

/// The Shards of each stream, by the stream's UID: a look at one stream looks at no other's.
#[derive(Debug, Default)]
pub(super) struct ShardIndex(RwLock<HashMap<String, HashSet<ObjectRef<Shard>>>>);

impl ShardIndex {
    fn change(&self, change: impl FnOnce(&mut HashMap<String, HashSet<ObjectRef<Shard>>>)) {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// References to the Shards of a stream.
    pub fn of(&self, uid: &str) -> Vec<ObjectRef<Shard>> {
        let index = self.0.read().unwrap_or_else(PoisonError::into_inner);
        index.get(uid).into_iter().flatten().cloned().collect()
    }
}

impl World {
    /// The copy of the Shards has this event: tells the catalog.
    pub fn shard_event(&self, event: &Event<Shard>) {
        match event {
            Event::Init | Event::InitApply(_) => {}
            Event::InitDone => {
                self.shard_index.change(|index| {
                    index.clear();
                    self.shards().iter().for_each(|shard| insert(index, shard));
                });
                self.gathered.add(|changes| changes.all = true);
            }
            Event::Apply(shard) => {
                self.shard_index.change(|index| insert(index, shard));
                self.shard_changed(shard);
            }
            Event::Delete(shard) => {
                self.shard_index.change(|index| {
                    if let Some(uid) = stream_uid(shard)
                        && let Some(shards) = index.get_mut(uid)
                    {
                        shards.remove(&ObjectRef::from_obj(shard));
                        if shards.is_empty() {
                            index.remove(uid);
                        }
                    }
                });
                self.shard_changed(shard);
            }
        }
    }

    /// The copy of the streams has this event: tells the catalog.
    pub fn stream_event(&self, event: &Event<DataStream>) {
        match event {
            Event::Init | Event::InitApply(_) => {}
            Event::InitDone => self.gathered.add(|changes| changes.all = true),
            Event::Apply(stream) | Event::Delete(stream) => self.gathered.add(|changes| {
                changes.streams.insert(ObjectRef::from_obj(stream));
            }),
        }
    }

    /// The Shards of the stream with this UID, in no order.
    #[must_use]
    pub fn shards_of(&self, uid: &str) -> Vec<Arc<Shard>> {
        let found = |shard: ObjectRef<Shard>| {
            self.scope(shard.namespace.as_deref().unwrap_or_default())?.shards.get(&shard)
        };
        self.shard_index.of(uid).into_iter().filter_map(found).collect()
    }

    fn shard_changed(&self, shard: &Shard) {
        if let Some(uid) = stream_uid(shard) {
            self.gathered.add(|changes| {
                changes.shards_of.insert(uid.to_owned());
            });
        }
    }
}

fn insert(index: &mut HashMap<String, HashSet<ObjectRef<Shard>>>, shard: &Shard) {
    if let Some(uid) = stream_uid(shard) {
        index.entry(uid.to_owned()).or_default().insert(ObjectRef::from_obj(shard));
    }
}

fn stream_uid(shard: &Shard) -> Option<&str> {
    shard.labels().get(STREAM_UID_LABEL).map(String::as_str)
}
