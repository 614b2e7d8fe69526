//! The answers to PutRecord and PutRecords.

use std::fmt::Display;

use super::Body;
use crate::encoding::{AnyWriter, with_writer};
use crate::writer::Writer;
use crate::{Encoding, Error};

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
    pub fn encode(&self, encoding: Encoding) -> Vec<u8> {
        encoding.encode(self)
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
    writer: AnyWriter,
    failed: u64,
}

impl PutRecordsWriter {
    /// An answer without results yet, with room for so many.
    #[must_use]
    pub fn with_capacity(encoding: Encoding, records: usize) -> Self {
        let mut writer = encoding.writer((records + 1) * PUT_RECORD_BYTES);
        with_writer!(&mut writer, writer => {
            writer.begin_map();
            writer.key("Records");
            writer.begin_list();
        });
        Self { writer, failed: 0 }
    }

    /// The next record is durable.
    pub fn stored(&mut self, shard_id: impl Display, sequence_number: impl Display) {
        let result = PutRecord { shard_id, sequence_number };
        with_writer!(&mut self.writer, writer => result.write(writer));
    }

    /// The next record is not stored. AWS gives but two codes here: ProvisionedThroughputExceededException
    /// ([`Error::rate_exceeded`]) and InternalFailure ([`Error::internal_failure`]).
    pub fn failed(&mut self, error: &Error) {
        self.failed += 1;
        with_writer!(&mut self.writer, writer => writer.map(|writer| {
            writer.text_member("ErrorCode", error.code.name());
            writer.optional_text_member("ErrorMessage", error.message.as_deref());
        }));
    }

    /// The finished body, with the number of failed records.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        let failed = self.failed;
        with_writer!(self.writer, writer => {
            let mut writer = writer;
            writer.end_list();
            writer.integer_member("FailedRecordCount", failed);
            writer.end_map();
            writer.finish()
        })
    }
}
