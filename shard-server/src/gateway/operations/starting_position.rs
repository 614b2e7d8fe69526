//! Where a reader begins: GetShardIterator and SubscribeToShard.

use catalog::{SequenceNumber, Shard, Stream};
use kinesis_wire::request::StartingPosition;
use kinesis_wire::{Error, ErrorCode};

use crate::gateway::Endpoint;
use crate::gateway::token::IteratorPosition;
use crate::protocol::{Locate, Located, Position};

/// How far a client's clock may be ahead (Flink sends its own time).
const MAX_CLOCK_SKEW_MS: u64 = 1_000;

/// Where a reader begins: a known place, or one that the group is asked for, as only it knows its records and log time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the oldest record.
    TrimHorizon,
    /// At the record with this offset.
    At(u64),
    /// Behind the record with this number.
    After(SequenceNumber),
    /// Behind the newest record.
    Latest,
    /// At the first record that arrived at this time or later, in milliseconds since 1970.
    AtTimestamp(u64),
}

impl Start {
    /// Where a request begins to read a shard.
    ///
    /// # Errors
    /// If it names a number that is not of this shard, or that nothing can follow.
    pub fn new(position: &StartingPosition<'_>, stream: &Stream, shard: &Shard) -> Result<Self, Error> {
        Ok(match position {
            StartingPosition::Latest => Self::Latest,
            StartingPosition::TrimHorizon => Self::TrimHorizon,
            // What is before 1970 is older than any record.
            StartingPosition::AtTimestamp(timestamp_ms) => {
                u64::try_from(*timestamp_ms).map_or(Self::TrimHorizon, Self::AtTimestamp)
            }
            StartingPosition::AtSequenceNumber(number) => {
                Self::At(own_number(number, stream, shard)?.counter)
            }
            StartingPosition::AfterSequenceNumber(number) => {
                let number = own_number(number, stream, shard)?;
                // The EndingSequenceNumber of a closed shard: nothing can follow it.
                if number.counter == SequenceNumber::ENDING_COUNTER {
                    return Err(after_the_end());
                }
                Self::After(number)
            }
        })
    }

    /// The position of an iterator that begins there now.
    ///
    /// # Errors
    /// If its time is still to come, or the group does not answer.
    pub async fn resolve(
        self,
        endpoint: &Endpoint,
        stream: &Stream,
        shard: &Shard,
    ) -> Result<IteratorPosition, Error> {
        Ok(match self {
            Self::TrimHorizon => IteratorPosition::TrimHorizon,
            Self::At(offset) => IteratorPosition::Offset(offset),
            Self::After(number) => IteratorPosition::Offset(number.counter.saturating_add(1)),
            Self::Latest => {
                let Located { offset, .. } = locate(endpoint, stream, shard, Position::Latest).await?;
                IteratorPosition::Offset(offset)
            }
            Self::AtTimestamp(ms) => {
                let located = locate(endpoint, stream, shard, Position::AtTimestamp(ms)).await?;
                at_timestamp(ms, located)?
            }
        })
    }
}

async fn locate(
    endpoint: &Endpoint,
    stream: &Stream,
    shard: &Shard,
    position: Position,
) -> Result<Located, Error> {
    let (stream_uid, log) = (stream.uid.clone(), shard.log.clone());
    let locate = Locate { stream_uid, log, shard: shard.id, position };
    let route = endpoint.route(stream, &shard.log).map_err(|refusal| endpoint.refused(&refusal))?;
    route.call(locate).await.map_err(|refusal| endpoint.refused(&refusal))
}

fn after_the_end() -> Error {
    let message = "Invalid SequenceNumber for ShardIteratorType AFTER_SEQUENCE_NUMBER, SequenceNumber has reached max \
                   possible value for the shard.";
    Error::new(ErrorCode::InvalidArgumentException, message)
}

/// A time a little ahead of log time is now: behind the newest record.
fn at_timestamp(timestamp_ms: u64, located: Located) -> Result<IteratorPosition, Error> {
    let signed = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
    match located.time_ms {
        Some(log_ms) if timestamp_ms > log_ms.saturating_add(MAX_CLOCK_SKEW_MS) => {
            Err(Error::timestamp_in_future(signed(timestamp_ms), signed(log_ms)))
        }
        _ => Ok(IteratorPosition::Offset(located.offset)),
    }
}

/// Parses a sequence number that this shard assigned, or could have assigned.
fn own_number(number: &str, stream: &Stream, shard: &Shard) -> Result<SequenceNumber, Error> {
    let (name, account_id) = (stream.name.as_str(), &stream.account_id);
    let parsed: SequenceNumber = number.parse().map_err(|_| {
        let invalid = || Error::invalid_sequence_number(number, shard.id, name, account_id);
        match number.parse::<u128>().map(OldNumber::of) {
            Err(_) => invalid(),
            Ok(old) if old.create_seconds >= OldNumber::END_SECONDS => invalid(),
            Ok(old) if old.shard_index != shard.id.index() => {
                let encoded = format!("shardId-{:012}", old.shard_index);
                Error::sequence_number_of_another_shard(encoded, shard.id)
            }
            // AWS fails at a number of this version where everything else is right.
            Ok(_) => Error::bare(ErrorCode::InternalFailure),
        }
    })?;
    if parsed.shard != shard.id {
        return Err(Error::sequence_number_of_another_shard(parsed.shard, shard.id));
    }
    if parsed.create_seconds != shard.create_seconds {
        return Err(Error::sequence_number_of_another_stream(number, shard.id, name, account_id));
    }
    Ok(parsed)
}

/// A sequence number of AWS's version 0, of at most 128 bits, of which this service gives out none. From the right: the
/// shard's index in 16 bits, 72 bits of no meaning here, and the second of the shard's creation in 36 bits.
struct OldNumber {
    create_seconds: u128,
    shard_index: u32,
}

impl OldNumber {
    /// Creation ends before this time, in the year 2477.
    const END_SECONDS: u128 = 16_025_175_000;

    fn of(number: u128) -> Self {
        Self { create_seconds: number >> 88 & 0xf_ffff_ffff, shard_index: (number & 0xffff) as u32 }
    }
}

#[cfg(test)]
mod tests {
    use catalog::ShardId;

    use super::*;
    use crate::gateway::testing::stream;

    const LOG_MS: u64 = 1_700_000_100_000;

    fn start(position: StartingPosition<'_>) -> Result<Start, Error> {
        let stream = stream("orders");
        Start::new(&position, &stream, &stream.shards[1])
    }

    fn number(shard: u32, create_seconds: u64) -> String {
        let shard = ShardId::new(shard).unwrap();
        SequenceNumber { create_seconds, shard, counter: 7, arrival_seconds: create_seconds }.to_string()
    }

    #[test]
    fn at_a_number_is_its_offset_and_after_a_number_is_behind_it() {
        let own = number(1, 1_700_000_000);
        let at = start(StartingPosition::AtSequenceNumber(own.as_str().into()));
        assert_eq!(at, Ok(Start::At(7)));
        let after = start(StartingPosition::AfterSequenceNumber(own.as_str().into()));
        assert_eq!(after, Ok(Start::After(own.parse().unwrap())));
    }

    #[test]
    fn behind_the_ending_number_of_a_closed_shard_is_nothing_and_at_it_its_end() {
        let starting = stream("orders").shards[1].starting_sequence_number();
        let ending = SequenceNumber { counter: SequenceNumber::ENDING_COUNTER, ..starting }.to_string();
        let error = start(StartingPosition::AfterSequenceNumber(ending.as_str().into())).unwrap_err();
        assert!(error.message.unwrap().ends_with("has reached max possible value for the shard."));
        let at = start(StartingPosition::AtSequenceNumber(ending.into()));
        assert_eq!(at, Ok(Start::At(SequenceNumber::ENDING_COUNTER)));
    }

    #[test]
    fn starting_number_of_the_shard_is_before_its_first_record() {
        let starting = stream("orders").shards[1].starting_sequence_number().to_string();
        let at = start(StartingPosition::AtSequenceNumber(starting.into()));
        assert_eq!(at, Ok(Start::At(0)));
    }

    #[test]
    fn error_for_a_number_of_another_shard_names_both_shards() {
        let error = start(StartingPosition::AtSequenceNumber(number(0, 1_700_000_000).into())).unwrap_err();
        let message = error.message.unwrap();
        assert!(message.contains("It encodes shardId-000000000000"), "{message}");
    }

    #[test]
    fn number_of_another_stream_has_an_error_of_its_own() {
        let error = start(StartingPosition::AtSequenceNumber(number(1, 1_600_000_000).into())).unwrap_err();
        assert!(error.message.unwrap().ends_with("did not come from this stream."));
    }

    #[test]
    fn number_of_version_0_encodes_a_shard_and_a_date_and_is_an_internal_failure_where_both_are_right() {
        let error =
            |number: &str| start(StartingPosition::AtSequenceNumber(number.to_owned().into())).unwrap_err();
        assert_eq!(error("1"), Error::bare(ErrorCode::InternalFailure));
        let other = error("5").message.unwrap();
        let expected = "Invalid StartingSequenceNumber. It encodes shardId-000000000005, while it was used in a call to a \
                        shard with shardId-000000000001";
        assert_eq!(other, expected);
        for invalid in [
            ((OldNumber::END_SECONDS << 88) + 1).to_string(),
            "99999999999999999999999999999999999999999999999999999999".into(),
        ] {
            assert!(error(&invalid).message.unwrap().ends_with(" is invalid."), "{invalid}");
        }
    }

    #[test]
    fn time_a_second_ahead_of_log_time_is_now_and_more_is_refused() {
        let at = |ms: u64| at_timestamp(ms, Located { offset: 7, time_ms: Some(LOG_MS) });
        assert_eq!(at(LOG_MS - 5), Ok(IteratorPosition::Offset(7)));
        assert_eq!(at(LOG_MS + 1_000), Ok(IteratorPosition::Offset(7)));
        assert_eq!(at(LOG_MS + 1_001).unwrap_err().code, ErrorCode::InvalidArgumentException);
        // A group of an older version does not say its time: nobody else knows it.
        let unknown = Located { offset: 7, time_ms: None };
        assert_eq!(at_timestamp(LOG_MS + 1_001, unknown), Ok(IteratorPosition::Offset(7)));
    }

    #[test]
    fn time_before_1970_is_the_trim_horizon() {
        let at = start(StartingPosition::AtTimestamp(-1));
        assert_eq!(at, Ok(Start::TrimHorizon));
    }
}
