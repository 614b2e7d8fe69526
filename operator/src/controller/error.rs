//! What a reconcile can fail in.

use std::time::Duration;

use catalog::resource::InvalidShard;

/// A step that failed. The stream is looked at again after [`Error::retry_after`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server did not do it.
    #[error("{action}: {source}")]
    Api {
        /// What was tried.
        action: &'static str,
        /// What it said.
        source: kube::Error,
    },
    /// A Shard object cannot be read.
    #[error(transparent)]
    Shard(#[from] InvalidShard),
}

impl Error {
    /// For `map_err`: names what was tried.
    pub(crate) fn api(action: &'static str) -> impl FnOnce(kube::Error) -> Self {
        move |source| Self::Api { action, source }
    }

    /// Whether somebody else was quicker: the news of it is on its way.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Api { source: kube::Error::Api(status), .. } if status.code == 409)
    }

    /// When to try again.
    #[must_use]
    pub fn retry_after(&self) -> Duration {
        if self.is_conflict() { Duration::from_millis(200) } else { Duration::from_secs(5) }
    }
}

/// Whether an object is gone, or its kind is not even known.
pub(crate) fn is_not_found(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}
