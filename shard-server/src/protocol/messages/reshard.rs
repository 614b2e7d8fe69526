//! Sealing shards and opening others in their place.

use std::fmt::Display;

use bytes::Bytes;
use catalog::member::OpenShard;
use hyper::body::Body;
use record_log::{Resharded, SealedShard};

use super::refusal::RefusalHead;
use super::shard_head::shard;
use super::shards::OpenShardHead;
use super::{check, unknown_outcome, whole};
use crate::protocol::frame::{Broken, Frames, Message};
use crate::protocol::{Call, Encoded, Refusal, Reshard};

#[derive(Clone, PartialEq, prost::Message)]
struct ReshardHead {
    #[prost(uint32, repeated, tag = "1")]
    requires: Vec<u32>,
    #[prost(string, tag = "3")]
    stream_uid: String,
    #[prost(string, tag = "4")]
    log: String,
    #[prost(uint64, tag = "5")]
    op: u64,
    #[prost(uint32, repeated, tag = "6")]
    seal: Vec<u32>,
    #[prost(message, repeated, tag = "7")]
    open: Vec<OpenShardHead>,
}

/// Has one of the fields; otherwise it is an outcome that this version does not know.
#[derive(Clone, PartialEq, prost::Message)]
struct ReshardAnswer {
    #[prost(message, optional, tag = "1")]
    refusal: Option<RefusalHead>,
    #[prost(message, optional, tag = "2")]
    resharded: Option<ReshardedHead>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ReshardedHead {
    #[prost(message, repeated, tag = "1")]
    sealed: Vec<SealedHead>,
    #[prost(message, repeated, tag = "2")]
    opened: Vec<OpenShardHead>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct SealedHead {
    #[prost(uint32, tag = "1")]
    id: u32,
    #[prost(uint64, tag = "2")]
    last_offset: u64,
    #[prost(uint64, tag = "3")]
    arrival_ms: u64,
}

impl Call for Reshard {
    type Answer = Resharded;
    const PATH: &'static str = "/v2/reshard";

    fn encode(&self) -> Message {
        let head = ReshardHead {
            requires: Vec::new(),
            stream_uid: self.stream_uid.clone(),
            log: self.log.clone(),
            op: self.reshard.op,
            seal: self.reshard.seal.iter().map(|shard| shard.index()).collect(),
            open: self.reshard.open.iter().map(OpenShardHead::from).collect(),
        };
        Message::new(&head, [])
    }

    async fn decode<B>(frames: &mut Frames<B>) -> Result<Result<Self, Refusal>, Broken>
    where
        B: Body<Data = Bytes, Error: Display> + Unpin + Send,
    {
        let ReshardHead { requires, stream_uid, log, op, seal, open } = whole(frames).await?;
        if let Err(refusal) = check(&requires) {
            return Ok(Err(refusal));
        }
        let seal = seal.into_iter().map(shard).collect::<Result<_, _>>()?;
        let open = open.into_iter().map(OpenShard::try_from).collect::<Result<_, _>>()?;
        Ok(Ok(Self { stream_uid, log, reshard: record_log::Reshard { op, seal, open } }))
    }

    fn encode_answer(answer: Result<Self::Answer, Refusal>) -> Encoded {
        let sealed = |sealed: &SealedShard| SealedHead {
            id: sealed.id.index(),
            last_offset: sealed.last_offset,
            arrival_ms: sealed.arrival_ms,
        };
        let head = match answer {
            Ok(resharded) => {
                let opened = resharded.opened.iter().map(OpenShardHead::from).collect();
                let sealed = resharded.sealed.iter().map(sealed).collect();
                ReshardAnswer { refusal: None, resharded: Some(ReshardedHead { sealed, opened }) }
            }
            Err(refusal) => ReshardAnswer { refusal: Some(refusal.into()), resharded: None },
        };
        Encoded::Whole(Message::new(&head, []))
    }

    async fn receive<B>(mut frames: Frames<B>) -> Result<Result<Self::Answer, Refusal>, Broken>
    where
        B: Body<Data = Bytes, Error: Display> + Unpin + Send + 'static,
    {
        let ReshardedHead { sealed, opened } = match whole(&mut frames).await? {
            ReshardAnswer { refusal: Some(refusal), .. } => return Ok(Err(refusal.into())),
            ReshardAnswer { resharded: Some(resharded), .. } => resharded,
            ReshardAnswer { .. } => return Ok(Err(unknown_outcome())),
        };
        let sealed = sealed.into_iter().map(|SealedHead { id, last_offset, arrival_ms }| {
            Ok(SealedShard { id: shard(id)?, last_offset, arrival_ms })
        });
        let opened = opened.into_iter().map(OpenShard::try_from);
        Ok(Ok(Resharded {
            sealed: sealed.collect::<Result<_, Broken>>()?,
            opened: opened.collect::<Result<_, Broken>>()?,
        }))
    }
}
