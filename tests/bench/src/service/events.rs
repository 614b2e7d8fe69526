//! The records of a shard as they are pushed to a registered consumer: SubscribeToShard and its frames.

use anyhow::{Context, Result, ensure};
use bytes::{Buf as _, Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Reader;
use super::kinesis::{Connection, Kinesis, Records};

/// What is before the headers of a frame: its length, that of its headers, and a checksum.
const PRELUDE_BYTES: usize = 12;
/// The checksum at the end of a frame.
const CHECKSUM_BYTES: usize = 4;

/// A subscription to a shard.
pub struct Subscription {
    /// Keeps the connection open.
    _connection: Connection,
    body: Incoming,
    received: BytesMut,
}

impl Kinesis {
    /// Registers a consumer and subscribes it to the first shard, behind its newest record.
    ///
    /// # Errors
    /// If it is refused.
    pub async fn subscribe(&self) -> Result<Subscription> {
        let mut connection = Connection::open(self.address).await?;
        let answer = connection.call("DescribeStreamSummary", &json!({"StreamName": self.stream})).await?;
        let summary: Value = serde_json::from_slice(&answer)?;
        let stream = &summary["StreamDescriptionSummary"]["StreamARN"];
        let name = Uuid::new_v4().to_string();
        let register = json!({"StreamARN": stream, "ConsumerName": name});
        let answer = connection.call("RegisterStreamConsumer", &register).await?;
        let consumer: Value = serde_json::from_slice(&answer)?;
        let subscribe = json!({
            "ConsumerARN": consumer["Consumer"]["ConsumerARN"],
            "ShardId": "shardId-000000000000",
            "StartingPosition": {"Type": "LATEST"},
        });
        let body = connection.stream("SubscribeToShard", &subscribe).await?;
        let mut subscription = Subscription { _connection: connection, body, received: BytesMut::new() };
        let (headers, _) = subscription.frame().await?;
        ensure!(holds(&headers, b"initial-response"), "events without an initial response");
        Ok(subscription)
    }
}

impl Subscription {
    /// Headers and payload of the next frame.
    async fn frame(&mut self) -> Result<(Bytes, Bytes)> {
        let [frame_bytes, headers_bytes] = loop {
            if let Some(mut prelude) = self.received.get(..PRELUDE_BYTES) {
                let lengths = [prelude.get_u32(), prelude.get_u32()].map(|length| length as usize);
                if self.received.len() >= lengths[0] {
                    break lengths;
                }
            }
            let more = self.body.frame().await.context("the subscription has ended")??;
            self.received.extend_from_slice(&more.into_data().unwrap_or_default());
        };
        let mut frame = self.received.split_to(frame_bytes).freeze();
        frame.advance(PRELUDE_BYTES);
        ensure!(frame.len() >= headers_bytes + CHECKSUM_BYTES, "a frame is shorter than its headers");
        let headers = frame.split_to(headers_bytes);
        frame.truncate(frame.len() - CHECKSUM_BYTES);
        Ok((headers, frame))
    }
}

impl Reader for Subscription {
    type Page = Records;

    async fn next(&mut self) -> Result<Records> {
        let (headers, payload) = self.frame().await?;
        ensure!(
            holds(&headers, b"SubscribeToShardEvent"),
            "an exception: {}",
            String::from_utf8_lossy(&payload)
        );
        Ok(Records(payload))
    }
}

fn holds(headers: &[u8], event_type: &[u8]) -> bool {
    memchr::memmem::find(headers, event_type).is_some()
}
