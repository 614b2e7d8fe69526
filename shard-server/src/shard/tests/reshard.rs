//! Resharding a group: what writers, readers and followers are answered.

use catalog::HashKey;

use super::*;
use crate::protocol::{Follow, Reshard};

/// The split of shard 0 of two, by operation 1.
fn split() -> Reshard {
    let range = HashKeyRange::uniform(2)[0];
    let middle = range.end.0 / 2;
    let open =
        |index, range| OpenShard { id: shard(index), range, parents: vec![shard(0)], create_seconds: 1 };
    let low = HashKeyRange { end: HashKey(middle), ..range };
    let high = HashKeyRange { start: HashKey(middle + 1), ..range };
    let reshard =
        record_log::Reshard { op: 1, seal: vec![shard(0)], open: vec![open(2, low), open(3, high)] };
    Reshard { stream_uid: UID.into(), log: "g0".into(), reshard }
}

async fn group(directory: &tempfile::TempDir) -> Group {
    Group::create(directory.path().into(), config(), bootstrap(2)).await.unwrap()
}

#[tokio::test]
async fn append_to_a_sealed_shard_is_answered_with_those_that_took_over() {
    let directory = tempfile::tempdir().unwrap();
    let group = group(&directory).await;
    let resharded = group.call(split()).await.unwrap();
    assert_eq!(group.call(split()).await, Ok(resharded.clone()), "it is done once");
    let outcomes = group.append(append(vec![run(0, &["a"]), run(2, &["b"])])).await;
    assert_eq!(outcomes[0], Err(Refusal::Sealed(resharded.opened)));
    assert!(outcomes[1].is_ok());
    let other = Reshard { log: "g1".into(), ..split() };
    assert!(matches!(group.call(other).await, Err(Refusal::UnknownShard(_))));
    let gap = split().reshard.open[..1].to_vec();
    let refused =
        Reshard { reshard: record_log::Reshard { op: 2, seal: vec![shard(1)], open: gap }, ..split() };
    assert!(matches!(group.call(refused).await, Err(Refusal::Invalid(_))));
}

#[tokio::test]
async fn bootstrap_of_a_group_that_was_resharded_since_is_repeated_without_effect() {
    let directory = tempfile::tempdir().unwrap();
    let group = group(&directory).await;
    group.call(split()).await.unwrap();
    assert!(group.bootstrap(bootstrap(2)).await.is_ok());
    assert!(group.bootstrap(bootstrap(3)).await.is_err());
}

#[tokio::test]
async fn follower_gets_the_last_record_of_a_shard_and_then_its_end() {
    let directory = tempfile::tempdir().unwrap();
    let group = group(&directory).await;
    let (position, shard) = (Position::Latest, shard(0));
    let follow = Follow { stream_uid: UID.into(), log: "g0".into(), shard, position, max_frame_bytes: 0 };
    let mut records = group.call(follow).await.unwrap();
    let budget = budget(1 << 20);
    let first = records.next(&budget).await.unwrap().unwrap().outcome;
    assert_eq!((first.runs.len(), first.successors), (0, None));
    assert!(group.append(append(vec![run(0, &["last"])])).await[0].is_ok());
    group.call(split()).await.unwrap();
    let mut found = Vec::new();
    while let Some(frame) = records.next(&budget).await {
        let outcome = frame.unwrap().outcome;
        found.push((data(&outcome), outcome.successors.map(|shards| shards.len())));
    }
    let (texts, ends): (Vec<_>, Vec<_>) = found.into_iter().unzip();
    assert_eq!(texts.concat(), ["last"]);
    assert_eq!(
        (ends.last(), ends.iter().flatten().count()),
        (Some(&Some(2)), 1),
        "one end, and nothing behind it"
    );
}

#[tokio::test]
async fn read_at_the_end_of_a_sealed_shard_does_not_wait_for_records() {
    let directory = tempfile::tempdir().unwrap();
    let group = group(&directory).await;
    group.call(split()).await.unwrap();
    let read = Read { position: Position::Latest, wait_ms: u32::MAX, ..read_all(0) };
    let end = group.read(read).await.unwrap();
    assert_eq!((end.runs.len(), end.successors.map(|shards| shards.len())), (0, Some(2)));
}
