//! GetRecords.

use catalog::{SequenceNumber, Shard, ShardState, Stream, StreamName};
use kinesis_wire::response::{ChildShard, GetRecordsWriter};
use kinesis_wire::{Error, ErrorCode, request};

use super::Answer;
use super::shard_view::children_of;
use crate::gateway::Endpoint;
use crate::gateway::token::{InvalidIterator, IteratorPosition, ShardIterator};
use crate::protocol::{Read, ReadOutcome};

/// The most records of a call, and as many as there are in one where nobody says (AWS API reference, GetRecords).
const MAX_RECORDS: u32 = 10_000;
/// The most bytes of a call (AWS API reference, GetRecords).
const MAX_BYTES: u32 = 10 << 20;
const HOUR_MS: u64 = 3_600_000;
/// What a record takes in the answer beside its data and key.
const RECORD_JSON_BYTES: usize = 176;

pub async fn answer(endpoint: &Endpoint, request: request::GetRecords<'_>) -> Result<Answer, Error> {
    let now_ms = endpoint.now_ms();
    let iterator = ShardIterator::open(&request.shard_iterator, &endpoint.keys(), now_ms)
        .map_err(|invalid| iterator_error(invalid, now_ms))?;
    if endpoint.name_of(&request.stream)?.is_some_and(|name| name.as_str() != iterator.stream_name) {
        return Err(Error::invalid_shard_iterator());
    }
    let name: StreamName = iterator.stream_name.parse().map_err(|_| Error::invalid_shard_iterator())?;
    let uid = Some(iterator.stream_uid.as_str());
    let (stream, shard) = endpoint.find_shard(&name, iterator.shard, uid).await?;
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
        oldest_arrival_ms: now_ms.saturating_sub(u64::from(stream.retention_period_hours) * HOUR_MS),
    };
    let route = endpoint.route(&stream, &shard.log).map_err(|refusal| endpoint.refused(&refusal))?;
    let outcome = route.read(read).await.map_err(|refusal| endpoint.refused(&refusal))?;
    let next = ShardIterator {
        created_ms: endpoint.now_ms(),
        position: IteratorPosition::Offset(outcome.next_offset),
        ..iterator
    };
    let next = next.seal(&endpoint.keys()).ok_or_else(|| Error::bare(ErrorCode::InternalFailure))?;
    write(endpoint, &outcome, &shard, &next, &children_at_end(&stream, &shard, &outcome)).await
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

/// The children, where a closed shard has nothing more to give; empty anywhere else.
fn children_at_end(stream: &Stream, shard: &Shard, outcome: &ReadOutcome) -> Vec<ChildShard> {
    let at_end =
        shard.state == ShardState::Closed && outcome.runs.is_empty() && outcome.millis_behind_latest == 0;
    if at_end { children_of(stream, shard.id) } else { Vec::new() }
}

async fn write(
    endpoint: &Endpoint,
    outcome: &ReadOutcome,
    shard: &Shard,
    next_iterator: &str,
    children: &[ChildShard],
) -> Result<Answer, Error> {
    let capacity =
        outcome.runs.iter().map(|run| json_bytes(run.block.count(), run.block.bytes().len())).sum::<usize>();
    // Encoded and not yet sent the answer is there twice.
    let share = endpoint.answer_budget().take(2 * capacity + RECORD_JSON_BYTES).await;
    let share = share.map_err(|_| Error::bare(ErrorCode::InternalFailure))?;
    let mut writer = GetRecordsWriter::with_capacity(capacity + 1_024);
    let (mut records, mut bytes) = (0, 0);
    for run in &outcome.runs {
        for (record, counter) in run.block.records().zip(run.first_offset..) {
            let number = SequenceNumber {
                create_seconds: shard.create_seconds,
                shard: shard.id,
                counter,
                arrival_seconds: run.arrival_ms / 1_000,
            };
            writer.record(number, run.arrival_ms, record.data, Some(record.partition_key));
            records += 1;
            bytes += (record.data.len() + record.partition_key.len()) as u64;
        }
    }
    endpoint.metrics().got(records, bytes);
    let next_iterator = children.is_empty().then_some(next_iterator);
    let body = writer.finish(next_iterator, outcome.millis_behind_latest, children);
    Ok(Answer { body, share: Some(share) })
}

/// About what encoded records take as JSON: data in base64 and what is around it.
fn json_bytes(records: u32, encoded_bytes: usize) -> usize {
    encoded_bytes / 3 * 4 + records as usize * RECORD_JSON_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::testing::stream;
    use catalog::ShardId;

    fn outcome(millis_behind_latest: u64) -> ReadOutcome {
        ReadOutcome { runs: Vec::new(), next_offset: 1, millis_behind_latest }
    }

    #[test]
    fn children_are_named_only_at_the_end_of_a_closed_shard() {
        let mut stream = stream("orders");
        stream.shards[1].parents = vec![ShardId::new(0).unwrap()];
        let open = stream.shards[0].clone();
        let closed = Shard { state: ShardState::Closed, ..open.clone() };
        assert!(children_at_end(&stream, &open, &outcome(0)).is_empty());
        assert!(children_at_end(&stream, &closed, &outcome(5)).is_empty());
        let children = children_at_end(&stream, &closed, &outcome(0));
        assert_eq!(children.len(), 1);
        assert_eq!(children[0].parent_shards, ["shardId-000000000000"]);
    }
}
