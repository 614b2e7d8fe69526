//! One request, from its head to its answer.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Body;
use kinesis_wire::envelope::{Envelope, JSON, Reply};
use kinesis_wire::{Operation, json};

use super::body::{self, AnswerBody, BodyError, Received};
use crate::admin::listener::Connection;
use crate::gateway::Endpoint;
use crate::gateway::operations;

static X_AMZ_TARGET: HeaderName = HeaderName::from_static("x-amz-target");
static X_AMZ_CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");

/// Answers the HTTP requests of one connection with the operations of an endpoint. Cloning shares it.
#[derive(Clone)]
pub struct KinesisService {
    endpoint: Arc<Endpoint>,
    connection: Connection,
}

/// What a request was and what became of it.
struct Done {
    /// Its head; its body too, unless there is another.
    reply: Reply,
    body: Option<AnswerBody>,
    operation: Option<Operation>,
    code: &'static str,
}

impl KinesisService {
    /// A service over this endpoint for a connection, which is ended if its client does not take its answers.
    #[must_use]
    pub fn new(endpoint: Arc<Endpoint>, connection: Connection) -> Self {
        Self { endpoint, connection }
    }

    /// Answers one request.
    pub async fn answer<B>(&self, request: Request<B>) -> Result<Response<AnswerBody>, Infallible>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let began = Instant::now();
        let (request_id, extended_request_id) = draw_ids();
        let (head, body) = request.into_parts();
        let text = |name: &HeaderName| head.headers.get(name)?.to_str().ok();
        let envelope = Envelope {
            method: head.method.as_str(),
            content_type: text(&header::CONTENT_TYPE),
            target: text(&X_AMZ_TARGET),
            content_sha256: text(&X_AMZ_CONTENT_SHA256),
            origin: text(&header::ORIGIN),
            access_control_request_headers: text(&header::ACCESS_CONTROL_REQUEST_HEADERS),
            access_control_request_method: text(&header::ACCESS_CONTROL_REQUEST_METHOD),
            request_id: &request_id,
            extended_request_id: &extended_request_id,
        };
        let done = match body::read(body, &self.endpoint.memory().bodies).await {
            Ok(body) => self.call(&envelope, body).await,
            Err(error) => self.refuse_body(&envelope, error),
        };
        self.endpoint.metrics().answered(done.operation, done.code, began.elapsed());
        Ok(response_of(done.reply, done.body, head.headers))
    }

    async fn call(&self, envelope: &Envelope<'_>, body: Received) -> Done {
        let operation = match envelope.open(&body.bytes) {
            Ok(operation) => operation,
            Err(reply) => {
                let code = if reply.status == 200 { "OK" } else { "Envelope" };
                return Done { reply, body: None, operation: None, code };
            }
        };
        let begun = match json::decode(operation, &body.bytes) {
            Ok(request) => operations::begin(&self.endpoint, request).await,
            Err(error) => Err(error),
        };
        // Records are in their blocks, for which a log's queue has a bound of its own: a log that stalls keeps no body.
        drop(body);
        let answer = match begun {
            Ok(begun) => begun.answer(&self.endpoint).await,
            Err(error) => Err(error),
        };
        let answer = match answer {
            Ok(answer) => AnswerBody::new(answer, &self.endpoint.memory().unsent, &self.connection)
                .await
                .map_err(|exhausted| self.endpoint.exhausted(exhausted)),
            Err(error) => Err(error),
        };
        match answer {
            Ok(body) => {
                let reply = envelope.success(Vec::new());
                Done { reply, body: Some(body), operation: Some(operation), code: "OK" }
            }
            Err(error) => {
                tracing::debug!(%operation, %error, "refused");
                let reply = envelope.error(&error);
                Done { reply, body: None, operation: Some(operation), code: error.code.name() }
            }
        }
    }

    /// What no operation is asked for: the body could not be read.
    fn refuse_body(&self, envelope: &Envelope<'_>, error: BodyError) -> Done {
        let (status, code) = match error {
            BodyError::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge"),
            BodyError::Slow | BodyError::Broken => (StatusCode::REQUEST_TIMEOUT, "RequestTimeout"),
            BodyError::Busy(exhausted) => {
                self.endpoint.note_exhausted(exhausted);
                (StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable")
            }
        };
        let body = format!("{{\"__type\":\"{code}\"}}").into_bytes();
        let reply = Reply { status: status.as_u16(), content_type: Some(JSON), ..envelope.success(body) };
        Done { reply, body: None, operation: None, code }
    }
}

/// The ids of a request: a UUID, and 72 bytes in base64. Of the generator in this thread: asking the kernel for them would
/// be a call more a request.
fn draw_ids() -> (String, String) {
    let (mut id, mut extended_id) = ([0; 16], [0; 72]);
    rand::fill(&mut id);
    rand::fill(&mut extended_id);
    let id = uuid::Builder::from_random_bytes(id).into_uuid();
    (id.to_string(), base64_simd::STANDARD.encode_to_string(extended_id))
}

/// The response; the request's headers are done with, and what they took in memory is used again.
fn response_of(reply: Reply, body: Option<AnswerBody>, mut headers: HeaderMap) -> Response<AnswerBody> {
    let body = body.unwrap_or_else(|| AnswerBody::small(reply.body));
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    headers.clear();
    if let Some(content_type) = reply.content_type {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    for (name, value) in reply.headers {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
    *response.headers_mut() = headers;
    response
}
