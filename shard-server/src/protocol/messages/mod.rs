//! The messages between a gateway and a pod: the head of each, with the numbers of its fields, in a file for each kind.
//!
//! ```text
//! POST /v2/append   AppendHead, blocks       answers AppendAnswer
//! POST /v2/locate   ShardHead                answers LocateAnswer
//! POST /v2/read     ShardHead + ReadLimits   answers RecordsHead, blocks; RecordsHead, blocks; ...
//! POST /v2/follow   ShardHead + FrameLimit   answers RecordsHead, blocks; RecordsHead, blocks; ...
//! POST /v2/reshard  ReshardHead              answers ReshardAnswer
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

mod append;
mod locate;
mod records;
mod refusal;
mod reshard;
mod shard_head;
mod shards;
/// The messages of a simulated newer version.
#[cfg(feature = "version-skew")]
pub mod skew;

use std::fmt::Display;

use bytes::Bytes;
use hyper::body::Body;
use record_log::record::RecordBlock;

use super::Refusal;
use super::frame::{Broken, Frames, invalid};

pub use records::encode_frame;

/// The numbers in `requires` that this version knows.
#[cfg(not(feature = "version-skew"))]
const KNOWN_REQUIREMENTS: &[u32] = &[];
#[cfg(feature = "version-skew")]
const KNOWN_REQUIREMENTS: &[u32] = &[skew::REQUIREMENT];

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
