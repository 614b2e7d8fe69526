//! A client and a member that restarts, is not ready, or breaks off.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::Instant;

use super::super::body::AnswerBody;
use super::super::client::{Client, HoldBudget};
use super::*;
use crate::admin::Termination;
use crate::protocol::{AppendId, Appended, Call, Encoded, encode_frame, frame::Frames};

/// How a member reacts to a request that it has read.
#[derive(Clone)]
enum Act {
    Append(Vec<RunOutcome>),
    Read(Result<ReadOutcome, Refusal>),
    /// Ends the connection without an answer.
    BreakOff,
}

/// A member that follows a script, with a step per request, and counts the requests.
#[derive(Clone)]
struct Member {
    script: Arc<Mutex<VecDeque<Act>>>,
    requests: Arc<Mutex<Vec<Bytes>>>,
}

impl Member {
    fn new(script: impl IntoIterator<Item = Act>) -> Self {
        Self { script: Arc::new(Mutex::new(script.into_iter().collect())), requests: Arc::default() }
    }

    fn requests(&self) -> usize {
        self.requests.lock().unwrap().len()
    }

    /// Serves in a task until the test ends.
    fn serve(&self, listener: TcpListener) {
        let member = self.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(member.clone().serve_connection(socket));
            }
        });
    }

    async fn serve_connection(self, socket: TcpStream) {
        let (broken, mut is_broken) = tokio::sync::mpsc::channel::<()>(1);
        let service = service_fn(move |request: Request<Incoming>| {
            let (member, broken) = (self.clone(), broken.clone());
            async move {
                let body = request.into_body().collect().await.unwrap().to_bytes();
                member.requests.lock().unwrap().push(body);
                let act =
                    member.script.lock().unwrap().pop_front().expect("a request more than the script has");
                let answer = match act {
                    Act::Append(outcomes) => Append::encode_answer(Ok(outcomes)),
                    Act::Read(outcome) => {
                        Encoded::Whole(encode_frame(outcome.as_ref().map_err(Clone::clone)))
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

fn body_of(answer: Encoded) -> AnswerBody {
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
    ReadOutcome { runs: Vec::new(), next_offset: 1, millis_behind_latest: 0 }
}

#[tokio::test]
async fn append_is_held_until_the_member_listens() {
    let (socket, address) = not_listening();
    let client = Arc::new(Client::new(address, HoldBudget::new()));
    let held: Vec<_> = (0..10)
        .map(|_| {
            let client = Arc::clone(&client);
            tokio::spawn(async move { client.append(one()).await })
        })
        .collect();
    while client.last_error().contains("no connection yet") {
        tokio::task::yield_now().await;
    }
    let member = Member::new((1..=10).map(|offset| Act::Append(appended(offset))));
    member.serve(socket.listen(16).unwrap());
    for append in held {
        assert!(append.await.unwrap()[0].is_ok());
    }
    assert_eq!(member.requests(), 10);
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

#[tokio::test]
async fn dead_node_is_detected_by_missing_pings() {
    // The kernel accepts the connection, and no process reads from it.
    let (_listener, address) = listen().await;
    let client = Client::new(address, HoldBudget::new());
    let begun = Instant::now();
    assert!(matches!(client.append(one()).await[0], Err(Refusal::OutcomeUnknown(_))));
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
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
