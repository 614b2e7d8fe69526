//! Streams as the API server has them now, for questions that a late copy must not answer.

use std::sync::Arc;
use std::time::Duration;

use catalog::resource::{DataStream, Shard};
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::names::STREAM_UID_LABEL;
use crate::settings::Settings;

/// How often all streams are listed at most for names that nobody knows.
const LOOKUP_PERIOD: Duration = Duration::from_secs(1);

/// Streams, in no order.
pub type Streams = Vec<Arc<DataStream>>;

/// Streams, and when they were asked for.
type Answer = Option<(Instant, Arc<Streams>)>;

/// Asks the API server for all streams; those who ask at the same time share the answer.
pub struct Live {
    client: Client,
    settings: Arc<Settings>,
    changes: Mutex<Answer>,
    lookups: Mutex<Answer>,
}

impl Live {
    /// Asks through this client.
    #[must_use]
    pub fn new(client: Client, settings: Arc<Settings>) -> Self {
        Self { client, settings, changes: Mutex::default(), lookups: Mutex::default() }
    }

    /// Every stream of every watched namespace, asked for after this call began; for a call that changes something.
    ///
    /// # Errors
    /// If the API server does not answer.
    pub async fn streams(&self) -> Result<Arc<Streams>, kube::Error> {
        self.shared(&self.changes, Duration::ZERO).await
    }

    /// The same for a name that the copy does not have; at most once a [`LOOKUP_PERIOD`], however many ask for however
    /// many names.
    ///
    /// The answer must be newer than the question, because another replica may just have created the stream; and no
    /// cheaper question tells whether the copy is: its resource version is that of the last stream that changed, and
    /// the API server's counts every change in the cluster. So who asks waits for the next list, which a whole crowd
    /// shares.
    ///
    /// # Errors
    /// If the API server does not answer.
    pub async fn streams_for_lookup(&self) -> Result<Arc<Streams>, kube::Error> {
        self.shared(&self.lookups, LOOKUP_PERIOD).await
    }

    async fn shared(&self, last: &Mutex<Answer>, period: Duration) -> Result<Arc<Streams>, kube::Error> {
        let asked = Instant::now();
        let mut last = last.lock().await;
        if let Some((began, streams)) = &*last {
            if *began >= asked {
                return Ok(Arc::clone(streams));
            }
            tokio::time::sleep_until(*began + period).await;
        }
        let began = Instant::now();
        let streams = Arc::new(self.list().await?);
        *last = Some((began, Arc::clone(&streams)));
        Ok(streams)
    }

    async fn list(&self) -> Result<Streams, kube::Error> {
        let mut streams = Vec::new();
        for scope in self.settings.scopes() {
            let api: Api<DataStream> = match &scope {
                Some(namespace) => Api::namespaced(self.client.clone(), namespace),
                None => Api::all(self.client.clone()),
            };
            streams.extend(api.list(&ListParams::default()).await?.items.into_iter().map(Arc::new));
        }
        Ok(streams)
    }

    /// The shards of a stream.
    ///
    /// # Errors
    /// If the API server does not answer.
    pub async fn shards(&self, stream: &DataStream) -> Result<Vec<Arc<Shard>>, kube::Error> {
        let api: Api<Shard> = Api::namespaced(self.client.clone(), &stream.namespace().unwrap_or_default());
        let selector = format!("{STREAM_UID_LABEL}={}", stream.uid().unwrap_or_default());
        Ok(api
            .list(&ListParams::default().labels(&selector))
            .await?
            .items
            .into_iter()
            .map(Arc::new)
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use clap::Parser;
    use http::{Request, Response};
    use kube::client::Body;

    use super::*;
    use crate::cli::{Cli, Command};

    /// An API server without streams, that counts how often it is asked.
    fn live() -> (Arc<AtomicUsize>, Live) {
        let (service, mut handle) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Some((_, send)) = handle.next_request().await {
                counted.fetch_add(1, Ordering::Relaxed);
                let list = br#"{"apiVersion": "v1", "kind": "List", "metadata": {}, "items": []}"#;
                send.send_response(Response::new(Body::from(list.to_vec())));
            }
        });
        let arguments =
            ["operator", "run", "--release=kinetes", "--namespace=kinetes-system", "--shard-server-image=x"];
        let Command::Run(settings) = Cli::parse_from(arguments).command else { unreachable!("it says run") };
        (asked, Live::new(Client::new(service, "default"), Arc::new(*settings)))
    }

    #[tokio::test(start_paused = true)]
    async fn unknown_names_cost_the_api_server_one_list_a_second_however_many_ask() {
        let (asked, live) = live();
        let end = Instant::now() + 10 * LOOKUP_PERIOD;
        let one_asks = async || {
            while Instant::now() < end {
                live.streams_for_lookup().await.unwrap();
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        futures::future::join_all((0..50).map(|_| one_asks())).await;
        let asked = asked.load(Ordering::Relaxed);
        assert!((2..=11).contains(&asked), "{asked}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_newer_than_its_question() {
        let (asked, live) = live();
        for question in 1..=3 {
            live.streams_for_lookup().await.unwrap();
            live.streams().await.unwrap();
            assert_eq!(asked.load(Ordering::Relaxed), 2 * question);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}
