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
use put_records::Put;
pub use record_pieces::{Piece, RecordPieces};

/// A successful answer.
pub enum Answer {
    /// There all at once.
    Whole(Piece),
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
        Self::Whole(Piece { bytes: body, permit: None })
    }
}

/// What a request has become when its body is no longer needed. Groups, which may keep it waiting, are called from here on.
pub enum Begun {
    /// All was done.
    Answered(Answer),
    /// A record is in its block.
    PutRecord(Put),
    /// Records are in their blocks.
    PutRecords(Put),
    /// It is known where to read.
    GetRecords(Box<RecordPieces>),
}

/// Begins what a request asks.
///
/// # Errors
/// What the client is told.
pub async fn begin(endpoint: &Arc<Endpoint>, request: Request<'_>) -> Result<Begun, Error> {
    let answer = match request {
        Request::PutRecord(request) => {
            return put_record::begin(endpoint, request).await.map(Begun::PutRecord);
        }
        Request::PutRecords(request) => {
            return put_records::begin(endpoint, request).await.map(Begun::PutRecords);
        }
        Request::GetRecords(request) => {
            return get_records::begin(endpoint, request).await.map(Begun::GetRecords);
        }
        Request::CreateStream(request) => create_stream::answer(endpoint, request).await,
        Request::DeleteStream(request) => delete_stream::answer(endpoint, request).await,
        Request::DescribeStream(request) => describe_stream::answer(endpoint, request).await,
        Request::DescribeStreamSummary(request) => describe_stream::answer_summary(endpoint, request).await,
        Request::ListStreams(request) => list_streams::answer(endpoint, request),
        Request::ListShards(request) => list_shards::answer(endpoint, request).await,
        Request::GetShardIterator(request) => get_shard_iterator::answer(endpoint, request).await,
    };
    answer.map(Begun::Answered)
}

impl Begun {
    /// Does the rest.
    ///
    /// # Errors
    /// What the client is told.
    pub async fn answer(self, endpoint: &Endpoint) -> Result<Answer, Error> {
        match self {
            Self::Answered(answer) => Ok(answer),
            Self::PutRecord(put) => put_record::answer(endpoint, put).await,
            Self::PutRecords(put) => Ok(put_records::answer(endpoint, put).await),
            Self::GetRecords(pieces) => pieces.answer().await,
        }
    }
}
