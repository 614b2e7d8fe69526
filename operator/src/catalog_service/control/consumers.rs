//! The calls on registered consumers. Each is a StreamConsumer in the namespace of its stream.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::Duration;

use catalog::control::{
    Consumer, ConsumerKey, DeleteStream, DeregisterConsumer, FindConsumer, ListConsumers, Refusal,
    RefusalCode, RegisterConsumer, StreamKey, Tags, max_consumers,
};
use catalog::resource::{DataStream, StreamConsumer, StreamConsumerSpec};
use catalog::{StreamMode, StreamName, StreamStatus};
use kube::api::{DeleteParams, ListParams, ObjectMeta, PostParams, Preconditions};
use kube::{Api, ResourceExt};

use super::ownership::{self, spec_managers};
use super::streams::metadata_name;
use super::{Control, MOST_ATTEMPTS, contended, refused, tags, unavailable, write};
use crate::catalog_service::entry::desired;
use crate::names::{API_FIELD_MANAGER, STREAM_LABEL, STREAM_UID_LABEL, owner};

/// The consumers of a stream, by name.
type Registered = BTreeMap<String, StreamConsumer>;

impl Control {
    /// Registers a consumer, ACTIVE at once.
    ///
    /// # Errors
    /// If the stream does not exist, is not ACTIVE or has too many, the name is taken, a tag breaks a rule, or the API
    /// server does not do it.
    pub(super) async fn register_consumer(&self, call: &RegisterConsumer) -> Result<Consumer, Refusal> {
        let stream = self.stream(&call.stream).await?;
        let (account_id, defaults) = (&self.settings.account_id, self.settings.defaults());
        let known = desired(&stream, account_id, &defaults).ok_or_else(|| call.stream.not_found())?;
        if matches!(known.status, StreamStatus::Creating | StreamStatus::Deleting) {
            return Err(known.not_active());
        }
        let commitment = known.mode == StreamMode::OnDemand && self.has_commitment().await?;
        let (registered, limit) = (self.consumers(&stream).await?, max_consumers(known.mode, commitment));
        let check = |is_taken| call.check(is_taken, registered.len(), limit);
        check(registered.contains_key(&call.name))?;
        let object = new_consumer(call, &stream)?;
        let params = PostParams { field_manager: Some(API_FIELD_MANAGER.into()), ..Default::default() };
        match self.consumers_in(&stream).create(&params, &object).await {
            Ok(created) => {
                tracing::info!(stream = %call.stream.name, consumer = call.name, "registered by the API");
                let count = registered.len() + 1;
                self.told_of_consumers(&stream, |shown| shown >= count).await;
                Ok(created.to_domain())
            }
            // Another call was quicker.
            Err(kube::Error::Api(status)) if status.code == 409 => {
                Err(check(true).err().unwrap_or_else(contended))
            }
            Err(error) => Err(refused(&error)),
        }
    }

    /// Deregisters a consumer that the API registered and nobody else took over.
    ///
    /// # Errors
    /// If there is none, somebody else manages it, or the API server does not do it.
    pub(super) async fn deregister_consumer(&self, call: &DeregisterConsumer) -> Result<(), Refusal> {
        let stream = self.stream(&call.stream).await?;
        let registered = self.consumers(&stream).await?;
        let object = found(&registered, &call.stream, &call.consumer)?;
        check_is_of_the_api(object, &call.stream)?;
        tokio::time::sleep(pause(&object.to_domain(), self.now_ms())).await;
        let same = Preconditions { uid: object.uid(), resource_version: None };
        let params = DeleteParams::background().preconditions(same);
        match self.consumers_in(&stream).delete(&object.name_any(), &params).await {
            Ok(_) => {
                tracing::info!(stream = %call.stream.name, consumer = call.consumer.name, "deregistered by the API");
                let count = registered.len() - 1;
                self.told_of_consumers(&stream, |shown| shown <= count).await;
                Ok(())
            }
            // Gone, or gone and made again: what was asked for is gone.
            Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => Ok(()),
            Err(error) => Err(unavailable(&error)),
        }
    }

    /// A consumer, as the API server has it.
    ///
    /// # Errors
    /// If there is none, or the API server does not answer.
    pub(super) async fn find_consumer(&self, call: &FindConsumer) -> Result<Consumer, Refusal> {
        let registered = self.consumers(&*self.stream(&call.stream).await?).await?;
        Ok(found(&registered, &call.stream, &call.consumer)?.to_domain())
    }

    /// Consumers of a stream, as the API server has them.
    ///
    /// # Errors
    /// If the stream does not exist, or the API server does not answer.
    pub(super) async fn list_consumers(&self, call: &ListConsumers) -> Result<Vec<Consumer>, Refusal> {
        let registered = self.consumers(&*self.stream(&call.stream).await?).await?;
        let from = call.after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let page = registered.range::<str, _>((from, Bound::Unbounded)).take(call.limit);
        Ok(page.map(|(_, object)| object.to_domain()).collect())
    }

    /// The tags of a consumer, as the API server has them.
    pub(super) async fn consumer_tags(&self, stream: &StreamKey, key: &ConsumerKey) -> Result<Tags, Refusal> {
        let registered = self.consumers(&*self.stream(stream).await?).await?;
        Ok(found(&registered, stream, key)?.spec.tags.clone())
    }

    /// Changes tags of a consumer, unless a manifest sets them.
    pub(super) async fn change_consumer_tags(
        &self,
        stream: &StreamKey,
        key: &ConsumerKey,
        change: impl Fn(&Tags) -> Result<Tags, Refusal>,
    ) -> Result<(), Refusal> {
        for _ in 0..MOST_ATTEMPTS {
            let object_of_stream = self.stream(stream).await?;
            let registered = self.consumers(&object_of_stream).await?;
            let object = found(&registered, stream, key)?;
            let before = &object.spec.tags;
            let changes = tags::changes(before, &change(before)?);
            if changes.is_empty() {
                return Ok(());
            }
            ownership::check(object, &changes, &subject(object, stream))?;
            let patch = ownership::merge_patch(object, &changes);
            if write(&self.consumers_in(&object_of_stream), &object.name_any(), &patch).await? {
                return Ok(());
            }
        }
        Err(contended())
    }

    /// Checks that the consumers of a stream may go with it.
    ///
    /// # Errors
    /// If the call does not say so, or somebody else manages one of them.
    pub(super) async fn check_consumers_go(
        &self,
        call: &DeleteStream,
        stream: &DataStream,
    ) -> Result<(), Refusal> {
        let registered = self.consumers(stream).await?;
        call.check_consumers(registered.len())?;
        registered.values().try_for_each(|object| check_is_of_the_api(object, &call.key()))
    }

    async fn consumers(&self, stream: &DataStream) -> Result<Registered, Refusal> {
        let all = self.consumers_in(stream).list(&ListParams::default()).await;
        let mut all = all.map_err(|error| unavailable(&error))?.items;
        all.retain(|consumer| consumer.is_of(stream));
        Ok(StreamConsumer::registered(all))
    }

    async fn told_of_consumers(&self, stream: &DataStream, holds: impl Fn(usize) -> bool) {
        let uid = stream.uid().unwrap_or_default();
        let count = |entry: &catalog::Stream| entry.settings.consumer_count as usize;
        self.told(|published| published.get(&uid).is_none_or(|entry| holds(count(&entry)))).await;
    }

    fn consumers_in(&self, stream: &DataStream) -> Api<StreamConsumer> {
        Api::namespaced(self.client.clone(), &stream.namespace().unwrap_or_default())
    }
}

/// The object of a new consumer, which goes with its stream. Its name is that of the stream's object, which has no dot, and
/// then one that no other consumer of the stream has.
fn new_consumer(call: &RegisterConsumer, stream: &DataStream) -> Result<StreamConsumer, Refusal> {
    let name = call.name.parse::<StreamName>().map_err(|_| {
        let message =
            format!("{:?} is not a consumer's name: 1 to 128 letters, digits, '_', '.' and '-'", call.name);
        Refusal::new(RefusalCode::InvalidArgument, message)
    })?;
    let labels = [
        ("app.kubernetes.io/name", "kinetes".to_owned()),
        ("app.kubernetes.io/managed-by", API_FIELD_MANAGER.to_owned()),
        (STREAM_LABEL, stream.name_any()),
        (STREAM_UID_LABEL, stream.uid().unwrap_or_default()),
    ];
    let metadata = ObjectMeta {
        name: Some(format!("{}.{}", stream.name_any(), metadata_name(&name))),
        namespace: stream.namespace(),
        labels: Some(labels.map(|(key, value)| (key.to_owned(), value)).into()),
        owner_references: Some(vec![owner(stream)]),
        ..Default::default()
    };
    let (stream, tags) = (stream.name_any(), call.tags.clone());
    let spec = StreamConsumerSpec { stream, name: Some(call.name.clone()), tags };
    Ok(StreamConsumer { metadata, spec })
}

fn found<'r>(
    registered: &'r Registered,
    stream: &StreamKey,
    key: &ConsumerKey,
) -> Result<&'r StreamConsumer, Refusal> {
    let named = registered.get(&key.name);
    named.filter(|object| object.to_domain().is(key)).ok_or_else(|| key.not_found(stream))
}

/// Checks that nobody but the API set anything of a consumer.
fn check_is_of_the_api(object: &StreamConsumer, stream: &StreamKey) -> Result<(), Refusal> {
    let managers = spec_managers(object);
    if managers.iter().eq([API_FIELD_MANAGER]) {
        return Ok(());
    }
    let others: Vec<_> =
        managers.iter().map(String::as_str).filter(|name| *name != API_FIELD_MANAGER).collect();
    let message = format!(
        "{} is managed in Kubernetes by {}: delete it there (kubectl delete streamconsumer {} -n {}).",
        subject(object, stream),
        others.join(", "),
        object.name_any(),
        object.namespace().unwrap_or_default(),
    );
    Err(Refusal::new(RefusalCode::ResourceInUse, message))
}

fn subject(object: &StreamConsumer, stream: &StreamKey) -> String {
    let StreamKey { account_id, name, .. } = stream;
    format!("Consumer {} of stream {name} under account {account_id}", object.consumer_name())
}

/// How long a consumer stays after it was deregistered. Its ARN has the second in which it was registered, by the clock of
/// the API server, and a consumer that is registered under its name again has another ARN: so it goes a second after that
/// one, which clocks that differ by less cannot hide.
fn pause(consumer: &Consumer, now_ms: i64) -> Duration {
    let over_ms = (consumer.created_seconds() + 2) * 1_000;
    Duration::from_millis(over_ms.saturating_sub(now_ms).clamp(0, 2_000).unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consumer_goes_when_its_name_cannot_come_back_within_its_second() {
        let consumer = Consumer { name: "fan".into(), created_ms: 1_790_000_000_000 };
        let pause = |now_ms| pause(&consumer, now_ms).as_millis();
        assert_eq!(pause(1_790_000_000_500), 1_500);
        assert_eq!(pause(1_790_000_002_000), 0);
        assert_eq!(pause(1_789_999_000_000), 2_000, "a clock that is far behind holds nobody up");
    }
}
