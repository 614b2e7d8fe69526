//! The answers of ListChannels and ListQueues: there are none.

use super::Body;
use crate::writer::Writer;

/// The answer to ListChannels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListChannels;

/// The answer to ListQueues.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListQueues;

impl Body for ListChannels {
    fn write(&self, writer: &mut impl Writer) {
        write_none("ChannelSummaries", writer);
    }
}

impl Body for ListQueues {
    fn write(&self, writer: &mut impl Writer) {
        write_none("QueueSummaries", writer);
    }
}

fn write_none(name: &'static str, writer: &mut impl Writer) {
    writer.map(|writer| writer.list_member(name, [], |_, ()| {}));
}
