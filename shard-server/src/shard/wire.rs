//! The bodies of the internal protocol, which carries [`crate::protocol`] between processes.
//!
//! ```text
//! POST /v1/append    AppendHead, blocks    answers Vec<Result<Appended, Refusal>>
//! POST /v1/read      Read                  answers Result<ReadHead, Refusal>, blocks
//! POST /v1/locate    Locate                answers Result<u64, Refusal>
//!
//! body: head length u32, little-endian | head (postcard) | record blocks back to back
//! ```
//!
//! An answer has status 200; any other says that nothing was done, with the reason as text, and 503 that asking again
//! helps. Fields and variants are only added behind the others, under a new path where an older reader would stumble.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use catalog::ShardId;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::protocol::{Append, Appended, Locate, Read, ReadOutcome, ReadRun, Refusal, Run, RunOutcome};
use record_log::record::RecordBlock;

/// Path of an append.
pub const APPEND_PATH: &str = "/v1/append";
/// Path of a read.
pub const READ_PATH: &str = "/v1/read";
/// Path of a look-up.
pub const LOCATE_PATH: &str = "/v1/locate";
/// The largest body, either way: the largest append or read and its head.
pub const MAX_BODY_BYTES: usize = crate::log::MAX_APPEND_BYTES + (1 << 20);

/// The bytes are no message of this protocol.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a message of this protocol: {0}")]
pub struct InvalidMessage(String);

impl InvalidMessage {
    /// With what is wrong.
    pub(super) fn new(what: &str) -> Self {
        Self(what.into())
    }
}

/// A body in pieces: a head and the record blocks behind it, which are never copied.
#[derive(Clone, Debug, Default)]
pub struct Message {
    /// The pieces in order.
    pub pieces: Vec<Bytes>,
}

impl Message {
    fn new(head: &impl Serialize, blocks: impl IntoIterator<Item = Bytes>) -> Self {
        let head = postcard::to_allocvec(head).expect("a head is plain data");
        let mut first = BytesMut::with_capacity(4 + head.len());
        first.put_u32_le(u32::try_from(head.len()).expect("a head below 4 GiB"));
        first.put_slice(&head);
        Self { pieces: std::iter::once(first.freeze()).chain(blocks).collect() }
    }

    /// The body's bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.pieces.iter().map(Bytes::len).sum()
    }
}

#[derive(Serialize, Deserialize)]
struct AppendHead {
    stream_uid: String,
    log: String,
    runs: Vec<RunHead>,
}

#[derive(Serialize, Deserialize)]
struct RunHead {
    shard: ShardId,
    block: BlockHead,
}

#[derive(Serialize, Deserialize)]
struct ReadHead {
    runs: Vec<ReadRunHead>,
    next_offset: u64,
    millis_behind_latest: u64,
}

#[derive(Serialize, Deserialize)]
struct ReadRunHead {
    first_offset: u64,
    arrival_ms: u64,
    block: BlockHead,
}

#[derive(Serialize, Deserialize)]
struct BlockHead {
    records: u32,
    bytes: u32,
}

impl BlockHead {
    fn of(block: &RecordBlock) -> Self {
        let bytes = u32::try_from(block.bytes().len()).expect("a block below 4 GiB");
        Self { records: block.count(), bytes }
    }

    /// Takes the block from the front of the bytes.
    fn take(&self, blocks: &mut Bytes) -> Result<RecordBlock, InvalidMessage> {
        let bytes = self.bytes as usize;
        if bytes > blocks.len() {
            return Err(InvalidMessage::new("its blocks break off"));
        }
        let block = RecordBlock::parse(self.records, blocks.split_to(bytes));
        block.map_err(|error| InvalidMessage(error.to_string()))
    }
}

fn split<T: DeserializeOwned>(mut body: Bytes) -> Result<(T, Bytes), InvalidMessage> {
    let head_bytes = body.try_get_u32_le().map_err(|_| InvalidMessage::new("it has no head"))? as usize;
    if head_bytes > body.len() {
        return Err(InvalidMessage::new("its head breaks off"));
    }
    let head = body.split_to(head_bytes);
    let head = postcard::from_bytes(&head).map_err(|error| InvalidMessage(error.to_string()))?;
    Ok((head, body))
}

fn end(rest: &Bytes) -> Result<(), InvalidMessage> {
    if rest.is_empty() { Ok(()) } else { Err(InvalidMessage::new("it goes on behind its end")) }
}

fn whole<T: DeserializeOwned>(body: Bytes) -> Result<T, InvalidMessage> {
    let (head, rest) = split(body)?;
    end(&rest).map(|()| head)
}

/// The body of an append.
#[must_use]
pub fn encode_append(append: Append) -> Message {
    let runs = append
        .runs
        .iter()
        .map(|run| RunHead { shard: run.shard, block: BlockHead::of(&run.block) })
        .collect();
    let head = AppendHead { stream_uid: append.stream_uid, log: append.log, runs };
    Message::new(&head, append.runs.into_iter().map(|run| run.block.bytes().clone()))
}

/// An append from its body, its records checked.
///
/// # Errors
/// If the body is not one.
pub fn decode_append(body: Bytes) -> Result<Append, InvalidMessage> {
    let (head, mut blocks) = split::<AppendHead>(body)?;
    let run = |run: RunHead| Ok(Run { shard: run.shard, block: run.block.take(&mut blocks)? });
    let runs = head.runs.into_iter().map(run).collect::<Result<_, InvalidMessage>>()?;
    end(&blocks)?;
    Ok(Append { stream_uid: head.stream_uid, log: head.log, runs })
}

/// The answer to an append.
#[must_use]
pub fn encode_appended(outcomes: &[RunOutcome]) -> Message {
    let place = |appended: &Appended| (appended.first_offset, appended.arrival_ms);
    let outcomes: Vec<_> = outcomes.iter().map(|outcome| outcome.as_ref().map(place)).collect();
    Message::new(&outcomes, [])
}

/// The answer to an append from its body.
///
/// # Errors
/// If the body is not one.
pub fn decode_appended(body: Bytes) -> Result<Vec<RunOutcome>, InvalidMessage> {
    let outcomes: Vec<Result<(u64, u64), Refusal>> = whole(body)?;
    let appended = |(first_offset, arrival_ms)| Appended { first_offset, arrival_ms };
    Ok(outcomes.into_iter().map(|outcome| outcome.map(appended)).collect())
}

/// The body of a read.
#[must_use]
pub fn encode_read(read: &Read) -> Message {
    Message::new(read, [])
}

/// A read from its body.
///
/// # Errors
/// If the body is not one.
pub fn decode_read(body: Bytes) -> Result<Read, InvalidMessage> {
    whole(body)
}

/// The answer to a read.
#[must_use]
pub fn encode_read_outcome(outcome: Result<ReadOutcome, Refusal>) -> Message {
    let (head, blocks) = match outcome {
        Err(refusal) => (Err(refusal), Vec::new()),
        Ok(ReadOutcome { runs, next_offset, millis_behind_latest }) => {
            let head = |run: &ReadRun| ReadRunHead {
                first_offset: run.first_offset,
                arrival_ms: run.arrival_ms,
                block: BlockHead::of(&run.block),
            };
            let blocks = runs.iter().map(|run| run.block.bytes().clone()).collect();
            (
                Ok(ReadHead { runs: runs.iter().map(head).collect(), next_offset, millis_behind_latest }),
                blocks,
            )
        }
    };
    Message::new(&head, blocks)
}

/// The answer to a read from its body, its records checked.
///
/// # Errors
/// If the body is not one.
pub fn decode_read_outcome(body: Bytes) -> Result<Result<ReadOutcome, Refusal>, InvalidMessage> {
    let (head, mut blocks) = split::<Result<ReadHead, Refusal>>(body)?;
    let ReadHead { runs, next_offset, millis_behind_latest } = match head {
        Ok(head) => head,
        Err(refusal) => return end(&blocks).map(|()| Err(refusal)),
    };
    let run = |run: ReadRunHead| {
        let block = run.block.take(&mut blocks)?;
        Ok(ReadRun { first_offset: run.first_offset, arrival_ms: run.arrival_ms, block })
    };
    let runs = runs.into_iter().map(run).collect::<Result<_, InvalidMessage>>()?;
    end(&blocks)?;
    Ok(Ok(ReadOutcome { runs, next_offset, millis_behind_latest }))
}

/// The body of a look-up.
#[must_use]
pub fn encode_locate(locate: &Locate) -> Message {
    Message::new(locate, [])
}

/// A look-up from its body.
///
/// # Errors
/// If the body is not one.
pub fn decode_locate(body: Bytes) -> Result<Locate, InvalidMessage> {
    whole(body)
}

/// The answer to a look-up.
#[must_use]
pub fn encode_located(outcome: &Result<u64, Refusal>) -> Message {
    Message::new(outcome, [])
}

/// The answer to a look-up from its body.
///
/// # Errors
/// If the body is not one.
pub fn decode_located(body: Bytes) -> Result<Result<u64, Refusal>, InvalidMessage> {
    whole(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Appended, Position};
    use proptest::prelude::*;
    use record_log::record::{Record, RecordBlockBuilder};

    fn shard() -> impl Strategy<Value = ShardId> {
        (0u32..=i32::MAX as u32).prop_map(|index| ShardId::new(index).unwrap())
    }

    fn block() -> impl Strategy<Value = RecordBlock> {
        let records =
            proptest::collection::vec((".{1,9}", proptest::collection::vec(any::<u8>(), 0..30)), 0..6);
        records.prop_map(|records| {
            let mut builder = RecordBlockBuilder::default();
            for (key, data) in &records {
                builder.push(Record { partition_key: key, data });
            }
            builder.build()
        })
    }

    fn position() -> impl Strategy<Value = Position> {
        prop_oneof![
            Just(Position::TrimHorizon),
            Just(Position::Latest),
            any::<u64>().prop_map(Position::AtTimestamp),
            any::<u64>().prop_map(Position::Offset),
        ]
    }

    fn refusal() -> impl Strategy<Value = Refusal> {
        prop_oneof![
            (".*", ".*", shard()).prop_map(|(stream_uid, log, shard)| Refusal::UnknownShard {
                stream_uid,
                log,
                shard
            }),
            ".*".prop_map(Refusal::NotReady),
            Just(Refusal::QueueFull),
            Just(Refusal::StorageFull),
            ".*".prop_map(Refusal::LogStopped),
            ".*".prop_map(Refusal::Damaged),
            ".*".prop_map(Refusal::OutcomeUnknown),
            ".*".prop_map(Refusal::Invalid),
        ]
    }

    fn body(message: Message) -> Bytes {
        assert_eq!(message.bytes(), message.pieces.concat().len());
        message.pieces.concat().into()
    }

    proptest! {
        #[test]
        fn append_reads_back(
            stream_uid in ".*", log in ".*", runs in proptest::collection::vec((shard(), block()), 0..5)
        ) {
            let runs = runs.into_iter().map(|(shard, block)| Run { shard, block }).collect();
            let append = Append { stream_uid, log, runs };
            prop_assert_eq!(decode_append(body(encode_append(append.clone()))), Ok(append));
        }

        #[test]
        fn answer_to_an_append_reads_back(outcomes in proptest::collection::vec(
            prop_oneof![
                (any::<u64>(), any::<u64>())
                    .prop_map(|(first_offset, arrival_ms)| Ok(Appended { first_offset, arrival_ms })),
                refusal().prop_map(Err),
            ], 0..5)
        ) {
            prop_assert_eq!(decode_appended(body(encode_appended(&outcomes))), Ok(outcomes));
        }

        #[test]
        fn read_and_locate_read_back(
            shard in shard(), position in position(), max_records: u32, max_bytes: u32, oldest_arrival_ms: u64
        ) {
            let (stream_uid, log) = ("uid".to_owned(), "g0".to_owned());
            let locate = Locate { stream_uid: stream_uid.clone(), log: log.clone(), shard, position };
            prop_assert_eq!(decode_locate(body(encode_locate(&locate))), Ok(locate));
            let read = Read { stream_uid, log, shard, position, max_records, max_bytes, oldest_arrival_ms };
            prop_assert_eq!(decode_read(body(encode_read(&read))), Ok(read));
        }

        #[test]
        fn answer_to_a_read_reads_back(
            runs in proptest::collection::vec((any::<u64>(), any::<u64>(), block()), 0..5),
            next_offset: u64,
            millis_behind_latest: u64,
            refusal in refusal(),
        ) {
            let run = |(first_offset, arrival_ms, block)| ReadRun { first_offset, arrival_ms, block };
            let runs = runs.into_iter().map(run).collect();
            let outcome = Ok(ReadOutcome { runs, next_offset, millis_behind_latest });
            prop_assert_eq!(decode_read_outcome(body(encode_read_outcome(outcome.clone()))), Ok(outcome));
            let refused = Err(refusal);
            prop_assert_eq!(decode_read_outcome(body(encode_read_outcome(refused.clone()))), Ok(refused));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..99)) {
            let bytes = Bytes::from(bytes);
            let _ = decode_append(bytes.clone());
            let _ = decode_appended(bytes.clone());
            let _ = decode_read(bytes.clone());
            let _ = decode_read_outcome(bytes.clone());
            let _ = decode_located(bytes);
        }
    }
}
