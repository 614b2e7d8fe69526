//! Follows the operator's catalog service. A gateway that starts while the service is unavailable takes the snapshot of
//! a peer.

use std::time::Duration;

use anyhow::Context as _;
use bytes::{Bytes, BytesMut};
use catalog::feed::{CatalogEvent, HEARTBEAT_SECONDS, PATH};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Body, Incoming};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;

use super::CatalogCopy;

/// A feed without a line for this long is broken.
const MAX_SILENCE: Duration = Duration::from_secs(2 * HEARTBEAT_SECONDS);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// The longest accepted line: the snapshot of a catalog of some 500,000 shards.
const MAX_LINE_BYTES: usize = 256 << 20;

/// Where the catalog comes from.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The catalog service: `http://host:port`.
    pub service: Uri,
    /// `host:port` of the gateways' own feeds; every address of the host is tried.
    pub peers: Option<String>,
}

/// Keeps a copy up to date.
#[derive(Debug)]
pub struct Follower {
    sources: Sources,
    copy: CatalogCopy,
    client: Client<HttpConnector, Empty<Bytes>>,
}

impl Follower {
    /// A follower that updates this copy.
    #[must_use]
    pub fn new(sources: Sources, copy: CatalogCopy) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        Self { sources, copy, client: Client::builder(TokioExecutor::new()).build(connector) }
    }

    /// Follows for ever. After the feed breaks it reconnects, with increasing pauses.
    pub async fn run(self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let mut has_followed = false;
            if let Err(error) = self.follow_service(&mut has_followed).await {
                let (streams, _) = self.copy.size_and_age();
                tracing::warn!(
                    error = format!("{error:#}"),
                    streams,
                    "the catalog's feed is broken; serving from the copy"
                );
            }
            if !self.copy.is_complete() {
                self.ask_peers().await;
            }
            pause = if has_followed { FIRST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
            tokio::time::sleep(pause.mul_f64(rand::random_range(0.5..1.0))).await;
        }
    }

    async fn follow_service(&self, has_followed: &mut bool) -> anyhow::Result<()> {
        let mut lines = self.open(&feed_of(&self.sources.service)?).await?;
        while let Some(event) = lines.next().await? {
            if !std::mem::replace(has_followed, true) {
                tracing::info!(source = %self.sources.service, "following the catalog");
            }
            self.copy.apply(event);
        }
        anyhow::bail!("the catalog service ended the feed")
    }

    /// Applies the snapshot of the first peer that has one.
    async fn ask_peers(&self) {
        let Some(peers) = &self.sources.peers else { return };
        let addresses = match tokio::net::lookup_host(peers.as_str()).await {
            Ok(addresses) => addresses,
            Err(error) => return tracing::warn!(peers, %error, "no address of a peer found"),
        };
        for address in addresses {
            match self.snapshot_of(&format!("http://{address}{PATH}")).await {
                Ok(snapshot) => {
                    tracing::info!(%address, "took the catalog of a peer");
                    return self.copy.apply(snapshot);
                }
                Err(error) => {
                    tracing::debug!(%address, error = format!("{error:#}"), "a peer has no catalog")
                }
            }
        }
    }

    async fn snapshot_of(&self, peer: &str) -> anyhow::Result<CatalogEvent> {
        let mut lines = self.open(&peer.parse().context("a peer's address")?).await?;
        let first = lines.next().await?.context("the feed is empty")?;
        anyhow::ensure!(
            matches!(first, CatalogEvent::Snapshot(_)),
            "the feed does not begin with a snapshot"
        );
        Ok(first)
    }

    async fn open(&self, feed: &Uri) -> anyhow::Result<Lines<Incoming>> {
        let request = Request::get(feed.clone()).body(Empty::new())?;
        let response = tokio::time::timeout(MAX_SILENCE, self.client.request(request)).await??;
        anyhow::ensure!(response.status() == StatusCode::OK, "{feed} answers {}", response.status());
        Ok(Lines::new(response.into_body()))
    }
}

fn feed_of(service: &Uri) -> anyhow::Result<Uri> {
    let authority = service.authority().context("the catalog's URL has no host")?;
    format!("http://{authority}{PATH}").parse().context("the catalog's URL")
}

/// The events of a feed's body.
struct Lines<B> {
    body: B,
    buffer: BytesMut,
    /// The length of the part of the buffer that was searched and has no line end.
    searched: usize,
}

impl<B> Lines<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    fn new(body: B) -> Self {
        Self { body, buffer: BytesMut::new(), searched: 0 }
    }

    /// The next event; `None` at the end of the feed.
    async fn next(&mut self) -> anyhow::Result<Option<CatalogEvent>> {
        loop {
            if let Some(at) = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(self.searched + at + 1);
                self.searched = 0;
                return serde_json::from_slice(&line).map(Some).context("a line of the feed");
            }
            self.searched = self.buffer.len();
            anyhow::ensure!(
                self.searched < MAX_LINE_BYTES,
                "a line of the feed has over {MAX_LINE_BYTES} bytes"
            );
            let frame =
                tokio::time::timeout(MAX_SILENCE, self.body.frame()).await.context("the feed is silent")?;
            match frame.transpose()? {
                None => return Ok(None),
                Some(frame) => self.buffer.extend_from_slice(frame.data_ref().map_or(&[], |data| data)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::StreamBody;
    use hyper::body::Frame;

    fn lines(
        chunks: &[&'static [u8]],
    ) -> Lines<impl Body<Data = Bytes, Error = std::convert::Infallible> + Unpin> {
        let frames: Vec<_> = chunks.iter().map(|chunk| Ok(Frame::data(Bytes::from_static(chunk)))).collect();
        Lines::new(StreamBody::new(futures::stream::iter(frames)))
    }

    #[tokio::test]
    async fn lines_are_assembled_from_any_chunks() {
        let mut lines = lines(&[b"\"hear", b"tbeat\"\n\"heartbeat\"", b"\n"]);
        assert_eq!(lines.next().await.unwrap(), Some(CatalogEvent::Heartbeat));
        assert_eq!(lines.next().await.unwrap(), Some(CatalogEvent::Heartbeat));
        assert_eq!(lines.next().await.unwrap(), None);
    }

    #[tokio::test]
    async fn line_that_is_not_an_event_breaks_the_feed() {
        assert!(lines(&[b"{}\n"]).next().await.is_err());
    }

    #[test]
    fn feed_of_a_service_is_its_catalog_path() {
        let feed = feed_of(&"http://operator.ns.svc:7402/".parse().unwrap()).unwrap();
        assert_eq!(feed, "http://operator.ns.svc:7402/v1/catalog");
    }
}
