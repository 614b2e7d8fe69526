//! Requests about tags (of streams, and of any resource) and resource policies.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{ResourceArn, StreamRef, text};
use crate::Error;
use crate::shape::Members;

/// Tags by key. Which characters are allowed, and how many tags a resource may have, no shape says.
pub type Tags<'a> = BTreeMap<Cow<'a, str>, Cow<'a, str>>;

/// Sets tags of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddTagsToStream<'a> {
    /// The stream.
    pub stream: StreamRef<'a>,
    /// Tags, 1 to 200.
    pub tags: Tags<'a>,
}

/// Removes tags of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoveTagsFromStream<'a> {
    /// The stream.
    pub stream: StreamRef<'a>,
    /// TagKeys, 1 to 50.
    pub tag_keys: Vec<Cow<'a, str>>,
}

/// Lists the tags of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListTagsForStream<'a> {
    /// The stream.
    pub stream: StreamRef<'a>,
    /// ExclusiveStartTagKey.
    pub exclusive_start_tag_key: Option<Cow<'a, str>>,
    /// Limit: 1 to 50.
    pub limit: Option<u32>,
}

/// A stream or consumer and nothing else (ListTagsForResource, GetResourcePolicy, DeleteResourcePolicy).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceRef<'a> {
    /// ResourceARN.
    pub resource_arn: Cow<'a, str>,
}

/// Sets tags of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagResource<'a> {
    /// The resource.
    pub resource: ResourceRef<'a>,
    /// Tags, 1 to 200.
    pub tags: Tags<'a>,
}

/// Removes tags of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UntagResource<'a> {
    /// The resource.
    pub resource: ResourceRef<'a>,
    /// TagKeys, 1 to 50.
    pub tag_keys: Vec<Cow<'a, str>>,
}

/// Says who may do what with a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutResourcePolicy<'a> {
    /// The resource.
    pub resource: ResourceRef<'a>,
    /// Policy, a document in JSON; it was not looked into.
    pub policy: Cow<'a, str>,
}

impl<'a> AddTagsToStream<'a> {
    pub(super) fn build(members: &mut Members<'a>) -> Result<Self, Error> {
        Ok(Self { stream: StreamRef::build(members), tags: members.take_text_map("Tags") })
    }
}

impl<'a> RemoveTagsFromStream<'a> {
    pub(super) fn build(members: &mut Members<'a>) -> Result<Self, Error> {
        Ok(Self { stream: StreamRef::build(members), tag_keys: members.take_texts("TagKeys") })
    }
}

impl<'a> ListTagsForStream<'a> {
    pub(super) fn build(members: &mut Members<'a>) -> Result<Self, Error> {
        Ok(Self {
            stream: StreamRef::build(members),
            exclusive_start_tag_key: members.take_text("ExclusiveStartTagKey"),
            limit: members.take_integer("Limit"),
        })
    }
}

impl<'a> ResourceRef<'a> {
    pub(super) fn build(members: &mut Members<'a>) -> Result<Self, Error> {
        Ok(Self { resource_arn: text(members, "ResourceARN") })
    }

    /// The parts of ResourceARN. None if it is neither a stream's nor a consumer's: there is no such resource.
    #[must_use]
    pub fn parsed_arn(&self) -> Option<ResourceArn<'_>> {
        ResourceArn::parse(&self.resource_arn)
    }
}

impl<'a> TagResource<'a> {
    pub(super) fn build(members: &mut Members<'a>) -> Result<Self, Error> {
        Ok(Self { resource: ResourceRef::build(members)?, tags: members.take_text_map("Tags") })
    }
}

impl<'a> UntagResource<'a> {
    pub(super) fn build(members: &mut Members<'a>) -> Result<Self, Error> {
        Ok(Self { resource: ResourceRef::build(members)?, tag_keys: members.take_texts("TagKeys") })
    }
}

impl<'a> PutResourcePolicy<'a> {
    pub(super) fn build(members: &mut Members<'a>) -> Result<Self, Error> {
        Ok(Self { resource: ResourceRef::build(members)?, policy: text(members, "Policy") })
    }
}
