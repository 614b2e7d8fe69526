//! Errors whose words are AWS's, so that clients that parse or print them find what they know.

use std::fmt::Display;

use super::{Error, ErrorCode};
use crate::Operation;

impl Error {
    /// There is no such stream. GetShardIterator and GetRecords say [`Error::shard_not_found`] instead.
    #[must_use]
    pub fn stream_not_found(stream_name: &str, account_id: &str) -> Self {
        let message = format!("Stream {stream_name} under account {account_id} not found.");
        Self::new(ErrorCode::ResourceNotFoundException, message)
    }

    /// The stream, or a shard whose id can be read, does not exist (GetShardIterator, GetRecords). The shard id
    /// is the full one, `shardId-000000000005`.
    #[must_use]
    pub fn shard_not_found(shard_id: impl Display, stream_name: &str, account_id: &str) -> Self {
        let message =
            format!("Shard {shard_id} in stream {stream_name} under account {account_id} does not exist");
        Self::new(ErrorCode::ResourceNotFoundException, message)
    }

    /// The text is no shard id; it is printed as the client wrote it.
    #[must_use]
    pub fn shard_id_unreadable(shard_id: &str, stream_name: &str, account_id: &str) -> Self {
        let message =
            format!("Could not find shard {shard_id} in stream {stream_name} under account {account_id}.");
        Self::new(ErrorCode::ResourceNotFoundException, message)
    }

    /// CreateStream of a name that is taken.
    #[must_use]
    pub fn stream_exists(stream_name: &str, account_id: &str) -> Self {
        let message = format!("Stream {stream_name} under account {account_id} already exists.");
        Self::new(ErrorCode::ResourceInUseException, message)
    }

    /// The operation needs an ACTIVE stream; `status` is what the stream is, for example `CREATING`.
    #[must_use]
    pub fn stream_not_active(stream_name: &str, account_id: &str, status: &str) -> Self {
        let message =
            format!("Stream {stream_name} under account {account_id} not ACTIVE, instead in state {status}");
        Self::new(ErrorCode::ResourceInUseException, message)
    }

    /// A new stream would need more shards than the account may have.
    #[must_use]
    pub fn shard_limit_exceeded(
        account_id: &str,
        region: &str,
        current: u32,
        limit: u32,
        additional: u32,
    ) -> Self {
        let message = format!(
            "This request would exceed the shard limit for the account {account_id} in {region}. Current shard \
             count for the account: {current}. Limit: {limit}. Number of additional shards that would have \
             resulted from this request: {additional}. Refer to the AWS Service Limits page \
             (http://docs.aws.amazon.com/general/latest/gr/aws_service_limits.html) for current limits and how to \
             request higher limits."
        );
        Self::new(ErrorCode::LimitExceededException, message)
    }

    /// A shard's own rate is used up.
    #[must_use]
    pub fn rate_exceeded(shard_id: impl Display, stream_name: &str, account_id: &str) -> Self {
        let message =
            format!("Rate exceeded for shard {shard_id} in stream {stream_name} under account {account_id}.");
        Self::new(ErrorCode::ProvisionedThroughputExceededException, message)
    }

    /// An ExplicitHashKey of 2^128 or more.
    #[must_use]
    pub fn explicit_hash_key_out_of_range(explicit_hash_key: &str) -> Self {
        let message = format!(
            "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was \
             {explicit_hash_key}"
        );
        Self::new(ErrorCode::InvalidArgumentException, message)
    }

    /// A record without a partition key in a stream that distributes by it. In PutRecords `index` is the record's
    /// place in the request, from 0.
    #[must_use]
    pub fn partition_key_missing(index: Option<usize>) -> Self {
        let path = match index {
            Some(index) => format!("records.{}.member.partitionKey", index + 1),
            None => "partitionKey".into(),
        };
        let message = format!(
            "1 validation error detected: Value null at '{path}' failed to satisfy constraint: Member must not be \
             null"
        );
        Self::new(ErrorCode::ValidationException, message)
    }

    /// A record whose data and partition key together are larger than the stream takes. In PutRecords `index` is
    /// the record's place in the request, from 0.
    #[must_use]
    pub fn record_too_large(index: Option<usize>, max_record_size_kib: u32) -> Self {
        let path = match index {
            Some(index) => format!("records.{}.member.data", index + 1),
            None => "data".into(),
        };
        let bytes = u64::from(max_record_size_kib) * 1024;
        let message = format!(
            "1 validation error detected: Value at '{path}' failed to satisfy constraint: Member must have length \
             less than or equal to {bytes}"
        );
        Self::new(ErrorCode::ValidationException, message)
    }

    /// The records of a PutRecords, with their keys, are more than a request may have.
    #[must_use]
    pub fn records_too_large() -> Self {
        let mib = crate::request::MAX_PUT_RECORDS_BYTES >> 20;
        Self::new(ErrorCode::InvalidArgumentException, format!("Records size exceeds {mib} MB limit"))
    }

    /// The text is no iterator of ours.
    #[must_use]
    pub fn invalid_shard_iterator() -> Self {
        Self::new(ErrorCode::InvalidArgumentException, "Invalid ShardIterator.")
    }

    /// The iterator is older than 5 minutes. Times are milliseconds since 1970.
    #[must_use]
    pub fn expired_iterator(created_ms: i64, now_ms: i64) -> Self {
        let message = format!(
            "Iterator expired. The iterator was created at time {} while right now it is {} which is further in \
             the future than the tolerated delay of 300000 milliseconds.",
            super::time::java_date(created_ms),
            super::time::java_date(now_ms),
        );
        Self::new(ErrorCode::ExpiredIteratorException, message)
    }

    /// The text is no token of ours, or it is older than 5 minutes.
    #[must_use]
    pub fn expired_next_token() -> Self {
        Self::new(
            ErrorCode::ExpiredNextTokenException,
            "The NextToken is not valid or older than 300 seconds. Start the listing again.",
        )
    }

    /// The text is a sequence number in form, but none that this service gives out.
    #[must_use]
    pub fn invalid_sequence_number(
        sequence_number: &str,
        shard_id: impl Display,
        stream_name: &str,
        account_id: &str,
    ) -> Self {
        let message = format!(
            "StartingSequenceNumber {sequence_number} used in GetShardIterator on shard {shard_id} in stream \
             {stream_name} under account {account_id} is invalid."
        );
        Self::new(ErrorCode::InvalidArgumentException, message)
    }

    /// A StartingSequenceNumber of another stream.
    #[must_use]
    pub fn sequence_number_of_another_stream(
        sequence_number: &str,
        shard_id: impl Display,
        stream_name: &str,
        account_id: &str,
    ) -> Self {
        let message = format!(
            "StartingSequenceNumber {sequence_number} used in GetShardIterator on shard {shard_id} in stream \
             {stream_name} under account {account_id} is invalid because it did not come from this stream."
        );
        Self::new(ErrorCode::InvalidArgumentException, message)
    }

    /// A StartingSequenceNumber of another shard. Both ids are full ones.
    #[must_use]
    pub fn sequence_number_of_another_shard(encoded: impl Display, used_with: impl Display) -> Self {
        let message = format!(
            "Invalid StartingSequenceNumber. It encodes {encoded}, while it was used in a call to a shard with \
             {used_with}"
        );
        Self::new(ErrorCode::InvalidArgumentException, message)
    }

    /// AT_TIMESTAMP of a time to come. Times are milliseconds since 1970.
    #[must_use]
    pub fn timestamp_in_future(timestamp_ms: i64, now_ms: i64) -> Self {
        let message = format!(
            "The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. \
             timestampInMillis: {timestamp_ms}, currentTimestampInMillis: {now_ms}"
        );
        Self::new(ErrorCode::InvalidArgumentException, message)
    }

    /// A consumer has a subscription to the shard: a second one comes too early, or has taken over.
    #[must_use]
    pub fn subscription_exists(
        shard_id: impl Display,
        stream_name: &str,
        account_id: &str,
        consumer_name: &str,
    ) -> Self {
        let message = format!(
            "Another active subscription exists for this consumer: {account_id}:{stream_name}:{shard_id}:{consumer_name}"
        );
        Self::new(ErrorCode::ResourceInUseException, message)
    }

    /// There is no such consumer, or it was deregistered.
    #[must_use]
    pub fn consumer_not_found(consumer_name: &str, account_id: &str) -> Self {
        let message = format!("Consumer {consumer_name}, account {account_id} not found.");
        Self::new(ErrorCode::ResourceNotFoundException, message)
    }

    /// A request with DryRun passed every check.
    #[must_use]
    pub fn dry_run_succeeded() -> Self {
        Self::new(
            ErrorCode::DryRunOperationException,
            "Request would have succeeded, but DryRun flag is set.",
        )
    }

    /// The operation is known, but this service does not have it yet.
    #[must_use]
    pub fn not_served_yet(operation: Operation) -> Self {
        Self::new(ErrorCode::InvalidArgumentException, format!("{operation} is not served yet"))
    }

    /// The operation is about channels or queues, of which there are none: nothing can be found, and nothing made. An SDK
    /// would repeat what is throttled or an internal failure.
    #[must_use]
    pub fn not_served(operation: Operation) -> Self {
        match operation {
            Operation::CreateChannel | Operation::CreateQueue => {
                Self::new(ErrorCode::InvalidArgumentException, format!("{operation} is not served."))
            }
            _ => {
                let message = format!("{operation} found nothing: channels and queues are not served.");
                Self::new(ErrorCode::ResourceNotFoundException, message)
            }
        }
    }

    /// A failed record of PutRecords. A whole request that fails says no more than the code ([`Error::bare`]), or why
    /// the store takes nothing ([`Error::new`]).
    #[must_use]
    pub fn internal_failure() -> Self {
        Self::new(ErrorCode::InternalFailure, "Internal Service Failure")
    }
}
