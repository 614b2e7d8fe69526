//! ListStreams.

use kinesis_wire::{Error, ErrorCode, request, response};

use super::Answer;
use super::shard_view::{mode_of, status_of};
use crate::gateway::token::StreamPage;
use crate::gateway::{Call, Endpoint};

/// The largest Limit, and its default (AWS API reference, ListStreams).
const MAX_PAGE: usize = 100;

/// Reads the copy of the catalog, which lags behind by at most about a second once it has a snapshot.
pub fn answer(
    endpoint: &Endpoint,
    call: &Call<'_>,
    request: request::ListStreams<'_>,
) -> Result<Answer, Error> {
    let copy = endpoint.catalog().copy();
    if !copy.is_complete() {
        return Err(Error::bare(ErrorCode::InternalFailure));
    }
    let keys = endpoint.keys();
    let now_ms = endpoint.now_ms();
    let after = match (request.next_token, request.exclusive_start_stream_name) {
        (Some(token), _) => {
            let page = StreamPage::open(&token, &keys, now_ms).map_err(|_| Error::expired_next_token())?;
            page.after.parse().ok()
        }
        (None, name) => name.and_then(|name| name.parse().ok()),
    };
    let limit = request.limit.map_or(MAX_PAGE, |limit| MAX_PAGE.min(limit as usize));
    let mut streams = copy.names_after(call.scope(), after.as_ref(), limit + 1);
    let has_more_streams = streams.len() > limit;
    streams.truncate(limit);
    let last = streams.last().filter(|_| has_more_streams);
    let next_token =
        last.and_then(|last| StreamPage { created_ms: now_ms, after: last.name.to_string() }.seal(&keys));
    let summaries = streams.iter().map(|stream| response::StreamSummary {
        stream_name: stream.name.to_string(),
        stream_arn: stream.arn(call.region),
        stream_status: status_of(stream.status),
        stream_mode: mode_of(stream.mode),
        stream_creation_ms: stream.created_ms,
    });
    let answer =
        response::ListStreams { stream_summaries: summaries.collect(), has_more_streams, next_token };
    Ok(answer.encode(call.encoding).into())
}
