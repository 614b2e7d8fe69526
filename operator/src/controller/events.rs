//! Events: told once, when a state changed.

use catalog::resource::{DataStream, DataStreamStatus};
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::{Api, Client, Resource, ResourceExt};

use super::conditions::{
    CLOCK_SUSPECT, PODS_OUTDATED, STALLED, STORAGE_DAMAGED, STORAGE_FULL, STORAGE_RESIZED, condition,
};
use crate::names::FIELD_MANAGER;

/// The longest note that the API server takes, in bytes.
const MOST_NOTE_BYTES: usize = 1024;

/// What is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// Whether somebody should look.
    pub warning: bool,
    /// One word.
    pub reason: String,
    /// A sentence.
    pub note: String,
}

impl News {
    /// Something that went as it should.
    pub fn normal(reason: impl Into<String>, note: impl Into<String>) -> Self {
        Self { warning: false, reason: reason.into(), note: note.into() }
    }
}

/// What changed from one status to the next.
#[must_use]
pub fn news(before: &DataStreamStatus, after: &DataStreamStatus) -> Vec<News> {
    let mut news = Vec::new();
    if before.stream_status != after.stream_status {
        let shards = after.resolved.as_ref().map_or(0, |resolved| resolved.shard_count);
        match after.stream_status.as_deref() {
            Some("CREATING") => {
                news.push(News::normal("Creating", format!("makes a stream of {shards} shards")))
            }
            Some("ACTIVE") => news.push(News::normal("Active", format!("all {shards} shards take records"))),
            Some("DELETING") => news.push(News::normal("Deleting", "ends the pods of the stream")),
            _ => {}
        }
    }
    let told = [
        (STALLED, true),
        (STORAGE_RESIZED, true),
        (STORAGE_FULL, true),
        (STORAGE_DAMAGED, true),
        (CLOCK_SUSPECT, true),
        (PODS_OUTDATED, false),
    ];
    for (type_, warning) in told {
        let reason = |status: &DataStreamStatus| {
            condition(&status.conditions, type_).map(|found| (found.reason.clone(), found.message.clone()))
        };
        let (old, new) = (reason(before), reason(after));
        if let Some((reason, note)) = new
            && old.is_none_or(|(old, _)| old != reason)
        {
            news.push(News { warning, reason, note });
        }
    }
    news
}

/// Tells it. A cluster that takes no events (a namespace that ends, say) is no reason to fail.
pub async fn tell(client: &Client, stream: &DataStream, news: &[News], now: Timestamp) {
    let namespace = stream.namespace().unwrap_or_default();
    let events: Api<Event> = Api::namespaced(client.clone(), &namespace);
    for (index, item) in news.iter().enumerate() {
        let event = event(stream, item, now, index);
        if let Err(error) = events.create(&PostParams::default(), &event).await {
            tracing::debug!(%error, reason = item.reason, "no event");
        }
    }
}

fn event(stream: &DataStream, news: &News, now: Timestamp, index: usize) -> Event {
    let name = stream.name_any();
    let nanos = now.as_nanosecond() + i128::try_from(index).unwrap_or_default();
    let mut note = news.note.clone();
    note.truncate(note.floor_char_boundary(MOST_NOTE_BYTES));
    Event {
        metadata: ObjectMeta {
            name: Some(format!("{name}.{nanos:x}")),
            namespace: stream.namespace(),
            ..Default::default()
        },
        action: Some("Reconcile".into()),
        reason: Some(news.reason.clone()),
        note: Some(note),
        type_: Some(if news.warning { "Warning" } else { "Normal" }.into()),
        event_time: Some(MicroTime(now)),
        reporting_controller: Some(FIELD_MANAGER.into()),
        reporting_instance: Some(std::env::var("HOSTNAME").unwrap_or_else(|_| FIELD_MANAGER.into())),
        regarding: Some(ObjectReference {
            api_version: Some(DataStream::api_version(&()).into_owned()),
            kind: Some(DataStream::kind(&()).into_owned()),
            name: Some(name),
            namespace: stream.namespace(),
            uid: stream.uid(),
            ..Default::default()
        }),
        ..Default::default()
    }
}
