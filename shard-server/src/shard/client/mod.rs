//! A shard group in another process, over the internal protocol ([`crate::protocol`]).
//!
//! With one replica a group is unavailable while its pod restarts. A call that certainly was not received is held and
//! retried for 10 s. One budget per process bounds the bytes of held calls, and of appends until they are answered. One
//! member may take half of it, so that a group that does not answer does not stop the others. An append that may have
//! been received is never sent again: its outcome is unknown. Reads may be repeated.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

use super::body::Pieces;
use super::connection::{Connection, Sender};
use crate::clock;
use crate::protocol::frame::{Broken, Frames, Message};
use crate::protocol::{AppendId, Call, Refusal};

/// How long a call is held in total.
const HOLD: Duration = Duration::from_secs(10);
/// How long a call is held because its shard is unknown: a pod that took over the IP of another answers so.
const UNKNOWN_SHARD_HOLD: Duration = Duration::from_secs(2);
/// How long an answer may take once the call was sent.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// The pause between attempts: the first, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(25);
const LAST_PAUSE: Duration = Duration::from_millis(500);
/// The overhead of a held call in the budget.
const HELD_CALL_BYTES: usize = 1 << 10;
/// The most that is read of the reason in an answer with another status than 200.
const MAX_REASON_BYTES: usize = 64 << 10;

/// The bytes of requests that all clients of a process may have under way or held while groups restart. Cloning shares
/// the budget.
#[derive(Clone, Debug)]
pub struct HoldBudget {
    permits: Arc<Semaphore>,
    bytes: usize,
}

impl HoldBudget {
    /// The budget of a process: 64 MiB.
    pub const BYTES: usize = 64 << 20;

    /// A budget of [`HoldBudget::BYTES`].
    #[must_use]
    pub fn new() -> Self {
        Self::of(Self::BYTES)
    }

    pub(super) fn of(bytes: usize) -> Self {
        Self { permits: Arc::new(Semaphore::new(bytes)), bytes }
    }

    /// Bytes held now.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.bytes.saturating_sub(self.permits.available_permits())
    }
}

impl Default for HoldBudget {
    fn default() -> Self {
        Self::new()
    }
}

/// A client of one member of a group. It connects with the first call, and reconnects when the connection breaks.
#[derive(Debug)]
pub struct Client {
    authority: String,
    connection: Connection,
    budget: HoldBudget,
    /// This member's part of the budget.
    part: Arc<Semaphore>,
    /// The session of its appends, drawn at random for the life of this client.
    session: u64,
    /// The number of appends so far.
    appends: AtomicU64,
}

/// The outcome of an attempt.
enum Attempt<T> {
    Answered(T),
    /// Certainly not received.
    NotReceived(String),
    /// Possibly received.
    PossiblyReceived(String),
}

/// Why to retry after an answer. Nothing was done in either case.
enum Again {
    /// The group will be ready.
    Wait,
    /// Another pod answered.
    Reconnect,
}

impl Client {
    /// A client of the member at `address`, `host:port`.
    #[must_use]
    pub fn new(address: String, budget: HoldBudget) -> Self {
        let part = Arc::new(Semaphore::new(budget.bytes / 2));
        let (authority, connection) = (address.clone(), Connection::new(address));
        Self { authority, connection, budget, part, session: rand::random(), appends: AtomicU64::new(0) }
    }

    /// As [`super::Group::call`]. Held for up to 10 s while the group restarts. A repeatable call is retried until its
    /// answer begins. Any other call that may have been received is never sent again.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn call<C: Call>(&self, mut call: C) -> Result<C::Answer, Refusal> {
        let mut message = self.encode(&mut call);
        let mut hold = Hold::new(self, message.bytes());
        if !C::IS_REPEATABLE {
            // No other budget counts the records of an append until it is answered.
            hold.begin()?;
        }
        loop {
            let sender = match self.connection.open() {
                Some(sender) => sender,
                None => {
                    hold.begin()?;
                    let ready = timeout_at(hold.deadline, self.connection.ready()).await;
                    ready.map_err(|_| Refusal::NotReady(self.connection.last_error()))?
                }
            };
            let why = match self.exchange::<C>(sender, message.clone()).await {
                Attempt::Answered(answer) => {
                    match again_after::<C>(&answer) {
                        Some(Again::Wait) if hold.pause(HOLD).await => {}
                        Some(Again::Reconnect) if hold.pause(UNKNOWN_SHARD_HOLD).await => {
                            self.connection.forget();
                        }
                        _ => return answer,
                    }
                    // The group would repeat its answer to this sequence: send it under a new one.
                    message = self.encode(&mut call);
                    continue;
                }
                Attempt::PossiblyReceived(why) if !C::IS_REPEATABLE => {
                    return Err(Refusal::OutcomeUnknown(why));
                }
                Attempt::PossiblyReceived(why) | Attempt::NotReceived(why) => why,
            };
            if !hold.pause(HOLD).await {
                return Err(Refusal::NotReady(why));
            }
        }
    }

    /// The message of a call, with a new sequence.
    fn encode(&self, call: &mut impl Call) -> Message {
        call.identify(|| AppendId {
            session: self.session,
            sequence: self.appends.fetch_add(1, Ordering::Relaxed) + 1,
        });
        call.encode()
    }

    /// One attempt.
    async fn exchange<C: Call>(
        &self,
        mut sender: Sender,
        message: Message,
    ) -> Attempt<Result<C::Answer, Refusal>> {
        let body = Pieces::from(message);
        let sending = body.sending();
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("http://{}{}", self.authority, C::PATH))
            .body(body)
            .map_err(|error| Refusal::Invalid(error.to_string()));
        let mut request = match request {
            Ok(request) => request,
            Err(refusal) => return Attempt::Answered(Err(refusal)),
        };
        clock::write_headers(request.headers_mut());
        let answer = timeout(ANSWER_TIMEOUT, async {
            let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
            let (status, body) = (response.status(), response.into_body());
            if status == StatusCode::OK {
                return match C::receive(Frames::new(body)).await {
                    Ok(answer) => Ok(answer),
                    Err(Broken::Body(why)) => Err(why),
                    // Its outcome is unknown; do not retry it on and on.
                    Err(Broken::Invalid(invalid)) => Ok(Err(Refusal::OutcomeUnknown(invalid.to_string()))),
                };
            }
            let reason = Limited::new(body, MAX_REASON_BYTES).collect().await;
            let reason = reason.map_err(|error| error.to_string())?.to_bytes();
            Ok(Err(refusal_of(status, &String::from_utf8_lossy(&reason))))
        });
        let why = match answer.await {
            Ok(Ok(answer)) => return Attempt::Answered(answer),
            Ok(Err(error)) => error,
            Err(_) => format!("no answer within {} s", ANSWER_TIMEOUT.as_secs()),
        };
        if sending.cancel() { Attempt::NotReceived(why) } else { Attempt::PossiblyReceived(why) }
    }

    /// The session of its appends.
    #[cfg(test)]
    pub(super) fn session(&self) -> u64 {
        self.session
    }

    /// The last error of connecting.
    #[cfg(test)]
    pub(super) fn last_error(&self) -> String {
        self.connection.last_error()
    }
}

/// The refusal for an answer with another status than 200: nothing was done.
fn refusal_of(status: StatusCode, reason: &str) -> Refusal {
    match status {
        StatusCode::SERVICE_UNAVAILABLE => Refusal::QueueFull,
        StatusCode::NOT_FOUND => Refusal::Unsupported(reason.into()),
        _ => Refusal::Invalid(format!("{status}: {reason}")),
    }
}

/// Whether to retry after an answer. An append of which any part was done, or refused for another reason, is final.
fn again_after<C: Call>(answer: &Result<C::Answer, Refusal>) -> Option<Again> {
    match answer {
        Err(refusal) => again(refusal),
        Ok(answer) => {
            let mut kinds = C::outcomes(answer).iter().map(|outcome| outcome.as_ref().err().and_then(again));
            let first = kinds.next()??;
            kinds.all(|kind| kind.is_some()).then_some(first)
        }
    }
}

/// Whether to retry after a refusal.
fn again(refusal: &Refusal) -> Option<Again> {
    match refusal {
        Refusal::NotReady(_) => Some(Again::Wait),
        Refusal::UnknownShard(_) => Some(Again::Reconnect),
        Refusal::QueueFull
        | Refusal::StorageFull
        | Refusal::LogStopped(_)
        | Refusal::Corrupt(_)
        | Refusal::OutcomeUnknown(_)
        | Refusal::Invalid(_)
        | Refusal::Unsupported(_) => None,
    }
}

/// The permits of a held call, and how long it may be held.
struct Hold<'a> {
    client: &'a Client,
    bytes: usize,
    permits: Option<[OwnedSemaphorePermit; 2]>,
    begun: Instant,
    deadline: Instant,
    pause: Duration,
}

impl<'a> Hold<'a> {
    fn new(client: &'a Client, bytes: usize) -> Self {
        let begun = Instant::now();
        Self { client, bytes, permits: None, begun, deadline: begun + HOLD, pause: FIRST_PAUSE }
    }

    fn begin(&mut self) -> Result<(), Refusal> {
        if self.permits.is_none() {
            let bytes = u32::try_from(self.bytes + HELD_CALL_BYTES).unwrap_or(u32::MAX);
            let take = |budget: &Arc<Semaphore>| {
                let permit = Arc::clone(budget).try_acquire_many_owned(bytes);
                permit.map_err(|_| Refusal::NotReady("too much is under way to groups".into()))
            };
            self.permits = Some([take(&self.client.part)?, take(&self.client.budget.permits)?]);
        }
        Ok(())
    }

    /// Waits before the next attempt; false if the call may not be held any longer.
    async fn pause(&mut self, limit: Duration) -> bool {
        if self.begin().is_err() || self.begun.elapsed() + self.pause > limit {
            return false;
        }
        tokio::time::sleep(self.pause).await;
        self.pause = LAST_PAUSE.min(self.pause * 2);
        true
    }
}
