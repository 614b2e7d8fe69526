use catalog::ShardState;
use catalog::member::{LogCondition, LogStatus};
use serde_json::{Value, json};

use super::*;

fn group(state: ShardState) -> Group {
    let shards = catalog::map::Genesis::new(1, 1, 1)
        .shards()
        .into_iter()
        .map(|shard| catalog::Shard { state, ..shard })
        .collect();
    Group { name: "orders-1a2b3-g0".into(), log: "g0".into(), shards }
}

fn pod(status: Value) -> Pod {
    serde_json::from_value(json!({"metadata": {"name": "orders-1a2b3-g0-0"}, "status": status})).unwrap()
}

fn member(phase: MemberPhase) -> MemberStatus {
    MemberStatus {
        version: "0.1.0".into(),
        stream_uid: "uid".into(),
        group: "orders-1a2b3-g0".into(),
        phase,
        reason: None,
        replica_id: None,
        logs: Vec::new(),
    }
}

fn seen<'a>(pod: &'a Pod, said: Said<'a>) -> Sight<'a> {
    Sight { pod: Some(pod), said, stream: "orders", ..Sight::default() }
}

/// A pod that has given up, with its log as it could be opened.
fn stopped(reason: &str, log: Option<Vec<LogCondition>>) -> MemberStatus {
    let log = log.map(|conditions| LogStatus {
        name: "g0".into(),
        durable_bytes: 0,
        retention_period_hours: None,
        writing_ms: 0,
        conditions,
        shards: Vec::new(),
    });
    let (reason, logs) = (Some(reason.into()), log.into_iter().collect());
    MemberStatus { reason, logs, ..member(MemberPhase::Stopped) }
}

fn damage(place: Option<&str>) -> LogCondition {
    let (kind, place) = (LogConditionKind::StorageDamaged, place.map(str::to_owned));
    LogCondition { kind, message: "it is damaged".into(), place }
}

fn stall(pod: &Pod, member: &MemberStatus) -> Trouble {
    match health(&group(ShardState::Open), seen(pod, Some(Ok(member)))) {
        Health::Stalled(trouble) => trouble,
        other => panic!("{other:?}"),
    }
}

fn trouble(state: ShardState, sight: Sight) -> Trouble {
    match health(&group(state), sight) {
        Health::Waiting(trouble) | Health::Stalled(trouble) => trouble,
        Health::Serving => panic!("serves"),
    }
}

#[test]
fn a_ready_pod_with_open_shards_serves_without_being_asked() {
    let ready = pod(json!({"conditions": [{"type": "Ready", "status": "True"}]}));
    assert_eq!(health(&group(ShardState::Open), seen(&ready, None)), Health::Serving);
}

#[test]
fn a_pod_that_says_it_serves_need_not_wait_for_its_probe() {
    let member = member(MemberPhase::Serving);
    let starting = pod(json!({"conditions": [{"type": "Ready", "status": "False"}]}));
    assert_eq!(health(&group(ShardState::Open), seen(&starting, Some(Ok(&member)))), Health::Serving);
}

#[test]
fn an_empty_volume_is_lost_only_where_a_shard_was_open() {
    let member = member(MemberPhase::AwaitingBootstrap);
    let running = pod(json!({}));
    assert_eq!(trouble(ShardState::Pending, seen(&running, Some(Ok(&member)))).reason, "Starting");
    let lost = trouble(ShardState::Open, seen(&running, Some(Ok(&member))));
    assert_eq!(lost.reason, "VolumeLost");
    assert!(lost.message.contains("data-orders-1a2b3-g0-0"), "{}", lost.message);
}

#[test]
fn a_log_that_could_not_write_stalls_until_its_pod_is_deleted() {
    let member = stopped("a write to segment-000000000001 failed: broken", Some(Vec::new()));
    let failed = stall(&pod(json!({})), &member);
    assert_eq!(failed.reason, "StorageFailed");
    assert!(failed.message.contains("a write to segment-000000000001 failed: broken"), "{}", failed.message);
    assert!(failed.message.ends_with(": kubectl delete pod orders-1a2b3-g0-0"), "{}", failed.message);
}

#[test]
fn a_log_that_damage_stopped_says_how_to_bring_it_back_or_to_give_it_up() {
    let place = "segment-000000000002:0";
    let failed = stall(&pod(json!({})), &stopped("it is damaged", Some(vec![damage(Some(place))])));
    assert_eq!(failed.reason, "StorageFailed");
    assert!(failed.message.contains("bring volume data-orders-1a2b3-g0-0 back"), "{}", failed.message);
    let command =
        "kubectl annotate dstream orders --overwrite kinetes.dev/accept-loss=g0:segment-000000000002:0";
    assert!(failed.message.ends_with(command), "{}", failed.message);
}

#[test]
fn where_no_loss_can_be_accepted_no_command_for_it_is_given() {
    for member in [stopped("slots is damaged", None), stopped("it is damaged", Some(vec![damage(None)]))] {
        let failed = stall(&pod(json!({})), &member);
        assert_eq!(failed.reason, "StorageFailed");
        assert!(failed.message.contains(member.reason.as_deref().unwrap()), "{}", failed.message);
        assert!(failed.message.contains("bring volume data-orders-1a2b3-g0-0 back"), "{}", failed.message);
        assert!(!failed.message.contains("annotate"), "{}", failed.message);
    }
}

#[test]
fn a_pod_that_ends_is_waited_for_also_where_its_log_had_stopped() {
    let member = MemberStatus { reason: Some("it ends".into()), ..member(MemberPhase::Ending) };
    assert_eq!(trouble(ShardState::Open, seen(&pod(json!({})), Some(Ok(&member)))).reason, "PodEnding");
    let mut going = pod(json!({}));
    going.metadata.deletion_timestamp = Some(serde_json::from_value(json!("2026-11-23T12:00:00Z")).unwrap());
    let stopped = stopped("a write failed", Some(Vec::new()));
    let health = health(&group(ShardState::Open), seen(&going, Some(Ok(&stopped))));
    assert!(matches!(&health, Health::Waiting(trouble) if trouble.reason == "PodEnding"), "{health:?}");
}

#[test]
fn the_schedulers_words_are_repeated() {
    let unscheduled = pod(json!({"conditions": [{
        "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
        "message": "0/3 nodes are available: 3 Insufficient cpu.",
    }]}));
    let trouble = trouble(ShardState::Pending, seen(&unscheduled, None));
    assert_eq!(trouble.reason, "Unschedulable");
    assert_eq!(trouble.message, "pod orders-1a2b3-g0-0: 0/3 nodes are available: 3 Insufficient cpu.");
}

#[test]
fn a_missing_storage_class_is_named_before_the_schedulers_words() {
    let unscheduled = pod(json!({"conditions": [{"type": "PodScheduled", "status": "False"}]}));
    let sight = Sight { storage_class: Some("there is no StorageClass fast"), ..seen(&unscheduled, None) };
    let trouble = trouble(ShardState::Pending, sight);
    assert_eq!(trouble.reason, "NoStorageClass");
    assert_eq!(trouble.message, "volume data-orders-1a2b3-g0-0 waits: there is no StorageClass fast");
}

#[test]
fn both_states_of_a_failing_pull_are_one_message() {
    let waiting = |reason: &str, message: &str| {
        pod(json!({"containerStatuses": [{
            "name": "shard-server", "image": "registry/x:1", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"waiting": {"reason": reason, "message": message}},
        }]}))
    };
    let first = waiting("ErrImagePull", "not found");
    let second = waiting("ImagePullBackOff", "Back-off pulling");
    let said = trouble(ShardState::Pending, seen(&first, None));
    assert_eq!(said.reason, "ImagePullBackOff");
    assert!(said.message.contains("registry/x:1"));
    assert_eq!(said, trouble(ShardState::Pending, seen(&second, None)));
}

#[test]
fn a_pod_that_keeps_ending_says_its_last_words() {
    let crashing = pod(json!({"containerStatuses": [{
        "name": "shard-server", "image": "x", "imageID": "", "ready": false, "restartCount": 3,
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 20s"}},
        "lastState": {"terminated": {"exitCode": 1,
            "message": "2026-11-23T10:00:00Z INFO starts\nError: the volume holds stream other\n"}},
    }]}));
    let trouble = trouble(ShardState::Open, seen(&crashing, None));
    assert_eq!(trouble.reason, "CrashLoopBackOff");
    assert_eq!(trouble.message, "pod orders-1a2b3-g0-0 keeps ending: Error: the volume holds stream other");
}

#[test]
fn a_group_without_a_pod_waits_for_it() {
    assert_eq!(trouble(ShardState::Open, Sight::default()).reason, "PodMissing");
}
