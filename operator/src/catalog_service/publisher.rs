//! Makes the entries of the catalog, and publishes those that changed.
//!
//! A change of a stream, or of one of its Shards, makes the entries anew of that stream's name alone.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use catalog::StreamName;
use catalog::resource::DataStream;
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;

use super::entry::entry;
use super::published::{Published, Shown, Withdrawn};
use crate::controller::name_owner;
use crate::settings::Settings;
use crate::world::{CatalogChanges, World};

/// Makes the catalog and publishes it.
pub struct Publisher {
    settings: Arc<Settings>,
    world: Arc<World>,
    published: Arc<Published>,
}

impl Publisher {
    /// A publisher that has published nothing yet.
    #[must_use]
    pub fn new(settings: Arc<Settings>, world: Arc<World>) -> Self {
        Self { settings, world, published: Arc::default() }
    }

    /// What is published: nothing until the copies of the cluster were whole once.
    #[must_use]
    pub fn published(&self) -> Arc<Published> {
        Arc::clone(&self.published)
    }

    /// The copy of the cluster that the catalog is made of.
    #[must_use]
    pub fn world(&self) -> Arc<World> {
        Arc::clone(&self.world)
    }

    /// Publishes for as long as it is polled.
    pub async fn run(&self) {
        if !self.world.synced().await {
            return;
        }
        let mut names = Names::default();
        let mut changes = CatalogChanges { all: true, ..CatalogChanges::default() };
        loop {
            self.publish(&mut names, changes);
            changes = self.world.catalog_changes().await;
        }
    }

    /// Publishes what follows from some changes.
    fn publish(&self, names: &mut Names, changes: CatalogChanges) {
        let mut due: BTreeSet<String> = BTreeSet::new();
        if changes.all {
            due.extend(self.published.names());
            *names = Names::default();
            for stream in self.world.streams() {
                due.extend(names.update(&ObjectRef::from_obj(&*stream), Some(&*stream)));
            }
        }
        for object in &changes.streams {
            due.extend(names.update(object, self.world.stream(object).as_deref()));
        }
        due.extend(changes.shards_of.iter().filter_map(|uid| names.of_uid(uid)).cloned());
        let (mut withdrawn, mut shown) = (Vec::new(), Vec::new());
        for name in due {
            let rivals: Vec<_> =
                names.objects(&name).filter_map(|object| self.world.stream(object)).collect();
            let owner = name_owner(&rivals, &name, &self.settings.installation());
            let now = owner.and_then(|owner| self.shown(owner));
            let before = name.parse::<StreamName>().ok().and_then(|name| self.published.find(&name));
            if let Some(before) = &before
                && owner.and_then(|owner| owner.uid()).as_ref() != Some(&before.uid)
            {
                let exists = names.of_uid(&before.uid).is_some();
                withdrawn.push(Withdrawn { uid: before.uid.clone(), exists });
            }
            shown.extend(now.filter(|now| before.is_none_or(|before| before != now.stream)));
        }
        // The first time nothing is news, too: the catalog is whole.
        if !withdrawn.is_empty() || !shown.is_empty() || !self.published.is_whole() {
            self.published.publish(withdrawn, shown);
        }
    }

    /// What is to be shown of a stream that has its name; nothing where what is shown already is better, or nobody can
    /// say.
    fn shown(&self, stream: &DataStream) -> Option<Shown> {
        let uid = stream.uid()?;
        let shards = self.world.shards_of(&uid);
        let made = entry(stream, &shards, &self.settings.account_id, &self.settings.defaults())?;
        let is_better = made.agrees || self.published.get(&uid).is_none();
        is_better.then(|| Shown {
            namespace: stream.namespace().unwrap_or_default(),
            stream: Arc::new(made.stream),
        })
    }
}

/// Who has, or would like to have, which name.
#[derive(Default)]
struct Names {
    by_object: HashMap<ObjectRef<DataStream>, (String, String)>,
    by_name: HashMap<String, HashSet<ObjectRef<DataStream>>>,
    by_uid: HashMap<String, String>,
}

impl Names {
    /// An object is this stream now, or is gone; the names that this is about.
    fn update(&mut self, object: &ObjectRef<DataStream>, stream: Option<&DataStream>) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        if let Some((uid, name)) = self.by_object.remove(object) {
            self.by_uid.remove(&uid);
            if let Some(objects) = self.by_name.get_mut(&name) {
                objects.remove(object);
                if objects.is_empty() {
                    self.by_name.remove(&name);
                }
            }
            names.insert(name);
        }
        if let Some((stream, uid)) = stream.and_then(|stream| Some((stream, stream.uid()?))) {
            let name = stream.name_in_force().to_owned();
            self.by_name.entry(name.clone()).or_default().insert(object.clone());
            self.by_uid.insert(uid.clone(), name.clone());
            self.by_object.insert(object.clone(), (uid, name.clone()));
            names.insert(name);
        }
        names
    }

    fn of_uid(&self, uid: &str) -> Option<&String> {
        self.by_uid.get(uid)
    }

    fn objects(&self, name: &str) -> impl Iterator<Item = &ObjectRef<DataStream>> {
        self.by_name.get(name).into_iter().flatten()
    }
}

#[cfg(test)]
#[path = "publisher_tests.rs"]
mod tests;
