//! The operations of the Kinesis API, a file each: they decide what a request means for the streams there are,
//! and have groups and the catalog service do it.

mod create_stream;
mod delete_stream;
mod describe_stream;
mod get_records;
mod get_shard_iterator;
mod list_shards;
mod list_streams;
mod put_record;
mod put_records;
mod record_pieces;
mod shard_view;

use std::sync::Arc;

use kinesis_wire::Error;
use kinesis_wire::request::Request;

use super::Endpoint;
use super::budget::Share;
pub use record_pieces::{Piece, RecordPieces};

/// A successful answer.
pub enum Answer {
    /// There all at once.
    Whole {
        /// Its body.
        body: Vec<u8>,
        /// What it holds of a budget until it has been sent.
        share: Option<Share>,
    },
    /// Made while it is sent.
    Pieces {
        /// The first piece of its body.
        first: Piece,
        /// The others.
        rest: Box<RecordPieces>,
    },
}

impl From<Vec<u8>> for Answer {
    fn from(body: Vec<u8>) -> Self {
        Self::Whole { body, share: None }
    }
}

/// Does what a request asks.
///
/// # Errors
/// What the client is told.
pub async fn answer(endpoint: &Arc<Endpoint>, request: Request<'_>) -> Result<Answer, Error> {
    match request {
        Request::CreateStream(request) => create_stream::answer(endpoint, request).await,
        Request::DeleteStream(request) => delete_stream::answer(endpoint, request).await,
        Request::DescribeStream(request) => describe_stream::answer(endpoint, request).await,
        Request::DescribeStreamSummary(request) => describe_stream::answer_summary(endpoint, request).await,
        Request::ListStreams(request) => list_streams::answer(endpoint, request),
        Request::ListShards(request) => list_shards::answer(endpoint, request).await,
        Request::PutRecord(request) => put_record::answer(endpoint, request).await,
        Request::PutRecords(request) => put_records::answer(endpoint, request).await,
        Request::GetShardIterator(request) => get_shard_iterator::answer(endpoint, request).await,
        Request::GetRecords(request) => get_records::answer(endpoint, request).await,
    }
}
