//! Reads the body of a request, and sends the body of an answer.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::FutureExt as _;
use futures::stream::{self, Stream};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Instant, timeout_at};

use crate::admin::Exchange;
use crate::budget::{ByteBudget, Exhausted, Permit};
use crate::gateway::memory::Bodies;
use crate::gateway::operations::{Answer, Piece, Pieces};
use crate::gateway::unsent::{Buffers, Sending, Unsent};

/// The largest body: 10 MiB of records in base64, 500 keys and the JSON around them.
pub const MAX_BODY_BYTES: usize = 16 << 20;
/// The deadline of a body without any bytes. Received bytes extend it by the time that they take at
/// [`MIN_BYTES_PER_SECOND`].
const BASE_TIMEOUT: Duration = Duration::from_secs(10);
const MIN_BYTES_PER_SECOND: usize = 256 << 10;
/// Budget taken per chunk of a body without Content-Length.
const CHUNK_BYTES: usize = 64 << 10;
/// Answers up to this size (that to any PutRecord is one) take no budget while they wait to be sent. A connection has
/// one of them over HTTP/1.1, and at most 128 over HTTP/2.
const SMALL_ANSWER_BYTES: usize = 2 << 10;

/// Why a body could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// It is longer than [`MAX_BODY_BYTES`].
    TooLarge,
    /// It did not come in time.
    Slow,
    /// The connection broke off.
    Broken,
    /// There is no memory for it now.
    Exhausted(Exhausted),
}

/// A body and its permit.
#[derive(Debug)]
pub struct Received {
    /// The whole body.
    pub bytes: Bytes,
    _permit: Permit,
}

/// Checks the Content-Length of a body, before any of it is received.
pub fn check_size(body: &impl Body) -> Result<(), BodyError> {
    let is_too_large = body.size_hint().exact().is_some_and(|bytes| bytes > MAX_BODY_BYTES as u64);
    if is_too_large { Err(BodyError::TooLarge) } else { Ok(()) }
}

/// Whether a body is announced to be so small that it does not wait for larger ones.
pub fn is_small(body: &impl Body) -> bool {
    body.size_hint().exact().is_some_and(|bytes| bytes <= Bodies::SMALL_BYTES as u64)
}

/// Receives a body to its end, and keeps nothing of it: some clients read no answer before they have sent all.
pub async fn discard<B>(body: B) -> Result<(), BodyError>
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut frames = Frames::new(body);
    let mut received_bytes = 0;
    while let Some(bytes) = frames.next().await? {
        received_bytes += bytes.len();
        if received_bytes > MAX_BODY_BYTES {
            return Err(BodyError::TooLarge);
        }
    }
    Ok(())
}

/// Reads a whole body. A permit for its Content-Length is taken before its first byte is read; for a chunked body
/// permits are taken as its bytes arrive.
pub async fn read<B>(body: B, bodies: &Bodies) -> Result<Received, BodyError>
where
    B: Body<Data = Bytes> + Unpin,
{
    let Some(announced_bytes) = body.size_hint().exact() else {
        return read_chunked(body, &bodies.chunked).await;
    };
    check_size(&body)?;
    let announced_bytes = announced_bytes as usize;
    let budget = if announced_bytes <= Bodies::SMALL_BYTES { &bodies.small } else { &bodies.large };
    let permit = budget.take(announced_bytes).await.map_err(BodyError::Exhausted)?;
    let mut frames = Frames::new(body);
    let first = frames.next().await?.unwrap_or_default();
    if first.len() == announced_bytes {
        // Most bodies come in one frame, which need not be copied.
        return Ok(Received { bytes: first, _permit: permit });
    }
    let mut whole = BytesMut::with_capacity(announced_bytes);
    whole.extend_from_slice(&first);
    drop(first);
    while let Some(bytes) = frames.next().await? {
        whole.extend_from_slice(&bytes);
    }
    Ok(Received { bytes: whole.freeze(), _permit: permit })
}

async fn read_chunked<B>(body: B, budget: &ByteBudget) -> Result<Received, BodyError>
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut frames = Frames::new(body);
    let mut whole = Vec::new();
    let mut permit = budget.try_take(CHUNK_BYTES).map_err(BodyError::Exhausted)?;
    while let Some(bytes) = frames.next().await? {
        let needed_bytes = whole.len() + bytes.len();
        if needed_bytes > MAX_BODY_BYTES {
            return Err(BodyError::TooLarge);
        }
        while permit.bytes() < needed_bytes {
            // A body that holds permits must not wait for more: two of them could wait for each other.
            permit.merge(budget.try_take(CHUNK_BYTES).map_err(BodyError::Exhausted)?);
        }
        whole.reserve_exact(permit.bytes() - whole.len());
        whole.extend_from_slice(&bytes);
    }
    Ok(Received { bytes: whole.into(), _permit: permit })
}

/// The frames of a body, which must arrive at [`MIN_BYTES_PER_SECOND`] or faster.
struct Frames<B> {
    body: B,
    deadline: Instant,
}

impl<B: Body<Data = Bytes> + Unpin> Frames<B> {
    fn new(body: B) -> Self {
        Self { body, deadline: Instant::now() + BASE_TIMEOUT }
    }

    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        loop {
            // Most bodies arrive together with the head and need no timer.
            let frame = match self.body.frame().now_or_never() {
                Some(frame) => Ok(frame),
                None => timeout_at(self.deadline, self.body.frame()).await,
            };
            match frame {
                Ok(Some(Ok(frame))) => {
                    let Ok(bytes) = frame.into_data() else { continue };
                    self.deadline +=
                        Duration::from_secs(1) * bytes.len() as u32 / MIN_BYTES_PER_SECOND as u32;
                    return Ok(Some(bytes));
                }
                Ok(Some(Err(_))) => return Err(BodyError::Broken),
                Ok(None) => return Ok(None),
                Err(_) => return Err(BodyError::Slow),
            }
        }
    }
}

/// The body of an answer. Unless it is small, it takes budget until it was sent.
pub enum AnswerBody {
    /// Complete; `None` once it was taken.
    Whole(Option<Bytes>),
    /// Produced while it is sent; with its length, where that is known.
    Pieces(Pin<Box<dyn Stream<Item = Result<Bytes, Exhausted>> + Send>>, Option<u64>),
}

/// Produces the buffers of an answer.
struct Producer {
    buffers: Buffers,
    first: Option<Piece>,
    rest: Option<Pieces>,
    sending: Sending,
}

impl AnswerBody {
    /// The body of the answer to the current request.
    ///
    /// # Errors
    /// If there is no budget for it.
    pub async fn new(answer: Answer, unsent: &Unsent) -> Result<Self, Exhausted> {
        let sending = || unsent.sending(Exchange::current());
        match answer {
            Answer::Whole(piece) if piece.bytes.len() <= SMALL_ANSWER_BYTES => Ok(Self::small(piece.bytes)),
            Answer::Whole(piece) => {
                let (bytes, sending) = (piece.bytes.len() as u64, sending());
                let mut buffers = hold(piece, &sending).await?;
                if !sending.is_stream() {
                    return Ok(Self::Whole(buffers.next()));
                }
                let producer = Producer { buffers, first: None, rest: None, sending };
                Ok(Self::Pieces(producer.stream(), Some(bytes)))
            }
            Answer::Pieces { first, rest } => {
                let (first, rest) = (Some(first), Some(rest));
                let producer = Producer { buffers: Buffers::default(), first, rest, sending: sending() };
                Ok(Self::Pieces(producer.stream(), None))
            }
        }
    }

    /// A body so small that it takes no budget.
    pub fn small(bytes: Vec<u8>) -> Self {
        Self::Whole(Some(bytes.into()))
    }
}

impl Producer {
    fn stream(self) -> Pin<Box<dyn Stream<Item = Result<Bytes, Exhausted>> + Send>> {
        Box::pin(stream::unfold(self, Self::next))
    }

    async fn next(mut self) -> Option<(Result<Bytes, Exhausted>, Self)> {
        loop {
            if let Some(buffer) = self.buffers.next() {
                return Some((Ok(buffer), self));
            }
            let piece = match (self.first.take(), &mut self.rest) {
                (Some(first), _) => Some(first),
                (None, Some(rest)) => rest.next().await,
                (None, None) => None,
            };
            let Some(piece) = piece else {
                self.sending.all_sent().await;
                return None;
            };
            match hold(piece, &self.sending).await {
                Ok(buffers) => self.buffers = buffers,
                Err(exhausted) => return Some((Err(exhausted), self)),
            }
        }
    }
}

/// Takes budget for a piece until it was sent. The piece keeps the permit with which it was produced until then.
async fn hold(piece: Piece, sending: &Sending) -> Result<Buffers, Exhausted> {
    let Piece { bytes, permit } = piece;
    if bytes.len() <= SMALL_ANSWER_BYTES {
        return Ok(vec![bytes.into()].into_iter());
    }
    let held = sending.hold(bytes).await;
    drop(permit);
    held
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Exhausted;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(
                bytes.take().filter(|bytes| !bytes.is_empty()).map(|bytes| Ok(Frame::data(bytes))),
            ),
            Self::Pieces(pieces, _) => {
                pieces.as_mut().poll_next(context).map(|piece| piece.map(|piece| piece.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Self::Pieces(..) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Pieces(_, bytes) => bytes.map_or_else(SizeHint::default, SizeHint::with_exact),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Counts;
    use http_body_util::{Full, StreamBody};

    type Frames = Vec<Result<Frame<Bytes>, std::io::Error>>;

    fn bodies() -> Bodies {
        let budget = |bytes| ByteBudget::new(bytes, Counts::unseen());
        Bodies { small: budget(1 << 20), large: budget(32 << 20), chunked: budget(20 << 20) }
    }

    /// A body without Content-Length.
    fn chunked(frames: Frames) -> impl Body<Data = Bytes, Error = std::io::Error> + Unpin {
        StreamBody::new(stream::iter(frames))
    }

    fn megabytes(count: usize) -> Frames {
        (0..count).map(|_| Ok(Frame::data(Bytes::from(vec![0; 1 << 20])))).collect()
    }

    /// A body with a Content-Length of which nothing has arrived yet.
    struct Pending(u64);

    impl Body for Pending {
        type Data = Bytes;
        type Error = std::io::Error;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            Poll::Pending
        }

        fn size_hint(&self) -> SizeHint {
            SizeHint::with_exact(self.0)
        }
    }

    #[tokio::test]
    async fn body_with_a_too_large_content_length_is_refused_unread() {
        let body = Full::from(vec![0; MAX_BODY_BYTES + 1]);
        assert_eq!(read(body, &bodies()).await.unwrap_err(), BodyError::TooLarge);
    }

    #[tokio::test]
    async fn chunked_body_is_refused_once_it_is_too_large() {
        assert_eq!(read(chunked(megabytes(17)), &bodies()).await.unwrap_err(), BodyError::TooLarge);
    }

    #[tokio::test]
    async fn chunked_bodies_take_permits_of_their_own_budget_as_they_arrive() {
        let bodies = bodies();
        let first = read(chunked(megabytes(16)), &bodies).await.unwrap();
        assert_eq!(first.bytes.len(), 16 << 20);
        assert_eq!(bodies.chunked.free_bytes(), 4 << 20);
        let second = read(chunked(megabytes(5)), &bodies).await;
        assert_eq!(second.unwrap_err(), BodyError::Exhausted(Exhausted));
        assert!(read(chunked(megabytes(4)), &bodies).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn body_that_does_not_arrive_times_out() {
        let body = StreamBody::new(stream::pending::<Result<Frame<Bytes>, std::io::Error>>());
        assert_eq!(read(body, &bodies()).await.unwrap_err(), BodyError::Slow);
        assert_eq!(read(Pending(100), &bodies()).await.unwrap_err(), BodyError::Slow);
    }

    #[tokio::test(start_paused = true)]
    async fn body_has_time_as_long_as_it_arrives_at_the_minimum_rate() {
        let paced = |pause: Duration| {
            let frames = stream::unfold(0, move |sent| async move {
                tokio::time::sleep(pause).await;
                let frame = Frame::data(Bytes::from(vec![0; MIN_BYTES_PER_SECOND]));
                (sent < 32).then_some((Ok::<_, std::io::Error>(frame), sent + 1))
            });
            StreamBody::new(Box::pin(frames))
        };
        assert!(read(paced(Duration::from_secs(1)), &bodies()).await.is_ok());
        let slow = read(paced(Duration::from_secs(2)), &bodies()).await;
        assert_eq!(slow.unwrap_err(), BodyError::Slow);
    }

    #[tokio::test]
    async fn body_that_breaks_off_is_reported_as_broken() {
        let frames = vec![Err(std::io::Error::other("reset"))];
        assert_eq!(read(chunked(frames), &bodies()).await.unwrap_err(), BodyError::Broken);
    }

    #[tokio::test]
    async fn discarded_body_is_received_to_its_end_or_the_largest_size() {
        assert_eq!(discard(chunked(megabytes(16))).await, Ok(()));
        assert_eq!(discard(chunked(megabytes(17))).await, Err(BodyError::TooLarge));
        assert!(is_small(&Full::<Bytes>::from(vec![0; Bodies::SMALL_BYTES])));
        assert!(!is_small(&Full::<Bytes>::from(vec![0; Bodies::SMALL_BYTES + 1])));
        assert!(!is_small(&chunked(Vec::new())));
    }

    #[tokio::test]
    async fn small_body_does_not_wait_for_large_ones() {
        let bodies = bodies();
        let mut large: Vec<_> =
            (0..3).map(|_| Box::pin(read(Pending(MAX_BODY_BYTES as u64), &bodies))).collect();
        for body in &mut large {
            assert!(body.as_mut().now_or_never().is_none());
        }
        assert_eq!(bodies.large.free_bytes(), 0, "two have permits and one waits");
        let small = read(Full::from(vec![7; Bodies::SMALL_BYTES]), &bodies).now_or_never();
        assert_eq!(small.unwrap().unwrap().bytes.len(), Bodies::SMALL_BYTES);
    }
}
