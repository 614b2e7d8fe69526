//! Consumers as the API shows them.

use super::Body;
use crate::words::ConsumerStatus;
use crate::writer::Writer;

/// A consumer of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consumer {
    /// ConsumerName.
    pub consumer_name: String,
    /// ConsumerARN.
    pub consumer_arn: String,
    /// ConsumerStatus.
    pub consumer_status: ConsumerStatus,
    /// ConsumerCreationTimestamp in milliseconds since 1970.
    pub consumer_creation_ms: i64,
}

/// The answer to DescribeStreamConsumer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribeStreamConsumer {
    /// ConsumerDescription, but for its StreamARN.
    pub consumer: Consumer,
    /// StreamARN.
    pub stream_arn: String,
}

/// The answer to RegisterStreamConsumer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisterStreamConsumer {
    /// Consumer.
    pub consumer: Consumer,
}

/// The answer to ListStreamConsumers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListStreamConsumers {
    /// Consumers.
    pub consumers: Vec<Consumer>,
    /// NextToken: there is more.
    pub next_token: Option<String>,
}

impl Consumer {
    fn write_members(&self, writer: &mut impl Writer) {
        writer.text_member("ConsumerName", &self.consumer_name);
        writer.text_member("ConsumerARN", &self.consumer_arn);
        writer.text_member("ConsumerStatus", self.consumer_status.name());
        writer.timestamp_member("ConsumerCreationTimestamp", self.consumer_creation_ms);
    }
}

impl Body for DescribeStreamConsumer {
    fn write(&self, writer: &mut impl Writer) {
        writer.map(|writer| {
            writer.map_member("ConsumerDescription", |writer| {
                self.consumer.write_members(writer);
                writer.text_member("StreamARN", &self.stream_arn);
            });
        });
    }
}

impl Body for RegisterStreamConsumer {
    fn write(&self, writer: &mut impl Writer) {
        writer.map(|writer| writer.map_member("Consumer", |writer| self.consumer.write_members(writer)));
    }
}

impl Body for ListStreamConsumers {
    fn write(&self, writer: &mut impl Writer) {
        writer.map(|writer| {
            writer.list_member("Consumers", &self.consumers, |writer, consumer| {
                writer.map(|writer| consumer.write_members(writer));
            });
            writer.optional_text_member("NextToken", self.next_token.as_deref());
        });
    }
}
