//! The one place that writes a stream's status, and tells what changed in it.

use std::sync::Arc;

use catalog::resource::{DataStream, DataStreamStatus};
use kube::ResourceExt;

use super::conditions::{READY, condition};
use super::context::Context;
use super::error::Error;
use super::status::{Finding, status};
use super::{events, patch};

/// Writes the status that follows from a finding, as an event and a log line tell; nothing, where nothing changed.
pub async fn report(
    context: &Context,
    stream: &Arc<DataStream>,
    finding: &Finding,
) -> Result<Arc<DataStream>, Error> {
    let now = (context.now)();
    let after = status(stream, finding, &context.settings, now);
    let before = stream.status.clone().unwrap_or_default();
    if after == before {
        return Ok(Arc::clone(stream));
    }
    let written = patch::status(&context.client, stream, &after).await?;
    log_change(stream, &before, &after);
    events::tell(&context.client, stream, &events::news(&before, &after), now).await;
    Ok(Arc::new(written))
}

fn log_change(stream: &DataStream, before: &DataStreamStatus, after: &DataStreamStatus) {
    let ready = |status: &DataStreamStatus| {
        condition(&status.conditions, READY)
            .map(|ready| (ready.status.clone(), ready.reason.clone()))
            .unwrap_or_default()
    };
    let ((_, old_reason), (ready_now, reason)) = (ready(before), ready(after));
    let stream_status = after.stream_status.as_deref().unwrap_or_default();
    if before.stream_status != after.stream_status || old_reason != reason {
        let (namespace, name) = (stream.namespace().unwrap_or_default(), stream.name_any());
        tracing::info!(namespace, name, stream_status, ready = ready_now, reason, "stream");
    }
}
