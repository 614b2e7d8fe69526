//! Answers the requests of the internal protocol.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use catalog::member::{ACCEPT_LOSS_PATH, BOOTSTRAP_PATH, MemberStatus, RETENTION_PATH, STATUS_PATH};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use serde::de::DeserializeOwned;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::protocol::Refusal;
use crate::shard::Group;
use crate::shard::body::Pieces;
use crate::shard::wire::{self, Message};

/// The largest bootstrap, as JSON.
const MAX_BOOTSTRAP_BYTES: usize = 4 << 20;
/// The largest other call of the operator, as JSON.
const MAX_CALL_BYTES: usize = 64 << 10;
/// The bytes of all request bodies that are in memory before they are answered.
const MAX_BODIES_BYTES: usize = 128 << 20;
/// How long a caller may take to send a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Serves one group.
pub struct Service {
    group: Group,
    room: Arc<Semaphore>,
}

type Answer = Response<Pieces>;

/// A request's body, and its share of the memory for bodies.
struct Received {
    bytes: Bytes,
    _room: OwnedSemaphorePermit,
}

impl Service {
    pub fn new(group: Group) -> Self {
        Self { group, room: Arc::new(Semaphore::new(MAX_BODIES_BYTES)) }
    }

    pub async fn answer(&self, request: Request<Incoming>) -> Answer {
        let path = request.uri().path().to_owned();
        let answer = match (request.method(), path.as_str()) {
            (&Method::GET, STATUS_PATH) => Ok(status(&self.group.status())),
            (&Method::POST, wire::APPEND_PATH) => self.append(request).await,
            (&Method::POST, wire::READ_PATH) => self.read(request).await,
            (&Method::POST, wire::LOCATE_PATH) => self.locate(request).await,
            (&Method::POST, BOOTSTRAP_PATH) => self.bootstrap(request).await,
            (&Method::POST, RETENTION_PATH) => {
                self.told(request, |group, call| async move { group.set_retention(call).await }).await
            }
            (&Method::POST, ACCEPT_LOSS_PATH) => {
                self.told(request, |group, call| async move { group.accept_loss(call).await }).await
            }
            _ => Err(text(StatusCode::NOT_FOUND, format!("{path} is not served by a shard group"))),
        };
        answer.unwrap_or_else(|refused| refused)
    }

    async fn append(&self, request: Request<Incoming>) -> Result<Answer, Answer> {
        let body = self.receive(request, wire::MAX_BODY_BYTES).await?;
        let append = wire::decode_append(body.bytes.clone()).map_err(invalid)?;
        Ok(message(wire::encode_appended(&self.group.append(append).await)))
    }

    async fn read(&self, request: Request<Incoming>) -> Result<Answer, Answer> {
        let body = self.receive(request, wire::MAX_BODY_BYTES).await?;
        let read = wire::decode_read(body.bytes).map_err(invalid)?;
        Ok(message(wire::encode_read_outcome(self.group.read(read).await)))
    }

    async fn locate(&self, request: Request<Incoming>) -> Result<Answer, Answer> {
        let body = self.receive(request, wire::MAX_BODY_BYTES).await?;
        let locate = wire::decode_locate(body.bytes).map_err(invalid)?;
        Ok(message(wire::encode_located(&self.group.locate(locate).await)))
    }

    /// Something that the operator tells the group.
    async fn told<C: DeserializeOwned, D: Future<Output = Result<MemberStatus, Refusal>>>(
        &self,
        request: Request<Incoming>,
        tell: impl FnOnce(Group, C) -> D,
    ) -> Result<Answer, Answer> {
        let body = self.receive(request, MAX_CALL_BYTES).await?;
        let call = serde_json::from_slice(&body.bytes).map_err(invalid)?;
        match tell(self.group.clone(), call).await {
            Ok(done) => Ok(status(&done)),
            Err(refused) => Err(text(StatusCode::CONFLICT, refused.to_string())),
        }
    }

    async fn bootstrap(&self, request: Request<Incoming>) -> Result<Answer, Answer> {
        let body = self.receive(request, MAX_BOOTSTRAP_BYTES).await?;
        let bootstrap = serde_json::from_slice(&body.bytes).map_err(invalid)?;
        match self.group.bootstrap(bootstrap).await {
            Ok(begun) => Ok(status(&begun)),
            Err(refused) => Err(text(StatusCode::CONFLICT, refused.to_string())),
        }
    }

    /// The body, read only after its announced length was found to be allowed and there is memory for it.
    async fn receive(&self, request: Request<Incoming>, max_bytes: usize) -> Result<Received, Answer> {
        let announced = request.body().size_hint().exact().and_then(|bytes| usize::try_from(bytes).ok());
        let bytes = announced
            .ok_or_else(|| text(StatusCode::LENGTH_REQUIRED, "a Content-Length is needed".into()))?;
        if bytes > max_bytes {
            let reason = format!("{bytes} bytes, {max_bytes} are allowed");
            return Err(text(StatusCode::PAYLOAD_TOO_LARGE, reason));
        }
        let permits = u32::try_from(bytes).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).try_acquire_many_owned(permits);
        let room = room.or_else(|_| self.group.counted(Err(Refusal::QueueFull)));
        let room = room.map_err(|refusal| text(StatusCode::SERVICE_UNAVAILABLE, refusal.to_string()))?;
        match tokio::time::timeout(BODY_TIMEOUT, collect(request.into_body(), bytes)).await {
            Ok(Ok(bytes)) => Ok(Received { bytes, _room: room }),
            Ok(Err(error)) => Err(invalid(error)),
            Err(_) => Err(text(StatusCode::REQUEST_TIMEOUT, "the body did not come in time".into())),
        }
    }
}

/// All frames of a body in one piece: the connection sees to it that they are as many bytes as announced.
async fn collect(mut body: Incoming, bytes: usize) -> Result<Bytes, hyper::Error> {
    let mut whole = BytesMut::with_capacity(bytes);
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            whole.extend_from_slice(&data);
        }
    }
    Ok(whole.freeze())
}

fn message(message: Message) -> Answer {
    answer(StatusCode::OK, "application/octet-stream", message.into())
}

fn status(status: &MemberStatus) -> Answer {
    match serde_json::to_vec(status) {
        Ok(json) => answer(StatusCode::OK, "application/json", Bytes::from(json).into()),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

fn invalid(error: impl std::fmt::Display) -> Answer {
    text(StatusCode::BAD_REQUEST, error.to_string())
}

fn text(status: StatusCode, reason: String) -> Answer {
    answer(status, "text/plain; charset=utf-8", Bytes::from(reason).into())
}

fn answer(status: StatusCode, content_type: &'static str, body: Pieces) -> Answer {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
