//! SubscribeToShard.

use std::sync::Arc;

use catalog::{SequenceNumber, Shard, ShardId, Stream};
use kinesis_wire::request::{self, ConsumerArn};
use kinesis_wire::{Encoding, Error, ErrorCode};
use tokio::time::Instant;

use super::starting_position::Start;
use super::subscription::{Course, Subject, Subscription};
use super::{Answer, Pieces};
use crate::gateway::subscriptions::{NoTurn, SubscriptionKey};
use crate::gateway::{Call, Endpoint};

/// A request whose consumer and shard were found.
pub struct Subscribing {
    stream: Arc<Stream>,
    shard: Shard,
    start: Start,
    consumer: String,
    key: SubscriptionKey,
    encoding: Encoding,
    is_dry_run: bool,
}

pub async fn prepare(
    endpoint: &Arc<Endpoint>,
    call: &Call<'_>,
    request: request::SubscribeToShard<'_>,
) -> Result<Subscribing, Error> {
    let arn = &*request.consumer_arn;
    let parsed = ConsumerArn::parse(arn).ok_or_else(|| no_consumer_arn(arn))?;
    let (name, consumer) = call.consumer_of_arn(parsed)?;
    // One text for each consumer, however it is written.
    let seconds = consumer.created_seconds.unwrap_or_default();
    let consumer_arn = format!("{}/consumer/{}:{seconds}", call.arn_of(&name), consumer.name);
    let id: ShardId = request
        .shard_id
        .parse()
        .map_err(|_| Error::shard_id_unreadable(&request.shard_id, name.as_str(), call.account_id))?;
    endpoint.check_consumer(call, &name, consumer.clone(), &consumer_arn).await?;
    let (stream, shard) = endpoint.find_shard(call, &name, id, None).await?;
    let start = Start::new(&request.position, &stream, &shard)?;
    let key = SubscriptionKey { consumer_arn, shard: id };
    let (consumer, encoding, is_dry_run) = (consumer.name, call.encoding, request.dry_run);
    Ok(Subscribing { stream, shard, start, consumer, key, encoding, is_dry_run })
}

impl Subscribing {
    /// Begins the subscription.
    ///
    /// # Errors
    /// If another one has just begun, or the group does not answer.
    pub async fn answer(self, endpoint: &Arc<Endpoint>) -> Result<Answer, Error> {
        let Self { stream, shard, start, consumer, key, encoding, is_dry_run } = self;
        let no_turn = |no_turn| match no_turn {
            NoTurn::Exclusive => {
                Error::subscription_exists(shard.id, stream.name.as_str(), &stream.account_id, &consumer)
            }
            NoTurn::TooMany => too_many(),
        };
        endpoint.subscriptions().check(&key).map_err(no_turn)?;
        let position = start.resolve(endpoint, &stream, &shard).await?;
        if is_dry_run {
            return Err(Error::dry_run_succeeded());
        }
        let route = endpoint.route(&stream, &shard.log).map_err(|refusal| endpoint.refused(&refusal))?;
        let course = Course::new(shard.clone(), position.into(), known_before(start), Instant::now());
        let subject = Subject {
            endpoint: Arc::clone(endpoint),
            stream: Arc::clone(&stream),
            consumer: consumer.clone(),
            encoding,
            route,
        };
        let records = subject.route.call(subject.follow(&course)).await;
        let records = records.map_err(|refusal| endpoint.refused(&refusal))?;
        // Nobody is taken over by a subscription that fails.
        let place = endpoint.subscriptions().begin(key).map_err(no_turn)?;
        let subscription = Subscription::new(subject, course, records, place);
        let first = subscription.initial_response();
        Ok(Answer::Pieces { first, rest: Pieces::Events(Box::new(subscription)) })
    }
}

/// The record before the first one, if the client has its number.
fn known_before(start: Start) -> Option<SequenceNumber> {
    match start {
        Start::After(number) => Some(number),
        Start::TrimHorizon | Start::At(_) | Start::Latest | Start::AtTimestamp(_) => None,
    }
}

fn no_consumer_arn(arn: &str) -> Error {
    Error::new(
        ErrorCode::InvalidArgumentException,
        format!("ConsumerARN {arn} is not the ARN of a consumer."),
    )
}

fn too_many() -> Error {
    let message = "This gateway has as many subscriptions as it can serve: try another one.";
    Error::new(ErrorCode::LimitExceededException, message)
}
