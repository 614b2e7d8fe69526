use std::pin::pin;

use catalog::{StreamMode, StreamSettings, StreamStatus};
use futures::StreamExt;

use super::*;

fn stream(uid: &str, map_version: u64) -> Arc<Stream> {
    Arc::new(Stream {
        uid: uid.into(),
        map_version,
        account_id: "000000000000".into(),
        region: None,
        name: "orders".parse().unwrap(),
        status: StreamStatus::Active,
        mode: StreamMode::Provisioned,
        retention_period_hours: 24,
        max_record_size_kib: 1024,
        created_ms: 0,
        settings: StreamSettings::default(),
        shards: Vec::new(),
        logs: Vec::new(),
        groups: Vec::new(),
    })
}

fn of(entries: &[&Arc<Stream>]) -> Option<Arc<Catalog>> {
    Some(Arc::new(entries.iter().map(|entry| (entry.uid.clone(), Arc::clone(entry))).collect()))
}

async fn next(
    lines: &mut (impl StreamExt<Item = Result<Frame<Bytes>, Infallible>> + Unpin),
) -> Vec<CatalogEvent> {
    let data = lines.next().await.unwrap().unwrap().into_data().unwrap();
    let lines = std::str::from_utf8(&data).unwrap().lines();
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_follower_gets_a_snapshot_and_then_the_differences() {
    let (first, second) = (stream("a", 1), stream("b", 1));
    let publish = watch::Sender::new(of(&[&first]));
    let mut lines = pin!(lines(publish.subscribe()));
    assert_eq!(next(&mut lines).await, [CatalogEvent::Snapshot(vec![(*first).clone()])]);
    publish.send_replace(of(&[&first, &second]));
    assert_eq!(next(&mut lines).await, [CatalogEvent::Changed((*second).clone())]);
    let newer = stream("b", 2);
    publish.send_replace(of(&[&newer]));
    let expected = [CatalogEvent::Removed { uid: "a".into() }, CatalogEvent::Changed((*newer).clone())];
    assert_eq!(next(&mut lines).await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_silent_feed_says_that_it_lives() {
    let publish = watch::Sender::new(of(&[]));
    let mut lines = pin!(lines(publish.subscribe()));
    assert_eq!(next(&mut lines).await, [CatalogEvent::Snapshot(Vec::new())]);
    assert_eq!(next(&mut lines).await, [CatalogEvent::Heartbeat]);
}

#[tokio::test]
async fn a_follower_that_comes_too_early_waits_for_the_first_catalog() {
    let publish = watch::Sender::new(None);
    let mut lines = pin!(lines(publish.subscribe()));
    publish.send_replace(of(&[]));
    assert_eq!(next(&mut lines).await, [CatalogEvent::Snapshot(Vec::new())]);
}
