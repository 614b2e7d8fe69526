//! Why StatefulSets cannot create their pods. A StatefulSet has no condition for it: its controller writes events with
//! the reason FailedCreate, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Event;
use kube::Api;
use kube::api::ListParams;

use super::Known;
use crate::controller::context::Context;
use crate::controller::status::condition;
use crate::names::Member;
use crate::signals::{ConditionType, Reason};

/// The events of StatefulSets that could not create a pod.
const SELECTOR: &str = "involvedObject.kind=StatefulSet,reason=FailedCreate";
/// How many of them are looked at: one of each set is enough, and the API server keeps them for an hour.
const MOST_EVENTS: u32 = 500;

/// Why StatefulSets cannot create their pods, by the StatefulSet's name. Without an answer the stream waits for its pods
/// with no reason: that keeps nothing from being done.
pub async fn failed_creates(context: &Context, known: &Known) -> BTreeMap<String, String> {
    let wanting = sets_without_pods(known);
    if wanting.is_empty() {
        return BTreeMap::new();
    }
    let events: Api<Event> = Api::namespaced(context.client.clone(), &known.names.namespace);
    let params = ListParams::default().fields(SELECTOR).limit(MOST_EVENTS);
    match events.list(&params).await {
        Ok(events) => newest(events.items, &wanting),
        Err(error) => {
            tracing::warn!(namespace = known.names.namespace, %error, "cannot list the events of StatefulSets");
            BTreeMap::new()
        }
    }
}

/// The StatefulSets whose controller has seen them and made no pod, where the stream is known to wait for one: a pod
/// that was only deleted is made again before the next look.
fn sets_without_pods(known: &Known) -> BTreeSet<String> {
    let status = known.stream.status.as_ref();
    let ready = status.and_then(|status| condition(&status.conditions, ConditionType::Ready));
    let waits = ready.is_some_and(|ready| {
        [Reason::PodMissing, Reason::FailedCreate].iter().any(|reason| reason.as_str() == ready.reason)
    });
    let has_no_pod = |set: &StatefulSet| {
        let name = set.metadata.name.as_deref().unwrap_or_default();
        let replicas = set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
        let seen = set.status.as_ref().is_some_and(|status| {
            status.observed_generation == set.metadata.generation && status.replicas < replicas
        });
        seen && Member::of_group(name, replicas)
            .any(|member| !known.observed.pods.contains_key(&member.pod()))
    };
    let sets = known.observed.stateful_sets.iter().filter(|(_, set)| waits && has_no_pod(set));
    sets.map(|(name, _)| name.clone()).collect()
}

/// The message of the newest event of each of these sets.
fn newest(mut events: Vec<Event>, sets: &BTreeSet<String>) -> BTreeMap<String, String> {
    events.sort_by_key(|event| {
        let last = event.last_timestamp.as_ref().map(|time| time.0);
        last.or(event.event_time.as_ref().map(|time| time.0))
    });
    let messages = events.into_iter().filter_map(|event| {
        let set = event.involved_object.name.filter(|name| sets.contains(name))?;
        Some((set, event.message?))
    });
    messages.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(set: &str, second: u32, message: &str) -> Event {
        serde_json::from_value(json!({
            "metadata": {}, "involvedObject": {"kind": "StatefulSet", "name": set}, "reason": "FailedCreate",
            "lastTimestamp": format!("2026-11-28T10:00:{second:02}Z"), "message": message,
        }))
        .unwrap()
    }

    #[test]
    fn the_newest_message_of_each_set_is_taken() {
        let events = vec![event("g0", 9, "new"), event("g0", 1, "old"), event("other", 5, "another's")];
        let found = newest(events, &["g0".to_owned(), "g1".to_owned()].into());
        assert_eq!(found, [("g0".to_owned(), "new".to_owned())].into());
    }
}
