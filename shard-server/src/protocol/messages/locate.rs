//! Looking up a position.

use std::fmt::Display;

use bytes::Bytes;
use hyper::body::Body;

use super::refusal::RefusalHead;
use super::shard_head::{self, Target};
use super::{unknown_outcome, whole};
use crate::protocol::frame::{Broken, Frames, Message};
use crate::protocol::{Call, Encoded, Locate, Located, Refusal};

#[derive(Clone, PartialEq, prost::Message)]
struct LocateAnswer {
    #[prost(message, optional, tag = "1")]
    refusal: Option<RefusalHead>,
    #[prost(uint64, optional, tag = "2")]
    offset: Option<u64>,
    #[prost(uint64, optional, tag = "3")]
    time_ms: Option<u64>,
}

impl Call for Locate {
    type Answer = Located;
    const PATH: &'static str = "/v2/locate";

    fn encode(&self) -> Message {
        let Self { stream_uid, log, shard, position } = self.clone();
        shard_head::encode(Vec::new(), Target { stream_uid, log, shard, position }, ())
    }

    async fn decode<B>(frames: &mut Frames<B>) -> Result<Result<Self, Refusal>, Broken>
    where
        B: Body<Data = Bytes, Error: Display> + Unpin + Send,
    {
        let decoded = shard_head::decode(frames).await?;
        Ok(decoded.map(|(Target { stream_uid, log, shard, position }, ())| Self {
            stream_uid,
            log,
            shard,
            position,
        }))
    }

    fn encode_answer(answer: Result<Self::Answer, Refusal>) -> Encoded {
        let head = match answer {
            Ok(Located { offset, time_ms }) => LocateAnswer { refusal: None, offset: Some(offset), time_ms },
            Err(refusal) => LocateAnswer { refusal: Some(refusal.into()), ..LocateAnswer::default() },
        };
        Encoded::Whole(Message::new(&head, []))
    }

    async fn receive<B>(mut frames: Frames<B>) -> Result<Result<Self::Answer, Refusal>, Broken>
    where
        B: Body<Data = Bytes, Error: Display> + Unpin + Send + 'static,
    {
        let LocateAnswer { refusal, offset, time_ms } = whole(&mut frames).await?;
        Ok(match (refusal, offset) {
            (Some(refusal), _) => Err(refusal.into()),
            (None, Some(offset)) => Ok(Located { offset, time_ms }),
            (None, None) => Err(unknown_outcome()),
        })
    }
}
