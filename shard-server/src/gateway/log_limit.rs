//! Limits how often the same kind of message is logged.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long a kind of message is left out after one was logged.
const PAUSE: Duration = Duration::from_secs(10);

/// Knows when each kind of message was logged last. The kinds are a closed set.
#[derive(Debug, Default)]
pub struct LogLimit {
    logged: Mutex<HashMap<&'static str, Logged>>,
}

#[derive(Debug)]
struct Logged {
    at: Instant,
    left_out: u64,
}

impl LogLimit {
    /// Whether to log a message of a kind: then how many were left out since the last one.
    pub fn due(&self, kind: &'static str) -> Option<u64> {
        let now = Instant::now();
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(last) = logged.get_mut(kind) else {
            logged.insert(kind, Logged { at: now, left_out: 0 });
            return Some(0);
        };
        if now - last.at < PAUSE {
            last.left_out += 1;
            return None;
        }
        last.at = now;
        Some(std::mem::take(&mut last.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn message_that_was_just_logged_is_counted_and_logged_later() {
        let limit = LogLimit::default();
        assert_eq!(limit.due("full"), Some(0));
        assert_eq!([limit.due("full"), limit.due("full")], [None, None]);
        assert_eq!(limit.due("stopped"), Some(0), "another kind");
        tokio::time::advance(PAUSE).await;
        assert_eq!([limit.due("full"), limit.due("full")], [Some(2), None]);
    }
}
