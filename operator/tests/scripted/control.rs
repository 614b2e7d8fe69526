//! Control calls that create, delete and look up streams, over HTTP, against a scripted API server.

use bytes::Bytes;
use catalog::control::{CREATE_STREAM_PATH, DELETE_STREAM_PATH, FIND_STREAM_PATH, RefusalCode};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

use crate::support::{Port, managed_by, named, orders, refusal};

fn create(name: &str) -> Value {
    json!({
        "accountId": "000000000000", "name": name, "mode": "PROVISIONED", "shardCount": 2, "maxRecordSizeKib": null,
        "tags": {"team": "payments"},
    })
}

#[tokio::test]
async fn a_created_stream_is_an_object_of_the_release_whose_volumes_go_with_it() {
    let port = Port::open(Vec::new()).await;
    let answer = port.call(CREATE_STREAM_PATH, create("Orders_V2")).await;
    assert_eq!(answer, (StatusCode::OK, Value::Null));
    let calls = port.server.calls();
    let lines: Vec<_> = calls.iter().map(|call| call.line.as_str()).collect();
    assert_eq!(lines, ["GET datastreams", "POST datastreams"]);
    assert!(calls[1].query.contains("fieldManager=kinetes-api"), "{}", calls[1].query);
    let stream = &calls[1].body;
    assert_eq!(stream["metadata"]["namespace"], "kinetes-system");
    assert!(stream["metadata"]["name"].as_str().unwrap().starts_with("orders-v2-"));
    let expected = json!({
        "name": "Orders_V2", "streamModeDetails": {"streamMode": "PROVISIONED"}, "shardCount": 2,
        "tags": {"team": "payments"}, "deletionPolicy": "Delete",
    });
    assert_eq!(stream["spec"], expected);
}

#[tokio::test]
async fn a_taken_name_is_refused_in_the_words_of_aws_whichever_namespace_has_it() {
    let port = Port::open(vec![orders()]).await;
    let refusal = refusal(port.call(CREATE_STREAM_PATH, create("orders")).await);
    assert_eq!(refusal.code, RefusalCode::ResourceInUse);
    assert_eq!(refusal.message, "Stream orders under account 000000000000 already exists.");
    assert_eq!(port.server.calls().len(), 1, "nothing is written");
}

#[tokio::test]
async fn a_value_that_breaks_a_rule_is_refused_before_the_api_server_sees_it() {
    let port = Port::open(Vec::new()).await;
    let mut call = create("orders");
    call["shardCount"] = json!(10_001);
    let refusal = refusal(port.call(CREATE_STREAM_PATH, call).await);
    assert_eq!(refusal.code, RefusalCode::InvalidArgument);
    assert_eq!(refusal.message, "spec.shardCount: shardCount must be 1 to 10000");
}

#[tokio::test]
async fn a_stream_that_the_api_created_is_deleted_if_it_is_still_that_one() {
    let port = Port::open(vec![managed_by(&["kinetes-api", "kinetes-api"])]).await;
    let answer = port.call(DELETE_STREAM_PATH, named("orders")).await;
    assert_eq!(answer, (StatusCode::OK, Value::Null));
    let calls = port.server.calls();
    let lines: Vec<_> = calls.iter().map(|call| call.line.as_str()).collect();
    assert_eq!(lines, ["GET datastreams", "GET streamconsumers", "DELETE datastreams/orders"]);
    assert_eq!(calls[2].body["preconditions"]["uid"], orders()["metadata"]["uid"]);
}

#[tokio::test]
async fn a_stream_that_somebody_manages_is_not_deleted_and_he_is_named() {
    for (managers, named_one) in [
        (vec!["kubectl-client-side-apply"], "kubectl-client-side-apply"),
        (vec!["kinetes-api", "argocd"], "argocd"),
    ] {
        let port = Port::open(vec![managed_by(&managers)]).await;
        let refusal = refusal(port.call(DELETE_STREAM_PATH, named("orders")).await);
        assert_eq!(refusal.code, RefusalCode::ResourceInUse);
        let part = format!(
            "is managed in Kubernetes by {named_one}: delete it there (kubectl delete dstream orders -n shop)"
        );
        assert!(refusal.message.contains(&part), "{}", refusal.message);
        assert_eq!(port.server.calls().len(), 1, "nothing is deleted");
    }
}

#[tokio::test]
async fn a_stream_that_is_not_there_is_not_found() {
    let port = Port::open(Vec::new()).await;
    let refusal = refusal(port.call(DELETE_STREAM_PATH, named("orders")).await);
    assert_eq!(refusal.code, RefusalCode::ResourceNotFound);
    assert_eq!(port.call(FIND_STREAM_PATH, named("orders")).await, (StatusCode::OK, Value::Null));
}

#[tokio::test]
async fn a_stream_that_the_copy_does_not_have_yet_is_found() {
    let port = Port::open(vec![orders()]).await;
    let (status, stream) = port.call(FIND_STREAM_PATH, named("orders")).await;
    assert_eq!(
        (status, &stream["name"], &stream["status"]),
        (StatusCode::OK, &json!("orders"), &json!("CREATING"))
    );
    let lines: Vec<_> = port.server.calls().into_iter().map(|call| call.line).collect();
    assert_eq!(lines, ["GET datastreams", "GET shards"]);
}

#[tokio::test]
async fn a_stream_that_the_copy_has_costs_the_api_server_nothing_whatever_its_status() {
    for status in ["CREATING", "ACTIVE", "DELETING"] {
        let mut stream = orders();
        stream["status"] = json!({"streamStatus": status});
        let port = Port::open_with(Some(stream), Vec::new()).await;
        let (_, found) = port.call(FIND_STREAM_PATH, named("orders")).await;
        assert_eq!((&found["name"], &found["status"]), (&json!("orders"), &json!(status)));
        assert_eq!(port.server.calls().len(), 0);
    }
}

#[tokio::test]
async fn a_follower_may_ask_for_a_part_and_for_nothing_that_is_not_understood() {
    let port = Port::open_with(Some(orders()), Vec::new()).await;
    let follow = async |query: &str| {
        let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        let uri = format!("http://{}/v1/catalog{query}", port.address);
        client.request(Request::get(uri).body(Full::default()).unwrap()).await.unwrap()
    };
    for (query, streams) in
        [("", 1), ("?stream=orders", 1), ("?namespace=shop", 1), ("?stream=bills&namespace=shop", 0)]
    {
        let line = follow(query).await.into_body().frame().await.unwrap().unwrap().into_data().unwrap();
        let line: Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(line["snapshot"].as_array().unwrap().len(), streams, "{query}");
    }
    assert_eq!(follow("?streams=orders").await.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_stream_whose_shards_are_being_put_right_is_never_denied() {
    let mut stream = orders();
    stream["status"] =
        json!({"streamStatus": "ACTIVE", "openShardCount": 4, "closedShardCount": 0, "mapVersion": 7});
    let port = Port::open(vec![stream]).await;
    let refusal = refusal(port.call(FIND_STREAM_PATH, named("orders")).await);
    assert_eq!(refusal.code, RefusalCode::Unavailable);
}

#[tokio::test]
async fn a_call_that_is_not_served_yet_is_refused_as_such_and_touches_nothing() {
    let port = Port::open(vec![orders()]).await;
    let split = json!({"stream": named("orders"), "change": {"count": {"target": 8}}});
    for (path, call) in [("/v1/change-shards", split), ("/v1/of-tomorrow", named("orders"))] {
        let refusal = refusal(port.call(path, call).await);
        assert_eq!(refusal.code, RefusalCode::NotServed, "{path}: {}", refusal.message);
    }
    assert!(port.server.calls().is_empty());
}
