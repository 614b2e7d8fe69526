//! The budget of answers that wait to be sent. A slow reader does not delay the others: when the budget is used up, the
//! connection with the oldest unsent piece is closed. The less budget is left, the smaller the pieces are.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use prometheus::IntCounter;
use tokio::time::Instant;

use crate::admin::listener::Connection;
use crate::budget::{ByteBudget, Counts, Exhausted, Permit};
use crate::protocol::MAX_FRAME_BYTES;

/// How long a piece may take to be sent: this, and the time that its bytes take at [`MIN_BYTES_PER_SECOND`].
const BASE_TIMEOUT: Duration = Duration::from_secs(30);
const MIN_BYTES_PER_SECOND: usize = 64 << 10;
/// How long a piece may take in any case, even if others wait for its budget.
const MIN_TIMEOUT: Duration = Duration::from_secs(1);
/// How long to wait for the permits of closed connections before more connections are closed.
const CLOSING_TIME: Duration = Duration::from_millis(100);
/// How long an answer waits for budget.
const MAX_WAIT: Duration = Duration::from_secs(10);
/// A piece may take one in so many of the bytes that are left.
const PIECE_DIVISOR: usize = 32;
/// Bounds of a piece.
const MIN_PIECE_BYTES: usize = 16 << 10;
const MAX_PIECE_BYTES: usize = MAX_FRAME_BYTES;

/// Bounds the bytes of answers that were produced and not sent. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Unsent {
    budget: ByteBudget,
    waiting: Arc<Mutex<Waiting>>,
    closed_connections: IntCounter,
}

/// The unsent pieces, oldest first.
#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    pieces: BTreeMap<u64, Piece>,
}

#[derive(Debug)]
struct Piece {
    since: Instant,
    bytes: usize,
    connection: Connection,
}

/// The bytes of a piece. Dropped when hyper has written them.
struct Sending {
    bytes: Vec<u8>,
    number: u64,
    waiting: Arc<Mutex<Waiting>>,
    _permit: Permit,
}

impl Unsent {
    /// A budget of so many bytes, with a counter of the connections that are closed.
    #[must_use]
    pub fn new(bytes: usize, counts: Counts, closed_connections: IntCounter) -> Self {
        Self { budget: ByteBudget::new(bytes, counts), waiting: Arc::default(), closed_connections }
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

    /// The bytes as a body that holds its permit until it was sent over a connection.
    ///
    /// # Errors
    /// If no budget is left: then that many bytes are being sent at [`MIN_BYTES_PER_SECOND`] or faster.
    pub async fn hold(&self, bytes: Vec<u8>, connection: &Connection) -> Result<Bytes, Exhausted> {
        let timeout =
            |piece: &Piece| BASE_TIMEOUT + Duration::from_secs((piece.bytes / MIN_BYTES_PER_SECOND) as u64);
        self.close_oldest(1, timeout);
        let permit = match self.budget.take_free(bytes.capacity()) {
            Some(permit) => permit,
            None => self.free_budget(bytes.capacity()).await?,
        };
        let mut waiting = guard(&self.waiting);
        let number = waiting.next;
        waiting.next += 1;
        let piece = Piece { since: Instant::now(), bytes: bytes.len(), connection: connection.clone() };
        waiting.pieces.insert(number, piece);
        drop(waiting);
        let waiting = Arc::clone(&self.waiting);
        Ok(Bytes::from_owner(Sending { bytes, number, waiting, _permit: permit }))
    }

    /// Closes the connections with the oldest pieces until there is budget for so many bytes.
    async fn free_budget(&self, bytes: usize) -> Result<Permit, Exhausted> {
        let deadline = Instant::now() + MAX_WAIT;
        let mut permit = std::pin::pin!(self.budget.wait(bytes));
        while Instant::now() < deadline {
            let pause = self.close_oldest(bytes, |_| MIN_TIMEOUT);
            if let Ok(permit) = tokio::time::timeout(pause, permit.as_mut()).await {
                return Ok(permit);
            }
        }
        Err(self.budget.refuse())
    }

    /// Closes the connections of the oldest pieces that have timed out, until these pieces have so many bytes. Returns
    /// how long to wait before more connections are closed.
    fn close_oldest(&self, bytes: usize, timeout: impl Fn(&Piece) -> Duration) -> Duration {
        let mut waiting = guard(&self.waiting);
        let mut closed_bytes = 0;
        while closed_bytes < bytes {
            let Some(oldest) = waiting.pieces.first_entry() else { break };
            let left = timeout(oldest.get()).saturating_sub(oldest.get().since.elapsed());
            if !left.is_zero() && closed_bytes == 0 {
                return left;
            }
            if !left.is_zero() {
                break;
            }
            let piece = oldest.remove();
            closed_bytes += piece.bytes;
            if piece.connection.close() {
                self.closed_connections.inc();
            }
        }
        CLOSING_TIME
    }
}

impl AsRef<[u8]> for Sending {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        guard(&self.waiting).pieces.remove(&self.number);
    }
}

fn guard(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::future::Abortable;

    fn unsent(bytes: usize) -> Unsent {
        Unsent::new(bytes, Counts::unseen(), IntCounter::new("closed", "closed").unwrap())
    }

    /// A connection whose client reads nothing of a piece.
    fn stalled(bytes: Bytes, registration: futures::future::AbortRegistration) {
        let sending = async move {
            let _bytes = bytes;
            std::future::pending::<()>().await;
        };
        tokio::spawn(Abortable::new(sending, registration));
    }

    #[tokio::test(start_paused = true)]
    async fn stalled_reader_is_disconnected_when_others_need_its_budget() {
        let unsent = unsent(64 << 10);
        for _ in 0..4 {
            let (slow, registration) = Connection::new();
            stalled(unsent.hold(vec![0; 16 << 10], &slow).await.unwrap(), registration);
        }
        let (quick, _registration) = Connection::new();
        let piece = unsent.hold(vec![1; 16 << 10], &quick).await.unwrap();
        assert_eq!(
            (piece.len(), unsent.closed_connections.get()),
            (16 << 10, 1),
            "only the oldest is closed"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn stalled_reader_is_disconnected_after_its_timeout_even_if_budget_is_left() {
        let unsent = unsent(1 << 20);
        let (slow, registration) = Connection::new();
        stalled(unsent.hold(vec![0; 16 << 10], &slow).await.unwrap(), registration);
        let (quick, _registration) = Connection::new();
        drop(unsent.hold(vec![1; 16], &quick).await.unwrap());
        assert_eq!(unsent.closed_connections.get(), 0);
        tokio::time::advance(BASE_TIMEOUT).await;
        drop(unsent.hold(vec![1; 16], &quick).await.unwrap());
        assert_eq!(unsent.closed_connections.get(), 1);
        tokio::task::yield_now().await;
        assert_eq!(unsent.free_bytes(), 1 << 20);
    }

    #[tokio::test]
    async fn pieces_shrink_with_the_budget_and_give_it_back_when_they_are_sent() {
        let unsent = unsent(40 << 20);
        let (slow, _registration) = Connection::new();
        let (mut sizes, mut pieces) = (Vec::new(), Vec::new());
        for _ in 0..100 {
            sizes.push(unsent.piece_bytes());
            pieces.push(unsent.hold(vec![0; unsent.piece_bytes()], &slow).await.unwrap());
        }
        assert!(sizes.is_sorted_by(|before, after| before >= after), "{sizes:?}");
        assert_eq!(sizes[0], MAX_PIECE_BYTES);
        assert!(sizes[99] < MAX_PIECE_BYTES / 10);
        // A piece keeps its permit until its last part was written.
        let parts: Vec<_> = pieces.iter_mut().map(|piece| piece.split_off(10)).collect();
        drop(pieces);
        assert!(unsent.free_bytes() < 4 << 20);
        drop(parts);
        assert_eq!(unsent.free_bytes(), 40 << 20);
    }
}
