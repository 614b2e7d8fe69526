//! ListShards: lists a stream's shards. All pages of a listing show one snapshot.

use std::sync::Arc;

use catalog::{ShardId, Stream, StreamName, StreamStatus};
use kinesis_wire::request::{self, ShardFilter as FilterRequest};
use kinesis_wire::{Error, ErrorCode, response};

use super::Answer;
use super::shard_view::{shard_of, status_of};
use crate::gateway::shard_filter::{self, ShardFilter};
use crate::gateway::token::ShardPage;
use crate::gateway::{Call, Endpoint};

/// The most shards of a page (AWS API reference, ListShards).
const MAX_PAGE: usize = 1_000;

/// A listing, and where its next page begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Listing {
    /// The newest shard of the snapshot.
    newest: ShardId,
    /// The last shard of the previous page, or the exclusive start.
    after: Option<ShardId>,
    filter: ShardFilter,
}

pub async fn answer(
    endpoint: &Endpoint,
    call: &Call<'_>,
    request: request::ListShards<'_>,
) -> Result<Answer, Error> {
    let now_ms = endpoint.now_ms();
    let limit = request.max_results.map_or(MAX_PAGE, |limit| MAX_PAGE.min(limit as usize));
    let (stream, listing) = match &request.next_token {
        Some(token) => continue_listing(endpoint, call, token, &request, now_ms).await?,
        None => begin_listing(endpoint, call, &request).await?,
    };
    let (shards, last) = page(&stream, listing, limit);
    let next_token = last.and_then(|after| {
        let page = ShardPage {
            created_ms: now_ms,
            stream_uid: stream.uid.clone(),
            stream_name: stream.name.to_string(),
            newest: listing.newest,
            after,
            filter: listing.filter,
        };
        page.seal(&endpoint.keys())
    });
    Ok(response::ListShards { shards, next_token }.encode(call.encoding).into())
}

async fn begin_listing(
    endpoint: &Endpoint,
    call: &Call<'_>,
    request: &request::ListShards<'_>,
) -> Result<(Arc<Stream>, Listing), Error> {
    let name = call.required_name_of(&request.stream)?;
    let stream = listable(endpoint, call, &name).await?;
    if request.stream_creation_ms.is_some_and(|wanted| !same_creation(wanted, stream.created_ms)) {
        return Err(Error::stream_not_found(name.as_str(), call.account_id));
    }
    let parse =
        |id: &str| id.parse().map_err(|_| Error::shard_id_unreadable(id, name.as_str(), call.account_id));
    let filter = match &request.filter {
        None | Some(FilterRequest::FromTrimHorizon) => ShardFilter::All,
        Some(FilterRequest::AfterShardId(id)) => ShardFilter::After(parse(id)?),
        Some(FilterRequest::AtLatest) => ShardFilter::AtLatest,
        Some(FilterRequest::AtTrimHorizon) => ShardFilter::At(0),
        Some(FilterRequest::AtTimestamp(ms)) => ShardFilter::At(seconds(*ms)),
        Some(FilterRequest::FromTimestamp(ms)) => ShardFilter::From(seconds(*ms)),
    };
    let after = request.exclusive_start_shard_id.as_deref().map(parse).transpose()?;
    let newest = shard_filter::shown(&stream.shards).last().map(|shown| shown.shard.id);
    let newest = newest.ok_or_else(|| Error::bare(ErrorCode::InternalFailure))?;
    Ok((stream, Listing { newest, after, filter }))
}

async fn continue_listing(
    endpoint: &Endpoint,
    call: &Call<'_>,
    token: &str,
    request: &request::ListShards<'_>,
    now_ms: u64,
) -> Result<(Arc<Stream>, Listing), Error> {
    let page = ShardPage::open(token, &endpoint.keys(), now_ms).map_err(|_| Error::expired_next_token())?;
    if call.name_of(&request.stream)?.is_some_and(|name| name.as_str() != page.stream_name) {
        return Err(Error::new(ErrorCode::InvalidArgumentException, "NextToken is of another stream."));
    }
    let name: StreamName = page.stream_name.parse().map_err(|_| Error::expired_next_token())?;
    let stream = listable(endpoint, call, &name).await?;
    if stream.uid != page.stream_uid {
        return Err(Error::stream_not_found(name.as_str(), call.account_id));
    }
    Ok((stream, Listing { newest: page.newest, after: Some(page.after), filter: page.filter }))
}

/// A stream whose shards can be listed. A consumer would take an empty list for the end of the stream.
pub(super) async fn listable(
    endpoint: &Endpoint,
    call: &Call<'_>,
    name: &StreamName,
) -> Result<Arc<Stream>, Error> {
    let stream = endpoint.find_newest(call, name).await?;
    match stream.status {
        StreamStatus::Active | StreamStatus::Updating => Ok(stream),
        StreamStatus::Creating | StreamStatus::Deleting => {
            let status = status_of(stream.status).name();
            Err(Error::stream_not_active(name.as_str(), call.account_id, status))
        }
    }
}

/// One page, and its last shard if more pages follow.
fn page(stream: &Stream, listing: Listing, limit: usize) -> (Vec<response::Shard>, Option<ShardId>) {
    let shown = shard_filter::shown_up_to(&stream.shards, listing.newest);
    let mut passing = listing.filter.apply(&shown);
    passing.retain(|shown| listing.after.is_none_or(|after| shown.shard.id > after));
    let has_more = passing.len() > limit;
    passing.truncate(limit);
    let last = passing.last().filter(|_| has_more).map(|shown| shown.shard.id);
    (passing.iter().map(shard_of).collect(), last)
}

/// Clients send the creation time back as a floating-point number of seconds.
pub(super) fn same_creation(wanted_ms: i64, created_ms: i64) -> bool {
    wanted_ms.abs_diff(created_ms) < 1_000
}

/// A timestamp of the client in seconds since 1970; an earlier one is 1970.
fn seconds(timestamp_ms: i64) -> u64 {
    u64::try_from(timestamp_ms).unwrap_or(0) / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::testing::stream;

    fn id(index: u32) -> ShardId {
        ShardId::new(index).unwrap()
    }

    #[test]
    fn pages_end_at_the_limit_and_the_last_page_has_no_successor() {
        let stream = stream("orders");
        let listing = Listing { newest: id(3), after: None, filter: ShardFilter::All };
        let (first, last) = page(&stream, listing, 3);
        assert_eq!((first.len(), last), (3, Some(id(2))));
        let (second, last) = page(&stream, Listing { after: last, ..listing }, 3);
        assert_eq!((second.len(), last), (1, None));
    }

    #[test]
    fn shard_created_after_the_listing_began_is_not_listed() {
        let listing = Listing { newest: id(1), after: None, filter: ShardFilter::All };
        assert_eq!(page(&stream("orders"), listing, 10).0.len(), 2);
    }

    #[test]
    fn creation_time_matches_without_its_milliseconds() {
        assert!(same_creation(1_700_000_000_000, 1_700_000_000_999));
        assert!(!same_creation(1_700_000_000_000, 1_700_000_001_000));
    }
}
