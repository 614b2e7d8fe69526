//! What is remembered of a stream from one look to the next. Nothing depends on it: where it is lost, an object is
//! applied once more, and a step that failed is retried sooner.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// An object of a stream: its kind and its name.
pub type ObjectKey = (&'static str, String);

/// What the API server made of an object that was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// A hash of what was applied.
    pub desired: String,
    /// A hash of what the answer had in its place: an admission policy may have changed it.
    pub answer: String,
}

/// What is remembered of all streams, by UID.
#[derive(Default)]
pub struct Memory {
    streams: Mutex<HashMap<String, Remembered>>,
}

#[derive(Default)]
struct Remembered {
    applied: BTreeMap<ObjectKey, Applied>,
    failures: u32,
}

impl Memory {
    /// What was applied of a stream's objects.
    pub(super) fn applied(&self, stream_uid: &str) -> BTreeMap<ObjectKey, Applied> {
        self.lock().get(stream_uid).map(|stream| stream.applied.clone()).unwrap_or_default()
    }

    /// An object was applied.
    pub(super) fn remember(&self, stream_uid: &str, object: ObjectKey, applied: Applied) {
        self.lock().entry(stream_uid.to_owned()).or_default().applied.insert(object, applied);
    }

    /// A look at a stream failed; returns how many in a row.
    pub(super) fn failed(&self, stream_uid: &str) -> u32 {
        let mut streams = self.lock();
        let stream = streams.entry(stream_uid.to_owned()).or_default();
        stream.failures = stream.failures.saturating_add(1);
        stream.failures
    }

    /// A look at a stream succeeded.
    pub(super) fn succeeded(&self, stream_uid: &str) {
        if let Some(stream) = self.lock().get_mut(stream_uid) {
            stream.failures = 0;
        }
    }

    /// Forgets the streams that are gone.
    pub(super) fn keep(&self, is_there: impl Fn(&str) -> bool) {
        self.lock().retain(|uid, _| is_there(uid));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Remembered>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_counted_in_a_row_and_gone_streams_are_forgotten() {
        let memory = Memory::default();
        assert_eq!((memory.failed("a"), memory.failed("a"), memory.failed("b")), (1, 2, 1));
        memory.succeeded("a");
        assert_eq!(memory.failed("a"), 1);
        memory.keep(|uid| uid == "a");
        assert_eq!((memory.failed("a"), memory.failed("b")), (2, 1));
    }
}
