//! Requests over real connections, and their memory bounds.

mod subscriptions;

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use catalog::feed::CatalogEvent;
use catalog::member::{Bootstrap, OpenShard};
use catalog::{Member, Shard, ShardId, ShardState, Stream};
use futures::FutureExt as _;
use futures::future::join_all;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http2::SendRequest;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prometheus::Registry;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::KinesisService;
use crate::admin::listener::serve;
use crate::admin::{Excess, Limits, Port, Termination};
use crate::clock::{Clock, system_clock};
use crate::gateway::catalog::{Catalog, CatalogCopy, ControlPlane, RemoteControl};
use crate::gateway::memory::Sizes;
use crate::gateway::testing::stream;
use crate::gateway::token::TokenKeys;
use crate::gateway::{Endpoint, Identity, Metrics, Parts, Regions, Routes};
use crate::shard::{Group, GroupConfig};

const LIMIT: Duration = Duration::from_secs(60);
const RECORDS: usize = 400;
const RECORD_BYTES: usize = 10_000;

/// An endpoint whose catalog has one stream. Its catalog service cannot be reached.
fn endpoint(stream: Stream, routes: Arc<Routes>, sizes: Sizes, clock: Clock) -> Arc<Endpoint> {
    let unreachable = RemoteControl::new("http://127.0.0.1:1".parse().unwrap());
    endpoint_under(unreachable, stream, routes, sizes, clock)
}

/// As [`endpoint`], under a catalog service.
fn endpoint_under(
    control: impl ControlPlane + 'static,
    stream: Stream,
    routes: Arc<Routes>,
    sizes: Sizes,
    clock: Clock,
) -> Arc<Endpoint> {
    let copy = CatalogCopy::default();
    copy.apply(CatalogEvent::Snapshot(vec![stream]));
    let parts = Parts {
        identity: Identity {
            account_id: "000000000000".into(),
            region: "us-east-1".into(),
            regions: Regions::Own,
        },
        catalog: Catalog::new(copy, control),
        routes,
        keys: watch::channel(TokenKeys::new(&[7; 32], None).unwrap()).1,
        access_keys: None,
        clock,
        metrics: Metrics::register(&Registry::new()).unwrap(),
    };
    Arc::new(Endpoint::with_memory(parts, sizes))
}

fn request(url: &str, operation: &str, body: &serde_json::Value) -> Request<Full<Bytes>> {
    Request::post(url)
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", format!("Kinesis_20131202.{operation}"))
        .body(Full::from(body.to_string()))
        .unwrap()
}

/// An endpoint with a group in this process, served on a port.
struct Serving {
    endpoint: Arc<Endpoint>,
    url: String,
    _data_dir: tempfile::TempDir,
    _end: watch::Sender<bool>,
}

async fn serving(sizes: Sizes) -> Serving {
    serving_at(sizes, system_clock()).await
}

/// As [`serving`], with another clock for the endpoint.
async fn serving_at(sizes: Sizes, clock: Clock) -> Serving {
    let (data_dir, stream) = (tempfile::tempdir().unwrap(), stream("orders"));
    let routes = Arc::new(Routes::default());
    routes.add_group(&stream.uid, group(&stream, data_dir.path()).await);
    let endpoint = endpoint(stream, routes, sizes, clock);
    let (url, end) = serve_endpoint(&endpoint).await;
    Serving { endpoint, url, _data_dir: data_dir, _end: end }
}

/// A group of this process with all shards of a stream.
async fn group(stream: &Stream, directory: &Path) -> Group {
    let group_metrics = crate::shard::Metrics::register(&Registry::new()).unwrap();
    let config = GroupConfig {
        stream_uid: stream.uid.clone(),
        group: "g0".into(),
        resources: crate::log::Resources::new(group_metrics.log.clone()),
        metrics: group_metrics,
    };
    let open = |shard: &catalog::Shard| OpenShard {
        id: shard.id,
        range: shard.range,
        parents: Vec::new(),
        create_seconds: shard.create_seconds,
    };
    let bootstrap = Bootstrap {
        stream_uid: stream.uid.clone(),
        group: "g0".into(),
        log: "g0".into(),
        shards: stream.shards.iter().map(open).collect(),
        retention_period_hours: 24,
    };
    Group::create(directory.join("g0"), config, bootstrap).await.unwrap()
}

/// Serves an endpoint on a port.
async fn serve_endpoint(endpoint: &Arc<Endpoint>) -> (String, watch::Sender<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (end, termination) = Termination::by_hand();
    let service = KinesisService::new(Arc::clone(endpoint));
    let service = service_fn(move |request: Request<Incoming>| {
        let service = service.clone();
        async move { service.answer(request).await }
    });
    tokio::spawn(serve(listener, Port::unseen(Limits::APPLICATIONS), service, termination));
    (url, end)
}

impl Serving {
    /// One call of a client that reads its answer at once.
    async fn call(&self, operation: &str, body: &serde_json::Value) -> serde_json::Value {
        let client = Client::builder(TokioExecutor::new()).build_http();
        let answer = async {
            let response = client.request(request(&self.url, operation, body)).await.unwrap();
            assert_eq!(response.status(), StatusCode::OK);
            response.into_body().collect().await.unwrap().to_bytes()
        };
        let answer = tokio::time::timeout(LIMIT, answer).await.expect("an answer in time");
        serde_json::from_slice(&answer).unwrap()
    }

    /// Puts records into the first shard; returns a GetRecords request for all of them.
    async fn fill(&self, records: usize, record_bytes: usize) -> serde_json::Value {
        let data = base64_simd::STANDARD.encode_to_string(vec![b'x'; record_bytes]);
        let record = |_| serde_json::json!({"Data": data, "PartitionKey": "key", "ExplicitHashKey": "0"});
        let records: Vec<_> = (0..records).map(record).collect();
        let put = serde_json::json!({"StreamName": "orders", "Records": records});
        assert_eq!(self.call("PutRecords", &put).await["FailedRecordCount"], 0);
        let get = serde_json::json!({
            "StreamName": "orders", "ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON"
        });
        let iterator = &self.call("GetShardIterator", &get).await["ShardIterator"];
        serde_json::json!({ "ShardIterator": iterator })
    }
}

/// A connection over HTTP/2 whose streams get so many bytes ahead of their readers, and its end.
async fn http2(url: &str, window_bytes: u32) -> (SendRequest<Full<Bytes>>, JoinHandle<hyper::Result<()>>) {
    let socket = TcpStream::connect(url.strip_prefix("http://").unwrap()).await.unwrap();
    let mut builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    builder.initial_stream_window_size(window_bytes);
    let (sender, connection) = builder.handshake(TokioIo::new(socket)).await.unwrap();
    (sender, tokio::spawn(connection))
}

/// Calls GetRecords over a new HTTP/2 connection and reads no more than a kilobyte of each answer.
async fn read_nothing(url: &str, get: &serde_json::Value, answers: usize) {
    let (mut sender, ended) = http2(url, 1_024).await;
    let mut kept = Vec::new();
    for _ in 0..answers {
        if let Ok(response) = sender.send_request(request(url, "GetRecords", get)).await {
            kept.push(response);
        }
    }
    let _ = ended.await;
}

#[tokio::test]
async fn slow_stream_is_reset_alone_and_the_others_of_its_connection_complete() {
    // One piece takes the whole budget.
    let sizes = Sizes { unsent: 16 << 10, ..Sizes::DEFAULT };
    let serving = serving(sizes).await;
    let get = serving.fill(RECORDS, RECORD_BYTES).await;
    let record = |_| serde_json::json!({"Data": "", "PartitionKey": "key", "ExplicitHashKey": "0"});
    let put =
        serde_json::json!({"StreamName": "orders", "Records": (0..300).map(record).collect::<Vec<_>>()});
    // An answer in pieces, and one that is complete when it begins.
    for (ended, (operation, body)) in [("GetRecords", &get), ("PutRecords", &put)].into_iter().enumerate() {
        let (mut sender, _connection) = http2(&serving.url, 4_096).await;
        let slow = sender.send_request(request(&serving.url, operation, body)).await.unwrap();
        let quick = async {
            let response = sender.send_request(request(&serving.url, "GetRecords", &get)).await.unwrap();
            response.into_body().collect().await.unwrap().to_bytes()
        };
        let quick = tokio::time::timeout(LIMIT, quick).await.expect("an answer in time");
        let quick: serde_json::Value = serde_json::from_slice(&quick).unwrap();
        assert!(quick["Records"].as_array().unwrap().len() >= RECORDS);
        let given_back = async {
            while serving.endpoint.memory().unsent.free_bytes() < sizes.unsent {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(LIMIT, given_back).await.expect("nothing of the slow answer is kept");
        assert!(slow.into_body().collect().await.is_err(), "{operation} was reset");
        assert_eq!(serving.endpoint.metrics().slow_readers_ended.get(), ended as u64 + 1);
        let list = request(&serving.url, "ListStreams", &serde_json::json!({}));
        assert_eq!(sender.send_request(list).await.unwrap().status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn reader_gets_its_records_although_more_stalled_readers_than_fit_fill_the_budget() {
    let serving = serving(Sizes { unsent: 16 << 20, ..Sizes::DEFAULT }).await;
    let get = serving.fill(RECORDS, RECORD_BYTES).await;
    for _ in 0..20 {
        let (url, get) = (serving.url.clone(), get.clone());
        tokio::spawn(async move { read_nothing(&url, &get, 10).await });
    }
    let full = async {
        while serving.endpoint.memory().unsent.free_bytes() > 512 << 10 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LIMIT, full).await.expect("the stalled readers fill the budget");
    let answer = serving.call("GetRecords", &get).await;
    assert_eq!(answer["Records"].as_array().unwrap().len(), RECORDS);
    assert!(serving.endpoint.metrics().slow_readers_ended.get() > 0);
}

#[tokio::test]
async fn answer_ends_before_a_record_that_would_exceed_ten_megabytes() {
    let serving = serving(Sizes::DEFAULT).await;
    // Nine and a half megabytes, then a record of one.
    serving.fill(10, 950_000).await;
    let get = serving.fill(1, 1_000_000).await;
    let answer = serving.call("GetRecords", &get).await;
    assert_eq!(answer["Records"].as_array().unwrap().len(), 10);
    assert!(answer["MillisBehindLatest"].as_u64().unwrap() > 0);
    let next = serde_json::json!({ "ShardIterator": answer["NextShardIterator"] });
    let answer = serving.call("GetRecords", &next).await;
    assert_eq!(answer["Records"].as_array().unwrap().len(), 1);
    assert_eq!(answer["MillisBehindLatest"], 0);
}

#[tokio::test]
async fn record_larger_than_the_read_budget_is_returned_and_gives_the_budget_back() {
    let sizes = Sizes { reads: 64 << 10, unsent: 64 << 10, ..Sizes::DEFAULT };
    let serving = serving(sizes).await;
    let get = serving.fill(3, 500_000).await;
    assert_eq!(serving.call("GetRecords", &get).await["Records"].as_array().unwrap().len(), 3);
    let memory = serving.endpoint.memory();
    let given_back = async {
        while memory.unsent.free_bytes() < sizes.unsent || memory.reads.free_bytes() < sizes.reads {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LIMIT, given_back).await.expect("all permits are given back");
}

#[tokio::test(start_paused = true)]
async fn unavailable_group_pins_no_bodies_and_no_more_records_than_the_hold_budget() {
    // Bound, so that no other process gets the port, and not listening.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let mut stream = stream("orders");
    stream.max_record_size_kib = 10_240;
    stream.groups[0].members = vec![Member { address: socket.local_addr().unwrap().to_string() }];
    let routes = Arc::new(Routes::default());
    let endpoint = endpoint(stream, Arc::clone(&routes), Sizes::DEFAULT, system_clock());
    let service = KinesisService::new(Arc::clone(&endpoint));
    let data = base64_simd::STANDARD.encode_to_string(vec![b'x'; 10_000_000]);
    let put = serde_json::json!({"StreamName": "orders", "PartitionKey": "key", "Data": data});
    let put = request("http://endpoint/", "PutRecord", &put);
    let mut puts = Box::pin(join_all((0..8).map(|_| service.answer(put.clone()))));
    let answers = |answers: Vec<Result<http::Response<_>, Infallible>>| {
        let statuses = answers.into_iter().map(|answer| answer.unwrap().status());
        assert!(statuses.into_iter().all(|status| status == StatusCode::INTERNAL_SERVER_ERROR));
    };
    assert!(puts.as_mut().now_or_never().is_none(), "some wait for the group");
    assert_eq!(endpoint.memory().bodies.large.free_bytes(), Sizes::DEFAULT.large_bodies);
    // As many of the eight puts as groups that do not answer may hold.
    assert!((10_000_000..16 << 20).contains(&routes.held_bytes()), "{}", routes.held_bytes());
    answers(puts.await);
    assert_eq!(routes.held_bytes(), 0);
}

#[tokio::test]
async fn endpoint_whose_clock_is_days_ahead_skips_no_record_and_reports_the_right_lag() {
    let now = system_clock();
    // The stream keeps records for a day.
    let serving = serving_at(Sizes::DEFAULT, Arc::new(move || now() + 25 * 3_600_000)).await;
    let mut get = serving.fill(2, 10).await;
    let answer = serving.call("GetRecords", &get).await;
    assert_eq!(answer["Records"].as_array().unwrap().len(), 2);
    assert_eq!(answer["MillisBehindLatest"], 0);
    get["Limit"] = 1.into();
    let answer = serving.call("GetRecords", &get).await;
    assert_eq!(answer["Records"].as_array().unwrap().len(), 1);
    assert_eq!(answer["MillisBehindLatest"], 1, "the other arrived in the same millisecond");
    // A number that was just assigned is valid for ordering.
    let number = &answer["Records"][0]["SequenceNumber"];
    let put = serde_json::json!({
        "StreamName": "orders", "PartitionKey": "key", "Data": "", "SequenceNumberForOrdering": number
    });
    assert!(serving.call("PutRecord", &put).await["SequenceNumber"].is_string());
}

#[tokio::test]
async fn endpoint_whose_clock_is_behind_accepts_numbers_that_were_assigned() {
    let now = system_clock();
    let serving = serving_at(Sizes::DEFAULT, Arc::new(move || now() - 5_000)).await;
    let get = serving.fill(1, 10).await;
    let answer = serving.call("GetRecords", &get).await;
    let number = &answer["Records"][0]["SequenceNumber"];
    let put = serde_json::json!({
        "StreamName": "orders", "PartitionKey": "key", "Data": "", "SequenceNumberForOrdering": number
    });
    assert!(serving.call("PutRecord", &put).await["SequenceNumber"].is_string());
}

/// The answer to a request, and its status.
async fn answer_of(
    service: &KinesisService,
    operation: &str,
    body: &serde_json::Value,
) -> (StatusCode, String) {
    let answer = service.answer(request("http://endpoint/", operation, body)).await.unwrap();
    let status = answer.status();
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

#[tokio::test]
async fn time_of_an_iterator_is_judged_by_log_time_whatever_the_clock_of_the_endpoint_says() {
    const DAY_MS: u64 = 24 * 3_600_000;
    let now = system_clock();
    let (early, late) = (now.clone(), now.clone());
    let clocks: [Clock; 2] = [Arc::new(move || early() - DAY_MS), Arc::new(move || late() + DAY_MS)];
    for clock in clocks {
        let serving = serving_at(Sizes::DEFAULT, clock).await;
        serving.fill(1, 10).await;
        let service = KinesisService::new(Arc::clone(&serving.endpoint));
        let at = |ms: u64| {
            serde_json::json!({
                "StreamName": "orders", "ShardId": "shardId-000000000000", "ShardIteratorType": "AT_TIMESTAMP",
                "Timestamp": ms as f64 / 1_000.0
            })
        };
        // Now is no time to come, and what arrived an hour ago or later was not passed over.
        assert_eq!(answer_of(&service, "GetShardIterator", &at(now())).await.0, StatusCode::OK);
        let iterator = serving.call("GetShardIterator", &at(now() - 3_600_000)).await;
        let get = serde_json::json!({ "ShardIterator": iterator["ShardIterator"] });
        assert_eq!(serving.call("GetRecords", &get).await["Records"].as_array().unwrap().len(), 1);
        let (status, text) = answer_of(&service, "GetShardIterator", &at(now() + 3_600_000)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{text}");
        assert!(text.contains("cannot be greater than the currentTimestampInMillis"), "{text}");
    }
}

#[tokio::test]
async fn closed_shards_are_listed_whatever_the_clock_of_the_endpoint_says() {
    let now = system_clock();
    let mut stream = stream("orders");
    // The first shard was split an hour ago; the stream keeps records for a day.
    let hour_ago = now() / 1_000 - 3_600;
    stream.shards[0].state = ShardState::Closed;
    for index in [4, 5] {
        let id = ShardId::new(index).unwrap();
        let child =
            Shard { id, parents: vec![ShardId::FIRST], create_seconds: hour_ago, ..stream.shards[1].clone() };
        stream.shards.push(child);
    }
    let (early, late) = (now.clone(), now.clone());
    let clocks: [Clock; 2] =
        [Arc::new(move || early() - 48 * 3_600_000), Arc::new(move || late() + 48 * 3_600_000)];
    for clock in clocks {
        let endpoint = endpoint(stream.clone(), Arc::new(Routes::default()), Sizes::DEFAULT, clock);
        let service = KinesisService::new(endpoint);
        let listed = async |filter: serde_json::Value| -> Vec<String> {
            let list = match filter.is_null() {
                true => serde_json::json!({"StreamName": "orders"}),
                false => serde_json::json!({"StreamName": "orders", "ShardFilter": filter}),
            };
            let (status, text) = answer_of(&service, "ListShards", &list).await;
            assert_eq!(status, StatusCode::OK, "{text}");
            let answer: serde_json::Value = serde_json::from_str(&text).unwrap();
            let id = |shard: &serde_json::Value| shard["ShardId"].as_str().unwrap()[19..].to_owned();
            answer["Shards"].as_array().unwrap().iter().map(id).collect()
        };
        let of_type = |kind: &str| serde_json::json!({ "Type": kind });
        let of_time = |kind: &str, second: u64| serde_json::json!({ "Type": kind, "Timestamp": second });
        let (all, first, open) =
            (["0", "1", "2", "3", "4", "5"], ["0", "1", "2", "3"], ["1", "2", "3", "4", "5"]);
        assert_eq!(listed(serde_json::Value::Null).await, all);
        assert_eq!(listed(of_type("FROM_TRIM_HORIZON")).await, all);
        assert_eq!(listed(of_type("AT_TRIM_HORIZON")).await, first);
        assert_eq!(listed(of_time("AT_TIMESTAMP", hour_ago - 60)).await, first);
        assert_eq!(listed(of_time("FROM_TIMESTAMP", hour_ago - 60)).await, all);
        assert_eq!(listed(of_time("AT_TIMESTAMP", hour_ago + 60)).await, open);
        assert_eq!(listed(of_time("FROM_TIMESTAMP", hour_ago + 60)).await, open);
    }
}

#[tokio::test]
async fn request_over_a_connection_too_many_is_refused_with_the_reason_and_its_body_is_not_read() {
    let endpoint = endpoint(stream("orders"), Arc::new(Routes::default()), Sizes::DEFAULT, system_clock());
    let service = KinesisService::new(endpoint);
    let (head, _) = request("http://endpoint/", "ListStreams", &serde_json::json!({})).into_parts();
    let endless = StreamBody::new(futures::stream::pending::<Result<Frame<Bytes>, std::io::Error>>());
    let mut excess = Request::from_parts(head, endless);
    excess.extensions_mut().insert(Excess { connections: 1_024 });
    let answer = service.answer(excess).now_or_never().expect("an answer at once").unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    let body: serde_json::Value =
        serde_json::from_slice(&answer.into_body().collect().await.unwrap().to_bytes()).unwrap();
    assert_eq!(body["__type"], "ServiceUnavailable");
    assert_eq!(body["message"], "too many connections, 1024 are open");
}
