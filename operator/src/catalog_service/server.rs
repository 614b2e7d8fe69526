//! The catalog service over HTTP.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use catalog::control::{CREATE_STREAM_PATH, DELETE_STREAM_PATH, FIND_STREAM_PATH, Refusal, RefusalCode};
use catalog::feed::{self, Part};
use futures::StreamExt;
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::body::Incoming;
use kube::Client;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpListener;

use super::control::Control;
use super::feed::lines;
use super::published::Published;
use super::publisher::Publisher;
use crate::admin::Metrics;
use crate::listener;
use crate::settings::Settings;

/// The largest control call: 50 tags and a few numbers.
const MOST_CALL_BYTES: usize = 256 << 10;
/// How long a control call may take: the API server answers in it, or somebody else is asked.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

/// What the port needs.
pub struct Service {
    control: Control,
    published: Arc<Published>,
    metrics: Metrics,
}

impl Service {
    /// Serves what a publisher publishes.
    #[must_use]
    pub fn new(client: Client, settings: Arc<Settings>, publisher: &Publisher, metrics: Metrics) -> Self {
        let published = publisher.published();
        Self { control: Control::new(client, settings, Arc::clone(&published)), published, metrics }
    }

    /// Answers one request.
    pub async fn respond(&self, request: Request<Incoming>) -> Answer {
        match (request.method(), request.uri().path()) {
            (&Method::GET, feed::PATH) => self.follow(request.uri().query().unwrap_or_default()),
            (&Method::POST, CREATE_STREAM_PATH) => {
                self.call("create", request, async |call| self.control.create(&call).await).await
            }
            (&Method::POST, DELETE_STREAM_PATH) => {
                self.call("delete", request, async |call| self.control.delete(&call).await).await
            }
            (&Method::POST, FIND_STREAM_PATH) => {
                self.call("find", request, async |call| self.control.find(&call).await).await
            }
            (&Method::POST, _) => {
                let not_served =
                    Refusal::new(RefusalCode::NotServed, "this operator does not serve the call yet");
                self.metrics.control_call("other", outcome_label(Some(&not_served)));
                json(status(not_served.code), &not_served)
            }
            _ => plain(StatusCode::NOT_FOUND, "no such path".into()),
        }
    }

    fn follow(&self, query: &str) -> Answer {
        let part = match Part::of_query(query) {
            Ok(part) => part,
            Err(invalid) => return plain(StatusCode::BAD_REQUEST, invalid.to_string()),
        };
        // An empty snapshot would say that there are no streams: rather none.
        if !self.published.is_whole() {
            return plain(StatusCode::SERVICE_UNAVAILABLE, "the catalog is not whole yet: ask again".into());
        }
        let follower = self.metrics.follower();
        let lines = lines(Arc::clone(&self.published), part).inspect(move |_| {
            let _counted = &follower;
        });
        let mut answer = Response::new(StreamBody::new(lines).boxed_unsync());
        let type_ = http::HeaderValue::from_static("application/jsonl");
        answer.headers_mut().insert(http::header::CONTENT_TYPE, type_);
        answer
    }

    async fn call<Call: DeserializeOwned, Outcome: Serialize>(
        &self,
        name: &'static str,
        request: Request<Incoming>,
        answer: impl AsyncFnOnce(Call) -> Result<Outcome, Refusal>,
    ) -> Answer {
        let outcome = async {
            let call = read(request).await?;
            answer(call).await
        };
        let late = || Refusal {
            code: RefusalCode::Unavailable,
            message: "the API server is slow: ask again".into(),
        };
        let outcome = tokio::time::timeout(CALL_TIMEOUT, outcome).await.unwrap_or_else(|_| Err(late()));
        self.metrics.control_call(name, outcome_label(outcome.as_ref().err()));
        match outcome {
            Ok(outcome) => json(StatusCode::OK, &outcome),
            Err(refusal) => json(status(refusal.code), &refusal),
        }
    }
}

/// Serves the port for as long as it is polled.
pub async fn serve(listener: TcpListener, service: Arc<Service>) {
    let answer = move |request| {
        let service = Arc::clone(&service);
        async move { service.respond(request).await }
    };
    listener::serve(listener, answer).await;
}

async fn read<Call: DeserializeOwned>(request: Request<Incoming>) -> Result<Call, Refusal> {
    let unreadable = |message| Refusal { code: RefusalCode::InvalidArgument, message };
    let body = Limited::new(request.into_body(), MOST_CALL_BYTES).collect().await;
    let body = body.map_err(|error| unreadable(format!("the call cannot be read: {error}")))?.to_bytes();
    serde_json::from_slice(&body).map_err(|error| unreadable(format!("the call makes no sense: {error}")))
}

fn status(code: RefusalCode) -> StatusCode {
    match code {
        RefusalCode::ResourceInUse => StatusCode::CONFLICT,
        RefusalCode::ResourceNotFound => StatusCode::NOT_FOUND,
        RefusalCode::InvalidArgument | RefusalCode::NotServed => StatusCode::BAD_REQUEST,
        RefusalCode::LimitExceeded => StatusCode::TOO_MANY_REQUESTS,
        RefusalCode::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    }
}

fn outcome_label(refusal: Option<&Refusal>) -> &'static str {
    match refusal.map(|refusal| refusal.code) {
        None => "success",
        Some(RefusalCode::ResourceInUse) => "in_use",
        Some(RefusalCode::ResourceNotFound) => "not_found",
        Some(RefusalCode::InvalidArgument) => "invalid",
        Some(RefusalCode::LimitExceeded) => "limit",
        Some(RefusalCode::NotServed) => "not_served",
        Some(RefusalCode::Unavailable) => "unavailable",
    }
}

fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    let mut answer = plain(status, serde_json::to_string(value).unwrap_or_default());
    let type_ = http::HeaderValue::from_static("application/json");
    answer.headers_mut().insert(http::header::CONTENT_TYPE, type_);
    answer
}

fn plain(status: StatusCode, text: String) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(text)).boxed_unsync());
    *answer.status_mut() = status;
    answer
}
