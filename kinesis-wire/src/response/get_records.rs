//! The answer to GetRecords.

use std::fmt::Display;

use super::shard::{ChildShard, write_children};
use crate::json::JsonWriter;
use crate::writer::Writer;

/// Writes the answer to GetRecords record by record, whole or in pieces.
#[derive(Debug)]
pub struct GetRecordsWriter {
    writer: JsonWriter,
}

impl GetRecordsWriter {
    /// An answer without records yet, whose buffer takes so many bytes before it grows.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        let mut writer = JsonWriter::with_capacity(bytes);
        writer.begin_map();
        writer.key("Records");
        writer.begin_list();
        Self { writer }
    }

    /// Adds a record. The sequence number must print as digits; the arrival is in milliseconds since 1970. A
    /// record that was put without a partition key is returned without one.
    pub fn record(
        &mut self,
        sequence_number: impl Display,
        arrival_ms: u64,
        data: &[u8],
        partition_key: Option<&str>,
    ) {
        let writer = &mut self.writer;
        writer.begin_map();
        writer.key("SequenceNumber");
        writer.plain(sequence_number);
        writer.key("ApproximateArrivalTimestamp");
        writer.timestamp_ms(i64::try_from(arrival_ms).unwrap_or(i64::MAX));
        writer.key("Data");
        writer.blob(data);
        if let Some(partition_key) = partition_key {
            writer.key("PartitionKey");
            writer.text(partition_key);
        }
        writer.end_map();
    }

    /// Makes room for so many more bytes.
    pub fn reserve(&mut self, bytes: usize) {
        self.writer.buffer().reserve(bytes);
    }

    /// Takes a piece of the body: what was written since the last one. The next one takes so many bytes before its
    /// buffer grows.
    #[must_use]
    pub fn take_piece(&mut self, next_bytes: usize) -> Vec<u8> {
        std::mem::replace(self.writer.buffer(), Vec::with_capacity(next_bytes))
    }

    /// The finished body, or its last piece. At the shard's end there is no next iterator but children, and only there.
    #[must_use]
    pub fn finish(
        self,
        next_shard_iterator: Option<&str>,
        millis_behind_latest: u64,
        child_shards: &[ChildShard],
    ) -> Vec<u8> {
        let mut writer = self.writer;
        writer.end_list();
        writer.optional_text_member("NextShardIterator", next_shard_iterator);
        writer.integer_member("MillisBehindLatest", millis_behind_latest);
        write_children(child_shards, &mut writer);
        writer.end_map();
        writer.finish()
    }
}
