use super::*;
use crate::catalog_service::testing::stream;

fn shown(namespace: &str, name: &str, map_version: u64) -> Shown {
    let stream = Stream { name: name.parse().unwrap(), ..stream(name, map_version) };
    Shown { namespace: namespace.into(), stream: Arc::new(stream) }
}

fn withdrawn(uid: &str, exists: bool) -> Vec<Withdrawn> {
    vec![Withdrawn { uid: uid.into(), exists }]
}

fn changed(shown: &Shown) -> CatalogEvent {
    CatalogEvent::Changed((*shown.stream).clone())
}

fn snapshot(shown: &[&Shown]) -> CatalogEvent {
    CatalogEvent::Snapshot(shown.iter().map(|shown| (*shown.stream).clone()).collect())
}

#[test]
fn a_catalog_is_whole_once_something_was_published_and_be_it_nothing() {
    let published = Published::default();
    assert!(!published.is_whole());
    published.publish(Vec::new(), Vec::new());
    assert!(published.is_whole());
    assert_eq!(published.after(0, &Part::default()), (vec![snapshot(&[])], 1));
}

#[test]
fn a_follower_hears_the_last_change_of_each_stream_since_its_position() {
    let published = Published::default();
    let [a, b] = [shown("shop", "a", 1), shown("shop", "b", 1)];
    published.publish(Vec::new(), vec![a.clone(), b.clone()]);
    let whole = Part::default();
    let (events, position) = published.after(0, &whole);
    assert_eq!(events, [snapshot(&[&a, &b])]);
    assert_eq!(published.after(position, &whole), (Vec::new(), position));

    let [a2, a3] = [shown("shop", "a", 2), shown("shop", "a", 3)];
    published.publish(Vec::new(), vec![a2]);
    published.publish(withdrawn("b", false), vec![a3.clone()]);
    let (events, _) = published.after(position, &whole);
    assert_eq!(events, [CatalogEvent::Removed { uid: "b".into(), map_version: None }, changed(&a3)]);
    assert_eq!(published.find(&"b".parse().unwrap()), None);
    assert_eq!(published.get("a").as_ref(), Some(&a3.stream));
}

#[test]
fn a_stream_that_is_withdrawn_and_exists_may_come_back_with_a_later_version() {
    let published = Published::default();
    published.publish(Vec::new(), vec![shown("shop", "a", 5)]);
    let (_, position) = published.after(0, &Part::default());
    published.publish(withdrawn("a", true), Vec::new());
    let (events, _) = published.after(position, &Part::default());
    assert_eq!(events, [CatalogEvent::Removed { uid: "a".into(), map_version: Some(5) }]);
}

#[test]
fn a_follower_that_is_too_far_behind_gets_a_snapshot_again() {
    let published = Published::default();
    published.publish(Vec::new(), vec![shown("shop", "a", 1)]);
    let whole = Part::default();
    let (_, position) = published.after(0, &whole);
    for version in 2..=MOST_CHANGES as u64 + 1 {
        published.publish(Vec::new(), vec![shown("shop", "a", version)]);
    }
    let newest = shown("shop", "a", MOST_CHANGES as u64 + 1);
    assert_eq!(published.after(position, &whole).0, [changed(&newest)], "the last one that is remembered");
    let newer = shown("shop", "a", MOST_CHANGES as u64 + 2);
    published.publish(Vec::new(), vec![newer.clone()]);
    assert_eq!(published.after(position, &whole).0, [snapshot(&[&newer])]);
}

#[test]
fn a_follower_of_a_part_hears_of_nothing_else() {
    let published = Published::default();
    let [a, b, c] = [shown("shop", "a", 1), shown("shop", "b", 1), shown("bank", "c", 1)];
    published.publish(Vec::new(), vec![a.clone(), b.clone(), c.clone()]);
    let part = |query: &str| Part::of_query(query).unwrap();
    assert_eq!(published.after(0, &part("namespace=shop")).0, [snapshot(&[&a, &b])]);
    assert_eq!(published.after(0, &part("stream=b&stream=c")).0, [snapshot(&[&b, &c])]);
    let (_, position) = published.after(0, &part("namespace=bank"));
    published.publish(withdrawn("a", true), vec![shown("shop", "b", 2)]);
    let (events, later) = published.after(position, &part("namespace=bank"));
    assert_eq!(events, []);
    assert!(later > position, "what is not for it is behind it");
}
