//! Tags of streams, in both families of operations, and of consumers.

use std::borrow::Cow;

use catalog::StreamName;
use catalog::control::{ConsumerKey, ListTags, StreamKey, TagResource, Tags, UntagResource};
use kinesis_wire::request::{self, ResourceArn, ResourceRef};
use kinesis_wire::{Error, ErrorCode, response};

use super::Answer;
use crate::gateway::{Call, Endpoint};

/// The most tags of a page (AWS API reference, ListTagsForStream).
const MAX_PAGE: usize = 50;

/// What can have tags.
struct Resource {
    stream: StreamKey,
    consumer: Option<ConsumerKey>,
}

pub async fn add_to_stream(
    endpoint: &Endpoint,
    call: &Call<'_>,
    request: request::AddTagsToStream<'_>,
) -> Result<Answer, Error> {
    let name = call.required_name_of(&request.stream)?;
    add(endpoint, call, Resource::stream(call, &name), request.tags).await
}

pub async fn remove_from_stream(
    endpoint: &Endpoint,
    call: &Call<'_>,
    request: request::RemoveTagsFromStream<'_>,
) -> Result<Answer, Error> {
    let name = call.required_name_of(&request.stream)?;
    remove(endpoint, call, Resource::stream(call, &name), request.tag_keys).await
}

pub async fn list_for_stream(
    endpoint: &Endpoint,
    call: &Call<'_>,
    request: request::ListTagsForStream<'_>,
) -> Result<Answer, Error> {
    let name = call.required_name_of(&request.stream)?;
    let tags = list(endpoint, call, Resource::stream(call, &name)).await?;
    let limit = request.limit.map_or(MAX_PAGE, |limit| limit as usize);
    Ok(page(tags, request.exclusive_start_tag_key.as_deref(), limit).encode(call.encoding).into())
}

pub async fn tag_resource(
    endpoint: &Endpoint,
    call: &Call<'_>,
    request: request::TagResource<'_>,
) -> Result<Answer, Error> {
    add(endpoint, call, Resource::of(call, &request.resource)?, request.tags).await
}

pub async fn untag_resource(
    endpoint: &Endpoint,
    call: &Call<'_>,
    request: request::UntagResource<'_>,
) -> Result<Answer, Error> {
    remove(endpoint, call, Resource::of(call, &request.resource)?, request.tag_keys).await
}

pub async fn list_for_resource(
    endpoint: &Endpoint,
    call: &Call<'_>,
    request: ResourceRef<'_>,
) -> Result<Answer, Error> {
    let tags = list(endpoint, call, Resource::of(call, &request)?).await?;
    Ok(response::ListTagsForResource { tags: tags_of(tags) }.encode(call.encoding).into())
}

async fn add(
    endpoint: &Endpoint,
    call: &Call<'_>,
    Resource { stream, consumer }: Resource,
    tags: request::Tags<'_>,
) -> Result<Answer, Error> {
    let name = stream.name.clone();
    let tags = tags.into_iter().map(|(key, value)| (key.into_owned(), value.into_owned())).collect();
    endpoint.change(call, &name, TagResource { stream, consumer, tags }).await?;
    Ok(Vec::new().into())
}

async fn remove(
    endpoint: &Endpoint,
    call: &Call<'_>,
    Resource { stream, consumer }: Resource,
    keys: Vec<Cow<'_, str>>,
) -> Result<Answer, Error> {
    let name = stream.name.clone();
    let keys = keys.into_iter().map(Cow::into_owned).collect();
    endpoint.change(call, &name, UntagResource { stream, consumer, keys }).await?;
    Ok(Vec::new().into())
}

async fn list(
    endpoint: &Endpoint,
    call: &Call<'_>,
    Resource { stream, consumer }: Resource,
) -> Result<Tags, Error> {
    endpoint.control(call, ListTags { stream, consumer }).await
}

impl Resource {
    fn stream(call: &Call<'_>, name: &StreamName) -> Self {
        Self { stream: call.key(name), consumer: None }
    }

    /// The resource that a request names by its ARN.
    fn of(call: &Call<'_>, resource: &ResourceRef<'_>) -> Result<Self, Error> {
        match resource.parsed_arn() {
            Some(ResourceArn::Stream(arn)) => Ok(Self::stream(call, &call.name_of_arn(arn)?)),
            Some(ResourceArn::Consumer(arn)) => {
                let (name, consumer) = call.consumer_of_arn(arn)?;
                Ok(Self { stream: call.key(&name), consumer: Some(consumer) })
            }
            None => {
                let message = format!("Resource {} not found.", resource.resource_arn);
                Err(Error::new(ErrorCode::ResourceNotFoundException, message))
            }
        }
    }
}

/// The tags after a key (or from the first), at most `limit`.
fn page(tags: Tags, after: Option<&str>, limit: usize) -> response::ListTagsForStream {
    let mut following = tags_of(tags);
    following.retain(|tag| after.is_none_or(|after| tag.key.as_str() > after));
    let has_more_tags = following.len() > limit;
    following.truncate(limit);
    response::ListTagsForStream { tags: following, has_more_tags }
}

fn tags_of(tags: Tags) -> Vec<response::Tag> {
    tags.into_iter().map(|(key, value)| response::Tag { key, value }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_goes_on_after_a_key_and_says_whether_more_follow() {
        let tags: Tags = ["a", "b", "c"].map(|key| (key.into(), String::new())).into();
        let keys = |after, limit| {
            let page = page(tags.clone(), after, limit);
            (page.tags.into_iter().map(|tag| tag.key).collect::<Vec<_>>(), page.has_more_tags)
        };
        assert_eq!(keys(None, 2), (vec!["a".into(), "b".into()], true));
        assert_eq!(keys(Some("b"), 2), (vec!["c".into()], false));
        assert_eq!(keys(Some("aa"), 9), (vec!["b".into(), "c".into()], false));
    }
}
