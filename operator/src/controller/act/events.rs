//! Writes events.

use catalog::resource::DataStream;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::{Api, Client, Resource, ResourceExt};

use crate::controller::status::News;
use crate::names::FIELD_MANAGER;

/// The longest note that the API server takes, in bytes.
const MOST_NOTE_BYTES: usize = 1024;

/// Writes an event for each piece of news. A cluster that takes no events (a namespace that ends, say) is no reason to fail.
pub async fn publish(client: &Client, stream: &DataStream, news: &[News], now: Timestamp) {
    let namespace = stream.namespace().unwrap_or_default();
    let events: Api<Event> = Api::namespaced(client.clone(), &namespace);
    for (index, item) in news.iter().enumerate() {
        let event = event(stream, item, now, index);
        if let Err(error) = events.create(&PostParams::default(), &event).await {
            tracing::debug!(%error, reason = %item.reason, "no event");
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
        reason: Some(news.reason.as_str().into()),
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
