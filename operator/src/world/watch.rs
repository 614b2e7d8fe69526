//! The watches that fill a scope.

use std::fmt::Debug;
use std::hash::Hash;
use std::pin::pin;
use std::sync::Arc;

use catalog::resource::{DataStream, Shard, StreamConsumer};
use futures::StreamExt;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Service};
use kube::runtime::WatchStreamExt;
use kube::runtime::reflector::{ObjectRef, store::Writer};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;

use super::{PodChange, Wake, World, Writers};
use crate::names::{OWNED_SELECTOR, STREAM_LABEL};

/// Follows everything of one scope, for as long as it is polled.
pub async fn follow(client: Client, world: Arc<World>, namespace: Option<String>, writers: Writers) {
    let all = watcher::Config::default();
    let owned = watcher::Config::default().labels(OWNED_SELECTOR);
    let (client, world, namespace) = (&client, &*world, namespace.as_deref());
    tokio::join!(
        keep::<DataStream>(api(client, namespace), all.clone(), writers.streams, |event| stream_news(
            world, event
        )),
        keep::<StreamConsumer>(api(client, namespace), all.clone(), writers.consumers, |event| {
            consumer_news(world, event);
        }),
        keep::<Shard>(api(client, namespace), all, writers.shards, |event| {
            owned_news(world, event);
            world.shard_event(event);
        }),
        keep::<StatefulSet>(api(client, namespace), owned.clone(), writers.stateful_sets, |event| {
            owned_news(world, event);
        }),
        keep::<Service>(api(client, namespace), owned.clone(), writers.services, |event| owned_news(
            world, event
        )),
        keep::<Pod>(api(client, namespace), owned.clone(), writers.pods, |event| pod_news(world, event)),
        keep::<PersistentVolumeClaim>(api(client, namespace), owned, writers.claims, |event| {
            owned_news(world, event);
        }),
    );
}

/// The API for a kind in one namespace, or in all.
fn api<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

/// Keeps one copy; passes each event on after the copy has it. Errors are retried with a growing pause.
async fn keep<K>(api: Api<K>, config: watcher::Config, mut writer: Writer<K>, pass_on: impl Fn(&Event<K>))
where
    K: Resource<DynamicType = ()> + DeserializeOwned + Clone + Debug + Send + Sync + 'static,
    K::DynamicType: Hash + Eq,
{
    let events = watcher(api, config).default_backoff().modify(|object| object.managed_fields_mut().clear());
    let mut events = pin!(events);
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => {
                writer.apply_watcher_event(&event);
                pass_on(&event);
            }
            Err(error) => tracing::warn!(kind = %K::kind(&()), %error, "watch broke; it is taken up again"),
        }
    }
}

fn stream_news(world: &World, event: &Event<DataStream>) {
    world.stream_event(event);
    match event {
        Event::Apply(stream) => world.wake(Wake::Stream(ObjectRef::from_obj(stream))),
        // A name is free now, and another stream may wait for it.
        Event::Delete(gone) => {
            let name = gone.name_in_force();
            let waiting = world.streams().into_iter().filter(|stream| stream.name_in_force() == name);
            waiting.for_each(|stream| world.wake(Wake::Stream(ObjectRef::from_obj(&*stream))));
        }
        Event::InitDone => world.wake(Wake::All),
        Event::Init | Event::InitApply(_) => {}
    }
}

/// Wakes the stream that a consumer is registered with.
fn consumer_news(world: &World, event: &Event<StreamConsumer>) {
    match event {
        Event::Apply(consumer) | Event::Delete(consumer) => {
            let namespace = consumer.namespace().unwrap_or_default();
            world.wake(Wake::Stream(ObjectRef::new(&consumer.spec.stream).within(&namespace)));
        }
        Event::InitDone => world.wake(Wake::All),
        Event::Init | Event::InitApply(_) => {}
    }
}

fn pod_news(world: &World, event: &Event<Pod>) {
    match event {
        Event::Apply(pod) | Event::Delete(pod) => {
            world.pods_changed(PodChange::Pod(ObjectRef::from_obj(pod)));
        }
        Event::InitDone => world.pods_changed(PodChange::All),
        Event::Init | Event::InitApply(_) => {}
    }
    owned_news(world, event);
}

/// Wakes the stream that an object belongs to by its labels.
fn owned_news<K: ResourceExt<DynamicType = ()>>(world: &World, event: &Event<K>) {
    match event {
        Event::Apply(object) | Event::Delete(object) => {
            let Some((name, namespace)) = object.labels().get(STREAM_LABEL).zip(object.namespace()) else {
                return;
            };
            world.wake(Wake::Stream(ObjectRef::new(name).within(&namespace)));
        }
        Event::InitDone => world.wake(Wake::All),
        Event::Init | Event::InitApply(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use catalog::resource::DataStreamSpec;

    use super::*;
    use crate::world::Scope;

    #[tokio::test]
    async fn a_deleted_stream_wakes_those_that_wait_for_its_name_and_no_other() {
        let stream = |object: &str, name: &str| {
            let mut stream =
                DataStream::new(object, DataStreamSpec { name: Some(name.into()), ..Default::default() });
            stream.metadata.namespace = Some("shop".into());
            stream
        };
        let (scope, mut writers) = Scope::new(None);
        let world = World::new(vec![scope]);
        for event in [stream("first", "orders"), stream("second", "orders"), stream("other", "bills")] {
            writers.streams.apply_watcher_event(&Event::Apply(event));
        }
        let mut wakes = world.wakes();
        let event = Event::Delete(stream("first", "orders"));
        writers.streams.apply_watcher_event(&event);
        stream_news(&world, &event);
        let woken: Vec<_> = std::iter::from_fn(|| wakes.try_recv().ok()).collect();
        assert_eq!(woken.len(), 1);
        assert!(matches!(&woken[0], Wake::Stream(stream) if stream.name == "second"), "{woken:?}");
    }
}
