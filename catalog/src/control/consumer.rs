//! Registered consumers of a stream.

use serde::{Deserialize, Serialize};

use super::{Refusal, RefusalCode, RegisterConsumer, StreamKey};
use crate::StreamMode;

/// The most consumers of a stream (AWS API reference, RegisterStreamConsumer).
const MAX_CONSUMERS: usize = 20;
/// The most consumers of an on-demand stream of an account with the minimum throughput billing commitment.
const MAX_COMMITTED_CONSUMERS: usize = 50;

/// A registered consumer. It is ACTIVE.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Consumer {
    /// Its name, unique in its stream.
    pub name: String,
    /// When it was registered, in milliseconds since 1970. No two consumers that a stream ever had under one name were
    /// registered in the same second.
    pub created_ms: i64,
}

/// Names a consumer of a stream: by its name, or by its ARN.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConsumerKey {
    /// Its name.
    pub name: String,
    /// The second in which it was registered, as its ARN has it; absent: the one that has the name now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_seconds: Option<i64>,
}

impl Consumer {
    /// The second in which it was registered, since 1970.
    #[must_use]
    pub fn created_seconds(&self) -> i64 {
        self.created_ms.div_euclid(1_000)
    }

    /// `<ARN of the stream>/consumer/<name>:<second in which it was registered>`.
    #[must_use]
    pub fn arn(&self, stream_arn: &str) -> String {
        format!("{stream_arn}/consumer/{}:{}", self.name, self.created_seconds())
    }

    /// Whether a key names it.
    #[must_use]
    pub fn is(&self, key: &ConsumerKey) -> bool {
        self.name == key.name && key.created_seconds.is_none_or(|seconds| seconds == self.created_seconds())
    }
}

impl ConsumerKey {
    /// The refusal of a call that names a consumer that a stream does not have.
    #[must_use]
    pub fn not_found(&self, stream: &StreamKey) -> Refusal {
        let message = format!("Consumer {}, account {} not found.", self.name, stream.account_id);
        Refusal::new(RefusalCode::ResourceNotFound, message)
    }
}

/// The most consumers of a stream of this mode; `commitment`: whether its account has the minimum throughput billing
/// commitment.
#[must_use]
pub fn max_consumers(mode: StreamMode, commitment: bool) -> usize {
    match mode {
        StreamMode::OnDemand if commitment => MAX_COMMITTED_CONSUMERS,
        StreamMode::OnDemand | StreamMode::Provisioned => MAX_CONSUMERS,
    }
}

impl RegisterConsumer {
    /// Checks a new consumer of a stream that has so many, and may have `limit`; `is_taken`: whether one has its name.
    ///
    /// # Errors
    /// If its name is taken, there are too many, or its tags break a rule.
    pub fn check(&self, is_taken: bool, registered: usize, limit: usize) -> Result<(), Refusal> {
        let Self { stream: StreamKey { account_id, name: stream, .. }, name, .. } = self;
        if is_taken {
            let message =
                format!("Consumer {name} under stream {stream} already exists for account {account_id}.");
            return Err(Refusal::new(RefusalCode::ResourceInUse, message));
        }
        if registered >= limit {
            let message = format!(
                "Stream {stream} under account {account_id} has {limit} consumers, and may have no more: deregister one."
            );
            return Err(Refusal::new(RefusalCode::LimitExceeded, message));
        }
        self.check_tags()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arn_has_the_second_of_the_registration() {
        let consumer = Consumer { name: "fan".into(), created_ms: 1_790_000_000_999 };
        let arn = consumer.arn("arn:aws:kinesis:us-east-1:000000000000:stream/orders");
        assert_eq!(arn, "arn:aws:kinesis:us-east-1:000000000000:stream/orders/consumer/fan:1790000000");
    }

    #[test]
    fn key_with_another_second_is_of_another_consumer() {
        let consumer = Consumer { name: "fan".into(), created_ms: 1_790_000_000_999 };
        let key = |created_seconds| ConsumerKey { name: "fan".into(), created_seconds };
        assert!(consumer.is(&key(None)) && consumer.is(&key(Some(1_790_000_000))));
        assert!(!consumer.is(&key(Some(1_790_000_001))));
    }
}
