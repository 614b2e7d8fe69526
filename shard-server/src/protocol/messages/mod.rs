//! What a gateway and a pod say to each other: every head, with the number of each field, in a file for each
//! kind of message.
//!
//! ```text
//! POST /v2/append   AppendHead, blocks       answers AppendAnswer
//! POST /v2/locate   ShardHead                answers LocateAnswer
//! POST /v2/read     ShardHead + ReadLimits   answers RecordsHead, blocks; RecordsHead, blocks; ...
//! POST /v2/follow   ShardHead + FrameLimit   answers RecordsHead, blocks; RecordsHead, blocks; ...
//! ```
//!
//! An answer has status 200; any other says that nothing was done, with the reason as text: 503 that asking again helps,
//! 404 that this version does not know the call.
//!
//! How these age:
//! - A field has its number for ever. One that is absent is 0, empty or none, and one with an unknown number is ignored.
//! - What changes what is done, so that a pod must not ignore it, has a number in `requires`. A pod that does not know
//!   the number does nothing and answers `Unsupported`. There is none yet.
//! - An outcome or a refusal of a kind that the caller does not know is an unknown outcome.
//! - `tests/golden/protocol` has the bytes of each message as each version wrote it.

mod append;
mod locate;
mod records;
mod refusal;
mod shard_head;
/// What only a newer version says.
#[cfg(feature = "version-skew")]
pub mod skew;

use std::fmt::Display;

use bytes::Bytes;
use hyper::body::Body;
use record_log::record::RecordBlock;

use super::Refusal;
use super::frame::{Broken, Frames, invalid};

pub use records::encode_frame;

/// What this version knows of the numbers in `requires`.
#[cfg(not(feature = "version-skew"))]
const KNOWN_REQUIREMENTS: &[u32] = &[];
#[cfg(feature = "version-skew")]
const KNOWN_REQUIREMENTS: &[u32] = &[skew::REQUIREMENT];

/// Whether this version knows all that a request requires.
fn check(requires: &[u32]) -> Result<(), Refusal> {
    match requires.iter().find(|number| !KNOWN_REQUIREMENTS.contains(number)) {
        Some(number) => Err(Refusal::Unsupported(format!("requirement {number}"))),
        None => Ok(()),
    }
}

fn block_bytes(block: &RecordBlock) -> u32 {
    u32::try_from(block.bytes().len()).expect("a block below 4 GiB")
}

/// A request's head, which is all of it.
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
