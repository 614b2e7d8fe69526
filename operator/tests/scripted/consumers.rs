//! Control calls on registered consumers, against a scripted API server, and what the operator makes of StreamConsumers.

use catalog::control::{DELETE_STREAM_PATH, RefusalCode};
use http::StatusCode;
use serde_json::{Value, json};

use crate::support::{Port, UID, managed_by, named, orders, refusal, serving};

const REGISTER: &str = "/v1/register-consumer";
const DEREGISTER: &str = "/v1/deregister-consumer";
const FIND: &str = "/v1/find-consumer";
const LIST: &str = "/v1/list-consumers";

/// A service for an ACTIVE stream that the API created, and that has these consumers.
async fn port(consumers: Vec<Value>) -> Port {
    let mut stream = managed_by(&["kinetes-api"]);
    stream["status"] = json!({"streamStatus": "ACTIVE"});
    let port = Port::open_with(Some(stream.clone()), vec![stream]).await;
    port.server.has("streamconsumers", consumers);
    port
}

/// A consumer of the stream, whose spec this manager set.
fn consumer(name: &str, manager: &str) -> Value {
    json!({
        "apiVersion": "kinetes.dev/v1alpha1", "kind": "StreamConsumer",
        "metadata": {
            "name": format!("orders.{name}"), "namespace": "shop", "uid": format!("uid-of-{name}"),
            "resourceVersion": "5", "creationTimestamp": "2026-11-23T10:00:00Z",
            "managedFields": [{"manager": manager, "operation": "Update", "fieldsV1": {"f:spec": {
                "f:stream": {}, "f:tags": {"f:team": {}},
            }}}],
        },
        "spec": {"stream": "orders", "name": name, "tags": {"team": "payments"}},
    })
}

fn of(name: &str) -> Value {
    json!({"stream": named("orders"), "consumer": {"name": name}})
}

fn register(name: &str) -> Value {
    json!({"stream": named("orders"), "name": name, "tags": {"team": "payments"}})
}

fn lines(port: &Port) -> Vec<String> {
    port.server.calls().into_iter().map(|call| call.line).collect()
}

#[tokio::test]
async fn a_registered_consumer_is_an_object_that_goes_with_its_stream() {
    let port = port(Vec::new()).await;
    let (status, answer) = port.call(REGISTER, register("Fan_1")).await;
    assert_eq!((status, &answer["name"]), (StatusCode::OK, &json!("Fan_1")));
    let calls = port.server.calls();
    let made: Vec<_> = calls.iter().map(|call| call.line.as_str()).collect();
    assert_eq!(made, ["GET datastreams/orders", "GET streamconsumers", "POST streamconsumers"]);
    assert!(calls[2].query.contains("fieldManager=kinetes-api"), "{}", calls[2].query);
    let object = &calls[2].body;
    assert_eq!(object["spec"], json!({"stream": "orders", "name": "Fan_1", "tags": {"team": "payments"}}));
    let metadata = &object["metadata"];
    assert!(metadata["name"].as_str().unwrap().starts_with("orders.fan-1-"), "{metadata}");
    assert_eq!(
        (&metadata["namespace"], &metadata["ownerReferences"][0]["uid"]),
        (&json!("shop"), &json!(UID))
    );
}

#[tokio::test]
async fn a_taken_name_a_full_stream_and_one_that_is_not_there_are_refused_in_the_words_of_aws() {
    let taken = "Consumer fan under stream orders already exists for account 000000000000.";
    let there = port(vec![consumer("fan", "kubectl")]).await;
    let refused = refusal(there.call(REGISTER, register("fan")).await);
    assert_eq!((refused.code, refused.message.as_str()), (RefusalCode::ResourceInUse, taken));
    let race = port(Vec::new()).await;
    race.server.fail("POST streamconsumers", 409);
    assert_eq!(refusal(race.call(REGISTER, register("fan")).await).message, taken);
    let full = port((0..20).map(|number| consumer(&format!("fan{number}"), "kinetes-api")).collect()).await;
    assert_eq!(refusal(full.call(REGISTER, register("fan")).await).code, RefusalCode::LimitExceeded);
    assert_eq!(lines(&full), ["GET datastreams/orders", "GET streamconsumers"]);
    for path in [FIND, DEREGISTER] {
        let refused = refusal(full.call(path, of("other")).await);
        assert_eq!(refused.message, "Consumer other, account 000000000000 not found.");
    }
}

#[tokio::test]
async fn a_stream_that_is_creating_takes_no_consumers() {
    let port = Port::open_with(Some(orders()), vec![orders()]).await;
    let refused = refusal(port.call(REGISTER, register("fan")).await);
    assert_eq!(refused.code, RefusalCode::ResourceInUse);
    assert!(refused.message.ends_with("not ACTIVE, instead in state CREATING"), "{}", refused.message);
}

#[tokio::test]
async fn consumers_are_found_and_listed_by_name_and_those_of_other_streams_are_not_there() {
    let mut other = consumer("z", "kubectl");
    other["spec"]["stream"] = json!("bills");
    let mut left = consumer("y", "kinetes-api");
    left["metadata"]["ownerReferences"] = json!([{"apiVersion": "kinetes.dev/v1alpha1", "kind": "DataStream", "name": "orders", "uid": "earlier"}]);
    let port = port(vec![consumer("b", "kubectl"), other, consumer("a", "kinetes-api"), left]).await;
    let created_ms = 1_795_428_000_000_i64;
    let shown = |name: &str| json!({"name": name, "createdMs": created_ms});
    assert_eq!(port.call(FIND, of("b")).await, (StatusCode::OK, shown("b")));
    let list = |after: Option<&str>, limit: usize| json!({"stream": named("orders"), "after": after, "limit": limit});
    assert_eq!(port.call(LIST, list(None, 9)).await.1, json!([shown("a"), shown("b")]));
    assert_eq!(port.call(LIST, list(None, 1)).await.1, json!([shown("a")]));
    assert_eq!(port.call(LIST, list(Some("a"), 9)).await.1, json!([shown("b")]));
    let mut earlier = of("b");
    earlier["consumer"]["createdSeconds"] = json!(created_ms / 1_000 - 1);
    assert_eq!(refusal(port.call(FIND, earlier).await).code, RefusalCode::ResourceNotFound);
}

#[tokio::test]
async fn a_consumer_of_the_api_is_deregistered_if_it_is_still_that_one_and_one_of_a_manifest_is_not() {
    let port = port(vec![consumer("ours", "kinetes-api"), consumer("theirs", "flux")]).await;
    assert_eq!(port.call(DEREGISTER, of("ours")).await, (StatusCode::OK, Value::Null));
    let calls = port.server.calls();
    assert_eq!(calls[2].line, "DELETE streamconsumers/orders.ours");
    assert_eq!(calls[2].body["preconditions"]["uid"], "uid-of-ours");
    let refused = refusal(port.call(DEREGISTER, of("theirs")).await);
    assert_eq!(
        refused.message,
        "Consumer theirs of stream orders under account 000000000000 is managed in Kubernetes by flux: delete it there \
         (kubectl delete streamconsumer orders.theirs -n shop)."
    );
    assert_eq!(lines(&port), ["GET datastreams/orders", "GET streamconsumers"]);
}

#[tokio::test]
async fn tags_of_a_consumer_are_changed_unless_a_manifest_sets_them() {
    let port = port(vec![consumer("ours", "kinetes-api"), consumer("theirs", "flux")]).await;
    let tag = |name: &str, key: &str| {
        let mut call = of(name);
        call["tags"] = json!({key: "billing"});
        call
    };
    assert_eq!(port.call("/v1/tag-resource", tag("ours", "team")).await, (StatusCode::OK, Value::Null));
    let patch = port.server.calls().pop().unwrap();
    assert_eq!(patch.line, "PATCH streamconsumers/orders.ours");
    let expected = json!({"metadata": {"resourceVersion": "5"}, "spec": {"tags": {"team": "billing"}}});
    assert_eq!(patch.body, expected);
    let refused = refusal(port.call("/v1/tag-resource", tag("theirs", "team")).await);
    assert!(
        refused.message.contains("by flux, which sets spec.tags.team of StreamConsumer shop/orders.theirs")
    );
    assert_eq!(port.call("/v1/tag-resource", tag("theirs", "cost")).await.0, StatusCode::OK);
    assert_eq!(port.call("/v1/list-tags", of("theirs")).await.1, json!({"team": "payments"}));
}

#[tokio::test]
async fn a_stream_with_consumers_goes_only_with_them_and_not_with_one_that_somebody_manages() {
    let delete = |enforce: bool| {
        let mut call = named("orders");
        call["enforceConsumerDeletion"] = json!(enforce);
        call
    };
    let ours = port(vec![consumer("ours", "kinetes-api")]).await;
    let refused = refusal(ours.call(DELETE_STREAM_PATH, delete(false)).await);
    assert!(
        refused
            .message
            .starts_with("DeleteStream can't delete 000000000000:orders because there are consumers")
    );
    assert_eq!(ours.call(DELETE_STREAM_PATH, delete(true)).await.0, StatusCode::OK);
    let theirs = port(vec![consumer("theirs", "flux")]).await;
    let refused = refusal(theirs.call(DELETE_STREAM_PATH, delete(true)).await);
    assert!(refused.message.contains("is managed in Kubernetes by flux"), "{}", refused.message);
    assert!(lines(&theirs).iter().all(|line| line.starts_with("GET")));
}

#[tokio::test]
async fn the_status_counts_the_consumers_of_the_stream_whoever_made_them() {
    let (mut stage, _pod) = serving().await;
    let version = stage.server.stream()["status"]["mapVersion"].as_i64().unwrap();
    stage.see(consumer("ours", "kinetes-api"));
    stage.see(consumer("theirs", "flux"));
    assert_eq!(stage.lines().await, ["PATCH datastreams/orders/status"]);
    let status = &stage.server.stream()["status"];
    assert_eq!(status["consumerCount"], 2);
    assert!(status["mapVersion"].as_i64().unwrap() > version, "gateways hear of it");
    assert_eq!(stage.lines().await, [""; 0]);
}
