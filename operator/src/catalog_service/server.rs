//! The catalog service over HTTP.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use catalog::control::{ControlCall, Refusal, RefusalCode};
use catalog::feed::{self, Part};
use futures::StreamExt;
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::body::Incoming;
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use tokio::net::TcpListener;

use super::control::{Control, not_served};
use super::feed::lines;
use super::published::Published;
use super::publisher::Publisher;
use crate::admin::Metrics;
use crate::drain::Drain;
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
    drain: Drain,
}

impl Service {
    /// Serves what a publisher publishes.
    #[must_use]
    pub fn new(
        client: Client,
        settings: Arc<Settings>,
        publisher: &Publisher,
        metrics: Metrics,
        now: fn() -> Timestamp,
        drain: Drain,
    ) -> Self {
        let published = publisher.published();
        let control = Control::new(client, settings, publisher.world(), Arc::clone(&published), now);
        Self { control, published, metrics, drain }
    }

    /// Answers one request.
    pub async fn respond(&self, request: Request<Incoming>) -> Answer {
        match (request.method(), request.uri().path()) {
            (&Method::GET, feed::PATH) => self.follow(request.uri().query().unwrap_or_default()),
            (&Method::POST, _) => self.call(request).await,
            _ => plain(StatusCode::NOT_FOUND, "no such path"),
        }
    }

    fn follow(&self, query: &str) -> Answer {
        let part = match Part::of_query(query) {
            Ok(part) => part,
            Err(invalid) => return plain(StatusCode::BAD_REQUEST, invalid.to_string()),
        };
        // An empty snapshot would say that there are no streams: rather none.
        if !self.published.is_whole() {
            return plain(StatusCode::SERVICE_UNAVAILABLE, "the catalog is not whole yet: ask again");
        }
        let follower = self.metrics.follower();
        let lines = lines(Arc::clone(&self.published), part, self.drain.clone()).inspect(move |_| {
            let _counted = &follower;
        });
        let mut answer = Response::new(StreamBody::new(lines).boxed_unsync());
        let type_ = http::HeaderValue::from_static("application/jsonl");
        answer.headers_mut().insert(http::header::CONTENT_TYPE, type_);
        answer
    }

    async fn call(&self, request: Request<Incoming>) -> Answer {
        let path = request.uri().path().to_owned();
        let mut label = "other";
        let outcome = async {
            let body = read(request).await?;
            let call = ControlCall::read(&path, &body).ok_or_else(not_served)?;
            let call = call.map_err(|error| unreadable(&format!("the call makes no sense: {error}")))?;
            label = call.path().trim_start_matches("/v1/");
            let answer = self.control.call(call).await?;
            answer.to_json().map_err(|error| Refusal::new(RefusalCode::Unavailable, error.to_string()))
        };
        let late = || Refusal::new(RefusalCode::Unavailable, "the API server is slow: ask again");
        let outcome = tokio::time::timeout(CALL_TIMEOUT, outcome).await.unwrap_or_else(|_| Err(late()));
        self.metrics.control_call(label, outcome_label(outcome.as_ref().err()));
        match outcome {
            Ok(answer) => json(StatusCode::OK, answer),
            Err(refusal) => json(status(refusal.code), serde_json::to_vec(&refusal).unwrap_or_default()),
        }
    }
}

/// Serves the port until it is drained: calls that came get their answers, and followers go to another replica.
pub async fn serve(listener: TcpListener, service: Arc<Service>) {
    let drain = service.drain.clone();
    let answer = move |request| {
        let service = Arc::clone(&service);
        async move { service.respond(request).await }
    };
    listener::serve(listener, answer, drain).await;
}

async fn read(request: Request<Incoming>) -> Result<Bytes, Refusal> {
    let body = Limited::new(request.into_body(), MOST_CALL_BYTES).collect().await;
    Ok(body.map_err(|error| unreadable(&format!("the call cannot be read: {error}")))?.to_bytes())
}

fn unreadable(message: &str) -> Refusal {
    Refusal::new(RefusalCode::InvalidArgument, message)
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

fn json(status: StatusCode, json: Vec<u8>) -> Answer {
    let mut answer = plain(status, json);
    let type_ = http::HeaderValue::from_static("application/json");
    answer.headers_mut().insert(http::header::CONTENT_TYPE, type_);
    answer
}

fn plain(status: StatusCode, text: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(text.into()).boxed_unsync());
    *answer.status_mut() = status;
    answer
}
