//! Which stream has a name, and which installation has a stream.
//!
//! A name is granted once, and the grant is recorded in the stream's status: who has a name keeps it until it is gone or
//! handed over, whatever appears beside it, older or not. One process grants names, so that no two streams get one name
//! however late its copy of the cluster is.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use catalog::resource::DataStream;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use super::status::condition;
use crate::names::ADOPT;
use crate::signals::{ConditionType, Reason};

/// The stream that has a name in the account: the one that it was granted to. Of two (the namespace of one was not watched
/// for a while) the later grant counts, because clients use that one. Where it was granted to none, the oldest stream has
/// it, the lower UID of two that are as old. One that is being deleted has it until it is gone.
#[must_use]
pub fn name_owner<'a>(
    streams: &'a [Arc<DataStream>],
    name: &str,
    installation: &str,
) -> Option<&'a Arc<DataStream>> {
    let named =
        streams.iter().filter(|stream| stream.name_in_force() == name && is_ours(stream, installation));
    let granted = named.clone().filter_map(|stream| Some((name_held_since(stream, installation)?, stream)));
    let latest = granted.max_by(|(since, stream), (other_since, other)| {
        since.cmp(other_since).then_with(|| seniority(other).cmp(&seniority(stream)))
    });
    latest.map(|(_, stream)| stream).or_else(|| named.min_by_key(|stream| seniority(stream)))
}

/// Whether a stream has its name, or may get it, and who has it instead.
///
/// # Errors
/// The stream that has it.
pub fn owns_name(
    stream: &DataStream,
    streams: &[Arc<DataStream>],
    installation: &str,
) -> Result<(), Arc<DataStream>> {
    match name_owner(streams, stream.name_in_force(), installation) {
        // One that is adopted is not ours yet, and comes last.
        Some(owner) if owner.uid() != stream.uid() => Err(Arc::clone(owner)),
        _ => Ok(()),
    }
}

/// Since when an installation's stream has its name, as its status records it.
#[must_use]
pub fn name_held_since(stream: &DataStream, installation: &str) -> Option<Timestamp> {
    let status =
        stream.status.as_ref().filter(|status| status.installation.as_deref() == Some(installation))?;
    if let Some(since) = &status.name_held_since {
        return Some(since.0);
    }
    // An earlier version recorded no grant, and no map. What it served had its name.
    let lost = condition(&status.conditions, ConditionType::Stalled)
        .is_some_and(|stalled| stalled.reason == Reason::NameTaken.as_str());
    let served = status.map.is_none() && status.stream_status.is_some() && !lost;
    served.then(|| stream.creation_timestamp().map(|time| time.0))?
}

/// Whether a stream is ours, or nobody's yet.
#[must_use]
pub fn is_ours(stream: &DataStream, installation: &str) -> bool {
    manager(stream).is_none_or(|manager| manager == installation)
}

/// Whether a stream of another installation was handed over to this one.
#[must_use]
pub fn is_handed_to(stream: &DataStream, installation: &str) -> bool {
    !is_ours(stream, installation) && handed_to(stream) == Some(installation)
}

/// Which other installation manages a stream; nothing where it was handed over to that one, so that everybody knows.
#[must_use]
pub fn foreign_manager<'s>(stream: &'s DataStream, installation: &str) -> Option<&'s str> {
    manager(stream).filter(|manager| *manager != installation && handed_to(stream) != Some(*manager))
}

fn manager(stream: &DataStream) -> Option<&str> {
    stream.status.as_ref()?.installation.as_deref()
}

fn handed_to(stream: &DataStream) -> Option<&str> {
    stream.annotations().get(ADOPT).map(String::as_str)
}

fn seniority(stream: &DataStream) -> (Option<Timestamp>, Option<String>) {
    (stream.creation_timestamp().map(|time| time.0), stream.uid())
}

/// What this process decided and its copy of the cluster may not show yet.
#[derive(Debug, Default)]
pub struct NameRegister {
    /// Names, and the UIDs of the streams that they were granted to.
    granted: Mutex<HashMap<String, String>>,
    /// The UIDs of the streams of other installations whose status says so.
    reported: Mutex<HashSet<String>>,
}

impl NameRegister {
    /// Grants a name that no record gives to anybody.
    ///
    /// # Errors
    /// The stream that this process granted it to before, if it is still there.
    pub fn grant(&self, stream: &DataStream, streams: &[Arc<DataStream>]) -> Result<(), Arc<DataStream>> {
        let (name, uid) = (stream.name_in_force(), stream.uid().unwrap_or_default());
        let mut granted = self.granted.lock().unwrap_or_else(PoisonError::into_inner);
        let holder = granted.get(name).filter(|holder| **holder != uid);
        let holder = holder
            .and_then(|holder| streams.iter().find(|stream| stream.uid().as_ref() == Some(holder)))
            .filter(|holder| holder.name_in_force() == name);
        if let Some(holder) = holder {
            return Err(Arc::clone(holder));
        }
        let there: HashSet<_> = streams.iter().filter_map(|stream| stream.uid()).collect();
        granted.retain(|_, holder| there.contains(holder));
        granted.insert(name.to_owned(), uid);
        Ok(())
    }

    /// Whether a stream's status is still to say that it is another installation's: once, because that one may write back.
    pub fn reports_foreign(&self, stream: &DataStream) -> bool {
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        stream.uid().is_some_and(|uid| reported.insert(uid))
    }

    /// Its status was not written after all.
    pub fn not_reported(&self, stream: &DataStream) {
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(uid) = stream.uid() {
            reported.remove(&uid);
        }
    }
}

#[cfg(test)]
#[path = "name_tests.rs"]
mod tests;
