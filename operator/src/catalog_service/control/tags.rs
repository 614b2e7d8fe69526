//! The calls on tags.

use catalog::control::{ListTags, Refusal, StreamKey, TagResource, Tags, UntagResource};
use serde_json::Value;

use super::ownership::FieldChange;
use super::{Control, not_served};

impl Control {
    /// Adds tags.
    ///
    /// # Errors
    /// If the stream does not exist, a manifest sets one of the tags to something else, a tag breaks a rule, or the API
    /// server does not do it.
    pub(super) async fn tag(&self, call: &TagResource) -> Result<(), Refusal> {
        match call.consumer {
            None => self.change_tags(&call.stream, |tags| call.applied_to(tags)).await,
            Some(_) => Err(not_served()),
        }
    }

    /// Removes tags.
    ///
    /// # Errors
    /// If the stream does not exist, a manifest sets one of the tags, a key breaks a rule, or the API server does not do
    /// it.
    pub(super) async fn untag(&self, call: &UntagResource) -> Result<(), Refusal> {
        match call.consumer {
            None => self.change_tags(&call.stream, |tags| call.applied_to(tags)).await,
            Some(_) => Err(not_served()),
        }
    }

    /// The tags of a stream, as the API server has them.
    ///
    /// # Errors
    /// If the stream does not exist, or the API server does not answer.
    pub(super) async fn tags(&self, call: &ListTags) -> Result<Tags, Refusal> {
        match call.consumer {
            None => Ok(self.stream(&call.stream).await?.spec.tags.clone()),
            Some(_) => Err(not_served()),
        }
    }

    async fn change_tags(
        &self,
        stream: &StreamKey,
        change: impl Fn(&Tags) -> Result<Tags, Refusal>,
    ) -> Result<(), Refusal> {
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
