//! Serves the copy to peers that start while the catalog service is unavailable, as the same feed.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use catalog::feed::{CatalogEvent, HEARTBEAT_SECONDS, PATH};
use futures::stream::{self, Stream, StreamExt as _};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::Frame;
use tokio::sync::broadcast;

use super::CatalogCopy;
use super::copy::line_of;
use crate::admin::Excess;

/// Answers a peer's request with the feed; with 503 until a snapshot has arrived, and where its connection is one too
/// many.
pub fn serve_feed<B>(copy: &CatalogCopy, request: &Request<B>) -> Response<UnsyncBoxBody<Bytes, Infallible>> {
    if request.uri().path() != PATH || request.method() != Method::GET {
        return text(StatusCode::NOT_FOUND, "only the catalog's feed is served here\n");
    }
    if let Some(excess) = request.extensions().get::<Excess>() {
        return text(StatusCode::SERVICE_UNAVAILABLE, format!("{excess}\n"));
    }
    match copy.feed() {
        None => text(StatusCode::SERVICE_UNAVAILABLE, "no snapshot of the catalog has arrived yet\n"),
        Some(feed) => {
            let snapshot = stream::iter([feed.snapshot]);
            let frames = snapshot.chain(changes(feed.changes)).map(|line| Ok(Frame::data(line)));
            Response::new(BodyExt::boxed_unsync(StreamBody::new(frames)))
        }
    }
}

/// The changes as they come, and heartbeats in between. The feed ends if the follower falls behind: it then starts
/// again with a snapshot.
fn changes(changes: broadcast::Receiver<Bytes>) -> impl Stream<Item = Bytes> + Send {
    stream::unfold(changes, |mut changes| async move {
        let heartbeat = Duration::from_secs(HEARTBEAT_SECONDS);
        match tokio::time::timeout(heartbeat, changes.recv()).await {
            Ok(Ok(line)) => Some((line, changes)),
            Ok(Err(_lagged_or_closed)) => None,
            Err(_elapsed) => line_of(&CatalogEvent::Heartbeat).map(|line| (line, changes)),
        }
    })
}

fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<UnsyncBoxBody<Bytes, Infallible>> {
    let mut response = Response::new(Full::new(text.into()).boxed_unsync());
    *response.status_mut() = status;
    response
}
