//! HTTP as it is on the wire, where an SDK hides it.

use bytes::Bytes;
use http::{Request, Response, StatusCode, Version};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use minicbor::{Decoder, Encoder};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::program::{LIMIT, local};

const JSON: &str = "application/x-amz-json-1.1";
const CBOR: &str = "application/x-amz-cbor-1.1";

async fn call(url: &str, http2: bool, target: &str, body: &'static str) -> Response<Incoming> {
    call_with(url, http2, JSON, target, body.as_bytes().to_vec()).await
}

async fn call_with(
    url: &str,
    http2: bool,
    content_type: &str,
    target: &str,
    body: Vec<u8>,
) -> Response<Incoming> {
    let client = Client::builder(TokioExecutor::new()).http2_only(http2).build_http();
    let request = Request::post(url)
        .header("content-type", content_type)
        .header("x-amz-target", target)
        .body(Full::<Bytes>::from(body))
        .unwrap();
    client.request(request).await.unwrap()
}

#[tokio::test]
async fn one_port_speaks_http_1_and_http_2_by_prior_knowledge() {
    let (_data_dir, local) = local().await;
    for (http2, version) in [(false, Version::HTTP_11), (true, Version::HTTP_2)] {
        let response = call(&local.url, http2, "Kinesis_20131202.ListStreams", "{}").await;
        assert_eq!((response.status(), response.version()), (StatusCode::OK, version));
    }
}

#[tokio::test]
async fn every_answer_has_its_ids_and_a_date() {
    let (_data_dir, local) = local().await;
    let response = call(&local.url, false, "Kinesis_20131202.Nonsense", "{}").await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let header =
        |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    assert_eq!(header("x-amzn-requestid").len(), 36);
    assert_eq!(base64_simd::STANDARD.decode_to_vec(header("x-amz-id-2")).unwrap().len(), 72);
    assert!(header("date").ends_with("GMT"));
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let error: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(error["__type"], "UnknownOperationException");
}

#[tokio::test]
async fn operation_without_a_result_answers_an_empty_body_with_a_content_type() {
    let (_data_dir, local) = local().await;
    let body = r#"{"StreamName":"orders","ShardCount":1}"#;
    let response = call(&local.url, false, "Kinesis_20131202.CreateStream", body).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "application/x-amz-json-1.1");
    assert!(response.into_body().collect().await.unwrap().to_bytes().is_empty());
}

#[tokio::test]
async fn dry_run_checks_everything_and_changes_nothing() {
    let (_data_dir, local) = local().await;
    call(&local.url, false, "Kinesis_20131202.CreateStream", r#"{"StreamName":"orders","ShardCount":1}"#)
        .await;
    let put = r#"{"StreamName":"orders","PartitionKey":"a","Data":"","DryRun":true}"#;
    let response = call(&local.url, false, "Kinesis_20131202.PutRecord", put).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let error: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(error["__type"], "DryRunOperationException");
    assert_eq!(crate::program::read_all(&local.client(), "orders").await, [""; 0]);
}

#[tokio::test]
async fn body_too_large_for_any_request_is_refused() {
    let (_data_dir, local) = local().await;
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let body = Full::<Bytes>::from(vec![b' '; (16 << 20) + 1]);
    let response = client.request(Request::post(&local.url).body(body).unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn request_whose_head_calls_nothing_is_answered_before_its_body_comes() {
    let (_data_dir, local) = local().await;
    let address = local.url.strip_prefix("http://").unwrap();
    for (line, content_type, status) in [
        ("PUT / HTTP/1.1", "application/x-amz-json-1.1", "HTTP/1.1 403"),
        ("POST / HTTP/1.1", "text/plain", "HTTP/1.1 404"),
    ] {
        let mut connection = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "{line}\r\nhost: {address}\r\ncontent-type: {content_type}\r\ncontent-length: 1000\r\n\
             x-amz-target: Kinesis_20131202.ListStreams\r\n\r\n"
        );
        connection.write_all(head.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        timeout(LIMIT, connection.read_exact(&mut answer)).await.expect("an answer in time").unwrap();
        assert_eq!(std::str::from_utf8(&answer).unwrap(), status);
    }
}

/// A call in CBOR, answered with 200.
async fn call_in_cbor(url: &str, operation: &str, members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new());
    encoder.begin_map().unwrap();
    for (name, value) in members {
        encoder.str(name).unwrap();
        match std::str::from_utf8(value) {
            Ok(text) => encoder.str(text).unwrap(),
            Err(_) => encoder.bytes(value).unwrap(),
        };
    }
    encoder.end().unwrap();
    let target = format!("Kinesis_20131202.{operation}");
    let response = call_with(url, true, CBOR, &target, encoder.into_writer()).await;
    assert_eq!(response.status(), StatusCode::OK, "{operation}");
    assert_eq!(response.headers()["content-type"], CBOR, "{operation}");
    response.into_body().collect().await.unwrap().to_bytes().into()
}

/// The text behind a member's name, wherever it is.
fn text_after(body: &[u8], name: &str) -> String {
    let at = body.windows(name.len()).position(|window| window == name.as_bytes()).unwrap();
    Decoder::new(&body[at + name.len()..]).str().unwrap().to_owned()
}

#[tokio::test]
async fn record_put_in_cbor_is_read_in_cbor() {
    let (_data_dir, local) = local().await;
    call(&local.url, false, "Kinesis_20131202.CreateStream", r#"{"StreamName":"orders","ShardCount":1}"#)
        .await;
    let stream = ("StreamName", b"orders".as_slice());
    let data = b"\x00\xff\xfe".as_slice();
    let put = [stream, ("Data", data), ("PartitionKey", b"k".as_slice())];
    let put = call_in_cbor(&local.url, "PutRecord", &put).await;
    let shard = ("ShardId", b"shardId-000000000000".as_slice());
    let get = [stream, shard, ("ShardIteratorType", b"TRIM_HORIZON".as_slice())];
    let iterator = text_after(&call_in_cbor(&local.url, "GetShardIterator", &get).await, "ShardIterator");
    let got = call_in_cbor(&local.url, "GetRecords", &[("ShardIterator", iterator.as_bytes())]).await;
    assert_eq!(text_after(&got, "SequenceNumber"), text_after(&put, "SequenceNumber"));
    assert!(got.windows(8).any(|window| window == b"Data\x43\x00\xff\xfe"), "{got:?}");
}

#[tokio::test]
async fn error_for_a_client_of_cbor_is_cbor() {
    let (_data_dir, local) = local().await;
    let cut_off = b"\xbf".to_vec();
    let response = call_with(&local.url, false, CBOR, "Kinesis_20131202.ListStreams", cut_off).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert_eq!(response.headers()["content-type"], CBOR);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(&body[..], b"\xbf\x66__type\x76SerializationException\xff");
    let response =
        call_with(&local.url, true, CBOR, "Kinesis_20131202.ListStreams", vec![0; (16 << 20) + 1]).await;
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(&body[..], b"\xbf\x66__type\x75RequestEntityTooLarge\xff");
}
