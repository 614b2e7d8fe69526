//! A client and a member that restarts, is not ready, or breaks off.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use catalog::member::{LogStatus, MemberPhase, MemberStatus, STATUS_PATH};
use futures::future::join_all;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::super::body::AnswerBody;
use super::super::client::{Client, HoldBudget, PARTIAL_HOLD};
use super::*;
use crate::admin::Termination;
use crate::protocol::{AppendId, Appended, Call, Encoded, encode_frame, frame::Frames};

/// How a member reacts to a request that it has read.
#[derive(Clone)]
enum Act {
    Append(Vec<RunOutcome>),
    Read(Result<ReadOutcome, Refusal>),
    /// Appends once it is told to.
    Hang(Arc<Notify>),
    /// Ends the connection without an answer.
    BreakOff,
}

/// The status of a member that serves.
pub(super) fn status(writing_ms: u64) -> MemberStatus {
    let log = LogStatus {
        name: "g0".into(),
        durable_bytes: 0,
        retention_period_hours: Some(24),
        writing_ms,
        conditions: Vec::new(),
        shards: Vec::new(),
    };
    MemberStatus {
        version: "1".into(),
        stream_uid: UID.into(),
        group: "orders-g0".into(),
        phase: MemberPhase::Serving,
        reason: None,
        replica_id: None,
        logs: vec![log],
    }
}

/// A member that follows a script, with a step per request, and counts the requests.
#[derive(Clone)]
struct Member {
    script: Arc<Mutex<VecDeque<Act>>>,
    requests: Arc<Mutex<Vec<Bytes>>>,
    connections: Arc<AtomicUsize>,
    status: Arc<Mutex<MemberStatus>>,
}

impl Member {
    fn new(script: impl IntoIterator<Item = Act>) -> Self {
        let script = Arc::new(Mutex::new(script.into_iter().collect()));
        let (requests, connections) = (Arc::default(), Arc::default());
        Self { script, requests, connections, status: Arc::new(Mutex::new(status(0))) }
    }

    fn requests(&self) -> usize {
        self.requests.lock().unwrap().len()
    }

    /// Serves in a task until the test ends.
    fn serve(&self, listener: TcpListener) {
        let member = self.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                member.connections.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(member.clone().serve_connection(socket));
            }
        });
    }

    async fn serve_connection(self, socket: TcpStream) {
        let (broken, mut is_broken) = tokio::sync::mpsc::channel::<()>(1);
        let service = service_fn(move |request: Request<Incoming>| {
            let (member, broken) = (self.clone(), broken.clone());
            async move {
                if request.uri().path() == STATUS_PATH {
                    let status = serde_json::to_vec(&*member.status.lock().unwrap()).unwrap();
                    return Ok(Response::new(Bytes::from(status).into()));
                }
                let body = request.into_body().collect().await.unwrap().to_bytes();
                member.requests.lock().unwrap().push(body);
                let act =
                    member.script.lock().unwrap().pop_front().expect("a request more than the script has");
                let answer = match act {
                    Act::Append(outcomes) => Append::encode_answer(Ok(outcomes)),
                    Act::Read(outcome) => {
                        Encoded::Whole(encode_frame(outcome.as_ref().map_err(Clone::clone)))
                    }
                    Act::Hang(answered) => {
                        answered.notified().await;
                        Append::encode_answer(Ok(appended(1)))
                    }
                    Act::BreakOff => {
                        broken.send(()).await.unwrap();
                        std::future::pending().await
                    }
                };
                Ok::<_, Infallible>(Response::new(body_of(answer)))
            }
        });
        let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(socket), service);
        tokio::select! {
            _ = connection => {}
            Some(()) = is_broken.recv() => {}
        }
    }
}

pub(super) fn body_of(answer: Encoded) -> AnswerBody {
    AnswerBody::new(answer, &budget(64 << 20), &Termination::by_hand().1)
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

/// An address at which nothing listens until the socket does.
fn not_listening() -> (TcpSocket, String) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let address = socket.local_addr().unwrap().to_string();
    (socket, address)
}

fn appended(first_offset: u64) -> Vec<RunOutcome> {
    vec![Ok(Appended { first_offset, arrival_ms: 1 })]
}

fn one() -> Append {
    append(vec![run(0, &["a"])])
}

fn nothing() -> ReadOutcome {
    ReadOutcome { runs: Vec::new(), next_offset: 1, millis_behind_latest: 0, successors: None }
}

/// Appends one record in a task; gives its offset.
fn spawn_append(client: &Client, shard: u32) -> JoinHandle<u64> {
    let client = client.clone();
    tokio::spawn(async move {
        client.append(append(vec![run(shard, &["a"])])).await[0].clone().unwrap().first_offset
    })
}

#[tokio::test]
async fn append_is_held_until_the_member_listens() {
    let (socket, address) = not_listening();
    let client = Client::new(address, HoldBudget::new());
    let held: Vec<_> = (0..10).map(|_| spawn_append(&client, 0)).collect();
    while client.outage().is_none_or(|why| why == "there is no connection") {
        tokio::task::yield_now().await;
    }
    let why = client.outage();
    let held: Vec<_> = held.into_iter().chain([spawn_append(&client, 0)]).collect();
    tokio::task::yield_now().await;
    assert_eq!(client.outage(), why, "an append knows no better reason");
    let member = Member::new([Act::Append((1..=11).flat_map(appended).collect())]);
    member.serve(socket.listen(16).unwrap());
    let mut offsets: Vec<_> = join_all(held).await.into_iter().map(|held| held.unwrap()).collect();
    offsets.sort_unstable();
    assert_eq!(offsets, (1..=11).collect::<Vec<_>>(), "each has its own outcome");
    assert_eq!(member.requests(), 1, "what waited was sent together");
}

#[tokio::test]
async fn append_that_was_received_and_not_answered_is_never_sent_again() {
    let (listener, address) = listen().await;
    let member = Member::new([Act::BreakOff, Act::Append(appended(2))]);
    member.serve(listener);
    let client = Client::new(address, HoldBudget::new());
    assert!(matches!(client.append(one()).await[0], Err(Refusal::OutcomeUnknown(_))));
    assert_eq!(member.requests(), 1);
    assert_eq!(client.append(one()).await, appended(2), "the next one takes a new connection");
}

#[tokio::test]
async fn read_that_was_not_answered_is_sent_again() {
    let (listener, address) = listen().await;
    let member = Member::new([Act::BreakOff, Act::BreakOff, Act::Read(Ok(nothing()))]);
    member.serve(listener);
    let client = Client::new(address, HoldBudget::new());
    assert_eq!(client.read(read_all(0)).await, Ok(nothing()));
    assert_eq!(member.requests(), 3);
}

#[tokio::test]
async fn every_append_has_a_sequence_and_a_retry_after_an_answer_a_new_one() {
    let (listener, address) = listen().await;
    let not_ready = Act::Append(vec![Err(Refusal::NotReady("it recovers".into()))]);
    let member = Member::new([Act::Append(appended(1)), not_ready, Act::Append(appended(2))]);
    member.serve(listener);
    let client = Client::new(address, HoldBudget::new());
    assert_eq!(client.append(one()).await, appended(1));
    assert_eq!(client.append(one()).await, appended(2));
    let mut ids = Vec::new();
    let requests = member.requests.lock().unwrap().clone();
    for body in requests {
        let append =
            Append::decode(&mut Frames::new(http_body_util::Full::new(body))).await.unwrap().unwrap();
        ids.push(append.id.unwrap());
    }
    let session = ids[0].session;
    assert_eq!(ids, [1, 2, 3].map(|sequence| AppendId { session, sequence }));
    assert_ne!(session, Client::new("other".into(), HoldBudget::new()).session());
}

#[tokio::test]
async fn member_that_is_not_ready_is_asked_again() {
    let (listener, address) = listen().await;
    let not_ready = || Refusal::NotReady("it recovers".into());
    let unknown = Refusal::UnknownShard("not here".into());
    let member = Member::new([
        Act::Append(vec![Err(not_ready())]),
        Act::Append(vec![Err(unknown)]),
        Act::Append(appended(1)),
        Act::Read(Err(not_ready())),
        Act::Read(Ok(nothing())),
    ]);
    member.serve(listener);
    let client = Client::new(address, HoldBudget::new());
    assert_eq!(client.append(one()).await, appended(1));
    assert_eq!(client.read(read_all(0)).await, Ok(nothing()));
}

#[tokio::test]
async fn unknown_shard_has_the_member_looked_up_again() {
    let (listener, address) = listen().await;
    let unknown = Refusal::UnknownShard("not here".into());
    let member = Member::new([
        Act::Read(Ok(nothing())),
        Act::Append(vec![Err(unknown.clone())]),
        Act::Append(appended(1)),
        Act::Read(Err(unknown)),
        Act::Read(Ok(nothing())),
    ]);
    member.serve(listener);
    let client = Client::new(address, HoldBudget::new());
    assert_eq!(client.read(read_all(0)).await, Ok(nothing()), "it is connected");
    assert_eq!(client.append(one()).await, appended(1));
    assert_eq!(client.read(read_all(0)).await, Ok(nothing()));
    assert_eq!(member.connections.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn partly_done_append_is_not_sent_again() {
    let (listener, address) = listen().await;
    let unknown = Refusal::UnknownShard("not here".into());
    let outcomes = vec![Ok(Appended { first_offset: 1, arrival_ms: 1 }), Err(unknown)];
    let member = Member::new([Act::Append(outcomes.clone())]);
    member.serve(listener);
    let client = Client::new(address, HoldBudget::new());
    assert_eq!(client.append(append(vec![run(0, &["a"]), run(1, &["b"])])).await, outcomes);
}

#[tokio::test]
async fn budget_bounds_held_calls() {
    let (_socket, address) = not_listening();
    let client = Client::new(address, HoldBudget::of(1_000));
    let begun = Instant::now();
    assert!(matches!(client.append(one()).await[0], Err(Refusal::NotReady(_))));
    assert!(begun.elapsed() < Duration::from_secs(5), "it is refused at once");
}

#[tokio::test(start_paused = true)]
async fn hold_ends_after_ten_seconds() {
    let (_socket, address) = not_listening();
    let client = Client::new(address, HoldBudget::new());
    let begun = Instant::now();
    assert!(matches!(client.append(one()).await[0], Err(Refusal::NotReady(_))));
    let held = begun.elapsed();
    assert!((Duration::from_secs(9)..Duration::from_secs(12)).contains(&held), "{held:?}");
}

#[tokio::test(start_paused = true)]
async fn hold_is_measured_from_the_beginning_of_the_outage_and_then_calls_are_refused_at_once() {
    let (_socket, address) = not_listening();
    let client = Client::new(address, HoldBudget::new());
    let begun = Instant::now();
    let partial = || client.send_append(one(), PARTIAL_HOLD);
    let (whole, partial_outcome) = tokio::join!(client.append(one()), async {
        let outcome = partial().await;
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        outcome
    });
    assert!(matches!(whole[0], Err(Refusal::NotReady(_))));
    assert!(matches!(partial_outcome, Err(Refusal::NotReady(_))));
    let lost = Instant::now();
    assert!(matches!(partial().await, Err(Refusal::NotReady(_))));
    assert!(matches!(client.append(one()).await[0], Err(Refusal::NotReady(_))));
    assert!(matches!(client.read(read_all(0)).await, Err(Refusal::NotReady(_))));
    assert_eq!(lost.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn lost_member_takes_a_quarter_of_the_budget_and_gives_it_back_when_it_serves() {
    let (socket, address) = not_listening();
    let budget = HoldBudget::of(100 << 10);
    let client = Client::new(address, budget.clone());
    let large = || append(vec![run(0, &[&"x".repeat(20 << 10)])]);
    let held = tokio::spawn({
        let client = client.clone();
        async move { client.append(large()).await }
    });
    while client.outage().is_none() {
        tokio::task::yield_now().await;
    }
    assert!(matches!(client.append(large()).await[0], Err(Refusal::NotReady(_))), "a quarter is taken");
    assert!(budget.held_bytes() < 25 << 10);
    let member = Member::new([1, 2].map(|offset| Act::Append(appended(offset))));
    member.serve(socket.listen(16).unwrap());
    assert_eq!(held.await.unwrap(), appended(1));
    assert_eq!(client.append(large()).await, appended(2));
    assert_eq!((client.outage(), budget.held_bytes()), (None, 0));
}

#[tokio::test]
async fn appends_gather_in_the_next_call_while_two_are_under_way() {
    let (listener, address) = listen().await;
    let first = Arc::new(Notify::new());
    let hanging = [Act::Read(Ok(nothing())), Act::Hang(Arc::clone(&first)), Act::Hang(Arc::default())];
    let gathered = vec![
        Ok(Appended { first_offset: 8, arrival_ms: 1 }),
        Err(Refusal::UnknownShard("not here".into())),
        Ok(Appended { first_offset: 9, arrival_ms: 1 }),
    ];
    let again = vec![Err(Refusal::UnknownShard("not here".into()))];
    let member = Member::new(hanging.into_iter().chain([
        Act::Append(gathered),
        Act::Append(again),
        Act::Append(appended(10)),
    ]));
    member.serve(listener);
    let client = Client::new(address, HoldBudget::new());
    assert_eq!(client.read(read_all(0)).await, Ok(nothing()), "it is connected");
    let appends: Vec<_> = [0, 0, 1, 2, 1].map(|shard| spawn_append(&client, shard)).into();
    while member.requests() < 3 {
        tokio::task::yield_now().await;
    }
    first.notify_one();
    let mut appends = appends.into_iter();
    let (first, _second) = (appends.next().unwrap(), appends.next().unwrap());
    assert_eq!(first.await.unwrap(), 1);
    let offsets: Vec<_> = join_all(appends).await.into_iter().map(|offset| offset.unwrap()).collect();
    assert_eq!(offsets, [8, 10, 9], "only the one that was refused is sent again");
    assert_eq!(member.requests(), 6);
}

#[tokio::test(start_paused = true)]
async fn hung_disk_is_an_outage_of_appends_that_ends_with_the_write() {
    let (listener, address) = listen().await;
    let disk = Arc::new(Notify::new());
    let member = Member::new([
        Act::Read(Ok(nothing())),
        Act::Hang(Arc::clone(&disk)),
        Act::Hang(Arc::clone(&disk)),
        Act::Read(Ok(nothing())),
        Act::Append(appended(3)),
    ]);
    *member.status.lock().unwrap() = status(5_000);
    member.serve(listener);
    let client = Client::new(address, HoldBudget::new());
    assert_eq!(client.read(read_all(0)).await, Ok(nothing()), "it is connected");
    let stuck = [spawn_append(&client, 0), spawn_append(&client, 0)];
    while client.outage().is_none_or(|why| !why.contains("its disk has not taken a write")) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let begun = Instant::now();
    let partial = client.send_append(one(), PARTIAL_HOLD).await;
    assert!(matches!(partial, Err(Refusal::NotReady(_))), "{partial:?}");
    assert!(begun.elapsed() < Duration::from_secs(1), "its hold has ended already");
    assert_eq!(client.read(read_all(0)).await, Ok(nothing()), "reads go on");
    disk.notify_waiters();
    for append in stuck {
        assert_eq!(append.await.unwrap(), 1);
    }
    assert_eq!(client.append(one()).await, appended(3));
    assert_eq!(client.outage(), None);
}

#[tokio::test]
async fn node_that_accepts_connections_and_answers_nothing_is_sent_no_append() {
    // The kernel accepts the connection, and no process reads from it.
    let (_listener, address) = listen().await;
    let client = Client::new(address, HoldBudget::new());
    let outcome = client.send_append(one(), PARTIAL_HOLD).await;
    assert!(matches!(outcome, Err(Refusal::NotReady(_))), "{outcome:?}");
}

#[tokio::test]
async fn large_append_arrives_completely() {
    let directory = tempfile::tempdir().unwrap();
    let group = Group::create(directory.path().into(), config(), bootstrap(1)).await.unwrap();
    let (listener, address) = listen().await;
    let serving = group.clone();
    tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let service = service_fn(move |request: Request<Incoming>| {
            let group = serving.clone();
            async move {
                if request.uri().path() == STATUS_PATH {
                    let status = serde_json::to_vec(&group.status()).unwrap();
                    return Ok(Response::new(Bytes::from(status).into()));
                }
                let append = Append::decode(&mut Frames::new(request.into_body())).await.unwrap().unwrap();
                Ok::<_, Infallible>(Response::new(body_of(Append::encode_answer(group.call(append).await))))
            }
        });
        let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        let _ = builder.serve_connection(TokioIo::new(socket), service).await;
    });
    let client = Client::new(address, HoldBudget::new());
    let large = "x".repeat(1 << 20);
    let runs = (0..10).map(|_| run(0, &[&large])).collect();
    let outcomes = client.append(append(runs)).await;
    let offsets: Vec<_> = outcomes.iter().map(|outcome| outcome.as_ref().unwrap().first_offset).collect();
    assert_eq!(offsets, (1..=10).collect::<Vec<_>>());
    let read = Read { max_bytes: 20 << 20, ..read_all(0) };
    assert_eq!(data(&group.read(read).await.unwrap()).len(), 10);
}
