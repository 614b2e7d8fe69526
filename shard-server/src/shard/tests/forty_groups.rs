//! An installation of forty groups, of which thirty are lost or have disks that hang, under load and in simulated time:
//! the other ten notice nothing.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use catalog::member::STATUS_PATH;
use futures::future::BoxFuture;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{DuplexStream, duplex};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep};

use super::client::{body_of, status};
use super::*;
use crate::protocol::{Appended, Call, frame::Frames};
use crate::shard::client::{HoldBudget, PARTIAL_HOLD};
use crate::shard::connection::{Dialer, Sender, handshake};

const GROUPS: usize = 40;
const HEALTHY: usize = 10;
const WRITERS: usize = 4;
/// How long a member takes for an append.
const SERVICE: Duration = Duration::from_millis(50);
/// Bytes of an append and the pause before the next: to the groups that stay healthy, and to the thirty others, to which
/// more is appended at once than what may wait for groups that do not answer.
const SMALL: (usize, Duration) = (4 << 10, Duration::ZERO);
const LARGE: (usize, Duration) = (512 << 10, Duration::from_millis(500));
/// How long each part of the test lasts: more than twice as long as it takes until a disk that hangs is an outage.
const PART: Duration = Duration::from_secs(7);
/// The longest pause between two probes, and the time that one takes.
const PROBE: Duration = Duration::from_millis(500);

/// What a pipe holds that is not read yet, in each direction.
const PIPE_BYTES: usize = 64 << 10;

/// Where the listener of a member is, while its process lives.
type Listener = Arc<Mutex<mpsc::UnboundedSender<DuplexStream>>>;

/// Opens pipes to a member: simulated time stands still over them, as it does not over sockets.
#[derive(Debug)]
struct PipeDialer(Listener);

impl Dialer for PipeDialer {
    fn dial(&self) -> BoxFuture<'_, io::Result<Sender>> {
        Box::pin(async {
            let (ours, theirs) = duplex(PIPE_BYTES);
            let sent = self.0.lock().unwrap().send(theirs);
            sent.map_err(|_| io::Error::from(io::ErrorKind::ConnectionRefused))?;
            handshake(ours).await
        })
    }
}

/// A member that takes its time for each append, can be lost, and whose disk can hang.
struct Member {
    listener: Listener,
    hangs: watch::Sender<Option<Instant>>,
    serving: JoinHandle<()>,
}

impl Member {
    fn start() -> Self {
        let (listener, connections) = mpsc::unbounded_channel();
        let hangs = watch::Sender::new(None);
        let serving = tokio::spawn(serve(connections, hangs.clone()));
        Self { listener: Arc::new(Mutex::new(listener)), hangs, serving }
    }

    fn client(&self, number: usize, budget: &HoldBudget) -> Client {
        let dialer = PipeDialer(Arc::clone(&self.listener));
        Client::with_dialer(format!("group-{number}"), Box::new(dialer), budget.clone())
    }

    /// Its process is gone, and its connections with it.
    fn lose(&self) {
        self.serving.abort();
    }

    fn restart(&mut self) {
        let (listener, connections) = mpsc::unbounded_channel();
        *self.listener.lock().unwrap() = listener;
        self.serving = tokio::spawn(serve(connections, self.hangs.clone()));
    }
}

async fn serve(
    mut connections: mpsc::UnboundedReceiver<DuplexStream>,
    hangs: watch::Sender<Option<Instant>>,
) {
    let mut serving = JoinSet::new();
    while let Some(pipe) = connections.recv().await {
        let hangs = hangs.clone();
        let service = service_fn(move |request| {
            let hangs = hangs.subscribe();
            async move { Ok::<_, Infallible>(answer(request, hangs).await) }
        });
        let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        serving.spawn(builder.serve_connection(TokioIo::new(pipe), service));
    }
}

async fn answer(
    request: Request<Incoming>,
    mut hangs: watch::Receiver<Option<Instant>>,
) -> Response<crate::shard::body::AnswerBody> {
    if request.uri().path() == STATUS_PATH {
        let writing_ms = hangs.borrow().map_or(0, |since| since.elapsed().as_millis());
        let status = serde_json::to_vec(&status(u64::try_from(writing_ms).unwrap())).unwrap();
        return Response::new(bytes::Bytes::from(status).into());
    }
    let append = Append::decode(&mut Frames::new(request.into_body())).await.unwrap().unwrap();
    sleep(SERVICE).await;
    hangs.wait_for(Option::is_none).await.unwrap();
    let appended = |_| Ok(Appended { first_offset: 1, arrival_ms: 1 });
    Response::new(body_of(Append::encode_answer(Ok(append.runs.iter().map(appended).collect()))))
}

/// What the writers of a group saw.
#[derive(Default)]
struct Seen {
    /// How long each append took that was acknowledged.
    took: Vec<Duration>,
    refused: usize,
}

impl Seen {
    fn p99(&mut self) -> Duration {
        self.took.sort_unstable();
        self.took[self.took.len() * 99 / 100]
    }
}

/// Writers of a group, which append one after the other for as long as they live.
fn write(client: &Client, (bytes, pause): (usize, Duration)) -> (JoinSet<()>, Arc<Mutex<Seen>>) {
    let (mut writers, seen) = (JoinSet::new(), Arc::new(Mutex::new(Seen::default())));
    for _ in 0..WRITERS {
        let (client, seen) = (client.clone(), Arc::clone(&seen));
        writers.spawn(async move {
            let append = append(vec![run(0, &["x".repeat(bytes).as_str()])]);
            loop {
                let begun = Instant::now();
                match client.send_append(append.clone(), PARTIAL_HOLD).await {
                    Ok(_) => seen.lock().unwrap().took.push(begun.elapsed()),
                    Err(_) => {
                        seen.lock().unwrap().refused += 1;
                        sleep(SERVICE).await;
                    }
                }
                sleep(pause).await;
            }
        });
    }
    (writers, seen)
}

fn take(seen: &[Arc<Mutex<Seen>>]) -> Vec<Seen> {
    seen.iter().map(|seen| std::mem::take(&mut *seen.lock().unwrap())).collect()
}

#[tokio::test(start_paused = true)]
async fn thirty_lost_groups_of_forty_cost_the_others_nothing() {
    let mut members: Vec<_> = (0..GROUPS).map(|_| Member::start()).collect();
    let budget = HoldBudget::new();
    let clients: Vec<_> =
        (0..).zip(&members).map(|(number, member)| member.client(number, &budget)).collect();
    let load = clients
        .iter()
        .enumerate()
        .map(|(group, client)| write(client, if group < HEALTHY { SMALL } else { LARGE }));
    let (_writers, seen): (Vec<_>, Vec<_>) = load.unzip();
    // Until each is connected.
    sleep(PROBE).await;
    take(&seen);
    sleep(PART).await;
    let before = take(&seen);
    let refused: Vec<_> = before.iter().map(|seen| seen.refused).collect();
    assert_eq!(refused, [0; GROUPS]);

    let (lost, hanging) = (HEALTHY..HEALTHY + 15, HEALTHY + 15..GROUPS);
    for group in lost.clone() {
        members[group].lose();
    }
    for group in hanging.clone() {
        members[group].hangs.send_replace(Some(Instant::now()));
    }
    let mut most_held = 0;
    for _ in 0..PART.as_secs() {
        sleep(Duration::from_secs(1)).await;
        most_held = most_held.max(budget.held_bytes());
    }
    let during = take(&seen);
    // A quarter for what waits, and what is under way to the disks that hang.
    assert!(most_held < HoldBudget::BYTES / 4 * 3, "{most_held} bytes were held");
    for (group, (mut before, mut during)) in before.into_iter().zip(during).enumerate() {
        if group >= HEALTHY {
            assert!(during.refused > 0, "group {group} does not answer");
            continue;
        }
        assert_eq!(during.refused, 0, "group {group} is healthy");
        let (count_before, count) = (before.took.len(), during.took.len());
        assert!(count * 100 >= count_before * 95, "group {group}: {count} appends, {count_before} before");
        let (p99_before, p99) = (before.p99(), during.p99());
        assert!(p99 <= p99_before + SERVICE, "group {group}: p99 {p99:?}, {p99_before:?} before");
    }

    for group in lost {
        members[group].restart();
    }
    for group in hanging {
        members[group].hangs.send_replace(None);
    }
    sleep(PROBE).await;
    take(&seen);
    sleep(PART).await;
    for (group, after) in take(&seen).into_iter().enumerate() {
        assert!(after.refused == 0 && !after.took.is_empty(), "group {group} serves again");
        assert_eq!(clients[group].outage(), None);
    }
}
