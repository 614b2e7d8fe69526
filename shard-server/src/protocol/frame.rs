//! The framing of a message in a body: a head, and the record blocks behind it.
//!
//! ```text
//! frame: head length u32, little-endian | head (protobuf, see `messages`) | record blocks back to back
//! ```
//!
//! A request is one frame. An answer is one frame, or a stream of frames of records.

use std::fmt::Display;
use std::time::Duration;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Body;
use record_log::record::RecordBlock;

/// The largest head: 10,000 runs of a record each take a quarter of it.
const MAX_HEAD_BYTES: usize = 1 << 20;

/// How long a message may take to arrive, or to be answered: this, and the time that its bytes take at a rate that still
/// counts as progress.
const BASE_TIME: Duration = Duration::from_secs(10);
const MIN_BYTES_PER_SECOND: usize = 256 << 10;

/// How long so many bytes may take. One limit for all messages would end large ones again and again where processors or the
/// network are busy, each time after most of the work was done.
#[must_use]
pub fn time_for(bytes: usize) -> Duration {
    BASE_TIME + Duration::from_secs((bytes / MIN_BYTES_PER_SECOND) as u64)
}

/// The bytes are not a message of this protocol, or of a version that this one cannot read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a message of this protocol: {0}")]
pub struct InvalidMessage(pub(super) String);

/// Why a message could not be read completely.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// The body broke off, with its connection.
    #[error("the body broke off: {0}")]
    Body(String),
    /// The bytes are not a message.
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
    /// Received bytes that were not read yet.
    rest: Bytes,
}

impl<B: Body<Data = Bytes, Error: Display> + Unpin> Frames<B> {
    /// Reads a body.
    pub fn new(body: B) -> Self {
        Self { body, rest: Bytes::new() }
    }

    /// The head of the next frame; `None` at the end of the body.
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

    /// A checked record block in a buffer of its own, so that it pins no other bytes.
    pub(super) async fn block(&mut self, records: u32, bytes: usize) -> Result<RecordBlock, Broken> {
        let bytes = self.copy(bytes).await?;
        RecordBlock::parse(records, bytes).map_err(invalid)
    }

    /// The bytes that are left, if the length of the body is known.
    pub(super) fn left_bytes(&self) -> Option<u64> {
        Some(self.body.size_hint().exact()? + self.rest.len() as u64)
    }

    /// Checks that the body ends here.
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

    /// Waits for bytes; false at the end of the body.
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
