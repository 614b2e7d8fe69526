//! The calls: their content and their answers.

use catalog::ShardId;
use hyper::body::Body;

use super::frame::{Broken, Frames, Message};
use super::{RecordStream, Refusal};

pub use record_log::value::{Appended, Position, Run};

/// The largest frame of a stream of records that may be asked for; a larger record is a frame of its own.
pub const MAX_FRAME_BYTES: usize = 1 << 20;
/// A frame where nobody asks for a size, and what a pod reads at once at least.
pub const FRAME_BYTES: usize = 256 << 10;

/// The longest that a read waits for a record.
pub const MAX_READ_WAIT_MS: u32 = 1_000;

/// A call to a shard group. An implementation declares the call completely: a group only has to serve it, and clients
/// and services handle every call alike.
pub trait Call: Sized + Send + 'static {
    /// The answer of a group.
    type Answer: Send + 'static;
    /// Its path at a pod.
    const PATH: &'static str;

    /// The outcome of each run of an append; each may be refused on its own.
    fn outcomes(_answer: &Self::Answer) -> &[RunOutcome] {
        &[]
    }

    /// The request's body.
    fn encode(&self) -> Message;

    /// Decodes the call from a request's body. `Ok(Err(_))` is the refusal of a call that this version does not
    /// support.
    fn decode<B>(
        frames: &mut Frames<B>,
    ) -> impl Future<Output = Result<Result<Self, Refusal>, Broken>> + Send
    where
        B: Body<Data = bytes::Bytes, Error: std::fmt::Display> + Unpin + Send;

    /// The answer's body.
    fn encode_answer(answer: Result<Self::Answer, Refusal>) -> Encoded;

    /// Reads the answer from its body. Returns a stream as soon as its first frame begins to arrive.
    fn receive<B>(
        frames: Frames<B>,
    ) -> impl Future<Output = Result<Result<Self::Answer, Refusal>, Broken>> + Send
    where
        B: Body<Data = bytes::Bytes, Error: std::fmt::Display> + Unpin + Send + 'static;
}

/// A call that may be repeated even if it may have been received.
pub trait RepeatableCall: Call + Clone {}

impl RepeatableCall for Locate {}
impl RepeatableCall for Reshard {}
impl RepeatableCall for Read {}
impl RepeatableCall for Follow {}

/// An answer to be sent.
pub enum Encoded {
    /// Complete.
    Whole(Message),
    /// Read while it is sent.
    Stream(RecordStream),
    /// The same, without an end of its own: it says so when the process ends.
    Endless(RecordStream),
}

/// The identity of an append. An append that arrives several times under the same identity is stored once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AppendId {
    /// The sender, drawn at random for the life of a client.
    pub session: u64,
    /// Counts the client's appends, from 1.
    pub sequence: u64,
}

/// Appends to several shards of one log, durable together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    /// The stream, so that a misrouted call is refused.
    pub stream_uid: String,
    /// The log.
    pub log: String,
    /// Set by a client; `None` within a process, where a call arrives once.
    pub id: Option<AppendId>,
    /// The runs. Those of one shard are appended in this order. A block has at most
    /// [`record_log::record::MAX_BLOCK_BYTES`], or one record.
    pub runs: Vec<Run>,
}

/// The outcome of a run, in the order of the request. `Ok` means durable.
pub type RunOutcome = Result<Appended, Refusal>;

/// Seals shards of a log and opens others in their place. A reshard that was done before gets its outcome again, by the
/// number of its operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reshard {
    /// The stream, so that a misrouted call is refused.
    pub stream_uid: String,
    /// The log.
    pub log: String,
    /// Which shards.
    pub reshard: record_log::Reshard,
}

/// Resolves a position to an offset: that of the first record that a read from there would return.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locate {
    /// The stream, so that a misrouted call is refused.
    pub stream_uid: String,
    /// The log.
    pub log: String,
    /// The shard.
    pub shard: ShardId,
    /// The position to resolve.
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
    /// Where no record is there yet, waits so many milliseconds for one; at most [`MAX_READ_WAIT_MS`].
    pub wait_ms: u32,
}

/// Reads one shard from a position on without end. Records are sent as they are committed, and an empty frame after 5 s
/// without records. Behind the last record of a sealed shard it ends, with a frame that names the successors. When the pod ends, the last frame is a refusal, [`Refusal::NotReady`], or the stream breaks off: the
/// follower begins again behind the records that it received.
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
