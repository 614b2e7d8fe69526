//! Serves the copy to peers that start while the catalog service is unavailable, as the same feed.

use std::convert::Infallible;
use std::iter;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use catalog::feed::{CatalogEvent, HEARTBEAT_SECONDS, PATH};
use futures::stream::{self, Stream, StreamExt as _};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::Frame;
use tokio::sync::{OwnedSemaphorePermit, broadcast};
use tokio::task::JoinSet;

use super::CatalogCopy;
use super::copy::line_of;
use super::snapshot::Snapshot;
use crate::admin::{Excess, Exchange};

/// How long a follower may take to receive a snapshot: others may wait until it is gone.
const SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(60);

/// A snapshot for one follower, whose feed ends if it is not sent in time.
struct SnapshotInTime {
    snapshot: Arc<Snapshot>,
    _timeout: JoinSet<()>,
}

/// Answers a peer's request with the feed; with 503 until a snapshot has arrived, and where its connection or feed is one
/// too many.
pub async fn serve_feed<B>(
    copy: &CatalogCopy,
    request: &Request<B>,
) -> Response<UnsyncBoxBody<Bytes, Infallible>> {
    if request.uri().path() != PATH || request.method() != Method::GET {
        return text(StatusCode::NOT_FOUND, "only the catalog's feed is served here\n");
    }
    if let Some(excess) = request.extensions().get::<Excess>() {
        return text(StatusCode::SERVICE_UNAVAILABLE, format!("{excess}\n"));
    }
    match copy.feed().await {
        Err(none) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{none}\n")),
        Ok(feed) => {
            let first = Bytes::from_owner(SnapshotInTime::new(feed.snapshot));
            let first = stream::iter(iter::once(first).chain(feed.since));
            let frames = first.chain(changes(feed.changes, feed.permit)).map(|line| Ok(Frame::data(line)));
            Response::new(BodyExt::boxed_unsync(StreamBody::new(frames)))
        }
    }
}

/// The changes as they come, and heartbeats in between. The feed ends if the follower falls behind: it then starts
/// again with a snapshot. It is counted until then.
fn changes(
    changes: broadcast::Receiver<Bytes>,
    permit: OwnedSemaphorePermit,
) -> impl Stream<Item = Bytes> + Send {
    stream::unfold((changes, permit), |(mut changes, permit)| async move {
        let heartbeat = Duration::from_secs(HEARTBEAT_SECONDS);
        match tokio::time::timeout(heartbeat, changes.recv()).await {
            Ok(Ok(line)) => Some((line, (changes, permit))),
            Ok(Err(_lagged_or_closed)) => None,
            Err(_elapsed) => line_of(&CatalogEvent::Heartbeat).map(|line| (line, (changes, permit))),
        }
    })
}

fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<UnsyncBoxBody<Bytes, Infallible>> {
    let mut response = Response::new(Full::new(text.into()).boxed_unsync());
    *response.status_mut() = status;
    response
}

impl SnapshotInTime {
    fn new(snapshot: Arc<Snapshot>) -> Self {
        let mut timeout = JoinSet::new();
        if let Some(exchange) = Exchange::current() {
            timeout.spawn(async move {
                tokio::time::sleep(SNAPSHOT_TIMEOUT).await;
                exchange.end();
            });
        }
        Self { snapshot, _timeout: timeout }
    }
}

impl AsRef<[u8]> for SnapshotInTime {
    fn as_ref(&self) -> &[u8] {
        (*self.snapshot).as_ref()
    }
}

#[cfg(test)]
mod tests {
    use futures::future::Abortable;

    use super::*;
    use crate::gateway::testing::stream;

    #[tokio::test(start_paused = true)]
    async fn feed_of_a_follower_that_does_not_take_its_snapshot_is_ended() {
        let copy = CatalogCopy::default();
        copy.apply(CatalogEvent::Snapshot(vec![stream("orders")]));
        let request = Request::get(PATH).body(()).unwrap();
        for takes in [true, false] {
            let (exchange, registration) = Exchange::of_connection();
            let mut body = exchange.run(serve_feed(&copy, &request)).await.into_body();
            let snapshot = body.frame().await.unwrap().unwrap();
            let kept = (!takes).then_some(snapshot);
            let sleep = Abortable::new(tokio::time::sleep(2 * SNAPSHOT_TIMEOUT), registration);
            assert_eq!(sleep.await.is_ok(), takes);
            drop(kept);
        }
    }
}
