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

/// The group's one member.
static MEMBER: std::sync::LazyLock<Member> =
    std::sync::LazyLock::new(|| Member { group: "orders-1a2b3-g0".into(), ordinal: 0 });

fn no_pod() -> MemberView<'static> {
    MemberView {
        member: &MEMBER,
        pod: None,
        claim: None,
        outcome: None,
        refusal: None,
        storage_class: None,
        failed_create: None,
        stream: "orders",
        operator_namespace: "kinetes-system",
    }
}

fn seen<'a>(pod: &'a Pod, outcome: Outcome<'a>) -> MemberView<'a> {
    MemberView { pod: Some(pod), outcome, ..no_pod() }
}

/// A pod that has stopped, with its log as it could be opened.
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

fn stall(pod: &Pod, member: &MemberStatus) -> Problem {
    match judge(&group(ShardState::Open), &seen(pod, Some(Ok(member)))) {
        Health::Stalled(problem) => problem,
        other => panic!("{other:?}"),
    }
}

fn problem(state: ShardState, view: MemberView) -> Problem {
    match judge(&group(state), &view) {
        Health::Waiting(problem) | Health::Stalled(problem) => problem,
        Health::Serving => panic!("serves"),
    }
}

#[test]
fn a_ready_pod_with_open_shards_serves_without_being_asked() {
    let ready = pod(json!({"conditions": [{"type": "Ready", "status": "True"}]}));
    assert_eq!(judge(&group(ShardState::Open), &seen(&ready, None)), Health::Serving);
}

#[test]
fn a_pod_that_reports_that_it_serves_need_not_wait_for_the_kubelets_probe() {
    let member = member(MemberPhase::Serving);
    let starting = pod(json!({"conditions": [{"type": "Ready", "status": "False"}]}));
    assert_eq!(judge(&group(ShardState::Open), &seen(&starting, Some(Ok(&member)))), Health::Serving);
}

#[test]
fn an_empty_volume_is_lost_only_where_a_shard_was_open() {
    let member = member(MemberPhase::AwaitingBootstrap);
    let running = pod(json!({}));
    assert_eq!(problem(ShardState::Pending, seen(&running, Some(Ok(&member)))).reason, "Starting");
    let lost = problem(ShardState::Open, seen(&running, Some(Ok(&member))));
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
    assert_eq!(problem(ShardState::Open, seen(&pod(json!({})), Some(Ok(&member)))).reason, "PodEnding");
    let mut going = pod(json!({}));
    going.metadata.deletion_timestamp = Some(serde_json::from_value(json!("2026-11-23T12:00:00Z")).unwrap());
    let stopped = stopped("a write failed", Some(Vec::new()));
    let health = judge(&group(ShardState::Open), &seen(&going, Some(Ok(&stopped))));
    assert!(matches!(&health, Health::Waiting(problem) if problem.reason == "PodEnding"), "{health:?}");
}

#[test]
fn the_schedulers_words_are_repeated() {
    let unscheduled = pod(json!({"conditions": [{
        "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
        "message": "0/3 nodes are available: 3 Insufficient cpu.",
    }]}));
    let problem = problem(ShardState::Pending, seen(&unscheduled, None));
    assert_eq!(problem.reason, "Unschedulable");
    assert_eq!(problem.message, "pod orders-1a2b3-g0-0: 0/3 nodes are available: 3 Insufficient cpu.");
}

#[test]
fn a_missing_storage_class_is_named_before_the_schedulers_words() {
    let unscheduled = pod(json!({"conditions": [{"type": "PodScheduled", "status": "False"}]}));
    let view =
        MemberView { storage_class: Some("there is no StorageClass fast"), ..seen(&unscheduled, None) };
    let problem = problem(ShardState::Pending, view);
    assert_eq!(problem.reason, "NoStorageClass");
    assert_eq!(problem.message, "volume data-orders-1a2b3-g0-0 waits: there is no StorageClass fast");
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
    let first_problem = problem(ShardState::Pending, seen(&first, None));
    assert_eq!(first_problem.reason, "ImagePullBackOff");
    assert!(first_problem.message.contains("registry/x:1"));
    assert_eq!(first_problem, problem(ShardState::Pending, seen(&second, None)));
}

#[test]
fn a_pod_that_keeps_ending_says_its_last_words() {
    let crashing = pod(json!({"containerStatuses": [{
        "name": "shard-server", "image": "x", "imageID": "", "ready": false, "restartCount": 3,
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 20s"}},
        "lastState": {"terminated": {"exitCode": 1,
            "message": "2026-11-23T10:00:00Z INFO starts\nError: the volume holds stream other\n"}},
    }]}));
    let problem = problem(ShardState::Open, seen(&crashing, None));
    assert_eq!(problem.reason, "CrashLoopBackOff");
    assert_eq!(problem.message, "pod orders-1a2b3-g0-0 keeps ending: Error: the volume holds stream other");
}

#[test]
fn an_error_counts_in_any_case_and_before_what_is_logged_behind_it() {
    let crashing = pod(json!({"containerStatuses": [{
        "name": "shard-server", "image": "x", "imageID": "", "ready": false, "restartCount": 3,
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 20s"}},
        "lastState": {"terminated": {"exitCode": 1, "message":
            "error: cannot lock the volume\nCaused by: another process holds it\n2026-11-23T10:00:00Z INFO ends\n"}},
    }]}));
    let problem = problem(ShardState::Open, seen(&crashing, None));
    let expected =
        "error: cannot lock the volume Caused by: another process holds it 2026-11-23T10:00:00Z INFO ends";
    assert_eq!(problem.message, format!("pod orders-1a2b3-g0-0 keeps ending: {expected}"));
}

#[test]
fn a_stateful_set_that_cannot_create_its_pod_says_why() {
    let error = "create Pod failed error: pods \"orders-1a2b3-g0-0\" is forbidden: exceeded quota: small";
    let problem = problem(ShardState::Pending, MemberView { failed_create: Some(error), ..no_pod() });
    assert_eq!(problem.reason, "FailedCreate");
    assert!(problem.message.starts_with("StatefulSet orders-1a2b3-g0 cannot create pod orders-1a2b3-g0-0: "));
    assert!(problem.message.ends_with("exceeded quota: small"), "{}", problem.message);
}

fn failure(kind: ErrorKind) -> Failure {
    let since = k8s_openapi::jiff::Timestamp::UNIX_EPOCH;
    Failure { kind, error: "no connection to 10.0.0.7:7400 in 1 s".into(), since }
}

#[test]
fn a_pod_that_cannot_be_reached_is_named_with_the_error_and_for_a_firewall_what_to_allow() {
    let (starting, timeout) = (pod(json!({})), failure(ErrorKind::ConnectTimeout));
    for state in [ShardState::Pending, ShardState::Open] {
        let problem = problem(state, seen(&starting, Some(Err(&timeout))));
        assert_eq!(problem.reason, "PodUnreachable");
        for part in [
            "pod orders-1a2b3-g0-0: no connection to 10.0.0.7:7400",
            "NetworkPolicy",
            "port 7400",
            "namespace kinetes-system",
        ] {
            assert!(problem.message.contains(part), "{part}: {}", problem.message);
        }
    }
    let silent = failure(ErrorKind::NoAnswer);
    let problem = problem(ShardState::Open, seen(&starting, Some(Err(&silent))));
    assert!(!problem.message.contains("NetworkPolicy"), "{}", problem.message);
}

#[test]
fn a_ready_pod_that_the_operator_cannot_reach_serves_and_that_is_a_problem_of_its_own() {
    let ready = pod(json!({"conditions": [{"type": "Ready", "status": "True"}]}));
    let timeout = failure(ErrorKind::ConnectTimeout);
    let view = seen(&ready, Some(Err(&timeout)));
    assert_eq!(judge(&group(ShardState::Open), &view), Health::Serving);
    assert_eq!(reach_problem(&view).unwrap().reason, "ConnectTimeout");
    // One that was never open cannot be: the operator has not seen its log.
    assert_eq!(problem(ShardState::Pending, view).reason, "PodUnreachable");
}

#[test]
fn a_bootstrap_that_a_pod_refuses_is_told() {
    let (starting, waiting) = (pod(json!({})), member(MemberPhase::AwaitingBootstrap));
    let view = MemberView { refusal: Some("the clocks disagree"), ..seen(&starting, Some(Ok(&waiting))) };
    let problem = problem(ShardState::Pending, view);
    assert_eq!(problem.reason, "Starting");
    assert!(problem.message.ends_with("on its empty volume: the clocks disagree"), "{}", problem.message);
}

#[test]
fn a_group_without_a_pod_waits_for_it() {
    assert_eq!(problem(ShardState::Open, no_pod()).reason, "PodMissing");
}
