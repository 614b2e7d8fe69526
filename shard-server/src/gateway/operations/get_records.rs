//! GetRecords.

use std::sync::Arc;

use catalog::StreamName;
use kinesis_wire::{Error, request};

use super::record_pieces::RecordPieces;
use crate::gateway::token::{InvalidIterator, ShardIterator};
use crate::gateway::{Call, Endpoint};
use crate::protocol::Read;

/// The largest Limit, and its default (AWS API reference, GetRecords).
const MAX_RECORDS: u32 = 10_000;
/// The most bytes of a call (AWS API reference, GetRecords).
const MAX_BYTES: u32 = 10 << 20;

/// How long a read at the tip waits for a record, in milliseconds: a consumer that polls all the time mostly gets a record
/// as it is committed, and one that polls many shards in turn hardly loses time.
const TIP_WAIT_MS: u32 = 2;

pub async fn prepare(
    endpoint: &Arc<Endpoint>,
    call: &Call<'_>,
    request: request::GetRecords<'_>,
) -> Result<Box<RecordPieces>, Error> {
    let now_ms = endpoint.now_ms();
    let iterator = ShardIterator::open(&request.shard_iterator, &endpoint.keys(), now_ms)
        .map_err(|invalid| iterator_error(invalid, now_ms))?;
    if call.name_of(&request.stream)?.is_some_and(|name| name.as_str() != iterator.stream_name) {
        return Err(Error::invalid_shard_iterator());
    }
    let name: StreamName = iterator.stream_name.parse().map_err(|_| Error::invalid_shard_iterator())?;
    let uid = Some(iterator.stream_uid.as_str());
    let (stream, shard) = endpoint.find_shard(call, &name, iterator.shard, uid).await?;
    if request.dry_run {
        return Err(Error::dry_run_succeeded());
    }
    let read = Read {
        stream_uid: stream.uid.clone(),
        log: shard.log.clone(),
        shard: shard.id,
        position: iterator.position.into(),
        max_records: request.limit.unwrap_or(MAX_RECORDS).min(MAX_RECORDS),
        max_bytes: MAX_BYTES,
        wait_ms: TIP_WAIT_MS,
        max_frame_bytes: u32::try_from(endpoint.memory().unsent.piece_bytes()).unwrap_or(u32::MAX),
    };
    Ok(Box::new(RecordPieces::new(Arc::clone(endpoint), stream, shard, iterator, read, call.encoding)))
}

fn iterator_error(invalid: InvalidIterator, now_ms: u64) -> Error {
    let signed = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
    match invalid {
        InvalidIterator::Foreign => Error::invalid_shard_iterator(),
        InvalidIterator::Expired { created_ms } => {
            Error::expired_iterator(signed(created_ms), signed(now_ms))
        }
    }
}
