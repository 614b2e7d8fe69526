//! The catalog as followers get it: a snapshot, then what changed.
//!
//! One task makes the catalog anew when streams or shards changed, and publishes it whole; each follower is sent
//! the difference to what it was sent last. A slow follower thus skips states, and costs no memory.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use catalog::Stream;
use catalog::feed::{CatalogEvent, HEARTBEAT_SECONDS};
use catalog::resource::{DataStream, Shard};
use futures::stream;
use hyper::body::Frame;
use kube::ResourceExt;
use tokio::sync::watch;

use super::entry::entry;
use crate::controller::name_owner;
use crate::names::STREAM_UID_LABEL;
use crate::settings::Settings;
use crate::world::World;

/// All entries by UID.
pub type Catalog = BTreeMap<String, Arc<Stream>>;

/// Makes the catalog and publishes it.
pub struct Publisher {
    settings: Arc<Settings>,
    world: Arc<World>,
    published: watch::Sender<Option<Arc<Catalog>>>,
}

impl Publisher {
    /// A publisher that has published nothing yet.
    #[must_use]
    pub fn new(settings: Arc<Settings>, world: Arc<World>) -> Self {
        Self { settings, world, published: watch::Sender::new(None) }
    }

    /// What is published: nothing until the copies of the cluster were whole once.
    #[must_use]
    pub fn published(&self) -> watch::Receiver<Option<Arc<Catalog>>> {
        self.published.subscribe()
    }

    /// Publishes for as long as it is polled.
    pub async fn run(&self) {
        let mut changes = self.world.catalog_changes();
        if !self.world.synced().await {
            return;
        }
        loop {
            changes.mark_unchanged();
            self.publish();
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    fn publish(&self) {
        let before = self.published.borrow().clone().unwrap_or_default();
        let next = catalog(&self.world.streams(), &self.world.shards(), &self.settings, &before);
        let changed = *before != next || self.published.borrow().is_none();
        if changed {
            self.published.send_replace(Some(Arc::new(next)));
        }
    }
}

/// The catalog of these streams and shards. A stream whose map is not the one that its status names keeps the entry that it
/// had; one that has no right to its name has none.
fn catalog(
    streams: &[Arc<DataStream>],
    shards: &[Arc<Shard>],
    settings: &Settings,
    before: &Catalog,
) -> Catalog {
    let mut by_stream = HashMap::<&str, Vec<Arc<Shard>>>::new();
    for shard in shards {
        if let Some(uid) = shard.labels().get(STREAM_UID_LABEL) {
            by_stream.entry(uid).or_default().push(Arc::clone(shard));
        }
    }
    let (installation, defaults) = (settings.installation(), settings.defaults());
    let mut by_name = HashMap::<&str, Vec<Arc<DataStream>>>::new();
    for stream in streams {
        by_name.entry(stream.name_in_force()).or_default().push(Arc::clone(stream));
    }
    let mut catalog = Catalog::new();
    for stream in by_name.values().filter_map(|rivals| {
        rivals.iter().find(|stream| {
            name_owner(rivals, stream.name_in_force(), &installation)
                .is_some_and(|owner| owner.uid() == stream.uid())
        })
    }) {
        let Some(uid) = stream.uid() else { continue };
        let shards = by_stream.get(uid.as_str()).map(Vec::as_slice).unwrap_or_default();
        let made = entry(stream, shards, &settings.account_id, &defaults);
        let kept = before.get(&uid);
        let newest = match (made, kept) {
            // An entry that did not change stays the same one, so that comparing is cheap.
            (Some(made), Some(kept)) if !made.agrees || made.stream == **kept => Some(Arc::clone(kept)),
            (Some(made), _) => Some(Arc::new(made.stream)),
            (None, kept) => kept.cloned(),
        };
        if let Some(newest) = newest {
            catalog.insert(uid, newest);
        }
    }
    catalog
}

/// The lines for one follower, without end: until the follower goes, or the program does.
pub fn lines(
    published: watch::Receiver<Option<Arc<Catalog>>>,
) -> impl stream::Stream<Item = Result<Frame<Bytes>, Infallible>> {
    stream::unfold((published, None::<Arc<Catalog>>), |(mut published, sent)| async move {
        loop {
            let now = published.borrow_and_update().clone();
            let events = match (&sent, &now) {
                (None, Some(now)) => {
                    vec![CatalogEvent::Snapshot(now.values().map(|entry| (**entry).clone()).collect())]
                }
                (Some(sent), Some(now)) => difference(sent, now),
                (_, None) => Vec::new(),
            };
            if !events.is_empty() {
                return Some((Ok(Frame::data(text(&events))), (published, now)));
            }
            match tokio::time::timeout(Duration::from_secs(HEARTBEAT_SECONDS), published.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return None,
                Err(_) => {
                    return Some((Ok(Frame::data(text(&[CatalogEvent::Heartbeat]))), (published, sent)));
                }
            }
        }
    })
}

/// What a follower of the one has to hear to have the other.
fn difference(sent: &Catalog, now: &Catalog) -> Vec<CatalogEvent> {
    let gone = sent
        .keys()
        .filter(|uid| !now.contains_key(*uid))
        .map(|uid| CatalogEvent::Removed { uid: uid.clone(), map_version: None });
    let changed = now
        .iter()
        .filter(|(uid, entry)| sent.get(*uid).is_none_or(|old| !Arc::ptr_eq(old, entry) && old != *entry))
        .map(|(_, entry)| CatalogEvent::Changed((**entry).clone()));
    gone.chain(changed).collect()
}

fn text(events: &[CatalogEvent]) -> Bytes {
    let mut text = Vec::new();
    for event in events {
        // These values always have a JSON.
        text.extend(serde_json::to_vec(event).unwrap_or_default());
        text.push(b'\n');
    }
    text.into()
}

#[cfg(test)]
#[path = "feed_tests.rs"]
mod tests;
