//! What of answers waits for its readers to take it. A slow reader delays nobody: where room is needed, the connection that
//! has kept a piece the longest is ended, and the fuller the memory, the smaller the pieces.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use prometheus::IntCounter;
use tokio::time::Instant;

use crate::admin::listener::Connection;
use crate::budget::{ByteBudget, Counts, Exhausted, Permit};

/// How long a piece may take to be sent: so long, and a second for so many of its bytes.
const MAX_TIME: Duration = Duration::from_secs(30);
const PACE_BYTES_PER_SECOND: usize = 64 << 10;
/// How long it is left alone even where others need its room.
const LEAST_TIME: Duration = Duration::from_secs(1);
/// How long what was ended may take to give its room back before more is ended.
const ENDING_TIME: Duration = Duration::from_millis(100);
/// How long room is looked for.
const MAX_WAIT: Duration = Duration::from_secs(10);
/// What of the room that is left one piece may take.
const PIECE_PART: usize = 32;
/// Bounds of a piece.
const LEAST_PIECE_BYTES: usize = 16 << 10;
const MAX_PIECE_BYTES: usize = 1 << 20;

/// Bounds the bytes of answers that were made and not sent. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Unsent {
    budget: ByteBudget,
    waiting: Arc<Mutex<Waiting>>,
    ended: IntCounter,
}

/// The pieces, oldest first.
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

/// The bytes of a piece, which lives until hyper has written it.
struct Sending {
    bytes: Vec<u8>,
    number: u64,
    waiting: Arc<Mutex<Waiting>>,
    _permit: Permit,
}

impl Unsent {
    /// Room for so many bytes; `ended` counts the connections that are ended.
    #[must_use]
    pub fn new(bytes: usize, counts: Counts, ended: IntCounter) -> Self {
        Self { budget: ByteBudget::new(bytes, counts), waiting: Arc::default(), ended }
    }

    /// How large the pieces of the next answer should be.
    #[must_use]
    pub fn piece_bytes(&self) -> usize {
        (self.free_bytes() / PIECE_PART).clamp(LEAST_PIECE_BYTES, MAX_PIECE_BYTES)
    }

    /// How many bytes are left.
    #[must_use]
    pub fn free_bytes(&self) -> usize {
        self.budget.free_bytes()
    }

    /// The bytes as a body, with their place here until they were sent over a connection.
    ///
    /// # Errors
    /// If there is no room, which means that as much is being sent at a good pace.
    pub async fn hold(&self, bytes: Vec<u8>, connection: &Connection) -> Result<Bytes, Exhausted> {
        let max_time =
            |piece: &Piece| MAX_TIME + Duration::from_secs((piece.bytes / PACE_BYTES_PER_SECOND) as u64);
        self.end_oldest(1, max_time);
        let permit = match self.budget.take_free(bytes.capacity()) {
            Some(permit) => permit,
            None => self.make_room(bytes.capacity()).await?,
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

    /// Ends what is oldest until there is room for so many bytes.
    async fn make_room(&self, bytes: usize) -> Result<Permit, Exhausted> {
        let deadline = Instant::now() + MAX_WAIT;
        let mut permit = std::pin::pin!(self.budget.wait(bytes));
        while Instant::now() < deadline {
            let pause = self.end_oldest(bytes, |_| LEAST_TIME);
            if let Ok(permit) = tokio::time::timeout(pause, permit.as_mut()).await {
                return Ok(permit);
            }
        }
        Err(self.budget.refuse())
    }

    /// Ends the oldest pieces that had more than their time, of so many bytes at most, but one; gives how long to wait
    /// before more should be ended.
    fn end_oldest(&self, bytes: usize, time: impl Fn(&Piece) -> Duration) -> Duration {
        let mut waiting = guard(&self.waiting);
        let mut ended_bytes = 0;
        while ended_bytes < bytes {
            let Some(oldest) = waiting.pieces.first_entry() else { break };
            let left = time(oldest.get()).saturating_sub(oldest.get().since.elapsed());
            if !left.is_zero() && ended_bytes == 0 {
                return left;
            }
            if !left.is_zero() {
                break;
            }
            let piece = oldest.remove();
            ended_bytes += piece.bytes;
            if piece.connection.end() {
                self.ended.inc();
            }
        }
        ENDING_TIME
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
        Unsent::new(bytes, Counts::unseen(), IntCounter::new("ended", "ended").unwrap())
    }

    /// A connection whose client takes nothing of a piece.
    fn stalled(bytes: Bytes, registration: futures::future::AbortRegistration) {
        let sending = async move {
            let _bytes = bytes;
            std::future::pending::<()>().await;
        };
        tokio::spawn(Abortable::new(sending, registration));
    }

    #[tokio::test(start_paused = true)]
    async fn reader_that_takes_nothing_is_ended_where_others_need_the_room() {
        let unsent = unsent(64 << 10);
        for _ in 0..4 {
            let (slow, registration) = Connection::new();
            stalled(unsent.hold(vec![0; 16 << 10], &slow).await.unwrap(), registration);
        }
        let (quick, _registration) = Connection::new();
        let piece = unsent.hold(vec![1; 16 << 10], &quick).await.unwrap();
        assert_eq!((piece.len(), unsent.ended.get()), (16 << 10, 1), "the oldest alone is ended");
    }

    #[tokio::test(start_paused = true)]
    async fn reader_that_takes_nothing_for_too_long_is_ended_also_where_there_is_room() {
        let unsent = unsent(1 << 20);
        let (slow, registration) = Connection::new();
        stalled(unsent.hold(vec![0; 16 << 10], &slow).await.unwrap(), registration);
        let (quick, _registration) = Connection::new();
        drop(unsent.hold(vec![1; 16], &quick).await.unwrap());
        assert_eq!(unsent.ended.get(), 0);
        tokio::time::advance(MAX_TIME).await;
        drop(unsent.hold(vec![1; 16], &quick).await.unwrap());
        assert_eq!(unsent.ended.get(), 1);
        tokio::task::yield_now().await;
        assert_eq!(unsent.free_bytes(), 1 << 20);
    }

    #[tokio::test]
    async fn pieces_shrink_as_room_does_and_their_room_comes_back_when_they_are_sent() {
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
        // A part that is still to be written keeps all of it.
        let parts: Vec<_> = pieces.iter_mut().map(|piece| piece.split_off(10)).collect();
        drop(pieces);
        assert!(unsent.free_bytes() < 4 << 20);
        drop(parts);
        assert_eq!(unsent.free_bytes(), 40 << 20);
    }
}
