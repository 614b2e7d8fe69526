//! How a message lies in a body: a head, and record blocks beside it.
//!
//! ```text
//! frame: head length u32, little-endian | head (protobuf, see `messages`) | record blocks back to back
//! ```
//!
//! A request is one frame, and so is an answer, but for a stream of records, which is one frame after the other.

use std::fmt::Display;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Body;
use record_log::record::RecordBlock;

/// The largest head: 10,000 runs of a record each take a quarter of it.
const MAX_HEAD_BYTES: usize = 1 << 20;

/// The bytes are no message of this protocol, or of a version that this one cannot read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a message of this protocol: {0}")]
pub struct InvalidMessage(pub(super) String);

/// Why a message was not read to its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// The body broke off: the connection did.
    #[error("the body broke off: {0}")]
    Body(String),
    /// The bytes are wrong.
    #[error(transparent)]
    Invalid(#[from] InvalidMessage),
}

/// A frame in pieces: a head and the record blocks behind it, which are never copied.
#[derive(Clone, Debug, Default)]
pub struct Message {
    /// The pieces in order.
    pub pieces: Vec<Bytes>,
}

impl Message {
    pub(super) fn new(head: &impl prost::Message, blocks: impl IntoIterator<Item = Bytes>) -> Self {
        let head_bytes = head.encoded_len();
        let mut first = BytesMut::with_capacity(4 + head_bytes);
        first.put_u32_le(u32::try_from(head_bytes).expect("a head below 4 GiB"));
        head.encode_raw(&mut first);
        Self { pieces: std::iter::once(first.freeze()).chain(blocks).collect() }
    }

    /// The frame's bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.pieces.iter().map(Bytes::len).sum()
    }
}

/// Reads frames from a body as it comes.
#[derive(Debug)]
pub struct Frames<B> {
    body: B,
    /// What came and was not read yet.
    rest: Bytes,
}

impl<B: Body<Data = Bytes, Error: Display> + Unpin> Frames<B> {
    /// Reads a body.
    pub fn new(body: B) -> Self {
        Self { body, rest: Bytes::new() }
    }

    /// The next frame's head; nothing where the body ends.
    pub(super) async fn head<H: prost::Message + Default>(&mut self) -> Result<Option<H>, Broken> {
        if !self.fill().await? {
            return Ok(None);
        }
        let head_bytes = self.copy(4).await?.get_u32_le() as usize;
        if head_bytes > MAX_HEAD_BYTES {
            return Err(invalid("its head is too large"));
        }
        let head = match self.rest.len() >= head_bytes {
            true => self.rest.split_to(head_bytes),
            false => self.copy(head_bytes).await?,
        };
        H::decode(head).map(Some).map_err(invalid)
    }

    /// A record block, checked, in a buffer of its own: whoever keeps it keeps nothing else.
    pub(super) async fn block(&mut self, records: u32, bytes: usize) -> Result<RecordBlock, Broken> {
        let bytes = self.copy(bytes).await?;
        RecordBlock::parse(records, bytes).map_err(invalid)
    }

    /// How many bytes are still to come, if the body's length is known.
    pub(super) fn left_bytes(&self) -> Option<u64> {
        Some(self.body.size_hint().exact()? + self.rest.len() as u64)
    }

    /// Makes sure that nothing follows.
    pub(super) async fn end(&mut self) -> Result<(), Broken> {
        match self.fill().await? {
            true => Err(invalid("it goes on behind its end")),
            false => Ok(()),
        }
    }

    async fn copy(&mut self, bytes: usize) -> Result<Bytes, Broken> {
        let mut copied = BytesMut::with_capacity(bytes);
        while copied.len() < bytes {
            if !self.fill().await? {
                return Err(invalid("it breaks off"));
            }
            let some = self.rest.split_to(self.rest.len().min(bytes - copied.len()));
            copied.extend_from_slice(&some);
        }
        Ok(copied.freeze())
    }

    /// Waits until there is something to read; false where the body ends.
    async fn fill(&mut self) -> Result<bool, Broken> {
        while self.rest.is_empty() {
            match self.body.frame().await {
                Some(Ok(frame)) => self.rest = frame.into_data().unwrap_or_default(),
                Some(Err(error)) => return Err(Broken::Body(error.to_string())),
                None => return Ok(false),
            }
        }
        Ok(true)
    }
}

pub(super) fn invalid(what: impl Display) -> Broken {
    Broken::Invalid(InvalidMessage(what.to_string()))
}
