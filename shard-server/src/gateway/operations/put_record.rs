//! PutRecord.

use catalog::{SequenceNumber, StreamName};
use kinesis_wire::response::PutRecord;
use kinesis_wire::{Error, ErrorCode, request};

use super::Answer;
use super::put_records::{Batch, Path, Put, append};
use crate::gateway::Endpoint;
use crate::gateway::endpoint::error_of;

pub async fn begin(endpoint: &Endpoint, request: request::PutRecord<'_>) -> Result<Put, Error> {
    let name = endpoint.required_name_of(&request.stream)?;
    let stream = endpoint.find_writable(&name).await?;
    let batch = Batch::new(&stream, std::slice::from_ref(&request.record), Path::Single)?;
    if let Some(number) = request.sequence_number_for_ordering.as_deref() {
        check_ordering(number, &name, endpoint)?;
    }
    if request.dry_run {
        return Err(Error::dry_run_succeeded());
    }
    Ok(Put { stream, batch })
}

pub async fn answer(endpoint: &Endpoint, put: Put) -> Result<Answer, Error> {
    match append(endpoint, put).await.pop() {
        Some(Ok(number)) => {
            Ok(PutRecord { shard_id: number.shard, sequence_number: number }.to_json().into())
        }
        Some(Err(refusal)) => Err(error_of(&refusal)),
        None => Err(Error::bare(ErrorCode::InternalFailure)),
    }
}

/// Every record is numbered above all before it, so that SequenceNumberForOrdering asks for nothing more; it must
/// still be a number that could have been given out.
fn check_ordering(number: &str, stream: &StreamName, endpoint: &Endpoint) -> Result<(), Error> {
    let parsed: Result<SequenceNumber, _> = number.parse();
    if parsed.is_ok_and(|parsed| parsed.arrival_seconds <= endpoint.now_ms() / 1_000) {
        return Ok(());
    }
    let message = format!(
        "ExclusiveMinimumSequenceNumber {number} used in PutRecord on stream {stream} under account {} is invalid.",
        endpoint.account_id()
    );
    Err(Error::new(ErrorCode::InvalidArgumentException, message))
}
