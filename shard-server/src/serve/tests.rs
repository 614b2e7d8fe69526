//! The role as its callers see it.

use std::time::Duration;

use bytes::Bytes;
use catalog::member::{ACCEPT_LOSS_PATH, AcceptLoss, BOOTSTRAP_PATH, MemberPhase, MemberStatus, STATUS_PATH};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::*;
use crate::budget::ByteBudget;
use crate::protocol::frame::{Broken, Frames, Message};
use crate::protocol::{
    Call, Encoded, FRAME_BYTES, Follow, Frame, FrameError, Locate, Located, Position, RecordStream, Refusal,
    RepeatableCall,
};
use crate::shard::client::{Client, HoldBudget};
use crate::shard::tests::{Calls as _, UID, append, bootstrap, budget, data, read_all, run, shard};

pub(crate) struct Pod {
    pub(crate) address: SocketAddr,
    admin: SocketAddr,
    end: watch::Sender<bool>,
    running: JoinHandle<anyhow::Result<()>>,
}

impl Pod {
    /// A pod that serves so many shards of [`UID`], in its log `g0`.
    pub(crate) async fn serving(directory: &std::path::Path, shards: u32) -> Self {
        let pod = Self::start(directory, UID).await;
        pod.wait_for(MemberPhase::AwaitingBootstrap).await;
        assert_eq!(pod.bootstrap(shards).await.0, StatusCode::OK);
        pod
    }

    async fn start(directory: &std::path::Path, stream_uid: &str) -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let (listener, admin_listener) = (bind(any).await.unwrap(), bind(any).await.unwrap());
        let (address, admin) = (listener.local_addr().unwrap(), admin_listener.local_addr().unwrap());
        let options = Options {
            listen: any,
            admin_listen: any,
            data_dir: directory.into(),
            stream_uid: stream_uid.into(),
            group: "orders-g0".into(),
        };
        let (end, termination) = Termination::by_hand();
        let running = tokio::spawn(serve(options, listener, admin_listener, termination));
        Self { address, admin, end, running }
    }

    fn client(&self) -> Client {
        Client::new(self.address.to_string(), HoldBudget::new())
    }

    async fn status(&self) -> MemberStatus {
        let (status, body) = call(self.address, "GET", STATUS_PATH, &[], Bytes::new()).await;
        assert_eq!(status, StatusCode::OK);
        serde_json::from_str(&body).unwrap()
    }

    async fn wait_for(&self, phase: MemberPhase) -> MemberStatus {
        let waiting = async {
            loop {
                match self.status().await {
                    status if status.phase == phase => return status,
                    _ => tokio::task::yield_now().await,
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(10), waiting).await.unwrap()
    }

    async fn bootstrap(&self, shards: u32) -> (StatusCode, String) {
        let json = serde_json::to_vec(&bootstrap(shards)).unwrap();
        call(self.address, "POST", BOOTSTRAP_PATH, &[], json.into()).await
    }

    pub(crate) async fn end(self) {
        self.end.send_replace(true);
        tokio::time::timeout(Duration::from_secs(30), self.running).await.unwrap().unwrap().unwrap();
    }
}

async fn call(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Bytes,
) -> (StatusCode, String) {
    let socket = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket)).await.unwrap();
    tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(path).header("host", "pod");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = sender.send_request(request.body(Full::new(body)).unwrap()).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn pod_is_bootstrapped_and_keeps_its_records_over_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let pod = Pod::start(directory.path(), UID).await;
    let status = pod.wait_for(MemberPhase::AwaitingBootstrap).await;
    assert_eq!((status.stream_uid.as_str(), status.group.as_str()), (UID, "orders-g0"));
    let (ready, reason) = call(pod.admin, "GET", "/readyz", &[], Bytes::new()).await;
    assert_eq!(ready, StatusCode::SERVICE_UNAVAILABLE);
    assert!(reason.contains("awaits its bootstrap"), "{reason}");

    let (code, body) = pod.bootstrap(2).await;
    assert_eq!(code, StatusCode::OK, "{body}");
    assert_eq!(serde_json::from_str::<MemberStatus>(&body).unwrap().phase, MemberPhase::Serving);
    assert_eq!(pod.bootstrap(2).await.0, StatusCode::OK, "again changes nothing");
    assert_eq!(pod.bootstrap(3).await.0, StatusCode::CONFLICT);
    assert_eq!(call(pod.admin, "GET", "/readyz", &[], Bytes::new()).await.0, StatusCode::OK);

    let client = pod.client();
    let outcomes = client.append(append(vec![run(0, &["a", "b"]), run(5, &["x"])])).await;
    assert_eq!(outcomes[0].as_ref().unwrap().first_offset, 1);
    assert!(matches!(outcomes[1], Err(Refusal::UnknownShard(_))));
    assert_eq!(data(&client.read(read_all(0)).await.unwrap()), ["a", "b"]);
    let metrics = call(pod.admin, "GET", "/metrics", &[], Bytes::new()).await.1;
    assert!(metrics.contains("kinetes_appended_records_total 2"), "{metrics}");
    assert!(metrics.contains("kinetes_refusals_total{reason=\"unknown_shard\"} 1"), "{metrics}");
    pod.end().await;

    let pod = Pod::start(directory.path(), UID).await;
    assert_eq!(data(&pod.client().read(read_all(0)).await.unwrap()), ["a", "b"]);
    assert_eq!(pod.status().await.logs[0].shards[0].next_offset, 3);
    pod.end().await;
}

#[tokio::test]
async fn pod_on_a_foreign_volume_ends_and_names_both_streams() {
    let directory = tempfile::tempdir().unwrap();
    let pod = Pod::start(directory.path(), UID).await;
    pod.wait_for(MemberPhase::AwaitingBootstrap).await;
    assert_eq!(pod.bootstrap(1).await.0, StatusCode::OK);
    pod.end().await;
    let pod = Pod::start(directory.path(), "uid-2").await;
    let ended = tokio::time::timeout(Duration::from_secs(10), pod.running).await.unwrap().unwrap();
    let error = ended.unwrap_err().to_string();
    assert!(error.contains("stream uid-1") && error.contains("stream uid-2"), "{error}");
}

#[tokio::test]
async fn pod_with_a_corrupt_log_reports_it_and_keeps_running() {
    let directory = tempfile::tempdir().unwrap();
    let pod = Pod::start(directory.path(), UID).await;
    pod.wait_for(MemberPhase::AwaitingBootstrap).await;
    assert_eq!(pod.bootstrap(1).await.0, StatusCode::OK);
    pod.end().await;
    let file = directory.path().join("group/logs/g0/segment-000000000001");
    std::fs::remove_file(&file).unwrap();
    let pod = Pod::start(directory.path(), UID).await;
    let status = pod.wait_for(MemberPhase::Stopped).await;
    assert!(status.reason.unwrap().contains("segment-000000000001"));
    assert!(matches!(pod.client().read(read_all(0)).await, Err(Refusal::Corrupt(_))));
    pod.end().await;
}

#[tokio::test]
async fn loss_is_accepted_only_where_corruption_is_known() {
    let directory = tempfile::tempdir().unwrap();
    let pod = Pod::start(directory.path(), UID).await;
    pod.wait_for(MemberPhase::AwaitingBootstrap).await;
    assert_eq!(pod.bootstrap(1).await.0, StatusCode::OK);
    for text in ["record 1", "record 2", "record 3"] {
        let outcomes = pod.client().append(append(vec![run(0, &[text])])).await;
        assert!(outcomes[0].is_ok());
    }
    pod.end().await;
    let file = directory.path().join("group/logs/g0/segment-000000000002");
    let mut bytes = std::fs::read(&file).unwrap();
    let text = b"record 2";
    let at = bytes.windows(text.len()).position(|window| window == text).unwrap();
    bytes[at] ^= 1;
    std::fs::write(&file, bytes).unwrap();

    let pod = Pod::start(directory.path(), UID).await;
    let status = pod.wait_for(MemberPhase::Serving).await;
    let place = status.logs[0].conditions[0].place.clone().unwrap();
    let accept = async |place: &str| {
        let call_body = AcceptLoss { stream_uid: UID.into(), log: "g0".into(), place: place.into() };
        let json = serde_json::to_vec(&call_body).unwrap();
        call(pod.address, "POST", ACCEPT_LOSS_PATH, &[], json.into()).await
    };
    for (other, why) in [
        ("segment-000000000002:1", "no corruption is known at byte 1 of segment-000000000002"),
        ("segment-000000000002", "is not FILE:POSITION"),
    ] {
        let (code, text) = accept(other).await;
        assert_eq!(code, StatusCode::CONFLICT);
        assert!(text.contains(why), "{text}");
    }
    assert_eq!(pod.status().await.logs[0].conditions.len(), 1);
    let (code, text) = accept(&place).await;
    assert_eq!(code, StatusCode::OK, "{text}");
    assert_eq!(pod.status().await.logs[0].conditions, []);
    let read = pod.client().read(read_all(0)).await.unwrap();
    assert_eq!(data(&read), ["record 1", "record 3"]);
    pod.end().await;
}

#[tokio::test]
async fn body_that_is_too_large_or_of_unknown_length_is_not_read() {
    let directory = tempfile::tempdir().unwrap();
    let pod = Pod::start(directory.path(), UID).await;
    let large = [("content-length", "99999999999")];
    // Only the head is sent: the answer must come without the body.
    assert_eq!(head_only(pod.address, &large).await, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(
        head_only(pod.address, &[("transfer-encoding", "chunked")]).await,
        StatusCode::LENGTH_REQUIRED
    );
    let (code, _) = call(pod.address, "POST", "/v2/append", &[], Bytes::from("nonsense")).await;
    assert_eq!(code, StatusCode::BAD_REQUEST);
    assert_eq!(call(pod.address, "GET", "/v2/append", &[], Bytes::new()).await.0, StatusCode::NOT_FOUND);
    pod.end().await;
}

/// The status of the answer to a request of which only the head is sent.
async fn head_only(address: SocketAddr, headers: &[(&str, &str)]) -> StatusCode {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut head = "POST /v2/append HTTP/1.1\r\nhost: pod\r\n".to_owned();
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(format!("{head}\r\n").as_bytes()).await.unwrap();
    let mut status = [0; 12];
    socket.read_exact(&mut status).await.unwrap();
    StatusCode::from_bytes(&status[9..]).unwrap()
}

fn follow() -> Follow {
    let (stream_uid, log, position) = (UID.into(), "g0".into(), Position::TrimHorizon);
    Follow { stream_uid, log, shard: shard(0), position, max_frame_bytes: 0 }
}

async fn next(records: &mut RecordStream, budget: &ByteBudget) -> Frame {
    let frame = tokio::time::timeout(Duration::from_secs(60), records.next(budget)).await;
    frame.expect("it comes").expect("it goes on").unwrap()
}

#[tokio::test]
async fn followers_get_records_as_they_are_committed_and_a_slow_one_does_not_delay_the_others() {
    let directory = tempfile::tempdir().unwrap();
    let pod = Pod::start(directory.path(), UID).await;
    pod.wait_for(MemberPhase::AwaitingBootstrap).await;
    assert_eq!(pod.bootstrap(1).await.0, StatusCode::OK);
    let (client, memory) = (pod.client(), budget(1 << 20));
    // Both over one connection.
    let mut slow = client.call(follow()).await.unwrap();
    let mut quick = client.call(follow()).await.unwrap();
    assert!(next(&mut slow, &memory).await.outcome.runs.is_empty());
    assert!(next(&mut quick, &memory).await.outcome.runs.is_empty());
    let large = "x".repeat(100_000);
    for _ in 0..8 {
        let runs = (0..10).map(|_| run(0, &[large.as_str()])).collect();
        assert!(client.append(append(runs)).await.iter().all(Result::is_ok));
        let mut found = 0;
        while found < 10 {
            found += data(&next(&mut quick, &memory).await.outcome).len();
        }
    }
    let unsent = async || {
        let metrics = call(pod.admin, "GET", "/metrics", &[], Bytes::new()).await.1;
        let line = metrics.lines().find(|line| line.starts_with("kinetes_answer_records_bytes ")).unwrap();
        line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()
    };
    // 8 MB were committed. The slow follower pins one unread frame, not a queue. An idle connection may pin the last
    // frame that it sent, too.
    let kept = unsent().await;
    assert!(kept > 0 && kept <= 2 * FRAME_BYTES as u64, "{kept}");
    drop(slow);
    let given_back = async {
        while unsent().await > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), given_back).await.expect("both ends let go");
    assert_eq!(memory.free_bytes(), 1 << 20);

    // A follower does not keep the pod from terminating.
    pod.end().await;
    let ended = tokio::time::timeout(Duration::from_secs(60), quick.next(&memory)).await.unwrap();
    assert!(!matches!(ended, Some(Ok(_))), "{ended:?}");
}

#[tokio::test]
async fn pod_that_ends_tells_its_followers_so_and_waits_for_none_that_takes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let pod = Pod::start(directory.path(), UID).await;
    pod.wait_for(MemberPhase::AwaitingBootstrap).await;
    assert_eq!(pod.bootstrap(1).await.0, StatusCode::OK);
    let (client, memory) = (pod.client(), budget(1 << 20));
    let large = "x".repeat(100_000);
    assert!(
        client.append(append(vec![run(0, &[&large]), run(0, &[&large])])).await.iter().all(Result::is_ok)
    );
    let mut quick = client.call(follow()).await.unwrap();
    assert_eq!(data(&next(&mut quick, &memory).await.outcome).len(), 2);
    // The head of an answer, and then nothing.
    let socket = TcpStream::connect(pod.address).await.unwrap();
    let mut builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    builder.initial_stream_window_size(1_024);
    let (mut sender, connection) = builder.handshake(TokioIo::new(socket)).await.unwrap();
    tokio::spawn(connection);
    let body = Full::new(Bytes::from(follow().encode().pieces.concat()));
    let request = Request::post(format!("http://{}{}", pod.address, Follow::PATH)).body(body).unwrap();
    let stalled = sender.send_request(request).await.unwrap();
    assert_eq!(stalled.status(), StatusCode::OK);

    let ending = tokio::spawn(pod.end());
    let last = tokio::time::timeout(Duration::from_secs(60), quick.next(&memory)).await.unwrap();
    assert!(matches!(last, Some(Err(FrameError::Refused(Refusal::NotReady(_))))), "{last:?}");
    ending.await.unwrap();
    let end = tokio::time::timeout(Duration::from_secs(60), stalled.into_body().collect()).await.unwrap();
    assert!(end.is_err(), "it was reset");
}

/// A call of a newer version.
#[derive(Clone)]
struct Newer(Locate);

impl RepeatableCall for Newer {}

impl Call for Newer {
    type Answer = Located;
    const PATH: &'static str = "/v2/newer";

    fn encode(&self) -> Message {
        self.0.encode()
    }

    async fn decode<B>(frames: &mut Frames<B>) -> Result<Result<Self, Refusal>, Broken>
    where
        B: hyper::body::Body<Data = Bytes, Error: std::fmt::Display> + Unpin + Send,
    {
        Ok(Locate::decode(frames).await?.map(Self))
    }

    fn encode_answer(answer: Result<Located, Refusal>) -> Encoded {
        Locate::encode_answer(answer)
    }

    async fn receive<B>(frames: Frames<B>) -> Result<Result<Located, Refusal>, Broken>
    where
        B: hyper::body::Body<Data = Bytes, Error: std::fmt::Display> + Unpin + Send + 'static,
    {
        Locate::receive(frames).await
    }
}

#[tokio::test]
async fn unknown_call_is_refused_as_unsupported_and_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let pod = Pod::start(directory.path(), UID).await;
    pod.wait_for(MemberPhase::AwaitingBootstrap).await;
    assert_eq!(pod.bootstrap(1).await.0, StatusCode::OK);
    let client = pod.client();
    let Follow { stream_uid, log, shard, position, .. } = follow();
    let newer = || Newer(Locate { stream_uid: stream_uid.clone(), log: log.clone(), shard, position });
    let refused = client.call(newer()).await;
    assert!(matches!(&refused, Err(Refusal::Unsupported(why)) if why.contains("/v2/newer")), "{refused:?}");
    pod.end().await;
}

#[tokio::test]
async fn gateway_beyond_the_connections_of_a_pod_is_refused_with_a_reason_and_served_once_one_is_free() {
    let directory = tempfile::tempdir().unwrap();
    let pod = Pod::start(directory.path(), UID).await;
    pod.wait_for(MemberPhase::AwaitingBootstrap).await;
    assert_eq!(pod.bootstrap(1).await.0, StatusCode::OK);
    let metric = async |name: &str| {
        let metrics = call(pod.admin, "GET", "/metrics", &[], Bytes::new()).await.1;
        let line = metrics.lines().find_map(|line| line.strip_prefix(name).map(str::to_owned));
        line.map_or(0, |value| value.trim().parse::<u64>().unwrap())
    };
    let mut idle = Vec::new();
    for _ in 0..Limits::PARTS.connections {
        idle.push(TcpStream::connect(pod.address).await.unwrap());
    }
    let client = pod.client();
    let read = client.read(read_all(0));
    let refused = async {
        while metric("kinetes_refusals_total{reason=\"not_ready\"}").await == 0 {
            tokio::task::yield_now().await;
        }
        // The operator's probe is no call of a gateway.
        assert_eq!(pod.status().await.phase, MemberPhase::Serving);
        assert!(metric("kinetes_connections_refused_total{port=\"group\"}").await >= 2);
        assert!(metric("kinetes_connections{port=\"group\"}").await >= 128);
        drop(idle);
    };
    let both = async { tokio::join!(read, refused).0 };
    let read = tokio::time::timeout(Duration::from_secs(60), both).await.expect("no silence");
    assert!(read.unwrap().runs.is_empty());
    pod.end().await;
}
