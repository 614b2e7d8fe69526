//! An event of a subscription.

use std::fmt::Display;

use super::event_headers;
use super::frame::Frame;
use crate::Encoding;
use crate::encoding::{AnyWriter, with_writer};
use crate::response::{ChildShard, Record, write_children};
use crate::writer::Writer;

/// Writes an event record by record, as one frame.
#[derive(Debug)]
pub struct SubscribeToShardEvent {
    frame: Frame,
    writer: AnyWriter,
}

impl SubscribeToShardEvent {
    /// An event without records yet, whose buffer takes so many bytes before it grows.
    #[must_use]
    pub fn with_capacity(encoding: Encoding, bytes: usize) -> Self {
        let mut writer = encoding.writer(bytes);
        let headers = event_headers("SubscribeToShardEvent", encoding);
        let frame = with_writer!(&mut writer, writer => {
            let frame = Frame::begin(&headers, writer.buffer());
            writer.begin_map();
            writer.key("Records");
            writer.begin_list();
            frame
        });
        Self { frame, writer }
    }

    /// Adds a record; see [`crate::response::GetRecordsWriter::record`].
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

    /// The frame. A subscription that starts at the continuation goes on where this event ends; it must print as digits.
    /// At the shard's end there is none, but children, and only there (the model calls it required; KCL wants it so).
    #[must_use]
    pub fn finish(
        self,
        continuation_sequence_number: Option<impl Display>,
        millis_behind_latest: u64,
        child_shards: &[ChildShard],
    ) -> Vec<u8> {
        let frame = self.frame;
        let mut bytes = with_writer!(self.writer, writer => {
            let mut writer = writer;
            writer.end_list();
            if let Some(number) = continuation_sequence_number {
                writer.key("ContinuationSequenceNumber");
                writer.plain(number);
            }
            writer.integer_member("MillisBehindLatest", millis_behind_latest);
            write_children(child_shards, &mut writer);
            writer.end_map();
            writer.finish()
        });
        frame.end(&mut bytes);
        bytes
    }
}
