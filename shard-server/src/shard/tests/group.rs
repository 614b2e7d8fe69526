//! A group in this process.

use std::fs;
use std::time::Duration;

use catalog::member::{MemberPhase, SetRetention};
use futures::FutureExt;
use record_log::record::MAX_BLOCK_BYTES;

use super::*;

#[tokio::test]
async fn group_is_bootstrapped_and_keeps_its_records_over_restarts() {
    let directory = tempfile::tempdir().unwrap();
    let group = Group::start(directory.path().into(), config());
    assert_eq!(group.settled().await.unwrap(), MemberPhase::AwaitingBootstrap);
    assert!(group.not_ready().borrow().is_some());
    assert!(matches!(group.append(append(vec![run(0, &["a"])])).await[0], Err(Refusal::NotReady(_))));

    let status = group.bootstrap(bootstrap(2)).await.unwrap();
    assert_eq!((status.phase, status.logs[0].shards.len()), (MemberPhase::Serving, 2));
    assert!(group.not_ready().borrow().is_none());
    let outcomes = group.append(append(vec![run(1, &["a", "b"]), run(0, &["x"])])).await;
    assert_eq!(
        outcomes.iter().map(|outcome| outcome.as_ref().unwrap().first_offset).collect::<Vec<_>>(),
        [1, 1]
    );
    group.close().await;
    assert!(matches!(group.read(read_all(1)).await, Err(Refusal::NotReady(_))));

    let group = Group::open(directory.path().into(), config()).await.unwrap();
    assert_eq!(data(&group.read(read_all(1)).await.unwrap()), ["a", "b"]);
    assert_eq!(group.status().replica_id, status.replica_id);
    assert_eq!(group.status().logs[0].shards[1].next_offset, 3);
}

#[tokio::test]
async fn bootstrap_is_idempotent_and_refuses_another() {
    let directory = tempfile::tempdir().unwrap();
    let group = Group::create(directory.path().into(), config(), bootstrap(2)).await.unwrap();
    let first = group.status();
    assert_eq!(group.bootstrap(bootstrap(2)).await.unwrap(), first);
    assert!(group.bootstrap(bootstrap(3)).await.is_err());
    let other_stream = Bootstrap { stream_uid: "uid-2".into(), ..bootstrap(2) };
    let refused = group.bootstrap(other_stream).await.unwrap_err();
    assert!(refused.0.contains("uid-1") && refused.0.contains("uid-2"), "{refused}");
    assert_eq!(group.status(), first);
}

#[tokio::test]
async fn second_process_waits_until_the_first_closes() {
    let directory = tempfile::tempdir().unwrap();
    let first = Group::create(directory.path().into(), config(), bootstrap(1)).await.unwrap();
    let second = Group::start(directory.path().into(), config());
    let mut settled = Box::pin(second.settled());
    assert!(settled.as_mut().now_or_never().is_none());
    assert_eq!(second.status().phase, MemberPhase::WaitingForVolume);
    assert!(!second.status().reason.unwrap().contains("holds"), "nobody has looked yet");
    let is_held = |why: &Option<String>| why.as_ref().is_some_and(|why| why.contains("holds the volume"));
    let mut not_ready = second.not_ready();
    tokio::time::timeout(Duration::from_secs(10), not_ready.wait_for(is_held)).await.unwrap().unwrap();
    assert_eq!(second.status().phase, MemberPhase::WaitingForVolume);
    assert!(first.append(append(vec![run(0, &["a"])])).await[0].is_ok());
    first.close().await;
    let waited = tokio::time::timeout(Duration::from_secs(10), settled).await.unwrap();
    assert_eq!(waited.unwrap(), MemberPhase::Serving);
    assert_eq!(data(&second.read(read_all(0)).await.unwrap()), ["a"]);
}

#[tokio::test]
async fn dropped_group_releases_the_directory() {
    let directory = tempfile::tempdir().unwrap();
    let group = Group::create(directory.path().into(), config(), bootstrap(1)).await.unwrap();
    drop(group);
    let opened =
        tokio::time::timeout(Duration::from_secs(10), Group::open(directory.path().into(), config()));
    opened.await.unwrap().unwrap();
}

#[tokio::test]
async fn foreign_volume_is_refused_and_not_changed() {
    let directory = tempfile::tempdir().unwrap();
    Group::create(directory.path().into(), config(), bootstrap(1)).await.unwrap().close().await;
    let other = GroupConfig { stream_uid: "uid-2".into(), ..config() };
    let Err(error) = Group::open(directory.path().into(), other).await else { panic!("it was opened") };
    assert!(error.to_string().contains("uid-1") && error.to_string().contains("uid-2"), "{error}");
    Group::open(directory.path().into(), config()).await.unwrap();
}

#[tokio::test]
async fn log_of_another_volume_of_the_stream_is_refused_and_both_copies_named() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut replicas = Vec::new();
    for directory in [&ours, &theirs] {
        let group = Group::create(directory.path().into(), config(), bootstrap(1)).await.unwrap();
        replicas.push(group.status().replica_id.unwrap());
        group.close().await;
    }
    let log = |directory: &tempfile::TempDir| directory.path().join("group/logs/g0");
    fs::remove_dir_all(log(&ours)).unwrap();
    fs::rename(log(&theirs), log(&ours)).unwrap();
    let before = fs::read(log(&ours).join("segment-000000000001")).unwrap();
    let group = Group::start(ours.path().into(), config());
    let error = group.settled().await.unwrap_err();
    assert!(!error.is_corrupt(), "it is whole: the process ends, and says whose it is");
    let text = error.to_string();
    let names = [log(&ours).display().to_string(), replicas.remove(0), replicas.remove(0)];
    assert!(names.iter().all(|name| text.contains(name)), "{text}");
    assert_eq!(group.status().phase, MemberPhase::Ending);
    assert_eq!(fs::read(log(&ours).join("segment-000000000001")).unwrap(), before);
}

#[tokio::test]
async fn corrupt_log_is_reported_and_every_call_is_refused_with_it() {
    let directory = tempfile::tempdir().unwrap();
    Group::create(directory.path().into(), config(), bootstrap(1)).await.unwrap().close().await;
    let log = directory.path().join("group/logs/g0");
    fs::write(log.join("slots"), "").unwrap();
    let config = config();
    let counted = config.metrics.refusals(&Refusal::Corrupt(String::new()));
    let group = Group::start(directory.path().into(), config);
    assert!(group.settled().await.unwrap_err().is_corrupt());
    let status = group.status();
    assert_eq!(status.phase, MemberPhase::Stopped);
    let reason = status.reason.unwrap();
    assert!(reason.contains(&log.display().to_string()) && reason.contains("slots"), "{reason}");
    assert!(matches!(group.append(append(vec![run(0, &["a"])])).await[0], Err(Refusal::Corrupt(_))));
    assert!(matches!(group.read(read_all(0)).await, Err(Refusal::Corrupt(_))));
    assert_eq!(counted.get(), 2);
    assert!(group.bootstrap(bootstrap(1)).await.is_err(), "a corrupt log is never bootstrapped again");
}

#[tokio::test]
async fn misrouted_calls_are_refused_run_by_run() {
    let directory = tempfile::tempdir().unwrap();
    let group = Group::create(directory.path().into(), config(), bootstrap(2)).await.unwrap();
    let large = "x".repeat(MAX_BLOCK_BYTES / 2);
    let runs =
        vec![run(7, &["x"]), run(1, &["a", "b"]), run(1, &["c"]), run(0, &[]), run(0, &[&large, &large])];
    let outcomes = group.append(append(runs)).await;
    assert!(matches!(outcomes[0], Err(Refusal::UnknownShard(_))));
    assert_eq!(outcomes[1].as_ref().unwrap().first_offset, 1);
    assert_eq!(outcomes[2].as_ref().unwrap().first_offset, 3, "runs of a shard follow each other");
    assert!(matches!(outcomes[3], Err(Refusal::Invalid(_))), "a run has records");
    assert!(matches!(outcomes[4], Err(Refusal::Invalid(_))), "a block has 128 KiB or one record");

    let foreign = Append { stream_uid: "uid-2".into(), ..append(vec![run(0, &["x"])]) };
    assert!(matches!(group.append(foreign).await[0], Err(Refusal::UnknownShard(_))));
    let other_log = Read { log: "g1".into(), ..read_all(0) };
    assert!(matches!(group.read(other_log).await, Err(Refusal::UnknownShard(_))));
    let locate =
        |shard| Locate { stream_uid: UID.into(), log: "g0".into(), shard, position: Position::Latest };
    assert!(matches!(group.locate(locate(shard(9))).await, Err(Refusal::UnknownShard(_))));
    assert_eq!(group.locate(locate(shard(1))).await, Ok(Located { offset: 4, time_ms: None }));
}

#[tokio::test]
async fn empty_directory_is_not_opened() {
    let directory = tempfile::tempdir().unwrap();
    let Err(error) = Group::open(directory.path().join("new"), config()).await else {
        panic!("it was opened")
    };
    assert!(error.to_string().contains("empty"), "{error}");
}

#[tokio::test]
async fn retention_that_the_api_does_not_allow_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let group = Group::create(directory.path().into(), config(), bootstrap(1)).await.unwrap();
    for retention_period_hours in [0, 23, 8_761] {
        let call = SetRetention { stream_uid: UID.into(), log: "g0".into(), retention_period_hours };
        assert!(matches!(group.set_retention(call).await, Err(Refusal::Invalid(_))));
    }
    let call = SetRetention { stream_uid: UID.into(), log: "g0".into(), retention_period_hours: 8_760 };
    assert_eq!(group.set_retention(call).await.unwrap().logs[0].retention_period_hours, Some(8_760));
}
