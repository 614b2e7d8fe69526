//! HTTP around the API, without HTTP: which operation a request wants, or what to answer at once, and what
//! HTTP adds to answers.
//!
//! The caller fills an [`Envelope`] from a request's head, has it judge that with [`Envelope::judge_head`] before it
//! receives the body, asks it with [`Envelope::open`] which operation the body is for, checks who signed the request
//! ([`crate::signature`], or at least [`Envelope::check_content_hash`]), and makes the answer with [`Envelope::success`]
//! or [`Envelope::error`].

mod content_hash;
mod head;
mod open;
mod reply;

pub use reply::Reply;

use crate::Encoding;

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
    /// X-Amz-Content-SHA256: the hash of the body in hexadecimal, where the sender declares it.
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

impl Envelope<'_> {
    /// The encoding in which the request is to be read and answered: CBOR where the content type is CBOR's.
    #[must_use]
    pub fn encoding(&self) -> Encoding {
        self.known_encoding().unwrap_or_default()
    }

    /// The encoding of the content type, if it has one.
    fn known_encoding(&self) -> Option<Encoding> {
        let media_type = self.media_type();
        [Encoding::Json, Encoding::Cbor].into_iter().find(|encoding| encoding.content_type() == media_type)
    }

    /// Content-Type without its parameters.
    fn media_type(&self) -> &str {
        self.content_type.and_then(|value| value.split(';').next()).unwrap_or_default().trim()
    }
}
