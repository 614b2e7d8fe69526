use std::pin::pin;

use catalog::Stream;
use futures::StreamExt;

use super::*;
use crate::catalog_service::published::{Shown, Withdrawn};
use crate::catalog_service::testing::stream;

fn publish(published: &Published, withdrawn: &[&str], shown: &[&Stream]) {
    let withdrawn = withdrawn.iter().map(|uid| Withdrawn { uid: (*uid).into(), exists: false });
    let shown =
        shown.iter().map(|stream| Shown { namespace: "shop".into(), stream: Arc::new((*stream).clone()) });
    published.publish(withdrawn.collect(), shown.collect());
}

async fn next(
    lines: &mut (impl StreamExt<Item = Result<Frame<Bytes>, Infallible>> + Unpin),
) -> Vec<CatalogEvent> {
    let data = lines.next().await.unwrap().unwrap().into_data().unwrap();
    let lines = std::str::from_utf8(&data).unwrap().lines();
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_follower_gets_a_snapshot_and_then_the_changes() {
    let (first, second) = (stream("a", 1), stream("b", 1));
    let published = Arc::new(Published::default());
    publish(&published, &[], &[&first]);
    let mut lines = pin!(lines(Arc::clone(&published), Part::default(), Drain::never()));
    assert_eq!(next(&mut lines).await, [CatalogEvent::Snapshot(vec![first])]);
    publish(&published, &[], &[&second]);
    assert_eq!(next(&mut lines).await, [CatalogEvent::Changed(second)]);
    let newer = stream("b", 2);
    publish(&published, &["a"], &[&newer]);
    let expected =
        [CatalogEvent::Removed { uid: "a".into(), map_version: None }, CatalogEvent::Changed(newer)];
    assert_eq!(next(&mut lines).await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_silent_feed_says_that_it_lives() {
    let published = Arc::new(Published::default());
    publish(&published, &[], &[]);
    let part = Part::of_query("stream=a").unwrap();
    let mut lines = pin!(lines(Arc::clone(&published), part, Drain::never()));
    assert_eq!(next(&mut lines).await, [CatalogEvent::Snapshot(Vec::new())]);
    publish(&published, &[], &[&stream("b", 1)]);
    assert_eq!(next(&mut lines).await, [CatalogEvent::Heartbeat], "another stream is not in its part");
}

#[tokio::test]
async fn a_follower_that_comes_too_early_waits_for_the_first_catalog() {
    let published = Arc::new(Published::default());
    let mut lines = pin!(lines(Arc::clone(&published), Part::default(), Drain::never()));
    let publishing = async {
        tokio::task::yield_now().await;
        publish(&published, &[], &[]);
    };
    let (events, ()) = tokio::join!(next(&mut lines), publishing);
    assert_eq!(events, [CatalogEvent::Snapshot(Vec::new())]);
}
