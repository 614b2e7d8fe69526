//! PutRecord.

use catalog::{SequenceNumber, StreamName};
use kinesis_wire::response::PutRecord;
use kinesis_wire::{Error, ErrorCode, request};

use super::Answer;
use super::put_records::{Batch, Path, Put, append};
use crate::gateway::endpoint::error_of;
use crate::gateway::{Call, Endpoint};
use crate::shard::client::HOLD;

pub async fn prepare(
    endpoint: &Endpoint,
    call: &Call<'_>,
    request: request::PutRecord<'_>,
) -> Result<Put, Error> {
    let name = call.required_name_of(&request.stream)?;
    let stream = endpoint.find_writable(call, &name).await?;
    let batch = Batch::new(&stream, std::slice::from_ref(&request.record), Path::Single)?;
    if let Some(number) = request.sequence_number_for_ordering.as_deref() {
        check_ordering(number, &name, call.account_id)?;
    }
    if request.dry_run {
        return Err(Error::dry_run_succeeded());
    }
    Ok(Put { stream, batch, encoding: call.encoding })
}

pub async fn answer(endpoint: &Endpoint, put: Put) -> Result<Answer, Error> {
    let encoding = put.encoding;
    match append(endpoint, put, HOLD).await.pop() {
        Some(Ok(number)) => {
            Ok(PutRecord { shard_id: number.shard, sequence_number: number }.encode(encoding).into())
        }
        Some(Err(refusal)) => Err(error_of(&refusal)),
        None => Err(Error::bare(ErrorCode::InternalFailure)),
    }
}

/// Sequence numbers end before this time, in the year 2477: AWS's layout has no bits for later ones.
const END_SECONDS: u64 = 16_025_175_000;

/// Checks SequenceNumberForOrdering. Every record gets a number above all earlier ones, so it changes nothing, but it
/// must be a number that could have been assigned. Its arrival is not checked: that is measured in log time, which the
/// gateway does not know.
fn check_ordering(number: &str, stream: &StreamName, account_id: &str) -> Result<(), Error> {
    let could_be_assigned = |number: SequenceNumber| {
        number.counter <= SequenceNumber::ENDING_COUNTER && number.create_seconds < END_SECONDS
    };
    if number.parse().is_ok_and(could_be_assigned) {
        return Ok(());
    }
    let message = format!(
        "ExclusiveMinimumSequenceNumber {number} used in PutRecord on stream {stream} under account {account_id} is \
         invalid."
    );
    Err(Error::new(ErrorCode::InvalidArgumentException, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_that_could_have_been_assigned_is_accepted_regardless_of_the_local_clock() {
        let given = SequenceNumber {
            create_seconds: 1_700_000_000,
            shard: catalog::ShardId::FIRST,
            counter: 7,
            arrival_seconds: (1 << 36) - 1,
        };
        let check = |number: SequenceNumber| {
            check_ordering(&number.to_string(), &"orders".parse().unwrap(), "000000000000")
        };
        assert_eq!(check(given), Ok(()));
        assert_eq!(check(SequenceNumber { counter: SequenceNumber::ENDING_COUNTER, ..given }), Ok(()));
        for impossible in [
            SequenceNumber { counter: SequenceNumber::ENDING_COUNTER + 1, ..given },
            SequenceNumber { create_seconds: END_SECONDS, ..given },
        ] {
            let error = check(impossible).unwrap_err();
            assert_eq!(error.code, ErrorCode::InvalidArgumentException);
            assert!(error.message.unwrap().starts_with("ExclusiveMinimumSequenceNumber "));
        }
    }
}
