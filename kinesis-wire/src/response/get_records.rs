//! The answer to GetRecords.

use std::fmt::Display;

use super::shard::{ChildShard, write_children};
use crate::Encoding;
use crate::encoding::{AnyWriter, with_writer};
use crate::writer::Writer;

/// Writes the answer to GetRecords record by record, whole or in pieces.
#[derive(Debug)]
pub struct GetRecordsWriter {
    writer: AnyWriter,
}

impl GetRecordsWriter {
    /// An answer without records yet, whose buffer takes so many bytes before it grows.
    #[must_use]
    pub fn with_capacity(encoding: Encoding, bytes: usize) -> Self {
        let mut writer = encoding.writer(bytes);
        with_writer!(&mut writer, writer => {
            writer.begin_map();
            writer.key("Records");
            writer.begin_list();
        });
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
        let record = Record { sequence_number, arrival_ms, data, partition_key };
        with_writer!(&mut self.writer, writer => record.write(writer));
    }

    /// Makes room for so many more bytes.
    pub fn reserve(&mut self, bytes: usize) {
        self.buffer().reserve(bytes);
    }

    /// Takes a piece of the body: what was written since the last one. The next one takes so many bytes before its
    /// buffer grows.
    #[must_use]
    pub fn take_piece(&mut self, next_bytes: usize) -> Vec<u8> {
        std::mem::replace(self.buffer(), Vec::with_capacity(next_bytes))
    }

    /// Ends the body and takes its last piece; after it nothing may be written. At the shard's end there is no next
    /// iterator but children, and only there.
    #[must_use]
    pub fn finish(
        &mut self,
        next_shard_iterator: Option<&str>,
        millis_behind_latest: u64,
        child_shards: &[ChildShard],
    ) -> Vec<u8> {
        with_writer!(&mut self.writer, writer => {
            writer.end_list();
            writer.optional_text_member("NextShardIterator", next_shard_iterator);
            writer.integer_member("MillisBehindLatest", millis_behind_latest);
            write_children(child_shards, writer);
            writer.end_map();
        });
        std::mem::take(self.buffer())
    }

    fn buffer(&mut self) -> &mut Vec<u8> {
        with_writer!(&mut self.writer, writer => writer.buffer())
    }
}

/// A record as an answer has it.
pub(crate) struct Record<'a, N> {
    pub(crate) sequence_number: N,
    pub(crate) arrival_ms: u64,
    pub(crate) data: &'a [u8],
    pub(crate) partition_key: Option<&'a str>,
}

impl<N: Display> Record<'_, N> {
    pub(crate) fn write(&self, writer: &mut impl Writer) {
        writer.begin_map();
        writer.key("SequenceNumber");
        writer.plain(&self.sequence_number);
        writer.timestamp_member(
            "ApproximateArrivalTimestamp",
            i64::try_from(self.arrival_ms).unwrap_or(i64::MAX),
        );
        writer.key("Data");
        writer.blob(self.data);
        writer.optional_text_member("PartitionKey", self.partition_key);
        writer.end_map();
    }
}
