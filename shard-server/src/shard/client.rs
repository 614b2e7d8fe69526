//! A shard group in another process, over the internal protocol ([`super::wire`]).
//!
//! With one replica a group is away while its pod restarts. A call that certainly was not received is held and tried
//! again for 10 s. The bytes of calls that are held, and of appends until they are answered, are bounded for the whole
//! process, and one member may have half of them: a group that is away, or does not answer, stops no other. An append
//! that may have been received is never sent again: its outcome is unknown. Reads are repeated freely.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

use super::body::Pieces;
use super::connection::{Connection, Sender};
use super::wire::{self, InvalidMessage, Message};
use crate::protocol::{Append, Locate, Read, ReadOutcome, Refusal, RunOutcome};

/// How long a call is held in all before it is sent.
const HOLD: Duration = Duration::from_secs(10);
/// How long a call is held because its shard is unknown, which a pod says that got the IP of another.
const UNKNOWN_SHARD_HOLD: Duration = Duration::from_secs(2);
/// How long an answer may take once the call was sent.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait before it is tried again: first, and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(25);
const LAST_PAUSE: Duration = Duration::from_millis(500);
/// What a held call takes of the budget besides its bytes.
const HELD_CALL_BYTES: usize = 1 << 10;

/// The bytes of requests that all clients of a process may have under way or held while groups restart. Cloning shares the
/// budget.
#[derive(Clone, Debug)]
pub struct HoldBudget {
    room: Arc<Semaphore>,
    bytes: usize,
}

impl HoldBudget {
    /// What a process holds: 64 MiB.
    pub const BYTES: usize = 64 << 20;

    /// A budget of [`HoldBudget::BYTES`].
    #[must_use]
    pub fn new() -> Self {
        Self::of(Self::BYTES)
    }

    pub(super) fn of(bytes: usize) -> Self {
        Self { room: Arc::new(Semaphore::new(bytes)), bytes }
    }

    /// How many bytes are held now.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.bytes.saturating_sub(self.room.available_permits())
    }
}

impl Default for HoldBudget {
    fn default() -> Self {
        Self::new()
    }
}

/// Speaks to one member of a group. Cheap to make: it connects with the first call, and again when it must.
#[derive(Debug)]
pub struct Client {
    authority: String,
    connection: Connection,
    budget: HoldBudget,
    /// This member's part of the budget.
    part: Arc<Semaphore>,
}

/// What became of one attempt.
enum Attempt<T> {
    Answered(T),
    /// Certainly not received.
    NotReceived(String),
    /// Perhaps received.
    Lost(String),
}

/// What an answer says about trying again; whatever it is, nothing was done.
enum Again {
    /// The group will be ready.
    Wait,
    /// Somebody else answered.
    Reconnect,
}

impl Client {
    /// A client of the member at `address`, `host:port`.
    #[must_use]
    pub fn new(address: String, budget: HoldBudget) -> Self {
        let part = Arc::new(Semaphore::new(budget.bytes / 2));
        Self { authority: address.clone(), connection: Connection::new(address), budget, part }
    }

    /// As [`super::Group::append`]. Held up to 10 s while the group restarts; once it may have been received and there
    /// is no answer, the outcome is [`Refusal::OutcomeUnknown`] for every run: it is never sent twice.
    pub async fn append(&self, append: Append) -> Vec<RunOutcome> {
        let runs = append.runs.len();
        let message = wire::encode_append(append);
        let decode = |body| {
            let outcomes = wire::decode_appended(body)?;
            if outcomes.len() == runs {
                Ok(outcomes)
            } else {
                Err(InvalidMessage::new("it has not one outcome a run"))
            }
        };
        let again = |outcomes: &Vec<RunOutcome>| {
            // Whatever was refused otherwise, or appended, is final.
            let mut kinds = outcomes.iter().map(|outcome| outcome.as_ref().err().and_then(again));
            let first = kinds.next()??;
            kinds.all(|kind| kind.is_some()).then_some(first)
        };
        match self.call(wire::APPEND_PATH, message, false, decode, again).await {
            Ok(outcomes) => outcomes,
            Err(refusal) => vec![Err(refusal); runs],
        }
    }

    /// As [`super::Group::read`]; repeated up to 10 s while the group restarts.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn read(&self, read: Read) -> Result<ReadOutcome, Refusal> {
        let again = |outcome: &Result<_, Refusal>| outcome.as_ref().err().and_then(again);
        let message = wire::encode_read(&read);
        self.call(wire::READ_PATH, message, true, wire::decode_read_outcome, again)
            .await
            .and_then(|outcome| outcome)
    }

    /// As [`super::Group::locate`]; repeated up to 10 s while the group restarts.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn locate(&self, locate: Locate) -> Result<u64, Refusal> {
        let again = |outcome: &Result<_, Refusal>| outcome.as_ref().err().and_then(again);
        let message = wire::encode_locate(&locate);
        self.call(wire::LOCATE_PATH, message, true, wire::decode_located, again)
            .await
            .and_then(|outcome| outcome)
    }

    /// Why there was no connection, the last time there was none.
    #[cfg(test)]
    pub(super) fn last_error(&self) -> String {
        self.connection.last_error()
    }

    async fn call<T>(
        &self,
        path: &'static str,
        message: Message,
        repeatable: bool,
        decode: impl Fn(Bytes) -> Result<T, InvalidMessage>,
        again: impl Fn(&T) -> Option<Again>,
    ) -> Result<T, Refusal> {
        let mut hold = Hold::new(self, message.bytes());
        if !repeatable {
            // Nothing else counts the records of an append until they are answered.
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
            let why = match self.exchange(sender, path, message.clone()).await {
                Attempt::Answered(Ok(body)) => {
                    let answer = decode(body).map_err(|error| Refusal::OutcomeUnknown(error.to_string()))?;
                    match again(&answer) {
                        Some(Again::Wait) if hold.pause(HOLD).await => continue,
                        Some(Again::Reconnect) if hold.pause(UNKNOWN_SHARD_HOLD).await => {
                            self.connection.forget();
                            continue;
                        }
                        _ => return Ok(answer),
                    }
                }
                Attempt::Answered(Err(refusal)) => return Err(refusal),
                Attempt::Lost(why) if !repeatable => return Err(Refusal::OutcomeUnknown(why)),
                Attempt::Lost(why) | Attempt::NotReceived(why) => why,
            };
            if !hold.pause(HOLD).await {
                return Err(Refusal::NotReady(why));
            }
        }
    }

    /// One attempt. An answer is a body, or a refusal where the status says that nothing was done.
    async fn exchange(
        &self,
        mut sender: Sender,
        path: &'static str,
        message: Message,
    ) -> Attempt<Result<Bytes, Refusal>> {
        let body = Pieces::from(message);
        let sending = body.sending();
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("http://{}{path}", self.authority))
            .body(body)
            .map_err(|error| Refusal::Invalid(error.to_string()));
        let request = match request {
            Ok(request) => request,
            Err(refusal) => return Attempt::Answered(Err(refusal)),
        };
        let answer = timeout(ANSWER_TIMEOUT, async {
            let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
            let status = response.status();
            let body = Limited::new(response.into_body(), wire::MAX_BODY_BYTES).collect().await;
            Ok((status, body.map_err(|error| error.to_string())?.to_bytes()))
        });
        let why = match answer.await {
            Ok(Ok((StatusCode::OK, body))) => return Attempt::Answered(Ok(body)),
            Ok(Ok((StatusCode::SERVICE_UNAVAILABLE, _))) => {
                return Attempt::Answered(Err(Refusal::QueueFull));
            }
            Ok(Ok((status, body))) => {
                let text = format!("{status}: {}", String::from_utf8_lossy(&body));
                return Attempt::Answered(Err(Refusal::Invalid(text)));
            }
            Ok(Err(error)) => error,
            Err(_) => format!("no answer within {} s", ANSWER_TIMEOUT.as_secs()),
        };
        if sending.cancel() { Attempt::NotReceived(why) } else { Attempt::Lost(why) }
    }
}

/// Whether a refusal is worth another attempt.
fn again(refusal: &Refusal) -> Option<Again> {
    match refusal {
        Refusal::NotReady(_) => Some(Again::Wait),
        Refusal::UnknownShard { .. } => Some(Again::Reconnect),
        Refusal::QueueFull
        | Refusal::StorageFull
        | Refusal::LogStopped(_)
        | Refusal::Damaged(_)
        | Refusal::OutcomeUnknown(_)
        | Refusal::Invalid(_) => None,
    }
}

/// A call's share of the budget, taken when it first has to wait or before, and how long it may.
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
            let take = |room: &Arc<Semaphore>| {
                let permit = Arc::clone(room).try_acquire_many_owned(bytes);
                permit.map_err(|_| Refusal::NotReady("too much is under way to groups".into()))
            };
            self.permits = Some([take(&self.client.part)?, take(&self.client.budget.room)?]);
        }
        Ok(())
    }

    /// Waits before the next attempt; false if the call may not be held (so long).
    async fn pause(&mut self, limit: Duration) -> bool {
        if self.begin().is_err() || self.begun.elapsed() + self.pause > limit {
            return false;
        }
        tokio::time::sleep(self.pause).await;
        self.pause = LAST_PAUSE.min(self.pause * 2);
        true
    }
}
