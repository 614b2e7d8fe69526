//! The operations of the Kinesis API, a file each. They translate requests to calls of shard groups and of the catalog
//! service.

mod account;
mod change_shards;
mod consumers;
mod create_stream;
mod delete_stream;
mod describe_stream;
mod frame_records;
mod get_records;
mod get_shard_iterator;
mod list_shards;
mod list_streams;
mod put_record;
mod put_records;
mod record_pieces;
mod runs;
mod shard_view;
mod starting_position;
mod stream_settings;
mod subscribe_to_shard;
mod subscription;
mod tags;

use std::sync::Arc;

use kinesis_wire::request::Request;
use kinesis_wire::{Error, response};

use super::{Call, Endpoint};
use put_records::Put;
pub use record_pieces::{Piece, RecordPieces};
pub use subscribe_to_shard::Subscribing;
pub use subscription::Subscription;

/// A successful answer.
pub enum Answer {
    /// Complete.
    Whole(Piece),
    /// Produced while it is sent.
    Pieces {
        /// The first piece of its body.
        first: Piece,
        /// The others.
        rest: Pieces,
    },
}

/// Produces the pieces of an answer.
pub enum Pieces {
    /// Of GetRecords.
    Records(Box<RecordPieces>),
    /// Of SubscribeToShard: an event stream.
    Events(Box<Subscription>),
}

impl Answer {
    /// Whether it is an event stream.
    #[must_use]
    pub fn is_event_stream(&self) -> bool {
        matches!(self, Self::Pieces { rest: Pieces::Events(_), .. })
    }
}

impl Pieces {
    /// The next piece; `None` after the last.
    pub async fn next(&mut self) -> Option<Piece> {
        match self {
            Self::Records(pieces) => pieces.next().await,
            Self::Events(subscription) => subscription.next().await,
        }
    }
}

impl From<Vec<u8>> for Answer {
    fn from(body: Vec<u8>) -> Self {
        Self::Whole(Piece { bytes: body, permit: None })
    }
}

/// A request whose body is no longer needed. Only from here on it calls groups, which may let it wait.
pub enum Prepared {
    /// The request is complete.
    Answered(Answer),
    /// The record is in a block.
    PutRecord(Put),
    /// The records are in blocks.
    PutRecords(Put),
    /// The position of the read is known.
    GetRecords(Box<RecordPieces>),
    /// The consumer and the shard are known.
    SubscribeToShard(Box<Subscribing>),
}

/// Prepares a request, up to its calls of groups.
///
/// # Errors
/// The error for the client.
pub async fn prepare(
    endpoint: &Arc<Endpoint>,
    call: &Call<'_>,
    request: Request<'_>,
) -> Result<Prepared, Error> {
    let answer = match request {
        Request::PutRecord(request) => {
            return put_record::prepare(endpoint, call, request).await.map(Prepared::PutRecord);
        }
        Request::PutRecords(request) => {
            return put_records::prepare(endpoint, call, request).await.map(Prepared::PutRecords);
        }
        Request::GetRecords(request) => {
            return get_records::prepare(endpoint, call, request).await.map(Prepared::GetRecords);
        }
        Request::SubscribeToShard(request) => {
            let subscribing = subscribe_to_shard::prepare(endpoint, call, request).await?;
            return Ok(Prepared::SubscribeToShard(Box::new(subscribing)));
        }
        Request::AddTagsToStream(request) => tags::add_to_stream(endpoint, call, request).await,
        Request::CreateStream(request) => create_stream::answer(endpoint, call, request).await,
        Request::DecreaseStreamRetentionPeriod(request) => {
            stream_settings::decrease_retention(endpoint, call, request).await
        }
        Request::DeleteStream(request) => delete_stream::answer(endpoint, call, request).await,
        Request::DeregisterStreamConsumer(request) => consumers::deregister(endpoint, call, request).await,
        Request::DescribeAccountSettings => account::describe_settings(endpoint, call).await,
        Request::DescribeLimits => account::describe_limits(endpoint, call).await,
        Request::DescribeStream(request) => describe_stream::answer(endpoint, call, request).await,
        Request::DescribeStreamConsumer(request) => consumers::describe(endpoint, call, request).await,
        Request::DescribeStreamSummary(request) => {
            describe_stream::answer_summary(endpoint, call, request).await
        }
        Request::DisableEnhancedMonitoring(request) => {
            stream_settings::disable_monitoring(endpoint, call, request).await
        }
        Request::EnableEnhancedMonitoring(request) => {
            stream_settings::enable_monitoring(endpoint, call, request).await
        }
        Request::GetShardIterator(request) => get_shard_iterator::answer(endpoint, call, request).await,
        Request::IncreaseStreamRetentionPeriod(request) => {
            stream_settings::increase_retention(endpoint, call, request).await
        }
        Request::ListChannels => Ok(response::ListChannels.encode(call.encoding).into()),
        Request::ListQueues => Ok(response::ListQueues.encode(call.encoding).into()),
        Request::ListShards(request) => list_shards::answer(endpoint, call, request).await,
        Request::ListStreamConsumers(request) => consumers::list(endpoint, call, request).await,
        Request::ListStreams(request) => list_streams::answer(endpoint, call, request),
        Request::ListTagsForResource(request) => tags::list_for_resource(endpoint, call, request).await,
        Request::ListTagsForStream(request) => tags::list_for_stream(endpoint, call, request).await,
        Request::MergeShards(request) => change_shards::merge(endpoint, call, request).await,
        Request::RegisterStreamConsumer(request) => consumers::register(endpoint, call, request).await,
        Request::RemoveTagsFromStream(request) => tags::remove_from_stream(endpoint, call, request).await,
        Request::SplitShard(request) => change_shards::split(endpoint, call, request).await,
        Request::TagResource(request) => tags::tag_resource(endpoint, call, request).await,
        Request::UntagResource(request) => tags::untag_resource(endpoint, call, request).await,
        Request::UpdateAccountSettings(request) => account::update_settings(endpoint, call, request).await,
        Request::UpdateMaxRecordSize(request) => {
            stream_settings::update_max_record_size(endpoint, call, request).await
        }
        Request::UpdateShardCount(request) => change_shards::update_count(endpoint, call, request).await,
        Request::UpdateStreamMode(request) => stream_settings::update_mode(endpoint, call, request).await,
        Request::UpdateStreamRecordDistributionStrategy(request) => {
            stream_settings::update_record_distribution(endpoint, call, request).await
        }
        Request::UpdateStreamWarmThroughput(request) => {
            stream_settings::update_warm_throughput(endpoint, call, request).await
        }
        Request::DeleteResourcePolicy(_)
        | Request::GetResourcePolicy(_)
        | Request::PutResourcePolicy(_)
        | Request::StartStreamEncryption(_)
        | Request::StopStreamEncryption(_) => Err(Error::not_served_yet(call.operation)),
    };
    answer.map(Prepared::Answered)
}

impl Prepared {
    /// Completes the request.
    ///
    /// # Errors
    /// The error for the client.
    pub async fn answer(self, endpoint: &Arc<Endpoint>) -> Result<Answer, Error> {
        match self {
            Self::Answered(answer) => Ok(answer),
            Self::PutRecord(put) => put_record::answer(endpoint, put).await,
            Self::PutRecords(put) => Ok(put_records::answer(endpoint, put).await),
            Self::GetRecords(pieces) => pieces.answer().await,
            Self::SubscribeToShard(subscribing) => subscribing.answer(endpoint).await,
        }
    }
}
