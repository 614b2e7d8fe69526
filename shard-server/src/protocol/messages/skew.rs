//! What a version says that does not exist, for the test of how versions get on: a call more, and a call that is known with
//! a requirement more. Both are answered as [`Locate`].

use std::fmt::Display;

use bytes::Bytes;
use hyper::body::Body;

use super::shard_head::{self, Target};
use crate::protocol::frame::{Broken, Frames, Message};
use crate::protocol::{Call, Encoded, Locate, Located, Refusal, RepeatableCall};

/// What a requirement of that version changes.
pub(super) const REQUIREMENT: u32 = 1_000;

/// A call that older versions do not know.
#[derive(Clone, Debug)]
pub struct Newer(pub Locate);

/// A call that older versions know, but not what it requires.
#[derive(Clone, Debug)]
pub struct Requiring(pub Locate);

macro_rules! as_locate {
    ($call:ident, $path:expr) => {
        impl Call for $call {
            type Answer = Located;
            const PATH: &'static str = $path;

            fn encode(&self) -> Message {
                let Locate { stream_uid, log, shard, position } = self.0.clone();
                let target = Target { stream_uid, log, shard, position };
                shard_head::encode(vec![REQUIREMENT], target, ())
            }

            async fn decode<B>(frames: &mut Frames<B>) -> Result<Result<Self, Refusal>, Broken>
            where
                B: Body<Data = Bytes, Error: Display> + Unpin + Send,
            {
                Ok(Locate::decode(frames).await?.map(Self))
            }

            fn encode_answer(answer: Result<Located, Refusal>) -> Encoded {
                Locate::encode_answer(answer)
            }

            async fn receive<B>(frames: Frames<B>) -> Result<Result<Located, Refusal>, Broken>
            where
                B: Body<Data = Bytes, Error: Display> + Unpin + Send + 'static,
            {
                Locate::receive(frames).await
            }
        }
    };
}

impl RepeatableCall for Newer {}
impl RepeatableCall for Requiring {}

as_locate!(Newer, "/v2/newer");
as_locate!(Requiring, Locate::PATH);
