//! What a reconcile can fail in.

use std::time::Duration;

use catalog::map::{Contradiction, Refused};
use catalog::resource::InvalidShard;

use super::decide::advice;

/// The first pause after somebody else was quicker: the news of it is on its way.
const CONFLICT_PAUSE: Duration = Duration::from_millis(200);
/// The first pause after a step that may succeed by itself.
const PAUSE: Duration = Duration::from_secs(1);
/// The first pause after a refusal. A refused write is a write: not too often.
const REFUSAL_PAUSE: Duration = Duration::from_secs(15);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// A step that failed. The stream is looked at again after [`Error::retry_after`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server did not do it.
    #[error("cannot {action}: {}", text(source))]
    Api {
        /// What was tried.
        action: &'static str,
        /// What it answered.
        source: kube::Error,
    },
    /// A Shard object cannot be read.
    #[error(transparent)]
    Shard(#[from] InvalidShard),
    /// The Shards say something else than the record of their map.
    #[error("the Shards contradict the recorded map, and nothing is changed: {0}; {help}", help = advice(.0))]
    Contradiction(#[from] Contradiction),
    /// A step that the record of the map does not allow.
    #[error("the recorded map does not allow a step: {0}")]
    Transition(#[from] Refused),
}

impl Error {
    /// For `map_err`: names what was tried.
    pub(crate) fn api(action: &'static str) -> impl FnOnce(kube::Error) -> Self {
        move |source| Self::Api { action, source }
    }

    /// What a person has to put right, if that is what it takes: the API server understood, and refuses.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        match self {
            Self::Api { source, .. } => is_refusal(source).then(|| self.to_string()),
            Self::Shard(_) | Self::Contradiction(_) | Self::Transition(_) => Some(self.to_string()),
        }
    }

    /// Whether somebody else was quicker: the news of it is on its way.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Api { source: kube::Error::Api(status), .. } if status.code == 409)
    }

    /// When to try again after so many failures in a row: later each time, and not before the API server wants it.
    #[must_use]
    pub fn retry_after(&self, failures: u32) -> Duration {
        let first = if self.is_conflict() {
            CONFLICT_PAUSE
        } else if self.refusal().is_some() {
            REFUSAL_PAUSE
        } else {
            PAUSE
        };
        let pause = first.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(LONGEST_PAUSE);
        pause.max(self.asked_pause())
    }

    /// The pause that the API server asks for (`Retry-After` of a 429 or 503).
    fn asked_pause(&self) -> Duration {
        let seconds = match self {
            Self::Api { source: kube::Error::Api(status), .. } => {
                status.details.as_ref().map_or(0, |details| details.retry_after_seconds)
            }
            _ => 0,
        };
        Duration::from_secs(seconds.into())
    }
}

/// Whether the API server understood and refuses, so that trying again does not help by itself: no conflict (409), no
/// overload (429), no failure of its own (500 and above), and not that an object is gone.
#[must_use]
pub(crate) fn is_refusal(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => {
            (400..500).contains(&status.code) && ![404, 408, 409, 410, 429].contains(&status.code)
        }
        _ => false,
    }
}

/// The text of the API server, without the client's own.
#[must_use]
pub(crate) fn text(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}

/// Whether an object is gone, or its kind is not even known.
#[must_use]
pub(crate) fn is_not_found(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn answered(code: u16) -> Error {
        let status = Status { code, message: "no".into(), ..Status::default() };
        Error::api("apply an object")(kube::Error::Api(status.boxed()))
    }

    #[test]
    fn only_what_trying_again_cannot_help_is_a_refusal() {
        for code in [400, 401, 403, 405, 413, 422] {
            assert_eq!(answered(code).refusal().as_deref(), Some("cannot apply an object: no"), "{code}");
        }
        for code in [404, 408, 409, 410, 429, 500, 502, 503, 504] {
            assert_eq!(answered(code).refusal(), None, "{code}");
        }
    }

    #[test]
    fn pauses_grow_to_a_bound() {
        for code in [403, 409, 429, 500] {
            let pauses: Vec<_> = (1..40).map(|failures| answered(code).retry_after(failures)).collect();
            assert!(pauses[0] < pauses[1] && pauses.is_sorted(), "{code}: {pauses:?}");
            assert_eq!(pauses.last(), Some(&LONGEST_PAUSE), "{code}");
        }
    }

    #[test]
    fn the_api_server_is_left_alone_for_as_long_as_it_asks() {
        let details = serde_json::from_value(serde_json::json!({"retryAfterSeconds": 7})).unwrap();
        let status = Status { code: 429, details: Some(details), ..Status::default() };
        let error = Error::api("write the status")(kube::Error::Api(status.boxed()));
        assert_eq!(error.retry_after(1), Duration::from_secs(7));
        assert_eq!(error.retry_after(20), LONGEST_PAUSE);
    }
}
