//! One message to a member, and its answer.

use bytes::Bytes;
use catalog::member::{MemberStatus, STATUS_PATH};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use tokio::time::timeout;

use crate::clock;
use crate::protocol::frame::{Broken, Frames, Message, time_for};
use crate::protocol::{Call, Refusal};
use crate::shard::body::Pieces;
use crate::shard::connection::Sender;

/// The most that is read of the reason in an answer with another status than 200.
const MAX_REASON_BYTES: usize = 64 << 10;
/// The largest status: that of 20,000 shards.
const MAX_STATUS_BYTES: usize = 2 << 20;

/// The outcome of an attempt.
pub enum Attempt<T> {
    Answered(T),
    /// Certainly not received.
    NotReceived(String),
    /// Possibly received.
    PossiblyReceived(String),
}

/// Sends a call, and waits for its answer, or for the first frame of it.
pub async fn send<C: Call>(
    authority: &str,
    mut sender: Sender,
    message: Message,
) -> Attempt<Result<C::Answer, Refusal>> {
    let limit = time_for(message.bytes());
    let body = Pieces::from(message);
    let sending = body.sending();
    let request = match request(authority, Method::POST, C::PATH, body) {
        Ok(request) => request,
        Err(refusal) => return Attempt::Answered(Err(refusal)),
    };
    let answer = timeout(limit, async {
        let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
        let (status, body) = (response.status(), response.into_body());
        if status == StatusCode::OK {
            return match C::receive(Frames::new(body)).await {
                Ok(answer) => Ok(answer),
                Err(Broken::Body(why)) => Err(why),
                // Its outcome is unknown; do not repeat it on and on.
                Err(Broken::Invalid(invalid)) => Ok(Err(Refusal::OutcomeUnknown(invalid.to_string()))),
            };
        }
        let reason = Limited::new(body, MAX_REASON_BYTES).collect().await;
        let reason = reason.map_err(|error| error.to_string())?.to_bytes();
        Ok(Err(refusal_of(status, &String::from_utf8_lossy(&reason))))
    });
    let why = match answer.await {
        Ok(Ok(answer)) => return Attempt::Answered(answer),
        Ok(Err(error)) => error,
        Err(_) => format!("no answer within {} s", limit.as_secs()),
    };
    if sending.cancel() { Attempt::NotReceived(why) } else { Attempt::PossiblyReceived(why) }
}

/// Asks for the member's status.
///
/// # Errors
/// Why there is none.
pub async fn status(authority: &str, mut sender: Sender) -> Result<MemberStatus, String> {
    let request = request(authority, Method::GET, STATUS_PATH, Pieces::from(Bytes::new()));
    let request = request.map_err(|refusal| refusal.to_string())?;
    let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
    let body = Limited::new(response.into_body(), MAX_STATUS_BYTES).collect().await;
    let body = body.map_err(|error| error.to_string())?.to_bytes();
    serde_json::from_slice(&body).map_err(|error| format!("its status is not understood: {error}"))
}

fn request(authority: &str, method: Method, path: &str, body: Pieces) -> Result<Request<Pieces>, Refusal> {
    let request = Request::builder().method(method).uri(format!("http://{authority}{path}")).body(body);
    let mut request = request.map_err(|error| Refusal::Invalid(error.to_string()))?;
    clock::write_headers(request.headers_mut());
    Ok(request)
}

/// The refusal for an answer with another status than 200: nothing was done.
fn refusal_of(status: StatusCode, reason: &str) -> Refusal {
    match status {
        StatusCode::SERVICE_UNAVAILABLE => Refusal::QueueFull,
        StatusCode::NOT_FOUND => Refusal::Unsupported(reason.into()),
        _ => Refusal::Invalid(format!("{status}: {reason}")),
    }
}
