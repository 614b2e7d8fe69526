//! The calls on tags.

use catalog::control::{ConsumerKey, ListTags, Refusal, StreamKey, TagResource, Tags, UntagResource};
use serde_json::Value;

use super::Control;
use super::ownership::FieldChange;

impl Control {
    /// Adds tags.
    ///
    /// # Errors
    /// If the stream or consumer does not exist, a manifest sets one of the tags to something else, a tag breaks a rule, or the API
    /// server does not do it.
    pub(super) async fn tag(&self, call: &TagResource) -> Result<(), Refusal> {
        self.change_tags(&call.stream, call.consumer.as_ref(), |tags| call.applied_to(tags)).await
    }

    /// Removes tags.
    ///
    /// # Errors
    /// If the stream or consumer does not exist, a manifest sets one of the tags, a key breaks a rule, or the API server does not do
    /// it.
    pub(super) async fn untag(&self, call: &UntagResource) -> Result<(), Refusal> {
        self.change_tags(&call.stream, call.consumer.as_ref(), |tags| call.applied_to(tags)).await
    }

    /// The tags of a stream or consumer, as the API server has them.
    ///
    /// # Errors
    /// If the stream or consumer does not exist, or the API server does not answer.
    pub(super) async fn tags(&self, call: &ListTags) -> Result<Tags, Refusal> {
        match &call.consumer {
            None => Ok(self.stream(&call.stream).await?.spec.tags.clone()),
            Some(consumer) => self.consumer_tags(&call.stream, consumer).await,
        }
    }

    async fn change_tags(
        &self,
        stream: &StreamKey,
        consumer: Option<&ConsumerKey>,
        change: impl Fn(&Tags) -> Result<Tags, Refusal>,
    ) -> Result<(), Refusal> {
        if let Some(consumer) = consumer {
            return self.change_consumer_tags(stream, consumer, change).await;
        }
        let judge = |stream: &catalog::resource::DataStream| {
            let before = &stream.spec.tags;
            Ok((changes(before, &change(before)?), ()))
        };
        self.change_spec(stream, judge).await.map(drop)
    }
}

/// The tags that turn some into others.
pub(super) fn changes(before: &Tags, after: &Tags) -> Vec<FieldChange> {
    let set = after.iter().filter(|(key, value)| before.get(*key) != Some(value));
    let set = set.map(|(key, value)| FieldChange::new(&["tags", key], value.as_str()));
    let removed = before.keys().filter(|key| !after.contains_key(*key));
    set.chain(removed.map(|key| FieldChange::new(&["tags", key], Value::Null))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_that_stay_as_they_are_are_no_change() {
        let tags = |tags: &[(&str, &str)]| -> Tags {
            tags.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()
        };
        let before = tags(&[("a", "1"), ("b", "2"), ("c", "3")]);
        assert_eq!(
            changes(&before, &tags(&[("a", "1"), ("b", "4"), ("d", "5")])),
            [
                FieldChange::new(&["tags", "b"], "4"),
                FieldChange::new(&["tags", "d"], "5"),
                FieldChange::new(&["tags", "c"], Value::Null),
            ]
        );
    }
}
