//! The answer to ListStreams.

use super::stream::{StreamStatus, write_mode};
use crate::json::Writer;
use crate::request::StreamMode;

/// The answer to ListStreams. StreamNames, which the API also has, are those of the summaries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListStreams {
    /// StreamSummaries, sorted by name.
    pub stream_summaries: Vec<StreamSummary>,
    /// HasMoreStreams.
    pub has_more_streams: bool,
    /// NextToken.
    pub next_token: Option<String>,
}

/// A stream in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamSummary {
    /// StreamName.
    pub stream_name: String,
    /// StreamARN.
    pub stream_arn: String,
    /// StreamStatus.
    pub stream_status: StreamStatus,
    /// StreamModeDetails.
    pub stream_mode: StreamMode,
    /// StreamCreationTimestamp in milliseconds since 1970.
    pub stream_creation_ms: i64,
}

impl ListStreams {
    /// The answer's body.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.begin_map();
        writer.key("StreamNames");
        writer.begin_list();
        for summary in &self.stream_summaries {
            writer.text(&summary.stream_name);
        }
        writer.end_list();
        writer.key("HasMoreStreams");
        writer.boolean(self.has_more_streams);
        if let Some(token) = &self.next_token {
            writer.key("NextToken");
            writer.text(token);
        }
        writer.key("StreamSummaries");
        writer.begin_list();
        for summary in &self.stream_summaries {
            summary.write(&mut writer);
        }
        writer.end_list();
        writer.end_map();
        writer.finish()
    }
}

impl StreamSummary {
    fn write(&self, writer: &mut Writer) {
        writer.begin_map();
        writer.key("StreamName");
        writer.text(&self.stream_name);
        writer.key("StreamARN");
        writer.text(&self.stream_arn);
        writer.key("StreamStatus");
        writer.text(self.stream_status.name());
        write_mode(self.stream_mode, writer);
        writer.key("StreamCreationTimestamp");
        writer.timestamp_ms(self.stream_creation_ms);
        writer.end_map();
    }
}
