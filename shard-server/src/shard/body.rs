//! A [`Message`] as the body of a request or an answer, and a stream of records as the body of an answer.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, Stream, StreamExt as _};
use hyper::body::{Body, Frame, SizeHint};
use tokio::task::JoinSet;

use crate::admin::{Exchange, Termination};
use crate::budget::{ByteBudget, Permit};
use crate::protocol::frame::Message;
use crate::protocol::{Encoded, Frame as RecordFrame, FrameError, RecordStream, Refusal, encode_frame};

/// How long a follower may take to receive the last frame after termination began.
const LAST_FRAME: Duration = Duration::from_secs(1);

/// A body of known length, sent in pieces.
#[derive(Debug, Default)]
pub struct Pieces {
    pieces: VecDeque<Bytes>,
    bytes: u64,
    sending: Sending,
}

/// Whether a whole body was passed to the connection. Cloning shares it.
///
/// Until the last piece was passed on, nobody can have received the request, so it may be sent again.
#[derive(Clone, Debug, Default)]
pub struct Sending(Arc<AtomicU8>);

const UNDER_WAY: u8 = 0;
const WHOLE: u8 = 1;
const CANCELLED: u8 = 2;

impl Sending {
    /// Makes sure that the body will never be passed on completely; false if it was already.
    pub fn cancel(&self) -> bool {
        self.advance(CANCELLED)
    }

    fn advance(&self, to: u8) -> bool {
        match self.0.compare_exchange(UNDER_WAY, to, Ordering::SeqCst, Ordering::SeqCst) {
            Ok(_) => true,
            Err(is) => is == to,
        }
    }
}

impl Pieces {
    /// The progress of sending.
    pub fn sending(&self) -> Sending {
        self.sending.clone()
    }
}

impl From<Message> for Pieces {
    fn from(message: Message) -> Self {
        let bytes = message.bytes() as u64;
        let pieces = message.pieces.into_iter().filter(|piece| !piece.is_empty()).collect();
        Self { pieces, bytes, sending: Sending::default() }
    }
}

impl From<Bytes> for Pieces {
    fn from(bytes: Bytes) -> Self {
        Message { pieces: vec![bytes] }.into()
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.pieces.len() == 1 && !self.sending.advance(WHOLE) {
            self.pieces.clear();
            return Poll::Ready(Some(Err(io::Error::other("cancelled"))));
        }
        let piece = self.pieces.pop_front();
        self.bytes -= piece.as_ref().map_or(0, |piece| piece.len() as u64);
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes)
    }
}

/// The body of an answer.
pub enum AnswerBody {
    /// Complete.
    Whole(Pieces),
    /// Records, which are read as the connection sends them.
    Records(Pin<Box<dyn Stream<Item = Bytes> + Send>>),
}

impl AnswerBody {
    /// The body of an answer. Each frame of a record stream holds a permit until it was sent. A stream ends when the
    /// process terminates, but not before its first frame. An endless one then says so in a last frame, and is reset if
    /// that is not received.
    pub fn new(answer: Encoded, budget: &ByteBudget, termination: &Termination) -> Self {
        let (records, reset) = match answer {
            Encoded::Whole(message) => return Self::Whole(message.into()),
            Encoded::Stream(records) => (records, None),
            Encoded::Endless(records) => (records, Some(reset_at_end(termination.clone()))),
        };
        let (budget, termination) = (budget.clone(), termination.clone());
        let sending = SendingRecords { records, budget, termination, state: State::New, reset };
        let frames = stream::unfold(sending, SendingRecords::next);
        Self::Records(Box::pin(frames.flat_map(|frame| stream::iter(frame.pieces))))
    }
}

impl<T: Into<Pieces>> From<T> for AnswerBody {
    fn from(whole: T) -> Self {
        Self::Whole(whole.into())
    }
}

struct SendingRecords {
    records: RecordStream,
    budget: ByteBudget,
    termination: Termination,
    state: State,
    /// What resets a stream without an end of its own; it goes with the stream.
    reset: Option<JoinSet<()>>,
}

/// The progress of a stream.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    Begun,
    Ended,
}

impl SendingRecords {
    async fn next(mut self) -> Option<(Message, Self)> {
        let frame = match self.state {
            State::New => self.records.next(&self.budget).await,
            State::Begun => tokio::select! {
                frame = self.records.next(&self.budget) => frame,
                () = self.termination.ordered() => {
                    self.reset.is_some().then(|| Err(Refusal::NotReady("it ends".into()).into()))
                }
            },
            State::Ended => None,
        };
        self.state = State::Begun;
        let message = match frame? {
            Ok(RecordFrame { outcome, permit }) => held(encode_frame(Ok(&outcome)), permit),
            Err(error) => {
                self.state = State::Ended;
                encode_frame(Err(match error {
                    FrameError::Refused(refusal) => refusal,
                    FrameError::Exhausted(_) => Refusal::QueueFull,
                }))
            }
        };
        Some((message, self))
    }
}

/// Resets the stream of the current request if it is still open a moment after termination began: a client that does not
/// read it would keep the process from ending.
fn reset_at_end(termination: Termination) -> JoinSet<()> {
    let mut reset = JoinSet::new();
    if let Some(exchange) = Exchange::current() {
        reset.spawn(async move {
            termination.ordered().await;
            tokio::time::sleep(LAST_FRAME).await;
            exchange.end();
        });
    }
    reset
}

/// Bytes that hold a permit until the connection has dropped them.
struct Held {
    bytes: Bytes,
    _permit: Arc<Permit>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

fn held(message: Message, permit: Permit) -> Message {
    let permit = Arc::new(permit);
    let hold = |bytes| Bytes::from_owner(Held { bytes, _permit: Arc::clone(&permit) });
    Message { pieces: message.pieces.into_iter().map(hold).collect() }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match self.get_mut() {
            Self::Whole(pieces) => Pin::new(pieces).poll_frame(context),
            Self::Records(frames) => {
                frames.poll_next_unpin(context).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(pieces) => pieces.is_end_stream(),
            Self::Records(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(pieces) => pieces.size_hint(),
            Self::Records(_) => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    fn pieces() -> Pieces {
        Message { pieces: vec![Bytes::from("ab"), Bytes::new(), Bytes::from("c")] }.into()
    }

    #[tokio::test]
    async fn body_is_its_pieces() {
        assert_eq!(pieces().size_hint().exact(), Some(3));
        assert_eq!(pieces().collect().await.unwrap().to_bytes(), "abc");
    }

    #[tokio::test]
    async fn body_that_was_passed_on_completely_cannot_be_cancelled() {
        let mut body = pieces();
        let sending = body.sending();
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "ab");
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "c");
        assert!(!sending.cancel());
    }

    #[tokio::test]
    async fn cancelled_body_is_never_passed_on_completely() {
        let mut body = pieces();
        assert!(body.sending().cancel());
        assert!(body.frame().await.unwrap().is_ok());
        assert!(body.frame().await.unwrap().is_err());
    }
}
