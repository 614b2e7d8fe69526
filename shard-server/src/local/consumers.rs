//! The registered consumers of a stream. Pure.

use std::collections::BTreeMap;
use std::ops::Bound;

use catalog::control::{Consumer, ConsumerKey, Refusal, RegisterConsumer, StreamKey, Tags};
use serde::{Deserialize, Serialize};

/// The consumers of a stream, by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Consumers {
    registered: BTreeMap<String, Registered>,
    /// The second in which a deregistered consumer was registered, by its name, until that second is over: an ARN is
    /// never used again.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    retired: BTreeMap<String, i64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Registered {
    created_ms: i64,
    #[serde(default)]
    tags: Tags,
}

impl Consumers {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.registered.len()
    }

    /// Whether nothing of them must be remembered.
    pub fn are_none(&self) -> bool {
        self.registered.is_empty() && self.retired.is_empty()
    }

    /// Registers a consumer; its stream may have `limit` of them.
    ///
    /// # Errors
    /// If its name is taken, there are too many, or its tags break a rule.
    pub fn register(
        &mut self,
        call: RegisterConsumer,
        limit: usize,
        now_ms: i64,
    ) -> Result<Consumer, Refusal> {
        call.check(self.registered.contains_key(&call.name), self.registered.len(), limit)?;
        let RegisterConsumer { name, tags, .. } = call;
        let now_seconds = now_ms.div_euclid(1_000);
        self.retired.retain(|_, seconds| *seconds >= now_seconds);
        let created_ms = self.retired.remove(&name).map_or(now_ms, |seconds| (seconds + 1) * 1_000);
        self.registered.insert(name.clone(), Registered { created_ms, tags });
        Ok(Consumer { name, created_ms })
    }

    /// Deregisters a consumer.
    ///
    /// # Errors
    /// If there is none.
    pub fn deregister(&mut self, stream: &StreamKey, key: &ConsumerKey) -> Result<(), Refusal> {
        let consumer = self.find(stream, key)?;
        self.registered.remove(&consumer.name);
        self.retired.insert(consumer.name.clone(), consumer.created_seconds());
        Ok(())
    }

    /// A consumer.
    ///
    /// # Errors
    /// If there is none.
    pub fn find(&self, stream: &StreamKey, key: &ConsumerKey) -> Result<Consumer, Refusal> {
        let named = self.registered.get(&key.name);
        let consumer = named.map(|found| Consumer { name: key.name.clone(), created_ms: found.created_ms });
        consumer.filter(|consumer| consumer.is(key)).ok_or_else(|| key.not_found(stream))
    }

    /// The consumers after a name (or from the first), by name.
    pub fn after(&self, name: Option<&str>, limit: usize) -> Vec<Consumer> {
        let from = name.map_or(Bound::Unbounded, Bound::Excluded);
        let page = self.registered.range::<str, _>((from, Bound::Unbounded)).take(limit);
        page.map(|(name, found)| Consumer { name: name.clone(), created_ms: found.created_ms }).collect()
    }

    /// The tags of a consumer.
    ///
    /// # Errors
    /// If there is none.
    pub fn tags(&self, stream: &StreamKey, key: &ConsumerKey) -> Result<&Tags, Refusal> {
        self.find(stream, key)?;
        let found = self.registered.get(&key.name);
        found.map(|found| &found.tags).ok_or_else(|| key.not_found(stream))
    }

    /// The tags of a consumer, to be changed.
    ///
    /// # Errors
    /// If there is none.
    pub fn tags_mut(&mut self, stream: &StreamKey, key: &ConsumerKey) -> Result<&mut Tags, Refusal> {
        self.find(stream, key)?;
        let found = self.registered.get_mut(&key.name);
        found.map(|found| &mut found.tags).ok_or_else(|| key.not_found(stream))
    }
}

#[cfg(test)]
mod tests {
    use catalog::control::RefusalCode;

    use super::*;

    const NOW_MS: i64 = 1_790_000_000_500;

    fn stream() -> StreamKey {
        let region = Some("us-east-1".into());
        StreamKey { account_id: "000000000000".into(), region, name: "orders".parse().unwrap() }
    }

    fn register(consumers: &mut Consumers, name: &str, now_ms: i64) -> Result<Consumer, Refusal> {
        let call = RegisterConsumer { stream: stream(), name: name.into(), tags: Tags::new() };
        consumers.register(call, 2, now_ms)
    }

    fn key(name: &str) -> ConsumerKey {
        ConsumerKey { name: name.into(), created_seconds: None }
    }

    #[test]
    fn name_that_is_registered_again_within_the_second_has_another_arn() {
        let mut consumers = Consumers::default();
        let first = register(&mut consumers, "fan", NOW_MS).unwrap();
        consumers.deregister(&stream(), &key("fan")).unwrap();
        let second = register(&mut consumers, "fan", NOW_MS).unwrap();
        assert_eq!(second.created_seconds(), first.created_seconds() + 1);
        let old = ConsumerKey { name: "fan".into(), created_seconds: Some(first.created_seconds()) };
        assert_eq!(consumers.find(&stream(), &old).unwrap_err().code, RefusalCode::ResourceNotFound);
        assert_eq!(consumers.find(&stream(), &key("fan")), Ok(second));
        assert_eq!(consumers.count(), 1);
    }

    #[test]
    fn seconds_that_are_over_are_forgotten() {
        let mut consumers = Consumers::default();
        for number in 0..5 {
            let name = number.to_string();
            register(&mut consumers, &name, NOW_MS + number * 1_000).unwrap();
            consumers.deregister(&stream(), &key(&name)).unwrap();
        }
        assert_eq!(consumers.retired.len(), 1);
    }

    #[test]
    fn taken_name_and_full_stream_are_refused() {
        let mut consumers = Consumers::default();
        register(&mut consumers, "a", NOW_MS).unwrap();
        let taken = register(&mut consumers, "a", NOW_MS).unwrap_err();
        assert_eq!(taken.code, RefusalCode::ResourceInUse);
        assert_eq!(taken.message, "Consumer a under stream orders already exists for account 000000000000.");
        register(&mut consumers, "b", NOW_MS).unwrap();
        assert_eq!(register(&mut consumers, "c", NOW_MS).unwrap_err().code, RefusalCode::LimitExceeded);
        assert_eq!(
            consumers.deregister(&stream(), &key("c")).unwrap_err().code,
            RefusalCode::ResourceNotFound
        );
    }

    #[test]
    fn pages_continue_after_a_name() {
        let mut consumers = Consumers::default();
        register(&mut consumers, "b", NOW_MS).unwrap();
        register(&mut consumers, "a", NOW_MS).unwrap();
        let names = |after, limit| -> Vec<_> {
            consumers.after(after, limit).into_iter().map(|consumer| consumer.name).collect()
        };
        assert_eq!(names(None, 1), ["a"]);
        assert_eq!(names(Some("a"), 9), ["b"]);
    }
}
