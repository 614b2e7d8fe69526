//! The operations of the Kinesis API, a file each. They translate requests to calls of shard groups and of the catalog
//! service.

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

use super::{Call, Endpoint};
use put_records::Put;
pub use record_pieces::{Piece, RecordPieces};

/// A successful answer.
pub enum Answer {
    /// Complete.
    Whole(Piece),
    /// Produced while it is sent.
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
        Request::CreateStream(request) => create_stream::answer(endpoint, call, request).await,
        Request::DeleteStream(request) => delete_stream::answer(endpoint, call, request).await,
        Request::DescribeStream(request) => describe_stream::answer(endpoint, call, request).await,
        Request::DescribeStreamSummary(request) => {
            describe_stream::answer_summary(endpoint, call, request).await
        }
        Request::ListStreams(request) => list_streams::answer(endpoint, call, request),
        Request::ListShards(request) => list_shards::answer(endpoint, call, request).await,
        Request::GetShardIterator(request) => get_shard_iterator::answer(endpoint, call, request).await,
        other => Err(Error::not_served_yet(other.operation())),
    };
    answer.map(Prepared::Answered)
}

impl Prepared {
    /// Completes the request.
    ///
    /// # Errors
    /// The error for the client.
    pub async fn answer(self, endpoint: &Endpoint) -> Result<Answer, Error> {
        match self {
            Self::Answered(answer) => Ok(answer),
            Self::PutRecord(put) => put_record::answer(endpoint, put).await,
            Self::PutRecords(put) => Ok(put_records::answer(endpoint, put).await),
            Self::GetRecords(pieces) => pieces.answer().await,
        }
    }
}
