//! The calls: what each carries and how it is answered.

use catalog::ShardId;
use hyper::body::Body;

use super::frame::{Broken, Frames, Message};
use super::{RecordStream, Refusal};

pub use record_log::value::{Appended, Position, Run};

/// The largest frame of a stream of records that may be asked for; a larger record is a frame of its own.
pub const MAX_FRAME_BYTES: usize = 1 << 20;
/// A frame where nobody asks for a size, and what a pod reads at once at least.
pub const FRAME_BYTES: usize = 256 << 10;

/// A call to a shard group. An implementation is the whole declaration of one: a group has code that does it, and who
/// carries calls carries any of them.
pub trait Call: Sized + Send + 'static {
    /// What a group answers that does it.
    type Answer: Send + 'static;
    /// Where a pod takes it.
    const PATH: &'static str;
    /// Whether it may be sent again after it may have been received.
    const IS_REPEATABLE: bool;

    /// Gives the call its identity, where it has one.
    fn identify(&mut self, _next: impl FnOnce() -> AppendId) {}

    /// What became of each run, where a call has runs; each may be refused by itself.
    fn outcomes(_answer: &Self::Answer) -> &[RunOutcome] {
        &[]
    }

    /// The request's body.
    fn encode(&self) -> Message;

    /// The call from a request's body. `Ok(Err(_))` is what to answer if this version does not do it.
    fn decode<B>(
        frames: &mut Frames<B>,
    ) -> impl Future<Output = Result<Result<Self, Refusal>, Broken>> + Send
    where
        B: Body<Data = bytes::Bytes, Error: std::fmt::Display> + Unpin + Send;

    /// The answer's body.
    fn encode_answer(answer: Result<Self::Answer, Refusal>) -> Encoded;

    /// The answer from its body; of an answer that is a stream, as soon as its first frame begins to arrive.
    fn receive<B>(
        frames: Frames<B>,
    ) -> impl Future<Output = Result<Result<Self::Answer, Refusal>, Broken>> + Send
    where
        B: Body<Data = bytes::Bytes, Error: std::fmt::Display> + Unpin + Send + 'static;
}

/// An answer to be sent.
pub enum Encoded {
    /// There all at once.
    Whole(Message),
    /// Read while it is sent.
    Stream(RecordStream),
    /// The same, without an end of its own: it says so when the process ends.
    Endless(RecordStream),
}

/// Who sends an append, and which of its appends it is. The same pair is the same append, however often it arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AppendId {
    /// Drawn at random by a client for its life.
    pub session: u64,
    /// The client's appends in the order in which it began them, from 1.
    pub sequence: u64,
}

/// Appends to several shards of one log, durable together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    /// The stream, so that a misrouted call is refused.
    pub stream_uid: String,
    /// The log.
    pub log: String,
    /// Set by the client that sends it; none in process, where nothing arrives twice.
    pub id: Option<AppendId>,
    /// The runs. Those of one shard are appended in this order. A block has at most
    /// [`record_log::record::MAX_BLOCK_BYTES`], or one record.
    pub runs: Vec<Run>,
}

/// What became of one run, in the order of the request's. `Ok` means durable.
pub type RunOutcome = Result<Appended, Refusal>;

/// Asks which offset a position is now: that of the record which a read from there would give first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locate {
    /// The stream, so that a misrouted call is refused.
    pub stream_uid: String,
    /// The log.
    pub log: String,
    /// The shard.
    pub shard: ShardId,
    /// What to resolve.
    pub position: Position,
}

/// Where a position is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Located {
    /// The offset.
    pub offset: u64,
    /// Log time, in milliseconds since 1970, where the position was a time: one behind it is still to come. Absent too
    /// where the group's version does not say it.
    pub time_ms: Option<u64>,
}

/// Reads one shard up to a limit, or to its newest record. The answer has at least one frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// The stream, so that a misrouted call is refused.
    pub stream_uid: String,
    /// The log.
    pub log: String,
    /// The shard.
    pub shard: ShardId,
    /// Where to begin.
    pub position: Position,
    /// At most so many records; at least 1.
    pub max_records: u32,
    /// At most so many encoded bytes, but always one record where there is one.
    pub max_bytes: u32,
    /// At most so many encoded bytes in a frame, or one record; 0 leaves it to the group. Never more than
    /// [`MAX_FRAME_BYTES`].
    pub max_frame_bytes: u32,
}

/// Reads one shard from a position on without an end: records come as they are committed, and an empty frame after 5 s
/// without any. When the pod ends, the last frame is a refusal, [`Refusal::NotReady`], or the stream breaks off: who follows
/// begins again behind what came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Follow {
    /// The stream, so that a misrouted call is refused.
    pub stream_uid: String,
    /// The log.
    pub log: String,
    /// The shard.
    pub shard: ShardId,
    /// Where to begin.
    pub position: Position,
    /// As in [`Read`].
    pub max_frame_bytes: u32,
}
