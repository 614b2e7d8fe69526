//! The budget of answers that wait to be sent. A slow reader does not delay the others: when the budget is used up, the
//! exchange with the oldest unsent bytes is ended. The less budget is left, the smaller the pieces are.
//!
//! What an HTTP/2 stream cannot send waits in the queue of its connection: at most 64 KiB and a buffer. When the exchange
//! is ended, the connection drops it as soon as it writes again. So the end of an answer is not given to the connection
//! before all else was sent (an ended stream could not be reset), and each buffer is memory of its own, as one that
//! waits would keep a whole piece in memory.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use prometheus::IntCounter;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::admin::Exchange;
use crate::budget::{ByteBudget, Counts, Exhausted, Permit};
use crate::protocol::{FRAME_BYTES, MAX_FRAME_BYTES};

/// How long a piece may take to be sent: this, and the time that its bytes take at [`MIN_BYTES_PER_SECOND`].
const BASE_TIMEOUT: Duration = Duration::from_secs(30);
const MIN_BYTES_PER_SECOND: usize = 64 << 10;
/// The same if others wait for its budget.
const PRESSED_BASE_TIMEOUT: Duration = Duration::from_secs(1);
const PRESSED_BYTES_PER_SECOND: usize = 2 << 20;
/// How long to wait for the permits of ended exchanges before more are ended.
const ENDING_TIME: Duration = Duration::from_millis(100);
/// How long a connection may keep the bytes of an ended exchange while others wait for budget: it is closed then, as it
/// writes nothing at all.
const STUCK_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an answer waits for budget.
const MAX_WAIT: Duration = Duration::from_secs(10);
/// A piece may take one in so many of the bytes that are left.
const PIECE_DIVISOR: usize = 32;
/// Bounds of a piece, in bytes of records. What a log reads at once is never cut into several: where memory is short fewer
/// answers are under way, and no record is read twice.
const MIN_PIECE_BYTES: usize = FRAME_BYTES;
const MAX_PIECE_BYTES: usize = MAX_FRAME_BYTES;
/// Pieces with a record so large that no other is in them take turns; others are smaller as JSON, too.
const LARGE_PIECES: u32 = 2;
const MAX_SMALL_PIECE_BYTES: usize = 4 << 20;
/// The buffers of an HTTP/2 stream.
const STREAM_BUFFER_BYTES: usize = 16 << 10;

/// Bounds the bytes of answers that were produced and not sent. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Unsent {
    budget: ByteBudget,
    waiting: Arc<Mutex<Waiting>>,
    ended_exchanges: IntCounter,
}

/// An answer that is being sent.
#[derive(Debug)]
pub struct Sending {
    unsent: Unsent,
    exchange: Option<Exchange>,
    stream: Option<StreamEnd>,
}

/// When all buffers of an HTTP/2 stream were sent.
#[derive(Debug)]
struct StreamEnd {
    /// Each buffer shares it until it was sent.
    unsent: Arc<oneshot::Sender<Infallible>>,
    all_sent: oneshot::Receiver<Infallible>,
}

/// The bytes of a piece, as the connection takes them.
pub type Buffers = std::vec::IntoIter<Bytes>;

/// The unsent buffers, oldest first.
#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    unsent: BTreeMap<u64, Buffer>,
    /// Those of ended exchanges.
    ended: BTreeMap<u64, Buffer>,
}

#[derive(Debug)]
struct Buffer {
    since: Instant,
    bytes: usize,
    /// The length of its piece.
    piece_bytes: usize,
    exchange: Option<Exchange>,
}

/// The bytes of a buffer. Dropped when the connection has written them, or has dropped their stream.
struct HeldBuffer {
    bytes: Vec<u8>,
    number: u64,
    waiting: Arc<Mutex<Waiting>>,
    _permit: Permit,
    _unsent: Option<Arc<oneshot::Sender<Infallible>>>,
}

impl Unsent {
    /// A budget of so many bytes, with a counter of the exchanges that are ended.
    #[must_use]
    pub fn new(bytes: usize, counts: Counts, ended_exchanges: IntCounter) -> Self {
        let budget = ByteBudget::new(bytes, counts).with_lanes(LARGE_PIECES, MAX_SMALL_PIECE_BYTES);
        Self { budget, waiting: Arc::default(), ended_exchanges }
    }

    /// The size of the pieces of the next answer.
    #[must_use]
    pub fn piece_bytes(&self) -> usize {
        (self.free_bytes() / PIECE_DIVISOR).clamp(MIN_PIECE_BYTES, MAX_PIECE_BYTES)
    }

    /// How many bytes are left.
    #[must_use]
    pub fn free_bytes(&self) -> usize {
        self.budget.free_bytes()
    }

    /// Begins to send the answer of an exchange.
    #[must_use]
    pub fn sending(&self, exchange: Option<Exchange>) -> Sending {
        let stream = exchange.as_ref().filter(|exchange| exchange.is_stream()).map(|_| {
            let (unsent, all_sent) = oneshot::channel();
            StreamEnd { unsent: Arc::new(unsent), all_sent }
        });
        Sending { unsent: self.clone(), exchange, stream }
    }

    async fn take(&self, bytes: usize) -> Result<Permit, Exhausted> {
        self.end_oldest(1, |_| true, |buffer| buffer.timeout(BASE_TIMEOUT, MIN_BYTES_PER_SECOND));
        match self.budget.take_free(bytes) {
            Some(permit) => Ok(permit),
            None => self.free_budget(bytes).await,
        }
    }

    /// Ends the exchanges with the oldest buffers until there is budget for so many bytes.
    async fn free_budget(&self, bytes: usize) -> Result<Permit, Exhausted> {
        let deadline = Instant::now() + MAX_WAIT;
        // A lane is given back by large pieces only.
        let is_large = |buffer: &Buffer| self.budget.is_large(buffer.piece_bytes);
        let lane = self.ending(bytes, is_large, self.budget.lane(bytes), deadline).await?;
        self.ending(bytes, |_| true, self.budget.wait_in(lane, bytes), deadline).await
    }

    /// Waits for what is given once the oldest of some buffers have been sent, and ends exchanges of theirs until then.
    async fn ending<T>(
        &self,
        bytes: usize,
        whose: impl Fn(&Buffer) -> bool,
        given: impl Future<Output = T>,
        deadline: Instant,
    ) -> Result<T, Exhausted> {
        let mut given = std::pin::pin!(given);
        let mut pause = Duration::ZERO;
        while Instant::now() < deadline {
            if let Ok(given) = tokio::time::timeout(pause, given.as_mut()).await {
                return Ok(given);
            }
            self.close_stuck();
            pause = self.end_oldest(bytes, &whose, |buffer| {
                buffer.timeout(PRESSED_BASE_TIMEOUT, PRESSED_BYTES_PER_SECOND)
            });
        }
        Err(self.budget.refuse())
    }

    /// Ends the exchanges of the oldest of some buffers that have timed out, until these buffers have so many bytes.
    /// Returns how long to wait before more are ended.
    fn end_oldest(
        &self,
        bytes: usize,
        whose: impl Fn(&Buffer) -> bool,
        timeout: impl Fn(&Buffer) -> Duration,
    ) -> Duration {
        let mut waiting = guard(&self.waiting);
        let mut ended_bytes = 0;
        while ended_bytes < bytes {
            let oldest = waiting.unsent.iter().find(|(_, buffer)| whose(buffer));
            let Some((&number, buffer)) = oldest else { break };
            let left = timeout(buffer).saturating_sub(buffer.since.elapsed());
            if !left.is_zero() {
                return if ended_bytes == 0 { left } else { ENDING_TIME };
            }
            let Some(buffer) = waiting.unsent.remove(&number) else { break };
            ended_bytes += buffer.bytes;
            if buffer.exchange.as_ref().is_some_and(Exchange::end) {
                self.ended_exchanges.inc();
            }
            waiting.ended.insert(number, Buffer { since: Instant::now(), ..buffer });
        }
        ENDING_TIME
    }

    /// Closes the connections that keep buffers of exchanges that were ended long ago.
    fn close_stuck(&self) {
        guard(&self.waiting).ended.retain(|_, buffer| {
            let is_stuck = buffer.since.elapsed() >= STUCK_TIMEOUT;
            if let Some(exchange) = buffer.exchange.as_ref().filter(|_| is_stuck) {
                exchange.end_connection();
            }
            !is_stuck
        });
    }
}

impl Sending {
    /// Whether it goes over HTTP/2, in several buffers.
    #[must_use]
    pub fn is_stream(&self) -> bool {
        self.stream.is_some()
    }

    /// The bytes of a piece in buffers that hold their permits until they were sent.
    ///
    /// # Errors
    /// If no budget is left: then that many bytes are being sent at [`PRESSED_BYTES_PER_SECOND`] or faster.
    pub async fn hold(&self, bytes: Vec<u8>) -> Result<Buffers, Exhausted> {
        let mut permit = self.unsent.take(bytes.capacity()).await?;
        let piece_bytes = bytes.len();
        if !self.is_stream() {
            return Ok(vec![self.enter(bytes, piece_bytes, permit)].into_iter());
        }
        let mut buffers = Vec::with_capacity(piece_bytes.div_ceil(STREAM_BUFFER_BYTES));
        for buffer in bytes.chunks(STREAM_BUFFER_BYTES) {
            let (part, rest) = self.unsent.budget.split(permit, buffer.len());
            buffers.push(self.enter(buffer.to_vec(), piece_bytes, part));
            permit = rest;
        }
        Ok(buffers.into_iter())
    }

    /// Returns once a stream has sent all that it was given: until then it can be ended.
    pub async fn all_sent(&mut self) {
        if let Some(StreamEnd { unsent, all_sent }) = self.stream.take() {
            drop(unsent);
            let _ = all_sent.await;
        }
    }

    fn enter(&self, bytes: Vec<u8>, piece_bytes: usize, permit: Permit) -> Bytes {
        let waiting = Arc::clone(&self.unsent.waiting);
        let exchange = self.exchange.clone();
        let buffer = Buffer { since: Instant::now(), bytes: bytes.len(), piece_bytes, exchange };
        let mut entered = guard(&waiting);
        let number = entered.next;
        entered.next += 1;
        entered.unsent.insert(number, buffer);
        drop(entered);
        let unsent = self.stream.as_ref().map(|stream| Arc::clone(&stream.unsent));
        Bytes::from_owner(HeldBuffer { bytes, number, waiting, _permit: permit, _unsent: unsent })
    }
}

impl Buffer {
    fn timeout(&self, base: Duration, bytes_per_second: usize) -> Duration {
        base + Duration::from_secs((self.piece_bytes / bytes_per_second) as u64)
    }
}

impl AsRef<[u8]> for HeldBuffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for HeldBuffer {
    fn drop(&mut self) {
        let mut waiting = guard(&self.waiting);
        if waiting.unsent.remove(&self.number).is_none() {
            waiting.ended.remove(&self.number);
        }
    }
}

fn guard(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::future::{AbortRegistration, Abortable};

    fn unsent(bytes: usize) -> Unsent {
        Unsent::new(bytes, Counts::unseen(), IntCounter::new("ended", "ended").unwrap())
    }

    /// A task that keeps buffers until it is ended: a connection whose client reads nothing.
    fn stalled(buffers: Buffers, registration: AbortRegistration) {
        let sending = async move {
            let _buffers = buffers;
            std::future::pending::<()>().await;
        };
        tokio::spawn(Abortable::new(sending, registration));
    }

    /// The buffers of a piece over a connection of HTTP/1.1, and its registration.
    async fn held(unsent: &Unsent, bytes: usize) -> (Buffers, AbortRegistration) {
        let (exchange, registration) = Exchange::of_connection();
        (unsent.sending(Some(exchange)).hold(vec![0; bytes]).await.unwrap(), registration)
    }

    #[tokio::test(start_paused = true)]
    async fn stalled_reader_is_ended_when_others_need_its_budget() {
        let unsent = unsent(64 << 10);
        for _ in 0..4 {
            let (buffers, registration) = held(&unsent, 16 << 10).await;
            stalled(buffers, registration);
        }
        let (piece, _registration) = held(&unsent, 16 << 10).await;
        assert_eq!((piece.len(), unsent.ended_exchanges.get()), (1, 1), "only the oldest is ended");
    }

    #[tokio::test(start_paused = true)]
    async fn stalled_reader_is_ended_after_its_timeout_even_if_budget_is_left() {
        let unsent = unsent(1 << 20);
        let (buffers, registration) = held(&unsent, 16 << 10).await;
        stalled(buffers, registration);
        drop(held(&unsent, 16).await);
        assert_eq!(unsent.ended_exchanges.get(), 0);
        tokio::time::advance(BASE_TIMEOUT).await;
        drop(held(&unsent, 16).await);
        assert_eq!(unsent.ended_exchanges.get(), 1);
        tokio::task::yield_now().await;
        assert_eq!(unsent.free_bytes(), 1 << 20);
    }

    #[tokio::test]
    async fn pieces_shrink_with_the_budget_and_give_it_back_when_they_are_sent() {
        let unsent = unsent(40 << 20);
        let (mut sizes, mut pieces) = (Vec::new(), Vec::new());
        while unsent.free_bytes() >= MAX_PIECE_BYTES {
            sizes.push(unsent.piece_bytes());
            pieces.extend(held(&unsent, unsent.piece_bytes()).await.0);
        }
        assert!(sizes.is_sorted_by(|before, after| before >= after), "{sizes:?}");
        assert_eq!(sizes[0], MAX_PIECE_BYTES);
        // Where memory is short, few answers go on, not hundreds of small pieces.
        assert_eq!(sizes.last(), Some(&FRAME_BYTES));
        assert!(sizes.len() < 100, "{}", sizes.len());
        // A piece keeps its permit until its last part was written.
        let parts: Vec<_> = pieces.iter_mut().map(|piece| piece.split_off(10)).collect();
        drop(pieces);
        assert!(unsent.free_bytes() < 4 << 20);
        drop(parts);
        assert_eq!(unsent.free_bytes(), 40 << 20);
    }

    #[tokio::test(start_paused = true)]
    async fn large_pieces_of_slow_readers_leave_budget_for_others_and_end_for_large_ones_only() {
        let unsent = unsent(40 << 20);
        let (small, registration) = held(&unsent, 1 << 20).await;
        stalled(small, registration);
        for _ in 0..2 {
            let (large, registration) = held(&unsent, 13 << 20).await;
            stalled(large, registration);
        }
        let begun = Instant::now();
        drop(held(&unsent, 4 << 20).await);
        assert_eq!((begun.elapsed(), unsent.ended_exchanges.get()), (Duration::ZERO, 0));
        drop(held(&unsent, 13 << 20).await);
        assert_eq!(unsent.ended_exchanges.get(), 1, "the oldest large one, although the small one is older");
        assert_eq!(unsent.free_bytes(), 26 << 20);
    }

    #[tokio::test(start_paused = true)]
    async fn buffer_of_a_stream_keeps_no_more_than_itself_and_the_stream_lasts_until_it_is_sent() {
        let unsent = unsent(1 << 20);
        let (connection, _registration) = Exchange::of_connection();
        let mut sending = unsent.sending(Some(connection.of_stream().0));
        let mut buffers = sending.hold(vec![0; (1 << 20) - 10]).await.unwrap();
        let first = buffers.next().unwrap();
        drop(buffers);
        assert_eq!(unsent.free_bytes(), (1 << 20) - (16 << 10));
        let second = first.slice(10..);
        drop(first);
        tokio::select! {
            biased;
            () = sending.all_sent() => panic!("a part was not sent"),
            () = tokio::task::yield_now() => {}
        }
        drop(second);
        assert_eq!(unsent.free_bytes(), 1 << 20);
    }

    #[tokio::test(start_paused = true)]
    async fn connection_that_keeps_what_an_ended_stream_gave_it_is_closed_when_others_need_the_budget() {
        let unsent = unsent(64 << 10);
        let (connection, registration) = Exchange::of_connection();
        let (stream, _ended) = connection.of_stream();
        stalled(unsent.sending(Some(stream)).hold(vec![0; 64 << 10]).await.unwrap(), registration);
        let begun = Instant::now();
        drop(held(&unsent, 16 << 10).await);
        assert!(begun.elapsed() >= PRESSED_BASE_TIMEOUT + STUCK_TIMEOUT);
        assert_eq!(unsent.ended_exchanges.get(), 1, "the stream, and with it its connection");
    }
}
