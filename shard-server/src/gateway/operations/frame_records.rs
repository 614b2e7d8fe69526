//! The records of a frame as GetRecords and SubscribeToShard show them.

use catalog::{SequenceNumber, SequenceText, SequenceTexts, Shard};

use crate::protocol::ReadOutcome;

/// The JSON around the data and key of a record.
const RECORD_JSON_BYTES: usize = 176;

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Records.
    pub records: u64,
    /// Bytes of their data and keys.
    pub bytes: u64,
}

/// Writes the records of a frame of this shard one by one: sequence number, arrival in milliseconds since 1970, data and
/// partition key.
pub fn write(
    shard: &Shard,
    outcome: &ReadOutcome,
    mut record: impl FnMut(SequenceText, u64, &[u8], &str),
) -> Written {
    let mut written = Written::default();
    let mut texts = SequenceTexts::default();
    for run in &outcome.runs {
        for (found, counter) in run.block.records().zip(run.first_offset..) {
            let number = number_of(shard, counter, run.arrival_ms);
            record(texts.text(number), run.arrival_ms, found.data, found.partition_key);
            written.records += 1;
            written.bytes += (found.data.len() + found.partition_key.len()) as u64;
        }
    }
    written
}

/// The sequence number of a record.
#[must_use]
pub fn number_of(shard: &Shard, counter: u64, arrival_ms: u64) -> SequenceNumber {
    let arrival_seconds = arrival_ms / 1_000;
    SequenceNumber { create_seconds: shard.create_seconds, shard: shard.id, counter, arrival_seconds }
}

/// The approximate size of the records as JSON, with data in base64.
#[must_use]
pub fn json_bytes(outcome: &ReadOutcome) -> usize {
    let run_bytes = |count: u32, bytes: usize| bytes / 3 * 4 + count as usize * RECORD_JSON_BYTES;
    outcome.runs.iter().map(|run| run_bytes(run.block.count(), run.block.bytes().len())).sum()
}
