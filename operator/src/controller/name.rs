//! Which stream owns a name.

use std::sync::Arc;

use catalog::resource::DataStream;
use kube::ResourceExt;

/// The stream that owns a name in the account: the oldest one that has it, the lower UID if two are as old. One
/// that is being deleted has it until it is gone.
#[must_use]
pub fn name_owner<'a>(
    streams: &'a [Arc<DataStream>],
    name: &str,
    installation: &str,
) -> Option<&'a Arc<DataStream>> {
    let named = streams.iter().filter(|stream| stream.stream_name() == name && is_ours(stream, installation));
    named.min_by_key(|stream| seniority(stream))
}

/// Whether a stream has its name, and who has it instead.
///
/// # Errors
/// The stream that has it.
pub fn owns_name(
    stream: &DataStream,
    streams: &[Arc<DataStream>],
    installation: &str,
) -> Result<(), Arc<DataStream>> {
    match name_owner(streams, stream.stream_name(), installation) {
        Some(owner) if owner.uid() != stream.uid() && seniority(owner) < seniority(stream) => {
            Err(Arc::clone(owner))
        }
        _ => Ok(()),
    }
}

/// Whether a stream is ours, or nobody's yet.
#[must_use]
pub fn is_ours(stream: &DataStream, installation: &str) -> bool {
    let claimed = stream.status.as_ref().and_then(|status| status.installation.as_deref());
    claimed.is_none_or(|claimed| claimed == installation)
}

fn seniority(stream: &DataStream) -> (Option<k8s_openapi::jiff::Timestamp>, Option<String>) {
    (stream.creation_timestamp().map(|time| time.0), stream.uid())
}
