//! The operations on registered consumers.

use catalog::StreamName;
use catalog::control::{
    Consumer, ConsumerKey, DeregisterConsumer, FindConsumer, ListConsumers, RegisterConsumer,
};
use kinesis_wire::request::{self, ConsumerRef, StreamRef};
use kinesis_wire::{Error, ErrorCode, response};

use super::Answer;
use super::list_shards::{listable, same_creation};
use crate::gateway::token::ConsumerPage;
use crate::gateway::{Call, Endpoint};

/// The most consumers of a page (AWS API reference, ListStreamConsumers).
const MAX_PAGE: usize = 100;

pub async fn register(
    endpoint: &Endpoint,
    call: &Call<'_>,
    request: request::RegisterStreamConsumer<'_>,
) -> Result<Answer, Error> {
    let name = call.required_name_of(&request.stream)?;
    let register = RegisterConsumer {
        stream: call.key(&name),
        name: request.consumer_name.into_owned(),
        tags: request.tags.into_iter().map(|(key, value)| (key.into_owned(), value.into_owned())).collect(),
    };
    let consumer = endpoint.change(call, &name, register).await?;
    let consumer = shown(&consumer, &call.arn_of(&name));
    Ok(response::RegisterStreamConsumer { consumer }.encode(call.encoding).into())
}

pub async fn deregister(
    endpoint: &Endpoint,
    call: &Call<'_>,
    request: ConsumerRef<'_>,
) -> Result<Answer, Error> {
    let (name, consumer) = named(call, &request)?;
    // Whatever has this name now is registered later.
    let arn_prefix = format!("{}/consumer/{}:", call.arn_of(&name), consumer.name);
    endpoint.change(call, &name, DeregisterConsumer { stream: call.key(&name), consumer }).await?;
    endpoint.subscriptions().forget(|arn| arn.starts_with(&arn_prefix));
    Ok(Vec::new().into())
}

pub async fn describe(
    endpoint: &Endpoint,
    call: &Call<'_>,
    request: ConsumerRef<'_>,
) -> Result<Answer, Error> {
    let (name, consumer) = named(call, &request)?;
    let consumer = endpoint.control(call, FindConsumer { stream: call.key(&name), consumer }).await?;
    let stream_arn = call.arn_of(&name);
    let consumer = shown(&consumer, &stream_arn);
    Ok(response::DescribeStreamConsumer { consumer, stream_arn }.encode(call.encoding).into())
}

pub async fn list(
    endpoint: &Endpoint,
    call: &Call<'_>,
    request: request::ListStreamConsumers<'_>,
) -> Result<Answer, Error> {
    let now_ms = endpoint.now_ms();
    let name = call.required_name_of(&request.stream)?;
    let stream = listable(endpoint, call, &name).await?;
    if request.stream_creation_ms.is_some_and(|wanted| !same_creation(wanted, stream.created_ms)) {
        return Err(Error::stream_not_found(name.as_str(), call.account_id));
    }
    let after = match request.next_token.as_deref() {
        None => None,
        Some(token) => {
            let page = ConsumerPage::open(token, &endpoint.keys(), now_ms);
            let page = page.map_err(|_| Error::expired_next_token())?;
            if page.stream_uid != stream.uid {
                let message = "NextToken is of another stream.";
                return Err(Error::new(ErrorCode::InvalidArgumentException, message));
            }
            Some(page.after)
        }
    };
    let limit = request.max_results.map_or(MAX_PAGE, |limit| MAX_PAGE.min(limit as usize));
    let list = ListConsumers { stream: call.key(&name), after, limit: limit + 1 };
    let mut consumers = endpoint.control(call, list).await?;
    let has_more = consumers.len() > limit;
    consumers.truncate(limit);
    let last = consumers.last().filter(|_| has_more);
    let next_token = last.and_then(|last| {
        let (stream_uid, after) = (stream.uid.clone(), last.name.clone());
        ConsumerPage { created_ms: now_ms, stream_uid, after }.seal(&endpoint.keys())
    });
    let stream_arn = call.arn_of(&name);
    let consumers = consumers.iter().map(|consumer| shown(consumer, &stream_arn)).collect();
    Ok(response::ListStreamConsumers { consumers, next_token }.encode(call.encoding).into())
}

/// The consumer that a request names, and its stream.
fn named(call: &Call<'_>, request: &ConsumerRef<'_>) -> Result<(StreamName, ConsumerKey), Error> {
    if let Some(arn) = request.parsed_arn() {
        return call.consumer_of_arn(arn);
    }
    let name = call.required_name_of(&StreamRef { name: None, arn: request.stream_arn.clone() })?;
    let consumer = request.name.as_deref().unwrap_or_default();
    Ok((name, ConsumerKey { name: consumer.into(), created_seconds: None }))
}

fn shown(consumer: &Consumer, stream_arn: &str) -> response::Consumer {
    response::Consumer {
        consumer_name: consumer.name.clone(),
        consumer_arn: consumer.arn(stream_arn),
        consumer_status: response::ConsumerStatus::Active,
        consumer_creation_ms: consumer.created_ms,
    }
}
