//! Why something was not done.

use crate::protocol::Refusal;

/// Kinds: 1 unknown shard, 2 not ready, 3 queue full, 4 storage full, 5 log stopped, 6 corrupt, 7 outcome unknown,
/// 8 invalid, 9 unsupported.
#[derive(Clone, PartialEq, prost::Message)]
pub struct RefusalHead {
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
