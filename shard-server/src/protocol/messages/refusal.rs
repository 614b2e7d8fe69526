//! Why something was not done.

use super::shards::SuccessorsHead;
use crate::protocol::Refusal;

/// Kinds: 1 unknown shard, 2 not ready, 3 queue full, 4 storage full, 5 log stopped, 6 corrupt, 7 outcome unknown,
/// 8 invalid, 9 unsupported, 10 sealed.
#[derive(Clone, PartialEq, prost::Message)]
pub struct RefusalHead {
    #[prost(uint32, tag = "1")]
    kind: u32,
    #[prost(string, tag = "2")]
    text: String,
    /// Of a sealed shard: the shards that took over.
    #[prost(message, optional, tag = "3")]
    successors: Option<SuccessorsHead>,
}

impl From<Refusal> for RefusalHead {
    fn from(refusal: Refusal) -> Self {
        let mut successors = None;
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
            Refusal::Sealed(shards) => {
                successors = Some(SuccessorsHead::from(&*shards));
                (10, String::new())
            }
        };
        Self { kind, text, successors }
    }
}

impl From<RefusalHead> for Refusal {
    fn from(RefusalHead { kind, text, successors }: RefusalHead) -> Self {
        if kind == 10 {
            // One that cannot be read is an unknown outcome, as any other that is not understood.
            let successors = successors.unwrap_or_default().try_into();
            return successors.map_or_else(|error| Self::OutcomeUnknown(error.to_string()), Self::Sealed);
        }
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
