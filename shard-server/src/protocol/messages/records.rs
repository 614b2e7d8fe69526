//! Reading and following a shard: what is asked, and records as they come, frame by frame.

use std::fmt::Display;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use hyper::body::Body;
use record_log::value::{ReadOutcome, ReadRun};

use super::refusal::RefusalHead;
use super::shard_head::{self, Target};
use super::shards::SuccessorsHead;
use super::{block_bytes, unknown_outcome};
use crate::budget::ByteBudget;
use crate::log::MAX_APPEND_BYTES;
use crate::protocol::frame::{Broken, Frames, Message, invalid, time_for};
use crate::protocol::records::{Frame, FrameError, RecordSource, RecordStream};
use crate::protocol::{Call, Encoded, Follow, Read, Refusal};

/// What a read is up to, behind its [`shard_head`].
#[derive(Clone, PartialEq, prost::Message)]
struct ReadLimits {
    #[prost(uint32, tag = "7")]
    max_records: u32,
    #[prost(uint32, tag = "8")]
    max_bytes: u32,
    #[prost(uint32, tag = "9")]
    max_frame_bytes: u32,
    #[prost(uint32, tag = "10")]
    wait_ms: u32,
}

/// What bounds the frames of who follows, behind its [`shard_head`].
#[derive(Clone, PartialEq, prost::Message)]
struct FrameLimit {
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
    /// At the end of a sealed shard: the shards that took over.
    #[prost(message, optional, tag = "5")]
    successors: Option<SuccessorsHead>,
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

impl Call for Read {
    type Answer = RecordStream;
    const PATH: &'static str = "/v2/read";

    fn encode(&self) -> Message {
        let Self { stream_uid, log, shard, position, max_records, max_bytes, max_frame_bytes, wait_ms } =
            self.clone();
        shard_head::encode(
            Vec::new(),
            Target { stream_uid, log, shard, position },
            ReadLimits { max_records, max_bytes, max_frame_bytes, wait_ms },
        )
    }

    async fn decode<B>(frames: &mut Frames<B>) -> Result<Result<Self, Refusal>, Broken>
    where
        B: Body<Data = Bytes, Error: Display> + Unpin + Send,
    {
        let decoded = shard_head::decode(frames).await?;
        Ok(decoded.map(
            |(
                Target { stream_uid, log, shard, position },
                ReadLimits { max_records, max_bytes, max_frame_bytes, wait_ms },
            )| Self {
                stream_uid,
                log,
                shard,
                position,
                max_records,
                max_bytes,
                max_frame_bytes,
                wait_ms,
            },
        ))
    }

    fn encode_answer(answer: Result<Self::Answer, Refusal>) -> Encoded {
        encode_stream(answer.map(Encoded::Stream))
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

    fn encode(&self) -> Message {
        let Self { stream_uid, log, shard, position, max_frame_bytes } = self.clone();
        shard_head::encode(
            Vec::new(),
            Target { stream_uid, log, shard, position },
            FrameLimit { max_frame_bytes },
        )
    }

    async fn decode<B>(frames: &mut Frames<B>) -> Result<Result<Self, Refusal>, Broken>
    where
        B: Body<Data = Bytes, Error: Display> + Unpin + Send,
    {
        let decoded = shard_head::decode(frames).await?;
        Ok(decoded.map(|(Target { stream_uid, log, shard, position }, FrameLimit { max_frame_bytes })| {
            Self { stream_uid, log, shard, position, max_frame_bytes }
        }))
    }

    fn encode_answer(answer: Result<Self::Answer, Refusal>) -> Encoded {
        encode_stream(answer.map(Encoded::Endless))
    }

    async fn receive<B>(frames: Frames<B>) -> Result<Result<Self::Answer, Refusal>, Broken>
    where
        B: Body<Data = Bytes, Error: Display> + Unpin + Send + 'static,
    {
        ReceivedRecords::begin(frames).await
    }
}

fn encode_stream(answer: Result<Encoded, Refusal>) -> Encoded {
    answer.unwrap_or_else(|refusal| Encoded::Whole(encode_frame(Err(refusal))))
}

/// A frame of records, or the refusal that ends a stream.
#[must_use]
pub fn encode_frame(frame: Result<&ReadOutcome, Refusal>) -> Message {
    let ReadOutcome { runs, next_offset, millis_behind_latest, successors } = match frame {
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
        successors: successors.as_deref().map(SuccessorsHead::from),
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
            // The longest pause in a stream of records; a follower gets a frame every 5 s.
            None => in_time(0, self.frames.head::<RecordsHead>()).await?,
        };
        let Some(RecordsHead { refusal, runs: heads, next_offset, millis_behind_latest, successors }) = head
        else {
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
            let block_bytes = block_bytes as usize;
            let block = in_time(block_bytes, self.frames.block(records, block_bytes)).await?;
            runs.push(ReadRun { first_offset, arrival_ms, block });
        }
        let broken = |broken: Broken| Refusal::OutcomeUnknown(broken.to_string());
        let successors = successors.map(TryInto::try_into).transpose().map_err(broken)?;
        Ok(Some(Frame {
            outcome: ReadOutcome { runs, next_offset, millis_behind_latest, successors },
            permit,
        }))
    }
}

/// Waits for a part of a stream, of so many bytes, no longer than a pod that is there takes.
async fn in_time<T>(bytes: usize, part: impl Future<Output = Result<T, Broken>>) -> Result<T, Refusal> {
    let limit = time_for(bytes);
    let silent = |_| Refusal::OutcomeUnknown(format!("nothing came for {} s", limit.as_secs()));
    let broken = |broken: Broken| Refusal::OutcomeUnknown(broken.to_string());
    tokio::time::timeout(limit, part).await.map_err(silent)?.map_err(broken)
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
