//! Answers the requests of the internal protocol.

use std::sync::Arc;

use bytes::Bytes;
use catalog::member::{
    ACCEPT_LOSS_PATH, BOOTSTRAP_PATH, CLOCK_AGREEMENT_MS, MemberStatus, RETENTION_PATH, STATUS_PATH,
};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use serde::de::DeserializeOwned;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use prometheus::Registry;

use super::metrics;
use crate::admin::{Excess, Termination};
use crate::budget::ByteBudget;
use crate::clock::{self, Clock, system_clock};
use crate::log::MAX_APPEND_BYTES;
use crate::protocol::frame::{Frames, time_for};
use crate::protocol::{Append, Call, Follow, Locate, MAX_FRAME_BYTES, Read, Refusal, Reshard};
use crate::shard::body::AnswerBody;
use crate::shard::{Group, Served};

/// The largest bootstrap, as JSON.
const MAX_BOOTSTRAP_BYTES: usize = 4 << 20;
/// The largest other call of the operator, as JSON.
const MAX_CALL_BYTES: usize = 64 << 10;
/// The largest call: the largest append and its head.
const MAX_MESSAGE_BYTES: usize = MAX_APPEND_BYTES + (1 << 20);
/// The budget of request bodies until they are answered.
const MAX_BODIES_BYTES: usize = 96 << 20;
/// The budget of records that are read for answers and not sent yet.
const MAX_RECORDS_BYTES: usize = 32 << 20;

/// Serves one group.
pub struct Service {
    group: Group,
    bodies: Arc<Semaphore>,
    records: ByteBudget,
    termination: Termination,
    clock: Clock,
}

type Answer = Response<AnswerBody>;

/// The status and reason of a request that was not done.
type Refused = (StatusCode, String);

/// A request body of an allowed length, with its permit.
struct Admitted {
    body: Incoming,
    bytes: usize,
    _permit: OwnedSemaphorePermit,
}

impl Service {
    /// Serves a group until termination is ordered.
    pub fn new(group: Group, registry: &Registry, termination: Termination) -> prometheus::Result<Self> {
        let records = ByteBudget::new(MAX_RECORDS_BYTES, metrics::register(registry)?);
        let records = records.with_lanes(2, MAX_FRAME_BYTES);
        let bodies = Arc::new(Semaphore::new(MAX_BODIES_BYTES));
        Ok(Self { group, bodies, records, termination, clock: system_clock() })
    }

    pub async fn answer(&self, request: Request<Incoming>) -> Answer {
        let path = request.uri().path().to_owned();
        if let Some(other_ms) = clock::from_headers(request.headers()) {
            self.group.see_clock(other_ms);
        }
        let answer = match (request.method(), path.as_str()) {
            (&Method::GET, STATUS_PATH) => Ok(status(&self.group.status())),
            (&Method::POST, Append::PATH) => self.call::<Append>(request).await,
            (&Method::POST, Locate::PATH) => self.call::<Locate>(request).await,
            (&Method::POST, Reshard::PATH) => self.call::<Reshard>(request).await,
            (&Method::POST, Read::PATH) => self.call::<Read>(request).await,
            #[cfg(feature = "version-skew")]
            (&Method::POST, crate::protocol::skew::Newer::PATH) => {
                self.call::<crate::protocol::skew::Newer>(request).await
            }
            (&Method::POST, Follow::PATH) => self.call::<Follow>(request).await,
            (&Method::POST, BOOTSTRAP_PATH) => self.bootstrap(request).await,
            (&Method::POST, RETENTION_PATH) => {
                self.operate(request, |group, call| async move { group.set_retention(call).await }).await
            }
            (&Method::POST, ACCEPT_LOSS_PATH) => {
                self.operate(request, |group, call| async move { group.accept_loss(call).await }).await
            }
            _ => Err(text(StatusCode::NOT_FOUND, format!("{path} is not served by a shard group"))),
        };
        answer.unwrap_or_else(|refused| refused)
    }

    /// A call of a gateway.
    async fn call<C: Served>(&self, request: Request<Incoming>) -> Result<Answer, Answer> {
        let outcome = match request.extensions().get::<Excess>() {
            Some(excess) => self.group.counted(Err(Refusal::NotReady(excess.to_string()))),
            None => self.outcome_of::<C>(request).await?,
        };
        let body = AnswerBody::new(C::encode_answer(outcome), &self.records, &self.termination);
        Ok(answer(StatusCode::OK, "application/octet-stream", body))
    }

    async fn outcome_of<C: Served>(
        &self,
        request: Request<Incoming>,
    ) -> Result<Result<C::Answer, Refusal>, Answer> {
        let Admitted { body, bytes, _permit } = self.admit(request, MAX_MESSAGE_BYTES).map_err(refused)?;
        let call = in_time(bytes, async { C::decode(&mut Frames::new(body)).await.map_err(invalid) }).await?;
        Ok(match call {
            Ok(call) => self.group.call(call).await,
            Err(refusal) => self.group.counted(Err(refusal)),
        })
    }

    /// A call of the operator.
    async fn operate<C: DeserializeOwned, D: Future<Output = Result<MemberStatus, Refusal>>>(
        &self,
        request: Request<Incoming>,
        operate: impl FnOnce(Group, C) -> D,
    ) -> Result<Answer, Answer> {
        let call = self.receive(request, MAX_CALL_BYTES).await?;
        match operate(self.group.clone(), call).await {
            Ok(done) => Ok(status(&done)),
            Err(refused) => Err(text(StatusCode::CONFLICT, refused.to_string())),
        }
    }

    async fn bootstrap(&self, request: Request<Incoming>) -> Result<Answer, Answer> {
        let clock_ms = clock::from_headers(request.headers());
        let bootstrap = self.receive(request, MAX_BOOTSTRAP_BYTES).await?;
        // Log time begins with the clock of this machine, and never goes back.
        let apart_ms = clock_ms.map_or(0, |ms| ms.abs_diff((self.clock)()));
        if apart_ms > CLOCK_AGREEMENT_MS {
            let reason = format!(
                "the clocks of this machine and of the caller's are {} s apart: set them right first",
                apart_ms / 1_000
            );
            return Err(text(StatusCode::CONFLICT, reason));
        }
        match self.group.bootstrap(bootstrap).await {
            Ok(begun) => Ok(status(&begun)),
            Err(refused) => Err(text(StatusCode::CONFLICT, refused.to_string())),
        }
    }

    /// Reads a body of JSON.
    async fn receive<T: DeserializeOwned>(
        &self,
        request: Request<Incoming>,
        max_bytes: usize,
    ) -> Result<T, Answer> {
        let Admitted { body, bytes, _permit } = self.admit(request, max_bytes).map_err(refused)?;
        let bytes = in_time(bytes, async { body.collect().await.map_err(invalid) }).await?.to_bytes();
        serde_json::from_slice(&bytes).map_err(invalid)
    }

    /// Takes a permit for a body by its Content-Length, before any of it is read.
    fn admit(&self, request: Request<Incoming>, max_bytes: usize) -> Result<Admitted, Refused> {
        let announced = request.body().size_hint().exact().and_then(|bytes| usize::try_from(bytes).ok());
        let bytes =
            announced.ok_or((StatusCode::LENGTH_REQUIRED, "a Content-Length is needed".to_owned()))?;
        if bytes > max_bytes {
            return Err((StatusCode::PAYLOAD_TOO_LARGE, format!("{bytes} bytes, {max_bytes} are allowed")));
        }
        let permits = u32::try_from(bytes).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.bodies).try_acquire_many_owned(permits);
        let permit = permit.or_else(|_| self.group.counted(Err(Refusal::QueueFull)));
        let permit = permit.map_err(|refusal| (StatusCode::SERVICE_UNAVAILABLE, refusal.to_string()))?;
        Ok(Admitted { body: request.into_body(), bytes, _permit: permit })
    }
}

/// Limits the time in which a caller may send a body of so many bytes.
async fn in_time<T>(bytes: usize, read: impl Future<Output = Result<T, Answer>>) -> Result<T, Answer> {
    let slow = |_| text(StatusCode::REQUEST_TIMEOUT, "the body did not come in time".into());
    tokio::time::timeout(time_for(bytes), read).await.map_err(slow)?
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

fn refused((status, reason): Refused) -> Answer {
    text(status, reason)
}

fn text(status: StatusCode, reason: String) -> Answer {
    answer(status, "text/plain; charset=utf-8", Bytes::from(reason).into())
}

fn answer(status: StatusCode, content_type: &'static str, body: AnswerBody) -> Answer {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
