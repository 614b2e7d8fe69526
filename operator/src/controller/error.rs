//! What a reconcile can fail in.

use std::time::Duration;

use catalog::map::{Contradiction, Refused};
use catalog::resource::InvalidShard;

use super::map::advice;

/// A step that failed. The stream is looked at again after [`Error::retry_after`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server did not do it.
    #[error("cannot {action}: {}", said(source))]
    Api {
        /// What was tried.
        action: &'static str,
        /// What it said.
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
            Self::Api { source: kube::Error::Api(status), .. } => {
                let refused =
                    (400..500).contains(&status.code) && ![404, 408, 409, 429].contains(&status.code);
                refused.then(|| self.to_string())
            }
            Self::Api { .. } => None,
            Self::Shard(_) | Self::Contradiction(_) | Self::Transition(_) => Some(self.to_string()),
        }
    }

    /// Whether somebody else was quicker: the news of it is on its way.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Api { source: kube::Error::Api(status), .. } if status.code == 409)
    }

    /// When to try again.
    #[must_use]
    pub fn retry_after(&self) -> Duration {
        if self.is_conflict() {
            return Duration::from_millis(200);
        }
        // A refused write is a write: not too often.
        Duration::from_secs(if self.refusal().is_some() { 15 } else { 5 })
    }
}

/// What the API server said, without what it said it with.
fn said(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}

/// Whether an object is gone, or its kind is not even known.
pub(crate) fn is_not_found(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}
