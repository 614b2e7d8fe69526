//! Reconciles against a scripted API server: the exact calls, and no other.

use crate::support::{
    FakePod, GROUP_0, GROUP_1, NAMESPACE, NO_POD, Stage, UID, condition, made, message, one_shard, orders,
    ready, serving,
};
use serde_json::{Value, json};

#[tokio::test]
async fn a_new_stream_is_claimed_before_anything_is_made_for_it() {
    let mut stage = Stage::new(orders(), NO_POD);
    let lines = stage.lines().await;
    assert_eq!(
        lines,
        [
            "PATCH datastreams/orders",
            "PATCH datastreams/orders/status",
            "POST events",
            "PATCH shards/orders-1a2b3-s0",
            "PATCH shards/orders-1a2b3-s1",
            "PATCH shards/orders-1a2b3-s2",
            "PATCH shards/orders-1a2b3-s3",
            "PATCH services/orders-1a2b3",
            "PATCH statefulsets/orders-1a2b3-g0",
            "PATCH statefulsets/orders-1a2b3-g1",
        ]
    );
    let stream = stage.server.stream();
    assert_eq!(stream["metadata"]["finalizers"], json!(["kinetes.dev/stream"]));
    assert_eq!(stream["status"]["installation"], "kinetes-system/kinetes");
    assert_eq!(stream["status"]["streamStatus"], "CREATING");
    assert_eq!(ready(&stage), "False PodMissing");
    // By the write before the first Shard.
    let map = &stream["status"]["map"];
    let begins = json!({
        "shardCount": 4, "shardsPerGroup": 2, "createSeconds": 1_795_428_000, "logsToOpen": ["g0", "g1"],
    });
    for (field, value) in begins.as_object().unwrap() {
        assert_eq!(&map[field], value, "{field}");
    }
}

#[tokio::test]
async fn nothing_is_made_for_a_stream_whose_map_could_not_be_recorded() {
    let mut stage = Stage::new(orders(), NO_POD);
    stage.server.refuse(Some("PATCH datastreams/orders/status"));
    let lines = stage.failing_lines().await;
    assert!(lines.iter().all(|line| line.contains("datastreams/orders")), "{lines:?}");
    assert_eq!(stage.server.stream()["status"]["map"], Value::Null);
}

#[tokio::test]
async fn a_second_look_writes_nothing() {
    let mut stage = made(orders(), NO_POD).await;
    assert_eq!(stage.lines().await, [""; 0]);
}

#[tokio::test]
async fn writes_are_applied_as_ours_under_the_version_that_was_seen() {
    let mut stage = Stage::new(orders(), NO_POD);
    let calls = stage.look().await.unwrap();
    let call = |line: &str| calls.iter().find(|call| call.line == line).unwrap();
    let status = call("PATCH datastreams/orders/status");
    assert_eq!(status.body["metadata"]["resourceVersion"], "2", "the version after the finalizer");
    for line in
        ["PATCH datastreams/orders/status", "PATCH services/orders-1a2b3", "PATCH shards/orders-1a2b3-s0"]
    {
        let query = &call(line).query;
        assert!(
            query.contains("fieldManager=kinetes-operator") && query.contains("force=true"),
            "{line}: {query}"
        );
    }
}

#[tokio::test]
async fn a_pod_on_an_empty_volume_is_bootstrapped_once_and_its_shards_open() {
    let pod = FakePod::on_an_empty_volume(UID, GROUP_0).await;
    let mut stage = made(one_shard(), pod.port).await;
    stage.see(Stage::pod(GROUP_0, false));
    assert_eq!(stage.lines().await, ["PATCH datastreams/orders/status"]);
    assert_eq!(ready(&stage), "False Starting");
    assert_eq!(pod.bootstraps().len(), 0, "a look calls no pod");
    let lines = stage.lines().await;
    assert_eq!(
        lines,
        // The API server itself is asked whether the log is new.
        [
            "GET datastreams/orders",
            "PATCH shards/orders-1a2b3-s0/status",
            "PATCH datastreams/orders/status",
            "POST events"
        ]
    );
    let bootstraps = pod.bootstraps();
    assert_eq!(bootstraps.len(), 1);
    assert_eq!((bootstraps[0].log.as_str(), bootstraps[0].shards.len()), ("g0", 1));
    assert_eq!(bootstraps[0].shards[0].create_seconds, 1_795_428_000, "when the stream was created");
    assert_eq!(ready(&stage), "False Publishing");

    assert_eq!(stage.lines().await, ["PATCH datastreams/orders/status"]);
    assert_eq!(ready(&stage), "True Serving");
    assert_eq!(stage.server.stream()["status"]["streamStatus"], "ACTIVE");
    assert_eq!(pod.bootstraps().len(), 1);
}

#[tokio::test]
async fn a_stream_that_serves_is_looked_at_without_a_call() {
    let (mut stage, _pod) = serving().await;
    assert_eq!(stage.lines().await, [""; 0]);
}

#[tokio::test]
async fn an_empty_volume_under_open_shards_is_a_lost_volume_and_stays_empty() {
    let (mut stage, _pod) = serving().await;
    let fresh = FakePod::on_an_empty_volume(UID, GROUP_0).await;
    stage.move_pods_to(fresh.port);
    stage.see(Stage::pod(GROUP_0, false));
    assert_eq!(stage.lines().await, ["PATCH datastreams/orders/status", "POST events"]);
    assert_eq!(ready(&stage), "False VolumeLost");
    assert_eq!(condition(&stage, "Stalled"), "True VolumeLost");
    assert_eq!(stage.server.stream()["status"]["streamStatus"], "ACTIVE");
    assert_eq!(fresh.bootstraps().len(), 0);
    assert_eq!(stage.lines().await, [""; 0], "it is told once");
}

#[tokio::test]
async fn a_late_copy_does_not_make_a_lost_volume_look_new() {
    let pod = FakePod::on_an_empty_volume(UID, GROUP_0).await;
    let mut stage = made(one_shard(), pod.port).await;
    let late = stage.server.stream();
    stage.change(|stream| stream["status"]["map"]["logsToOpen"] = json!([]));
    stage.see(Stage::pod(GROUP_0, false));
    stage.probe().await;
    assert!(stage.look_at(late).await.unwrap_err().is_conflict());
    stage.server.calls();
    stage.probe().await;
    assert_eq!(stage.server.calls()[0].line, "GET datastreams/orders");
    assert_eq!(pod.bootstraps().len(), 0);
}

#[tokio::test]
async fn nothing_is_bootstrapped_while_the_api_server_does_not_say_that_the_shards_are_new() {
    let pod = FakePod::on_an_empty_volume(UID, GROUP_0).await;
    let mut stage = made(one_shard(), pod.port).await;
    stage.see(Stage::pod(GROUP_0, false));
    stage.lines().await;
    stage.server.fail("GET datastreams/orders", 500);
    assert_eq!(stage.lines().await, ["GET datastreams/orders", "PATCH datastreams/orders/status"]);
    assert_eq!(ready(&stage), "False Starting");
    assert_eq!(pod.bootstraps().len(), 0);
    stage.server.refuse(None);
    assert_eq!(stage.lines().await[0], "GET datastreams/orders", "it is tried again");
    assert_eq!(pod.bootstraps().len(), 1);
}

#[tokio::test]
async fn prober_and_controllers_make_a_stream_active_by_waking_each_other() {
    let pod = FakePod::on_an_empty_volume(UID, GROUP_0).await;
    let mut stage = made(one_shard(), pod.port).await;
    stage.see(Stage::pod(GROUP_0, false));
    stage.run_until(|stage| stage.server.stream()["status"]["streamStatus"] == "ACTIVE").await;
    assert_eq!(pod.bootstraps().len(), 1);
}

#[tokio::test]
async fn an_instruction_ends_with_the_process_that_got_it() {
    let pod = FakePod::on_an_empty_volume(UID, GROUP_0).await;
    let mut stage = made(one_shard(), pod.port).await;
    stage.see(Stage::pod(GROUP_0, false));
    stage.lines().await;
    // The container restarts before it was bootstrapped, and the volume is another one by then.
    let mut restarted = Stage::pod(GROUP_0, false);
    restarted["status"]["containerStatuses"][0]["containerID"] = json!("containerd://2");
    stage.see(restarted);
    stage.probe().await;
    assert_eq!(stage.server.calls().len(), 0);
    assert_eq!(pod.bootstraps().len(), 0);
}

#[tokio::test]
async fn a_pod_that_cannot_be_reached_is_told_with_its_error_and_as_a_metric() {
    let mut stage = made(one_shard(), NO_POD).await;
    stage.see(Stage::pod(GROUP_0, false));
    assert_eq!(stage.lines().await, ["PATCH datastreams/orders/status"]);
    assert_eq!(ready(&stage), "False PodNotReady", "one answer that does not come is no news");
    for _ in 0..2 {
        assert_eq!(stage.lines().await, [""; 0]);
    }
    assert_eq!(stage.metric("kinetes_pods_unreachable"), "0");
    assert_eq!(stage.lines().await, ["PATCH datastreams/orders/status", "POST events"]);
    assert_eq!(ready(&stage), "False PodUnreachable");
    assert_eq!(condition(&stage, "PodsUnreachable"), "True ConnectFailed");
    assert_eq!(stage.metric("kinetes_pods_unreachable"), "1");
    let message = message(&stage, "Ready");
    assert!(
        message.starts_with("the operator cannot reach pod orders-1a2b3-g0-0: no connection to 127.0.0.1:1"),
        "{message}"
    );
    assert_eq!(stage.lines().await, [""; 0], "it is told once");
}

#[tokio::test]
async fn a_stream_that_serves_stays_ready_while_the_operator_cannot_reach_it_and_says_so() {
    let (mut stage, pod) = serving().await;
    let at = pod.port;
    stage.move_pods_to(NO_POD);
    stage.see(Stage::pod(GROUP_0, true));
    for _ in 0..3 {
        assert_eq!(stage.lines().await, [""; 0]);
    }
    assert_eq!(stage.lines().await, ["PATCH datastreams/orders/status", "POST events"]);
    assert_eq!(
        (ready(&stage), condition(&stage, "PodsUnreachable")),
        ("True Serving".into(), "True ConnectFailed".into())
    );

    stage.move_pods_to(at);
    stage.see(Stage::pod(GROUP_0, true));
    assert_eq!(stage.lines().await, ["PATCH datastreams/orders/status"]);
    assert_eq!(condition(&stage, "PodsUnreachable"), "");
}

#[tokio::test]
async fn an_object_that_an_admission_policy_changes_is_applied_once() {
    let mut stage = Stage::new(one_shard(), NO_POD);
    stage
        .server
        .mutate(|set| set["spec"]["template"]["spec"]["containers"][0]["image"] = json!("mirror/x:1"));
    assert!(stage.lines().await.contains(&"PATCH statefulsets/orders-1a2b3-g0".to_owned()));
    assert_eq!(stage.lines().await, [""; 0]);
    // What somebody else changes is still put right.
    stage.edit_set(GROUP_0, |set| set["spec"]["replicas"] = json!(0));
    assert_eq!(stage.lines().await, ["PATCH statefulsets/orders-1a2b3-g0"]);
    assert_eq!(stage.lines().await, [""; 0]);
}

#[tokio::test]
async fn what_the_api_server_may_do_later_is_no_refusal() {
    for code in [409, 429, 500, 503] {
        let (mut stage, _pod) = serving().await;
        stage.change(|stream| stream["spec"]["podTemplate"] = json!({"labels": {"team": "payments"}}));
        stage.server.fail("PATCH statefulsets/orders-1a2b3-g0", code);
        assert_eq!(stage.failing_lines().await, ["PATCH statefulsets/orders-1a2b3-g0"], "{code}");
        assert_eq!((ready(&stage), condition(&stage, "Reconciling")), ("True Serving".into(), String::new()));
    }
}

#[tokio::test]
async fn a_stateful_set_that_cannot_create_its_pod_says_why() {
    let mut stage = made(one_shard(), NO_POD).await;
    stage.edit_set(GROUP_0, |set| {
        set["metadata"]["generation"] = json!(1);
        set["status"] = json!({"observedGeneration": 1, "replicas": 0});
    });
    stage.server.has("events", vec![json!({
        "metadata": {}, "involvedObject": {"kind": "StatefulSet", "name": GROUP_0}, "reason": "FailedCreate",
        "lastTimestamp": "2026-11-23T10:00:01Z", "message": "pods \"orders-1a2b3-g0-0\" is forbidden: exceeded quota: small",
    })]);
    let calls = stage.look().await.unwrap();
    let lines: Vec<_> = calls.iter().map(|call| call.line.as_str()).collect();
    assert_eq!(lines, ["GET events", "PATCH datastreams/orders/status"]);
    assert!(calls[0].query.contains("reason%3DFailedCreate"), "{}", calls[0].query);
    assert_eq!(ready(&stage), "False FailedCreate");
    assert!(message(&stage, "Ready").ends_with("exceeded quota: small"));
    assert_eq!(stage.lines().await, ["GET events"], "it is asked while the pod is missing");
    // An operator that may not ask does everything else.
    stage.server.refuse(Some("GET events"));
    stage.lines().await;
    assert_eq!(
        (ready(&stage), condition(&stage, "Reconciling")),
        ("False PodMissing".into(), "True PodMissing".into())
    );

    stage.see(Stage::pod(GROUP_0, false));
    assert_eq!(stage.lines().await, ["PATCH datastreams/orders/status"]);
    assert_eq!(ready(&stage), "False PodNotReady");
}

#[tokio::test]
async fn an_answer_of_another_streams_pod_is_none() {
    let pod = FakePod::on_an_empty_volume("another", GROUP_0).await;
    let mut stage = made(one_shard(), pod.port).await;
    stage.see(Stage::pod(GROUP_0, false));
    assert_eq!(stage.lines().await, ["PATCH datastreams/orders/status"]);
    assert_eq!(ready(&stage), "False PodNotReady");
    assert_eq!(pod.bootstraps().len(), 0);
}

#[tokio::test]
async fn a_shard_object_that_somebody_deleted_comes_back_open_by_the_word_of_its_log() {
    let (mut stage, _pod) = serving().await;
    stage.forget_shards();
    let lines = stage.lines().await;
    assert_eq!(lines, ["PATCH shards/orders-1a2b3-s0", "PATCH shards/orders-1a2b3-s0/status"]);
    assert_eq!(stage.lines().await, [""; 0]);
}

#[tokio::test]
async fn a_shard_object_that_somebody_deleted_comes_back_pending_while_its_log_says_nothing() {
    let (mut stage, _pod) = serving().await;
    let before = stage.server.stream();
    stage.forget_shards();
    stage.move_pods_to(NO_POD);
    assert_eq!(stage.lines().await, ["PATCH shards/orders-1a2b3-s0"]);
    assert_eq!(stage.lines().await, [""; 0]);
    assert_eq!(stage.server.stream(), before, "the map is what was recorded");
}

#[tokio::test]
async fn a_lost_volume_is_one_also_where_the_shard_objects_are_lost_too() {
    let (mut stage, _pod) = serving().await;
    let fresh = FakePod::on_an_empty_volume(UID, GROUP_0).await;
    stage.forget_shards();
    stage.move_pods_to(fresh.port);
    stage.see(Stage::pod(GROUP_0, false));
    let lines = stage.lines().await;
    assert_eq!(lines, ["PATCH shards/orders-1a2b3-s0", "PATCH datastreams/orders/status", "POST events"]);
    assert_eq!(condition(&stage, "Stalled"), "True VolumeLost");
    assert_eq!(fresh.bootstraps().len(), 0);
}

#[tokio::test]
async fn a_changed_shard_count_that_a_newer_crd_let_through_changes_nothing_but_a_condition() {
    let (mut stage, pod) = serving().await;
    let before = stage.server.stream()["status"].clone();
    stage.change(|stream| stream["spec"]["shardCount"] = json!(8));
    let calls = stage.look().await.unwrap();
    let lines: Vec<_> = calls.iter().map(|call| call.line.as_str()).collect();
    assert_eq!(lines, ["PATCH datastreams/orders/status", "POST events"]);
    assert_eq!(condition(&stage, "Stalled"), "True ChangeRefused");
    let note = calls[1].body["note"].as_str().unwrap();
    assert!(note.starts_with("spec.shardCount: 8 is asked for, 1 is in force and stays so: "), "{note}");
    let status = stage.server.stream()["status"].clone();
    for field in ["map", "mapVersion", "streamStatus", "resolved", "openShardCount"] {
        assert_eq!(status[field], before[field], "{field}");
    }
    assert_eq!(pod.bootstraps().len(), 1);
    assert_eq!(stage.lines().await, [""; 0], "it is told once");

    stage.change(|stream| stream["spec"]["shardCount"] = json!(1));
    assert_eq!(stage.lines().await, ["PATCH datastreams/orders/status"]);
    assert_eq!((ready(&stage), condition(&stage, "Stalled")), ("True Serving".into(), String::new()));
}

#[tokio::test]
async fn no_field_that_cannot_change_is_changed_and_what_can_is() {
    type Change = (&'static str, fn(&mut Value));
    let changes: [Change; 4] = [
        ("spec.shardsPerGroup", |spec| spec["shardsPerGroup"] = json!(1)),
        ("spec.name", |spec| spec["name"] = json!("Orders")),
        ("spec.storage.size", |spec| spec["storage"]["size"] = json!("16Mi")),
        ("spec.storage.storageClassName", |spec| spec["storage"]["storageClassName"] = json!("other")),
    ];
    for (field, change) in changes {
        let (mut stage, _pod) = serving().await;
        stage.change(|stream| {
            change(&mut stream["spec"]);
            stream["spec"]["podTemplate"] = json!({"labels": {"team": "payments"}});
        });
        let lines = stage.lines().await;
        let expected =
            ["PATCH statefulsets/orders-1a2b3-g0", "PATCH datastreams/orders/status", "POST events"];
        assert_eq!(lines, expected, "{field}");
        let conditions = stage.server.stream()["status"]["conditions"].clone();
        let message = conditions[0]["message"].as_str().unwrap();
        assert!(message.starts_with(field), "{message}");
        assert_eq!(condition(&stage, "Stalled"), "True ChangeRefused");
    }
}

/// The Shards of the example as an earlier version made them: `count` in groups of two, all open.
fn shards_of_an_earlier_version(count: u32) -> Vec<Value> {
    let shards = catalog::map::Genesis::new(count, 2, 1_795_428_000).shards();
    let object = |shard: &catalog::Shard| {
        json!({
            "apiVersion": "kinetes.dev/v1alpha1", "kind": "Shard",
            "metadata": {
                "name": format!("orders-1a2b3-s{}", shard.id.index()), "namespace": NAMESPACE,
                "labels": {"kinetes.dev/stream-uid": UID, "kinetes.dev/stream": "orders"},
            },
            "spec": catalog::resource::ShardSpec::mirror(shard, "orders", &format!("orders-1a2b3-{}", shard.log)),
            "status": {"state": "Open"},
        })
    };
    shards.iter().map(object).collect()
}

#[tokio::test]
async fn the_map_of_a_stream_of_an_earlier_version_is_recorded_once_and_nothing_else_changes() {
    let (mut stage, _pod) = serving().await;
    let before = stage.server.stream()["status"].clone();
    stage.change(|stream| drop(stream["status"].as_object_mut().unwrap().remove("map")));
    stage.server.has("shards", shards_of_an_earlier_version(1));
    assert_eq!(
        stage.lines().await,
        ["GET shards", "PATCH datastreams/orders/status", "PATCH datastreams/orders/status"]
    );
    let status = stage.server.stream()["status"].clone();
    assert_eq!(status["map"], before["map"]);
    assert_eq!(ready(&stage), "True Serving");
    assert_eq!(stage.lines().await, [""; 0]);
}

#[tokio::test]
async fn a_log_that_an_earlier_version_opened_is_not_bootstrapped_again_though_its_shards_are_lost() {
    let (mut stage, _pod) = serving().await;
    stage.change(|stream| drop(stream["status"].as_object_mut().unwrap().remove("map")));
    stage.forget_shards();
    let fresh = FakePod::on_an_empty_volume(UID, GROUP_0).await;
    stage.move_pods_to(fresh.port);
    stage.see(Stage::pod(GROUP_0, false));
    stage.lines().await;
    assert_eq!(condition(&stage, "Stalled"), "True VolumeLost");
    assert_eq!(fresh.bootstraps().len(), 0);
}

#[tokio::test]
async fn shards_that_contradict_the_map_are_named_and_nothing_is_done_with_them() {
    let (mut stage, _pod) = serving().await;
    // What an earlier version made of a changed shardCount: an eighth beside the whole ring.
    stage.see(shards_of_an_earlier_version(8).swap_remove(4));
    assert_eq!(stage.failing_lines().await, ["PATCH datastreams/orders/status"]);
    assert_eq!(
        (ready(&stage), condition(&stage, "Reconciling")),
        ("True Serving".into(), "True Refused".into())
    );
    let conditions = stage.server.stream()["status"]["conditions"].clone();
    let message = conditions[1]["message"].as_str().unwrap();
    assert!(message.contains("shardId-000000000004 is not one of the 1 shards"), "{message}");
    assert_eq!(stage.failing_lines().await, [""; 0]);
}

#[tokio::test]
async fn a_changed_pod_template_is_applied_once_and_nothing_is_restarted() {
    let (mut stage, _pod) = serving().await;
    stage.change(|stream| stream["spec"]["podTemplate"] = json!({"labels": {"team": "payments"}}));
    assert_eq!(
        stage.lines().await,
        ["PATCH statefulsets/orders-1a2b3-g0", "PATCH datastreams/orders/status"]
    );
    assert_eq!(stage.lines().await, [""; 0]);
}

#[tokio::test]
async fn a_younger_stream_does_not_get_the_name_and_nothing_is_made_for_it() {
    let mut younger = orders();
    younger["metadata"]["creationTimestamp"] = json!("2026-11-23T11:00:00Z");
    let mut older = orders();
    older["metadata"]["uid"] = json!("0ld");
    older["metadata"]["namespace"] = json!("elsewhere");
    let mut stage = Stage::new(younger, NO_POD);
    stage.see(older);
    assert_eq!(stage.lines().await, ["PATCH datastreams/orders/status", "POST events"]);
    assert_eq!(condition(&stage, "Stalled"), "True NameTaken");
    assert_eq!(stage.lines().await, [""; 0]);
}

#[tokio::test]
async fn a_stream_that_has_its_name_keeps_it_whatever_older_one_appears() {
    let (mut stage, _pod) = serving().await;
    let mut older = orders();
    older["metadata"]["uid"] = json!("0ld");
    older["metadata"]["namespace"] = json!("elsewhere");
    for created in ["2026-11-23T09:00:00Z", "2026-11-23T10:00:00Z"] {
        older["metadata"]["creationTimestamp"] = json!(created);
        stage.see(older.clone());
        assert_eq!(stage.lines().await, [""; 0]);
        assert_eq!(ready(&stage), "True Serving");
    }
}

#[tokio::test]
async fn two_streams_do_not_get_one_name_though_the_copy_does_not_show_yet_that_one_has_it() {
    let mut stage = Stage::new(orders(), NO_POD);
    stage.lines().await;
    // The grant was written, and the watch did not deliver it yet.
    let first = orders();
    let mut second = orders();
    second["metadata"]["uid"] = json!("0");
    second["metadata"]["namespace"] = json!("elsewhere");
    second["metadata"]["resourceVersion"] = stage.server.stream()["metadata"]["resourceVersion"].clone();
    stage.see(first);
    let lines: Vec<_> = stage.look_at(second).await.unwrap().into_iter().map(|call| call.line).collect();
    assert_eq!(lines, ["PATCH datastreams/orders/status", "POST events"]);
    assert_eq!(condition(&stage, "Stalled"), "True NameTaken");
}

#[tokio::test]
async fn an_invalid_spec_that_slipped_in_stalls_and_nothing_is_made_for_it() {
    let mut stream = orders();
    stream["spec"]["replicas"] = json!(3);
    let mut stage = Stage::new(stream, NO_POD);
    assert_eq!(stage.lines().await, ["PATCH datastreams/orders/status", "POST events"]);
    assert_eq!(condition(&stage, "Stalled"), "True InvalidSpec");
}

#[tokio::test]
async fn a_stream_of_another_installation_is_told_so_once_and_left_alone() {
    for deleted in [false, true] {
        let mut stream = orders();
        stream["status"]["installation"] = json!("elsewhere/kinetes");
        stream["metadata"]["finalizers"] = json!(["kinetes.dev/stream"]);
        if deleted {
            stream["metadata"]["deletionTimestamp"] = json!("2026-11-23T12:00:00Z");
        }
        let mut stage = Stage::new(stream, NO_POD);
        let calls = stage.look().await.unwrap();
        let lines: Vec<_> = calls.iter().map(|call| call.line.as_str()).collect();
        assert_eq!(lines, ["PATCH datastreams/orders/status", "POST events"]);
        assert_eq!(condition(&stage, "Stalled"), "True OtherInstallation");
        assert_eq!(stage.server.stream()["status"]["installation"], "elsewhere/kinetes");
        let note = calls[1].body["note"].as_str().unwrap();
        let command =
            "kubectl annotate dstream orders -n shop --overwrite kinetes.dev/adopt=kinetes-system/kinetes";
        assert!(note.ends_with(command), "{note}");
        // The other one is alive and writes what it knows.
        stage.change(|stream| stream["status"]["conditions"] = json!([]));
        assert_eq!(stage.lines().await, [""; 0]);
    }
}

#[tokio::test]
async fn a_stream_that_is_handed_over_is_served_on_and_goes_when_it_is_deleted() {
    let (mut stage, pod) = serving().await;
    stage.change(|stream| stream["status"]["installation"] = json!("gone/kinetes"));
    stage.lines().await;
    assert_eq!(condition(&stage, "Stalled"), "True OtherInstallation");
    stage.change(|stream| {
        stream["metadata"]["annotations"] = json!({"kinetes.dev/adopt": "kinetes-system/kinetes"});
    });
    assert_eq!(stage.lines().await, ["PATCH datastreams/orders/status", "PATCH datastreams/orders/status"]);
    let stream = stage.server.stream();
    assert_eq!(stream["status"]["installation"], "kinetes-system/kinetes");
    assert_eq!((ready(&stage), condition(&stage, "Stalled")), ("True Serving".into(), String::new()));
    assert_eq!(pod.bootstraps().len(), 1, "it is the same log");
    assert_eq!(stage.lines().await, [""; 0]);

    stage.change(|stream| {
        stream["status"]["installation"] = json!("gone/kinetes");
        stream["metadata"]["deletionTimestamp"] = json!("2026-11-23T12:00:00Z");
    });
    stage.lines().await;
    assert_eq!(stage.server.stream()["metadata"]["finalizers"], json!([]));
}

#[tokio::test]
async fn a_refused_step_is_told_in_the_status_once_and_what_served_serves_on() {
    let (mut stage, _pod) = serving().await;
    stage.change(|stream| stream["spec"]["podTemplate"] = json!({"labels": {"team": "payments"}}));
    stage.server.refuse(Some("PATCH statefulsets/orders-1a2b3-g0"));
    let failed = ["PATCH statefulsets/orders-1a2b3-g0", "PATCH datastreams/orders/status"];
    assert_eq!(stage.failing_lines().await, failed);
    assert_eq!(ready(&stage), "True Serving");
    assert_eq!(condition(&stage, "Reconciling"), "True Refused");
    assert_eq!(stage.failing_lines().await, failed[..1]);

    stage.server.refuse(None);
    assert_eq!(stage.lines().await, failed);
    assert_eq!(condition(&stage, "Reconciling"), "");
}

/// An object of the stream's as a LIST finds it.
fn object(name: &str) -> Value {
    json!({"metadata": {"name": name, "namespace": NAMESPACE}})
}

async fn going(policy: &str) -> Stage {
    let (mut stage, _pod) = serving().await;
    stage.change(|stream| {
        stream["spec"]["deletionPolicy"] = json!(policy);
        stream["metadata"]["deletionTimestamp"] = json!("2026-11-23T12:00:00Z");
    });
    stage.server.has("statefulsets", vec![object(GROUP_0)]);
    stage.server.has("services", vec![object("orders-1a2b3")]);
    stage.server.has("pods", vec![object("orders-1a2b3-g0-0")]);
    stage.server.has("persistentvolumeclaims", vec![object("data-orders-1a2b3-g0-0")]);
    stage
}

const NOTHING: Vec<Value> = Vec::new();

#[tokio::test]
async fn a_deleted_stream_waits_for_its_pods_and_takes_its_volumes_with_it() {
    let mut stage = going("Delete").await;
    assert_eq!(
        stage.lines().await,
        [
            "PATCH datastreams/orders/status",
            "POST events",
            "GET statefulsets",
            "DELETE statefulsets",
            "GET pods",
            "DELETE pods"
        ]
    );
    assert_eq!(stage.server.stream()["status"]["streamStatus"], "DELETING");
    stage.server.has("statefulsets", NOTHING);
    let mut pod = object("orders-1a2b3-g0-0");
    pod["metadata"]["deletionTimestamp"] = json!("2026-11-23T12:00:30Z");
    stage.server.has("pods", vec![pod]);
    assert_eq!(stage.lines().await, ["GET statefulsets", "GET pods"], "the pod ends in its own time");

    stage.server.has("pods", NOTHING);
    let calls = stage.look().await.unwrap();
    let lines: Vec<_> = calls.iter().map(|call| call.line.as_str()).collect();
    assert_eq!(
        lines,
        [
            "GET statefulsets",
            "GET pods",
            "GET services",
            "DELETE services/orders-1a2b3",
            "GET shards",
            "GET persistentvolumeclaims",
            "DELETE persistentvolumeclaims"
        ]
    );
    let selector = format!("labelSelector=kinetes.dev%2Fstream-uid%3D{UID}");
    assert!(calls.last().unwrap().query.contains(&selector), "{}", calls.last().unwrap().query);

    stage.server.has("services", NOTHING);
    stage.server.has("persistentvolumeclaims", NOTHING);
    assert_eq!(
        stage.lines().await,
        [
            "GET statefulsets",
            "GET pods",
            "GET services",
            "GET shards",
            "GET persistentvolumeclaims",
            "PATCH datastreams/orders",
            "POST events"
        ]
    );
    assert_eq!(stage.server.stream()["metadata"]["finalizers"], json!([]));
}

#[tokio::test]
async fn a_deleted_stream_that_retains_leaves_its_volumes() {
    let mut stage = going("Retain").await;
    for kind in ["statefulsets", "services", "pods"] {
        stage.server.has(kind, NOTHING);
    }
    assert_eq!(
        stage.lines().await,
        [
            "PATCH datastreams/orders/status",
            "POST events",
            "GET statefulsets",
            "GET pods",
            "GET services",
            "GET shards",
            "GET persistentvolumeclaims",
            "PATCH datastreams/orders",
            "POST events"
        ]
    );
}

#[tokio::test]
async fn a_deleted_stream_goes_also_where_its_status_cannot_be_written() {
    let mut stage = going("Retain").await;
    stage.server.refuse(Some("PATCH datastreams/orders/status"));
    let lines = stage.lines().await;
    assert_eq!(lines[..3], ["PATCH datastreams/orders/status", "GET statefulsets", "DELETE statefulsets"]);
}

#[tokio::test]
async fn a_stream_for_which_nothing_was_ever_made_goes_at_once() {
    let mut stream = orders();
    stream["metadata"]["deletionTimestamp"] = json!("2026-11-23T12:00:00Z");
    stream["metadata"]["finalizers"] = json!(["other/finalizer", "kinetes.dev/stream"]);
    let mut stage = Stage::new(stream, NO_POD);
    let lines = stage.lines().await;
    assert!(!lines.iter().any(|line| line.starts_with("DELETE")), "{lines:?}");
    assert_eq!(stage.server.stream()["metadata"]["finalizers"], json!(["other/finalizer"]));
}

#[tokio::test]
async fn one_of_two_groups_that_waits_is_told_by_name() {
    let mut stage = made(orders(), NO_POD).await;
    let mut pod = Stage::pod(GROUP_1, false);
    pod["status"] = json!({"conditions": [{
        "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes are available",
    }]});
    stage.see(Stage::pod(GROUP_0, false));
    stage.see(pod);
    stage.lines().await;
    let stream = stage.server.stream();
    let message = stream["status"]["conditions"][0]["message"].as_str().unwrap();
    assert_eq!(message, "pod orders-1a2b3-g0-0 starts (and 1 more of its groups wait)");
}
