//! Limits how often the same kind of message is logged.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long messages of a kind are suppressed after one was logged.
const PAUSE: Duration = Duration::from_secs(10);

/// Remembers when each kind of message was logged last. The kinds are a closed set.
#[derive(Debug, Default)]
pub struct LogLimit {
    logged: Mutex<HashMap<&'static str, Logged>>,
}

#[derive(Debug)]
struct Logged {
    at: Instant,
    suppressed: u64,
}

impl LogLimit {
    /// Whether to log a message of this kind: if so, how many were suppressed since the last one.
    pub fn due(&self, kind: &'static str) -> Option<u64> {
        let now = Instant::now();
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(last) = logged.get_mut(kind) else {
            logged.insert(kind, Logged { at: now, suppressed: 0 });
            return Some(0);
        };
        if now - last.at < PAUSE {
            last.suppressed += 1;
            return None;
        }
        last.at = now;
        Some(std::mem::take(&mut last.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn message_of_a_kind_that_was_just_logged_is_suppressed_and_counted() {
        let limit = LogLimit::default();
        assert_eq!(limit.due("full"), Some(0));
        assert_eq!([limit.due("full"), limit.due("full")], [None, None]);
        assert_eq!(limit.due("stopped"), Some(0), "another kind");
        tokio::time::advance(PAUSE).await;
        assert_eq!([limit.due("full"), limit.due("full")], [Some(2), None]);
    }
}
