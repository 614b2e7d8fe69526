//! Appends: the heads of their runs, and the blocks behind them.

use std::fmt::Display;

use bytes::Bytes;
use hyper::body::Body;

use super::refusal::RefusalHead;
use super::shard_head::shard;
use super::{block_bytes, check, unknown_outcome, whole};
use crate::protocol::frame::{Broken, Frames, Message, invalid};
use crate::protocol::{Append, AppendId, Appended, Call, Encoded, Refusal, Run, RunOutcome};

#[derive(Clone, PartialEq, prost::Message)]
struct AppendHead {
    #[prost(uint32, repeated, tag = "1")]
    requires: Vec<u32>,
    #[prost(string, tag = "3")]
    stream_uid: String,
    #[prost(string, tag = "4")]
    log: String,
    #[prost(message, optional, tag = "5")]
    id: Option<AppendIdHead>,
    #[prost(message, repeated, tag = "6")]
    runs: Vec<RunHead>,
    #[cfg(feature = "version-skew")]
    #[prost(string, tag = "1000")]
    newer: String,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct AppendIdHead {
    #[prost(fixed64, tag = "1")]
    session: u64,
    #[prost(uint64, tag = "2")]
    sequence: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RunHead {
    #[prost(uint32, tag = "1")]
    shard: u32,
    #[prost(uint32, tag = "2")]
    records: u32,
    #[prost(uint32, tag = "3")]
    block_bytes: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct AppendAnswer {
    /// Set if the append was refused as a whole.
    #[prost(message, optional, tag = "1")]
    refusal: Option<RefusalHead>,
    /// One per run, in their order.
    #[prost(message, repeated, tag = "2")]
    outcomes: Vec<OutcomeHead>,
    #[cfg(feature = "version-skew")]
    #[prost(string, tag = "1000")]
    newer: String,
}

/// Has one of the fields; otherwise it is an outcome that this version does not know.
#[derive(Clone, PartialEq, prost::Message)]
struct OutcomeHead {
    #[prost(message, optional, tag = "1")]
    appended: Option<AppendedHead>,
    #[prost(message, optional, tag = "2")]
    refusal: Option<RefusalHead>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct AppendedHead {
    #[prost(uint64, tag = "1")]
    first_offset: u64,
    #[prost(uint64, tag = "2")]
    arrival_ms: u64,
}

impl Call for Append {
    type Answer = Vec<RunOutcome>;
    const PATH: &'static str = "/v2/append";

    fn outcomes(answer: &Self::Answer) -> &[RunOutcome] {
        answer
    }

    fn encode(&self) -> Message {
        let run = |run: &Run| RunHead {
            shard: run.shard.index(),
            records: run.block.count(),
            block_bytes: block_bytes(&run.block),
        };
        let head = AppendHead {
            requires: Vec::new(),
            stream_uid: self.stream_uid.clone(),
            log: self.log.clone(),
            id: self.id.map(|AppendId { session, sequence }| AppendIdHead { session, sequence }),
            runs: self.runs.iter().map(run).collect(),
            #[cfg(feature = "version-skew")]
            newer: "a field more".into(),
        };
        Message::new(&head, self.runs.iter().map(|run| run.block.bytes().clone()))
    }

    async fn decode<B>(frames: &mut Frames<B>) -> Result<Result<Self, Refusal>, Broken>
    where
        B: Body<Data = Bytes, Error: Display> + Unpin + Send,
    {
        let head: AppendHead = frames.head().await?.ok_or_else(|| invalid("it is empty"))?;
        if let Err(refusal) = check(&head.requires) {
            return Ok(Err(refusal));
        }
        let blocks_bytes = head.runs.iter().map(|run| u64::from(run.block_bytes)).sum();
        if frames.left_bytes() != Some(blocks_bytes) {
            return Err(invalid("its blocks are not as long as its head says"));
        }
        let mut runs = Vec::with_capacity(head.runs.len());
        for RunHead { shard: index, records, block_bytes } in head.runs {
            let block = frames.block(records, block_bytes as usize).await?;
            runs.push(Run { shard: shard(index)?, block });
        }
        Ok(Ok(Self {
            stream_uid: head.stream_uid,
            log: head.log,
            id: head.id.map(|AppendIdHead { session, sequence }| AppendId { session, sequence }),
            runs,
        }))
    }

    fn encode_answer(answer: Result<Self::Answer, Refusal>) -> Encoded {
        let outcome = |outcome| match outcome {
            Ok(Appended { first_offset, arrival_ms }) => {
                OutcomeHead { appended: Some(AppendedHead { first_offset, arrival_ms }), refusal: None }
            }
            Err(refusal) => OutcomeHead { appended: None, refusal: Some(RefusalHead::from(refusal)) },
        };
        let (refusal, outcomes) = match answer {
            Ok(outcomes) => (None, outcomes.into_iter().map(outcome).collect()),
            Err(refusal) => (Some(refusal.into()), Vec::new()),
        };
        let head = AppendAnswer {
            refusal,
            outcomes,
            #[cfg(feature = "version-skew")]
            newer: "a field more".into(),
        };
        Encoded::Whole(Message::new(&head, []))
    }

    async fn receive<B>(mut frames: Frames<B>) -> Result<Result<Self::Answer, Refusal>, Broken>
    where
        B: Body<Data = Bytes, Error: Display> + Unpin + Send + 'static,
    {
        let AppendAnswer { refusal, outcomes, .. } = whole(&mut frames).await?;
        if let Some(refusal) = refusal {
            return Ok(Err(refusal.into()));
        }
        let outcome = |OutcomeHead { appended, refusal }| match (appended, refusal) {
            (_, Some(refusal)) => Err(Refusal::from(refusal)),
            (Some(AppendedHead { first_offset, arrival_ms }), None) => {
                Ok(Appended { first_offset, arrival_ms })
            }
            (None, None) => Err(unknown_outcome()),
        };
        Ok(Ok(outcomes.into_iter().map(outcome).collect()))
    }
}
