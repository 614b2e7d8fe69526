//! HTTP around the API, without HTTP: which operation a request wants, or what to answer at once, and how
//! answers are dressed.
//!
//! The caller fills an [`Envelope`] from a request's head, has it judge that with [`Envelope::judge_head`] before it
//! receives the body, asks it with [`Envelope::open`] which operation the body is for, and has the answer dressed by [`Envelope::success`] or [`Envelope::error`].

mod content_hash;
mod head;
mod open;
mod reply;

pub use reply::Reply;

/// The content type of AWS JSON 1.1.
pub const JSON: &str = "application/x-amz-json-1.1";

/// The content type of CBOR, with which AWS's SDKs for Java begin.
const CBOR: &str = "application/x-amz-cbor-1.1";

/// A content type of times long past; AWS knows it, but no operation.
const PLAIN_JSON: &str = "application/json";

/// What is needed of a request's HTTP head, and the ids that its answer will carry.
///
/// Header names are case-insensitive; where a header comes twice, the first counts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Envelope<'a> {
    /// The method, in capitals. The path does not matter.
    pub method: &'a str,
    /// Content-Type.
    pub content_type: Option<&'a str>,
    /// X-Amz-Target.
    pub target: Option<&'a str>,
    /// X-Amz-Content-SHA256: the hash of the body in hexadecimal, where the sender tells it.
    pub content_sha256: Option<&'a str>,
    /// Origin: the request comes from a page in a browser.
    pub origin: Option<&'a str>,
    /// Access-Control-Request-Headers.
    pub access_control_request_headers: Option<&'a str>,
    /// Access-Control-Request-Method.
    pub access_control_request_method: Option<&'a str>,
    /// What the answer says as x-amzn-RequestId: a UUID, made by the caller.
    pub request_id: &'a str,
    /// What the answer says as x-amz-id-2: 72 random bytes in base64, made by the caller.
    pub extended_request_id: &'a str,
}
