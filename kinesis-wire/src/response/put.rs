//! The answers to PutRecord and PutRecords.

use std::fmt::Display;

use super::Body;
use crate::Error;
use crate::json::JsonWriter;
use crate::writer::Writer;

/// Where one record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PutRecord<S, N> {
    /// The shard's id, which must print as AWS's do.
    pub shard_id: S,
    /// The record's sequence number, which must print as digits.
    pub sequence_number: N,
}

impl<S: Display, N: Display> PutRecord<S, N> {
    /// The answer's body.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let mut writer = JsonWriter::with_capacity(PUT_RECORD_BYTES);
        self.write(&mut writer);
        writer.finish()
    }
}

impl<S: Display, N: Display> Body for PutRecord<S, N> {
    fn write(&self, writer: &mut impl Writer) {
        writer.begin_map();
        writer.key("ShardId");
        writer.plain(&self.shard_id);
        writer.key("SequenceNumber");
        writer.plain(&self.sequence_number);
        writer.end_map();
    }
}

/// About what the result of a good record takes: a 20-byte shard id, 56 digits and their names.
const PUT_RECORD_BYTES: usize = 128;

/// Writes the answer to PutRecords result by result, in the order of the request's records.
#[derive(Debug)]
pub struct PutRecordsWriter {
    writer: JsonWriter,
    failed: u64,
}

impl PutRecordsWriter {
    /// An answer without results yet, with room for so many.
    #[must_use]
    pub fn with_capacity(records: usize) -> Self {
        let mut writer = JsonWriter::with_capacity((records + 1) * PUT_RECORD_BYTES);
        writer.begin_map();
        writer.key("Records");
        writer.begin_list();
        Self { writer, failed: 0 }
    }

    /// The next record is durable.
    pub fn stored(&mut self, shard_id: impl Display, sequence_number: impl Display) {
        PutRecord { shard_id, sequence_number }.write(&mut self.writer);
    }

    /// The next record is not stored. AWS gives but two codes here: ProvisionedThroughputExceededException
    /// ([`Error::rate_exceeded`]) and InternalFailure ([`Error::internal_failure`]).
    pub fn failed(&mut self, error: &Error) {
        self.failed += 1;
        let writer = &mut self.writer;
        writer.begin_map();
        writer.key("ErrorCode");
        writer.text(error.code.name());
        if let Some(message) = &error.message {
            writer.key("ErrorMessage");
            writer.text(message);
        }
        writer.end_map();
    }

    /// The finished body, with the number of failed records.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        let mut writer = self.writer;
        writer.end_list();
        writer.key("FailedRecordCount");
        writer.integer(self.failed);
        writer.end_map();
        writer.finish()
    }
}
