//! How fast a subscription goes: 2 MiB a second (AWS API reference, SubscribeToShard). Pure.
//!
//! It is a bucket that holds a second's bytes. Whoever finds something in it may take more than that, a large record, and
//! waits for it afterwards.

use std::time::Duration;

use tokio::time::Instant;

const BYTES_PER_SECOND: u64 = 2 << 20;
/// How long an empty bucket takes to be full.
const FILL_TIME: Duration = Duration::from_secs(1);

/// The bucket of a subscription.
#[derive(Debug)]
pub struct Pace {
    full_at: Instant,
}

impl Pace {
    /// A full bucket.
    pub fn new(now: Instant) -> Self {
        Self { full_at: now }
    }

    /// From when on something may be sent.
    pub fn ready_at(&self) -> Instant {
        self.full_at.checked_sub(FILL_TIME).unwrap_or(self.full_at)
    }

    /// So many bytes are sent.
    pub fn sent(&mut self, bytes: u64, now: Instant) {
        let takes = Duration::from_micros(bytes * 1_000_000 / BYTES_PER_SECOND);
        self.full_at = self.full_at.max(now) + takes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn second_of_bytes_may_come_at_once_and_more_at_the_rate() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        pace.sent(2 * MIB, now);
        assert!(pace.ready_at() <= now);
        pace.sent(MIB, now);
        assert_eq!(pace.ready_at(), now + Duration::from_millis(500));
    }

    #[test]
    fn large_record_is_sent_from_a_bucket_that_is_not_empty_and_waited_for_afterwards() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        pace.sent(10 * MIB, now);
        assert_eq!(pace.ready_at(), now + Duration::from_secs(4));
    }

    #[test]
    fn bucket_that_nobody_takes_from_is_no_fuller_than_a_second() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        let later = now + Duration::from_secs(60);
        pace.sent(4 * MIB, later);
        assert_eq!(pace.ready_at(), later + Duration::from_secs(1));
    }
}
