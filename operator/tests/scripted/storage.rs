//! What pods say of their storage: raised, told once, and over again; and what is done about it.

use catalog::member::{ACCEPT_LOSS_PATH, LogCondition, LogConditionKind, MemberPhase};
use serde_json::{Value, json};

use crate::support::{
    FakePod, GROUP_0, GROUP_1, Stage, UID, condition, made, message, orders, ready, serving,
};

const STATUS: &str = "PATCH datastreams/orders/status";
const EVENT: &str = "POST events";
const PLACE: &str = "segment-000000000002:8192";

fn says(kind: LogConditionKind) -> LogCondition {
    let place = (kind == LogConditionKind::StorageDamaged).then(|| PLACE.to_owned());
    LogCondition { kind, message: "so it is".into(), place }
}

#[tokio::test]
async fn what_a_pod_says_of_its_storage_is_told_once_and_taken_back_when_it_is_over() {
    let (mut stage, pod) = serving().await;
    let cases = [
        (LogConditionKind::StorageFull, "StorageFull", "VolumeFull", "raise spec.storage.size"),
        (LogConditionKind::StorageDamaged, "StorageDamaged", "LogDamaged", "kubectl annotate dstream orders"),
        (LogConditionKind::ClockSuspect, "ClockSuspect", "ClocksDisagree", "set the clock of its node right"),
    ];
    for (kind, type_, reason, what_to_do) in cases {
        pod.change(|status| status.logs[0].conditions = vec![says(kind)]);
        let calls = stage.look().await.unwrap();
        assert_eq!(calls.iter().map(|call| &call.line).collect::<Vec<_>>(), [STATUS, EVENT]);
        assert_eq!((&calls[1].body["reason"], &calls[1].body["type"]), (&json!(reason), &json!("Warning")));
        assert_eq!(condition(&stage, type_), format!("True {reason}"));
        let message = message(&stage, type_);
        assert!(message.starts_with("pod orders-1a2b3-g0-0: so it is; "), "{message}");
        assert!(message.contains(what_to_do), "{message}");
        assert_eq!(ready(&stage), "True Serving");
        assert_eq!(stage.lines().await, [""; 0], "it is told once");

        pod.change(|status| status.logs[0].conditions.clear());
        assert_eq!(stage.lines().await, [STATUS]);
        assert_eq!(condition(&stage, type_), "");
        assert_eq!(stage.lines().await, [""; 0]);
    }
    assert_eq!(pod.told(ACCEPT_LOSS_PATH), [Value::Null; 0], "nobody gave anything up");
}

#[tokio::test]
async fn a_log_that_stopped_stalls_its_stream_until_it_serves_again() {
    let (mut stage, pod) = serving().await;
    pod.change(|status| {
        status.phase = MemberPhase::Stopped;
        status.reason = Some("a write to segment-000000000001 failed: Input/output error".into());
    });
    stage.see(Stage::pod(GROUP_0, false));
    let calls = stage.look().await.unwrap();
    assert_eq!(calls.iter().map(|call| &call.line).collect::<Vec<_>>(), [STATUS, EVENT]);
    assert_eq!(calls[1].body["reason"], "StorageFailed");
    let note = calls[1].body["note"].as_str().unwrap();
    assert!(note.contains("segment-000000000001 failed: Input/output error"), "{note}");
    assert!(note.ends_with("kubectl delete pod orders-1a2b3-g0-0"), "{note}");
    assert_eq!(
        (ready(&stage), condition(&stage, "Stalled")),
        ("False StorageFailed".into(), "True StorageFailed".into())
    );
    assert_eq!(condition(&stage, "Reconciling"), "", "nobody is at work");
    assert_eq!(stage.server.stream()["status"]["streamStatus"], "ACTIVE");
    assert_eq!(stage.lines().await, [""; 0], "it is told once");

    pod.change(|status| (status.phase, status.reason) = (MemberPhase::Serving, None));
    assert_eq!(stage.lines().await, [STATUS]);
    assert_eq!((ready(&stage), condition(&stage, "Stalled")), ("True Serving".into(), String::new()));
}

#[tokio::test]
async fn a_log_too_damaged_to_be_opened_stalls_its_stream_and_offers_no_command_that_cannot_work() {
    let (mut stage, pod) = serving().await;
    pod.change(|status| {
        status.phase = MemberPhase::Stopped;
        status.reason = Some("the log in /data/group/logs/g0: slots is damaged at byte 0".into());
        status.logs.clear();
    });
    stage.see(Stage::pod(GROUP_0, false));
    assert_eq!(stage.lines().await, [STATUS, EVENT, EVENT]);
    assert_eq!(condition(&stage, "Stalled"), "True StorageFailed");
    assert_eq!(condition(&stage, "StorageDamaged"), "True LogDamaged");
    for type_ in ["Stalled", "StorageDamaged"] {
        let message = message(&stage, type_);
        assert!(message.contains("slots is damaged at byte 0") && !message.contains("annotate"), "{message}");
    }
    assert_eq!(stage.lines().await, [""; 0]);
}

/// A stream of two groups that serve, and their pods.
async fn two_groups() -> (Stage, [FakePod; 2]) {
    let first = FakePod::on_an_empty_volume(UID, GROUP_0).await;
    let second = first.beside("127.0.0.2", UID, GROUP_1).await;
    let mut stage = made(orders(), first.port).await;
    stage.see(Stage::pod(GROUP_0, true));
    stage.see(Stage::pod_at("127.0.0.2", GROUP_1, true));
    // Instructed, bootstrapped, Ready.
    for _ in 0..3 {
        stage.lines().await;
    }
    assert_eq!(ready(&stage), "True Serving");
    (stage, [first, second])
}

fn accept(stage: &mut Stage, loss: &str) {
    stage.change(|stream| stream["metadata"]["annotations"] = json!({"kinetes.dev/accept-loss": loss}));
}

#[tokio::test]
async fn a_loss_that_is_accepted_is_told_once_to_the_pod_that_has_it() {
    let (mut stage, [sound, damaged]) = two_groups().await;
    damaged.change(|status| status.logs[0].conditions = vec![says(LogConditionKind::StorageDamaged)]);
    assert_eq!(stage.lines().await, [STATUS, EVENT]);

    accept(&mut stage, &format!("g1:{PLACE}"));
    assert_eq!(stage.lines().await, [STATUS], "the generation is observed");
    assert_eq!(
        condition(&stage, "StorageDamaged"),
        "True LogDamaged",
        "until the pod reports that it is accepted"
    );
    assert_eq!(stage.lines().await, [STATUS]);
    assert_eq!(condition(&stage, "StorageDamaged"), "", "the pod reports that it is accepted");
    assert_eq!(damaged.told(ACCEPT_LOSS_PATH), [json!({"streamUid": UID, "log": "g1", "place": PLACE})]);
    assert_eq!(stage.lines().await, [""; 0]);
    assert_eq!(damaged.told(ACCEPT_LOSS_PATH).len(), 1, "once");
    assert_eq!(sound.told(ACCEPT_LOSS_PATH), [Value::Null; 0]);
}

#[tokio::test]
async fn a_loss_of_another_place_is_not_accepted_and_that_is_said() {
    let (mut stage, pods) = two_groups().await;
    pods[1].change(|status| status.logs[0].conditions = vec![says(LogConditionKind::StorageDamaged)]);
    stage.lines().await;
    for other in ["g1:segment-000000000002:4096".to_owned(), format!("g0:{PLACE}")] {
        accept(&mut stage, &other);
        stage.lines().await;
        assert_eq!(condition(&stage, "StorageDamaged"), "True AnnotationMismatch");
        let message = message(&stage, "StorageDamaged");
        assert!(message.contains(&format!("accept-loss={other} names other corruption")), "{message}");
        assert_eq!(stage.lines().await, [""; 0]);
    }
    let told: Vec<_> = pods.iter().flat_map(|pod| pod.told(ACCEPT_LOSS_PATH)).collect();
    assert_eq!(told, [Value::Null; 0]);
}

#[tokio::test]
async fn an_annotation_that_names_other_damage_is_an_event() {
    let (mut stage, pod) = serving().await;
    pod.change(|status| status.logs[0].conditions = vec![says(LogConditionKind::StorageDamaged)]);
    stage.lines().await;
    accept(&mut stage, "true");
    let calls = stage.look().await.unwrap();
    assert_eq!(calls.iter().map(|call| &call.line).collect::<Vec<_>>(), [STATUS, EVENT]);
    assert_eq!(calls[1].body["reason"], "AnnotationMismatch");
}
