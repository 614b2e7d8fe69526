//! Control calls that change settings and tags of streams, and the settings of the account, against a scripted API server.

use catalog::control::RefusalCode;
use http::StatusCode;
use serde_json::{Value, json};

use crate::support::{Port, named, now, orders, refusal};

/// An ACTIVE stream whose spec a manifest sets: its retention, one tag, and its number of shards.
fn stream() -> Value {
    let mut stream = orders();
    stream["spec"] = json!({
        "shardCount": 4, "retentionPeriodHours": 48, "tags": {"team": "payments", "by": "api"},
        "maxRecordSizeKiB": 2048,
    });
    stream["status"] = json!({"streamStatus": "ACTIVE"});
    stream["metadata"]["managedFields"] = json!([
        {"manager": "argocd-controller", "operation": "Apply", "fieldsV1": {"f:spec": {
            "f:shardCount": {}, "f:retentionPeriodHours": {}, "f:tags": {"f:team": {}},
        }}},
        {"manager": "kinetes-api", "operation": "Update", "fieldsV1": {"f:spec": {
            "f:maxRecordSizeKiB": {}, "f:tags": {"f:by": {}},
        }}},
        {"manager": "kubectl", "operation": "Update", "subresource": "scale", "fieldsV1": {"f:spec": {
            "f:maxRecordSizeKiB": {},
        }}},
    ]);
    stream
}

async fn port() -> Port {
    Port::open(vec![stream()]).await
}

fn change(change: Value) -> Value {
    json!({"stream": named("orders"), "change": change})
}

fn lines(port: &Port) -> Vec<String> {
    port.server.calls().into_iter().map(|call| call.line).collect()
}

const CHANGE: &str = "/v1/change-stream";
const TAG: &str = "/v1/tag-resource";
const UNTAG: &str = "/v1/untag-resource";

#[tokio::test]
async fn a_field_that_no_manifest_sets_is_patched_under_the_version_that_was_judged() {
    let port = port().await;
    let metrics = json!({"enableMetrics": ["OutgoingBytes", "IncomingBytes"]});
    let (status, answer) = port.call(CHANGE, change(metrics)).await;
    let enabled = json!({"shardLevelMetrics": ["IncomingBytes", "OutgoingBytes"], "consumerCount": 0});
    assert_eq!((status, answer), (StatusCode::OK, json!({"before": {"consumerCount": 0}, "after": enabled})));
    let calls = port.server.calls();
    let made: Vec<_> = calls.iter().map(|call| call.line.as_str()).collect();
    assert_eq!(made, ["GET datastreams", "PATCH datastreams/orders"]);
    assert!(calls[1].query.contains("fieldManager=kinetes-api"), "{}", calls[1].query);
    let patch = json!({
        "metadata": {"resourceVersion": "1"},
        "spec": {"shardLevelMetrics": ["IncomingBytes", "OutgoingBytes"]},
    });
    assert_eq!(calls[1].body, patch);
}

#[tokio::test]
async fn what_the_api_set_the_api_may_set_again_and_everything_else_of_the_spec_stays() {
    let port = Port::open_with(Some(stream()), vec![stream()]).await;
    assert_eq!(port.call(CHANGE, change(json!({"maxRecordSize": 4096}))).await.0, StatusCode::OK);
    let mode = json!({"mode": {"mode": "ON_DEMAND"}});
    assert_eq!(port.call(CHANGE, change(mode)).await.0, StatusCode::OK);
    let mut expected = stream()["spec"].clone();
    expected["maxRecordSizeKiB"] = json!(4096);
    expected["streamModeDetails"] = json!({"streamMode": "ON_DEMAND"});
    assert_eq!(port.server.stream()["spec"], expected);
}

#[tokio::test]
async fn a_field_that_a_manifest_sets_is_refused_naming_manager_and_object() {
    let port = port().await;
    let refusal = refusal(port.call(CHANGE, change(json!({"increaseRetention": 72}))).await);
    assert_eq!(refusal.code, RefusalCode::ResourceInUse);
    assert_eq!(
        refusal.message,
        "Stream orders under account 000000000000 is managed in Kubernetes by argocd-controller, which sets \
         spec.retentionPeriodHours of DataStream shop/orders: change it there."
    );
    assert_eq!(lines(&port), ["GET datastreams"], "nothing is written");
}

#[tokio::test]
async fn what_a_manifest_says_already_is_no_change_and_no_error() {
    let port = port().await;
    assert_eq!(port.call(CHANGE, change(json!({"increaseRetention": 48}))).await.0, StatusCode::OK);
    let tags = json!({"stream": named("orders"), "tags": {"team": "payments"}});
    assert_eq!(port.call(TAG, tags).await, (StatusCode::OK, Value::Null));
    assert_eq!(lines(&port), ["GET datastreams", "GET datastreams"]);
}

#[tokio::test]
async fn a_value_that_breaks_a_rule_is_refused_in_the_words_of_aws() {
    let port = port().await;
    let short = refusal(port.call(CHANGE, change(json!({"increaseRetention": 47}))).await);
    assert_eq!(short.code, RefusalCode::InvalidArgument);
    assert!(short.message.contains("can not be shorter than existing retention period (48 hours)"));
    let unknown = json!({"stream": named("bills"), "change": {"increaseRetention": 72}});
    let unknown = refusal(port.call(CHANGE, unknown).await);
    assert_eq!(unknown.code, RefusalCode::ResourceNotFound);
    assert_eq!(unknown.message, "Stream bills under account 000000000000 not found.");
}

#[tokio::test]
async fn a_stream_that_is_not_active_is_not_changed() {
    let mut creating = stream();
    creating["status"] = json!({"streamStatus": "CREATING"});
    let port = Port::open(vec![creating]).await;
    let refusal = refusal(port.call(CHANGE, change(json!({"maxRecordSize": 4096}))).await);
    assert_eq!(refusal.code, RefusalCode::ResourceInUse);
    assert!(refusal.message.ends_with("not ACTIVE, instead in state CREATING"), "{}", refusal.message);
}

#[tokio::test]
async fn a_call_is_judged_again_if_somebody_else_wrote_first() {
    let port = Port::open_with(Some(stream()), vec![stream()]).await;
    port.server.interfere("PATCH datastreams/orders");
    let tags = json!({"stream": named("orders"), "tags": {"cost": "42"}});
    assert_eq!(port.call(TAG, tags).await.0, StatusCode::OK);
    let get_and_patch = ["GET datastreams/orders", "PATCH datastreams/orders"];
    assert_eq!(lines(&port), [get_and_patch, get_and_patch].concat());
    assert_eq!(port.server.stream()["spec"]["tags"]["cost"], "42");
}

#[tokio::test]
async fn a_call_that_never_comes_first_ends_and_may_be_sent_again() {
    let port = Port::open_with(Some(stream()), vec![stream()]).await;
    port.server.fail("PATCH datastreams/orders", 409);
    let tags = json!({"stream": named("orders"), "tags": {"cost": "42"}});
    assert_eq!(refusal(port.call(TAG, tags).await).code, RefusalCode::Unavailable);
    assert_eq!(lines(&port).len(), 10);
}

#[tokio::test]
async fn a_rule_of_the_crd_is_told_in_its_words() {
    let port = Port::open_with(Some(stream()), vec![stream()]).await;
    port.server.fail("PATCH datastreams/orders", 422);
    let refusal = refusal(port.call(CHANGE, change(json!({"maxRecordSize": 4096}))).await);
    assert_eq!((refusal.code, refusal.message.as_str()), (RefusalCode::InvalidArgument, "not for you"));
}

#[tokio::test]
async fn tags_are_changed_one_by_one_and_those_of_a_manifest_are_its_own() {
    let port = Port::open_with(Some(stream()), vec![stream()]).await;
    let untag = |keys: Value| json!({"stream": named("orders"), "keys": keys});
    assert_eq!(port.call(UNTAG, untag(json!(["by", "nobodys"]))).await.0, StatusCode::OK);
    let calls = port.server.calls();
    let patch = json!({"metadata": {"resourceVersion": "1"}, "spec": {"tags": {"by": null}}});
    assert_eq!(calls[1].body, patch);
    let add = json!({"stream": named("orders"), "tags": {"cost": "42", "team": "billing"}});
    for (path, call) in [(UNTAG, untag(json!(["team"]))), (TAG, add)] {
        let refusal = refusal(port.call(path, call).await);
        assert!(
            refusal
                .message
                .contains("argocd-controller, which sets spec.tags.team of DataStream shop/orders")
        );
    }
    assert_eq!(lines(&port), ["GET datastreams/orders"; 2], "nothing is written, of the other tag neither");
    let list = json!({"stream": named("orders")});
    assert_eq!(port.call("/v1/list-tags", list).await, (StatusCode::OK, json!({"team": "payments"})));
}

#[tokio::test]
async fn a_stream_that_its_namespace_does_not_have_any_more_is_looked_for_elsewhere() {
    let mut elsewhere = stream();
    elsewhere["metadata"]["namespace"] = json!("bank");
    let port = Port::open_with(Some(stream()), vec![elsewhere]).await;
    port.server.fail("GET datastreams/orders", 404);
    assert_eq!(port.call("/v1/list-tags", json!({"stream": named("orders")})).await.0, StatusCode::OK);
    assert_eq!(lines(&port), ["GET datastreams/orders", "GET datastreams"]);
}

#[tokio::test]
async fn settings_of_an_account_are_a_config_map() {
    let port = Port::open(Vec::new()).await;
    let account = |commitment: bool| json!({"accountId": "000000000000", "commitment": commitment});
    let describe = json!({"accountId": "000000000000"});
    assert_eq!(port.call("/v1/describe-account", describe.clone()).await, (StatusCode::OK, json!({})));
    let (started_ms, day_ms) = (now().as_millisecond(), 24 * 3_600_000);
    let enabled = json!({"startedMs": started_ms, "earliestEndMs": started_ms + day_ms});
    assert_eq!(port.call("/v1/update-account", account(true)).await, (StatusCode::OK, enabled.clone()));
    let calls = port.server.calls();
    let made: Vec<_> = calls.iter().map(|call| call.line.as_str()).collect();
    let name = "configmaps/kinetes-account-000000000000";
    let get = format!("GET {name}");
    assert_eq!(made, [get.as_str(), get.as_str(), "POST configmaps"]);
    let written = calls[2].body.clone();
    assert_eq!(written["metadata"]["namespace"], "kinetes-system");
    let commitment = written["data"]["minimumThroughputBillingCommitment"].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(commitment).unwrap(), enabled);

    port.server.has("configmaps", vec![written]);
    assert_eq!(port.call("/v1/describe-account", describe).await, (StatusCode::OK, enabled.clone()));
    let (_, ending) = port.call("/v1/update-account", account(false)).await;
    assert_eq!(ending["endMs"], enabled["earliestEndMs"], "it goes on until a day is over");
    let last = port.server.calls().pop().unwrap();
    assert_eq!(last.line, format!("PATCH {name}"));
    let other = json!({"accountId": "111111111111", "commitment": true});
    let other = refusal(port.call("/v1/update-account", other).await);
    assert_eq!(other.message, "There is no account 111111111111 here.");
}

#[tokio::test]
async fn warm_throughput_needs_the_commitment_of_the_account() {
    let mut on_demand = stream();
    on_demand["spec"]["streamModeDetails"] = json!({"streamMode": "ON_DEMAND"});
    let port = Port::open_with(Some(on_demand.clone()), vec![on_demand]).await;
    let warm = || change(json!({"warmThroughput": 16}));
    let refusal = refusal(port.call(CHANGE, warm()).await);
    assert!(refusal.message.starts_with("WarmThroughputMiBps needs MinimumThroughputBillingCommitment"));
    let commitment = json!({"startedMs": 1}).to_string();
    let account = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kinetes-account-000000000000"},
        "data": {"minimumThroughputBillingCommitment": commitment},
    });
    port.server.has("configmaps", vec![account]);
    assert_eq!(port.call(CHANGE, warm()).await.0, StatusCode::OK);
    assert_eq!(port.server.stream()["spec"]["warmThroughputMiBps"], 16);
}

#[tokio::test]
async fn limits_count_what_the_catalog_has() {
    let describe = || json!({"accountId": "000000000000"});
    let port = Port::open(vec![stream()]).await;
    let early = refusal(port.call("/v1/describe-limits", describe()).await);
    assert_eq!(early.code, RefusalCode::Unavailable, "a catalog that is not whole counts nothing");
    let mut on_demand = stream();
    on_demand["spec"]["streamModeDetails"] = json!({"streamMode": "ON_DEMAND"});
    let port = Port::open_with(Some(on_demand), Vec::new()).await;
    let limits = json!({"openShards": 0, "onDemandStreams": 1});
    assert_eq!(port.call("/v1/describe-limits", describe()).await, (StatusCode::OK, limits));
    assert!(port.server.calls().is_empty());
}
