//! The end of a catalog service: what came is answered, and nothing is cut off.

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::json;

use crate::support::{Port, named, orders};

#[tokio::test]
async fn a_call_under_way_is_answered_and_followers_go_elsewhere() {
    let port = Port::open_with(Some(orders()), vec![orders()]).await;
    let follow = async || {
        let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        let uri = format!("http://{}/v1/catalog", port.address);
        client.request(Request::get(uri).body(Full::default()).unwrap()).await
    };
    let mut feed = follow().await.unwrap().into_body();
    assert!(feed.frame().await.unwrap().is_ok(), "the snapshot");
    let hold = port.server.hold("GET datastreams/orders");
    let draining = async {
        hold.came.notified().await;
        port.drain.give();
        while let Some(frame) = feed.frame().await {
            frame.unwrap();
        }
        hold.go.notify_one();
    };
    let call = port.call("/v1/list-tags", json!({"stream": named("orders")}));
    let ((status, tags), ()) = tokio::join!(call, draining);
    assert_eq!((status, tags), (StatusCode::OK, orders()["spec"]["tags"].clone()));
    port.serving.await.unwrap();
    assert!(follow_fails(&port.address).await);
}

async fn follow_fails(address: &str) -> bool {
    let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let request = Request::get(format!("http://{address}/v1/catalog")).body(Full::default()).unwrap();
    client.request(request).await.is_err()
}
