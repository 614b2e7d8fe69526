//! The head of a request about one shard: which shard, and from where; behind that what is the call's own.

use std::fmt::Display;

use bytes::{Buf, BufMut, Bytes};
use catalog::ShardId;
use hyper::body::Body;
use prost::DecodeError;
use prost::encoding::{DecodeContext, WireType};

use super::{check, whole};
use crate::protocol::frame::{Broken, Frames, Message, invalid};
use crate::protocol::{Position, Refusal};

/// What a request about one shard is about.
pub struct Target {
    pub stream_uid: String,
    pub log: String,
    pub shard: ShardId,
    pub position: Position,
}

/// The head of such a request. What is the call's own (`O`) has higher numbers, so that both lie in one message.
#[derive(Debug, Default)]
struct ShardHead<O> {
    target: TargetHead,
    own: O,
}

#[derive(Clone, PartialEq, prost::Message)]
struct TargetHead {
    #[prost(uint32, repeated, tag = "1")]
    requires: Vec<u32>,
    #[prost(string, tag = "3")]
    stream_uid: String,
    #[prost(string, tag = "4")]
    log: String,
    #[prost(uint32, tag = "5")]
    shard: u32,
    #[prost(message, optional, tag = "6")]
    position: Option<PositionHead>,
}

/// The highest number of a field of [`TargetHead`].
const LAST_OF_TARGET: u32 = 6;

/// Kinds: 1 trim horizon, 2 latest, 3 at the time `value`, 4 at the offset `value`.
#[derive(Clone, Copy, PartialEq, prost::Message)]
struct PositionHead {
    #[prost(uint32, tag = "1")]
    kind: u32,
    #[prost(uint64, tag = "2")]
    value: u64,
}

impl<O: prost::Message> prost::Message for ShardHead<O> {
    fn encode_raw(&self, buffer: &mut impl BufMut) {
        self.target.encode_raw(buffer);
        self.own.encode_raw(buffer);
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buffer: &mut impl Buf,
        context: DecodeContext,
    ) -> Result<(), DecodeError> {
        match tag <= LAST_OF_TARGET {
            true => self.target.merge_field(tag, wire_type, buffer, context),
            false => self.own.merge_field(tag, wire_type, buffer, context),
        }
    }

    fn encoded_len(&self) -> usize {
        self.target.encoded_len() + self.own.encoded_len()
    }

    fn clear(&mut self) {
        self.target.clear();
        self.own.clear();
    }
}

/// A request about one shard; a group must know what it requires.
pub fn encode(requires: Vec<u32>, target: Target, own: impl prost::Message) -> Message {
    let Target { stream_uid, log, shard, position } = target;
    let (shard, position) = (shard.index(), Some(position.into()));
    Message::new(&ShardHead { target: TargetHead { requires, stream_uid, log, shard, position }, own }, [])
}

/// What a request is about, and what is the call's own; or why this version does not do it.
pub async fn decode<O, B>(frames: &mut Frames<B>) -> Result<Result<(Target, O), Refusal>, Broken>
where
    O: prost::Message + Default,
    B: Body<Data = Bytes, Error: Display> + Unpin,
{
    let ShardHead { target: TargetHead { requires, stream_uid, log, shard: index, position: at }, own } =
        whole(frames).await?;
    let shard = shard(index)?;
    Ok(check(&requires)
        .and_then(|()| position(at))
        .map(|position| (Target { stream_uid, log, shard, position }, own)))
}

pub fn shard(index: u32) -> Result<ShardId, Broken> {
    ShardId::new(index).ok_or_else(|| invalid(format_args!("{index} is no shard")))
}

impl From<Position> for PositionHead {
    fn from(position: Position) -> Self {
        let (kind, value) = match position {
            Position::TrimHorizon => (1, 0),
            Position::Latest => (2, 0),
            Position::AtTimestamp(ms) => (3, ms),
            Position::Offset(offset) => (4, offset),
        };
        Self { kind, value }
    }
}

/// Decodes the position of a request; refuses one of an unknown kind.
fn position(head: Option<PositionHead>) -> Result<Position, Refusal> {
    let PositionHead { kind, value } = head.unwrap_or_default();
    match kind {
        1 => Ok(Position::TrimHorizon),
        2 => Ok(Position::Latest),
        3 => Ok(Position::AtTimestamp(value)),
        4 => Ok(Position::Offset(value)),
        _ => Err(Refusal::Unsupported(format!("a position of kind {kind}"))),
    }
}
