//! What a gateway asks of a shard group and what the group answers, in one process or over the network.
//!
//! - [`calls`]: the values. Each call is declared once, by its [`Call`].
//! - `messages`: the same as bytes, with the rules by which old and new programs understand each other.
//! - [`frame`]: how a message lies in the body of a request or an answer.
//! - [`refusal`]: why a group did not do it.
//! - [`records`]: records as they come, a frame at a time.
//!
//! Not here: who carries it ([`crate::shard`]), and what is done ([`crate::shard::Group`]).

pub mod calls;
pub mod frame;
mod messages;
pub mod records;
pub mod refusal;
#[cfg(test)]
mod tests;

pub use calls::{
    Append, AppendId, Appended, Call, Encoded, FRAME_BYTES, Follow, Locate, Located, MAX_FRAME_BYTES,
    MAX_READ_WAIT_MS, Position, Read, RepeatableCall, Reshard, Run, RunOutcome,
};
pub use messages::encode_frame;
#[cfg(feature = "version-skew")]
pub use messages::skew;
pub use record_log::value::{ReadOutcome, ReadRun};
pub use records::{Frame, FrameError, RecordSource, RecordStream};
pub use refusal::Refusal;
