//! A subscription as the body of an answer: each piece is an event. What comes next, [`course`] decides.
//!
//! It is a cursor, never a queue: the next frame is taken when the client has room for an event. While the client has
//! none, frames of a pod may come all the same, up to the flow-control window of their stream; so a follower over the
//! network is kept meanwhile only if there is a permit for that window, and otherwise another one goes on later.

mod course;
mod pace;

use std::sync::Arc;
use std::time::Duration;

use catalog::Stream;
use catalog::member::OpenShard;
use kinesis_wire::event_stream::{self, SubscribeToShardEvent};
use kinesis_wire::{Encoding, Error};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::Piece;
use super::frame_records::{self, Written};
use super::shard_view::child_of;
use crate::admin::Exchange;
use crate::budget::Permit;
use crate::gateway::subscriptions::{Place, Stop};
use crate::gateway::{Endpoint, Route};
use crate::protocol::{Follow, Frame, FrameError, ReadOutcome, RecordStream, Refusal};
use crate::shard::STREAM_WINDOW_BYTES;

pub use course::Course;
use course::{Broken, Step};

/// The JSON around the records of an event, and its frame.
const EVENT_JSON_BYTES: usize = 512;
/// How long a client may take to receive the last event of a subscription that is over.
const LAST_EVENT: Duration = Duration::from_secs(10);
/// How long the catalog service may take to say whether a stream still exists.
const ASK_TIMEOUT: Duration = Duration::from_secs(3);

/// Whose a subscription is, and what it follows.
pub struct Subject {
    /// The endpoint.
    pub endpoint: Arc<Endpoint>,
    /// The stream.
    pub stream: Arc<Stream>,
    /// The name of the consumer.
    pub consumer: String,
    /// The encoding of events.
    pub encoding: Encoding,
    /// The group that serves the shard.
    pub route: Route,
}

/// A subscription under way.
pub struct Subscription {
    subject: Subject,
    course: Course,
    /// The records to come; none while the client takes nothing, and after the last.
    records: Option<RecordStream>,
    /// A permit for records that a pod sends while none are taken.
    window: Option<Permit>,
    /// Given back when it is over.
    place: Option<Place>,
    stop: watch::Receiver<Option<Stop>>,
    _ended_in_time: JoinSet<()>,
}

/// What is waited for.
enum Happened {
    Frame(Option<Result<Frame, FrameError>>),
    Stopped(Stop),
    TimeIsUp,
}

impl Subject {
    /// The call that follows the shard.
    pub fn follow(&self, course: &Course) -> Follow {
        Follow {
            stream_uid: self.stream.uid.clone(),
            log: course.shard().log.clone(),
            shard: course.shard().id,
            position: course.position(),
            max_frame_bytes: u32::try_from(self.endpoint.memory().unsent.piece_bytes()).unwrap_or(u32::MAX),
        }
    }
}

impl Subscription {
    /// A subscription at its place, whose records are followed.
    pub fn new(subject: Subject, course: Course, records: RecordStream, place: Place) -> Self {
        let stop = place.stop();
        let ended_in_time = end_in_time(stop.clone(), course.ends());
        Self {
            subject,
            course,
            records: Some(records),
            window: None,
            place: Some(place),
            stop,
            _ended_in_time: ended_in_time,
        }
    }

    /// The first piece.
    pub fn initial_response(&self) -> Piece {
        Piece { bytes: event_stream::initial_response(self.subject.encoding), permit: None }
    }

    /// The next event; `None` after the last.
    pub async fn next(&mut self) -> Option<Piece> {
        loop {
            match self.course.next(Instant::now()) {
                Step::Wait { from, until } => match self.wait(from, until).await {
                    Happened::Frame(frame) => {
                        if let Some(event) = self.frame(frame) {
                            self.await_client();
                            return Some(event);
                        }
                    }
                    Happened::Stopped(stop) => {
                        let Subject { stream, consumer, .. } = &self.subject;
                        self.course.stopped(stop, stream.name.as_str(), &stream.account_id, consumer);
                    }
                    Happened::TimeIsUp => {}
                },
                Step::SendChildren(children) => return Some(self.children(&children).await),
                Step::AskForStream => self.ask_for_stream().await,
                Step::Fail(error) => {
                    self.over();
                    let bytes = event_stream::exception(&error, self.subject.encoding);
                    return Some(Piece { bytes, permit: None });
                }
                Step::End => {
                    self.over();
                    return None;
                }
            }
        }
    }

    /// Waits for a frame. When it returns anything else, the subscription is over.
    async fn wait(&mut self, from: Instant, until: Instant) -> Happened {
        let Self { subject, course, records, window, stop, .. } = self;
        let frame = async {
            if from > Instant::now() {
                sleep_until(from).await;
            }
            // What comes now is taken at once.
            *window = None;
            let following = match records {
                Some(following) => following,
                None => {
                    course.resume();
                    match subject.route.call(subject.follow(course)).await {
                        Ok(following) => records.insert(following),
                        Err(refusal) => return Some(Err(refusal.into())),
                    }
                }
            };
            following.next(&subject.endpoint.memory().reads).await
        };
        tokio::select! {
            biased;
            stop = stopped(stop) => Happened::Stopped(stop),
            () = sleep_until(until) => Happened::TimeIsUp,
            frame = frame => Happened::Frame(frame),
        }
    }

    /// The event of a frame.
    fn frame(&mut self, frame: Option<Result<Frame, FrameError>>) -> Option<Piece> {
        let Frame { outcome, permit } = match frame {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => {
                self.course.broken(self.broken(&error));
                return None;
            }
            None => {
                self.course.broken(Broken::Lost);
                return None;
            }
        };
        let end = self.course.frame(&outcome)?;
        let mut event = self.event(&outcome);
        let Written { records, bytes } =
            frame_records::write(self.course.shard(), &outcome, |number, arrival_ms, data, key| {
                event.record(number, arrival_ms, data, Some(key));
            });
        self.subject.endpoint.metrics().got(records, bytes);
        self.course.sent(bytes, Instant::now());
        let bytes = event.finish(Some(end.continuation), end.millis_behind_latest, &[]);
        Some(Piece { bytes, permit: Some(permit) })
    }

    fn event(&self, outcome: &ReadOutcome) -> SubscribeToShardEvent {
        let bytes = frame_records::json_bytes(outcome) + EVENT_JSON_BYTES;
        SubscribeToShardEvent::with_capacity(self.subject.encoding, bytes)
    }

    /// The last event of a sealed shard. Those that took over are listed by then.
    async fn children(&mut self, successors: &[OpenShard]) -> Piece {
        self.over();
        let ids: Vec<_> = successors.iter().map(|child| child.id).collect();
        let Subject { endpoint, stream, encoding, .. } = &self.subject;
        endpoint.wait_until_listed(stream, &ids).await;
        let children: Vec<_> = successors.iter().map(child_of).collect();
        let event = SubscribeToShardEvent::with_capacity(*encoding, EVENT_JSON_BYTES);
        Piece { bytes: event.finish(None::<&str>, 0, &children), permit: None }
    }

    /// What it means that no frame comes.
    fn broken(&self, error: &FrameError) -> Broken {
        let endpoint = &self.subject.endpoint;
        match error {
            FrameError::Exhausted(exhausted) => Broken::Failed(endpoint.exhausted(*exhausted)),
            FrameError::Refused(refusal) => {
                let error = endpoint.refused(refusal);
                match refusal {
                    Refusal::UnknownShard(_) | Refusal::NotReady(_) | Refusal::OutcomeUnknown(_) => {
                        Broken::Lost
                    }
                    Refusal::Sealed(_)
                    | Refusal::QueueFull
                    | Refusal::StorageFull
                    | Refusal::LogStopped(_)
                    | Refusal::Corrupt(_)
                    | Refusal::Invalid(_)
                    | Refusal::Unsupported(_) => Broken::Failed(error),
                }
            }
        }
    }

    /// Only the catalog service may say that the stream does not exist: a consumer takes that for the shard's end.
    async fn ask_for_stream(&mut self) {
        let Subject { endpoint, stream, .. } = &self.subject;
        let deadline = std::time::Instant::now() + ASK_TIMEOUT;
        if let Ok(false) = endpoint.catalog().still_has(stream, deadline).await {
            let error = Error::stream_not_found(stream.name.as_str(), &stream.account_id);
            self.course.stream_gone(error);
        }
    }

    /// The client has an event to take.
    fn await_client(&mut self) {
        if let Route::Remote(_) = self.subject.route {
            self.window = self.subject.endpoint.memory().windows.take_free(STREAM_WINDOW_BYTES as usize);
            if self.window.is_none() {
                self.records = None;
            }
        }
    }

    fn over(&mut self) {
        self.records = None;
        self.window = None;
        if let Some(place) = self.place.take() {
            place.end();
        }
    }
}

/// Returns when a subscription is to stop.
async fn stopped(stop: &mut watch::Receiver<Option<Stop>>) -> Stop {
    let why = stop.wait_for(Option::is_some).await.ok().and_then(|why| *why);
    match why {
        Some(why) => why,
        // Whoever could have stopped it is gone.
        None => std::future::pending().await,
    }
}

/// Ends the exchange of the current request a while after the subscription is over: a client that takes nothing does not
/// learn it otherwise.
fn end_in_time(mut stop: watch::Receiver<Option<Stop>>, ends: Instant) -> JoinSet<()> {
    let mut ending = JoinSet::new();
    if let Some(exchange) = Exchange::current() {
        ending.spawn(async move {
            tokio::select! {
                _ = stopped(&mut stop) => {}
                () = sleep_until(ends) => {}
            }
            sleep(LAST_EVENT).await;
            exchange.end();
        });
    }
    ending
}
