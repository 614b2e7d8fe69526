//! Reading a request's body.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, Stream, StreamExt as _};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Body, Frame, SizeHint};

use crate::gateway::budget::{ByteBudget, Share};
use crate::gateway::operations::{Answer, Piece};

/// The largest body: 10 MiB of records in base64, and room for 500 keys and the JSON around them.
pub const MAX_BODY_BYTES: usize = 16 << 20;
/// How long a client may take to send a body.
const MAX_TIME: Duration = Duration::from_secs(30);

/// Why a body could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// It is longer than [`MAX_BODY_BYTES`].
    TooLarge,
    /// It did not come in time.
    Slow,
    /// The client broke it off.
    Broken,
    /// There is no memory for it now.
    Busy,
}

/// Reads a body whole. Its share of the budget is taken before its first byte is read, by the length that it
/// says it has, or the largest where it says none.
pub async fn read<B>(body: B, budget: &ByteBudget) -> Result<(Bytes, Share), BodyError>
where
    B: Body<Data = Bytes>,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let said_bytes = body.size_hint().exact();
    if said_bytes.is_some_and(|bytes| bytes > MAX_BODY_BYTES as u64) {
        return Err(BodyError::TooLarge);
    }
    let bytes = said_bytes.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(MAX_BODY_BYTES);
    // What it is decoded to is hardly smaller.
    let share = budget.take(2 * bytes).await.map_err(|_| BodyError::Busy)?;
    let collected = Limited::new(body, MAX_BODY_BYTES).collect();
    match tokio::time::timeout(MAX_TIME, collected).await {
        Ok(Ok(body)) => Ok((body.to_bytes(), share)),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(BodyError::TooLarge),
        Ok(Err(_)) => Err(BodyError::Broken),
        Err(_) => Err(BodyError::Slow),
    }
}

/// An answer's body. Shares of budgets are given back when what they stand for has been sent.
pub enum AnswerBody {
    /// There all at once.
    Whole {
        /// Its bytes; none once they were taken.
        bytes: Option<Bytes>,
        /// What it holds.
        share: Option<Share>,
    },
    /// Made while it is sent.
    Pieces {
        /// The pieces.
        pieces: Pin<Box<dyn Stream<Item = Piece> + Send>>,
        /// What the piece before holds: hyper asks for another when it has taken that.
        share: Option<Share>,
    },
}

impl AnswerBody {
    /// The body of an answer.
    pub fn new(answer: Answer) -> Self {
        match answer {
            Answer::Whole { body, share } => Self::Whole { bytes: Some(body.into()), share },
            Answer::Pieces { first, rest } => {
                let rest = stream::unfold(rest, async |mut rest| Some((rest.next().await?, rest)));
                let pieces = stream::iter([first]).chain(rest);
                Self::Pieces { pieces: Box::pin(pieces), share: None }
            }
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.get_mut() {
            Self::Whole { bytes, .. } => Poll::Ready(
                bytes.take().filter(|bytes| !bytes.is_empty()).map(|bytes| Ok(Frame::data(bytes))),
            ),
            Self::Pieces { pieces, share } => {
                share.take();
                let piece = ready!(pieces.as_mut().poll_next(context));
                Poll::Ready(piece.map(|piece| {
                    *share = piece.share;
                    Ok(Frame::data(piece.bytes))
                }))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole { bytes, .. } => bytes.as_ref().is_none_or(Bytes::is_empty),
            Self::Pieces { .. } => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole { bytes, .. } => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Self::Pieces { .. } => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::{Full, StreamBody};

    fn budget() -> ByteBudget {
        ByteBudget::new(64 << 20)
    }

    #[tokio::test]
    async fn body_that_says_to_be_too_long_is_refused_unread() {
        let body = Full::from(vec![0; MAX_BODY_BYTES + 1]);
        assert_eq!(read(body, &budget()).await.unwrap_err(), BodyError::TooLarge);
    }

    #[tokio::test]
    async fn body_of_unsaid_length_is_cut_off_where_it_gets_too_long() {
        let chunks = (0..17).map(|_| Ok::<_, std::io::Error>(Frame::data(Bytes::from(vec![0; 1 << 20]))));
        let body = StreamBody::new(futures::stream::iter(chunks));
        assert_eq!(read(body, &budget()).await.unwrap_err(), BodyError::TooLarge);
    }

    #[tokio::test(start_paused = true)]
    async fn body_that_does_not_come_is_given_up() {
        let body = StreamBody::new(futures::stream::pending::<Result<Frame<Bytes>, std::io::Error>>());
        assert_eq!(read(body, &budget()).await.unwrap_err(), BodyError::Slow);
    }

    #[tokio::test]
    async fn body_that_breaks_off_is_told_apart() {
        let frames = [Err(std::io::Error::other("reset"))];
        let body = StreamBody::new(futures::stream::iter(frames));
        assert_eq!(read(body, &budget()).await.unwrap_err(), BodyError::Broken);
    }
}
