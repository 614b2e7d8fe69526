//! PutRecords: routes each record to its shard with one append per log, and answers in the order of the request.

use std::sync::Arc;
use std::time::Duration;

use catalog::{HashKey, SequenceNumber, SequenceTexts, Stream};
use futures::future::join_all;
use kinesis_wire::response::PutRecordsWriter;
use kinesis_wire::{Encoding, Error, request};

use super::Answer;
use super::runs::{Appends, Few, PlannedRuns, RecordLocation, Target};
use crate::gateway::endpoint::error_of;
use crate::gateway::{Call, Endpoint};
use crate::protocol::{Append, Refusal, RunOutcome};
use crate::shard::client::PARTIAL_HOLD;
use record_log::record::{self, RunsBuilder};

/// How often records are sent again to the shards that took over from a sealed one. Each time is another reshard of the
/// same part of the ring.
const MAX_REHASHES: usize = 16;

/// Records in blocks, and their stream.
pub struct Put {
    pub(super) stream: Arc<Stream>,
    pub(super) batch: Batch,
    /// The encoding of the answer.
    pub(super) encoding: Encoding,
}

pub async fn prepare(
    endpoint: &Endpoint,
    call: &Call<'_>,
    request: request::PutRecords<'_>,
) -> Result<Put, Error> {
    let name = call.required_name_of(&request.stream)?;
    let stream = endpoint.find_writable(call, &name).await?;
    let batch = Batch::new(&stream, &request.records, Path::List)?;
    if request.dry_run {
        return Err(Error::dry_run_succeeded());
    }
    Ok(Put { stream, batch, encoding: call.encoding })
}

pub async fn answer(endpoint: &Endpoint, put: Put) -> Answer {
    let mut writer = PutRecordsWriter::with_capacity(put.encoding, put.batch.locations.len());
    let mut texts = SequenceTexts::default();
    for stored in append(endpoint, put, PARTIAL_HOLD).await {
        match stored {
            Ok(number) => writer.stored(number.shard, texts.text(number)),
            Err(refusal) => writer.failed(&record_error(&refusal)),
        }
    }
    writer.finish().into()
}

/// The error of one record: like that of a whole request, but never without a message.
fn record_error(refusal: &Refusal) -> Error {
    let error = error_of(refusal);
    if error.message.is_some() { error } else { Error::internal_failure() }
}

/// How errors name a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Path {
    /// The only one of a request.
    Single,
    /// One in a list.
    List,
}

/// The records of a request, sorted into appends.
#[derive(Debug)]
pub(super) struct Batch {
    appends: Appends,
    /// Where each record of the request is in the appends; `None` if it has no open shard.
    locations: Few<Option<RecordLocation>>,
    hash_keys: Few<HashKey>,
    bytes: Few<u64>,
}

impl Batch {
    /// Sorts records by log and shard.
    ///
    /// # Errors
    /// If a record has no partition key, a hash key out of range, or is too large: then no record is appended.
    pub(super) fn new(stream: &Stream, records: &[request::Record<'_>], path: Path) -> Result<Self, Error> {
        let checked = records.iter().enumerate().map(|(index, record)| {
            check(stream, record, (path == Path::List).then_some(index)).map(|checked| (checked, record))
        });
        let checked: Few<_> = checked.collect::<Result<_, _>>()?;
        let mut runs = PlannedRuns::default();
        let mut locations = Few::from_elem(None, records.len());
        let (mut hash_keys, mut bytes) =
            (Few::with_capacity(records.len()), Few::with_capacity(records.len()));
        for (index, ((partition_key, hash_key), record)) in checked.iter().enumerate() {
            hash_keys.push(*hash_key);
            bytes.push((partition_key.len() + record.data.len()) as u64);
            let Some(shard) = stream.open_shard_at(*hash_key) else { continue };
            let encoded_bytes = record::encoded_bytes(partition_key, record.data.len());
            locations[index] = Some(runs.add(Target::of(shard), index, encoded_bytes));
        }
        let mut blocks = RunsBuilder::default();
        for run in runs.iter() {
            blocks.begin_run(run.encoded_bytes);
            for ((partition_key, _), record) in run.records.iter().map(|index| &checked[*index]) {
                blocks.push(partition_key, record.data.len(), |block| record.data.append_to(block));
            }
        }
        let appends = Appends::new(&stream.uid, runs.targets().zip(blocks.build()));
        Ok(Self { appends, locations, hash_keys, bytes })
    }
}

/// Validates a record; returns its partition key and hash key.
fn check<'r>(
    stream: &Stream,
    record: &'r request::Record<'_>,
    index: Option<usize>,
) -> Result<(&'r str, HashKey), Error> {
    let partition_key = record.partition_key.as_deref().ok_or_else(|| Error::partition_key_missing(index))?;
    let max_bytes = u64::from(stream.max_record_size_kib) * 1024;
    if (record.data.len() + partition_key.len()) as u64 > max_bytes {
        return Err(Error::record_too_large(index, stream.max_record_size_kib));
    }
    let hash_key = match record.explicit_hash_key.as_deref() {
        Some(key) => key.parse().map_err(|_| Error::explicit_hash_key_out_of_range(key))?,
        None => HashKey::of_partition_key(partition_key),
    };
    Ok((partition_key, hash_key))
}

/// Sends the appends to all groups at once; returns the outcome of each record, in the order of the request. Records of a
/// shard that was sealed are sent to those that took over, each by its hash key. Appends to a group that does not answer are
/// held for `hold` from the beginning of its outage.
pub(super) async fn append(
    endpoint: &Endpoint,
    put: Put,
    hold: Duration,
) -> Few<Result<SequenceNumber, Refusal>> {
    let Put { stream, batch: Batch { mut appends, mut locations, hash_keys, bytes }, .. } = put;
    let mut stored = Few::from_elem(None, locations.len());
    let mut took_over = Few::new();
    for _ in 0..=MAX_REHASHES {
        let (calls, sent) = appends.split();
        let outcomes = send(endpoint, &stream, calls, hold).await;
        for (index, location) in locations.iter().enumerate() {
            if let Some(location) = location {
                stored[index] = Some(sent.number(*location, &outcomes));
            }
        }
        let refusals = outcomes.iter().flatten().filter_map(|outcome| outcome.as_ref().err());
        let refusals: Few<_> = refusals.filter(|refusal| !matches!(refusal, Refusal::Sealed(_))).collect();
        endpoint.report(&refusals);
        match sent.rehashed(&stream.uid, &locations, &hash_keys, &outcomes) {
            Some((again, places)) => {
                took_over.extend(again.shards());
                (appends, locations) = (again, places);
            }
            None => break,
        }
    }
    // Who is told of a shard looks for it in a listing.
    endpoint.wait_until_listed(&stream, &took_over).await;
    let stored: Few<_> =
        stored.into_iter().map(|stored| stored.unwrap_or_else(|| Err(no_shard(&stream)))).collect();
    let durable_bytes =
        stored.iter().zip(&bytes).filter(|(stored, _)| stored.is_ok()).map(|(_, bytes)| *bytes);
    let (records, bytes) = durable_bytes.fold((0, 0), |(records, sum), bytes| (records + 1, sum + bytes));
    endpoint.metrics().put(records, bytes);
    stored
}

/// Sends appends to the groups of their logs; gives the outcomes of the runs of each.
async fn send(
    endpoint: &Endpoint,
    stream: &Stream,
    calls: Few<Append>,
    hold: Duration,
) -> Few<Vec<RunOutcome>> {
    let call = |append: Append| async move {
        let runs = append.runs.len();
        let outcomes = match endpoint.route(stream, &append.log) {
            Ok(route) => route.append(append, hold).await,
            Err(refusal) => Err(refusal),
        };
        outcomes.unwrap_or_else(|refusal| vec![Err(refusal); runs])
    };
    match calls.into_inner() {
        Ok([append]) => Few::from_buf([call(append).await]),
        Err(calls) => join_all(calls.into_iter().map(call)).await.into(),
    }
}

fn no_shard(stream: &Stream) -> Refusal {
    Refusal::NotReady(format!("a part of the ring of stream {} has no open shard", stream.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::testing::stream;
    use crate::protocol::Appended;
    use catalog::LogPlacement;
    use catalog::map::Genesis;
    use kinesis_wire::request::Data;

    /// A record for the n-th of four shards.
    fn record(shard: u128) -> request::Record<'static> {
        let hash_key = (shard << 126).to_string();
        request::Record {
            data: Data::from_bytes(vec![b'0' + shard as u8]),
            partition_key: Some("key".into()),
            explicit_hash_key: Some(hash_key.into()),
        }
    }

    fn two_logs() -> Stream {
        let mut stream = stream("orders");
        let planned = Genesis::new(4, 2, 1_700_000_000).shards();
        stream.shards.iter_mut().zip(planned).for_each(|(shard, planned)| shard.log = planned.log);
        stream.logs.push(LogPlacement { name: "g1".into(), group: "g1".into() });
        stream
    }

    #[test]
    fn records_are_sorted_by_log_and_shard_and_keep_their_order() {
        let records: Vec<_> = [2, 0, 2, 1].into_iter().map(record).collect();
        let batch = Batch::new(&two_logs(), &records, Path::List).unwrap();
        let shape: Vec<_> =
            batch.appends.calls.iter().map(|append| (append.log.as_str(), append.runs.len())).collect();
        assert_eq!(shape, [("g1", 1), ("g0", 2)]);
        assert_eq!(batch.appends.calls[0].runs[0].block.count(), 2);
        let indexes = |location: &RecordLocation| (location.run, location.index);
        let indexes: Vec<_> = batch.locations.iter().flatten().map(indexes).collect();
        assert_eq!(indexes, [(0, 0), (1, 0), (0, 1), (2, 0)]);
        let shards: Vec<_> = batch.appends.shards().map(|shard| shard.index()).collect();
        assert_eq!(shards, [2, 0, 1]);
    }

    #[test]
    fn answers_are_in_the_order_of_the_request_and_a_refusing_group_fails_only_its_own_records() {
        let stream = two_logs();
        let records: Vec<_> = [2, 0, 2].into_iter().map(record).collect();
        let batch = Batch::new(&stream, &records, Path::List).unwrap();
        let appended = Ok(Appended { first_offset: 7, arrival_ms: 1_700_000_001_999 });
        let outcomes = [vec![appended], vec![Err(Refusal::QueueFull)]];
        let Batch { appends, locations, .. } = batch;
        let (_, sent) = appends.split();
        let stored: Vec<_> =
            locations.iter().map(|location| sent.number(location.unwrap(), &outcomes)).collect();
        assert_eq!(stored[1], Err(Refusal::QueueFull));
        let counters: Vec<_> =
            stored.iter().flatten().map(|number| (number.counter, number.arrival_seconds)).collect();
        assert_eq!(counters, [(7, 1_700_000_001), (8, 1_700_000_001)]);
    }

    #[test]
    fn error_of_a_record_has_the_reason_if_the_client_can_act_on_it() {
        let text = |refusal| record_error(&refusal).message.unwrap();
        let messages =
            [Refusal::QueueFull, Refusal::StorageFull, Refusal::LogStopped("disk".into())].map(text);
        assert!(
            messages[0].contains("busy") && messages[1].contains("full") && messages[2].contains("stopped"),
            "{messages:?}"
        );
        assert_eq!(text(Refusal::OutcomeUnknown("10.0.0.1".into())), "Internal Service Failure");
    }

    #[test]
    fn record_of_the_largest_size_is_accepted_and_the_error_of_a_larger_one_has_its_index() {
        let stream = stream("orders");
        let sized = |bytes: usize| request::Record {
            data: Data::from_bytes(vec![0; bytes]),
            partition_key: Some("key".into()),
            explicit_hash_key: None,
        };
        assert!(Batch::new(&stream, &[sized(1_048_573)], Path::List).is_ok());
        let error = Batch::new(&stream, &[sized(1), sized(1_048_574)], Path::List).unwrap_err();
        assert_eq!(error, Error::record_too_large(Some(1), 1024));
    }

    #[test]
    fn each_block_of_a_large_request_has_memory_of_its_own() {
        let record = |_| request::Record {
            data: Data::from_bytes(vec![0; 20_000]),
            partition_key: Some("key".into()),
            explicit_hash_key: None,
        };
        let records: Vec<_> = (0..500).map(record).collect();
        let batch = Batch::new(&stream("orders"), &records, Path::List).unwrap();
        let runs = batch.appends.calls.into_iter().flat_map(|call| call.runs);
        let blocks: Vec<_> = runs.map(|run| run.block.bytes().clone()).collect();
        assert!(blocks.len() >= 80);
        let last = batch.locations.last().copied().flatten().unwrap();
        assert_eq!((last.run, last.index), (blocks.len() - 1, 499 % 6));
        let (mut counted_bytes, mut pinned_bytes) = (0, 0);
        for block in blocks {
            assert!(block.len() <= record::MAX_BLOCK_BYTES);
            counted_bytes += block.len();
            // Only bytes that share their buffer with no others convert back.
            pinned_bytes += block.try_into_mut().expect("a block of its own").capacity();
        }
        assert!(counted_bytes >= 10_000_000 && pinned_bytes == counted_bytes);
    }

    #[test]
    fn hash_key_out_of_range_refuses_the_whole_request() {
        let key = "340282366920938463463374607431768211456";
        let record = request::Record { explicit_hash_key: Some(key.into()), ..record(0) };
        let error = Batch::new(&stream("orders"), &[record], Path::Single).unwrap_err();
        assert_eq!(error, Error::explicit_hash_key_out_of_range(key));
    }
}
