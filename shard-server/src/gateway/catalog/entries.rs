//! The entries of a catalog, and how events change them. Pure.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use catalog::feed::CatalogEvent;
use catalog::{Group, LogPlacement, Member, Shard, Stream, StreamName};

/// How many removed streams are remembered, so that a late event does not bring one back.
const MAX_REMOVED: usize = 4096;

/// Where a name is looked up: an account in a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope<'a> {
    /// The account.
    pub account_id: &'a str,
    /// See [`Stream::region`].
    pub region: Option<&'a str>,
}

/// All known streams, by UID, and by account, region and name.
#[derive(Debug, Default)]
pub struct Entries {
    by_uid: HashMap<String, Arc<Stream>>,
    /// The region of a stream that names none is empty.
    by_name: HashMap<String, HashMap<String, Names>>,
    removed: Removed,
    complete: bool,
    /// About what the streams take in memory.
    bytes: usize,
}

type Names = BTreeMap<StreamName, Arc<Stream>>;

/// The removed streams: by UID, the version up to which an entry is late. Of a stream that is gone every entry is.
#[derive(Debug, Default)]
struct Removed {
    late_up_to: HashMap<String, u64>,
    order: VecDeque<String>,
}

impl Removed {
    fn insert(&mut self, uid: &str, late_up_to: u64) {
        if let Some(known) = self.late_up_to.get_mut(uid) {
            *known = late_up_to.max(*known);
            return;
        }
        self.late_up_to.insert(uid.into(), late_up_to);
        self.order.push_back(uid.into());
        if self.order.len() > MAX_REMOVED
            && let Some(oldest) = self.order.pop_front()
        {
            self.late_up_to.remove(&oldest);
        }
    }

    fn is_late(&self, stream: &Stream) -> bool {
        self.late_up_to.get(&stream.uid).is_some_and(|late| stream.map_version <= *late)
    }
}

impl Entries {
    /// Whether a snapshot has arrived. Until then a missing entry means nothing.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// How many streams there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_uid.len()
    }

    /// About how many bytes of memory the streams take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether there are no streams.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_uid.is_empty()
    }

    /// The stream with this name.
    #[must_use]
    pub fn find(&self, scope: Scope<'_>, name: &StreamName) -> Option<&Arc<Stream>> {
        self.names(scope)?.get(name)
    }

    /// The streams after the given name (or from the first), by name.
    pub fn names_after(
        &self,
        scope: Scope<'_>,
        after: Option<&StreamName>,
    ) -> impl Iterator<Item = &Arc<Stream>> {
        use std::ops::Bound;
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let names = self.names(scope);
        names
            .into_iter()
            .flat_map(move |names| names.range((from, Bound::Unbounded)).map(|(_, stream)| stream))
    }

    fn names(&self, scope: Scope<'_>) -> Option<&Names> {
        self.by_name.get(scope.account_id)?.get(scope.region.unwrap_or_default())
    }

    /// All streams, in no order.
    pub fn streams(&self) -> impl Iterator<Item = &Arc<Stream>> {
        self.by_uid.values()
    }

    /// Applies an event and returns the changes that it caused, in order, to be published to followers.
    pub fn apply(&mut self, event: CatalogEvent) -> Vec<CatalogEvent> {
        match event {
            CatalogEvent::Heartbeat => Vec::new(),
            CatalogEvent::Changed(stream) => self.change(stream).into_iter().collect(),
            CatalogEvent::Removed { uid, map_version } => {
                let known = self.by_uid.get(&uid);
                if known.is_some_and(|known| map_version.is_some_and(|version| known.map_version > version)) {
                    return Vec::new();
                }
                self.removed.insert(&uid, map_version.unwrap_or(u64::MAX));
                self.remove(&uid, map_version).into_iter().collect()
            }
            CatalogEvent::Snapshot(streams) => {
                self.complete = true;
                let present: HashSet<_> = streams.iter().map(|stream| stream.uid.clone()).collect();
                let gone = self.by_uid.values().filter(|stream| !present.contains(&stream.uid));
                let gone: Vec<_> = gone.map(|stream| (stream.uid.clone(), stream.map_version)).collect();
                let remove = |(uid, version): &(String, u64)| self.remove(uid, Some(*version));
                let mut changes: Vec<_> = gone.iter().filter_map(remove).collect();
                changes.extend(streams.into_iter().filter_map(|stream| self.change(stream)));
                changes
            }
        }
    }

    fn change(&mut self, stream: Stream) -> Option<CatalogEvent> {
        let known = self.by_uid.get(&stream.uid);
        let stale = known.is_some_and(|known| known.map_version >= stream.map_version);
        if stale || self.removed.is_late(&stream) {
            return None;
        }
        let entry = Arc::new(stream.clone());
        self.bytes += bytes_of(&stream);
        if let Some(before) = self.by_uid.insert(stream.uid.clone(), entry.clone()) {
            self.bytes -= bytes_of(&before);
        }
        let regions = self.by_name.entry(stream.account_id.clone()).or_default();
        let names = regions.entry(stream.region.clone().unwrap_or_default()).or_default();
        // Two streams share a name only while one replaces the other: the newer one gets it.
        let holder = names.get(&stream.name);
        if holder.is_none_or(|holder| holder.uid == stream.uid || holder.created_ms <= stream.created_ms) {
            names.insert(stream.name.clone(), entry);
        }
        Some(CatalogEvent::Changed(stream))
    }

    fn remove(&mut self, uid: &str, map_version: Option<u64>) -> Option<CatalogEvent> {
        let stream = self.by_uid.remove(uid)?;
        self.bytes -= bytes_of(&stream);
        let regions = self.by_name.get_mut(&stream.account_id);
        let region = stream.region.as_deref().unwrap_or_default();
        if let Some(names) = regions.and_then(|regions| regions.get_mut(region))
            && names.get(&stream.name).is_some_and(|holder| holder.uid == uid)
        {
            names.remove(&stream.name);
            let place =
                |stream: &Stream| (stream.account_id.clone(), stream.region.clone(), stream.name.clone());
            let same_name = |other: &&Arc<Stream>| place(other) == place(&stream);
            if let Some(other) = self.by_uid.values().find(same_name) {
                names.insert(stream.name.clone(), other.clone());
            }
        }
        Some(CatalogEvent::Removed { uid: uid.into(), map_version })
    }
}

/// About how many bytes of memory a stream takes.
fn bytes_of(stream: &Stream) -> usize {
    let shards = stream
        .shards
        .iter()
        .map(|shard| size_of::<Shard>() + size_of_val(shard.parents.as_slice()) + shard.log.len());
    let logs = stream.logs.iter().map(|log| size_of::<LogPlacement>() + log.name.len() + log.group.len());
    let members = |group: &Group| -> usize {
        group.members.iter().map(|member| size_of::<Member>() + member.address.len()).sum()
    };
    let groups = stream.groups.iter().map(|group| size_of::<Group>() + group.name.len() + members(group));
    let region = stream.region.as_deref().map_or(0, str::len);
    let names = stream.uid.len() + stream.account_id.len() + region + stream.name.as_str().len();
    size_of::<Stream>() + names + shards.chain(logs).chain(groups).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::testing::stream;

    const SCOPE: Scope<'_> = Scope { account_id: "000000000000", region: None };

    fn changed(uid: &str, map_version: u64) -> CatalogEvent {
        CatalogEvent::Changed(Stream { uid: uid.into(), map_version, ..stream("orders") })
    }

    fn version(entries: &Entries) -> Option<u64> {
        entries.find(SCOPE, &"orders".parse().unwrap()).map(|stream| stream.map_version)
    }

    #[test]
    fn entry_never_goes_back() {
        let mut entries = Entries::default();
        assert_eq!(entries.apply(changed("a", 2)).len(), 1);
        assert_eq!(entries.apply(changed("a", 1)), []);
        assert_eq!(entries.apply(changed("a", 2)), []);
        assert_eq!(version(&entries), Some(2));
    }

    #[test]
    fn late_event_does_not_bring_a_removed_stream_back() {
        let mut entries = Entries::default();
        entries.apply(changed("a", 1));
        let removed = CatalogEvent::Removed { uid: "a".into(), map_version: None };
        assert_eq!(entries.apply(removed.clone()), [removed]);
        assert_eq!(entries.apply(changed("a", 9)), []);
        assert_eq!(version(&entries), None);
    }

    #[test]
    fn stream_that_is_shown_again_returns_with_a_later_version_only() {
        let mut entries = Entries::default();
        entries.apply(changed("a", 5));
        let removed = |version| CatalogEvent::Removed { uid: "a".into(), map_version: Some(version) };
        assert_eq!(entries.apply(removed(4)), [], "a late removal");
        assert_eq!(version(&entries), Some(5));
        assert_eq!(entries.apply(removed(5)), [removed(5)]);
        assert_eq!(entries.apply(changed("a", 5)), []);
        assert_eq!(entries.apply(changed("a", 6)).len(), 1);
        assert_eq!(version(&entries), Some(6));
        // A snapshot without it forgets it, and followers of this gateway do too, for as long.
        let forgotten = entries.apply(CatalogEvent::Snapshot(Vec::new()));
        assert_eq!(forgotten, [removed(6)]);
        assert_eq!(entries.apply(changed("a", 7)).len(), 1);
    }

    #[test]
    fn snapshot_removes_streams_that_it_lacks_and_keeps_newer_entries() {
        let mut entries = Entries::default();
        entries.apply(changed("a", 5));
        entries.apply(CatalogEvent::Changed(Stream { uid: "b".into(), ..stream("bills") }));
        assert!(!entries.is_complete());
        let late = Stream { uid: "a".into(), map_version: 4, ..stream("orders") };
        let changes = entries.apply(CatalogEvent::Snapshot(vec![late]));
        assert_eq!(changes, [CatalogEvent::Removed { uid: "b".into(), map_version: Some(1) }]);
        assert!(entries.is_complete());
        assert_eq!(version(&entries), Some(5));
    }

    #[test]
    fn recreated_stream_gets_the_name_in_whatever_order_events_arrive() {
        let old = Stream { uid: "old".into(), created_ms: 1, ..stream("orders") };
        let new = Stream { uid: "new".into(), created_ms: 2, ..stream("orders") };
        for order in [[&old, &new], [&new, &old]] {
            let mut entries = Entries::default();
            order.into_iter().for_each(|stream| drop(entries.apply(CatalogEvent::Changed(stream.clone()))));
            let name = "orders".parse().unwrap();
            assert_eq!(entries.find(SCOPE, &name).unwrap().uid, "new");
            entries.apply(CatalogEvent::Removed { uid: "new".into(), map_version: None });
            assert_eq!(entries.find(SCOPE, &name).unwrap().uid, "old");
        }
    }

    #[test]
    fn names_are_listed_in_order_and_by_account_and_region() {
        let mut entries = Entries::default();
        for (name, account_id, region) in [
            ("b", "000000000000", None),
            ("a", "000000000000", None),
            ("c", "111111111111", None),
            ("d", "000000000000", Some("eu-west-1")),
        ] {
            let (account_id, region) = (account_id.to_owned(), region.map(str::to_owned));
            let stream = Stream { uid: name.into(), account_id, region, ..stream(name) };
            entries.apply(CatalogEvent::Changed(stream));
        }
        let names = |scope, after: Option<&str>| -> Vec<String> {
            let after = after.map(|name| name.parse().unwrap());
            entries.names_after(scope, after.as_ref()).map(|stream| stream.name.to_string()).collect()
        };
        assert_eq!(names(SCOPE, None), ["a", "b"]);
        assert_eq!(names(SCOPE, Some("a")), ["b"]);
        assert_eq!(names(Scope { region: Some("eu-west-1"), ..SCOPE }, None), ["d"]);
        assert_eq!(names(Scope { region: Some("eu-west-2"), ..SCOPE }, None), [""; 0]);
    }

    #[test]
    fn size_is_that_of_the_streams() {
        let mut entries = Entries::default();
        entries.apply(CatalogEvent::Snapshot(vec![stream("orders"), stream("bills")]));
        let two = entries.bytes();
        assert!(two > 8 * size_of::<Shard>());
        let mut larger = Stream { map_version: 2, ..stream("orders") };
        larger.shards.extend(stream("orders").shards);
        entries.apply(CatalogEvent::Changed(larger));
        assert!(entries.bytes() >= two + 4 * size_of::<Shard>());
        entries.apply(CatalogEvent::Snapshot(Vec::new()));
        assert_eq!(entries.bytes(), 0);
    }
}
