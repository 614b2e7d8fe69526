//! Tags and resource policies as the API shows them.

use super::Body;
use crate::writer::Writer;

/// A tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// Key.
    pub key: String,
    /// Value, may be empty.
    pub value: String,
}

/// The answer to ListTagsForStream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListTagsForStream {
    /// Tags, sorted by key.
    pub tags: Vec<Tag>,
    /// HasMoreTags.
    pub has_more_tags: bool,
}

/// The answer to ListTagsForResource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListTagsForResource {
    /// Tags, sorted by key.
    pub tags: Vec<Tag>,
}

/// The answer to GetResourcePolicy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetResourcePolicy {
    /// Policy. There always is one: `{}` stands for none.
    pub policy: String,
}

impl Body for ListTagsForStream {
    fn write(&self, writer: &mut impl Writer) {
        writer.map(|writer| {
            write_tags(&self.tags, writer);
            writer.boolean_member("HasMoreTags", self.has_more_tags);
        });
    }
}

impl Body for ListTagsForResource {
    fn write(&self, writer: &mut impl Writer) {
        writer.map(|writer| write_tags(&self.tags, writer));
    }
}

impl Body for GetResourcePolicy {
    fn write(&self, writer: &mut impl Writer) {
        writer.map(|writer| writer.text_member("Policy", &self.policy));
    }
}

/// The member Tags.
fn write_tags(tags: &[Tag], writer: &mut impl Writer) {
    writer.list_member("Tags", tags, |writer, tag| {
        writer.map(|writer| {
            writer.text_member("Key", &tag.key);
            writer.text_member("Value", &tag.value);
        });
    });
}
