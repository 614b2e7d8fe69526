//! Says again and again only now and then.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long nothing is said of what was just said.
const PAUSE: Duration = Duration::from_secs(10);

/// Knows what was said when. The kinds are a closed set.
#[derive(Debug, Default)]
pub struct LogLimit {
    said: Mutex<HashMap<&'static str, Said>>,
}

#[derive(Debug)]
struct Said {
    at: Instant,
    left_out: u64,
}

impl LogLimit {
    /// Whether to say something of a kind: then how often it was left out since it was said last.
    pub fn due(&self, kind: &'static str) -> Option<u64> {
        let now = Instant::now();
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(before) = said.get_mut(kind) else {
            said.insert(kind, Said { at: now, left_out: 0 });
            return Some(0);
        };
        if now - before.at < PAUSE {
            before.left_out += 1;
            return None;
        }
        before.at = now;
        Some(std::mem::take(&mut before.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_was_just_said_is_counted_and_said_later() {
        let limit = LogLimit::default();
        assert_eq!(limit.due("full"), Some(0));
        assert_eq!([limit.due("full"), limit.due("full")], [None, None]);
        assert_eq!(limit.due("stopped"), Some(0), "another kind");
        tokio::time::advance(PAUSE).await;
        assert_eq!([limit.due("full"), limit.due("full")], [Some(2), None]);
    }
}
