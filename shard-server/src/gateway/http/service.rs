//! One request, from its head to its answer.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use base64_simd::Out;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Body;
use kinesis_wire::envelope::{Envelope, Reply};
use kinesis_wire::signature::Rules;
use kinesis_wire::{Error, Operation};
use uuid::fmt::Hyphenated;

use super::body::{self, AnswerBody, BodyError, Received};
use crate::admin::Excess;
use crate::gateway::authentication::Claim;
use crate::gateway::{Endpoint, operations};

/// What the extended id of a request has before it is in base64.
const EXTENDED_ID_BYTES: usize = 72;

static X_AMZ_TARGET: HeaderName = HeaderName::from_static("x-amz-target");
static X_AMZ_CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");

/// Answers HTTP requests with the operations of an endpoint. Cloning shares it.
#[derive(Clone)]
pub struct KinesisService {
    endpoint: Arc<Endpoint>,
}

/// The answer to a request, with the labels of its metrics.
struct Answered {
    /// The head, and the body if `body` has none.
    reply: Reply,
    body: Option<AnswerBody>,
    operation: Option<Operation>,
    code: &'static str,
}

impl KinesisService {
    /// Serves this endpoint. The exchange of a client that does not read its answer is ended.
    #[must_use]
    pub fn new(endpoint: Arc<Endpoint>) -> Self {
        Self { endpoint }
    }

    /// Answers one request.
    pub async fn answer<B>(&self, request: Request<B>) -> Result<Response<AnswerBody>, Infallible>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let start = Instant::now();
        let mut ids = Ids::default();
        let (request_id, extended_request_id) = ids.draw();
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
            request_id,
            extended_request_id,
        };
        let answered = if let Some(excess) = head.extensions.get::<Excess>() {
            refuse_excess(&envelope, excess)
        } else if let Err(error) = body::check_size(&body) {
            self.refuse_body(&envelope, error)
        } else if let Err(reply) = envelope.judge_head(body.is_end_stream()) {
            no_operation(reply)
        } else {
            self.receive(&envelope, &head, start, body).await
        };
        self.endpoint.metrics().answered(answered.operation, answered.code, start.elapsed());
        Ok(response_of(answered.reply, answered.body, head.headers))
    }

    /// Receives the body of a request whose head calls an operation.
    ///
    /// AWS looks for the operation before it authenticates, and so does this; but no memory is taken for the large body of
    /// a caller whose signature cannot be good.
    async fn receive<B>(&self, envelope: &Envelope<'_>, head: &Parts, start: Instant, body: B) -> Answered
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let keys = self.endpoint.access_keys();
        let region = self.endpoint.identity().signed_region();
        let rules = Rules { now_ms: self.endpoint.now_ms(), region };
        let claim = Claim::judge_head(head, keys.as_ref(), &rules);
        if let Err(error) = &claim
            && !body::is_small(&body)
        {
            return match body::discard(body).await {
                Ok(()) => unauthenticated(envelope, None, error),
                Err(error) => self.refuse_body(envelope, error),
            };
        }
        match body::read(body, &self.endpoint.memory().bodies).await {
            Ok(body) => self.call(envelope, claim, start, body).await,
            Err(error) => self.refuse_body(envelope, error),
        }
    }

    async fn call(
        &self,
        envelope: &Envelope<'_>,
        claim: Result<Claim<'_>, Error>,
        start: Instant,
        body: Received,
    ) -> Answered {
        let operation = match envelope.open(&body.bytes) {
            Ok(operation) => operation,
            Err(reply) => return no_operation(reply),
        };
        let verified = match &claim {
            Ok(claim) => claim.verify(envelope, &body.bytes),
            Err(error) => Err(error.clone()),
        };
        let caller = match verified {
            Ok(caller) => caller,
            Err(error) => return unauthenticated(envelope, Some(operation), &error),
        };
        let call = self.endpoint.identity().call(operation, envelope.encoding(), caller, start);
        let prepared = match call.encoding.decode(operation, &body.bytes) {
            Ok(request) => operations::prepare(&self.endpoint, &call, request).await,
            Err(error) => Err(error),
        };
        // The records were copied to blocks, which the queue of a log bounds: a stalled log must not keep bodies.
        drop(body);
        let answer = match prepared {
            Ok(prepared) => prepared.answer(&self.endpoint).await,
            Err(error) => Err(error),
        };
        let answer = match answer {
            Ok(answer) => {
                let reply = match answer.is_event_stream() {
                    true => envelope.event_stream(),
                    false => envelope.success(Vec::new()),
                };
                let body = AnswerBody::new(answer, &self.endpoint.memory().unsent).await;
                body.map(|body| (reply, body)).map_err(|exhausted| self.endpoint.exhausted(exhausted))
            }
            Err(error) => Err(error),
        };
        match answer {
            Ok((reply, body)) => Answered { reply, body: Some(body), operation: Some(operation), code: "OK" },
            Err(error) => {
                tracing::debug!(%operation, caller = call.caller, %error, "refused");
                let reply = envelope.error(&error);
                Answered { reply, body: None, operation: Some(operation), code: error.code.name() }
            }
        }
    }

    /// The answer to a request whose body could not be read.
    fn refuse_body(&self, envelope: &Envelope<'_>, error: BodyError) -> Answered {
        let (status, code) = match error {
            BodyError::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge"),
            BodyError::Slow | BodyError::Broken => (StatusCode::REQUEST_TIMEOUT, "RequestTimeout"),
            BodyError::Exhausted(exhausted) => {
                self.endpoint.report_exhausted(exhausted);
                (StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable")
            }
        };
        refuse(envelope, status, code, None)
    }
}

/// The answer to a request whose caller is not known.
fn unauthenticated(envelope: &Envelope<'_>, operation: Option<Operation>, error: &Error) -> Answered {
    tracing::debug!(operation = operation.map(Operation::name), %error, "not authenticated");
    Answered { reply: envelope.error(error), body: None, operation, code: error.code.name() }
}

/// The answer to a request that calls no operation.
fn no_operation(reply: Reply) -> Answered {
    let code = if reply.status == 200 { "OK" } else { "Envelope" };
    Answered { reply, body: None, operation: None, code }
}

/// The answer to a request whose connection is one too many. Its body is not read.
fn refuse_excess(envelope: &Envelope<'_>, excess: &Excess) -> Answered {
    let code = "ServiceUnavailable";
    refuse(envelope, StatusCode::SERVICE_UNAVAILABLE, code, Some(&excess.to_string()))
}

fn refuse(
    envelope: &Envelope<'_>,
    status: StatusCode,
    code: &'static str,
    message: Option<&str>,
) -> Answered {
    let reply = envelope.refusal(status.as_u16(), code, message);
    Answered { reply, body: None, operation: None, code }
}

/// Room for the ids of a request.
struct Ids {
    id: [u8; Hyphenated::LENGTH],
    extended_id: [u8; EXTENDED_ID_BYTES.div_ceil(3) * 4],
}

impl Default for Ids {
    fn default() -> Self {
        Self { id: [0; _], extended_id: [0; _] }
    }
}

impl Ids {
    /// Draws them: a UUID, and 72 bytes in base64. The thread's generator saves a system call per request.
    fn draw(&mut self) -> (&str, &str) {
        let (mut id, mut extended_id) = ([0; 16], [0; EXTENDED_ID_BYTES]);
        rand::fill(&mut id);
        rand::fill(&mut extended_id);
        let id = uuid::Builder::from_random_bytes(id).into_uuid().hyphenated();
        let extended_id =
            base64_simd::STANDARD.encode_as_str(&extended_id, Out::from_slice(&mut self.extended_id));
        (id.encode_lower(&mut self.id), extended_id)
    }
}

/// The response. It reuses the memory of the request's headers.
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
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    *response.headers_mut() = headers;
    response
}
