//! The messages between a gateway and a pod: the head of each, with the numbers of its fields.
//!
//! ```text
//! POST /v2/append   AppendHead, blocks   answers AppendAnswer
//! POST /v2/locate   LocateHead           answers LocateAnswer
//! POST /v2/read     ReadHead             answers RecordsHead, blocks; RecordsHead, blocks; ...
//! POST /v2/follow   FollowHead           answers RecordsHead, blocks; RecordsHead, blocks; ...
//! ```
//!
//! An answer has status 200. Any other status means that nothing was done, with the reason as text: 503 if a retry
//! helps, 404 if this version does not know the call.
//!
//! How messages change:
//! - The number of a field never changes. An absent field is 0, empty or none; a field with an unknown number is
//!   ignored.
//! - A feature that a pod must not ignore has a number in `requires`. A pod that does not know the number does nothing
//!   and answers `Unsupported`. There is no such feature yet.
//! - An outcome or a refusal of an unknown kind is an unknown outcome.
//! - `tests/golden/protocol` has the bytes of each message as each version wrote it.

use std::fmt::Display;
use std::time::Duration;

use bytes::Bytes;
use catalog::ShardId;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use hyper::body::Body;
use record_log::record::RecordBlock;
use record_log::value::{ReadOutcome, ReadRun};

use super::frame::{Broken, Frames, Message, invalid};
use super::records::{Frame, FrameError, RecordSource, RecordStream};
use super::{
    Append, AppendId, Appended, Call, Encoded, Follow, Locate, Position, Read, Refusal, Run, RunOutcome,
};
use crate::budget::ByteBudget;
use crate::log::MAX_APPEND_BYTES;

/// The messages of a simulated newer version.
#[cfg(feature = "version-skew")]
pub mod skew;

/// The numbers in `requires` that this version knows.
#[cfg(not(feature = "version-skew"))]
const KNOWN_REQUIREMENTS: &[u32] = &[];
#[cfg(feature = "version-skew")]
const KNOWN_REQUIREMENTS: &[u32] = &[skew::REQUIREMENT];

/// The longest pause in a stream of records; a follower gets a frame every 5 s.
const SILENCE: Duration = Duration::from_secs(10);

#[derive(Clone, PartialEq, prost::Message)]
struct AppendHead {
    #[prost(uint32, repeated, tag = "1")]
    requires: Vec<u32>,
    #[prost(string, tag = "3")]
    stream_uid: String,
    #[prost(string, tag = "4")]
    log: String,
    #[prost(message, optional, tag = "5")]
    id: Option<AppendIdHead>,
    #[prost(message, repeated, tag = "6")]
    runs: Vec<RunHead>,
    #[cfg(feature = "version-skew")]
    #[prost(string, tag = "1000")]
    newer: String,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct AppendIdHead {
    #[prost(fixed64, tag = "1")]
    session: u64,
    #[prost(uint64, tag = "2")]
    sequence: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RunHead {
    #[prost(uint32, tag = "1")]
    shard: u32,
    #[prost(uint32, tag = "2")]
    records: u32,
    #[prost(uint32, tag = "3")]
    block_bytes: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct AppendAnswer {
    /// Set if the append was refused as a whole.
    #[prost(message, optional, tag = "1")]
    refusal: Option<RefusalHead>,
    /// One per run, in their order.
    #[prost(message, repeated, tag = "2")]
    outcomes: Vec<OutcomeHead>,
    #[cfg(feature = "version-skew")]
    #[prost(string, tag = "1000")]
    newer: String,
}

/// Has one of the fields; otherwise it is an outcome that this version does not know.
#[derive(Clone, PartialEq, prost::Message)]
struct OutcomeHead {
    #[prost(message, optional, tag = "1")]
    appended: Option<AppendedHead>,
    #[prost(message, optional, tag = "2")]
    refusal: Option<RefusalHead>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct AppendedHead {
    #[prost(uint64, tag = "1")]
    first_offset: u64,
    #[prost(uint64, tag = "2")]
    arrival_ms: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct LocateHead {
    #[prost(uint32, repeated, tag = "1")]
    requires: Vec<u32>,
    #[prost(string, tag = "3")]
    stream_uid: String,
    #[prost(string, tag = "4")]
    log: String,
    #[prost(uint32, tag = "5")]
    shard: u32,
    #[prost(message, optional, tag = "6")]
    position: Option<PositionHead>,
}

/// Kinds: 1 trim horizon, 2 latest, 3 at the time `value`, 4 at the offset `value`.
#[derive(Clone, Copy, PartialEq, prost::Message)]
struct PositionHead {
    #[prost(uint32, tag = "1")]
    kind: u32,
    #[prost(uint64, tag = "2")]
    value: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct LocateAnswer {
    #[prost(message, optional, tag = "1")]
    refusal: Option<RefusalHead>,
    #[prost(uint64, optional, tag = "2")]
    offset: Option<u64>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ReadHead {
    #[prost(uint32, repeated, tag = "1")]
    requires: Vec<u32>,
    #[prost(string, tag = "3")]
    stream_uid: String,
    #[prost(string, tag = "4")]
    log: String,
    #[prost(uint32, tag = "5")]
    shard: u32,
    #[prost(message, optional, tag = "6")]
    position: Option<PositionHead>,
    #[prost(uint32, tag = "7")]
    max_records: u32,
    #[prost(uint32, tag = "8")]
    max_bytes: u32,
    #[prost(uint32, tag = "9")]
    max_frame_bytes: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct FollowHead {
    #[prost(uint32, repeated, tag = "1")]
    requires: Vec<u32>,
    #[prost(string, tag = "3")]
    stream_uid: String,
    #[prost(string, tag = "4")]
    log: String,
    #[prost(uint32, tag = "5")]
    shard: u32,
    #[prost(message, optional, tag = "6")]
    position: Option<PositionHead>,
    #[prost(uint32, tag = "7")]
    max_frame_bytes: u32,
}

/// A frame of records, or a refusal that ends the stream.
#[derive(Clone, PartialEq, prost::Message)]
struct RecordsHead {
    #[prost(message, optional, tag = "1")]
    refusal: Option<RefusalHead>,
    #[prost(message, repeated, tag = "2")]
    runs: Vec<ReadRunHead>,
    /// 0 only with a refusal; otherwise it is a frame of an unknown kind.
    #[prost(uint64, tag = "3")]
    next_offset: u64,
    #[prost(uint64, tag = "4")]
    millis_behind_latest: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ReadRunHead {
    #[prost(uint64, tag = "1")]
    first_offset: u64,
    #[prost(uint64, tag = "2")]
    arrival_ms: u64,
    #[prost(uint32, tag = "3")]
    records: u32,
    #[prost(uint32, tag = "4")]
    block_bytes: u32,
}

/// Kinds: 1 unknown shard, 2 not ready, 3 queue full, 4 storage full, 5 log stopped, 6 corrupt, 7 outcome unknown,
/// 8 invalid, 9 unsupported.
#[derive(Clone, PartialEq, prost::Message)]
struct RefusalHead {
    #[prost(uint32, tag = "1")]
    kind: u32,
    #[prost(string, tag = "2")]
    text: String,
}

impl From<Refusal> for RefusalHead {
    fn from(refusal: Refusal) -> Self {
        let (kind, text) = match refusal {
            Refusal::UnknownShard(text) => (1, text),
            Refusal::NotReady(text) => (2, text),
            Refusal::QueueFull => (3, String::new()),
            Refusal::StorageFull => (4, String::new()),
            Refusal::LogStopped(text) => (5, text),
            Refusal::Corrupt(text) => (6, text),
            Refusal::OutcomeUnknown(text) => (7, text),
            Refusal::Invalid(text) => (8, text),
            Refusal::Unsupported(text) => (9, text),
        };
        Self { kind, text }
    }
}

impl From<RefusalHead> for Refusal {
    fn from(RefusalHead { kind, text }: RefusalHead) -> Self {
        match kind {
            1 => Self::UnknownShard(text),
            2 => Self::NotReady(text),
            3 => Self::QueueFull,
            4 => Self::StorageFull,
            5 => Self::LogStopped(text),
            6 => Self::Corrupt(text),
            7 => Self::OutcomeUnknown(text),
            8 => Self::Invalid(text),
            9 => Self::Unsupported(text),
            _ => Self::OutcomeUnknown(format!(
                "refused for a reason of kind {kind}, which is of a newer version: {text}"
            )),
        }
    }
}

impl From<Position> for PositionHead {
    fn from(position: Position) -> Self {
        let (kind, value) = match position {
            Position::TrimHorizon => (1, 0),
            Position::Latest => (2, 0),
            Position::AtTimestamp(ms) => (3, ms),
            Position::Offset(offset) => (4, offset),
        };
        Self { kind, value }
    }
}

/// Decodes the position of a request; refuses one of an unknown kind.
fn position(head: Option<PositionHead>) -> Result<Position, Refusal> {
    let PositionHead { kind, value } = head.unwrap_or_default();
    match kind {
        1 => Ok(Position::TrimHorizon),
        2 => Ok(Position::Latest),
        3 => Ok(Position::AtTimestamp(value)),
        4 => Ok(Position::Offset(value)),
        _ => Err(Refusal::Unsupported(format!("a position of kind {kind}"))),
    }
}

fn shard(index: u32) -> Result<ShardId, Broken> {
    ShardId::new(index).ok_or_else(|| invalid(format_args!("{index} is no shard")))
}

/// Refuses a request that requires something unknown.
fn check(requires: &[u32]) -> Result<(), Refusal> {
    match requires.iter().find(|number| !KNOWN_REQUIREMENTS.contains(number)) {
        Some(number) => Err(Refusal::Unsupported(format!("requirement {number}"))),
        None => Ok(()),
    }
}

fn block_bytes(block: &RecordBlock) -> u32 {
    u32::try_from(block.bytes().len()).expect("a block below 4 GiB")
}

/// The head of a message without blocks.
async fn whole<H, B>(frames: &mut Frames<B>) -> Result<H, Broken>
where
    H: prost::Message + Default,
    B: Body<Data = Bytes, Error: Display> + Unpin,
{
    let head = frames.head().await?.ok_or_else(|| invalid("it is empty"))?;
    frames.end().await?;
    Ok(head)
}

fn unknown_outcome() -> Refusal {
    Refusal::OutcomeUnknown("the answer is of a newer version".into())
}

impl Call for Append {
    type Answer = Vec<RunOutcome>;
    const PATH: &'static str = "/v2/append";
    const IS_REPEATABLE: bool = false;

    fn identify(&mut self, next: impl FnOnce() -> AppendId) {
        self.id = Some(next());
    }

    fn outcomes(answer: &Self::Answer) -> &[RunOutcome] {
        answer
    }

    fn encode(&self) -> Message {
        let run = |run: &Run| RunHead {
            shard: run.shard.index(),
            records: run.block.count(),
            block_bytes: block_bytes(&run.block),
        };
        let head = AppendHead {
            requires: Vec::new(),
            stream_uid: self.stream_uid.clone(),
            log: self.log.clone(),
            id: self.id.map(|AppendId { session, sequence }| AppendIdHead { session, sequence }),
            runs: self.runs.iter().map(run).collect(),
            #[cfg(feature = "version-skew")]
            newer: "a field more".into(),
        };
        Message::new(&head, self.runs.iter().map(|run| run.block.bytes().clone()))
    }

    async fn decode<B>(frames: &mut Frames<B>) -> Result<Result<Self, Refusal>, Broken>
    where
        B: Body<Data = Bytes, Error: Display> + Unpin + Send,
    {
        let head: AppendHead = frames.head().await?.ok_or_else(|| invalid("it is empty"))?;
        if let Err(refusal) = check(&head.requires) {
            return Ok(Err(refusal));
        }
        let blocks_bytes = head.runs.iter().map(|run| u64::from(run.block_bytes)).sum();
        if frames.left_bytes() != Some(blocks_bytes) {
            return Err(invalid("its blocks are not as long as its head says"));
        }
        let mut runs = Vec::with_capacity(head.runs.len());
        for RunHead { shard: index, records, block_bytes } in head.runs {
            let block = frames.block(records, block_bytes as usize).await?;
            runs.push(Run { shard: shard(index)?, block });
        }
        Ok(Ok(Self {
            stream_uid: head.stream_uid,
            log: head.log,
            id: head.id.map(|AppendIdHead { session, sequence }| AppendId { session, sequence }),
            runs,
        }))
    }

    fn encode_answer(answer: Result<Self::Answer, Refusal>) -> Encoded {
        let outcome = |outcome| match outcome {
            Ok(Appended { first_offset, arrival_ms }) => {
                OutcomeHead { appended: Some(AppendedHead { first_offset, arrival_ms }), refusal: None }
            }
            Err(refusal) => OutcomeHead { appended: None, refusal: Some(RefusalHead::from(refusal)) },
        };
        let (refusal, outcomes) = match answer {
            Ok(outcomes) => (None, outcomes.into_iter().map(outcome).collect()),
            Err(refusal) => (Some(refusal.into()), Vec::new()),
        };
        let head = AppendAnswer {
            refusal,
            outcomes,
            #[cfg(feature = "version-skew")]
            newer: "a field more".into(),
        };
        Encoded::Whole(Message::new(&head, []))
    }

    async fn receive<B>(mut frames: Frames<B>) -> Result<Result<Self::Answer, Refusal>, Broken>
    where
        B: Body<Data = Bytes, Error: Display> + Unpin + Send + 'static,
    {
        let AppendAnswer { refusal, outcomes, .. } = whole(&mut frames).await?;
        if let Some(refusal) = refusal {
            return Ok(Err(refusal.into()));
        }
        let outcome = |OutcomeHead { appended, refusal }| match (appended, refusal) {
            (_, Some(refusal)) => Err(Refusal::from(refusal)),
            (Some(AppendedHead { first_offset, arrival_ms }), None) => {
                Ok(Appended { first_offset, arrival_ms })
            }
            (None, None) => Err(unknown_outcome()),
        };
        Ok(Ok(outcomes.into_iter().map(outcome).collect()))
    }
}

impl Call for Locate {
    type Answer = u64;
    const PATH: &'static str = "/v2/locate";
    const IS_REPEATABLE: bool = true;

    fn encode(&self) -> Message {
        let head = LocateHead {
            requires: Vec::new(),
            stream_uid: self.stream_uid.clone(),
            log: self.log.clone(),
            shard: self.shard.index(),
            position: Some(self.position.into()),
        };
        Message::new(&head, [])
    }

    async fn decode<B>(frames: &mut Frames<B>) -> Result<Result<Self, Refusal>, Broken>
    where
        B: Body<Data = Bytes, Error: Display> + Unpin + Send,
    {
        let head: LocateHead = whole(frames).await?;
        let shard = shard(head.shard)?;
        Ok(check(&head.requires).and_then(|()| position(head.position)).map(|position| Self {
            stream_uid: head.stream_uid,
            log: head.log,
            shard,
            position,
        }))
    }

    fn encode_answer(answer: Result<Self::Answer, Refusal>) -> Encoded {
        let head = match answer {
            Ok(offset) => LocateAnswer { refusal: None, offset: Some(offset) },
            Err(refusal) => LocateAnswer { refusal: Some(refusal.into()), offset: None },
        };
        Encoded::Whole(Message::new(&head, []))
    }

    async fn receive<B>(mut frames: Frames<B>) -> Result<Result<Self::Answer, Refusal>, Broken>
    where
        B: Body<Data = Bytes, Error: Display> + Unpin + Send + 'static,
    {
        let LocateAnswer { refusal, offset } = whole(&mut frames).await?;
        Ok(match refusal {
            Some(refusal) => Err(refusal.into()),
            None => offset.ok_or_else(unknown_outcome),
        })
    }
}

impl Call for Read {
    type Answer = RecordStream;
    const PATH: &'static str = "/v2/read";
    const IS_REPEATABLE: bool = true;

    fn encode(&self) -> Message {
        let head = ReadHead {
            requires: Vec::new(),
            stream_uid: self.stream_uid.clone(),
            log: self.log.clone(),
            shard: self.shard.index(),
            position: Some(self.position.into()),
            max_records: self.max_records,
            max_bytes: self.max_bytes,
            max_frame_bytes: self.max_frame_bytes,
        };
        Message::new(&head, [])
    }

    async fn decode<B>(frames: &mut Frames<B>) -> Result<Result<Self, Refusal>, Broken>
    where
        B: Body<Data = Bytes, Error: Display> + Unpin + Send,
    {
        let head: ReadHead = whole(frames).await?;
        let shard = shard(head.shard)?;
        Ok(check(&head.requires).and_then(|()| position(head.position)).map(|position| Self {
            stream_uid: head.stream_uid,
            log: head.log,
            shard,
            position,
            max_records: head.max_records,
            max_bytes: head.max_bytes,
            max_frame_bytes: head.max_frame_bytes,
        }))
    }

    fn encode_answer(answer: Result<Self::Answer, Refusal>) -> Encoded {
        encode_stream(answer)
    }

    async fn receive<B>(frames: Frames<B>) -> Result<Result<Self::Answer, Refusal>, Broken>
    where
        B: Body<Data = Bytes, Error: Display> + Unpin + Send + 'static,
    {
        ReceivedRecords::begin(frames).await
    }
}

impl Call for Follow {
    type Answer = RecordStream;
    const PATH: &'static str = "/v2/follow";
    const IS_REPEATABLE: bool = true;

    fn encode(&self) -> Message {
        let head = FollowHead {
            requires: Vec::new(),
            stream_uid: self.stream_uid.clone(),
            log: self.log.clone(),
            shard: self.shard.index(),
            position: Some(self.position.into()),
            max_frame_bytes: self.max_frame_bytes,
        };
        Message::new(&head, [])
    }

    async fn decode<B>(frames: &mut Frames<B>) -> Result<Result<Self, Refusal>, Broken>
    where
        B: Body<Data = Bytes, Error: Display> + Unpin + Send,
    {
        let head: FollowHead = whole(frames).await?;
        let shard = shard(head.shard)?;
        Ok(check(&head.requires).and_then(|()| position(head.position)).map(|position| Self {
            stream_uid: head.stream_uid,
            log: head.log,
            shard,
            position,
            max_frame_bytes: head.max_frame_bytes,
        }))
    }

    fn encode_answer(answer: Result<Self::Answer, Refusal>) -> Encoded {
        encode_stream(answer)
    }

    async fn receive<B>(frames: Frames<B>) -> Result<Result<Self::Answer, Refusal>, Broken>
    where
        B: Body<Data = Bytes, Error: Display> + Unpin + Send + 'static,
    {
        ReceivedRecords::begin(frames).await
    }
}

fn encode_stream(answer: Result<RecordStream, Refusal>) -> Encoded {
    match answer {
        Ok(stream) => Encoded::Stream(stream),
        Err(refusal) => Encoded::Whole(encode_frame(Err(refusal))),
    }
}

/// A frame of records, or the refusal that ends a stream.
#[must_use]
pub fn encode_frame(frame: Result<&ReadOutcome, Refusal>) -> Message {
    let ReadOutcome { runs, next_offset, millis_behind_latest } = match frame {
        Ok(outcome) => outcome,
        Err(refusal) => {
            return Message::new(
                &RecordsHead { refusal: Some(refusal.into()), ..RecordsHead::default() },
                [],
            );
        }
    };
    let run = |run: &ReadRun| ReadRunHead {
        first_offset: run.first_offset,
        arrival_ms: run.arrival_ms,
        records: run.block.count(),
        block_bytes: block_bytes(&run.block),
    };
    let head = RecordsHead {
        refusal: None,
        runs: runs.iter().map(run).collect(),
        next_offset: *next_offset,
        millis_behind_latest: *millis_behind_latest,
    };
    Message::new(&head, runs.iter().map(|run| run.block.bytes().clone()))
}

/// Records from an answer over the network. Bytes are taken from the connection only when a frame is requested.
struct ReceivedRecords<B> {
    frames: Frames<B>,
    /// The head of the next frame, if it was read ahead.
    head: Option<RecordsHead>,
    has_ended: bool,
}

impl<B: Body<Data = Bytes, Error: Display> + Unpin + Send + 'static> ReceivedRecords<B> {
    /// Waits for the first head.
    async fn begin(mut frames: Frames<B>) -> Result<Result<RecordStream, Refusal>, Broken> {
        let head: RecordsHead = frames.head().await?.ok_or_else(|| invalid("it is empty"))?;
        if let Some(refusal) = head.refusal {
            return Ok(Err(refusal.into()));
        }
        Ok(Ok(RecordStream::new(Self { frames, head: Some(head), has_ended: false })))
    }

    async fn frame(&mut self, budget: &ByteBudget) -> Result<Option<Frame>, FrameError> {
        let head = match self.head.take() {
            Some(head) => Some(head),
            None => in_time(self.frames.head::<RecordsHead>()).await?,
        };
        let Some(RecordsHead { refusal, runs: heads, next_offset, millis_behind_latest }) = head else {
            return Ok(None);
        };
        if let Some(refusal) = refusal {
            return Err(Refusal::from(refusal).into());
        }
        let bytes = heads.iter().map(|run| run.block_bytes as usize).sum();
        if next_offset == 0 || bytes > MAX_APPEND_BYTES {
            return Err(unknown_outcome().into());
        }
        // Charged when it comes, not while it is waited for.
        let permit = budget.take(bytes).await?;
        let mut runs = Vec::with_capacity(heads.len());
        for ReadRunHead { first_offset, arrival_ms, records, block_bytes } in heads {
            let block = in_time(self.frames.block(records, block_bytes as usize)).await?;
            runs.push(ReadRun { first_offset, arrival_ms, block });
        }
        Ok(Some(Frame { outcome: ReadOutcome { runs, next_offset, millis_behind_latest }, permit }))
    }
}

/// Waits for a part of a stream no longer than a pod that is there takes.
async fn in_time<T>(part: impl Future<Output = Result<T, Broken>>) -> Result<T, Refusal> {
    let silent = |_| Refusal::OutcomeUnknown(format!("nothing came for {} s", SILENCE.as_secs()));
    let broken = |broken: Broken| Refusal::OutcomeUnknown(broken.to_string());
    tokio::time::timeout(SILENCE, part).await.map_err(silent)?.map_err(broken)
}

impl<B: Body<Data = Bytes, Error: Display> + Unpin + Send + 'static> RecordSource for ReceivedRecords<B> {
    fn next<'a>(&'a mut self, budget: &'a ByteBudget) -> BoxFuture<'a, Option<Result<Frame, FrameError>>> {
        async move {
            if self.has_ended {
                return None;
            }
            let frame = self.frame(budget).await.transpose();
            self.has_ended = !matches!(frame, Some(Ok(_)));
            frame
        }
        .boxed()
    }
}
